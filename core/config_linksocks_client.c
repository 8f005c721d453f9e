/* core/config_linksocks_client.c - a client of protocol linksocks and its rules; see config_sections.h. */
#include "core/config_sections.h"

#define FIELD(name) offsetof(struct config_client, name)

static void read_threads(struct config_reader *reader, const struct config_node *node, void *field)
{
	uint64_t number;
	if (config_number(reader, node, 1, CONFIG_THREADS_MAX, &number))
		*(uint32_t *)field = (uint32_t)number;
}

static void read_resume(struct config_reader *reader, const struct config_node *node, void *field)
{
	static const char *const choices[] = {"strict", "compat", NULL};
	if (config_choice(reader, node, choices) > 0)
		config_fail(reader, node, "resume: compat is not in this version");
}

static void read_token(struct config_reader *reader, const struct config_node *node, void *field)
{
	struct config_linksocks_client *client = field;
	config_read_token(reader, node, &client->token);
	client->anonymous = false;
}

static void read_token_file(struct config_reader *reader, const struct config_node *node, void *field)
{
	struct config_linksocks_client *client = field;
	config_read_token_file(reader, node, &client->token);
	client->anonymous = false;
}

/* `connector_token: ""` is none. */
static void read_connector(struct config_reader *reader, const struct config_node *node, void *field)
{
	if (node->kind != CONFIG_SCALAR || node->size || node->plain)
		config_read_token(reader, node, field);
}

static void read_socks5(struct config_reader *reader, const struct config_node *node, void *field)
{
#define SOCKS(name) offsetof(struct config_linksocks_client, name)
	static const struct config_key keys[] = {
		{"listen_addr", config_read_listen, SOCKS(socks_addr), false},
		{"auth_username", config_read_user, SOCKS(socks_user), false},
		{"auth_password", config_read_password, SOCKS(socks_password), false},
		{"auth_password_file", config_read_password_file, SOCKS(socks_password), false},
		{"no_wait", config_read_bool, SOCKS(socks_no_wait), false},
	};
#undef SOCKS
	static const struct config_table table = {.name = "socks5", .keys = keys, .count = COUNT_OF(keys)};
	struct config_linksocks_client *client = field;
	config_read_mapping(reader, node, &table, client);
	if (client->socks_addr.family == ADDRESS_UNIX)
		config_fail(reader, node, "listen_addr must be :PORT or ADDRESS:PORT");
	if (!client->socks_user != !secret_is_set(&client->socks_password))
		config_fail(reader, node,
			    "auth_username and auth_password belong together: give both or neither");
	if (!client->socks_user && !address_is_loopback(&client->socks_addr))
		config_warn(reader, node,
			    "anybody who reaches listen_addr may use it: no auth_username is given");
}

static const struct config_key keys[] = {
	CONFIG_CLIENT_KEYS,
	{"upstream_proxy", config_read_via, FIELD(upstream_proxy), false},
	{"plaintext", config_read_bool, FIELD(plaintext), false},
	{"resume", read_resume, 0, false},
	{"path", config_read_path, FIELD(linksocks.path), false},
	{"compression_threshold", config_read_size, FIELD(linksocks.compression_threshold), false},
	{"connect_timeout", config_read_duration, FIELD(linksocks.connect_timeout), false},
	{"token", read_token, FIELD(linksocks), false},
	{"token_file", read_token_file, FIELD(linksocks), false},
	{"reverse", config_read_bool, FIELD(linksocks.reverse), false},
	{"connector_token", read_connector, FIELD(linksocks.connector_token), false},
	{"connector_token_file", config_read_token_file, FIELD(linksocks.connector_token), false},
	{"threads", read_threads, FIELD(linksocks.threads), false},
	{"socks5", read_socks5, FIELD(linksocks), false},
	{"fast_open", config_read_bool, FIELD(linksocks.fast_open), false},
	{"target_proxy", config_read_via, FIELD(linksocks.target_proxy), false},
};

/* What has no effect on this side. */
static void check_side(struct config_reader *reader, const struct config_node *node,
		       const struct config_linksocks_client *client)
{
	static const char *const exit_only[] = {"connector_token", "connector_token_file", "target_proxy"};
	static const char *const entry_only[] = {"socks5", "fast_open"};
	for (size_t i = 0; !client->reverse && i < COUNT_OF(exit_only); i++) {
		const struct config_node *key = config_node_find(node, exit_only[i]);
		if (key && (key->kind != CONFIG_SCALAR || key->size || key->plain))
			config_fail_key(reader, key, "%s needs reverse: true", key->key);
	}
	for (size_t i = 0; client->reverse && i < COUNT_OF(entry_only); i++) {
		const struct config_node *key = config_node_find(node, entry_only[i]);
		if (key && !(i == 1 && !client->fast_open))
			config_fail_key(reader, key, "%s does not go with reverse: true", key->key);
	}
}

void config_read_linksocks_client(struct config_reader *reader, const struct config_node *node,
				  struct config_client *client)
{
	static const struct config_table table = {
		.name = "client",
		.keys = keys,
		.count = COUNT_OF(keys),
		.foreign = config_client_foreign,
		.foreign_text = "does not belong to protocol linksocks",
	};
	struct config_linksocks_client *linksocks = &client->linksocks;
	client->protocol = PROTOCOL_LINKSOCKS;
	client->reconnect.min = DURATION_S(1);
	client->reconnect.max = DURATION_S(600);
	*linksocks = (struct config_linksocks_client){
		.path = "/socket",
		.anonymous = true,
		.threads = 1,
		.compression_threshold = 512 * 1024,
		.connect_timeout = DURATION_S(10),
	};
	check(address_parse(&linksocks->socks_addr, "127.0.0.1:9870"));
	config_read_mapping(reader, node, &table, client);
	if (linksocks->anonymous && !secret_set(&linksocks->token, slice_of("anonymous")))
		reader->no_memory = true;
	config_check_plaintext(reader, node, client, "token");
	check_side(reader, node, linksocks);
	if (!config_node_find(node, "upstream_proxy"))
		config_environment_via(reader, node, client);
}

void config_linksocks_client_fini(struct config_linksocks_client *client)
{
	secret_fini(&client->token);
	secret_fini(&client->connector_token);
	secret_fini(&client->socks_password);
	config_via_fini(&client->target_proxy);
}
