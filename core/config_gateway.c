/* core/config_gateway.c - the section `gateway` and its rules; see config_reader.h. */
#include "core/config_sections.h"

#define FIELD(type, name) offsetof(struct type, name)
#define LATER(name) {name, NULL, 0, false}

/* `listen_addr: ""`: no TLS port, because a proxy in front has done TLS. */
static void read_public(struct config_reader *reader, const struct config_node *node, void *field)
{
	struct config_gateway *gateway = field;
	gateway->public = node->kind != CONFIG_SCALAR || node->size || node->plain;
	if (gateway->public)
		config_read_listen(reader, node, &gateway->listen_addr);
}

void config_read_listen(struct config_reader *reader, const struct config_node *node, void *field)
{
	const char *text = config_scalar(reader, node);
	if (text && !address_parse(field, text))
		config_fail(reader, node, "%s must be :PORT, ADDRESS:PORT or unix:/PATH, not %.60s",
			    node->key, text);
}

static void read_tls_version(struct config_reader *reader, const struct config_node *node, void *field)
{
	static const char *const versions[] = {"1.3", "1.2", NULL};
	int version = config_choice(reader, node, versions);
	if (version >= 0)
		*(bool *)field = version == 1;
}

static void read_allow(struct config_reader *reader, const struct config_node *node, void *field)
{
	struct config_gateway *gateway = field;
	gateway->sources_allow = config_read_list(reader, node, sizeof(struct cidr), config_read_cidr, false,
						  &gateway->sources_allow_count);
}

static void read_deny(struct config_reader *reader, const struct config_node *node, void *field)
{
	struct config_gateway *gateway = field;
	gateway->sources_deny = config_read_list(reader, node, sizeof(struct cidr), config_read_cidr, false,
						 &gateway->sources_deny_count);
}

static void read_sources(struct config_reader *reader, const struct config_node *node, void *field)
{
	static const struct config_key keys[] = {{"allow", read_allow, 0, false},
						 {"deny", read_deny, 0, false}};
	static const struct config_table table = {.name = "sources", .keys = keys, .count = COUNT_OF(keys)};
	config_read_mapping(reader, node, &table, field);
}

static void read_proxy_protocol(struct config_reader *reader, const struct config_node *node, void *field)
{
	static const char *const choices[] = {"off", "accept", NULL};
	int choice = config_choice(reader, node, choices);
	if (choice >= 0)
		*(bool *)field = choice == 1;
}

static void read_trusted(struct config_reader *reader, const struct config_node *node, void *field)
{
	struct config_gateway *gateway = field;
	gateway->trusted_proxies = config_read_list(reader, node, sizeof(struct cidr), config_read_cidr,
						    false, &gateway->trusted_proxy_count);
}

/* A name as a ClientHello has it, in lower case, or *.NAME. */
static void read_server_name(struct config_reader *reader, const struct config_node *node, void *field)
{
	const char *text = config_scalar(reader, node);
	char name[HOST_SIZE];
	struct address literal;
	if (!text)
		return;
	text_copy(name, sizeof name, slice_of(text));
	char *host = name + (strncmp(name, "*.", 2) == 0 ? 2 : 0);
	size_t size = strlen(host);
	bool good = size && strlen(text) < sizeof name && host[0] != '.' && host[size - 1] != '.' &&
		    !strstr(host, "..") && !address_of_literal(&literal, host, 1);
	for (char *at = host; good && *at; at++) {
		bool upper = *at >= 'A' && *at <= 'Z';
		*at = (char)(upper ? *at - 'A' + 'a' : *at);
		good = (*at >= 'a' && *at <= 'z') || (*at >= '0' && *at <= '9') || strchr("-_.", *at);
	}
	if (good)
		*(const char **)field = config_text(reader, name);
	else
		config_fail(reader, node,
			    "%s must be names such as gateway.example.com or *.example.com, not %.60s",
			    node->key, text);
}

static void read_server_names(struct config_reader *reader, const struct config_node *node, void *field)
{
	struct config_gateway *gateway = field;
	gateway->server_names = config_read_list(reader, node, sizeof(const char *), read_server_name, false,
						 &gateway->server_name_count);
}

static void read_ports(struct config_reader *reader, const struct config_node *node, void *field)
{
	struct config_identity *identity = field;
	identity->ports = config_read_list(reader, node, sizeof(struct port_range), config_read_ports, false,
					   &identity->port_count);
	if (node->kind == CONFIG_LIST && !identity->port_count)
		config_fail(reader, node, "ports is empty: leave it out to allow what the protocol allows");
}

static void read_identity(struct config_reader *reader, const struct config_node *node, void *field)
{
	static const struct config_key keys[] = {
		{"name", config_read_name, FIELD(config_identity, name), true},
		{"auth_key", config_read_key, FIELD(config_identity, auth_key), false},
		{"auth_key_file", config_read_key_file, FIELD(config_identity, auth_key), false},
		{"ports", read_ports, 0, false},
		LATER("username"), LATER("password"), LATER("password_file"),
	};
	static const struct config_table table = {.name = "clients", .keys = keys, .count = COUNT_OF(keys)};
	config_read_mapping(reader, node, &table, field);
	if (!config_node_find(node, "auth_key") && !config_node_find(node, "auth_key_file"))
		config_fail(reader, node, "auth_key is missing in clients");
}

static void read_identities(struct config_reader *reader, const struct config_node *node, void *field)
{
	struct config_gateway *gateway = field;
	gateway->identities = config_read_list(reader, node, sizeof(struct config_identity), read_identity,
					       false, &gateway->identity_count);
}

