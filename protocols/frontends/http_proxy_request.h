/* protocols/frontends/http_proxy_request.h - what a head asks of an HTTP proxy: judged, logged in, rewritten.
 *
 * Owner: nobody, values only; slices are borrowed from the head's bytes, which protocols/codecs/http1 has
 * found unambiguous. Here it is judged for a proxy: where it is to lead, in one form and to one target.
 * Names are given as they came; IPv6 without brackets in its canonical text, IPv4 inside it as IPv4.
 * Never:  takes a Host that is not the target, a user in a target, a Connection that names how the message
 *         is framed or whom it is for.
 */
#ifndef PROTOCOLS_FRONTENDS_HTTP_PROXY_REQUEST_H
#define PROTOCOLS_FRONTENDS_HTTP_PROXY_REQUEST_H

#include "core/event.h"
#include "protocols/codecs/http1.h"

struct http_proxy_request {
	bool connect;                   /* else the absolute form */
	bool bodiless;                  /* HEAD: its answer has no body, whatever it says */
	bool chunked;
	bool keeps;                     /* its sender would go on with the connection after an answer */
	uint64_t length;                /* of its body, where it is not chunked */
	uint16_t port;
	char host[HOST_SIZE];
	struct slice authority, path;   /* of the absolute form; the path may be empty or begin with '?' */
};

/* OK, or PROTOCOL with a status and what its sender is told. */
enum status http_proxy_judge(const struct head *head, struct http_proxy_request *request, unsigned *status,
			     const char **hint);

/* Bytes that a head may grow by, when it is rewritten: a Host that it had only in its target is not new. */
enum { HTTP_PROXY_ADDED = 64 };
/* The absolute form as it goes on to its target; the size. `bytes` has room for the head and ADDED. */
size_t http_proxy_rewrite(const struct head *head, const struct http_proxy_request *request, uint8_t *bytes);

enum { HTTP_PROXY_LOGIN_MAX = 1024 };
struct http_proxy_login {
	struct credentials credentials; /* slices of `bytes` */
	uint8_t bytes[HTTP_PROXY_LOGIN_MAX];
};
/* Basic (RFC 7617). False: the head has no login, or none that can be read. */
bool http_proxy_read_login(const struct head *head, struct http_proxy_login *login);

#endif
