/* tests/unit/import_test.c - files of TLS Tunnel in, our YAML out; and every fault with its line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "core/config_read.h"
#include "tools/tunnel/import.h"

/* NAME and value in turns, NULL at the end. */
static const char *const *environment;

static const char *variable_fake(const char *name)
{
	for (const char *const *at = environment; at && *at; at += 2)
		if (strcmp(at[0], name) == 0)
			return at[1];
	return strcmp(name, "HOME") == 0 ? "/home/u" : NULL;
}

static char said[8192];

/* The problems become `said`, a line each, warnings with a mark. */
static bool convert(struct import *import, const char *text)
{
	*import = (struct import){.file = "f.toml", .variable = variable_fake};
	bool good = import_convert(import, slice_of(text));
	said[0] = 0;
	for (size_t i = 0; i < import->toml.problems.count; i++) {
		const struct problem *problem = &import->toml.problems.items[i];
		snprintf(said + strlen(said), sizeof said - strlen(said), "%s%u:%u %s\n",
			 problem->warning ? "w" : "", problem->line, problem->column, problem->text);
	}
	return good;
}

/* The YAML behind the comments at its head, and as the configuration reads it. */
static void import_to(const char *text, const char *yaml, struct config *config)
{
	struct import import;
	struct problems errors;
	if (!convert(&import, text))
		fail_msg("%s", said);
	const char *at = import.result.bytes;
	while (*at == '#')
		at = strchr(at, '\n') + 1;
	if (yaml)
		assert_string_equal(at, yaml);
	assert_true(config_parse(
	    config, "y", (struct slice){(uint8_t *)import.result.bytes, import.result.size}, NULL, &errors));
	problems_fini(&errors);
	import_fini(&import);
}

#define SERVER "[server]\nbind_addr = \"0.0.0.0\"\nbind_port = 3080\nauth_key = \"0123456789abcdef\"\n"
#define CERT "cert_path = \"/c.pem\"\nkey_path = \"/k.pem\"\n"
#define CLIENT "[client]\nserver_addr = \"gw.example\"\nserver_port = 3080\nauth_key = \"0123456789abcdef\"\n"
#define PROXY "[[proxies]]\nname = \"web\"\npublish_port = 8080\nlocal_port = 3000\n"
#define FORWARD "[[forwarders]]\nname = \"f\"\nproxy_type = \"socks5\"\nbind_port = 1080\n"
#define REMARK "   # better: auth_key_file: FILE, with the key alone in it\n"

static void a_server(void **state)
{
	struct config config;
	import_to(SERVER CERT,
		  "gateway:\n  listen_addr: \"0.0.0.0:3080\"\n  tls_cert: \"/c.pem\"\n  tls_key: \"/k.pem\"\n"
		  "  tls_tunnel:\n    auth_key: \"0123456789abcdef\"" REMARK
		  "    transports: [tls]   # without this line: all three\n",
		  &config);
	assert_string_equal(said, "");
	assert_int_equal(config.gateway.listen_addr.port, 3080);
	assert_int_equal(config.gateway.transports, 1 << TRANSPORT_TLS);
	assert_true(config.gateway.legacy);
	assert_false(config.gateway.allow_forward || config.stats.enabled);
	config_fini(&config);
}

static void everything_of_a_server(void **state)
{
	struct config config;
	import_to(
	    "[server]\nbind_addr = '::'\nbind_port = 0x1_0\ntransport = \"http2\"\nbehind_proxy = true\n"
	    "auth_key = \"a\\\"b\\\\c${KEY}\\u00e9 \\t#: 'x\"\nstats_port = 9090\nstats_addr = '::1'\n"
	    "allow_forward = true\ntype = 'x'\nmax_connections = 5\n"
	    "rate_limit = {requests_per_second = 100, burst_size = 200}\n"
	    "[server.size_limits]\nmax_request_size = 2\nmax_header_size = 2\n"
	    "[[proxies]]\nname = 'old'\n",
	    NULL, &config);
	assert_string_equal(said,
			    "w10:1 type is left out: TLS Tunnel never read it\n"
			    "w11:1 max_connections is left out: TLS Tunnel never read it\n"
			    "w13:9 size_limits is left out: TLS Tunnel never applied it; `limits` has what "
			    "applies here\n"
			    "w16:3 proxies is left out: TLS Tunnel's server never read it\n");
	const struct config_gateway *gateway = &config.gateway;
	assert_int_equal(gateway->listen_addr.family, ADDRESS_IPV6);
	assert_int_equal(gateway->listen_addr.port, 16);
	assert_int_equal(gateway->transports, 1 << TRANSPORT_HTTP2);
	assert_true(gateway->behind_proxy && gateway->allow_forward);
	assert_true(secret_is_equal(&gateway->auth_key, slice_of("a\"b\\c${KEY}\xc3\xa9 \t#: 'x")));
	assert_int_equal(gateway->rate_limit.requests_per_second, 100);
	assert_int_equal(gateway->rate_limit.burst_size, 200);
	assert_int_equal(config.stats.listen_addr.port, 9090);
	assert_int_equal(config.stats.listen_addr.family, ADDRESS_IPV6);
	config_fini(&config);
}

