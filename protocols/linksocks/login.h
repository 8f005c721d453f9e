/* protocols/linksocks/login.h - who a client is by what it shows, and how often a source may guess.
 *
 * Owner:  the decision is a pure function; the table of failures belongs to a service, one per worker.
 * Thread: the service's worker.
 * Limits: LOGIN_FAILURES_MAX failures in LOGIN_WINDOW_S from one source (an IPv6 /64 is one), then the same
 *         answer comes LOGIN_DELAY_S later, for LOGINS_DELAYED_MAX at a time; beyond that the connection is
 *         closed instead. A right token is never delayed, so nobody can lock out a neighbour.
 * Never:  tells by its answer or by its time how much of a guess was right.
 */
#ifndef PROTOCOLS_LINKSOCKS_LOGIN_H
#define PROTOCOLS_LINKSOCKS_LOGIN_H

#include "core/event.h"
#include "protocols/linksocks/tokens.h"

enum {
	LOGIN_FAILURES_MAX = 20,
	LOGIN_WINDOW_S = 60,
	LOGIN_DELAY_S = 2,
	LOGINS_DELAYED_MAX = 64,
	LOGIN_SOURCES = 512,            /* per worker, of which a source may be in LOGIN_WAYS places */
	LOGIN_WAYS = 4,
};

enum party { PARTY_NOBODY, PARTY_FORWARD, PARTY_PROVIDER, PARTY_CONNECTOR };

/* "forward client", "provider", "connector" */
const char *party_name(enum party party);

struct login {
	enum party party;               /* NOBODY: refused */
	const char *refusal;            /* what the client hears */
	struct token *token;
};

/* The table of the protocol document: what a token of that kind is good for. */
enum party login_party(enum token_kind kind, enum direction direction);
struct login login_decide(const struct tokens *tokens, const struct credentials *shown);

struct login_source {
	uint8_t key[16];
	uint32_t failures;              /* 0: nobody's */
	struct instant since;
};

struct logins {
	struct login_source sources[LOGIN_SOURCES];
	uint32_t seed;
	uint32_t delayed;               /* answers that wait at the moment */
};

/* Who the limit is for: a session's peer, "HOST:PORT" of its socket or the host that a proxy which
 * gateway.trusted_proxies names speaks for. What anybody else says of himself counts for nothing. */
struct login_key { uint8_t bytes[16]; };
struct login_key login_key_of(const char *peer);
/* One more failure. True: there were too many from there. */
bool logins_failed(struct logins *logins, const struct login_key *key, struct instant now);

#endif
