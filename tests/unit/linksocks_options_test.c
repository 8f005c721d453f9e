/* tests/unit/linksocks_options_test.c - the original's command line: every flag and variable, their order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "tools/tunnel/linksocks_options.h"

enum { ARGUMENTS_MAX = 48 };

static struct options options;
static char why[OPTIONS_WHY_SIZE];
static char storage[4096];
static size_t storage_size;

/* Words with blanks between, in memory that may be written to as the kernel's may; '' is an empty one. */
static bool parse(const char *line)
{
	static char *words[ARGUMENTS_MAX];
	int argc = 0;
	storage_size = (size_t)snprintf(storage, sizeof storage, "%s", line);
	for (char *save, *word = strtok_r(storage, " ", &save); word; word = strtok_r(NULL, " ", &save))
		words[argc++] = strcmp(word, "''") == 0 ? word + 2 : word;
	words[argc] = NULL;
	assert_true(linksocks_is_called(argc, words));
	return linksocks_options_parse(&options, argc, words, why);
}

static void build(const char *line, struct config *config)
{
	struct problems errors;
	if (!parse(line))
		fail_msg("%s: %s", line, why);
	struct config_source source = {.settings = options.settings, .setting_count = options.setting_count};
	if (!config_build(config, &source, &errors))
		fail_msg("%s: %s", line, errors.count ? errors.items[0].text : "out of memory");
	problems_fini(&errors);
}

static void is_secret(const struct secret *secret, const char *text)
{
	assert_true(secret_is_equal(secret, slice_of(text)));
}

static const char *const variables[] = {
	"LINKSOCKS_TOKEN", "LINKSOCKS_URL", "LINKSOCKS_CONNECTOR_TOKEN", "LINKSOCKS_SOCKS_HOST",
	"LINKSOCKS_SOCKS_PORT", "LINKSOCKS_SOCKS_USERNAME", "LINKSOCKS_SOCKS_PASSWORD",
	"LINKSOCKS_RETRY_AUTH", "LINKSOCKS_UPSTREAM_PROXY", "LINKSOCKS_FASTOPEN",
	"LINKSOCKS_WEBSOCKET_HOST", "LINKSOCKS_WEBSOCKET_PORT", "LINKSOCKS_CONNECTOR_AUTONOMY",
	"LINKSOCKS_API_KEY", "LINKSOCKS_MODE",
};

static int clean(void **state)
{
	for (size_t i = 0; i < COUNT_OF(variables); i++)
		unsetenv(variables[i]);
	return 0;
}

static void defaults_of_a_client(void **state)
{
	struct config config;
	build("linksocks client", &config);
	const struct config_client *client = &config.clients[0];
	const struct config_linksocks_client *linksocks = &client->linksocks;
	assert_int_equal(client->protocol, PROTOCOL_LINKSOCKS);
	assert_true(client->plaintext && linksocks->anonymous && client->reconnect.enabled);
	assert_string_equal(client->gateways[0].host, "localhost");
	assert_int_equal(client->gateways[0].port, 8765);
	assert_string_equal(linksocks->path, "/socket");
	assert_int_equal(linksocks->socks_addr.family, ADDRESS_IPV4);
	assert_int_equal(linksocks->socks_addr.port, 9870);
	assert_null(linksocks->socks_user);
	assert_int_equal(linksocks->threads, 1);
	assert_false(linksocks->reverse || linksocks->socks_no_wait || linksocks->fast_open);
	assert_false(client->reconnect.retry_auth);
	assert_int_equal(duration_ms(client->reconnect.min), 1000);
	assert_int_equal(config.log_level, LOG_INFO);
	assert_int_equal(options.remark_count, 0);
	assert_false(config.gateway.enabled);
	assert_int_equal(duration_ms(config.drain_stop), 5000);
	config_fini(&config);
}

