/* core/config_client.c - one entry of `client` and its rules; see config_reader.h. */
#include "core/config_sections.h"

#define FIELD(type, name) offsetof(struct type, name)
#define LATER(name) {name, NULL, 0, false}

void config_read_gateways(struct config_reader *reader, const struct config_node *node, void *field)
{
	struct config_client *client = field;
	client->gateways = config_read_list(reader, node, sizeof(struct config_endpoint),
					    config_read_endpoint, true, &client->gateway_count);
	if (!client->gateway_count && node->kind != CONFIG_REFUSED)
		config_fail(reader, node, "gateway_addr must name at least one gateway");
}

void config_read_pin(struct config_reader *reader, const struct config_node *node, void *field)
{
	struct config_client *client = field;
	const char *text = config_scalar(reader, node);
	if (!text)
		return;
	client->has_pin = pin_parse(text, client->pin);
	if (!client->has_pin)
		config_fail(reader, node,
			    "%s must be sha256: and the certificate's digest, 43 letters of base64url "
			    "or 64 hex digits",
			    node->key);
}

void config_read_reconnect(struct config_reader *reader, const struct config_node *node, void *field)
{
	static const struct config_key keys[] = {
		{"enabled", config_read_bool, FIELD(config_reconnect, enabled), false},
		{"min", config_read_duration, FIELD(config_reconnect, min), false},
		{"max", config_read_duration, FIELD(config_reconnect, max), false},
		{"retry_auth", config_read_bool, FIELD(config_reconnect, retry_auth), false},
	};
	static const struct config_table table = {.name = "reconnect", .keys = keys, .count = COUNT_OF(keys)};
	struct config_reconnect *reconnect = field, before = *reconnect;
	config_read_mapping(reader, node, &table, reconnect);
	if (reconnect->max.ns < reconnect->min.ns)
		config_fail(reader, node, "reconnect: min (default %ds) is longer than max (default %ds)",
			    (int)(duration_ms(before.min) / 1000), (int)(duration_ms(before.max) / 1000));
}

/* The protocol was read before the table is. */
void config_read_nothing(struct config_reader *reader, const struct config_node *node, void *field) {}

void config_read_path(struct config_reader *reader, const struct config_node *node, void *field)
{
	const char *text = config_scalar(reader, node);
	if (!text)
		return;
	bool good = text[0] == '/' && strlen(text) <= CONFIG_PATH_MAX;
	for (const char *at = text; good && *at; at++)
		good = (uint8_t)*at > 0x20 && (uint8_t)*at < 0x7f && *at != '#';
	if (good)
		*(const char **)field = config_text(reader, text);
	else
		config_fail(reader, node,
			    "%s must begin with / and have at most %d bytes without blanks and #", node->key,
			    CONFIG_PATH_MAX);
}

const char *const config_client_foreign[] = {
    /* anyproxy */
    "client_id",
    "group_id",
    "group_password",
    "group_password_file",
    "replicas",
    "max_concurrent_conns",
    "auth_username",
    "auth_password",
    "auth_password_file",
    "forbidden_hosts",
    "allowed_hosts",
    "limit",
    "open_ports",
    "dialect",
    "host_rules",
    "compression",
    /* linksocks */
    "compression_threshold",
    "connect_timeout",
    "token",
    "token_file",
    "reverse",
    "connector_token",
    "connector_token_file",
    "threads",
    "socks5",
    "fast_open",
    "target_proxy",
    "path",
    /* tls-tunnel */
    "transport",
    "auth_key",
    "auth_key_file",
    "generation",
    "links",
    "local_retries",
    "local_retry_delay",
    "proxies",
    "visitors",
    "forwarders",
    /* panel */
    "listen_addr",
    "api_host",
    "node_id",
    "node_type",
    "api_key",
    "api_key_file",
    "ws_url",
    "ws_scheme",
    "ws_host",
    "ws_port",
    "timeout",
    "cooldown",
    /* ssh-relay */
    "server_url",
    "relay_transport",
    "proxy_id",
    "host_key_policy",
    "known_hosts",
    "max_concurrent",
    "command_timeout",
    NULL,
};

