/* protocols/frontends/http.h - HTTP/1.1 requests and answers, server side: a conn of exchanges.
 *
 * A complete request (head and body) is delivered as EVENT_REQUEST with an http_exchange; the role answers
 * by session_say(EVENT_RESPONSE), and role.fill gives status, content type and body. One exchange at a time;
 * pipelined requests wait. Keep-alive as RFC 9112 has it; HEAD gets no body; 100-continue is answered.
 * Limits: HTTP1_HEAD_MAX for the head (431), HTTP_BODY_MAX for the body (413), limits.handshake for a head,
 *         limits.http_idle between requests, and twice that for an answer of which nothing is read.
 * Never:  accepts an ambiguous head (two lengths, a length beside chunks, bare LF, obs-fold, NUL): 400.
 */
#ifndef PROTOCOLS_FRONTENDS_HTTP_H
#define PROTOCOLS_FRONTENDS_HTTP_H

#include "core/session.h"

enum { HTTP_BODY_MAX = 64 * 1024 };

extern const struct wire wire_http;

/* For requests that nobody serves: they answer 404 or 403, and close. */
extern const struct role role_http_not_found, role_http_forbidden;

#endif
