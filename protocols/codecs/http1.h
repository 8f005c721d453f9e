/* protocols/codecs/http1.h - heads of HTTP/1.1 messages (RFC 9112): parsed strictly, asked, written.
 *
 * Owner: nobody, values only; slices of a parsed head point into the bytes.
 * Never: accepts bare LF, obs-fold, NUL, blanks before a colon, a second Host, or two ways to say a length.
 */
#ifndef PROTOCOLS_CODECS_HTTP1_H
#define PROTOCOLS_CODECS_HTTP1_H

#include "core/chunk.h"

enum { HTTP1_HEAD_MAX = 16 * 1024 };

/* OK: a head of `*used` bytes, a request or a response; MORE; PROTOCOL with one line in `why`, and the status
 * that says so to a client in `*status` (400, 431, 505). */
enum status http1_parse_head(struct slice bytes, struct head *head, size_t *used, unsigned *status,
			     const char **why);
/* The first field of that name (case ignored); {NULL, 0}: there is none. */
struct slice http1_field(const struct head *head, const char *name);
/* The last one. */
struct slice http1_last_field(const struct head *head, const char *name);
/* The end of the last X-Forwarded-For, which the last proxy has added: the rest is its clients' own word. */
struct slice http1_last_hop(const struct head *head);
/* How many there are. */
uint32_t http1_count(const struct head *head, const char *name);
/* Does a comma-separated list in any field of that name have the token (case ignored)? */
bool http1_has_token(const struct head *head, const char *name, const char *token);
bool http1_lists(const struct head *head, const char *name, struct slice token);
/* 0 where there is none. */
uint64_t http1_content_length(const struct head *head);
/* A valid upgrade to WebSocket version 13: GET, Host, Upgrade, Connection, Key, Version. */
bool http1_is_websocket_upgrade(const struct head *head);
/* May it be said as it is: as the target of a request, as the value of a field? */
bool http1_is_target(struct slice target);
bool http1_is_value(struct slice value);
bool http1_is_token(struct slice token);
/* Are they the same word (case of ASCII ignored)? */
bool http1_is_same(struct slice a, struct slice b);
/* "OK", "Not Found"; "" when unknown. */
const char *http1_status_text(unsigned status);

#endif
