/* core/config_linksocks.c - the section `gateway.linksocks` and its rules; see config_sections.h. */
#include "core/config_sections.h"

#define FIELD(type, name) offsetof(struct type, name)

static void read_type(struct config_reader *reader, const struct config_node *node, void *field)
{
	static const char *const types[] = {"forward", "reverse", NULL};
	int type = config_choice(reader, node, types);
	if (type >= 0)
		*(enum config_token_type *)field = (enum config_token_type)type;
}

static void read_socks_addr(struct config_reader *reader, const struct config_node *node, void *field)
{
	struct config_token *token = field;
	token->socks = true;
	config_read_listen(reader, node, &token->socks_addr);
	if (token->socks_addr.family == ADDRESS_UNIX)
		config_fail(reader, node, "socks_addr must be :PORT or ADDRESS:PORT");
}

static void read_connectors(struct config_reader *reader, const struct config_node *node, void *field)
{
	struct config_token *token = field;
	token->connector_tokens = config_read_list(reader, node, sizeof(struct secret), config_read_token,
						   false, &token->connector_count);
}

/* What autonomy means, and what a forward token has no use for. */
static void check_kind(struct config_reader *reader, const struct config_node *node,
		       const struct config_token *token)
{
	static const char *const reverse_only[] = {"autonomy",	    "socks_addr",	"username",
						   "password",	    "password_file",	"connector_tokens"};
	for (size_t i = 0; token->type == TOKEN_FORWARD && i < COUNT_OF(reverse_only); i++) {
		const struct config_node *key = config_node_find(node, reverse_only[i]);
		if (key)
			config_fail_key(reader, key, "%s belongs to reverse tokens", key->key);
	}
	static const char *const listening[] = {"socks_addr", "connector_tokens"};
	for (size_t i = 0; token->type == TOKEN_REVERSE && token->autonomy && i < COUNT_OF(listening); i++) {
		const struct config_node *key = config_node_find(node, listening[i]);
		if (key)
			config_fail_key(reader, key,
					"%s does not go with autonomy, where providers bring connector "
					"tokens of their own",
					key->key);
	}
}

static void check_login(struct config_reader *reader, const struct config_node *node,
			const struct config_token *token)
{
	if (token->type == TOKEN_FORWARD)
		return;
	if (!token->username != !secret_is_set(&token->password))
		config_fail(reader, node, "username and password belong together: give both or neither");
	else if (token->username && !token->socks)
		config_fail(reader, node, "username is for users of socks_addr, which is missing");
	if (token->socks && !token->username && !address_is_loopback(&token->socks_addr))
		config_warn(reader, node,
			    "socks_addr: anybody who reaches it may use it: no username is given");
	if (!token->socks && !token->autonomy && !token->connector_count)
		config_warn(reader, node, "nobody can use this reverse token: give socks_addr, "
					  "connector_tokens or autonomy");
}

static void read_entry(struct config_reader *reader, const struct config_node *node, void *field)
{
	static const struct config_key keys[] = {
		{"token", config_read_token, FIELD(config_token, token), false},
		{"token_file", config_read_token_file, FIELD(config_token, token), false},
		{"type", read_type, FIELD(config_token, type), true},
		{"socks_addr", read_socks_addr, 0, false},
		{"username", config_read_user, FIELD(config_token, username), false},
		{"password", config_read_password, FIELD(config_token, password), false},
		{"password_file", config_read_password_file, FIELD(config_token, password), false},
		{"connector_tokens", read_connectors, 0, false},
		{"autonomy", config_read_bool, FIELD(config_token, autonomy), false},
	};
	static const struct config_table table = {.name = "tokens", .keys = keys, .count = COUNT_OF(keys)};
	struct config_token *token = field;
	config_read_mapping(reader, node, &table, token);
	if (node->kind != CONFIG_MAPPING || !config_node_find(node, "type"))
		return;
	if (!config_node_find(node, "token") && !config_node_find(node, "token_file"))
		config_fail(reader, node, "token is missing in tokens");
	check_kind(reader, node, token);
	check_login(reader, node, token);
}

static void read_tokens(struct config_reader *reader, const struct config_node *node, void *field)
{
	struct config_linksocks *linksocks = field;
	linksocks->tokens = config_read_list(reader, node, sizeof(struct config_token), read_entry, false,
					     &linksocks->token_count);
}

static void read_own_listener(struct config_reader *reader, const struct config_node *node, void *field)
{
	struct config_linksocks *linksocks = field;
	linksocks->listens = true;
	config_read_listen(reader, node, &linksocks->listen_addr);
}

