/* core/config_stats.c - the section `stats`, the management listener, and its rules; see config_sections.h.
 */
#include "core/config_sections.h"

#define FIELD(name) offsetof(struct config_stats, name)

/* What is seen from elsewhere shows who uses what, and may close it. */
static void check_reach(struct config_reader *reader, const struct config_node *node,
			const struct config_stats *stats)
{
	const struct config_node *place = config_node_find(node, "listen_addr");
	if (!place || !stats->listen_addr.family || address_is_loopback(&stats->listen_addr))
		return;
	if (!secret_is_set(&stats->token) || !stats->tls_cert || !stats->tls_key)
		config_fail(reader, place,
			    "stats.listen_addr is reached from other machines: listen on 127.0.0.1 or unix:, "
			    "or give token_file, tls_cert and tls_key beside it");
}

void config_read_stats(struct config_reader *reader, const struct config_node *node, void *field)
{
	static const struct config_key keys[] = {
		{"listen_addr", config_read_listen, FIELD(listen_addr), true},
		{"token", config_read_bearer, FIELD(token), false},
		{"token_file", config_read_bearer_file, FIELD(token), false},
		{"tls_cert", config_read_text, FIELD(tls_cert), false},
		{"tls_key", config_read_text, FIELD(tls_key), false},
	};
	static const struct config_table table = {.name = "stats", .keys = keys, .count = COUNT_OF(keys)};
	struct config_stats *stats = field;
	size_t errors = reader->errors->error_count;
	config_read_mapping(reader, node, &table, stats);
	config_check_pair(reader, node, "tls_cert", "tls_key");
	if (errors == reader->errors->error_count)
		check_reach(reader, node, stats);
	stats->enabled = node->kind == CONFIG_MAPPING;
}

static bool is_same(const struct address *a, const struct address *b)
{
	return (a->port || a->family == ADDRESS_UNIX) && address_is_equal(a, b);
}

static bool is_of_client(const struct config_client *client, const struct address *address)
{
	for (size_t i = 0; i < client->visitor_count; i++)
		if (is_same(address, &client->visitors[i].bind))
			return true;
	for (size_t i = 0; i < client->forwarder_count; i++)
		if (is_same(address, &client->forwarders[i].bind))
			return true;
	return client->protocol == PROTOCOL_LINKSOCKS && !client->linksocks.reverse &&
	       is_same(address, &client->linksocks.socks_addr);
}

static bool is_of_gateway(const struct config_gateway *gateway, const struct address *address)
{
	const struct config_linksocks *linksocks = &gateway->linksocks;
	for (size_t i = 0; i < linksocks->token_count; i++)
		if (linksocks->tokens[i].socks && is_same(address, &linksocks->tokens[i].socks_addr))
			return true;
	return (gateway->enabled && gateway->public && is_same(address, &gateway->listen_addr)) ||
	       (linksocks->listens && is_same(address, &linksocks->listen_addr));
}

void config_check_stats(struct config_reader *reader, const struct config_node *root)
{
	const struct config *config = reader->config;
	const struct config_node *section = config_node_find(root, "stats");
	const struct config_node *place = section ? config_node_find(section, "listen_addr") : NULL;
	const struct address *address = &config->stats.listen_addr;
	if (!place || !address->family)
		return;
	bool taken = is_of_gateway(&config->gateway, address);
	for (size_t i = 0; i < config->client_count; i++)
		taken |= is_of_client(&config->clients[i], address);
	if (taken)
		config_fail(reader, place, "stats.listen_addr is another listener's address");
}