static void every_flag_of_a_client(void **state)
{
	static const char *const lines[] = {
		"linksocks client -t T -u wss://h -s ::1 -p 1 -n U -w P -i -R --retry-auth -T 3 -f -E -d",
		"linksocks client --token T --url wss://h --socks-host ::1 --socks-port 1 --socks-username U "
		"--socks-password P --socks-no-wait --no-reconnect --retry-auth --threads 3 --fast-open "
		"--no-env-proxy --debug",
		"linksocks client --token=T --url=h --socks-host=[::1] --socks-port=0x1 --socks-username=U "
		"--socks-password=P --socks-no-wait=true --no-reconnect=1 --retry-auth=t --threads=3 "
		"--fast-open=TRUE --no-env-proxy=T --debug=1",
		"tunnel linksocks connector -iRfEd -tT -uwss://h -s::1 -p1 -nU -wP --retry-auth -T3",
		"linksocks connector -p=1 -t=T -u=https://h/ -s=::1 -n=U -w=P -iRf=false -fEdT3 --retry-auth",
		("linksocks client -p 2 word -p 1 -t T -u h:443? -s ::1 -nU -wP -iR --retry-auth -T 3 -f "
		 "-E -d -- -x"),
	};
	setenv("HTTPS_PROXY", "http://proxy", 1);
	for (size_t i = 0; i < COUNT_OF(lines); i++) {
		struct config config;
		build(lines[i], &config);
		const struct config_client *client = &config.clients[0];
		const struct config_linksocks_client *linksocks = &client->linksocks;
		is_secret(&linksocks->token, "T");
		assert_string_equal(client->gateways[0].host, "h");
		assert_int_equal(client->gateways[0].port, 443);
		assert_false(client->plaintext);
		assert_int_equal(linksocks->socks_addr.family, ADDRESS_IPV6);
		assert_int_equal(linksocks->socks_addr.port, 1);
		assert_string_equal(linksocks->socks_user, "U");
		is_secret(&linksocks->socks_password, "P");
		assert_true(linksocks->socks_no_wait && linksocks->fast_open && !client->reconnect.enabled);
		assert_true(client->reconnect.retry_auth);
		assert_int_equal(linksocks->threads, 3);
		assert_int_equal(client->upstream_proxy.kind, VIA_NOTHING);
		assert_int_equal(config.log_level, LOG_DEBUG);
		config_fini(&config);
	}
	unsetenv("HTTPS_PROXY");
}

static void a_provider(void **state)
{
	static const char *const lines[] = {
		"linksocks provider -t T -c C -x https://u:p@proxy -p 5 -f -n u",
		"linksocks client -r -t T --connector-token C --upstream-proxy http://u:p@proxy:8080 -dd",
		"linksocks client -rtT -cC -xhttp://u:p@proxy:8080 --reverse=true",
	};
	for (size_t i = 0; i < COUNT_OF(lines); i++) {
		struct config config;
		build(lines[i], &config);
		const struct config_linksocks_client *linksocks = &config.clients[0].linksocks;
		assert_true(linksocks->reverse && !linksocks->fast_open);
		is_secret(&linksocks->connector_token, "C");
		assert_int_equal(linksocks->target_proxy.kind, VIA_HTTP);
		assert_int_equal(linksocks->target_proxy.at.port, 8080);
		is_secret(&linksocks->target_proxy.password, "p");
		assert_int_equal(acl_ask_host(&config.access, "127.0.0.1", 80), ACL_ALLOWED);
		assert_int_equal(acl_ask_host(&config.access, "169.254.169.254", 80), ACL_DENIED);
		assert_int_equal(options.remark_count, 1);
		assert_int_equal(config.log_level, i == 1 ? LOG_TRACE : LOG_INFO);
		config_fini(&config);
	}
}

static void what_is_for_the_other_side_is_passed_over(void **state)
{
	struct config config;
	build("linksocks client -c C -x socks5://p -t anonymous", &config);
	assert_false(secret_is_set(&config.clients[0].linksocks.connector_token));
	assert_int_equal(config.clients[0].linksocks.target_proxy.kind, VIA_NOTHING);
	assert_true(config.clients[0].linksocks.anonymous);
	config_fini(&config);
	build("linksocks client -n U", &config);
	assert_null(config.clients[0].linksocks.socks_user);
	assert_int_equal(options.remark_count, 1);
	config_fini(&config);
}

