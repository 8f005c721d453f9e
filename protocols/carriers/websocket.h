/* protocols/carriers/websocket.h - inside the WebSocket carrier (RFC 6455): frames, masks, heads, its state.
 *
 * websocket_frame.c  headers, masks, codes of a Close: values      websocket.c  decode, seal, owed
 * websocket_head.c   the request and the answer, both roles     websocket_bytes.c  a stream of bytes above it
 *
 * Owner:  the session. Thread: its worker. Role: session->client.
 * States: START -> ANSWER -> FRAMES or BODY; see enum websocket_phase. After a Close was said nothing is said
 *         any more, after one was heard nothing is heard.
 * Limits: heads HTTP1_HEAD_MAX; messages wire->message_max, judged by what is announced; one Pong owed.
 * Never:  allocates by what a peer announced, buffers a message, negotiates an extension.
 */
#ifndef PROTOCOLS_CARRIERS_WEBSOCKET_H
#define PROTOCOLS_CARRIERS_WEBSOCKET_H

#include "core/session.h"
#include "core/writer.h"
#include "protocols/codecs/base64.h"
#include "protocols/codecs/http1.h"
#include "protocols/codecs/utf8.h"

enum {
	WEBSOCKET_HEADER_MAX = 14,
	WEBSOCKET_CONTROL_MAX = 125,
	WEBSOCKET_KEY_SIZE = 4,
	WEBSOCKET_KEYS = 32,            /* keys of masks drawn at once */
	WEBSOCKET_INTERIM_MAX = 8,      /* answers 1xx before the one that counts */
	WEBSOCKET_ACCEPT_SIZE = BASE64_SIZE(20) + 1,
	WEBSOCKET_ANSWER_SIZE = 160,    /* of websocket_answer */
	WEBSOCKET_REQUEST_KEY_SIZE = BASE64_SIZE(16) + 1,
};

enum websocket_opcode {
	WEBSOCKET_CONTINUATION = 0,
	WEBSOCKET_TEXT = 1,
	WEBSOCKET_BINARY = 2,
	WEBSOCKET_CLOSE = 8,
	WEBSOCKET_PING = 9,
	WEBSOCKET_PONG = 10,
};

enum websocket_code {
	WEBSOCKET_NORMAL = 1000,
	WEBSOCKET_AWAY = 1001,
	WEBSOCKET_BROKEN = 1002,
	WEBSOCKET_NO_CODE = 1005,       /* never on the wire: a Close without one */
	WEBSOCKET_NO_TEXT = 1007,       /* a text that is not UTF-8 */
	WEBSOCKET_POLICY = 1008,
	WEBSOCKET_TOO_BIG = 1009,
	WEBSOCKET_INTERNAL = 1011,
};

/* ---- frames ---- */

struct websocket_frame {
	uint64_t size;                  /* of the payload */
	uint8_t opcode;
	bool last, masked;              /* last: of its message */
	uint8_t key[WEBSOCKET_KEY_SIZE];
};

/* The part of a header that has arrived. Zero: nothing. */
struct websocket_reader {
	uint8_t bytes[WEBSOCKET_HEADER_MAX];
	uint8_t used;
};

/* Takes from the front of *input what the header lacks. OK: `frame` is complete, the reader empty again;
 * MORE; PROTOCOL: `why` says what no frame to us may be. `masked`: whether it has to be. */
enum status websocket_read_header(struct websocket_reader *reader, struct slice *input, bool masked,
				  struct websocket_frame *frame, const char **why);
/* Writes it into the last bytes of `room`. Returns how many. */
size_t websocket_put_header(uint8_t room[WEBSOCKET_HEADER_MAX], const struct websocket_frame *frame);
/* Masks in place, or the opposite. `phase`: which byte of the key comes first; returns the one behind. */
unsigned websocket_mask(uint8_t *at, size_t size, const uint8_t key[WEBSOCKET_KEY_SIZE], unsigned phase);
/* May a Close have that code? */
bool websocket_code_is_valid(unsigned code);

/* ---- the carrier ---- */

enum websocket_phase {
	WEBSOCKET_START,                /* server: reads the request; client: has not said it */
	WEBSOCKET_ANSWER,               /* server: has not answered; client: reads the answer */
	WEBSOCKET_FRAMES,
	WEBSOCKET_BODY,                 /* no WebSocket: a body may be said, what is heard is dropped */
};

/* A head that is read, and kept until the next decode. */
struct websocket_head {
	struct buf *buf;                /* its bytes so far */
	uint32_t interim_count;
	struct head head;
};

struct websocket {
	struct websocket_head *head;    /* NULL: none */
	enum websocket_phase phase;
	bool in_frame, in_message;
	bool pong_due;
	bool ended;                     /* all is said that may be said */
	bool closed;                    /* a Close was heard */
	bool asked_protocol;            /* client: the request names subprotocols */
	bool early;                     /* server: frames may come before the request was answered */
	size_t text_max;                /* of a text that is heard, where the wire sets no limit */
	uint8_t kind;                   /* enum chunk_kind of the message */
	uint8_t control_used, pong_size, keys_left;
	uint16_t close_due;             /* code of the Close that is owed; 0: none */
	uint16_t refusal;               /* server: status of the answer that is owed; 0: none */
	unsigned mask_phase;
	struct websocket_reader reader;
	struct websocket_frame frame;   /* in_frame */
	uint64_t left;                  /* of its payload */
	uint64_t message_size;          /* with all of that frame */
	struct utf8 utf8;               /* of a text; zero between two */
	char accept[WEBSOCKET_ACCEPT_SIZE]; /* Sec-WebSocket-Accept, said or expected; "": no valid upgrade */
	uint8_t control[WEBSOCKET_CONTROL_MAX], pong[WEBSOCKET_CONTROL_MAX];
	uint8_t keys[WEBSOCKET_KEYS * WEBSOCKET_KEY_SIZE];
};

/* What the key of a request is to be answered with. */
void websocket_accept(struct slice key, char accept[WEBSOCKET_ACCEPT_SIZE]);
/* The barest 101, as TLS Tunnel says it: nothing that a strict client could refuse. */
void websocket_answer(const char *accept, char text[WEBSOCKET_ANSWER_SIZE]);
/* Client: a new key; websocket->accept is the answer that it must get. */
void websocket_draw_key(struct session *session, struct websocket *websocket,
			char key[WEBSOCKET_REQUEST_KEY_SIZE]);
/* Reads the head that is due. OK: state->head; MORE: input is used up; PROTOCOL, IO as decode. */
enum status websocket_read_head(struct session *session, struct websocket *websocket, struct piece *input);
void websocket_drop_head(struct session *session, struct websocket *websocket);
/* What seal makes of a HEAD message. */
enum status websocket_say_head(struct session *session, struct websocket *websocket, struct writer *writer);
/* Says the refusal that is owed. */
enum status websocket_say_refusal(struct websocket *websocket, struct writer *writer);
/* Server: the request cannot be answered otherwise than by that status. Returns STATUS_PROTOCOL. */
enum status websocket_refuse(struct session *session, struct websocket *websocket, unsigned status,
			     const char *why);

#endif
