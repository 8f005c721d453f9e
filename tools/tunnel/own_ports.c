/* tools/tunnel/own_ports.c - see own_ports.h. */
#include "tools/tunnel/own_ports.h"

#include <ifaddrs.h>
#include <netinet/in.h>
#include <stdlib.h>

struct rules {
	struct acl_rule *at;
	size_t count, room;
	bool failed;
};

static void add(struct rules *rules, enum address_family family, const void *bytes, uint8_t prefix,
		uint16_t port)
{
	struct acl_rule rule = {.kind = ACL_CIDR, .port = port};
	if (rules->count == rules->room) {
		size_t room = 2 * rules->room + 16;
		struct acl_rule *grown = realloc(rules->at, room * sizeof *grown);
		rules->failed = rules->failed || !grown;
		if (!grown)
			return;
		rules->at = grown;
		rules->room = room;
	}
	rule.cidr.family = family;
	rule.cidr.prefix = prefix;
	memcpy(rule.cidr.bytes, bytes, family == ADDRESS_IPV4 ? 4 : 16);
	if (prefix < 32)
		memset(rule.cidr.bytes + 1, 0, 3);   /* 127.0.0.0/8 */
	rules->at[rules->count++] = rule;
}

/* Whatever leads to this machine. */
static void add_everywhere(struct rules *rules, const struct ifaddrs *machine, bool ipv4, bool ipv6,
			   uint16_t port)
{
	static const uint8_t loopback[4] = {127}, none[16];
	static const uint8_t loopback6[16] = {[15] = 1};
	if (ipv4) {
		add(rules, ADDRESS_IPV4, loopback, 8, port);
		add(rules, ADDRESS_IPV4, none, 32, port);
	}
	if (ipv6) {
		add(rules, ADDRESS_IPV6, loopback6, 128, port);
		add(rules, ADDRESS_IPV6, none, 128, port);
	}
	for (const struct ifaddrs *one = machine; one; one = one->ifa_next) {
		const struct sockaddr *address = one->ifa_addr;
		if (ipv4 && address && address->sa_family == AF_INET)
			add(rules, ADDRESS_IPV4,
			    &((const struct sockaddr_in *)(const void *)address)->sin_addr, 32, port);
		if (ipv6 && address && address->sa_family == AF_INET6)
			add(rules, ADDRESS_IPV6,
			    &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr, 128, port);
	}
}

static void add_listener(struct rules *rules, const struct ifaddrs *machine, const struct address *address)
{
	static const uint8_t none[16];
	bool ipv4 = address->family == ADDRESS_IPV4, ipv6 = address->family == ADDRESS_IPV6;
	if (!address->port || (!ipv4 && !ipv6 && address->family != ADDRESS_ANY))
		return;
	if (address->family == ADDRESS_ANY)
		add_everywhere(rules, machine, true, true, address->port);
	else if (memcmp(address->bytes, none, ipv4 ? 4 : 16) == 0)
		add_everywhere(rules, machine, ipv4, ipv6, address->port);
	else
		add(rules, address->family, address->bytes, ipv4 ? 32 : 128, address->port);
}

static void add_gateway(struct rules *rules, const struct ifaddrs *machine,
			const struct config_gateway *gateway)
{
	const struct config_linksocks *linksocks = &gateway->linksocks;
	if (gateway->public)
		add_listener(rules, machine, &gateway->listen_addr);
	if (linksocks->listens)
		add_listener(rules, machine, &linksocks->listen_addr);
	for (size_t i = 0; i < linksocks->token_count; i++)
		if (linksocks->tokens[i].socks)
			add_listener(rules, machine, &linksocks->tokens[i].socks_addr);
}

static void add_client(struct rules *rules, const struct ifaddrs *machine, const struct config_client *client)
{
	for (size_t i = 0; i < client->visitor_count; i++)
		add_listener(rules, machine, &client->visitors[i].bind);
	if (client->protocol == PROTOCOL_LINKSOCKS && !client->linksocks.reverse)
		add_listener(rules, machine, &client->linksocks.socks_addr);
}

bool own_ports_deny(struct config *config)
{
	struct rules rules = {.count = config->access.deny_count, .room = config->access.deny_count + 16};
	struct ifaddrs *machine = NULL;
	rules.at = calloc(rules.room, sizeof *rules.at);
	if (!rules.at)
		return false;
	if (rules.count)
		memcpy(rules.at, config->access.deny, rules.count * sizeof *rules.at);
	if (getifaddrs(&machine) != 0)
		machine = NULL;          /* loopback, and what has one address, are known without it */
	if (config->gateway.enabled)
		add_gateway(&rules, machine, &config->gateway);
	for (size_t i = 0; i < config->client_count; i++)
		add_client(&rules, machine, &config->clients[i]);
	if (machine)
		freeifaddrs(machine);
	struct slice bytes = {(const uint8_t *)rules.at, rules.count * sizeof *rules.at};
	void *kept = rules.failed ? NULL : config_keep(config, bytes);
	free(rules.at);
	if (!kept)
		return false;
	config->access.deny = kept;
	config->access.deny_count = rules.count;
	return true;
}