static void read_origin(struct config_reader *reader, const struct config_node *node, void *field)
{
	const char *text = config_scalar(reader, node);
	if (!text)
		return;
	const char *rest = strstr(text, "://");
	bool good = strcmp(text, "*") == 0 || strcmp(text, "null") == 0 ||
		    (rest && rest > text && rest[3] && !strpbrk(rest + 3, "/?# \t"));
	if (good)
		*(const char **)field = config_text(reader, text);
	else
		config_fail(reader, node,
			    "%s must be origins such as https://app.example.com, or *, not %.60s", node->key,
			    text);
}

static void read_origins(struct config_reader *reader, const struct config_node *node, void *field)
{
	struct config_gateway *gateway = field;
	gateway->allow_origins = config_read_list(reader, node, sizeof(const char *), read_origin, false,
						  &gateway->allow_origin_count);
}

static const struct config_key keys[] = {
	{"listen_addr", read_public, 0, false},
	{"tls_cert", config_read_text, FIELD(config_gateway, tls_cert), false},
	{"tls_key", config_read_text, FIELD(config_gateway, tls_key), false},
	{"tls_client_ca", config_read_text, FIELD(config_gateway, tls_client_ca), false},
	{"tls_min_version", read_tls_version, FIELD(config_gateway, tls12), false},
	{"tls_server_names", read_server_names, 0, false},
	{"behind_proxy", config_read_bool, FIELD(config_gateway, behind_proxy), false},
	{"proxy_protocol", read_proxy_protocol, FIELD(config_gateway, proxy_protocol), false},
	{"trusted_proxies", read_trusted, 0, false},
	{"sources", read_sources, 0, false},
	{"tls_tunnel", config_read_tls_tunnel, 0, false},
	{"clients", read_identities, 0, false},
	{"allow_origins", read_origins, 0, false},
	{"linksocks", config_read_linksocks, FIELD(config_gateway, linksocks), false},
	LATER("auth_hook"), LATER("auth_username"), LATER("auth_password"), LATER("auth_password_file"),
	LATER("routes"), LATER("anyproxy"), LATER("panel"), LATER("ssh_relay"),
};

/* Two clients that could not be told apart. */
static void check_identities(struct config_reader *reader, const struct config_node *node,
			     const struct config_gateway *gateway)
{
	const struct config_node *list = config_node_find(node, "clients");
	const struct config_node *entry = list ? list->first : NULL;
	for (size_t i = 0; i < gateway->identity_count && entry; i++, entry = entry->next) {
		const struct config_identity *identity = &gateway->identities[i];
		struct slice key = secret_slice(&identity->auth_key);
		if (key.size && secret_is_equal(&gateway->auth_key, key))
			config_fail(reader, entry, "this client's auth_key is the shared one of tls_tunnel");
		for (size_t j = 0; j < i; j++) {
			const struct config_identity *other = &gateway->identities[j];
			if (identity->name && other->name && strcmp(identity->name, other->name) == 0)
				config_fail(reader, entry, "the client name %.100s is given twice",
					    identity->name);
			if (key.size && secret_is_equal(&other->auth_key, key))
				config_fail(reader, entry, "this client's auth_key is another client's too");
		}
	}
}

static bool is_same_place(const struct address *a, const struct address *b)
{
	return a->port && address_is_equal(a, b);
}

static void check_listeners(struct config_reader *reader, const struct config_node *node,
			    const struct config_gateway *gateway)
{
	const struct config_linksocks *linksocks = &gateway->linksocks;
	const struct config_node *section = config_node_find(node, "linksocks");
	if (!gateway->public && !linksocks->listens)
		config_fail(reader, node,
			    "gateway: with listen_addr: \"\" there must be a linksocks.listen_addr");
	if (gateway->public && linksocks->listens &&
	    is_same_place(&linksocks->listen_addr, &gateway->listen_addr))
		config_fail(reader, section, "linksocks.listen_addr is the gateway's own listen_addr");
	for (size_t i = 0; i < linksocks->token_count; i++) {
		const struct config_token *token = &linksocks->tokens[i];
		const struct address *place = &token->socks_addr;
		if (token->socks &&
		    ((gateway->public && is_same_place(place, &gateway->listen_addr)) ||
		     (linksocks->listens && is_same_place(place, &linksocks->listen_addr))))
			config_fail(reader, section, "a token's socks_addr is another listener's address");
	}
}

void config_read_gateway(struct config_reader *reader, const struct config_node *node, void *field)
{
	static const struct config_table table = {.name = "gateway", .keys = keys, .count = COUNT_OF(keys)};
	struct config_gateway *gateway = field;
	gateway->enabled = true;
	gateway->listen_addr = (struct address){.family = ADDRESS_ANY, .port = 8443};
	gateway->public = true;
	gateway->transports = (1u << TRANSPORT_COUNT) - 1;
	gateway->legacy = true;
	config_read_mapping(reader, node, &table, gateway);
	/* A gateway for LinkSocks alone needs no key of TLS Tunnel, and makes none. */
	gateway->tls_tunnel =
	    gateway->public && (!gateway->linksocks.enabled || config_node_find(node, "tls_tunnel") ||
				gateway->identity_count);
	check_listeners(reader, node, gateway);
	config_check_pair(reader, node, "tls_cert", "tls_key");
	config_check_behind_proxy(reader, node, gateway);
	if (gateway->proxy_protocol && !gateway->trusted_proxy_count)
		config_fail(reader, config_node_find(node, "proxy_protocol"),
			    "proxy_protocol: accept needs trusted_proxies: whose header is believed");
	check_identities(reader, node, gateway);
	const struct config_node *ca = config_node_find(node, "tls_client_ca");
	if (ca && gateway->tls12)
		config_fail_key(reader, ca, "tls_client_ca needs TLS 1.3: leave tls_min_version at \"1.3\"");
}
