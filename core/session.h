/* core/session.h - one wire instance: a link (many channels) or a conn (exactly one).
 *
 * Owner:  the hub. Thread: its worker. Usually on one stream.
 * States: STARTING (no stream yet) -> OPEN -> FLUSH (what is owed leaves, then the stream closes) -> DEAD.
 *         ready: AUTHED{ok} was said or heard; conns and ferries are ready at once. Until then no channel
 * speaks and a decoded OPEN is a protocol error. held: a conn whose role has not placed it yet; not read.
 * Limits: limits.channels_per_session; one event for the role at a time (the slot); limits.session_bytes
 * queued. Never:  calls the kernel or a role; a role's event waits in the slot until the worker calls
 * session_answer.
 */
#ifndef CORE_SESSION_H
#define CORE_SESSION_H

#include "core/burden.h"
#include "core/idtable.h"
#include "core/list.h"
#include "core/rate.h"
#include "core/role.h"
#include "core/wheel.h"
#include "core/wire.h"

struct stream;
struct dgram;
struct dial;
struct binding;

enum session_state { SESSION_STARTING, SESSION_OPEN, SESSION_FLUSH, SESSION_DEAD };

enum {
	PEER_TEXT_SIZE = 96,
	TLS_FACT_SIZE = 64,
	WHY_TEXT_SIZE = 192,
	SESSION_CROWD = 8, /* with so many channels that speak it is crowded */
};

struct session {
	struct link hub_link, delivered_link, writable_link, readable_link, ended_link;
	struct hub *hub;
	uint64_t id;                        /* unique in the process */
	const struct wire *wire;
	const struct carrier *carrier;
	const struct role *role;
	struct service *service;            /* the role's memory on this worker, or NULL */
	void *wire_state, *carrier_state, *role_state; /* behind the session, in the same object */
	struct stream *stream;              /* the worker's; NULL: none yet, or a ferry */
	struct dgram *dgram;                /* the worker's: a datagram socket beside or instead of it */
	struct dial *dial;                  /* the worker is connecting it */
	struct binding *binding;            /* the worker is opening its datagram socket */
	struct move *move;                  /* the worker is about to move it */
	struct ferry_end *ferry;            /* a ferry's rings; else NULL */
	const struct opening *opening;      /* client: the carrier's request; NULL where it needs none */
	struct burden *burden;              /* the role's, shown to other workers; NULL: nobody chooses it */
	bool client, ready, held, draining; /* client: we dialled */
	bool blocked;                       /* a flow is full: not read until it drains */
	bool sparing;                       /* for somebody crowded, last: read one buffer at a time */
	bool pushes_back;                   /* queued_bytes was at its limit: sources are blocked */
	bool owes, slot_full, chunk_valid, input_ended, had_channel;
	bool carrier_waits;                 /* for its peer's agreement: only its own debts are said */
	bool head_answered, flushed;        /* the upgrade, before it was there; its last word is said */
	enum session_state state;
	uint32_t traits;
	uint32_t says;                      /* bits of enum event_kind that were announced */
	enum reason why;                    /* the first one sticks */
	char why_text[WHY_TEXT_SIZE];
	char peer[PEER_TEXT_SIZE];          /* for logs */
	char tls[TLS_FACT_SIZE];            /* for logs: version, cipher and path; "" without TLS */
	struct target target; /* accepted: its source is the peer; of a published port: what it opens */
	uint64_t tag;                       /* the listening's: for its role, what it listens for */
	struct link channels, control;
	struct link fresh, active;          /* channels that may speak: core/scheduler.c */
	uint32_t fresh_left;                /* bytes that the fresh ones may say before an active one does */
	uint32_t speakers;                  /* on fresh and active together */
	struct link sources;                /* channels with bytes for it, not read while it is crowded */
	uint32_t channel_count, channels_max; /* the wire sets the maximum when it knows its peer */
	struct idtable ids;
	struct rate opens;                  /* a link's: channels that its peer opens */
	size_t queued_bytes;                /* waiting in flows to be sent here */
	struct event slot;
	struct piece input;
	struct chunk chunk;
	struct timer tick;                  /* wire.tick */
	struct instant since, heard_at;     /* created; last input */
	struct duration rtt;                /* as the wire measured it last; 0: it has not */
	uint64_t bytes_in, bytes_out;       /* plaintext of the wire */
};

_Static_assert(sizeof(struct session) <= 1408, "every idle connection has one");

struct session_options {
	const struct wire *wire;
	const struct carrier *carrier;
	const struct role *role;
	struct service *service;
	bool client;
};

/* NULL when there is no memory. */
struct session *session_create(struct hub *hub, const struct session_options *options);
/* The stream is there: wire.start, role.start. */
void session_open(struct session *session);
/* Ends every channel. `flush`: what the wire still owes leaves first, then the stream closes. `text` (may be
 * NULL) says more than the reason. Only the first reason is kept. */
void session_end(struct session *session, enum reason why, const char *text, bool flush);
/* DEAD and its stream let go: role.ended, wire.stop, memory. */
void session_destroy(struct session *session);

/* ---- by the worker ---- */
bool session_wants_input(const struct session *session);
/* Takes over one reference; the session must want input. */
void session_input(struct session *session, struct piece piece);
/* The stream saw its end, after all input. */
void session_input_end(struct session *session);
/* Puts it on hub->writable: it may have something to say. */
void session_touch(struct session *session);
/* Goes on decoding what is there. */
void session_feed(struct session *session);
/* Gives the slot's event to the role, then goes on. */
void session_answer(struct session *session);
/* Asks the wire for messages until the writer is full or nothing is left: core/scheduler.c. */
void session_pump(struct session *session, struct writer *writer);
/* While it is not crowded: the sources that wait for that are read again. */
void session_let_in(struct session *session);
bool session_has_output(const struct session *session);

/* ---- by a carrier ---- */
/* From its start: until the peer has agreed the carrier's `owed` alone is asked, after session_owes. */
void session_carrier_waits(struct session *session);
void session_carrier_agreed(struct session *session);

/* ---- by a wire ---- */
/* The session has a debt: encode(OWED) without channel will be asked. */
void session_owes(struct session *session);
/* What answered MORE may be asked again. */
void session_wake(struct session *session);
void session_hold(struct session *session); /* nothing more is decoded until */
void session_unhold(struct session *session);
void session_tick_at(struct session *session, struct instant at);
/* A link that is not read because a channel of it is full: its silence is not the peer's. */
bool session_is_held_back(const struct session *session);
/* A keep-alive falls due: what has held it back for `span` is reset. False: nothing has. */
bool session_reset_fullest(struct session *session, struct duration span);
/* Remembers what the peer did wrong, for the log. Returns STATUS_PROTOCOL. */
enum status session_fault(struct session *session, const char *text);
enum status session_deliver(struct session *session, const struct event *event);
/* The channel is about to go: what the role was to hear of it is withdrawn. */
void session_withdraw(struct session *session, const struct channel *channel);
struct channel *session_find(struct session *session, const void *id, size_t size);
/* A channel (and its pair) for an OPEN that is being decoded. NULL: a limit; refuse it on the wire. */
struct channel *session_channel(struct session *session);
struct channel *session_only_channel(struct session *session); /* a conn's, or NULL */

/* ---- by a role ---- */
/* Announces a session event: encode will be asked, role.fill gives the rest. */
void session_say(struct session *session, enum event_kind kind);
/* It is up: the burden, which the role keeps, shows from now on what it carries. */
void session_show(struct session *session, struct burden *burden);
/* No new channels; ends by itself when the last one has. */
void session_drain(struct session *session);

#endif