/* An address without a port; "::" is every address, also of IPv4. */
static void read_socks_host(struct config_reader *reader, const struct config_node *node, void *field)
{
	struct address *address = field;
	const char *text = config_scalar(reader, node);
	char host[HOST_SIZE];
	if (!text)
		return;
	size_t size = strlen(text);
	bool brackets = size > 2 && text[0] == '[' && text[size - 1] == ']';
	text_copy(host, sizeof host,
		  (struct slice){(const uint8_t *)text + brackets, size - (brackets ? 2 : 0)});
	if (strcmp(host, "::") == 0)
		*address = (struct address){.family = ADDRESS_ANY};
	else if (!address_of_literal(address, host, 0))
		config_fail(reader, node, "socks_host must be an address without a port, not %.60s", text);
}

/* ---- all tokens together ---- */

static bool is_same(const struct secret *a, const struct secret *b)
{
	return secret_is_set(a) && secret_is_equal(a, secret_slice(b));
}

/* How often the secret is a connector token of the first `count` entries. */
static bool is_connector(const struct config_linksocks *linksocks, size_t count, const struct secret *secret)
{
	for (size_t i = 0; i < count; i++)
		for (size_t j = 0; j < linksocks->tokens[i].connector_count; j++)
			if (is_same(secret, &linksocks->tokens[i].connector_tokens[j]))
				return true;
	return false;
}

static bool is_taken(const struct config_linksocks *linksocks, size_t count, const struct secret *secret)
{
	for (size_t i = 0; i < count; i++)
		if (is_same(secret, &linksocks->tokens[i].token))
			return true;
	return is_connector(linksocks, count, secret);
}

static bool connectors_differ(const struct config_linksocks *linksocks, size_t index)
{
	const struct config_token *token = &linksocks->tokens[index];
	for (size_t i = 0; i < token->connector_count; i++) {
		const struct secret *secret = &token->connector_tokens[i];
		if (is_same(secret, &token->token) || is_taken(linksocks, index, secret))
			return false;
		for (size_t j = 0; j < i; j++)
			if (is_same(secret, &token->connector_tokens[j]))
				return false;
	}
	return true;
}

static void check_tokens(struct config_reader *reader, const struct config_node *list,
			 const struct config_linksocks *linksocks)
{
	const struct config_node *entry = list ? list->first : NULL;
	for (size_t i = 0; i < linksocks->token_count && entry; i++, entry = entry->next) {
		const struct config_token *token = &linksocks->tokens[i];
		if (is_taken(linksocks, i, &token->token) || !connectors_differ(linksocks, i))
			config_fail(reader, entry, "a token is given twice: all of them, connector tokens "
						   "included, must differ");
		for (size_t j = 0; j < i; j++) {
			const struct config_token *other = &linksocks->tokens[j];
			if (token->socks && other->socks && token->socks_addr.port &&
			    address_is_equal(&token->socks_addr, &other->socks_addr))
				config_fail(reader, entry, "two tokens have the same socks_addr");
		}
	}
}

void config_read_linksocks(struct config_reader *reader, const struct config_node *node, void *field)
{
	static const struct config_key keys[] = {
		{"listen_addr", read_own_listener, 0, false},
		{"api_key", config_read_api_key, FIELD(config_linksocks, api_key), false},
		{"api_key_file", config_read_api_key_file, FIELD(config_linksocks, api_key), false},
		{"socks_host", read_socks_host, FIELD(config_linksocks, socks_host), false},
		{"tokens", read_tokens, 0, false},
		{"connector_wait_provider", config_read_span,
		 FIELD(config_linksocks, connector_wait_provider), false},
		{"target_proxy", config_read_via, FIELD(config_linksocks, target_proxy), false},
		{"fast_open", config_read_bool, FIELD(config_linksocks, fast_open), false},
	};
	static const struct config_table table = {.name = "linksocks", .keys = keys, .count = COUNT_OF(keys)};
	struct config_linksocks *linksocks = field;
	linksocks->enabled = true;
	linksocks->connector_wait_provider = DURATION_S(5);
	config_read_mapping(reader, node, &table, linksocks);
	check_tokens(reader, config_node_find(node, "tokens"), linksocks);
	if (!config_node_find(node, "api_key") && !config_node_find(node, "api_key_file") &&
	    !linksocks->token_count && node->kind != CONFIG_REFUSED)
		config_fail(reader, node, "linksocks: nobody can log in: give tokens or an api_key");
}

void config_linksocks_fini(struct config_linksocks *linksocks)
{
	secret_fini(&linksocks->api_key);
	config_via_fini(&linksocks->target_proxy);
	for (size_t i = 0; i < linksocks->token_count; i++) {
		struct config_token *token = &linksocks->tokens[i];
		secret_fini(&token->token);
		secret_fini(&token->password);
		for (size_t j = 0; j < token->connector_count; j++)
			secret_fini(&token->connector_tokens[j]);
	}
}
