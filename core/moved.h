/* core/moved.h - a held conn on its way to another worker: everything of it that is not the descriptor.
 *
 * Owner: the mail that carries it; malloc'ed, it belongs to no worker. Only a conn whose OPEN is unanswered
 * can move, and only over a carrier whose bytes are the stream's own. Never: holds a buffer or a pointer into
 * a worker.
 */
#ifndef CORE_MOVED_H
#define CORE_MOVED_H

#include "core/session.h"

struct moved {
	const struct wire *wire;
	const struct carrier *carrier;
	const struct role *role;
	uint32_t service;
	uint32_t traits;
	struct target target;         /* of the OPEN that will be delivered again */
	struct target published;      /* session->target */
	uint64_t tag;
	size_t unread_size;
	uint8_t *wire_state, *carrier_state, *channel_state, *unread;   /* into bytes[] */
	uint8_t bytes[];
};

/* Copies the session; `unread` is what its stream still holds. NULL: no memory. The caller ends the session
 * next. */
struct moved *session_pack(const struct session *session, struct slice unread);
/* The session on its new worker, with OPEN waiting for its role.
 * NULL: no memory. The caller frees `moved`. */
struct session *session_unpack(struct hub *hub, const struct moved *moved);

#endif
