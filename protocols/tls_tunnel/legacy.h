/* protocols/tls_tunnel/legacy.h - the handshakes of the generations before 1.5, which come before yamux.
 *
 * 1.1 to 1.4.1: u32 size, key, answered by 01; u32 size, JSON, answered by 01. 1.0: a binary list instead of
 * the JSON. A refusal is 00, u16 size, text. The branch 1.4.y: JSON messages, a u32 size before each; three
 * of them are answers. Some ends are silent: what cannot be read has no answer. Owner:  the wire's state.
 * Pure: no session, no writer; bytes in, one event out, and back. Memory: what an event points to is kept
 * here and in the struct control until legacy_release. States: LOGIN -> CONFIG -> (1.4.y, heard by a client:
 * LISTS ->) OVER. Limits: LEGACY_KEY_MAX, LEGACY_LOGIN_MAX, CONTROL_MESSAGE_MAX, CONTROL_ITEMS_MAX,
 * LEGACY_TEXT_MAX. Names of visitors and forwards: 64 bytes at a gateway 1.3, 255 later. Never:  allocates by
 * an announced size; keeps a key longer than until it was judged. Normalised as control.h has it; 1.0 and 1.1
 * to 1.4.1 tell of refused items in a text, or not at all, 1.0 has neither types, addresses nor visitors.
 */
#ifndef PROTOCOLS_TLS_TUNNEL_LEGACY_H
#define PROTOCOLS_TLS_TUNNEL_LEGACY_H

#include "protocols/tls_tunnel/control.h"
#include "protocols/tls_tunnel/wire.h"

enum {
	LEGACY_KEY_MAX = 1024,
	LEGACY_LOGIN_MAX = 10240, /* 1.4.y: the message that has the key in it */
	LEGACY_TEXT_MAX = 4096,	  /* of a refusal; a longer one is not read */
	LEGACY_FIRST_SIZE = 4,	  /* bytes that tell a legacy client from one of 1.5 */
};

enum legacy_step { LEGACY_LOGIN, LEGACY_CONFIG, LEGACY_LISTS, LEGACY_OVER };

struct legacy {
	/* Client: what we speak. Server: what the client does; 14 may yet turn out to be 10. UNKNOWN: none of
	 * these. */
	enum tunnel_generation generation;
	enum legacy_step step;
	bool by_local_port;	/* server: the client wants streams to be named by local port (1.0, 1.1) */
	bool visitor_ports;	/* server: the client writes the port in front of what its visitors say */
	bool guess;		/* client: 1.4.y is one; server: it is the client's, and wrong */
	bool whole;		/* `text` is a message that has been told, to be released */
	struct buf *text;	/* of the message that is being heard: all of it so far */
	uint32_t walked, items; /* 1.0: bytes and entries of its list that are complete */
	const char *refusal;	/* server: what the client must hear before the end; NULL: nothing */
};

/* How a client's first LEGACY_FIRST_SIZE bytes are meant: a yamux frame has other types than 0 in byte 1, and
 * of the flags behind it there are four; the size of a key is at least 16. */
bool legacy_begins(const uint8_t first[LEGACY_FIRST_SIZE]);

/* Takes what belongs to one message at most. MORE: it is not complete; OK: *event is what it says, kind OWED
 * when that is nothing by itself; FULL: no memory; PROTOCOL: *fault tells why, for the log. */
enum status legacy_decode(struct legacy *legacy, struct control *control, struct bufpool *pool,
			  struct slice bytes, size_t *taken, struct event *event, const char **fault);
/* Wipes and lets go what was heard. */
void legacy_release(struct legacy *legacy);

/* The bytes for AUTH, AUTHED, PUBLISH or PUBLISHED: legacy_write.c. */
void legacy_encode(const struct legacy *legacy, const struct event *event, struct json_text *text);
/* 00, size, text. */
void legacy_refuse(struct json_text *text, struct slice why);

/* The first rule of a server of that generation that a proxy breaks, as it words it; false: none. `own_port`:
 * the gateway's. legacy_rules.c. */
enum { LEGACY_RULE_SIZE = 768 };
bool legacy_rule(enum tunnel_generation generation, const struct publication *all, uint32_t count,
		 uint32_t at, uint16_t own_port, char text[LEGACY_RULE_SIZE]);

#endif
