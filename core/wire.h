/* core/wire.h - one protocol's codec with a memory: bytes <-> events, as a table.
 *
 * Owner: the program (const). Called by core/session.c and core/scheduler.c only; may call what
 * session.h and channel.h list as "by a wire", which set flags and list links and nothing else.
 * Never: does I/O, reads a clock, keeps a queue of answers (debts are flags: OWED asks for them), allocates
 * by what a peer announced.
 *
 * decode takes all bytes of a chunk (partial headers live in its state) and delivers at most one event that
 * can be refused (DATA may be answered FULL, and so may an event for the role while the session's one slot is
 * taken; CREDIT, OPENED and ends never are). After FULL it is called again with the rest, even if that is
 * empty. Answers: OK; FULL as delivered; PROTOCOL, AUTH, IO end the session. What a wire ignores it still
 * consumes. encode is all or nothing and never gets NULL. Answers: OK said (or nothing to say); FULL no room;
 * MORE not before I have heard more (the wire calls session_wake then); IO this can only be told by an abort.
 */
#ifndef CORE_WIRE_H
#define CORE_WIRE_H

#include "core/chunk.h"
#include "core/event.h"
#include "core/instant.h"

enum trait {
	TRAIT_CREDIT = 1,       /* the wire has windows: a channel never answers FULL */
	TRAIT_HALF_CLOSE = 2,   /* it can say EOF and go on receiving */
	TRAIT_EARLY = 4,        /* data may follow OPEN before OPENED was heard */
	TRAIT_CONN = 8,         /* a session with exactly one channel */
	TRAIT_WHOLE = 16,       /* whole messages: batching pays */
	TRAIT_SILENT_OPEN = 32, /* nothing answers OPEN: it counts as opened once it is encoded */
};

struct wire {
	const char *name;
	uint32_t traits;
	size_t session_size;    /* bytes, zeroed: `state` below */
	size_t channel_size;    /* bytes, zeroed: channel->wire */
	size_t chunk_max;       /* bytes of DATA per encode at most */
	size_t message_max;     /* bytes of a message that is heard, where the carrier has such; 0: any */
	bool any_text;          /* a text message may hold any bytes: its peers do not look at the kind */
	/* The stream is there. */
	enum status (*start)(struct session *session, void *state);
	enum status (*decode)(struct session *session, void *state, const struct chunk *chunk,
			      size_t *consumed);
	enum status (*encode)(struct session *session, void *state, const struct event *event,
			      struct writer *writer);
	/* `now` has reached what the last tick (or session_tick_at) asked for. Returns the next instant, or
	 * NEVER; ends the session with session_end when the peer fell silent. NULL: no timers. */
	struct instant (*tick)(struct session *session, void *state, struct instant now);
	/* Releases what the state holds. NULL: nothing. */
	void (*stop)(struct session *session, void *state);
	/* A held conn moves: how much of what it has consumed it wants to hear again over there, in front of
	 * what it has not. NULL: nothing. */
	size_t (*unheard)(const void *state);
	/* Those bytes; `there`, the copy of its state that goes along, becomes as it was before them. */
	void (*unhear)(const void *state, void *there, uint8_t *bytes);
	/* What hub_bind asked for is there, at `local`, or (negative errno) cannot be. NULL: never asks. */
	void (*bound)(struct session *session, void *state, const struct address *local, int error);
	/* One datagram from the session's datagram socket; what cannot be taken is dropped and counted. The
	 * piece is borrowed and has no buf: nobody keeps it without a copy. */
	void (*datagram)(struct session *session, void *state, const struct address *from,
			 struct piece piece);
};

#endif
