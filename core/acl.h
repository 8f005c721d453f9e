/* core/acl.h - which targets a peer or a user may name: `access` of the configuration.
 *
 * Owner:  the process, made before workers start, read-only afterwards. Thread: any.
 * Rules:  CIDR[:port], HOST[:port], *.SUFFIX[:port], re:EXPR (POSIX extended, on the name). A name is asked
 *         as it was given, then every address that it resolves to; deny wins over allow, and an empty allow
 *         list allows all that is not denied. Names are compared without case and without a final dot.
 *         IPv4 inside IPv6 is asked as the IPv4 address that it is; behind a translator's prefix (NAT64,
 *         6to4) both must not be denied.
 * Never:  resolves; matches a literal against a name's rule or the other way round.
 */
#ifndef CORE_ACL_H
#define CORE_ACL_H

#include <regex.h>

#include "core/cidr.h"

enum acl_kind { ACL_CIDR, ACL_HOST, ACL_SUFFIX, ACL_REGEX };

struct acl_rule {
	enum acl_kind kind;
	uint16_t port;                  /* 0: any */
	struct cidr cidr;               /* ACL_CIDR */
	char host[HOST_SIZE];           /* ACL_HOST, ACL_SUFFIX (".example.com"): lower case */
	regex_t regex;                  /* ACL_REGEX */
};

struct acl {
	struct acl_rule *allow, *deny;
	size_t allow_count, deny_count;
};

/* What is denied where the configuration says nothing of it, as text; NULL ends it. */
extern const char *const acl_default[];

/* "[V6]:PORT" and "[V6/BITS]:PORT" for a port on IPv6. A name that ends in a number is refused: it would be
 * an address that was misspelt. False: malformed, and there is nothing to free. */
bool acl_rule_parse(struct acl_rule *rule, const char *text);
void acl_rule_fini(struct acl_rule *rule);

enum acl_verdict {
	ACL_ALLOWED,                    /* a literal that is allowed */
	ACL_DENIED,
	ACL_ASK_ADDRESSES,              /* a name that is not denied: its addresses must be asked as well */
};

/* A target as it was named: a name or a literal (brackets allowed). NULL acl: ALLOWED. */
enum acl_verdict acl_ask_host(const struct acl *acl, const char *host, uint16_t port);
/* An address that `host` (NULL: nothing) has led to: passes when it is not denied, and the name or the
 * address is allowed. NULL acl: passes; else what is no IP address never does. */
bool acl_allows(const struct acl *acl, const char *host, const struct address *address);

/* The same by the host alone: for a target that somebody else resolves, so that nobody here sees where it
 * leads. A range never allows a name then. NULL acl: passes. */
bool acl_allows_host(const struct acl *acl, const char *host, uint16_t port);

enum { ACL_TEXT_SIZE = HOST_SIZE + 64 };
/* What a refused target's user is told: which keys of the configuration decide. Returns `text`. */
const char *acl_refusal(char text[ACL_TEXT_SIZE], const char *host);
/* The same for whoever runs the program, in the log. */
void acl_log_refusal(const char *host, uint16_t port);

#endif