static void urls(void **state)
{
	static const struct { const char *url, *host; uint16_t port; const char *path; bool plaintext;
	} cases[] = {
	    {"ws://h", "h", 80, "/socket", true},
	    {"http://h/", "h", 80, "/socket", true},
	    {"HTTPS://h:1", "h", 1, "/socket", false},
	    {"h.example", "h.example", 443, "/socket", false},
	    {"h:99/ws", "h", 99, "/ws", false},
	    {"ws://[::1]", "::1", 80, "/socket", true},
	    {"ws://[::1]:7/socket/", "::1", 7, "/socket/", true},
	    {"wss://h?a=b", "h", 443, "/socket?a=b", false},
	    {"wss://h/?a=b", "h", 443, "/socket?a=b", false},
	    {"wss://h/x?a=b#c", "h", 443, "/x?a=b", false},
	    {"wss://h#c", "h", 443, "/socket", false},
	};
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		char line[256];
		struct config config;
		snprintf(line, sizeof line, "linksocks client -u %s", cases[i].url);
		build(line, &config);
		const struct config_client *client = &config.clients[0];
		assert_string_equal(client->gateways[0].host, cases[i].host);
		assert_int_equal(client->gateways[0].port, cases[i].port);
		assert_string_equal(client->linksocks.path, cases[i].path);
		assert_int_equal(client->plaintext, cases[i].plaintext);
		config_fini(&config);
	}
}

static void threads_have_bounds(void **state)
{
	static const struct { const char *text; unsigned least, most;
	} cases[] = {{"0", 1, 1}, {"-1", 1, 256}, {"7", 7, 7}, {"99999999", 100, CONFIG_THREADS_MAX}};
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		char line[64];
		struct config config;
		snprintf(line, sizeof line, "linksocks client -T %s", cases[i].text);
		build(line, &config);
		assert_in_range(config.clients[0].linksocks.threads, cases[i].least, cases[i].most);
		config_fini(&config);
	}
}

static void defaults_of_a_server(void **state)
{
	struct config config;
	build("linksocks server", &config);
	const struct config_linksocks *linksocks = &config.gateway.linksocks;
	assert_true(config.gateway.enabled && linksocks->enabled && linksocks->listens);
	assert_false(config.gateway.public || config.gateway.tls_tunnel || linksocks->fast_open);
	assert_string_equal(config.gateway.allow_origins[0], "*");
	assert_int_equal(linksocks->listen_addr.family, ADDRESS_IPV4);
	assert_int_equal(linksocks->listen_addr.port, 8765);
	assert_int_equal(linksocks->token_count, 1);
	assert_int_equal(linksocks->tokens[0].type, TOKEN_FORWARD);
	assert_int_equal(linksocks->tokens[0].token.size, 16);
	assert_false(secret_is_set(&linksocks->api_key));
	assert_int_equal(duration_ms(linksocks->connector_wait_provider), 5000);
	assert_int_equal(config.batching.buffer, 256 * 1024);
	assert_int_equal(acl_ask_host(&config.access, "127.0.0.1", 80), ACL_ALLOWED);
	assert_int_equal(acl_ask_host(&config.access, "169.254.169.254", 80), ACL_DENIED);
	char first[17];
	memcpy(first, linksocks->tokens[0].token.bytes, 16);
	first[16] = 0;
	assert_int_equal(strspn(first, "0123456789abcdef"), 16);
	config_fini(&config);
	build("linksocks server", &config);
	assert_false(secret_is_equal(&config.gateway.linksocks.tokens[0].token, slice_of(first)));
	config_fini(&config);
}

