/* protocols/linksocks/wire_inside.h - the private state of the wire, and what its files call of one another.
 *
 * wire.c the clock, debts, the table; greet.c the HTTP heads; hear.c messages as they come in pieces; heard.c
 * what a whole one means; say.c what is said.
 *
 * Buffers are held only while something is in them: an idle link has none. What the role's slot points into
 * is `kept` until the next decode.
 */
#ifndef PROTOCOLS_LINKSOCKS_WIRE_INSIDE_H
#define PROTOCOLS_LINKSOCKS_WIRE_INSIDE_H

#include <jansson.h>

#include "core/hub.h"
#include "core/writer.h"
#include "protocols/codecs/compress.h"
#include "protocols/linksocks/message.h"
#include "protocols/linksocks/wire.h"

enum {
	CHUNK_MAX = 512 * 1024,	  /* bytes of payload in a Data that we say: the Worker's limit is near */
	HELD_BACK_S = 10,	  /* one full channel may stop the link so long before a keep-alive */
	PONG_S = 25,		  /* an unsolicited one: a stock server gives 60 s from each */
	SHORT_MAX = 600,	  /* what matters of any message but Data, Log and Partners */
	NOTE_MAX = 64 * 1024 + 6, /* a Log that is longer is passed over */
	TAIL_MAX = 2 * (1 + LINKSOCKS_TEXT_MAX + 2),
	EARLY_MAX = 64 * 1024, /* what is held of messages that came before AuthResponse */
	EARLY_COUNT_MAX = 16,
};

enum phase {
	PHASE_HEAD, /* server: no request yet; client: no answer to it */
	PHASE_AUTH, /* WebSocket; AuthResponse was neither said nor heard */
	PHASE_OPEN,
	PHASE_OVER, /* refused: nothing that comes matters */
};

enum hearing {
	HEARING_HEAD,	  /* gathers enough to know what it is */
	HEARING_PLAIN,	  /* payload of Data, passed on as it comes */
	HEARING_GZIP,	  /* unpacked as it comes */
	HEARING_WHOLE,	  /* collected */
	HEARING_UNPACKED, /* was collected and unpacked; waits for the channel */
	HEARING_SKIP,
};

enum refusal { REFUSAL_LIMIT, REFUSAL_IN_USE, REFUSAL_NETWORK };

/* An OPEN that got no channel, and is to be answered. */
struct answer {
	uint8_t id[LINKSOCKS_UUID_SIZE];
	uint8_t refusal;
};

struct linksocks {
	struct linksocks_options options;
	uint32_t features; /* that both ends have shown */
	uint8_t phase, hearing;
	bool asked;	 /* AUTH was delivered (server), or its head said (client) */
	bool in_message; /* something of a message has been taken */
	bool cut;	 /* not all of it is in `whole` */
	bool upgrade_owed, bad_request_owed, refusal_owed, ping_owed, pong_owed;
	bool ping_out; /* the answer to ping_nonce has not come */
	uint8_t early_count, head_used;
	uint8_t head[LINKSOCKS_DATA_HEAD_SIZE];
	uint32_t left; /* of a payload, as on the wire */
	size_t whole_max;
	struct buf *whole;    /* what is collected of the message */
	struct buf *unpacked; /* bytes[start..used] wait for the channel */
	struct gunzip *gunzip;
	struct buf *early;    /* client: messages before AuthResponse, each behind its size */
	struct buf *greeting; /* server: texts of told.credentials, until AUTHED */
	struct buf *kept;
	json_t *kept_json;
	struct buf *answers; /* a ring of REFUSALS_MAX; NULL: none is owed */
	uint32_t answers_said, answers_added;
	uint32_t ping_nonce;
	struct instant ping_said_at, ping_at, pong_at;
	struct instant excused_at; /* we did not read then: silence counts from there */
	union {			   /* what the slot's event points to */
		struct credentials credentials;
		struct note note;
		struct token_request request;
	} told;
};

/* What the wire keeps for each channel. Its id is in the session's table. */
struct linksocks_channel {
	bool held;     /* its data waits for the answer */
	bool answered; /* ConnectResponse was heard */
};

static inline struct linksocks_channel *own_of(struct channel *channel)
{
	return (struct linksocks_channel *)(void *)channel->wire;
}

/* ---- wire.c ---- */
/* No memory: ends the session. Returns STATUS_IO. */
enum status linksocks_starved(struct session *session);
/* ConnectResponse will say no. Not OK when too many wait. */
enum status linksocks_refuse(struct session *session, struct linksocks *linksocks,
			     const uint8_t id[LINKSOCKS_UUID_SIZE], enum refusal refusal);
/* AuthResponse was said or heard: pings begin. */
void linksocks_begin(struct session *session, struct linksocks *linksocks);

/* ---- greet.c ---- */
enum status linksocks_hear_head(struct session *session, struct linksocks *linksocks,
				const struct head *head);
/* A client's request, and its Auth message where there is a secret to be said. */
enum status linksocks_say_auth(struct session *session, struct linksocks *linksocks,
			       const struct event *event, struct writer *writer);
/* The server's answer to the request, if it is owed. */
enum status linksocks_say_answer(struct linksocks *linksocks, struct writer *writer);

/* ---- hear.c ---- */
enum status linksocks_decode(struct session *session, void *state, const struct chunk *chunk,
			     size_t *consumed);
/* The digest of a token is as good as the token here: it is wiped. */
void linksocks_forget_greeting(struct linksocks *linksocks);
/* Lets go of everything that is held. */
void linksocks_forget(struct linksocks *linksocks);

/* ---- heard.c ---- */
/* Those of Data that came in pieces go straight to linksocks_hear_payload. */
enum status linksocks_hear_message(struct session *session, struct linksocks *linksocks, struct piece whole);
/* Bytes of a channel's data. FULL: nothing was taken. */
enum status linksocks_hear_payload(struct session *session, const uint8_t id[LINKSOCKS_UUID_SIZE],
				   struct piece piece);
/* The channel of that name, or NULL. */
struct channel *linksocks_find(struct session *session, const uint8_t id[LINKSOCKS_UUID_SIZE]);

/* ---- say.c ---- */
enum status linksocks_encode(struct session *session, void *state, const struct event *event,
			     struct writer *writer);
/* One message without a payload. */
enum status linksocks_say(struct writer *writer, const struct linksocks_message *message);

#endif
