/* core/channel.h - one side of a relay: one multiplexed flow inside a session.
 *
 * Owner:  the session; memory of the worker. Thread: the session's worker.
 * States: ASKED (OPEN was received) or OPENING (OPEN is to be said) -> OPEN -> CLOSED; a refusal closes at
 * once. in_done: nothing more is expected from the peer; out_done: nothing more will be said. Limits: credit
 * (what we may send), window (what the peer may send). Never:  answers FULL when it has credit: it was
 * promised room.
 */
#ifndef CORE_CHANNEL_H
#define CORE_CHANNEL_H

#include "core/session.h"

enum {
	CHANNEL_ID_MAX = 256,
	CHANNEL_TEXT_SIZE = 352,
	CHANNEL_TURN = BUF_RECEIVE_SIZE, /* bytes that it says in one turn: core/scheduler.c */
};

enum channel_state { CHANNEL_ASKED, CHANNEL_OPENING, CHANNEL_OPEN, CHANNEL_CLOSED };

enum channel_says { /* control events that wait, one flag each: the control lane is never a queue */
	SAYS_OPEN = 1,
	SAYS_OPENED = 2,
	SAYS_OWED = 4,
	SAYS_CREDIT = 8,
	SAYS_RESET = 16,
};

struct channel {
	struct link session_link, control_link, active_link, source_link;
	struct idtable_link id_link;
	struct session *session;
	struct pair *pair;              /* NULL: given up, its RESET is still to be said */
	enum channel_state state;
	uint8_t side, says;
	bool opener;                    /* we said OPEN */
	bool open_sent, in_done, out_done;
	bool on_trust;                  /* OPEN without an answer: channel_open_within holds as before it */
	bool paced;                     /* what waits for it may have to wait longer: core/pace.h */
	uint8_t stall;                  /* enum stall: what it waits for */
	enum reason reason;             /* OPENED */
	char *text;                     /* OPENED: refusal for people, CHANNEL_TEXT_SIZE bytes or NULL */
	uint8_t *long_id;               /* an id that does not fit in id_link, CHANNEL_ID_MAX bytes or NULL */
	uint32_t traits;                /* the session's when opened; a dialogue may change them */
	uint64_t credit;                /* bytes that we may still send */
	uint64_t granted;               /* bytes that the peer may still send */
	uint64_t consumed;              /* eaten and not granted again yet */
	uint64_t window;                /* granted, held here and consumed together: core/window.h */
	struct instant judged_at;       /* when the window was judged last */
	uint32_t judged_bytes;          /* granted again since */
	int32_t turn_left;              /* bytes of its turn that are not said yet; negative: of the next */
	struct instant stalled_at;      /* since when `stall` is as it is */
	struct instant not_before;      /* DATA is held back until then: channel_hold */
	struct target target;           /* what it opens, or what the peer asked for */
	_Alignas(8) uint8_t wire[];     /* wire->channel_size */
};

/* ---- by a role ---- */
/* Joins a new channel of `session` to the pair as side 1; it will say OPEN. NULL: the session takes no more.
 */
struct channel *channel_open(struct session *session, struct pair *pair, const struct target *target);
/* Not answered by then: it counts as refused with REASON_TIMEOUT, and the peer hears RESET. One that was
 * opened on trust is reset then. */
void channel_open_within(struct channel *channel, struct duration span);
/* The answer to an OPEN that was received: no. `text` goes to the peer where the wire can carry it. */
void channel_refuse(struct channel *channel, enum reason reason, const char *text);

/* ---- by a wire ---- */
void channel_set_id(struct channel *channel, const void *id, size_t size);
/* After channel_open: it counts as opened as soon as OPEN is said; the answer only confirms or ends it. */
void channel_trust(struct channel *channel);
/* That answer was heard, or what is as good as one. */
void channel_confirm(struct channel *channel);
/* encode(OWED) with this channel will be asked. */
void channel_owes(struct channel *channel);
/* No DATA is asked for before that instant (NEVER: before it is called again); control goes on. */
void channel_hold(struct channel *channel, struct instant until);
/* Bytes of the wire's own dialogue, received: they are part of the window like data. */
void channel_ate(struct channel *channel, size_t size);
/* The same before they are granted again: received now. False: the peer had no credit for them. */
bool channel_heard(struct channel *channel, size_t size);

/* Is it one side of an association? Then its flow holds datagrams and nothing else. */
static inline bool channel_has_datagrams(const struct channel *channel)
{
	return channel->target.network == NETWORK_UDP;
}

/* The other side of the pair, or NULL. */
struct channel *channel_partner(const struct channel *channel);

/* ---- inside core ---- */
struct channel *channel_create(struct session *session, struct pair *pair, int side);
void channel_say(struct channel *channel, unsigned says);
/* Puts it on its session's fresh or active list when it has something to say and may. */
void channel_wake(struct channel *channel);
/* Puts it before all others of that list: its turn goes on when there is room. */
void channel_wait(struct channel *channel, struct link *list);
/* Takes it off whichever of the two it is on. */
void channel_unlist(struct channel *channel);
bool channel_is_ready(const struct channel *channel);
/* Nobody has answered in time, to side 1: it is refused, and its peer hears RESET if it was told of OPEN. */
void channel_unanswered(struct channel *channel);
/* The answer of side 1 was heard (or the dial ended). The channel may be gone afterwards. */
void channel_opened(struct channel *channel, enum reason reason, struct slice text);
/* encode has said it. True: the channel may be gone. */
bool channel_said(struct channel *channel, enum event_kind kind);
/* Frees it when both directions are over and nothing is owed. */
void channel_settle(struct channel *channel);
/* The bytes that wait for it, as at most `max` bytes in at most `count_max` pieces. */
size_t channel_gather(const struct channel *channel, struct piece *pieces, uint32_t *count,
		      uint32_t count_max, size_t max);
/* encode has taken that many of them. */
void channel_sent(struct channel *channel, size_t size);

#endif