static void every_flag_of_a_server(void **state)
{
	static const char *const lines[] = {
		"linksocks server -H ::1 -P 1 -t T -c C -b 2097152 -r -s 10.0.0.1 -p 0 -n U -w P -i -dd "
		"-x socks5://proxy -f --connector-wait-provider 1m0.5s",
		"linksocks server --ws-host=::1 --ws-port=1 --token=T --connector-token=C "
		"--buffer-size=2097152 --reverse "
		"--socks-host=10.0.0.1 --socks-port=0 --socks-username=U --socks-password=P "
		"--socks-nowait --debug --debug --upstream-proxy=socks5://proxy:1080 --fast-open "
		"--connector-wait-provider=60s500ms",
	};
	for (size_t i = 0; i < COUNT_OF(lines); i++) {
		struct config config;
		build(lines[i], &config);
		const struct config_linksocks *linksocks = &config.gateway.linksocks;
		const struct config_token *token = &linksocks->tokens[0];
		assert_int_equal(linksocks->listen_addr.family, ADDRESS_IPV6);
		assert_int_equal(linksocks->listen_addr.port, 1);
		is_secret(&token->token, "T");
		assert_int_equal(token->type, TOKEN_REVERSE);
		is_secret(&token->connector_tokens[0], "C");
		assert_int_equal(token->connector_count, 1);
		assert_true(token->socks && !token->autonomy && linksocks->fast_open);
		assert_int_equal(token->socks_addr.port, 0);
		assert_int_equal(token->socks_addr.bytes[0], 10);
		assert_string_equal(token->username, "U");
		is_secret(&token->password, "P");
		assert_int_equal(linksocks->target_proxy.kind, VIA_SOCKS5);
		assert_int_equal(linksocks->target_proxy.at.port, 1080);
		assert_int_equal(duration_ms(linksocks->connector_wait_provider), 60500);
		assert_int_equal(config.batching.buffer, 2 << 20);
		assert_int_equal(config.limits.channel_bytes, 2 << 20);
		assert_int_equal(config.log_level, LOG_TRACE);
		config_fini(&config);
	}
}

static void kinds_of_servers(void **state)
{
	struct config config;
	build("linksocks server -r -a -t T -c C -p 5", &config);
	const struct config_token *token = &config.gateway.linksocks.tokens[0];
	assert_true(token->autonomy && !token->socks && token->connector_count == 0);
	config_fini(&config);
	build("linksocks server -a -c C -t T", &config);
	token = &config.gateway.linksocks.tokens[0];
	assert_true(token->type == TOKEN_FORWARD && token->connector_count == 0);
	config_fini(&config);
	build("linksocks server -r", &config);
	token = &config.gateway.linksocks.tokens[0];
	assert_int_equal(token->connector_tokens[0].size, 16);
	assert_int_equal(token->socks_addr.port, 9870);
	config_fini(&config);
	build("linksocks server -k K -r -t T -c C", &config);
	is_secret(&config.gateway.linksocks.api_key, "K");
	assert_true(address_is_loopback(&config.gateway.linksocks.socks_host));
	assert_int_equal(config.gateway.linksocks.token_count, 0);
	config_fini(&config);
	build("linksocks server -k K -s '' -H ''", &config);
	assert_int_equal(config.gateway.linksocks.socks_host.family, ADDRESS_ANY);
	config_fini(&config);
	build("linksocks server -k K -s [fd00::1]", &config);
	assert_int_equal(config.gateway.linksocks.socks_host.bytes[0], 0xfd);
	config_fini(&config);
	build("linksocks server -H localhost -P 8443 -b 1", &config);
	assert_true(address_is_loopback(&config.gateway.linksocks.listen_addr));
	assert_int_equal(config.batching.buffer, 16 * 1024);
	config_fini(&config);
	build("linksocks server -H '' -P 8443 -b 67108864", &config);
	assert_int_equal(config.gateway.linksocks.listen_addr.family, ADDRESS_ANY);
	assert_int_equal(config.limits.session_bytes, 64 << 20);
	config_fini(&config);
}

