/* tests/unit/options_test.c - the command line: what it means, what it refuses, and that keys leave argv. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

/* The program's own files are in no library. */
#include "tools/tunnel/options.c"
#include "tools/tunnel/options_client.c"

enum { ARGUMENTS_MAX = 32 };

static struct options options;
static char why[OPTIONS_WHY_SIZE];
static char storage[4096];
static char *argv[ARGUMENTS_MAX];

/* Words with blanks between, in memory that may be written to as the kernel's may. */
static bool parse(const char *line)
{
	int argc = 0;
	snprintf(storage, sizeof storage, "%s", line);
	for (char *save, *word = strtok_r(storage, " ", &save); word; word = strtok_r(NULL, " ", &save))
		argv[argc++] = word;
	argv[argc] = NULL;
	return options_parse(&options, argc, argv, why);
}

static void take(const char *line)
{
	if (!parse(line))
		fail_msg("%s: %s", line, why);
}

static void build(const char *line, struct config *config)
{
	struct problems errors;
	take(line);
	struct config_source source = {.settings = options.settings, .setting_count = options.setting_count};
	if (!config_build(config, &source, &errors))
		fail_msg("%s: %s", line, errors.count ? errors.items[0].text : "out of memory");
	problems_fini(&errors);
}

static void commands(void **state)
{
	static const struct { const char *line; enum command command;
	} cases[] = {
	    {"tunnel", COMMAND_RUN},
	    {"tunnel --config f", COMMAND_RUN},
	    {"tunnel gateway", COMMAND_GATEWAY},
	    {"tunnel demo", COMMAND_DEMO},
	    {"tunnel check f", COMMAND_CHECK},
	    {"tunnel token", COMMAND_TOKEN},
	    {"tunnel doctor", COMMAND_DOCTOR},
	    {"tunnel --version", COMMAND_VERSION},
	    {"tunnel --help", COMMAND_HELP},
	    {"tunnel -h", COMMAND_HELP},
	    {"tunnel help", COMMAND_HELP},
	    {"tunnel version", COMMAND_VERSION},
	    {"tunnel cert --host a", COMMAND_CERT},
	    {"tunnel -v gateway", COMMAND_GATEWAY},
	    {"tunnel --cores 2 demo", COMMAND_DEMO},
	    {"tunnel client --help", COMMAND_HELP},
	    {"tunnel check -- f", COMMAND_CHECK},
	};
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		take(cases[i].line);
		assert_int_equal(options.command, cases[i].command);
	}
}

static void help_knows_its_topic(void **state)
{
	static const struct { const char *line; enum command topic;
	} cases[] = {
	    {"tunnel --help", COMMAND_RUN},
	    {"tunnel client --help", COMMAND_CLIENT},
	    {"tunnel help cert", COMMAND_CERT},
	    {"tunnel cert --help", COMMAND_CERT},
	    {"tunnel gateway --listen x --help", COMMAND_GATEWAY},
	    {"tunnel --help gateway", COMMAND_GATEWAY},
	    {"tunnel check -h", COMMAND_CHECK},
	};
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		take(cases[i].line);
		assert_int_equal(options.command, COMMAND_HELP);
		assert_int_equal(options.topic, cases[i].topic);
	}
}

static void both_spellings(void **state)
{
	static const char *const lines[] = {
	    "tunnel --cores=3 --engine=epoll --log-level=warn",
	    "tunnel --cores 3 --engine epoll --log-level warn",
	    "tunnel --cores 9 --cores 3 --engine epoll --log-level warn",
	};
	for (size_t i = 0; i < COUNT_OF(lines); i++) {
		struct config config;
		build(lines[i], &config);
		assert_true(config.gateway.enabled);
		assert_int_equal(config.cores, 3);
		assert_string_equal(config.engine, "epoll");
		assert_int_equal(config.log_level, LOG_WARN);
		config_fini(&config);
	}
	take("tunnel -c f");
	assert_string_equal(options.config_file, "f");
	take("tunnel -cf");
	assert_string_equal(options.config_file, "f");
	take("tunnel --config=f");
	assert_string_equal(options.config_file, "f");
}