static void paths_and_statistics(void **state)
{
	struct config config;
	import_to(SERVER "cert_path = \"~/c.pem\"\nkey_path = 'keys/k.pem'\nstats_port = 9090\n", NULL,
		  &config);
	assert_string_equal(config.gateway.tls_cert, "/home/u/c.pem");
	assert_string_equal(config.gateway.tls_key, "keys/k.pem");
	assert_true(address_is_loopback(&config.stats.listen_addr));
	assert_non_null(strstr(said, "w7:1 statistics were on 0.0.0.0:9090 for everybody"));
	config_fini(&config);
	import_to(SERVER "stats_addr = \"localhost\"\nstats_port = 9090\n", NULL, &config);
	assert_string_equal(said, "w1:2 no certificate is named: one is made once and kept in the state "
				  "directory, and clients that check it need its pin, which the log shows\n");
	config_fini(&config);
	import_to(SERVER CERT "stats_addr = \"localhost\"\n", NULL, &config);
	assert_false(config.stats.enabled);
	assert_string_equal(said, "w7:1 stats_addr has no effect without stats_port\n");
	config_fini(&config);
}

static void a_client(void **state)
{
	struct config config;
	import_to(CLIENT PROXY,
		  "client:\n  protocol: tls-tunnel\n  gateway_addr: \"gw.example:3080\"\n"
		  "  auth_key: \"0123456789abcdef\"" REMARK
		  "  proxies:\n    - {name: \"web\", publish_port: 8080, local_port: 3000}\n",
		  &config);
	assert_string_equal(said, "");
	assert_int_equal(config.clients[0].transport, TRANSPORT_TLS);
	config_fini(&config);
}

