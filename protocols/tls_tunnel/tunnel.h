/* protocols/tls_tunnel/tunnel.h - the private state of the wire, and what its files call of one another.
 *
 * wire.c is the clock and the table, hear.c frames, say.c events and debts, stream.c the dialogue at the
 * start of a stream, control_stream.c the stream that carries messages, control.c the messages themselves;
 * handshake.c is what comes before yamux in generations before 1.5, legacy.c its bytes. Debts are flags, one
 * each; refusals are a ring of REFUSALS_MAX ids, which then remembers whom it has answered.
 */
#ifndef PROTOCOLS_TLS_TUNNEL_TUNNEL_H
#define PROTOCOLS_TLS_TUNNEL_TUNNEL_H

#include "core/hub.h"
#include "core/writer.h"
#include "protocols/codecs/yamux.h"
#include "protocols/tls_tunnel/control.h"
#include "protocols/tls_tunnel/legacy.h"
#include "protocols/tls_tunnel/wire.h"

enum {
	PING_S = 30,
	HEARTBEAT_S = 30,
	SILENT_S = 90,
	ANSWER_S = 10,
	HEADER_S = 30,
	READY_S = 1,
	CONFIG_S = 120, /* from the login of a legacy client to the whole of what it publishes */
};

enum phase {
	PHASE_FIRST, /* server: LEGACY_FIRST_SIZE bytes will tell which it is */
	PHASE_LEGACY,
	PHASE_YAMUX,
};

/* 1.0, 1.1: streams to that client are named by the local port. */
struct port_map {
	uint16_t publish, local;
};

/* Each message is a length of 4 bytes and its text. Its windows are the wire's own: it is no channel of core.
 */
struct control_stream {
	uint32_t id; /* 0: the server has not seen it yet */
	bool open;   /* its SYN was heard or said */
	bool ack_owed, grant_owed;
	uint64_t credit;       /* bytes that we may still send */
	uint32_t granted, ate; /* that the peer may still send; taken and not granted again yet */
	uint8_t length[4], length_used;
	struct buf *text;    /* what has arrived of the message's text */
	struct buf *sending; /* the rest of a message too large for one frame: bytes[start..used] */
};

struct tunnel {
	enum phase phase;
	bool legacy_refused;		 /* server: the configuration wants 1.5 only */
	enum tunnel_generation shown;	 /* what the peer has turned out to be */
	struct legacy legacy;
	struct port_map *ports;
	uint32_t port_count;
	struct control_stream line; /* of 1.5 */
	struct control control;
	struct yamux_reader reader;
	struct yamux_header frame;  /* being read */
	bool in_frame;		    /* `frame` is valid, `left` bytes of its body are missing */
	bool heard;		    /* any frame yet */
	bool ready_heard, open_now; /* server: the first heartbeat; channels may be opened */
	bool ping_owed, pong_owed, goaway_owed, heartbeat_owed;
	bool ping_out; /* the answer to ping_nonce has not come */
	uint32_t left;
	uint32_t next_id;
	uint32_t ping_nonce, pong_nonce;
	struct instant ping_said_at;
	uint32_t refusals[REFUSALS_MAX]; /* by serial modulo the size: said up to refusals_said, added up to
					    refusals_added */
	uint32_t refusals_said, refusals_added;
	/* a refusal's text, as it arrives: the last stream that brings one */
	uint32_t refusal_id;
	uint16_t refusal_used;
	uint8_t refusal_text[CHANNEL_TEXT_SIZE];
	/* the clock; zero: not set */
	struct instant ping_at, heartbeat_at, answer_at, open_at, header_at;
};

enum dialogue {
	DIALOGUE_NONE,
	DIALOGUE_HEADER,
	DIALOGUE_VERDICT,
	DIALOGUE_PORT, /* server: the port that such a client writes in front of its visitor's bytes */
};

/* What the wire keeps for each channel. */
struct stream {
	uint32_t id;
	uint8_t dialogue;
	bool ack_owed;
	bool verdict; /* the peer waits for 01 or 00 */
	bool port_owed; /* client: the port goes in front of everything: DIALOGUE_PORT */
	bool fin_said, fin_heard;
	bool starved;	      /* it was without credit at the last look */
	uint16_t used, size;  /* bytes of the dialogue so far; of its name or text, as announced */
	struct instant until; /* DIALOGUE_HEADER */
};

static inline struct stream *stream_of(struct channel *channel)
{
	return (struct stream *)(void *)channel->wire;
}

/* ---- wire.c ---- */
/* Owes a GoAway and ends the session; the text says what the peer did. Returns STATUS_PROTOCOL. */
enum status tunnel_fault(struct session *session, struct tunnel *tunnel, const char *text);
/* Login is over: is the peer this program too? */
void tunnel_learn_peer(struct session *session, const struct tunnel *tunnel);
/* After one of the instants was set. */
void tunnel_tick_at_next(struct session *session, const struct tunnel *tunnel);

/* Before 1.5: yamux has no control stream. */
static inline bool tunnel_is_legacy(const struct tunnel *tunnel)
{
	return tunnel->legacy.generation != TUNNEL_UNKNOWN;
}

/* ---- hear.c ---- */
enum status tunnel_decode(struct session *session, void *state, const struct chunk *chunk, size_t *consumed);
/* The stream will be told RST. False: REFUSALS_MAX wait already. */
bool tunnel_refuse(struct session *session, struct tunnel *tunnel, uint32_t id);

/* ---- say.c ---- */
enum status tunnel_encode(struct session *session, void *state, const struct event *event,
			  struct writer *writer);
/* What follows from an event of the session that has been said. */
void tunnel_said(struct session *session, struct tunnel *tunnel, const struct event *event);
/* One frame without a body as a message of its own. */
enum status tunnel_say_frame(struct writer *writer, enum yamux_type type, unsigned flags, uint32_t id,
			     uint32_t length);

/* ---- control_stream.c ---- */
/* Takes bytes of the body up to the end of one message at most, and delivers that. */
enum status line_decode(struct session *session, struct tunnel *tunnel, struct slice bytes, size_t *taken);
enum status line_encode(struct session *session, struct tunnel *tunnel, const struct event *event,
			struct writer *writer);
enum status line_say_debts(struct session *session, struct tunnel *tunnel, struct writer *writer);
void line_fini(struct control_stream *line);

/* ---- stream.c ---- */
/* Bytes of a dialogue; delivers OPEN or OPENED when it is complete. The channel may be gone afterwards. */
enum status stream_decode(struct session *session, struct tunnel *tunnel, struct channel *channel,
			  struct slice bytes, size_t *taken);
enum status stream_encode_open(struct session *session, struct tunnel *tunnel, const struct event *event,
			       struct writer *writer);
enum status stream_encode_opened(const struct event *event, struct writer *writer);
/* The port that is owed, if it is. */
enum status stream_say_port(struct channel *channel, struct writer *writer);
/* Looks for streams that a peer of the original has ended and forgotten: nothing will ever be granted there.
 * Two looks without credit, and the stream is reset. */
void streams_unstick(struct session *session, struct tunnel *tunnel);
/* Resets what has taken too long to name its target. */
void streams_expire(struct session *session, struct tunnel *tunnel, struct instant now);

#endif