static void access_is_a_choice(void **state)
{
	struct config config;
	build("linksocks server --access-deny=", &config);
	assert_int_equal(config.access.deny_count, 0);
	assert_int_equal(options.remark_count, 0);
	config_fini(&config);
	build("linksocks provider --access-deny 10.0.0.0/8,*.x --access-allow re:a,1.2.3.4", &config);
	assert_int_equal(config.access.deny_count, 2);
	assert_int_equal(config.access.allow_count, 2);
	config_fini(&config);
}

static void every_variable(void **state)
{
	struct config config;
	for (size_t i = 0; i < COUNT_OF(variables) - 1; i++)
		setenv(variables[i], "  1 ", 1);
	setenv("LINKSOCKS_URL", " ws://h:5 ", 1);
	setenv("LINKSOCKS_SOCKS_HOST", "127.0.0.2\n", 1);
	setenv("LINKSOCKS_WEBSOCKET_HOST", "\t127.0.0.3", 1);
	setenv("LINKSOCKS_UPSTREAM_PROXY", "http://q", 1);
	build("linksocks client", &config);
	const struct config_client *client = &config.clients[0];
	assert_int_equal(client->gateways[0].port, 5);
	is_secret(&client->linksocks.token, "1");
	assert_string_equal(client->linksocks.socks_user, "1");
	is_secret(&client->linksocks.socks_password, "1");
	assert_int_equal(client->linksocks.socks_addr.bytes[3], 2);
	assert_int_equal(client->linksocks.socks_addr.port, 1);
	assert_true(client->reconnect.retry_auth && client->linksocks.fast_open);
	config_fini(&config);
	build("linksocks provider -c 2", &config);
	client = &config.clients[0];
	is_secret(&client->linksocks.connector_token, "2");
	assert_string_equal(client->linksocks.target_proxy.at.host, "q");
	config_fini(&config);
	setenv("LINKSOCKS_CONNECTOR_TOKEN", "C", 1);
	build("linksocks server -r -p 7 -k ''", &config);
	is_secret(&config.gateway.linksocks.api_key, "");
	const struct config_token *token = &config.gateway.linksocks.tokens[0];
	assert_true(token->autonomy);
	config_fini(&config);
}

static void flags_win_over_variables(void **state)
{
	struct config config;
	setenv("LINKSOCKS_TOKEN", "E", 1);
	setenv("LINKSOCKS_CONNECTOR_TOKEN", "EC", 1);
	setenv("LINKSOCKS_SOCKS_PORT", "5", 1);
	setenv("LINKSOCKS_WEBSOCKET_PORT", "6", 1);
	setenv("LINKSOCKS_RETRY_AUTH", "true", 1);
	setenv("LINKSOCKS_FASTOPEN", "   ", 1);
	setenv("LINKSOCKS_CONNECTOR_AUTONOMY", "0", 1);
	build("linksocks server -r -t F", &config);
	const struct config_linksocks *linksocks = &config.gateway.linksocks;
	is_secret(&linksocks->tokens[0].token, "F");
	is_secret(&linksocks->tokens[0].connector_tokens[0], "EC");
	assert_int_equal(linksocks->tokens[0].socks_addr.port, 5);
	assert_int_equal(linksocks->listen_addr.port, 6);
	assert_false(linksocks->fast_open);
	config_fini(&config);
	build("linksocks client --retry-auth=false -p 7 -t G", &config);
	assert_false(config.clients[0].reconnect.retry_auth);
	assert_int_equal(config.clients[0].linksocks.socks_addr.port, 7);
	is_secret(&config.clients[0].linksocks.token, "G");
	config_fini(&config);
}

