/* tools/tunnel/ask.h - a question to a management listener: one HTTP/1.1 GET over TCP or a unix socket.
 *
 * Owner:  the caller. Thread: main; it blocks, for ASK_SECONDS at most, or until a signal sets *stop.
 * Speaks: to ours and to TLS Tunnel's own. No TLS: a listener elsewhere is asked through a tunnel.
 * Limits: ASK_BODY_MAX bytes of an answer.
 * Never:  follows a redirection; shows the token.
 */
#ifndef TOOLS_TUNNEL_ASK_H
#define TOOLS_TUNNEL_ASK_H

#include <signal.h>

#include "core/address.h"
#include "core/secret.h"

enum { ASK_WHY_SIZE = 512, ASK_SECONDS = 5, ASK_BODY_MAX = 64 * 1024 * 1024, ASK_PREFIX_SIZE = 256 };

struct ask {
	char url[ASK_PREFIX_SIZE];           /* as it was given, for people */
	char path[ADDRESS_PATH_SIZE];        /* of a unix socket; "": TCP */
	char host[HOST_SIZE];
	uint16_t port;
	char prefix[ASK_PREFIX_SIZE];        /* of every path */
	struct secret token;                 /* empty: none */
	const sigset_t *mask;                /* while it waits; NULL: as it is */
	const volatile sig_atomic_t *stop;   /* set by a signal: give up; may be NULL */
};

struct answer {
	unsigned status;
	char *body;                          /* terminated; to be freed */
	size_t size;
};

/* "http://HOST[:9090][/PREFIX]", "http://unix:/PATH", "unix:/PATH", "HOST:PORT". NULL: the default. */
bool ask_parse(struct ask *ask, const char *url, char why[ASK_WHY_SIZE]);
/* The same from options, with the token's file. Afterwards ask_fini in any case. */
bool ask_prepare(struct ask *ask, const char *url, const char *token_file, char why[ASK_WHY_SIZE]);
void ask_fini(struct ask *ask);
/* Any status is an answer. False: one line in `why`, and nothing to free. */
bool ask_get(const struct ask *ask, const char *path, struct answer *answer, char why[ASK_WHY_SIZE]);

#endif
