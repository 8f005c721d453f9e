/* core/config_tls_tunnel_client.c - a client of protocol tls-tunnel and its rules; see config_sections.h. */
#include "core/config_sections.h"

#define FIELD(name) offsetof(struct config_client, name)
#define LATER(name) {name, NULL, 0, false}

static void read_generation(struct config_reader *reader, const struct config_node *node, void *field)
{
	static const char *const generations[] = {"auto", "1.5", "1.4", "1.4.y", "1.0", NULL};
	int generation = config_choice(reader, node, generations);
	if (generation >= 0)
		*(enum config_generation *)field = (enum config_generation)generation;
}

static void read_retries(struct config_reader *reader, const struct config_node *node, void *field)
{
	uint64_t number;
	if (config_number(reader, node, 1, 100, &number))
		*(uint32_t *)field = (uint32_t)number;
}

static void read_links(struct config_reader *reader, const struct config_node *node, void *field)
{
	uint64_t number;
	if (config_number(reader, node, 1, CONFIG_LINKS_MAX, &number))
		*(uint32_t *)field = (uint32_t)number;
}

static void read_proxies(struct config_reader *reader, const struct config_node *node, void *field)
{
	struct config_client *client = field;
	client->proxies = config_read_list(reader, node, sizeof(struct config_proxy), config_read_proxy,
					   false, &client->proxy_count);
	config_check_proxies(reader, node, client);
}

static void read_visitors(struct config_reader *reader, const struct config_node *node, void *field)
{
	struct config_client *client = field;
	client->visitors = config_read_list(reader, node, sizeof(struct config_visitor), config_read_visitor,
					    false, &client->visitor_count);
	config_check_visitors(reader, node, client);
}

static void read_forwarders(struct config_reader *reader, const struct config_node *node, void *field)
{
	struct config_client *client = field;
	client->forwarders = config_read_list(reader, node, sizeof(struct config_forwarder),
					      config_read_forwarder, false, &client->forwarder_count);
	config_check_forwarders(reader, node, client);
}

static const struct config_key keys[] = {
	CONFIG_CLIENT_KEYS,
	{"transport", config_read_transport, FIELD(transport), false},
	{"path", config_read_path, FIELD(path), false},
	{"plaintext", config_read_bool, FIELD(plaintext), false},
	{"upstream_proxy", config_read_via, FIELD(upstream_proxy), false},
	{"auth_key", config_read_key, FIELD(auth_key), false},
	{"auth_key_file", config_read_key_file, FIELD(auth_key), false},
	{"generation", read_generation, FIELD(generation), false},
	{"links", read_links, FIELD(links), false},
	{"local_retries", read_retries, FIELD(local_retries), false},
	{"local_retry_delay", config_read_span, FIELD(local_retry_delay), false},
	{"proxies", read_proxies, 0, false},
	{"visitors", read_visitors, 0, false},
	{"forwarders", read_forwarders, 0, false},
	LATER("resume"),
};

static void check_transport(struct config_reader *reader, const struct config_node *node,
			    const struct config_client *client)
{
	const struct config_node *path = config_node_find(node, "path");
	if (path && client->transport != TRANSPORT_WSS)
		config_fail_key(reader, path, "path needs transport: wss");
	if (client->plaintext && client->transport == TRANSPORT_TLS)
		config_fail(reader, config_node_find(node, "plaintext"),
			    "plaintext: true does not go with transport tls");
	else
		config_check_plaintext(reader, node, client, "key");
}

static void check_work(struct config_reader *reader, const struct config_node *node,
		       const struct config_client *client)
{
	if (!config_node_find(node, "proxies") && !config_node_find(node, "visitors") &&
	    !config_node_find(node, "forwarders"))
		config_fail(reader, node,
			    "client has nothing to do: proxies, visitors and forwarders are all missing");
	else if (!client->proxy_count && !client->visitor_count && !client->forwarder_count &&
		 !reader->errors->error_count)
		config_fail(reader, node,
			    "client has nothing to do: proxies, visitors and forwarders are all empty");
}

/* What the older generations lack. */
static void check_generation(struct config_reader *reader, const struct config_node *node,
			     const struct config_client *client)
{
	const struct config_node *visitors = config_node_find(node, "visitors");
	const struct config_node *forwarders = config_node_find(node, "forwarders");
	bool first = client->generation == GENERATION_10;
	if (first && client->visitor_count)
		config_fail_key(reader, visitors, "generation 1.0 has no visitors");
	if (first && client->forwarder_count)
		config_fail_key(reader, forwarders, "generation 1.0 has no forwarders");
}

void config_read_tls_tunnel_client(struct config_reader *reader, const struct config_node *node,
				   struct config_client *client)
{
	static const struct config_table table = {
		.name = "client",
		.keys = keys,
		.count = COUNT_OF(keys),
		.foreign = config_client_foreign,
		.foreign_text = "does not belong to protocol tls-tunnel",
	};
	client->path = "/";
	client->local_retries = 3;
	client->local_retry_delay = DURATION_S(1);
	config_read_mapping(reader, node, &table, client);
	if (!config_node_find(node, "auth_key") && !config_node_find(node, "auth_key_file"))
		config_fail(reader, node, "auth_key is missing in client");
	check_transport(reader, node, client);
	check_generation(reader, node, client);
	check_work(reader, node, client);
	if (!config_node_find(node, "upstream_proxy"))
		config_environment_via(reader, node, client);
}
