/* ring/stream.h - one socket: descriptor, optional tls, receive side, one send in flight, deadline.
 *
 * Owner:  the worker. A session may sit on it; either can go first.
 * States: SOURCE (a trusted proxy is to say whose it is) -> HANDSHAKE (tls) -> DETECT (accepted, what it
 *         speaks is not known) -> OPEN -> CLOSING (our end is said, the peer's bytes are read and dropped so
 *         that it is not reset under what we sent) -> TERMINATING (ops are being cancelled) -> gone.
 *         TERMINATING from anywhere.
 * Rule:   one send in flight; closed only when neither recv nor send is submitted (terminate, join, close).
 *         While its session wants no input or tls takes none, the socket is not read.
 * Limits: limits.handshake for SOURCE, for HANDSHAKE, for DETECT and until a link is ready; STREAM_OUT_MAX
 *         bytes a send.
 */
#ifndef RING_STREAM_H
#define RING_STREAM_H

#include "core/request.h"
#include "ring/worker.h"
#include "tls/tls.h"

enum { STREAM_LINGER_S = 5, STREAM_FLUSH_S = 5, STREAM_HURRY_S = 1 };

enum stream_state {
	STREAM_SOURCE,
	STREAM_HANDSHAKE,
	STREAM_DETECT,
	STREAM_OPEN,
	STREAM_CLOSING,
	STREAM_TERMINATING,
};

/* What an accepted connection is to become. A value: the listening may be gone before the connection is
 * placed. */
struct welcome {
	const struct detector *detector;
	const struct tls_settings *tls;
	const struct wire *wire;
	const struct carrier *carrier;
	const struct role *role;
	uint32_t service;               /* index in hub->services */
	bool guarded;                   /* counted in process->sources */
	struct target target;
	uint64_t tag;
	const struct voucher *voucher;
	struct source_rules sources;
	bool answered, expired;         /* DETECT: the detector's reply was sent; its wait is over */
	struct instant detect_until;
};

/* A proxy that is believed: neither rules of sources nor their limit are about itself. */
bool welcome_trusts(const struct welcome *welcome, const struct address *peer);
bool welcome_lets_in(const struct welcome *welcome, const struct address *source);

/* What waits to be sent, and what is being sent. Only while there is any: the idle hold none. */
struct outgoing {
	struct part parts[WRITER_PARTS];
	uint32_t count, next; /* plain: [0, next) is in flight; tls: [next, count) is not sealed yet */
	struct iovec vectors[RING_SEND_PARTS];
	size_t in_flight;               /* bytes */
};

struct stream {
	struct link worker_link;
	struct worker *worker;
	struct session *session;
	struct welcome *welcome;        /* until it has a session; of an accepted one */
	struct tls *tls;
	int fd;
	enum stream_state state;
	struct op recv, send;
	struct bufqueue in;             /* received, not yet taken by tls or session */
	struct piece pending;           /* plaintext that was looked at */
	struct outgoing *out;
	struct timer deadline;
	struct address peer;            /* or whom a trusted proxy speaks for */
	bool in_ended;                  /* the socket's end was seen */
	bool paused;                    /* on purpose: the reader has enough */
	bool shut, shut_done;           /* our end is to be said; was said */
	bool abort;                     /* close as a reset */
	bool guarded;
	bool half_open;                 /* counted in worker->half_open_count */
	bool dialled;
	bool proxied;                   /* `peer` is a proxy's: the session is named by its role */
	bool expired; /* the reader took nothing for too long: what is left is lost, and that must show */
	bool lingers;                   /* CLOSING, all is sent: the deadline is the linger's */
	struct duration linger;
	struct move *move;              /* goes to another worker once its ops are home */
};

_Static_assert(sizeof(struct stream) <= 832, "every idle connection has one");

/* An accepted descriptor becomes a stream, of that peer. Closes it when there is no memory. */
void stream_accept(struct worker *worker, int fd, const struct address *peer, const struct welcome *welcome);
/* A dialled one: session_open follows once tls (NULL: plain) is through, session_end when it fails. `ahead`
 * (NULL: there was no proxy) is emptied: bytes of the peer that were read before. */
struct stream *stream_dialled(struct worker *worker, int fd, struct session *session, struct tls *tls,
			      struct bufqueue *ahead, struct instant deadline);
/* A moved one: goes on with the session. */
struct stream *stream_adopt(struct worker *worker, int fd, struct session *session,
			    const struct address *peer, bool guarded);

/* Something may be said: pumps the session while there is room. stream_out.c */
void stream_pump(struct stream *stream);
/* The session may be fed again. stream_in.c */
void stream_feed(struct stream *stream);
/* The session is over (it is about to be destroyed). */
void stream_release(struct stream *stream);
/* Ends it now: cancel, join, close. */
void stream_terminate(struct stream *stream, bool abort);
/* Lets go of the descriptor without closing it. Only with no op submitted and nothing to send. */
int stream_detach(struct stream *stream);
bool stream_can_move(const struct stream *stream);
/* Memory of one that is on worker->gone. */
void stream_destroy(struct stream *stream);

/* ---- between the files of stream ---- */
/* Accepted, and it is known whose it is: tls, or what it speaks. */
void stream_begin(struct stream *stream);
/* Reads what a trusted proxy says first. stream_source.c */
void stream_read_source(struct stream *stream);
void stream_recv_arm(struct stream *stream);
void stream_process(struct stream *stream);
void stream_flush(struct stream *stream);
void stream_detect(struct stream *stream);
/* From now on it is asked what the peer speaks. */
void stream_detect_begins(struct stream *stream);
/* False: the deadline was not the detector's own, the time is over. */
bool stream_detect_expires(struct stream *stream);
/* Before there is a session: a few bytes of ours. False: no memory, or others are still on their way. */
bool stream_say(struct stream *stream, struct slice bytes);
bool stream_out_is_empty(const struct stream *stream);
void stream_send_done(struct op *op, struct op_result result);
void stream_recv_done(struct op *op, struct op_result result);
void stream_join(struct stream *stream);
void stream_out_drop(struct stream *stream);
/* Has tls taken everything that was said? */
bool stream_out_is_sealed(const struct stream *stream);
/* What tls has not taken, and will not take any more, is let go. */
void stream_out_cut(struct stream *stream);
void stream_fail(struct stream *stream, enum reason reason, const char *text);
void stream_settled(struct stream *stream);
/* The last words of a session must leave within a limit. */
void stream_limit_flush(struct stream *stream);
/* The link has logged in: it does not count as half open any more. */
void stream_ready(struct stream *stream);
/* Waits for the peer's end; no longer than STREAM_HURRY_S where the worker stops: it may never come. */
void stream_linger(struct stream *stream);
/* Says our end and, once all is sent, waits for the peer's, at most so long; what it still sends is dropped.
 */
void stream_close(struct stream *stream, struct duration linger);
/* A log line about a connection without a session. */
void stream_log_refusal(struct stream *stream, enum reason reason, const char *text);
/* OK: a piece with one reference; MORE; IO: there will be no more. */
enum status stream_next_plain(struct stream *stream, struct piece *piece);
/* Its ops are home: takes the session along. listener.c is where it arrives. */
void stream_depart(struct stream *stream);
void stream_move(struct stream *stream, struct move *move);
void stream_adopt_session(struct stream *stream, struct session *session);

#endif
