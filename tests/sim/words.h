/* tests/sim/words.h - what stands before a talk: dialogues of proxies, heads of HTTP, PROXY headers.
 *
 * Users: a SOCKS5 or HTTP proxy is told a target first, and what it answers first is judged. An origin: what
 *        comes before the talk's own header is taken off and judged (prelude_hear): a PROXY header of either
 *        version, then the head of a request, whose path is the talk's header in hexadecimal digits.
 * Never: knows sockets; peer.c brings the bytes in whatever pieces.
 */
#ifndef TESTS_SIM_WORDS_H
#define TESTS_SIM_WORDS_H

#include "core/address.h"

enum { WORDS_MAX = 288 };

/* Said, or awaited, in pieces. */
struct words {
	uint8_t bytes[WORDS_MAX];
	uint16_t size, done;
};

struct talk;
struct peer;

/* An HTTP proxy is to connect. */
void http_tunnel(struct talk *talk, struct address target, bool by_name);
/* It is asked for a whole URL. The origin may be one that closes without an answer. */
void http_ask(struct talk *talk, struct address target, bool by_name);
/* How many of the bytes stand before the talk's header; the talk is known if that was in a path. */
size_t prelude_hear(struct peer *origin, const uint8_t *bytes, size_t size);

#endif
