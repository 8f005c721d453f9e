/* protocols/frontends/http_proxy_exchange.h - one request in absolute form and its answer, behind the head.
 *
 * Owner:  the conn, which has judged the head; a value without memory of its own. Zeroed, it waits: an answer
 * may come, and end, before the request has gone on.
 * States: (waiting) -> body -> asked; beside it answered -> over. Asked and over, it closes once
 *         limits.handshake has passed, in which its user may still read. Asked again, it is reset when its
 *         answer stands still for as long without an end.
 * Never:  passes on what is behind the request, or changes the answer but for a Connection: close in it.
 */
#ifndef PROTOCOLS_FRONTENDS_HTTP_PROXY_EXCHANGE_H
#define PROTOCOLS_FRONTENDS_HTTP_PROXY_EXCHANGE_H

#include "core/session.h"
#include "protocols/codecs/chunked.h"
#include "protocols/frontends/http_proxy_request.h"
#include "protocols/frontends/http_proxy_response.h"

struct http_proxy_exchange {
	bool bodiless;                            /* the request is a HEAD */
	bool asked;                               /* and complete */
	bool answered;                            /* the answer has begun */
	bool over;                                /* and ended */
	bool closes;                              /* once the answer is over; or a reset, once it rests */
	bool chunks;                              /* the body is chunked, else `left` tells its end */
	struct chunked chunked;
	struct http_proxy_response response;
	uint64_t left;
	uint64_t seen;                            /* of the answer, when something came behind the request */
};

/* The head has gone on: what its body will be. */
void http_proxy_exchange_begin(struct http_proxy_exchange *exchange,
			       const struct http_proxy_request *request);
/* Bytes behind the head. A *fault is told of a body that is not framed as one: nothing is taken. */
enum status http_proxy_exchange_hear(struct session *session, struct http_proxy_exchange *exchange,
				     const struct chunk *chunk, size_t *consumed, const char **fault);
/* DATA of the answer, as long as its first line has not passed. */
enum status http_proxy_exchange_say(struct http_proxy_exchange *exchange, const struct event *event,
				    struct writer *writer);
/* EOF or CLOSE. */
enum status http_proxy_exchange_say_end(struct session *session, struct http_proxy_exchange *exchange,
					const struct event *event, struct writer *writer);
/* When it wants to be asked again. */
struct instant http_proxy_exchange_tick(struct session *session, struct http_proxy_exchange *exchange);

static inline bool http_proxy_exchange_is_front(const struct http_proxy_exchange *exchange)
{
	return exchange->response.step != RESPONSE_PASSED;
}

#endif