static void everything_of_a_client(void **state)
{
	struct config config;
	import_to(
	    "[client]\nserver_addr = \"2001:db8::1\"\nserver_port = 443\nserver_path = \"/t/?a=b\"\n"
	    "transport = \"wss\"\nca_cert_path = \"ca.pem\"\nauth_key = '''\n0123456789abcdef'''\n"
	    "stats_port = 9091\nstats_addr = \"127.0.0.1\"\nserver_name = 'x'\nname = 'me'\n"
	    "[[proxies]]\nname = \"we\\\"b\"\nproxy_type = \"http/1.1\"\npublish_addr = \"::\"\n"
	    "publish_port = 8080\nlocal_port = 3000\n"
	    "[[proxies]]\nname = \"ssh\"\nproxy_type = \"tcp\"\npublish_port = 8080\nlocal_port = 22\n"
	    "[[visitors]]\nname = \"db\"\nproxy_type = 'ssh'\nbind_addr = \"localhost\"\nbind_port = 3306\n"
	    "publish_port = 3307\n"
	    "[[visitors]]\nname = \"web\"\nbind_port = 1\npublish_port = 1\n"
	    "[[forwarders]]\nname = \"out\"\nproxy_type = \"http\"\nbind_addr = \"::1\"\nbind_port = 3306\n"
	    "[forwarders.routing]\ndirect_ips = [\"10.1.2.3/8\", \"fe80::1/10\", \"::/0\", '1.2.3.4/0']\n"
	    "proxy_ips = ['192.168.0.1', 'x', '1.2.3.4/33', '1.2.3.4/', '::1/x']\n"
	    "direct_domains = ['.corp', '*.lan']\nproxy_domains = ['a.example', '*', 'a b', '*..x']\n"
	    "default_strategy = \"direct\"\n" FORWARD "routing = {}\n",
	    NULL, &config);
	const struct config_client *client = &config.clients[0];
	assert_string_equal(client->gateways[0].host, "2001:db8::1");
	assert_int_equal(client->transport, TRANSPORT_WSS);
	assert_string_equal(client->path, "/t/?a=b");
	assert_string_equal(client->gateway_tls_cert, "ca.pem");
	assert_true(secret_is_equal(&client->auth_key, slice_of("0123456789abcdef")));
	assert_int_equal(client->proxy_count, 2);
	assert_string_equal(client->proxies[0].name, "we\"b");
	assert_string_equal(client->proxies[0].type, "http/1.1");
	assert_string_equal(client->proxies[0].publish_addr, "::");
	assert_string_equal(client->proxies[1].publish_addr, "0.0.0.0");
	assert_int_equal(client->visitor_count, 2);
	assert_string_equal(client->visitors[0].type, "ssh");
	assert_int_equal(client->visitors[0].publish_port, 3307);
	assert_int_equal(client->visitors[1].bind.bytes[0], 127);
	assert_int_equal(client->forwarder_count, 2);
	assert_int_equal(client->forwarders[0].type, FORWARDER_HTTP);
	const struct config_routing *routing = &client->forwarders[0].routing;
	assert_int_equal(routing->direct_ip_count, 4);
	assert_int_equal(routing->direct_ips[0].prefix, 8);
	assert_int_equal(routing->direct_ips[0].bytes[1], 0);
	assert_int_equal(routing->direct_ips[3].prefix, 0);
	assert_int_equal(routing->proxy_ip_count, 1);
	assert_int_equal(routing->proxy_ips[0].prefix, 32);
	assert_int_equal(routing->direct_domain_count, 2);
	assert_string_equal(routing->direct_domains[1], ".lan");
	assert_int_equal(routing->proxy_domain_count, 1);
	assert_int_equal(routing->default_strategy, STRATEGY_DIRECT);
	assert_int_equal(client->forwarders[1].type, FORWARDER_SOCKS5);
	assert_true(client->forwarders[1].routed);
	assert_int_equal(config.stats.listen_addr.port, 9091);
	static const char *const warnings[] = {
	    "w11:1 server_name is left out",   "192.168.0.1 counts now", "x is left out",
	    "1.2.3.4/33 is left out",	       "1.2.3.4/ is left out",	 "::1/x is left out",
	    "*.lan becomes .lan: lan and what", "* is left out",	 "a b is left out",
	    "w12:1 name is left out",	       "*..x is left out"};
	size_t lines = 0;
	for (const char *at = said; (at = strchr(at, '\n')); at++)
		lines++;
	for (size_t i = 0; i < COUNT_OF(warnings); i++)
		if (!strstr(said, warnings[i]))
			fail_msg("%s is not in %s", warnings[i], said);
	assert_int_equal(lines, COUNT_OF(warnings));
	config_fini(&config);
}

/* What does not carry over: that is said, and stands at the head of the result. */
static void what_is_left_behind(void **state)
{
	struct import import;
	assert_true(convert(&import, CLIENT
			    "skip_verify = true\nserver_path = \"/x\"\nstats_port = 1\n" FORWARD
			    "[forwarders.routing]\ngeoip_db = \"~/x.mmdb\"\ndirect_countries = ['DE']\n"
			    "proxy_countries = []\ndefault_strategy = \"whatever\"\n"));
	static const char *const lines[] = {
	    "5:1 skip_verify is left out: the gateway's certificate is checked here. Give gateway_tls_pin",
	    "6:1 server_path is left out: only wss has a path",
	    "7:1 statistics were on 0.0.0.0:1 for everybody",
	    "13:1 geoip_db is left out",
	    "14:1 direct_countries is left out: countries are not looked up here. Name ranges in direct_ips",
	    "16:1 default_strategy becomes proxy, which is how TLS Tunnel took whatever",
	};
	for (size_t i = 0; i < COUNT_OF(lines); i++)
		if (!strstr(said, lines[i]))
			fail_msg("%s is not in %s", lines[i], said);
	assert_null(strstr(said, "proxy_countries"));
	assert_non_null(strstr(import.result.bytes, "\n# line 5: skip_verify is left out"));
	assert_non_null(strstr(import.result.bytes, "\n  # gateway_tls_pin: \"sha256:...\""));
	import_fini(&import);
}

