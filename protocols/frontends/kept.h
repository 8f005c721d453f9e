/* protocols/frontends/kept.h - bytes of a request that came in pieces, together in one buffer.
 *
 * Owner: a wire, which holds the one reference; NULL: nothing is kept. What is given back is wiped: heads
 * carry passwords and tokens. Limits: the caller's, who knows how long a request may be.
 */
#ifndef PROTOCOLS_FRONTENDS_KEPT_H
#define PROTOCOLS_FRONTENDS_KEPT_H

#include "core/buf.h"

/* Behind what is there. False: no memory, nothing is changed. */
bool kept_add(struct bufpool *bufs, struct buf **kept, struct slice bytes);
/* Forgets all behind the first `size` bytes. */
void kept_cut(struct buf *kept, size_t size);
void kept_drop(struct buf **kept);

#endif
