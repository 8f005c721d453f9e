/* core/role.h - one protocol's policy: who may do what. A table of answers to events.
 *
 * Owner: the program (const); per-session memory in session->role_state, per-worker memory in its service.
 * Called by the worker between completions and pumping, never from inside decode or encode.
 * Never: sees DATA; does I/O. It answers by events (session_say, channel_open, channel_refuse) and asks the
 * worker by requests (core/request.h: dial, listen, move, post).
 */
#ifndef CORE_ROLE_H
#define CORE_ROLE_H

#include "core/event.h"

struct session;
struct published_sink;
struct pair;
struct hub;

/* What statistics tell of a session beside what it shows itself. */
struct session_facts {
	const char *protocol;      /* "tls-tunnel", "linksocks" ...: the configuration's word */
	const char *role;          /* "gateway", "client", "provider" ... */
	const char *peer_role;     /* what the peer is; NULL: not known (yet) */
	const char *identity;      /* who has logged in; NULL: nobody, or nobody known by name */
	uint32_t features;         /* enum feature bits that both ends have shown */
	const char *transport, *generation; /* where the protocol has such; else NULL */
};

struct role {
	const char *name;
	size_t session_size;   /* bytes, zeroed: session->role_state */
	/* After wire.start. */
	void (*start)(struct session *session);
	/* AUTH, AUTHED, OPEN, PUBLISH, PUBLISHED, READY, NOTE, GOAWAY, REQUEST ... */
	void (*event)(struct session *session, const struct event *event);
	/* encode wants what session_say announced: fill in the rest of *event (kind is set; pointers must
	 * live until the next call into this role). */
	void (*fill)(struct session *session, struct event *event);
	/* What fill gave has been encoded. NULL: does not care. */
	void (*said)(struct session *session, enum event_kind kind);
	/* Side 1 was refused and nothing was sent to it: true when the role has joined another channel or has
	 * called pair_retry_after; false: side 0 hears the refusal. */
	bool (*refused)(struct pair *pair, enum reason reason);
	/* What pair_retry_after asked for. Joins a channel, or refuses side 0. */
	void (*retry)(struct pair *pair);
	/* For statistics. NULL: a conn, or nothing to tell. */
	void (*describe)(const struct session *session, struct session_facts *facts);
	/* The session is over (session->why, session->why_text) and about to be destroyed; its channels have
	 * ended. */
	void (*ended)(struct session *session);
};

/* One role's memory on one worker. Services of one index exist on every worker, in the same order. */
struct service {
	const struct service_table *table;
	struct hub *hub;
	uint32_t index;        /* in hub->services */
};

struct service_table {
	const char *name;
	/* Workers run; listeners and dials may be asked for. */
	void (*start)(struct service *service);
	/* An OPEN that came over a ferry, from the same service of another worker. */
	void (*ferried)(struct service *service, const struct event *event);
	/* This machine's addresses or routes have changed. NULL: does not care. */
	void (*network_changed)(struct service *service);
	/* For statistics: what it publishes, visits or forwards, as this worker knows it. NULL: nothing. */
	void (*published)(struct service *service, struct published_sink *sink);
	/* Take no new work; finish what runs. Called once. */
	void (*drain)(struct service *service);
	/* Frees it; all sessions are gone. */
	void (*destroy)(struct service *service);
};

#endif