static void the_environment_of_a_client(void **state)
{
	static const char *const some[] = {"TLS_TUNNEL_RECONNECT_DELAY_SECS",
					   "7",
					   "TLS_TUNNEL_LOCAL_CONNECT_RETRIES",
					   "4",
					   "TLS_TUNNEL_LOCAL_RETRY_DELAY_MS",
					   "250",
					   "TLS_TUNNEL_POOL_MAX_SIZE",
					   "10",
					   NULL};
	static const char *const odd[] = {"TLS_TUNNEL_RECONNECT_DELAY_SECS", "0",
					  "TLS_TUNNEL_LOCAL_CONNECT_RETRIES", "many", NULL};
	struct config config;
	environment = some;
	import_to(CLIENT PROXY, NULL, &config);
	assert_int_equal(duration_ms(config.clients[0].reconnect.min), 7000);
	assert_int_equal(duration_ms(config.clients[0].reconnect.max), 7000);
	assert_int_equal(config.clients[0].local_retries, 4);
	assert_int_equal(duration_ms(config.clients[0].local_retry_delay), 250);
	assert_string_equal(said,
			    "w1:2 TLS_TUNNEL_POOL_MAX_SIZE of the environment is left out: connections to "
			    "local services are not pooled here\n");
	config_fini(&config);
	import_to(SERVER CERT, NULL, &config);
	config_fini(&config);
	environment = odd;
	import_to(CLIENT PROXY, NULL, &config);
	assert_int_equal(duration_ms(config.clients[0].reconnect.min), 1000);
	assert_int_equal(config.clients[0].local_retries, 3);
	assert_string_equal(
	    said, "w1:2 TLS_TUNNEL_RECONNECT_DELAY_SECS of the environment becomes 1, which is the "
		  "least here\n"
		  "w1:2 TLS_TUNNEL_LOCAL_CONNECT_RETRIES of the environment is no number and has no "
		  "effect\n");
	config_fini(&config);
	environment = NULL;
}

/* Parts of what must be said, with bars between; warnings do not count. */
static const struct {
	const char *text, *errors;
} bad[] = {
#include "tests/unit/import_bad.inc"
};

static void bad_files(void **state)
{
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		struct import import;
		char wanted[1024];
		size_t parts = 0;
		bool good = convert(&import, bad[i].text);
		snprintf(wanted, sizeof wanted, "%s", bad[i].errors);
		for (char *save, *part = strtok_r(wanted, "|", &save); part;
		     part = strtok_r(NULL, "|", &save)) {
			parts++;
			if (!strstr(said, part))
				fail_msg("%s\n-> %s, not: %s", bad[i].text, said, part);
		}
		if (good || parts != import.toml.problems.error_count)
			fail_msg("%s\n-> %s", bad[i].text, said);
		import_fini(&import);
	}
}

static void no_problem_shows_a_key(void **state)
{
	static const char *const texts[] = {
	    "[server]\nauth_key = canary\n",	 "[server]\nauth_key = \"canary\n",
	    "[server]\nauth_key = ['canary']\n", "[server]\nauth_key = 'canary'\nauth_key = 'canary'\n",
	    "[client]\nauth_key = 'canary'\n",
	};
	for (size_t i = 0; i < COUNT_OF(texts); i++) {
		struct import import;
		assert_false(convert(&import, texts[i]));
		assert_null(strstr(said, "canary"));
		import_fini(&import);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_server),
	    cmocka_unit_test(everything_of_a_server),
	    cmocka_unit_test(paths_and_statistics),
	    cmocka_unit_test(a_client),
	    cmocka_unit_test(everything_of_a_client),
	    cmocka_unit_test(what_is_left_behind),
	    cmocka_unit_test(the_environment_of_a_client),
	    cmocka_unit_test(bad_files),
	    cmocka_unit_test(no_problem_shows_a_key),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