static void modes_of_the_environment(void **state)
{
	static const struct { const char *mode, *line; enum linksocks_mode wanted; bool help;
	} cases[] = {
	    {"client", "linksocks", LINKSOCKS_MODE_CLIENT, false},
	    {" Forward ", "linksocks -d", LINKSOCKS_MODE_CLIENT, false},
	    {"CONNECTOR", "linksocks", LINKSOCKS_MODE_CONNECTOR, false},
	    {"provider", "tunnel linksocks -t x", LINKSOCKS_MODE_PROVIDER, false},
	    {"reverse", "linksocks", LINKSOCKS_MODE_PROVIDER, false},
	    {"server", "linksocks --help", LINKSOCKS_MODE_SERVER, true},
	    {"server", "linksocks client", LINKSOCKS_MODE_CLIENT, false},
	    {"nonsense", "linksocks", LINKSOCKS_MODE_HELP, false},
	    {"version", "linksocks -h", LINKSOCKS_MODE_HELP, false},
	    {"", "linksocks", LINKSOCKS_MODE_HELP, false},
	    {"", "linksocks --help", LINKSOCKS_MODE_HELP, false},
	    {"", "linksocks help", LINKSOCKS_MODE_HELP, false},
	    {"", "linksocks version", LINKSOCKS_MODE_VERSION, false},
	    {"", "linksocks --version", LINKSOCKS_MODE_VERSION, false},
	    {"", "linksocks help server", LINKSOCKS_MODE_SERVER, true},
	    {"", "linksocks provider -h", LINKSOCKS_MODE_PROVIDER, true},
	    {"", "/usr/bin/linksocks client --help -p x", LINKSOCKS_MODE_CLIENT, false},
	};
	for (size_t i = 0; i + 1 < COUNT_OF(cases); i++) {
		setenv("LINKSOCKS_MODE", cases[i].mode, 1);
		if (!parse(cases[i].line))
			fail_msg("%s: %s", cases[i].line, why);
		assert_int_equal(options.linksocks, cases[i].wanted);
		assert_int_equal(options.linksocks_help && cases[i].wanted > LINKSOCKS_MODE_VERSION,
				 cases[i].help);
	}
	assert_false(parse(cases[COUNT_OF(cases) - 1].line));
}

static void errors(void **state)
{
	static const struct { const char *line, *why;
	} cases[] = {
	    {"linksocks nonsense", "unknown command nonsense"},
	    {"linksocks Server", "unknown command Server"},
	    {"linksocks completion bash", "unknown command completion"},
	    {"linksocks help nonsense", "unknown command nonsense"},
	    {"linksocks --nonsense", "unknown flag: --nonsense"},
	    {"linksocks client --nonsense=canary", "unknown flag: --nonsense"},
	    {"linksocks client -Z", "unknown shorthand flag: 'Z'"},
	    {"linksocks client -iZ", "unknown shorthand flag: 'Z'"},
	    {"linksocks client --ws-port 1", "unknown flag: --ws-port"},
	    {"linksocks server --url ws://h", "unknown flag: --url"},
	    {"linksocks server --socks-no-wait", "unknown flag: --socks-no-wait"},
	    {"linksocks client -p", "flag needs an argument: -p"},
	    {"linksocks client --token", "flag needs an argument: --token"},
	    {"linksocks client -p x", "invalid value x for -p"},
	    {"linksocks client -p 1x", "invalid value 1x for -p"},
	    {"linksocks client -p ''", "invalid value  for -p"},
	    {"linksocks client -p 70000", "70000 is no port"},
	    {"linksocks client -p -1", "-1 is no port"},
	    {"linksocks client -T 99999999999999999999", "invalid value"},
	    {"linksocks client --reverse=yes", "invalid value yes for --reverse"},
	    {"linksocks client -r=2", "invalid value 2 for -r"},
	    {"linksocks client -u ftp://h", "the URL must begin with ws://"},
	    {"linksocks client -u ws://user:canary@h", "the URL must name a host, and no user"},
	    {"linksocks client -u ws://", "the URL must name a host"},
	    {"linksocks client --direct-mode direct-only", "direct connections are not in this program"},
	    {"linksocks client --direct-mode fast", "it is one of auto relay-only direct-only"},
	    {"linksocks client --direct-discovery x", "it is one of stun server auto"},
	    {"linksocks client --direct-upnp-lease 5", "invalid value 5 for --direct-upnp-lease"},
	    {"linksocks server --connector-wait-provider long", "invalid value long"},
	    {"linksocks server --connector-wait-provider -1s", "invalid value -1s"},
	    {"linksocks server --connector-wait-provider 1d", "invalid value 1d"},
	    {"linksocks server --connector-wait-provider 5", "invalid value 5"},
	    {"linksocks server -b many", "invalid value many"},
	};
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		bool good = parse(cases[i].line);
		if (good || !strstr(why, cases[i].why))
			fail_msg("%s -> %s, not %s", cases[i].line, good ? "taken" : why, cases[i].why);
		assert_null(strstr(why, "canary"));
	}
	setenv("LINKSOCKS_SOCKS_PORT", "0x10", 1);
	assert_false(parse("linksocks client"));
	assert_non_null(strstr(why, "invalid value 0x10 for LINKSOCKS_SOCKS_PORT"));
	setenv("LINKSOCKS_SOCKS_PORT", "", 1);
	setenv("LINKSOCKS_FASTOPEN", "maybe", 1);
	assert_false(parse("linksocks server"));
	assert_non_null(strstr(why, "invalid value maybe for LINKSOCKS_FASTOPEN"));
}

