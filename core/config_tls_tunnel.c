/* core/config_tls_tunnel.c - the section `gateway.tls_tunnel` and its rules; see config_sections.h. */
#include "core/config_sections.h"

#define FIELD(type, name) offsetof(struct type, name)

static const char *const transports[] = {"tls", "wss", "http2", NULL};

void config_read_transport(struct config_reader *reader, const struct config_node *node, void *field)
{
	int transport = config_choice(reader, node, transports);
	if (transport >= 0)
		*(enum config_transport *)field = (enum config_transport)transport;
}

/* One of a list, as a bit. */
static void read_bit(struct config_reader *reader, const struct config_node *node, void *field)
{
	int transport = config_choice(reader, node, transports);
	if (transport >= 0)
		*(uint32_t *)field = 1u << transport;
}

static void read_transports(struct config_reader *reader, const struct config_node *node, void *field)
{
	struct config_gateway *gateway = field;
	size_t count;
	const uint32_t *bits = config_read_list(reader, node, sizeof *bits, read_bit, false, &count);
	gateway->transports = 0;
	for (size_t i = 0; i < count; i++)
		gateway->transports |= bits[i];
	if ((node->kind == CONFIG_LIST || config_node_is_empty(node)) && !count)
		config_fail(reader, node, "transports must name at least one: [tls]");
}

static void read_count(struct config_reader *reader, const struct config_node *node, void *field)
{
	uint64_t number;
	if (config_number(reader, node, 1, 10000000, &number))
		*(uint32_t *)field = (uint32_t)number;
}

static void read_rate_limit(struct config_reader *reader, const struct config_node *node, void *field)
{
	static const struct config_key keys[] = {
		{"requests_per_second", read_count, FIELD(config_rate, requests_per_second), true},
		{"burst_size", read_count, FIELD(config_rate, burst_size), true},
		{"per_source", read_count, FIELD(config_rate, per_source), false},
	};
	static const struct config_table table = {
	    .name = "rate_limit", .keys = keys, .count = COUNT_OF(keys)};
	struct config_rate *rate = field;
	config_read_mapping(reader, node, &table, rate);
	if (rate->burst_size && rate->burst_size < rate->requests_per_second)
		config_warn(reader, node,
			    "burst_size %u is less than requests_per_second %u, which is then never reached "
			    "by links that come at once",
			    rate->burst_size, rate->requests_per_second);
}

void config_read_tls_tunnel(struct config_reader *reader, const struct config_node *node, void *field)
{
	static const struct config_key keys[] = {
		{"auth_key", config_read_key, FIELD(config_gateway, auth_key), false},
		{"auth_key_file", config_read_key_file, FIELD(config_gateway, auth_key), false},
		{"transports", read_transports, 0, false},
		{"legacy", config_read_bool, FIELD(config_gateway, legacy), false},
		{"allow_forward", config_read_bool, FIELD(config_gateway, allow_forward), false},
		{"rate_limit", read_rate_limit, FIELD(config_gateway, rate_limit), false},
	};
	static const struct config_table table = {
	    .name = "tls_tunnel", .keys = keys, .count = COUNT_OF(keys)};
	config_read_mapping(reader, node, &table, field);
}

/* The proxy in front has the certificate, and speaks HTTP to us. */
void config_check_behind_proxy(struct config_reader *reader, const struct config_node *node,
			       const struct config_gateway *gateway)
{
	static const char *const tls_only[] = {"tls_cert", "tls_key", "tls_client_ca", "tls_min_version",
					       "tls_server_names"};
	if (!gateway->behind_proxy)
		return;
	for (size_t i = 0; i < COUNT_OF(tls_only); i++) {
		const struct config_node *key = config_node_find(node, tls_only[i]);
		if (key)
			config_fail_key(reader, key,
					"%s does not go with behind_proxy: true: TLS ends at the proxy in "
					"front",
					key->key);
	}
	if (gateway->tls_tunnel && gateway->transports == 1u << TRANSPORT_TLS) {
		const struct config_node *section = config_node_find(node, "tls_tunnel");
		const struct config_node *list = section ? config_node_find(section, "transports") : NULL;
		config_fail(reader, list ? list : node,
			    "behind_proxy: true does not go with transport tls alone: name wss or http2");
	}
	if (!gateway->trusted_proxy_count && !address_is_loopback(&gateway->listen_addr))
		config_warn(reader, config_node_find(node, "behind_proxy"),
			    "behind_proxy: the port is in clear, for anybody who reaches it; listen on "
			    "loopback or name trusted_proxies");
}