static void more_log(void **state)
{
	static const struct { const char *line; enum log_level level;
	} cases[] = {
	    {"tunnel -v", LOG_DEBUG},	{"tunnel -v -v", LOG_TRACE},	 {"tunnel -vv", LOG_TRACE},
	    {"tunnel -vvv", LOG_TRACE}, {"tunnel --verbose", LOG_DEBUG},
	};
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct config config;
		build(cases[i].line, &config);
		assert_int_equal(config.log_level, cases[i].level);
		config_fini(&config);
	}
}

static void a_gateway(void **state)
{
	struct config config;
	build("tunnel gateway --listen 127.0.0.1:9 --tls-cert c --tls-key k --host gw --state-dir /s",
	      &config);
	assert_int_equal(config.gateway.listen_addr.port, 9);
	assert_string_equal(config.gateway.tls_cert, "c");
	assert_string_equal(config.state_dir, "/s");
	assert_int_equal(options.host_count, 1);
	assert_string_equal(options.hosts[0], "gw");
	assert_false(config.gateway.allow_forward || config.stats.enabled);
	config_fini(&config);
	build("tunnel gateway --allow-forward --stats 127.0.0.1:9090", &config);
	assert_true(config.gateway.allow_forward && config.gateway.tls_tunnel);
	assert_true(config.stats.enabled);
	assert_int_equal(config.stats.listen_addr.port, 9090);
	config_fini(&config);
	build("tunnel --stats unix:/run/s", &config);
	assert_true(config.gateway.enabled && config.stats.enabled);
	assert_int_equal(config.stats.listen_addr.family, ADDRESS_UNIX);
	config_fini(&config);
}

static void a_client(void **state)
{
	struct config config;
	build("tunnel client "
	      "tls-tunnel://"
	      "a%2Fb%20c-0123456789@gw.example:9000?pin=sha256:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"
	      "&ca=%2Fetc%2Fca.pem --publish web=8080:db.local:3000 --publish v6=1:[::1]:2"
	      " --visit mysql:3306=127.0.0.1:3307 --visit x=y:1=[::1]:4 --cores 2",
	      &config);
	const struct config_client *client = &config.clients[0];
	assert_int_equal(config.client_count, 1);
	assert_false(config.gateway.enabled);
	assert_true(secret_is_equal(&client->auth_key, slice_of("a/b c-0123456789")));
	assert_string_equal(client->gateways[0].host, "gw.example");
	assert_int_equal(client->gateways[0].port, 9000);
	assert_true(client->has_pin);
	assert_string_equal(client->gateway_tls_cert, "/etc/ca.pem");
	assert_int_equal(client->proxy_count, 2);
	assert_string_equal(client->proxies[0].name, "web");
	assert_int_equal(client->proxies[0].publish_port, 8080);
	assert_string_equal(client->proxies[0].local.host, "db.local");
	assert_int_equal(client->proxies[0].local.port, 3000);
	assert_string_equal(client->proxies[1].local.host, "::1");
	assert_int_equal(client->visitor_count, 2);
	assert_string_equal(client->visitors[0].name, "mysql");
	assert_int_equal(client->visitors[0].bind.port, 3307);
	assert_string_equal(client->visitors[1].name, "x=y");
	assert_int_equal(client->visitors[1].bind.family, ADDRESS_IPV6);
	config_fini(&config);
}

static void transports_of_urls(void **state)
{
	static const struct {
		const char *url;
		enum config_transport transport;
		const char *path;
	} cases[] = {
	    {"tls-tunnel://0123456789abcdef@h", TRANSPORT_TLS, "/"},
	    {"tls-tunnel+wss://0123456789abcdef@h", TRANSPORT_WSS, "/"},
	    {"tls-tunnel+wss://0123456789abcdef@h/a/b?ca=/x", TRANSPORT_WSS, "/a/b"},
	    {"tls-tunnel+http2://0123456789abcdef@h", TRANSPORT_HTTP2, "/"},
	};
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		char line[256];
		struct config config;
		snprintf(line, sizeof line, "tunnel client %s --visit a:1=127.0.0.1:2", cases[i].url);
		build(line, &config);
		const struct config_client *client = &config.clients[0];
		assert_int_equal(client->protocol, PROTOCOL_TLS_TUNNEL);
		assert_int_equal(client->transport, cases[i].transport);
		assert_string_equal(client->path, cases[i].path);
		assert_int_equal(client->gateways[0].port, 8443);
		config_fini(&config);
	}
}