/* In clear there is nothing that these could check, and who gives them believes that there is. */
void config_check_plaintext(struct config_reader *reader, const struct config_node *node,
			    const struct config_client *client, const char *secret)
{
	static const char *const tls_only[] = {"gateway_tls_cert", "gateway_tls_pin", "client_cert",
					       "client_key"};
	const struct config_node *plaintext = config_node_find(node, "plaintext");
	if (!client->plaintext)
		return;
	for (size_t i = 0; i < COUNT_OF(tls_only); i++) {
		const struct config_node *key = config_node_find(node, tls_only[i]);
		if (key)
			config_fail_key(reader, key, "%s does not go with plaintext: true", key->key);
	}
	for (size_t i = 0; i < client->gateway_count; i++) {
		const char *host = client->gateways[i].host;
		struct address literal;
		if (!host || strcmp(host, "localhost") == 0 ||
		    (address_of_literal(&literal, host, 1) && address_is_loopback(&literal)))
			continue;
		config_warn(reader, plaintext, "plaintext: %s and traffic go to %.100s in clear", secret,
			    host);
		return;
	}
}

/* Everything that some protocol's client knows. */
static const struct config_key keys[] = {
	CONFIG_CLIENT_KEYS, LATER("upstream_proxy"), LATER("plaintext"), LATER("resume"),
};

static const struct config_table table = {
	.name = "client",
	.keys = keys,
	.count = COUNT_OF(keys),
	.foreign = config_client_foreign,
};

/* Of a client that asks for a protocol that is not spoken yet, only keys that nobody knows are wrong. */
static bool is_spoken(struct config_reader *reader, const struct config_node *node,
		      enum config_protocol *spoken)
{
	static const char *const protocols[] = {"tls-tunnel", "linksocks", "anyproxy",
						"panel",      "ssh-relay", NULL};
	const struct config_node *protocol = config_node_find(node, "protocol");
	if (!protocol) {
		config_fail(reader, node,
			    "protocol is missing in client: its default, anyproxy, is not in this version; "
			    "write protocol: tls-tunnel, or linksocks");
		return false;
	}
	int choice = config_choice(reader, protocol, protocols);
	if (choice > PROTOCOL_LINKSOCKS)
		config_fail(reader, protocol, "protocol %s is not in this version", protocols[choice]);
	*spoken = choice == 1 ? PROTOCOL_LINKSOCKS : PROTOCOL_TLS_TUNNEL;
	return choice >= 0 && choice <= PROTOCOL_LINKSOCKS;
}

void config_check_pair(struct config_reader *reader, const struct config_node *node, const char *cert_name,
		       const char *key_name)
{
	const struct config_node *cert = config_node_find(node, cert_name);
	const struct config_node *key = config_node_find(node, key_name);
	if (cert && !key)
		config_fail_key(reader, cert, "%s needs %s beside it", cert_name, key_name);
	if (key && !cert)
		config_fail_key(reader, key, "%s needs %s beside it", key_name, cert_name);
}

static void check_files(struct config_reader *reader, const struct config_node *node)
{
	const struct config_node *anchor = config_node_find(node, "gateway_tls_cert");
	config_check_pair(reader, node, "client_cert", "client_key");
	if (anchor && config_node_find(node, "gateway_tls_pin"))
		config_warn(reader, anchor, "gateway_tls_cert has no effect: gateway_tls_pin alone decides");
}

void config_read_client(struct config_reader *reader, const struct config_node *node, void *field)
{
	struct config_client *client = field;
	*client = (struct config_client){
		.reconnect = {.enabled = true, .min = DURATION_S(5), .max = DURATION_S(60)},
		.links = 1,
	};
	if (node->kind != CONFIG_MAPPING) {
		if (node->kind != CONFIG_REFUSED)
			config_fail(reader, node,
				    "client must be a mapping of keys to values, or a list of them");
		return;
	}
	if (!is_spoken(reader, node, &client->protocol)) {
		config_check_keys(reader, node, &table);
		return;
	}
	if (client->protocol == PROTOCOL_LINKSOCKS)
		config_read_linksocks_client(reader, node, client);
	else
		config_read_tls_tunnel_client(reader, node, client);
	check_files(reader, node);
}
