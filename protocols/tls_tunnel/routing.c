/* protocols/tls_tunnel/routing.c - see routing.h. */
#include "protocols/tls_tunnel/routing.h"

#include <strings.h>

static enum way way_of(enum config_strategy strategy)
{
	switch (strategy) {
	case STRATEGY_DIRECT: return WAY_DIRECT;
	case STRATEGY_REJECT: return WAY_NOWHERE;
	default: return WAY_GATEWAY;
	}
}

/* ---- names ---- */

/* "host" ends in `tail`; both have their sizes. */
static bool ends_in(const char *host, size_t size, const char *tail)
{
	size_t tail_size = strlen(tail);
	return size >= tail_size && strncasecmp(host + size - tail_size, tail, tail_size) == 0;
}

static bool pattern_has(const char *pattern, const char *host, size_t size)
{
	if (pattern[0] == '*' && pattern[1] == '.')
		return ends_in(host, size, pattern + 1) && size > strlen(pattern + 1);
	if (pattern[0] == '.' && ends_in(host, size, pattern))
		return true;
	pattern += pattern[0] == '.';
	return strlen(pattern) == size && strncasecmp(pattern, host, size) == 0;
}

static bool patterns_have(const char *const *patterns, size_t count, const char *host)
{
	size_t size = strlen(host);
	while (size > 1 && host[size - 1] == '.')
		size--;                          /* the root's dot is no part of a name */
	for (size_t i = 0; i < count; i++)
		if (pattern_has(patterns[i], host, size))
			return true;
	return false;
}

/* ---- addresses ---- */

static enum way by_address(const struct config_routing *routing, const struct address *address)
{
	if (cidrs_have(routing->direct_ips, routing->direct_ip_count, address))
		return WAY_DIRECT;
	if (cidrs_have(routing->proxy_ips, routing->proxy_ip_count, address))
		return WAY_GATEWAY;
	return way_of(routing->default_strategy);
}

/* Where addresses cannot change what default_strategy says, nobody need ask for them. */
static bool addresses_matter(const struct config_routing *routing)
{
	enum config_strategy strategy = routing->default_strategy;
	return (routing->direct_ip_count && strategy != STRATEGY_DIRECT) ||
	       (routing->proxy_ip_count && strategy != STRATEGY_PROXY);
}

/* ---- the decision ---- */

enum way routing_by_host(const struct config_routing *routing, const char *host)
{
	struct address literal;
	char bare[HOST_SIZE];
	size_t size = strlen(host);
	if (!routing)
		return WAY_GATEWAY;
	bool bracketed = size > 2 && host[0] == '[' && host[size - 1] == ']';
	text_copy(bare, sizeof bare,
		  (struct slice){(const uint8_t *)host + bracketed, size - 2 * bracketed});
	if (patterns_have(routing->direct_domains, routing->direct_domain_count, bare))
		return WAY_DIRECT;
	if (patterns_have(routing->proxy_domains, routing->proxy_domain_count, bare))
		return WAY_GATEWAY;
	if (address_of_literal(&literal, bare, 0))
		return by_address(routing, &literal);
	return addresses_matter(routing) ? WAY_ASK : way_of(routing->default_strategy);
}

enum way routing_by_addresses(const struct config_routing *routing, const struct address *addresses,
			      size_t count, size_t *which)
{
	bool gateway = false;
	*which = 0;
	if (!count)
		return way_of(routing->default_strategy);
	for (size_t i = 0; i < count; i++) {
		enum way way = by_address(routing, &addresses[i]);
		if (way == WAY_DIRECT) {
			*which = i;
			return WAY_DIRECT;
		}
		gateway = gateway || way == WAY_GATEWAY;
	}
	return gateway ? WAY_GATEWAY : WAY_NOWHERE;
}