static void a_client_of_linksocks(void **state)
{
	struct config config;
	build("tunnel client linksocks://to%2Fken@gw.example?pin=sha256:"
	      "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8 --socks [::1]:9 --threads 2", &config);
	const struct config_client *client = &config.clients[0];
	assert_int_equal(client->protocol, PROTOCOL_LINKSOCKS);
	assert_false(client->plaintext || client->linksocks.reverse);
	assert_true(client->has_pin);
	assert_int_equal(client->gateways[0].port, 8443);
	assert_string_equal(client->linksocks.path, "/socket");
	assert_true(secret_is_equal(&client->linksocks.token, slice_of("to/ken")));
	assert_int_equal(client->linksocks.socks_addr.port, 9);
	assert_int_equal(client->linksocks.threads, 2);
	config_fini(&config);
	build("tunnel client linksocks+ws://127.0.0.1/ws/a --reverse --connector-token c", &config);
	client = &config.clients[0];
	assert_true(client->plaintext && client->linksocks.reverse && client->linksocks.anonymous);
	assert_int_equal(client->gateways[0].port, 8765);
	assert_string_equal(client->linksocks.path, "/ws/a");
	assert_true(secret_is_equal(&client->linksocks.connector_token, slice_of("c")));
	config_fini(&config);
}

static void a_client_by_other_transports(void **state)
{
	struct config config;
	build("tunnel client tls-tunnel+wss://0123456789abcdef@gw.example/tunnel/?pin=sha256:"
	      "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8 --socks [::1]:1081", &config);
	const struct config_client *client = &config.clients[0];
	assert_int_equal(client->transport, TRANSPORT_WSS);
	assert_string_equal(client->path, "/tunnel/");
	assert_int_equal(client->gateways[0].port, 8443);
	assert_int_equal(client->forwarder_count, 1);
	assert_string_equal(client->forwarders[0].name, "socks");
	assert_int_equal(client->forwarders[0].type, FORWARDER_SOCKS5);
	assert_int_equal(client->forwarders[0].bind.family, ADDRESS_IPV6);
	assert_int_equal(client->forwarders[0].bind.port, 1081);
	config_fini(&config);
	build("tunnel client tls-tunnel+http2://0123456789abcdef@gw.example:1 --publish a=1:b:2", &config);
	assert_int_equal(config.clients[0].transport, TRANSPORT_HTTP2);
	assert_int_equal(config.clients[0].forwarder_count, 0);
	config_fini(&config);
}

static void forwarders_of_a_client(void **state)
{
	struct config config;
	build("tunnel client tls-tunnel://0123456789abcdef@h:1?ca=c --http localhost:8080 "
	      "--stats 127.0.0.1:9091", &config);
	const struct config_client *client = &config.clients[0];
	assert_int_equal(client->forwarder_count, 1);
	assert_string_equal(client->forwarders[0].name, "http");
	assert_int_equal(client->forwarders[0].type, FORWARDER_HTTP);
	assert_int_equal(client->forwarders[0].bind.port, 8080);
	assert_int_equal(config.stats.listen_addr.port, 9091);
	config_fini(&config);
	build("tunnel client tls-tunnel://0123456789abcdef@h:1?ca=c --http [::1]:2 "
	      "--socks 127.0.0.1:1", &config);
	client = &config.clients[0];
	assert_int_equal(client->forwarder_count, 2);
	assert_int_equal(client->forwarders[0].type, FORWARDER_HTTP);
	assert_int_equal(client->forwarders[0].bind.port, 2);
	assert_int_equal(client->forwarders[1].type, FORWARDER_SOCKS5);
	assert_int_equal(client->forwarders[1].bind.port, 1);
	config_fini(&config);
}

