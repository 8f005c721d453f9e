/* protocols/tls_tunnel/legacy_rules.c - what gateways before 1.5 do not publish, in their words; see
 * legacy.h.
 */
#include <stdio.h>

#include "protocols/tls_tunnel/legacy.h"

enum sameness { SAME_NAME, SAME_BINDING, SAME_LOCAL, SAMENESS_COUNT };

static bool is_same(enum tunnel_generation generation, enum sameness what, const struct publication *a,
		    const struct publication *b)
{
	switch (what) {
	case SAME_NAME:
		return strcmp(a->name, b->name) == 0;
	case SAME_BINDING:
		return a->publish_port == b->publish_port &&
		       (generation == TUNNEL_10 || strcmp(a->publish_addr, b->publish_addr) == 0);
	default:
		return a->local_port == b->local_port;
	}
}

static void word_sameness(enum tunnel_generation generation, enum sameness what,
			  const struct publication *one, char text[LEGACY_RULE_SIZE], int at)
{
	char *rest = text + at;
	size_t size = LEGACY_RULE_SIZE - (size_t)at;
	if (what == SAME_NAME)
		snprintf(rest, size, "Duplicate proxy name '%s': each proxy must have a unique name",
			 one->name);
	else if (what == SAME_LOCAL)
		snprintf(rest, size,
			 "Duplicate local_port %u: each proxy must connect to a different client port",
			 one->local_port);
	else if (generation == TUNNEL_10)
		snprintf(rest, size, "Duplicate publish_port %u: each proxy must use a different server port",
			 one->publish_port);
	else
		snprintf(rest, size,
			 "Duplicate publish binding %s:%u: each proxy must use a different server bind "
			 "address/port",
			 one->publish_addr, one->publish_port);
}

static bool is_double(enum tunnel_generation generation, const struct publication *all, uint32_t at,
		      char text[LEGACY_RULE_SIZE], int begin)
{
	for (enum sameness what = SAME_NAME; what < SAMENESS_COUNT; what++)
		for (uint32_t i = 0; i < at; i++) {
			if (all[i].visitor || !is_same(generation, what, &all[i], &all[at]))
				continue;
			word_sameness(generation, what, &all[at], text, begin);
			return true;
		}
	return false;
}

bool legacy_rule(enum tunnel_generation generation, const struct publication *all, uint32_t count,
		 uint32_t at, uint16_t own_port, char text[LEGACY_RULE_SIZE])
{
	const struct publication *one = &all[at];
	int begin = snprintf(text, LEGACY_RULE_SIZE, "Proxy configuration validation failed: ");
	char *rest = text + begin;
	size_t size = LEGACY_RULE_SIZE - (size_t)begin;
	check(at < count);
	if (is_double(generation, all, at, text, begin))
		return true;
	if (one->publish_port == own_port)
		snprintf(rest, size, "Proxy '%s' publish_port %u conflicts with server bind port", one->name,
			 one->publish_port);
	else if (generation != TUNNEL_10 && text_is_blank(one->publish_addr))
		snprintf(rest, size, "Proxy '%s': publish_addr cannot be empty", one->name);
	else if (!one->publish_port)
		snprintf(rest, size, "Proxy '%s': publish_port cannot be 0", one->name);
	else if (!one->local_port)
		snprintf(rest, size, "Proxy '%s': local_port cannot be 0", one->name);
	else if (text_is_blank(one->name))
		snprintf(rest, size, "Proxy name cannot be empty");
	else
		return false;
	return true;
}
