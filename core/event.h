/* core/event.h - one vocabulary in both directions: what a wire hears and what it is asked to say.
 *
 * Owner: nobody, a value for one call; what it points to is borrowed for that call. decode(encode(e)) == e
 * holds for every wire, modulo the normalisation that the wire's own header names.
 * Three ends: EOF no more from here, the other direction goes on; CLOSE no more from here and none wanted,
 * all that was sent is valid and is delivered first; RESET bytes may be lost, what is queued is dropped.
 */
#ifndef CORE_EVENT_H
#define CORE_EVENT_H

#include "core/buf.h"
#include "core/reason.h"
#include "core/target.h"

struct channel;

/*        name       who consumes it: a flow of the channel's pair, the session, or its role */
#define EVENTS(X) \
	X(OWED)      /* encode only: say a debt of this channel, or of the session */ \
	X(OPEN)      /* role */ \
	X(OPENED)    /* pair */ \
	X(DATA)      /* flow */ \
	X(DATAGRAM)  /* flow */ \
	X(CREDIT)    /* channel */ \
	X(EOF)       /* flow */ \
	X(CLOSE)     /* flow */ \
	X(RESET)     /* flow */ \
	X(AUTH)      /* role */ \
	X(AUTHED)    /* role */ \
	X(READY)     /* role */ \
	X(NOTE)      /* role */ \
	X(PING)      /* session */ \
	X(PONG)      /* session */ \
	X(GOAWAY)    /* role */ \
	X(PUBLISH)   /* role */ \
	X(PUBLISHED) /* role */ \
	X(REQUEST)   /* role */ \
	X(RECEIPT)   /* role */ \
	X(RESPONSE)  /* role */

enum event_kind {
#define X(name) EVENT_##name,
	EVENTS(X)
#undef X
	EVENT_COUNT
};
const char *event_name(enum event_kind kind);

/* What both ends of one link have shown (design: extensions). */
enum feature {
	FEATURE_OURS = 1,        /* the peer is this program: half-close is on, CLOSE and RESET differ */
	FEATURE_SOURCE = 2,
	FEATURE_VERDICT = 4,
	FEATURE_LINKS = 8,       /* several links of one client share what it publishes; needs an instance */
	FEATURE_CREDIT = 16,     /* LinkSocks: windows per channel */
	FEATURE_LZ4 = 32,        /* LinkSocks: compression 2 */
	FEATURE_HALF_CLOSE = 64, /* LinkSocks: an end of one direction */
};

enum { INSTANCE_SIZE = 16, LINKS_MAX = 64 /* of one client */ };

enum credential_form { CREDENTIAL_PLAIN, CREDENTIAL_SHA256 /* 64 lower-case hex digits of the secret */ };
enum direction { DIRECTION_UNSAID, DIRECTION_FORWARD, DIRECTION_REVERSE };

struct credentials {
	struct slice user, secret, group;
	enum credential_form form;          /* of `secret` */
	enum direction direction;           /* LinkSocks: what the sender wants to be */
	struct slice host, path;            /* said, over HTTP: Host, and the path with its query */
	struct slice source;                /* heard: the address that a proxy in front tells; for logs */
	uint32_t features;                  /* enum feature bits that the sender has shown */
	uint8_t instance[INSTANCE_SIZE];    /* the same on every link of one client; zero: not shown */
	uint32_t link;                      /* FEATURE_LINKS: which of them, from 0 */
};

/* One thing that a client offers to be reached. Strings are borrowed and terminated. */
struct publication {
	const char *name;
	const char *type;          /* "tcp", "ssh", "http/1.1" ...: reported, never acted upon */
	const char *publish_addr;
	uint16_t publish_port, local_port;
	bool visitor;              /* not offered but wanted: what this client will visit */
	const char *bind_addr;     /* visitor */
	uint16_t bind_port;        /* visitor */
};

enum note_kind {
	NOTE_TEXT,
	NOTE_BIND_RETRY,
	NOTE_BIND_FAILED,
	NOTE_PARTIAL,
	NOTE_ALL_REFUSED,
	NOTE_PARTNERS,
};

/* News that change nothing: TLS Tunnel's push_exception, LinkSocks' Log and Partners. */
struct note {
	enum note_kind kind;
	uint32_t count;            /* NOTE_PARTNERS */
	uint8_t level;             /* enum log_level */
	struct slice code, text;
	const struct publication *about; /* NULL: the session */
	unsigned retry, retry_max, delay_s;
};

/* LinkSocks: a provider asks for a connector token to be added or removed (REQUEST), and its answer. */
struct token_request {
	uint8_t id[16];                        /* says which request an answer is for */
	bool remove;
	struct slice token;                    /* empty in a request to add: the answerer makes one */
};

/* An HTTP request that is complete, or what it is answered with. Slices are borrowed. */
struct http_exchange {
	unsigned status;                       /* RESPONSE */
	struct slice method, path;             /* REQUEST: the path is not decoded, its query is `query` */
	struct slice query;
	struct slice api_key;                  /* REQUEST: X-API-Key; empty: there is none */
	struct slice host, origin, authorization; /* REQUEST: the fields of these names; empty: none */
	const char *content_type;              /* RESPONSE; NULL: there is no body */
	const char *fields;                    /* RESPONSE: further ones, each with its CRLF; NULL: none */
	struct slice body;
};

struct event {
	enum event_kind kind;
	struct channel *channel;               /* NULL: the session itself */
	const struct target *target;           /* OPEN. DATAGRAM: whom it is for, to the asker: from */
	enum reason reason;                    /* OPENED, AUTHED, PUBLISHED, RESET, GOAWAY, RESPONSE */
	struct slice text;                     /* beside reason, for people */
	const struct piece *pieces;            /* DATA: encode gets a gather list, decode gives one piece */
	uint32_t piece_count;
	size_t size;                           /* DATA: sum of the pieces */
	uint64_t amount;                       /* CREDIT: bytes. PING, PONG: nonce */
	const struct credentials *credentials; /* AUTH; AUTHED: the answerer's features */
	const struct publication *publications;/* PUBLISH */
	uint32_t publication_count;
	const struct slice *refused;           /* PUBLISHED: "name:port" each, as the wire says it */
	uint32_t refused_count;
	const struct note *note;               /* NOTE */
	const struct token_request *token;     /* REQUEST, RESPONSE: of LinkSocks */
	const struct http_exchange *exchange;       /* REQUEST, RESPONSE: of HTTP */
};

#endif
