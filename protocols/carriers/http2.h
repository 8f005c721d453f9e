/* protocols/carriers/http2.h - one HTTP/2 stream as a stream of bytes (RFC 9113, nghttp2): its state.
 *
 * http2.c      the session of nghttp2 with its memory; decode, and what every frame means for us
 * http2_say.c  seal, owed, finish: units of the wire's messages become DATA frames
 *
 * Owner:  the session. Thread: its worker. Role: session->client, which says CONNECT and waits for 200.
 * States: OPENING -> AGREED or REFUSED; ended: the peer will say nothing more.
 * Limits: one message waits for the peer's windows; HTTP2_HEADERS_MAX; HTTP2_NOISE_MAX and HTTP2_ANSWERS_MAX
 *         for what costs us work and is no payload.
 * Never:  has two units in one DATA frame (a Rust peer releases of each only what it reads first), says an
 *         empty one (which such a peer takes for the end), uses a second stream, copies payload.
 */
#ifndef PROTOCOLS_CARRIERS_HTTP2_H
#define PROTOCOLS_CARRIERS_HTTP2_H

#include <nghttp2/nghttp2.h>

#include "core/session.h"
#include "core/writer.h"

enum {
	HTTP2_HEADER_SIZE = 9,
	HTTP2_FRAME_MAX = 16384,             /* of a payload, ours and what we let the peer say */
	/* Of the connection and the stream; granted again when half is used up: 320 MB/s at 100 ms. It holds
	 * no memory: what was read is released, and the link is not read while it is full. */
	HTTP2_WINDOW = 64 * 1024 * 1024,
	HTTP2_FRAME_PIECES = 31,             /* of one DATA frame: with its header in an empty writer */
	HTTP2_HEADERS_MAX = 16 * 1024,       /* names, values and 32 for each, of one head */
	HTTP2_NOISE_MAX = 1000,              /* frames without payload at once ... */
	HTTP2_NOISE_PER_S = 100,             /* ... and as time passes */
	HTTP2_NOISE_PER_FRAME = 4,           /* ... and for each DATA frame that we said: its windows */
	HTTP2_ANSWERS_MAX = 1000,            /* frames that wait because the peer does not read */
	HTTP2_METHOD_SIZE = 8,
};

enum http2_phase { HTTP2_OPENING, HTTP2_AGREED, HTTP2_REFUSED };

/* What is left of the last message. */
struct http2_backlog {
	uint32_t count, next;
	struct part parts[];
};

struct http2 {
	nghttp2_session *nghttp2;            /* NULL: there was no memory for it yet */
	int32_t stream;                      /* its id; 0: none yet */
	enum http2_phase phase;
	/* heard */
	struct slice payload;                /* of a DATA frame, to be told */
	const char *fault;                   /* what the peer did wrong; NULL: nothing */
	unsigned status;                     /* client: the answer's; 0: not heard */
	char method[HTTP2_METHOD_SIZE];      /* server: the request's, cut */
	size_t headers_size;
	uint32_t noise;
	struct instant noise_at;
	bool ended, end_told;
	/* said */
	struct http2_backlog *backlog;       /* NULL: nothing */
	struct writer *writer;               /* while frames are said; else NULL */
	struct slice control;                /* made by nghttp2, which keeps it, and not said yet */
	bool framing;                        /* the open message is our own frames */
	bool no_room;                        /* in the writer, for the DATA frame that is due */
	bool ending;                         /* END_STREAM behind the backlog */
	bool closed;                         /* no DATA may be said any more */
	bool goaway_said, finished;
};

static inline struct http2 *http2_of(const struct session *session) { return session->carrier_state; }

/* ---- http2.c ---- */

/* Makes the session of nghttp2, with what is to be said first. False: no memory. */
bool http2_begin(struct session *session, struct http2 *http2);
/* The peer has said less, in relation: a DATA frame was exchanged. */
void http2_calm(struct http2 *http2, uint32_t frames);

/* "1.52.0": of nghttp2. */
const char *http2_library_version(void);

/* ---- http2_say.c ---- */

ssize_t http2_read_unit(nghttp2_session *nghttp2, int32_t stream, uint8_t *at, size_t size,
			uint32_t *flags, nghttp2_data_source *source, void *state);
int http2_say_unit(nghttp2_session *nghttp2, nghttp2_frame *frame, const uint8_t *header, size_t size,
		   nghttp2_data_source *source, void *state);
enum status http2_seal(struct session *session, void *state, struct writer *writer);
enum status http2_owed(struct session *session, void *state, struct writer *writer);
enum status http2_finish(struct session *session, void *state, struct writer *writer);
void http2_backlog_release(struct session *session, struct http2 *http2);

#endif
