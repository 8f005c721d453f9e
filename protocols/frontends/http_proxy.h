/* protocols/frontends/http_proxy.h - an HTTP proxy (RFC 9110, RFC 9112): a conn with one request in front.
 *
 * CONNECT host:port, or a request in absolute form (http://host/path): perhaps AUTH, then OPEN; the conn is
 * held until its role has placed it and may be moved to another worker. OPENED becomes 200 for CONNECT, and
 * from then on its bytes are the channel's. For the absolute form it is not answered: the request goes on in
 * origin form, without the fields that concern one hop, with Connection: close, so that one connection has
 * one exchange; what follows its body is dropped, and the answer, which passes as it is, gets a
 * Connection: close in front of its fields. A refusal is answered with 502, 504, 403 ...
 *
 * States: HEAD -> (AUTH ->) OPENING -> TUNNEL or EXCHANGE; with a 407, once, back to HEAD.
 * Limits: HTTP1_HEAD_MAX (431), limits.handshake for the head and for each login.
 * Never:  forwards an ambiguous head (two lengths, TE and CL, bare LF, obs-fold, NUL, a Host that is not the
 *         target): 400; opens before it has the whole head; compares a secret (the role does).
 */
#ifndef PROTOCOLS_FRONTENDS_HTTP_PROXY_H
#define PROTOCOLS_FRONTENDS_HTTP_PROXY_H

#include "core/session.h"

extern const struct wire wire_http_proxy;

/* How a protocol wants its users treated; const, outlives every session. */
struct http_proxy_policy {
	bool password;      /* users must log in (Basic): EVENT_AUTH, answered by EVENT_AUTHED or 407 */
	bool connect_only;  /* an absolute form gets 405 */
	/* Of a refusal: the status; NULL: as the table in http_proxy_answer.c has it. */
	unsigned (*status)(enum reason reason);
};

/* By role.start. Without a call: no password, both forms. */
void http_proxy_set_policy(struct session *session, const struct http_proxy_policy *policy);

#endif