static void questions_to_a_running_program(void **state)
{
	take("tunnel top --url http://127.0.0.1:1 --token-file t -i 5");
	assert_int_equal(options.command, COMMAND_TOP);
	assert_string_equal(options.url, "http://127.0.0.1:1");
	assert_string_equal(options.token_file, "t");
	assert_int_equal(options.interval_s, 5);
	take("tunnel health");
	assert_null(options.url);
	assert_false(options.json);
	take("tunnel status --json");
	assert_true(options.json);
	take("tunnel import server.toml");
	assert_int_equal(options.command, COMMAND_IMPORT);
	assert_string_equal(options.config_file, "server.toml");
}

static void hosts_of_urls(void **state)
{
	static const struct { const char *url, *host; uint16_t port;
	} cases[] = {
	    {"h", "h", 8443},
	    {"h:1", "h", 1},
	    {"[::1]", "::1", 8443},
	    {"[::1]:2", "::1", 2},
	    {"1.2.3.4", "1.2.3.4", 8443},
	    {"h:1/", "h", 1},
	    {"h:1/?", "h", 1},
	    {"h:1?", "h", 1},
	};
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		char line[256];
		struct config config;
		snprintf(line, sizeof line,
			 "tunnel client tls-tunnel://0123456789abcdef@%s --visit a:1=127.0.0.1:2",
			 cases[i].url);
		build(line, &config);
		assert_string_equal(config.clients[0].gateways[0].host, cases[i].host);
		assert_int_equal(config.clients[0].gateways[0].port, cases[i].port);
		config_fini(&config);
	}
}

static void the_key_leaves_argv(void **state)
{
	static const char *const lines[] = {
		"tunnel client tls-tunnel://canary-canary-canary@h:1 --visit a:1=127.0.0.1:2",
		"tunnel client --nonsense tls-tunnel://canary-canary-canary@h:1",
		"tunnel client ftp://canary-canary-canary@h:1",
		"tunnel nonsense linksocks://canary-canary-canary@h:1",
		"tunnel client linksocks://canary@h:1/x --reverse --connector-token canary",
		"tunnel client linksocks+ws://canary@h:1 --reverse --connector-token=canary --nonsense",
	};
	for (size_t i = 0; i < COUNT_OF(lines); i++) {
		size_t size = strlen(lines[i]);
		parse(lines[i]);
		assert_null(memmem(storage, size, "canary", 6));
		assert_null(strstr(why, "canary"));
		options_fini(&options);
		assert_null(memmem(&options, sizeof options, "canary", 6));
	}
}

