/* protocols/frontends/http_proxy_response.h - a target's answer as it passes: where its first line ends.
 *
 * Not every server says that it will close, though it was asked to. The proxy says so behind the first line,
 * or the user would ask again on a connection that is over. Interim answers (1xx) have no such place; what is
 * not HTTP/1 has none either.
 * Owner: the conn; a value that may be copied. Never: keeps or changes a byte.
 */
#ifndef PROTOCOLS_FRONTENDS_HTTP_PROXY_RESPONSE_H
#define PROTOCOLS_FRONTENDS_HTTP_PROXY_RESPONSE_H

#include "core/base.h"

enum response_step { RESPONSE_FRONT, RESPONSE_LINE, RESPONSE_INTERIM, RESPONSE_PASSED };

struct http_proxy_response {
	enum response_step step;
	uint8_t at;             /* in the front: "HTTP/1.1 200" */
	bool filled;            /* the line of an interim head has a byte */
	uint16_t status;
};

/* How many of the bytes come before that place; SIZE_MAX: it is not among them. */
size_t http_proxy_response_find(struct http_proxy_response *response, struct slice bytes);

#endif