static void direct_flags_are_passed_over(void **state)
{
	struct config config;
	build("linksocks client --direct-mode=auto --direct-discovery auto --direct-host-candidates never "
	      "--stun-server a --stun-server b:1 --direct-only-action refuse --direct-upnp "
	      "--direct-upnp-keep --direct-upnp-lease 1h --direct-upnp-external-port 5", &config);
	assert_int_equal(options.remark_count, 1);
	config_fini(&config);
	build("linksocks client --direct-mode relay-only", &config);
	assert_int_equal(options.remark_count, 0);
	config_fini(&config);
	build("linksocks server --direct-enable --direct-rendezvous-udp --direct-rendezvous-host h "
	      "--direct-rendezvous-port 4 --access-deny=", &config);
	assert_int_equal(options.remark_count, 1);
	config_fini(&config);
}

static void secrets_leave_argv(void **state)
{
	static const char *const lines[] = {
		"linksocks client -t canary -w canary -c canary -x http://u:canary@h -u ws://canary",
		"linksocks client -tcanary -wcanary --connector-token=canary --upstream-proxy=canary",
		"linksocks server -k canary -t=canary -rw canary --api-key canary",
	};
	for (size_t i = 0; i < COUNT_OF(lines); i++) {
		assert_true(parse(lines[i]));
		assert_null(memmem(storage, storage_size, "canary", 6));
		options_fini(&options);
		assert_null(memmem(&options, sizeof options, "canary", 6));
	}
}

static void what_is_ours(void **state)
{
	struct config config;
	build("linksocks server --cores 2 --engine epoll --log-level warn --log-format json", &config);
	assert_int_equal(config.cores, 2);
	assert_string_equal(config.engine, "epoll");
	assert_int_equal(config.log_level, LOG_WARN);
	assert_int_equal(config.log_format, LOG_JSON);
	config_fini(&config);
	char *other[] = {"tunnel", "gateway", "linksocks", NULL}, *none[] = {"tunnel", NULL};
	assert_false(linksocks_is_called(3, other) || linksocks_is_called(1, none));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, clean, clean)
	const struct CMUnitTest tests[] = {
		TEST(defaults_of_a_client),
		TEST(every_flag_of_a_client),
		TEST(a_provider),
		TEST(what_is_for_the_other_side_is_passed_over),
		TEST(urls),
		TEST(threads_have_bounds),
		TEST(defaults_of_a_server),
		TEST(every_flag_of_a_server),
		TEST(kinds_of_servers),
		TEST(access_is_a_choice),
		TEST(every_variable),
		TEST(flags_win_over_variables),
		TEST(modes_of_the_environment),
		TEST(errors),
		TEST(direct_flags_are_passed_over),
		TEST(secrets_leave_argv),
		TEST(what_is_ours),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
