/* core/request.h - what a role asks of its worker: dial, listen, move, resolve, post. Never answered inside
 * the call.
 *
 * Owner: as told at each. The worker takes requests off hub->requests after it has processed completions.
 */
#ifndef CORE_REQUEST_H
#define CORE_REQUEST_H

#include "core/cidr.h"
#include "core/hub.h"

struct tls_settings;

enum request_kind {
	REQUEST_DIAL,
	REQUEST_UNDIAL,
	REQUEST_LISTEN,
	REQUEST_UNLISTEN,
	REQUEST_MOVE,
	REQUEST_BIND,
	REQUEST_RESOLVE,
};

struct acl;
struct config_via;

struct request {
	struct link link;
	enum request_kind kind;
};

enum { DIALOGUE_SAY_MAX = 4096, DIALOGUE_TEXT_SIZE = 96, DIALOGUE_STATE_MAX = 128 };

/* What is said to a proxy before a connection is the target's: a pure machine with a state of its own,
 * DIALOGUE_STATE_MAX zeroes at first. It is asked what to say, until that is nothing, and told what it heard;
 * nothing at first: that host cannot be told. */
struct dialogue {
	size_t (*say)(void *state, const struct config_via *via, const char *host, uint16_t port,
		      uint8_t bytes[DIALOGUE_SAY_MAX]);
	/* OK: agreed, the bytes behind *used are the target's; MORE; PROTOCOL: refused, `reason` and `text`.
	 */
	enum status (*hear)(void *state, const struct config_via *via, struct slice bytes, size_t *used,
			    enum reason *reason, char text[DIALOGUE_TEXT_SIZE]);
};

/* A connection to be made for a session that is STARTING. Success: session_open; failure: session_end with
 * the reason. Memory: the hub's; the worker frees it. A session that ends before is not dialled on. */
struct dial {
	struct request request;
	struct session *session;               /* NULL: it has ended meanwhile */
	void *worker_state;                    /* the worker's */
	const struct tls_settings *tls;        /* NULL: plain */
	const struct acl *acl; /* every address that the name leads to is asked; NULL: any will do */
	const struct config_via *via;          /* a proxy on the way, which resolves; NULL: directly */
	const struct dialogue *dialogue;       /* with it */
	struct duration timeout;               /* over name, connect, proxy and TLS together */
	uint16_t port;
	char host[HOST_SIZE];                  /* name or literal; a unix path begins with '/' */
	char tls_name[HOST_SIZE];              /* what the certificate must carry; "": host */
};

/* False when there is no memory: the session has been ended. */
bool hub_dial(struct session *session, const char *host, uint16_t port, const struct tls_settings *tls,
	      struct duration timeout);

/* A datagram socket for a session: beside its stream, at the address where the stream's peer has reached us
 * (`beside`), or, for a session that is STARTING and has no stream, at any address: then it is opened. The
 * answer is wire.bound. The session sends with session_send_datagram and hears by wire.datagram. Memory: the
 * hub's; the worker frees it. */
struct binding {
	struct request request;
	struct session *session;               /* NULL: it has ended meanwhile */
	bool beside;
	const struct acl *acl; /* asked for each address that is sent to; NULL: any will do */
};
/* False when there is no memory: nothing was asked. */
bool hub_bind(struct session *session, bool beside, const struct acl *acl);

/* Where a name leads, for a role that has to know before it dials. Memory: the role's, alive until `answered`
 * was called or hub_resolve_cancel. */
struct inquiry {
	struct request request;
	const char *host;                      /* a name, alive as long as this */
	struct duration timeout;
	/* `addresses`, without ports, in the order to try, borrowed for the call; none: it leads nowhere. */
	void (*answered)(struct inquiry *inquiry, const struct address *addresses, uint32_t count);
	struct inquiry **asker;                 /* the worker's: where it knows this by; NULL: not yet */
	bool asked;                            /* between hub_resolve and its answer */
};
void hub_resolve(struct hub *hub, struct inquiry *inquiry);
/* It will not be answered. No matter when. */
void hub_resolve_cancel(struct inquiry *inquiry);

/* The session has ended: what was asked for it is called off. */
void hub_forget(struct session *session);

struct detector;
struct voucher;

/* By address; borrowed lists. */
struct source_rules {
	const struct cidr *allow, *deny;       /* no allow: all that is not denied; deny wins */
	size_t allow_count, deny_count;
};

/* A listening address. Memory: the role's, alive until `closed` was called. */
struct listening {
	struct request request;
	struct address address;
	const struct wire *wire;               /* of the conns that it accepts, where there is no detector */
	const struct carrier *carrier;
	const struct role *role;
	struct service *service;
	const struct detector
	    *detector; /* tells carrier, wire and role of a new connection; NULL: plain conns */
	const struct tls_settings *tls;        /* NULL: plain */
	const struct voucher *voucher;         /* whose headers are believed; NULL: nobody's */
	bool spread;                           /* connections go to the least loaded worker */
	bool guarded;                          /* limits.connections_per_source holds here */
	struct target target;                  /* what a plain conn opens */
	uint64_t tag;                          /* session->tag of the conns that it accepts */
	struct source_rules sources;           /* who may connect at all, before TLS */
	/* It listens (0) or could not (-errno, with the address in use as address.port). */
	void (*opened)(struct listening *listening, int error);
	void (*closed)(struct listening *listening);
	struct listener *listener;             /* the worker's */
	bool asked;                            /* between hub_listen and closed() */
};

void hub_listen(struct hub *hub, struct listening *listening);
/* closed() follows, later. Connections that it has accepted live on. */
void hub_unlisten(struct hub *hub, struct listening *listening);

/* A held conn goes to another worker, where its OPEN is delivered again. Memory: the hub's; the worker frees
 * it. */
struct move {
	struct request request;
	struct session *session;               /* NULL: it has ended meanwhile */
	uint32_t worker;
};
/* False: no memory; the session has been ended. Only a plain stream without output can move. */
bool session_move(struct session *session, uint32_t worker);

/* ---- mail between workers (control only) ---- */
typedef void mail_deliver_fn(struct hub *to, struct mail *mail);
struct mail {
	struct mail *next;
	mail_deliver_fn *deliver;              /* runs on the receiving worker; owns and frees the mail */
	uint32_t to;                           /* worker index */
};
void *mail_create(size_t size);                /* zeroed, malloc'ed: it crosses workers; NULL: no memory */
void mail_free(struct mail *mail);
/* To worker mail->to, also to ourselves; order is kept between any two workers. */
void hub_post(struct hub *hub, struct mail *mail);

#endif
