/* protocols/frontends/via_dialogue.h - what is said to a proxy and heard from it until it has agreed: a pure
 * machine, fed in any pieces.
 *
 * Owner: whoever holds the struct; a value without memory of its own. Zero it, then say, hear, say ... until
 * hear answers OK.
 * SOCKS5: offers method 02 when there are user and password, else 00; literals as addresses, names as names.
 * HTTP:   CONNECT with Host and Proxy-Authorization; any 2xx agrees, interim answers are passed over.
 * Never:  takes a byte that came behind the proxy's agreement.
 */
#ifndef PROTOCOLS_FRONTENDS_VIA_DIALOGUE_H
#define PROTOCOLS_FRONTENDS_VIA_DIALOGUE_H

#include "core/config.h"
#include "core/reason.h"

enum {
	VIA_HEAD_MAX = 16 * 1024,       /* bytes of an HTTP answer */
	VIA_SAY_MAX = 4096,
	VIA_LINE_SIZE = 64,
	VIA_TEXT_SIZE = VIA_LINE_SIZE + 32,
	VIA_CREDENTIALS_MAX = 2048,     /* bytes of user and password together, to an HTTP proxy */
};

enum via_step {
	VIA_GREET,                      /* to be said; */
	VIA_METHOD,                     /* to be heard, in turn */
	VIA_LOGIN,
	VIA_LOGGED_IN,
	VIA_ASK,
	VIA_ANSWER,
	VIA_AGREED,
	VIA_REFUSED,
};

struct via_dialogue {
	enum via_step step;
	uint16_t count, need;           /* bytes of this answer: seen, and in all once that is known */
	uint8_t method;                 /* the one that was offered */
	bool blank;                     /* HTTP: nothing of this line yet */
	uint8_t line_size;
	char line[VIA_LINE_SIZE];       /* HTTP: the status line, as much of it as is told */
};

/* A name that can stand in a request to a proxy, or a literal. */
bool via_host_is_good(const char *host);
bool via_owes(const struct via_dialogue *dialogue);
/* What is to be said now: its size, 0 when there is nothing. */
size_t via_say(struct via_dialogue *dialogue, const struct config_via *via, const char *host, uint16_t port,
	       uint8_t bytes[VIA_SAY_MAX]);
/* OK: the proxy has agreed, and what is behind *used is the target's. MORE: all was taken; there may be
 * something to say. PROTOCOL: refused, with `reason` and `text`. */
enum status via_hear(struct via_dialogue *dialogue, const struct config_via *via, struct slice bytes,
		     size_t *used, enum reason *reason, char text[VIA_TEXT_SIZE]);

#endif
