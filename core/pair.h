/* core/pair.h - two channels joined: everything that relays. Owns two flows.
 *
 * Owner:  the hub. Made with the channel that received OPEN (side 0); side 1 joins later. flow[i] holds what
 * came from side i and waits for side 1-i, also while its target is dialled. A channel may be gone while its
 * flow drains; the pair goes last. Thread: the worker of both sides (a ferry stands between two workers).
 * Limits: CHANNEL_QUEUE_MAX messages; limits.channel_bytes from a conn, limits.channel_bytes_no_credit from a
 * link without credit, the window from a channel with credit. Full: the source's session is not read. Ends:
 * the worse one wins, but RESET after EOF counts as CLOSE. Where the sink cannot half-close, the answering
 *         side's EOF becomes CLOSE at once and the asking side's is withheld until the answer has ended.
 * Never:  drops a byte of a stream without a RESET that says so.
 */
#ifndef CORE_PAIR_H
#define CORE_PAIR_H

#include "core/channel.h"

struct message {
	struct message *next;
	struct piece piece;
};

enum end { END_NONE, END_EOF, END_CLOSE, END_RESET };

struct flow {
	struct message *first, *last;
	struct pace *pace;              /* of its sink: core/pace.h; NULL: nothing was batched yet */
	uint32_t count;
	uint64_t bytes;
	enum end end;
	enum reason reason;
	bool end_sent;
	bool dead;                      /* nobody wants it any more: what comes is counted and dropped */
	bool datagrams;                 /* each message is one: core/datagram.h */
	bool source_blocked;
	struct instant withheld_at;     /* an EOF waits for the answer's end */
	struct instant full_at;         /* since when the source is blocked, and */
	uint64_t full_pulled;           /* what had been taken then: tells a stalled reader from a slow one */
	uint64_t pushed, pulled, discarded; /* pushed == pulled + bytes + discarded */
};

struct pair {
	struct link hub_link;
	struct hub *hub;
	uint64_t id;                    /* unique in the process; even: side 1 is id + 1 */
	struct instant since;
	struct tally *tally;            /* what it counts for; NULL: nothing */
	struct channel *side[2];
	struct flow flow[2];
	const struct role *role;        /* of side 0's session: decides about refusals */
	struct service *service;
	struct timer timer;             /* the next of: retry, answer, batch, hold, withheld EOF, stalled
					 * reader, idle */
	struct instant timer_at;        /* what the timer is armed for */
	struct instant moved_at;        /* when a byte was last taken */
	struct instant retry_at;
	struct instant answer_at;       /* side 1 has answered by then, or is refused; not set: no limit */
	uint8_t tries;                  /* the role's: dials so far */
	uint64_t seen;                  /* the role's: e.g. a link's id */
};

/* What a relayed connection costs each end: a session, a stream, a pair and two channels, about 4 KiB. */
_Static_assert(sizeof(struct pair) + 2 * sizeof(struct channel) <= 1600, "every idle connection has them");

struct pair *pair_create(struct session *session);
/* role.retry will be called. */
void pair_retry_after(struct pair *pair, struct duration delay);
/* The asker has ended, its EOF is withheld, and nothing has moved for so long: it is given up before
 * http_idle. For a session that is out of channels. */
void pair_reclaim(struct pair *pair, struct duration quiet);
/* Both sides hear that the bytes are lost. */
void pair_reset(struct pair *pair, enum reason reason);
/* The timer expires no later than that. */
void pair_wait_until(struct pair *pair, struct instant at);
/* A side has left; frees the pair when it was the last. */
void pair_leave(struct pair *pair, int side);
/* Both sides have left. */
void pair_abandon(struct pair *pair);
/* Slow check of the invariants, for tests and debug builds. */
void pair_check(const struct pair *pair);

/* ---- ends of a flow ---- */
void flow_end(struct pair *pair, int side, enum end end, enum reason reason);
/* Decides about an EOF towards a sink that cannot half-close. */
void flow_settle(struct pair *pair, int side);

/* ---- flow.c ---- */
/* FULL: nothing was taken and the source's session is blocked. */
enum status flow_push(struct pair *pair, int side, struct piece piece);
/* The first `size` bytes have been taken. */
void flow_pulled(struct pair *pair, int side, size_t size);
/* The first `size` bytes leave the queue; whoever calls counts them. */
void flow_pop(struct pair *pair, int side, uint64_t size);
void flow_drop(struct pair *pair, int side);
/* As if nothing had come from that side: another channel takes its place. */
void flow_restart(struct pair *pair, int side);
/* The session that this flow comes from is read again, if it was blocked by it. */
void source_resume(struct pair *pair, int side);

#endif
