/* tools/tunnel/ask.h - a question to a management listener: one HTTP/1.1 GET over TCP, TLS or a unix socket.
 *
 * Owner:  the caller. Thread: main; it blocks, for ASK_SECONDS at most, or until a signal sets *stop.
 * Speaks: to ours and to TLS Tunnel's own. Over https:// the certificate has the pin that the URL gives, or
 *         ends in the URL's ca, or in the system's roots; else not a byte of the request leaves.
 * Limits: ASK_BODY_MAX bytes of an answer.
 * Never:  follows a redirection; shows the token; says it in clear to another machine, unless `plaintext`.
 */
#ifndef TOOLS_TUNNEL_ASK_H
#define TOOLS_TUNNEL_ASK_H

#include <signal.h>

#include "core/address.h"
#include "core/pin.h"
#include "core/secret.h"
#include "tools/tunnel/options.h"

enum {
	ASK_WHY_SIZE = 768,
	ASK_SECONDS = 5,
	ASK_BODY_MAX = 64 * 1024 * 1024,
	ASK_PREFIX_SIZE = 256,
	ASK_FILE_SIZE = 4096,
};

struct ask_tls;                              /* ask_tls.c */

struct ask {
	char url[ASK_PREFIX_SIZE];           /* as it was given, for people, without what follows a ? */
	char path[ADDRESS_PATH_SIZE];        /* of a unix socket; "": TCP */
	char host[HOST_SIZE];
	uint16_t port;
	char prefix[ASK_PREFIX_SIZE];        /* of every path */
	bool https, has_pin;
	bool plaintext;                      /* the token may go in clear to any address */
	uint8_t pin[PIN_SIZE];
	char ca[ASK_FILE_SIZE];              /* "": the system's roots, unless there is a pin */
	struct ask_tls *tls;                 /* with https, once prepared */
	struct secret token;                 /* empty: none */
	const sigset_t *mask;                /* while it waits; NULL: as it is */
	const volatile sig_atomic_t *stop;   /* set by a signal: give up; may be NULL */
};

struct answer {
	unsigned status;
	char *body;                          /* terminated; to be freed */
	size_t size;
};

/* "http://HOST[:9090][/PREFIX]", "https://HOST[:9090][/PREFIX][?pin=sha256:...&ca=FILE]", "unix:/PATH",
 * "http://unix:/PATH", "HOST:PORT". NULL: the default. */
bool ask_parse(struct ask *ask, const char *url, char why[ASK_WHY_SIZE]);
/* The same from options, with the files of token and ca, and TLS ready. Afterwards ask_fini in any case. */
bool ask_prepare(struct ask *ask, const struct options *options, char why[ASK_WHY_SIZE]);
void ask_fini(struct ask *ask);
/* Any status is an answer. False: one line in `why`, and nothing to free. */
bool ask_get(const struct ask *ask, const char *path, struct answer *answer, char why[ASK_WHY_SIZE]);

#endif