static const struct { const char *line, *why;
} wrong_lines[] = {
	    {"tunnel nonsense", "there is no command nonsense"},
	    {"tunnel status x", "x is too much"},
	    {"tunnel top --interval 0", "number of seconds from 1 to 3600"},
	    {"tunnel top -i 2s", "number of seconds"},
	    {"tunnel status --interval 1", "--interval is no option of tunnel status"},
	    {"tunnel health --url", "--url needs a value"},
	    {"tunnel import", "give the file: tunnel import FILE.toml"},
	    {"tunnel import a b", "import takes one file"},
	    {"tunnel exec --gateway x", "exec is not"},
	    {"tunnel -v linksocks server", "linksocks comes first"},
	    {"tunnel --nonsense", "--nonsense is no option"},
	    {"tunnel -x", "-x is no option"},
	    {"tunnel --listen :1", "--listen is no option of tunnel"},
	    {"tunnel gateway --config f", "--config is no option of tunnel gateway"},
	    {"tunnel gateway --publish a=1:b:2", "--publish is no option of tunnel gateway"},
	    {"tunnel --config", "--config needs a value"},
	    {"tunnel gateway --listen", "--listen needs a value"},
	    {"tunnel --verbose=2", "--verbose takes no value"},
	    {"tunnel gateway more", "more is too much"},
	    {"tunnel check", "give the file"},
	    {"tunnel check a b", "check takes one file"},
	    {"tunnel cert", "give a name"},
	    {"tunnel cert --host a:b", "no host name"},
	    {"tunnel cert --host a --days 0", "number of days"},
	    {"tunnel cert --host a --days 1x", "number of days"},
	    {"tunnel token x", "x is too much"},
	    {"tunnel help nonsense", "there is no command"},
	    {"tunnel client", "give the line"},
	    {"tunnel client host:1", "give the gateway as a URL"},
	    {"tunnel client --visit a:1=127.0.0.1:2", "give the line"},
	    {"tunnel client tls-tunnel://k@h:1", "nothing to do"},
	    {"tunnel client tls-tunnel://h:1 --visit a:1=127.0.0.1:2", "the URL has no key"},
	    {"tunnel client tls-tunnel+wss://k@h:1", "nothing to do"},
	    {"tunnel client tls-tunnel+http2://k@h:1/path", "has a path"},
	    {"tunnel client tls-tunnel+tls://k@h:1", "is no scheme"},
	    {"tunnel client linksocks://k@", "the URL has no host: linksocks://"},
	    {"tunnel client linksocks://k@h:1/a#b", "has a path"},
	    {"tunnel client linksocks://k%2@h:1", "without two hex digits"},
	    {"tunnel client linksocks://k@h:1 --reverse=1", "--reverse takes no value"},
	    {"tunnel gateway --reverse", "--reverse is no option of tunnel gateway"},
	    {"tunnel client anyproxy://u:p@h:1", "is not in this version"},
	    {"tunnel client https://k@h:1", "https:// is no scheme"},
	    {"tunnel client tls-tunnel://k@", "has no host"},
	    {"tunnel client tls-tunnel://@h:1", "key is empty"},
	    {"tunnel client tls-tunnel://a%2@h:1", "without two hex digits"},
	    {"tunnel client tls-tunnel://a%00@h:1", "without two hex digits"},
	    {"tunnel client tls-tunnel://k@h:1/path", "has a path"},
	    {"tunnel client tls-tunnel://k@h:1#x", "has a path"},
	    {"tunnel client tls-tunnel://k@h:1?pin", "pin has no proper value"},
	    {"tunnel client tls-tunnel://k@h:1?pins=1", "pins is unknown"},
	    {"tunnel client tls-tunnel://k@h:1 tls-tunnel://k@h:2", "one URL is taken"},
	    {"tunnel client tls-tunnel://k@h:1 --socks :1", "--socks takes HOST:PORT"},
	    {"tunnel client tls-tunnel://k@h:1 --http 1", "--http takes HOST:PORT"},
	    {"tunnel client linksocks://k@h:1 --http 127.0.0.1:1", "--http is for tls-tunnel://"},
	    {"tunnel client tls-tunnel://k@h:1", "--http HOST:PORT"},
	    {"tunnel gateway --allow-forward=yes", "--allow-forward takes no value"},
	    {"tunnel gateway --stats", "--stats needs a value"},
	    {"tunnel demo --stats :1", "--stats is no option of tunnel demo"},
	    {"tunnel top --json", "--json is no option of tunnel top"},
	    {"tunnel client tls-tunnel://k@h:1 --publish a", "takes NAME=PORT:HOST:PORT"},
	    {"tunnel client tls-tunnel://k@h:1 --publish a=1:2", "takes NAME=PORT:HOST:PORT"},
	    {"tunnel client tls-tunnel://k@h:1 --publish =1:h:2", "takes NAME=PORT:HOST:PORT"},
	    {"tunnel client tls-tunnel://k@h:1 --publish a=1:h:", "takes NAME=PORT:HOST:PORT"},
	    {"tunnel client tls-tunnel://k@h:1 --visit a=1:2", "takes NAME:PORT=HOST:PORT"},
	    {"tunnel client tls-tunnel://k@h:1 --visit a:1=2", "takes NAME:PORT=HOST:PORT"},
	    {"tunnel client tls-tunnel://k@h:1 --visit :1=h:2", "takes NAME:PORT=HOST:PORT"},
};

static void usage_errors(void **state)
{
	for (size_t i = 0; i < COUNT_OF(wrong_lines); i++) {
		bool good = parse(wrong_lines[i].line);
		if (good || !strstr(why, wrong_lines[i].why))
			fail_msg("%s -> %s, not %s", wrong_lines[i].line, good ? "taken" : why,
				 wrong_lines[i].why);
		assert_null(strchr(why, '\n'));
	}
}

