/* protocols/tls_tunnel/gather.h - a message that arrives in pieces: its buffer grows with what has come,
 * never by what was announced, and is wiped when it is let go, since there may be a key in it.
 */
#ifndef PROTOCOLS_TLS_TUNNEL_GATHER_H
#define PROTOCOLS_TLS_TUNNEL_GATHER_H

#include "core/buf.h"

/* *text may be NULL. False: no memory, nothing was taken. */
bool gather_add(struct bufpool *pool, struct buf **text, struct slice bytes);
void gather_release(struct buf **text);
static inline struct slice gather_slice(const struct buf *text)
{
	return text ? (struct slice){text->bytes, text->used} : (struct slice){0};
}

#endif
