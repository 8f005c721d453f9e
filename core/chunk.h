/* core/chunk.h - what a carrier makes of bytes, and the carrier itself: bytes <-> chunks.
 *
 * A chunk is a value, borrowed for one decode; its piece names the buf so that it may be queued by
 * reference. HEAD comes first on HTTP carriers, in both directions, so that credentials are judged before
 * 101.
 */
#ifndef CORE_CHUNK_H
#define CORE_CHUNK_H

#include "core/buf.h"

struct session;
struct writer;

enum chunk_kind { CHUNK_HEAD, CHUNK_BYTES, CHUNK_TEXT, CHUNK_BINARY, CHUNK_PING, CHUNK_PONG, CHUNK_END };

enum { HEAD_FIELDS_MAX = 64 };

/* A parsed HTTP head; slices are borrowed. */
struct head {
	struct slice method, path;      /* a request */
	unsigned status;                /* a response; 0: a request */
	unsigned minor;                 /* heard: HTTP/1.0 or 1.1 */
	struct { struct slice name, value; } fields[HEAD_FIELDS_MAX];
	uint32_t field_count;
};

struct chunk {
	enum chunk_kind kind;
	bool last;                      /* the last piece of its message; END: always */
	struct piece piece;
	const struct head *head;        /* CHUNK_HEAD */
	uint16_t code;                  /* CHUNK_END of a WebSocket: why it was closed; 0: without a Close */
};

/* What a client's carrier asks its server for when it begins. Borrowed for the session's life. */
struct opening {
	const char *host;       /* as HTTP is to name it: a name or literal, without port */
	const char *path;       /* with its query; where the carrier has paths */
};

/* Answers its own pings, reports them as chunks. */
struct carrier {
	const char *name;
	bool has_head;                  /* a HEAD chunk comes first */
	bool keeps_parts;               /* it never says two units in one frame: writer_cut */
	size_t overhead;                /* bytes that frames add to a message: it is made so much smaller */
	size_t state_size;              /* bytes, zeroed, inside the session */
	size_t frame_room; /* bytes that writer_begin keeps free in front of a message for seal */
	/* The stream is there, before the wire starts; see session_carrier_waits. NULL: nothing to begin. */
	void (*start)(struct session *session, void *state);
	/* Takes from the front of *input. OK: one chunk; MORE: input is used up. */
	enum status (*decode)(struct session *session, void *state, struct piece *input, struct chunk *chunk);
	/* Frames the message that has just ended. FULL: it is rolled back. What is sealed is spent: payload
	 * that lies in a buf may be changed in place (masks), since nobody else looks at those bytes. */
	enum status (*seal)(struct session *session, void *state, struct writer *writer);
	/* Says its own debts (a Pong); NULL: has none. */
	enum status (*owed)(struct session *session, void *state, struct writer *writer);
	/* The session ends, all that was owed is said: the last word (a Close); NULL: has none. */
	enum status (*finish)(struct session *session, void *state, struct writer *writer);
	/* Releases what the state holds. NULL: nothing. */
	void (*stop)(struct session *session, void *state);
};

extern const struct carrier carrier_raw;       /* protocols/carriers/raw.c */
extern const struct carrier carrier_websocket; /* protocols/carriers/websocket.c */
/* For wires that want a stream of bytes and know nothing of what carries it: they open by themselves, with
 * session->opening, and give CHUNK_BYTES. */
extern const struct carrier carrier_websocket_bytes; /* protocols/carriers/websocket_bytes.c */
extern const struct carrier carrier_http2;           /* protocols/carriers/http2.c */

#endif