static void values_are_checked_like_a_file(void **state)
{
	static const struct { const char *line, *error;
	} cases[] = {
	    {"tunnel --cores 0", "--cores: cores must be a number from 1 to 256, not 0"},
	    {"tunnel --engine fast", "--engine: engine must be one of"},
	    {"tunnel gateway --listen 8443", "--listen: listen_addr must be"},
	    {"tunnel gateway --tls-cert c", "--tls-cert: tls_cert needs tls_key"},
	    {"tunnel client tls-tunnel://short@h:1 --visit a:1=127.0.0.1:2", "URL: auth_key must have 16"},
	    {"tunnel client tls-tunnel://0123456789abcdef@h:0 --visit a:1=127.0.0.1:2",
	     "URL: gateway_addr must be"},
	    {"tunnel client tls-tunnel://0123456789abcdef@h:1?pin=x --visit a:1=127.0.0.1:2",
	     "?pin: gateway_tls_pin must be"},
	    {"tunnel client tls-tunnel://0123456789abcdef@h:1 --visit a:1=127.0.0.1:0",
	     "--visit: bind_port must be"},
	    {"tunnel client tls-tunnel://0123456789abcdef@h:1 --publish a=x:h:1",
	     "--publish: publish_port must be"},
	    {"tunnel client linksocks://k@h:1 --visit a:1=127.0.0.1:2",
	     "--visit: visitors does not belong to protocol linksocks"},
	    {"tunnel client linksocks://k@h:1 --connector-token c",
	     "--connector-token: connector_token needs reverse"},
	    {"tunnel client linksocks://k@h:1 --reverse --socks 127.0.0.1:1",
	     "--socks: socks5 does not go with reverse"},
	    {"tunnel client tls-tunnel://0123456789abcdef@h:1 --visit a:1=127.0.0.1:2 --threads 2",
	     "--threads: threads does not belong to protocol tls-tunnel"},
	    {"tunnel client tls-tunnel://0123456789abcdef@h:1 --visit a:1=127.0.0.1:2 --links 65",
	     "--links: links must be a number from 1 to 64"},
	};
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct config config;
		struct problems errors;
		take(cases[i].line);
		struct config_source source = {.settings = options.settings,
					       .setting_count = options.setting_count};
		assert_false(config_build(&config, &source, &errors));
		assert_int_equal(errors.count, 1);
		if (!strstr(errors.items[0].text, cases[i].error))
			fail_msg("%s -> %s", cases[i].line, errors.items[0].text);
		problems_fini(&errors);
		config_fini(&config);
	}
}

static void too_many_are_refused(void **state)
{
	char *many[3 + 2 * (OPTIONS_LIST_MAX + 1)];
	int argc = 0;
	char url[] = "tls-tunnel://k@h:1", name[] = "tunnel", command[] = "client", option[] = "--visit",
	     value[] = "a:1=h:2";
	many[argc++] = name;
	many[argc++] = command;
	many[argc++] = url;
	while (argc < (int)COUNT_OF(many)) {
		many[argc++] = option;
		many[argc++] = value;
	}
	assert_false(options_parse(&options, argc, many, why));
	assert_non_null(strstr(why, "put them into a file"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(commands),
		cmocka_unit_test(help_knows_its_topic),
		cmocka_unit_test(both_spellings),
		cmocka_unit_test(more_log),
		cmocka_unit_test(a_gateway),
		cmocka_unit_test(a_client),
		cmocka_unit_test(transports_of_urls),
		cmocka_unit_test(a_client_of_linksocks),
		cmocka_unit_test(a_client_by_other_transports),
		cmocka_unit_test(forwarders_of_a_client),
		cmocka_unit_test(questions_to_a_running_program),
		cmocka_unit_test(hosts_of_urls),
		cmocka_unit_test(the_key_leaves_argv),
		cmocka_unit_test(usage_errors),
		cmocka_unit_test(values_are_checked_like_a_file),
		cmocka_unit_test(too_many_are_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
