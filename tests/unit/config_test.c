/* tests/unit/config_test.c - the configuration: every rule by a file that keeps it and files that break it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "core/config_read.h"

static const char key16[] = "0123456789abcdef";

static int64_t read_fake(const struct config_files *files, const char *path, uint8_t *bytes, size_t size,
			 char *why)
{
	static const struct { const char *path, *text;
	} known[] = {
	    {"key", "0123456789abcdef\n"},	     {"key.crlf", "0123456789abcdef\r\n"},
	    {"key.open", "0123456789abcdef"},	     {"key.short", "short\n"},
	    {"key.blanks", "0123456789abcdef \n\n"}, {"key.bytes", "0123456789abcdef\xff\xfe"},
	};
	*why = 0;
	for (size_t i = 0; i < COUNT_OF(known); i++) {
		if (strcmp(known[i].path, path) != 0)
			continue;
		assert_true(strlen(known[i].text) <= size);
		memcpy(bytes, known[i].text, strlen(known[i].text));
		if (strcmp(path, "key.open") == 0)
			snprintf(why, CONFIG_WHY_SIZE, "key.open can be read by others; chmod 600 key.open");
		return (int64_t)strlen(known[i].text);
	}
	snprintf(why, CONFIG_WHY_SIZE, "%.100s: No such file or directory", path);
	return -1;
}

/* More of the environment: NAME and value in turns, NULL at the end. */
static const char *const *environment;

static const char *variable_fake(const struct config_files *files, const char *name)
{
	for (const char *const *at = environment; at && *at; at += 2)
		if (strcmp(at[0], name) == 0)
			return at[1];
	return strcmp(name, "KEY") == 0 ? key16 : strcmp(name, "PORT") == 0 ? "8443" :
	       strcmp(name, "NONE") == 0 ? "" : NULL;
}

static const struct config_files files = {.read = read_fake, .variable = variable_fake};

/* Parses; the errors as one text, a line each. */
static bool parse(struct config *config, const char *text, char *all, size_t size)
{
	struct problems errors;
	bool good = config_parse(config, "f.yaml", slice_of(text), &files, &errors);
	size_t used = 0;
	all[0] = 0;
	for (size_t i = 0; i < errors.count; i++)
		used += (size_t)snprintf(all + used, used < size ? size - used : 0, "%s%s\n",
					 errors.items[i].warning ? "warning " : "", errors.items[i].text);
	problems_fini(&errors);
	return good;
}

static void load(struct config *config, const char *text)
{
	char all[8192];
	if (!parse(config, text, all, sizeof all))
		fail_msg("%s", all);
}

#define CLIENT "client: {protocol: tls-tunnel, gateway_addr: 'g:1', auth_key: 0123456789abcdef, "
#define LINKSOCKS "gateway: {linksocks: {tokens: [{token: a, type: forward}], "
#define SOCKS "client: {protocol: linksocks, gateway_addr: 'g:1', "
#define FORWARD "forwarders: [{name: f, type: socks5, bind_port: 3"
#define VISIT "visitors: [{name: n, publish_port: 1, bind_port: 2}]"

static void defaults_of_a_gateway(void **state)
{
	struct config config;
	load(&config, "gateway:\n");
	assert_true(config.gateway.enabled);
	assert_int_equal(config.gateway.listen_addr.family, ADDRESS_ANY);
	assert_int_equal(config.gateway.listen_addr.port, 8443);
	assert_false(config.gateway.tls12);
	assert_string_equal(config.engine, "auto");
	assert_int_equal(config.cores, 0);
	assert_int_equal(config.log_level, LOG_INFO);
	assert_int_equal(duration_ms(config.drain_stop), 25000);
	assert_int_equal(duration_ms(config.drain_upgrade), 3600000);
	assert_int_equal(config.limits.channel_bytes, 256 * 1024);
	assert_false(secret_is_set(&config.gateway.auth_key));
	config_fini(&config);
}

static void everything_of_a_gateway(void **state)
{
	struct config config;
	load(&config,
	     "cores: 4\nengine: epoll\nstate_dir: /s\nlog: {level: trace, format: json}\ndrain: {stop: "
	     "500ms, upgrade: 1h30m}\n"
	     "limits: {channel_bytes: 1MiB, channel_bytes_no_credit: 32MiB, session_bytes: 16777216, "
	     "process_memory: 1GiB,\n"
	     "  exchange_bytes: 64MiB, channels_per_session: 9, connections_per_source: 8, opens_per_second: "
	     "0,\n"
	     "  channel_idle: 12h, http_idle: 300s, udp_idle: 2m}\n"
	     "gateway:\n"
	     "  listen_addr: '127.0.0.1:${PORT}'\n  tls_cert: c.pem\n  tls_key: k.pem\n  tls_client_ca: "
	     "ca.pem\n"
	     "  tls_min_version: 1.3\n"
	     "  sources: {allow: [10.0.0.0/8, '::1'], deny: [10.1.0.0/16]}\n"
	     "  tls_tunnel: {auth_key: '${KEY}', transports: [tls], legacy: false, allow_forward: false}\n"
	     "  clients:\n    - {name: edge-1, auth_key: another-long-key-1, ports: ['8000-8999', 22]}\n"
	     "    - {name: edge-2, auth_key: another-long-key-2}\n");
	assert_int_equal(config.cores, 4);
	assert_string_equal(config.engine, "epoll");
	assert_string_equal(config.state_dir, "/s");
	assert_int_equal(config.log_level, LOG_TRACE);
	assert_int_equal(config.log_format, LOG_JSON);
	assert_int_equal(duration_ms(config.drain_stop), 500);
	assert_int_equal(duration_ms(config.drain_upgrade), 5400000);
	assert_int_equal(config.limits.channel_bytes, 1 << 20);
	assert_int_equal(config.limits.process_memory, 1 << 30);
	assert_int_equal(config.limits.channels_per_session, 9);
	assert_int_equal(duration_ms(config.limits.udp_idle), 120000);
	const struct config_gateway *gateway = &config.gateway;
	assert_int_equal(gateway->listen_addr.port, 8443);
	assert_string_equal(gateway->tls_client_ca, "ca.pem");
	assert_int_equal(gateway->sources_allow_count, 2);
	assert_int_equal(gateway->sources_deny_count, 1);
	assert_true(secret_is_equal(&gateway->auth_key, slice_of(key16)));
	assert_int_equal(gateway->identity_count, 2);
	assert_string_equal(gateway->identities[0].name, "edge-1");
	assert_true(port_ranges_have(gateway->identities[0].ports, gateway->identities[0].port_count, 8500));
	assert_true(port_ranges_have(gateway->identities[0].ports, gateway->identities[0].port_count, 22));
	assert_false(port_ranges_have(gateway->identities[0].ports, gateway->identities[0].port_count, 23));
	assert_int_equal(gateway->identities[1].port_count, 0);
	config_fini(&config);
}

static void everything_of_a_client(void **state)
{
	struct config config;
	load(&config,
	     "client:\n  - protocol: tls-tunnel\n    gateway_addr: ['a.example:8443', '[::1]:9']\n"
	     "    gateway_tls_pin: sha256:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8\n"
	     "    client_cert: c\n    client_key: k\n"
	     "    reconnect: {enabled: false, min: 1s, max: 1s, retry_auth: true}\n"
	     "    transport: tls\n    auth_key_file: key\n    generation: 1.5\n"
	     "    links: 4\n    local_retries: 7\n    local_retry_delay: 0\n"
	     "    proxies: [{name: web, type: http/1.1, publish_addr: '::', publish_port: 8080, local_addr: "
	     "db, local_port: 3000},\n"
	     "      {name: ssh, proxy_type: ssh, publish_port: 22, local_port: 22}]\n"
	     "    visitors: [{name: mysql, publish_port: 3306, bind_addr: '::1', bind_port: 3307}]\n"
	     "  - {protocol: tls-tunnel, gateway_addr: 'b:1', gateway_tls_cert: ca.pem, auth_key_file: "
	     "key.crlf,\n"
	     "     visitors: [{name: x, publish_port: 1, bind_addr: localhost, bind_port: 3307}]}\n");
	assert_false(config.gateway.enabled);
	assert_int_equal(config.client_count, 2);
	const struct config_client *client = &config.clients[0];
	assert_int_equal(client->gateway_count, 2);
	assert_string_equal(client->gateways[0].host, "a.example");
	assert_int_equal(client->gateways[0].port, 8443);
	assert_string_equal(client->gateways[1].host, "::1");
	assert_true(client->has_pin);
	for (size_t i = 0; i < PIN_SIZE; i++)
		assert_int_equal(client->pin[i], i);
	assert_false(client->reconnect.enabled);
	assert_true(client->reconnect.retry_auth);
	assert_int_equal(client->generation, GENERATION_15);
	assert_int_equal(client->links, 4);
	assert_int_equal(client->local_retries, 7);
	assert_int_equal(client->local_retry_delay.ns, 0);
	assert_true(secret_is_equal(&client->auth_key, slice_of(key16)));
	assert_int_equal(client->proxy_count, 2);
	assert_string_equal(client->proxies[0].type, "http/1.1");
	assert_string_equal(client->proxies[0].local.host, "db");
	assert_string_equal(client->proxies[1].publish_addr, "0.0.0.0");
	assert_string_equal(client->proxies[1].local.host, "127.0.0.1");
	assert_string_equal(client->proxies[1].type, "ssh");
	assert_int_equal(client->visitors[0].bind.family, ADDRESS_IPV6);
	assert_int_equal(client->visitors[0].bind.port, 3307);
	client = &config.clients[1];
	assert_false(client->has_pin);
	assert_int_equal(duration_ms(client->reconnect.min), 5000);
	assert_int_equal(duration_ms(client->reconnect.max), 60000);
	assert_true(secret_is_equal(&client->auth_key, slice_of(key16)));
	assert_int_equal(client->visitors[0].bind.family, ADDRESS_IPV4);
	config_fini(&config);
}

static void defaults_of_targets(void **state)
{
	struct config config;
	load(&config, "gateway:\n");
	assert_true(config.batching.enabled);
	assert_int_equal(duration_ms(config.batching.min), 20);
	assert_int_equal(duration_ms(config.batching.max), 500);
	assert_int_equal(config.batching.buffer, 256 * 1024);
	assert_int_equal(acl_ask_host(&config.access, "127.0.0.1", 80), ACL_DENIED);
	assert_int_equal(acl_ask_host(&config.access, "169.254.169.254", 80), ACL_DENIED);
	assert_int_equal(acl_ask_host(&config.access, "10.0.0.1", 80), ACL_ALLOWED);
	assert_true(config.gateway.public && config.gateway.tls_tunnel);
	assert_false(config.gateway.linksocks.enabled);
	config_fini(&config);
	load(&config, "gateway:\nlimits: {channel_bytes: 1MiB}\n"
		      "batching: {enabled: false, min: 1ms, max: 2s, buffer: 1MiB}\n"
		      "access: {allow: ['*.example.com:443', 're:^db[0-9]+$', 10.0.0.0/8], deny: []}\n");
	assert_false(config.batching.enabled);
	assert_int_equal(config.batching.buffer, 1 << 20);
	assert_int_equal(config.access.deny_count, 0);
	assert_int_equal(acl_ask_host(&config.access, "db12", 80), ACL_ASK_ADDRESSES);
	assert_int_equal(acl_ask_host(&config.access, "127.0.0.1", 80), ACL_DENIED);
	config_fini(&config);
	load(&config, "gateway:\naccess: {allow: []}\n");
	assert_int_equal(acl_ask_host(&config.access, "::1", 80), ACL_DENIED);
	config_fini(&config);
	load(&config, "gateway:\naccess: {deny: [10.0.0.0/8]}\n");
	assert_int_equal(acl_ask_host(&config.access, "::1", 80), ACL_ALLOWED);
	assert_int_equal(acl_ask_host(&config.access, "10.0.0.1", 80), ACL_DENIED);
	config_fini(&config);
}

static void everything_of_a_linksocks_gateway(void **state)
{
	struct config config;
	load(&config, "gateway:\n  allow_origins: ['https://a.example']\n  linksocks:\n"
		      "    listen_addr: '127.0.0.1:8765'\n    api_key_file: key\n    socks_host: 10.0.0.1\n"
		      "    tokens:\n      - {token: T1, type: forward}\n"
		      "      - {token: T2, type: reverse, socks_addr: '127.0.0.1:9870', username: u,\n"
		      "         password: p, connector_tokens: [C1, C2]}\n"
		      "      - {token_file: key.short, type: reverse, autonomy: true}\n"
		      "    connector_wait_provider: 2s\n    fast_open: true\n"
		      "    target_proxy: 'socks5://us%40er:pass@[::1]'\n");
	const struct config_linksocks *linksocks = &config.gateway.linksocks;
	assert_true(linksocks->enabled && linksocks->listens && linksocks->fast_open);
	assert_true(config.gateway.public);
	assert_false(config.gateway.tls_tunnel);
	assert_string_equal(config.gateway.allow_origins[0], "https://a.example");
	assert_int_equal(linksocks->listen_addr.port, 8765);
	assert_true(secret_is_equal(&linksocks->api_key, slice_of(key16)));
	assert_int_equal(linksocks->socks_host.bytes[0], 10);
	assert_int_equal(linksocks->token_count, 3);
	assert_int_equal(linksocks->tokens[0].type, TOKEN_FORWARD);
	const struct config_token *token = &linksocks->tokens[1];
	assert_true(token->type == TOKEN_REVERSE && token->socks && !token->autonomy);
	assert_int_equal(token->socks_addr.port, 9870);
	assert_string_equal(token->username, "u");
	assert_true(secret_is_equal(&token->password, slice_of("p")));
	assert_int_equal(token->connector_count, 2);
	assert_true(secret_is_equal(&token->connector_tokens[1], slice_of("C2")));
	assert_true(linksocks->tokens[2].autonomy);
	assert_true(secret_is_equal(&linksocks->tokens[2].token, slice_of("short")));
	assert_int_equal(duration_ms(linksocks->connector_wait_provider), 2000);
	assert_int_equal(linksocks->target_proxy.kind, VIA_SOCKS5);
	assert_string_equal(linksocks->target_proxy.at.host, "::1");
	assert_int_equal(linksocks->target_proxy.at.port, 1080);
	assert_string_equal(linksocks->target_proxy.user, "us@er");
	assert_true(secret_is_equal(&linksocks->target_proxy.password, slice_of("pass")));
	config_fini(&config);
	load(&config, "gateway: {listen_addr: '', linksocks: {listen_addr: ':8443', api_key: k}}");
	assert_false(config.gateway.public || config.gateway.tls_tunnel);
	config_fini(&config);
	load(&config, "gateway: {tls_tunnel: {}, linksocks: {api_key: k}}");
	assert_true(config.gateway.tls_tunnel);
	assert_int_equal(duration_ms(config.gateway.linksocks.connector_wait_provider), 5000);
	config_fini(&config);
}

static void everything_of_a_linksocks_client(void **state)
{
	struct config config;
	load(&config, "client:\n  - {protocol: linksocks, gateway_addr: 'a:1'}\n"
		      "  - protocol: linksocks\n    gateway_addr: ['b:1', 'localhost:2']\n"
		      "    gateway_tls_pin: 'sha256:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8'\n"
		      "    path: /ws?x=1\n    compression_threshold: 0\n    connect_timeout: 3s\n"
		      "    token_file: key\n    reverse: true\n    connector_token: c\n    threads: 3\n"
		      "    target_proxy: 'http://p'\n    upstream_proxy: 'http://u:p@proxy:3128/'\n"
		      "    reconnect: {min: 2s}\n    resume: strict\n"
		      "  - {protocol: linksocks, gateway_addr: '127.0.0.1:8765', plaintext: true,\n"
		      "     fast_open: true,\n     socks5: {listen_addr: '[::1]:9', auth_username: u, "
		      "auth_password: p, no_wait: true}}\n"
		      "  - {protocol: tls-tunnel, gateway_addr: 'a:1', auth_key: 0123456789abcdef, " VISIT
		      "}\n");
	const struct config_client *client = &config.clients[0];
	assert_int_equal(client->protocol, PROTOCOL_LINKSOCKS);
	assert_string_equal(client->linksocks.path, "/socket");
	assert_true(client->linksocks.anonymous && !client->linksocks.reverse);
	assert_true(secret_is_equal(&client->linksocks.token, slice_of("anonymous")));
	assert_int_equal(client->linksocks.threads, 1);
	assert_int_equal(client->linksocks.compression_threshold, 512 * 1024);
	assert_int_equal(duration_ms(client->linksocks.connect_timeout), 10000);
	assert_int_equal(duration_ms(client->reconnect.min), 1000);
	assert_int_equal(duration_ms(client->reconnect.max), 600000);
	assert_int_equal(client->linksocks.socks_addr.port, 9870);
	assert_int_equal(client->upstream_proxy.kind, VIA_NOTHING);
	client = &config.clients[1];
	assert_true(client->has_pin && client->linksocks.reverse && !client->linksocks.anonymous);
	assert_string_equal(client->linksocks.path, "/ws?x=1");
	assert_int_equal(client->linksocks.compression_threshold, 0);
	assert_int_equal(client->linksocks.threads, 3);
	assert_true(secret_is_equal(&client->linksocks.token, slice_of(key16)));
	assert_true(secret_is_equal(&client->linksocks.connector_token, slice_of("c")));
	assert_int_equal(client->linksocks.target_proxy.kind, VIA_HTTP);
	assert_int_equal(client->linksocks.target_proxy.at.port, 8080);
	assert_null(client->linksocks.target_proxy.user);
	assert_string_equal(client->upstream_proxy.at.host, "proxy");
	assert_int_equal(client->upstream_proxy.at.port, 3128);
	client = &config.clients[2];
	assert_true(client->plaintext && client->linksocks.fast_open && client->linksocks.socks_no_wait);
	assert_int_equal(client->linksocks.socks_addr.family, ADDRESS_IPV6);
	assert_string_equal(client->linksocks.socks_user, "u");
	assert_int_equal(config.clients[3].protocol, PROTOCOL_TLS_TUNNEL);
	config_fini(&config);
}

/* A LinkSocks client of `gateway`, and the port of the proxy that the environment gives it; 0: none. */
static uint16_t proxied(const char *gateway, bool plaintext, const char *more)
{
	char text[512], all[2048];
	struct config config;
	snprintf(text, sizeof text, "client: {protocol: linksocks, gateway_addr: %s, plaintext: %s%s}",
		 gateway, plaintext ? "true" : "false", more);
	if (!parse(&config, text, all, sizeof all))
		fail_msg("%s", all);
	uint16_t port = config.clients[0].upstream_proxy.kind ? config.clients[0].upstream_proxy.at.port : 0;
	config_fini(&config);
	return port;
}

static void the_environment_names_a_proxy(void **state)
{
	static const char *const variables[] = {
		"http_proxy", "clear.example", "HTTPS_PROXY", "socks5h://u:p@secure.example", "https_proxy",
		"http://never", "no_proxy",
		" .inner.example, name.example:8443 ,10.0.0.0/8,192.0.2.7:99,*.star.example,[2001:db8::1]:5,",
		NULL};
	static const struct { const char *gateway; bool plaintext; uint16_t port;
	} cases[] = {
	    {"'a.example:1'", true, 80},	       {"'a.example:1'", false, 1080},
	    {"'localhost:1'", true, 0},		       {"'127.9.9.9:1'", true, 0},
	    {"'[::1]:1'", true, 0},		       {"'x.inner.example:1'", true, 0},
	    {"'inner.example:1'", true, 80},	       {"'name.example:8443'", true, 0},
	    {"'name.example:8444'", true, 80},	       {"'sub.Name.Example:8443'", true, 0},
	    {"'surname.example:8443'", true, 80},      {"'10.1.2.3:1'", true, 0},
	    {"'11.1.2.3:1'", true, 80},		       {"'192.0.2.7:99'", true, 0},
	    {"'192.0.2.7:98'", true, 80},	       {"'a.star.example:1'", false, 0},
	    {"'star.example:1'", false, 1080},	       {"'[2001:db8::1]:5'", false, 0},
	    {"'[2001:db8::1]:6'", false, 1080},	       {"['a.example:1', '10.0.0.1:1']", true, 0},
	    {"['b.inner.example:1', '10.0.0.1:1']", true, 0},
	};
	environment = variables;
	for (size_t i = 0; i < COUNT_OF(cases); i++)
		if (proxied(cases[i].gateway, cases[i].plaintext, "") != cases[i].port)
			fail_msg("%s: not %u", cases[i].gateway, cases[i].port);
	assert_int_equal(proxied("'a.example:1'", true, ", upstream_proxy: ''"), 0);
	assert_int_equal(proxied("'a.example:1'", true, ", upstream_proxy: 'http://b'"), 8080);
	/* TLS Tunnel is TLS unless it is asked not to be */
	struct config tunnel;
	load(&tunnel, "client:\n  - {protocol: tls-tunnel, gateway_addr: 'a.example:1', auth_key: "
		      "0123456789abcdef, " VISIT "}\n"
		      "  - {protocol: tls-tunnel, gateway_addr: 'b.example:1', auth_key: 0123456789abcdef, "
		      "upstream_proxy: 'http://b', visitors: [{name: b, publish_port: 2, bind_port: 9}]}\n");
	assert_int_equal(tunnel.clients[0].upstream_proxy.kind, VIA_SOCKS5);
	assert_int_equal(tunnel.clients[0].upstream_proxy.at.port, 1080);
	assert_int_equal(tunnel.clients[1].upstream_proxy.at.port, 8080);
	config_fini(&tunnel);
	static const char *const all[] = {"HTTP_PROXY", "http://a:3", "NO_PROXY", "x,*", NULL};
	environment = all;
	assert_int_equal(proxied("'a.example:1'", true, ""), 0);
	static const char *const wrong[] = {"HTTP_PROXY", "ftp://us:canary@a:3", NULL};
	struct config config;
	char text[2048];
	environment = wrong;
	assert_false(parse(&config, SOCKS "plaintext: true}", text, sizeof text));
	assert_non_null(strstr(text, "HTTP_PROXY is no http"));
	assert_null(strstr(text, "canary"));
	config_fini(&config);
	environment = NULL;
}

static void everything_of_a_tls_tunnel_gateway(void **state)
{
	struct config config;
	load(&config, "gateway:\n");
	assert_int_equal(config.gateway.transports, 7);
	assert_true(config.gateway.legacy);
	assert_false(config.gateway.allow_forward || config.gateway.behind_proxy ||
		     config.gateway.proxy_protocol || config.access_given || config.stats.enabled);
	assert_int_equal(config.gateway.rate_limit.requests_per_second, 0);
	config_fini(&config);
	load(&config, "access: {allow: [10.0.0.0/8]}\ngateway:\n  listen_addr: '127.0.0.1:1'\n"
		      "  behind_proxy: true\n  proxy_protocol: accept\n"
		      "  trusted_proxies: [10.0.0.0/8, '::1']\n"
		      "  tls_tunnel: {transports: [http2, wss, wss], legacy: false, allow_forward: true,\n"
		      "    rate_limit: {requests_per_second: 100, burst_size: 200}}\n");
	const struct config_gateway *gateway = &config.gateway;
	assert_int_equal(gateway->transports, 1 << TRANSPORT_HTTP2 | 1 << TRANSPORT_WSS);
	assert_false(gateway->legacy);
	assert_true(gateway->allow_forward && gateway->behind_proxy && gateway->proxy_protocol &&
		    config.access_given);
	assert_int_equal(gateway->trusted_proxy_count, 2);
	assert_int_equal(gateway->rate_limit.requests_per_second, 100);
	assert_int_equal(gateway->rate_limit.burst_size, 200);
	config_fini(&config);
	load(&config, "access:\n"
		      "gateway: {tls_server_names: [Gateway.Example.com, '*.b.example', localhost]}");
	assert_false(config.access_given);
	assert_int_equal(config.gateway.server_name_count, 3);
	assert_string_equal(config.gateway.server_names[0], "gateway.example.com");
	assert_string_equal(config.gateway.server_names[1], "*.b.example");
	config_fini(&config);
}

static void everything_of_statistics(void **state)
{
	struct config config;
	load(&config, "gateway:\nstats: {listen_addr: '127.0.0.1:9090'}\n");
	assert_true(config.stats.enabled);
	assert_false(secret_is_set(&config.stats.token));
	assert_int_equal(config.stats.listen_addr.port, 9090);
	config_fini(&config);
	load(&config, "gateway:\nstats: {listen_addr: 'unix:/run/t'}\n");
	assert_int_equal(config.stats.listen_addr.family, ADDRESS_UNIX);
	config_fini(&config);
	load(&config, "gateway:\nstats: {listen_addr: ':9090', token_file: key, tls_cert: c, tls_key: k}\n");
	assert_true(secret_is_equal(&config.stats.token, slice_of(key16)));
	assert_string_equal(config.stats.tls_cert, "c");
	assert_string_equal(config.stats.tls_key, "k");
	config_fini(&config);
}

static void everything_of_a_forwarding_client(void **state)
{
	struct config config;
	load(&config,
	     CLIENT "transport: wss, path: /tunnel/?a=b, generation: 1.4.y, forwarders: [\n"
		    "{name: out, type: socks5, bind_port: 1081},\n"
		    "{name: web, proxy_type: http, bind_addr: localhost, bind_port: 1082, routing: {\n"
		    "  direct_domains: ['*.lan', .corp, host], proxy_domains: [example.com],\n"
		    "  direct_ips: [10.0.0.0/8, '::1'], proxy_ips: [0.0.0.0/0], default_strategy: reject}},\n"
		    "{name: all, type: http, bind_addr: '::1', bind_port: 1082, routing: {}}],\n"
		    "proxies: [{name: a, publish_port: 1, local_port: 2, proxy_protocol: v1},\n"
		    "  {name: b, publish_port: 2, local_port: 2, proxy_protocol: v2},\n"
		    "  {name: c, publish_port: 3, local_port: 2, proxy_protocol: off}]}");
	const struct config_client *client = &config.clients[0];
	assert_int_equal(client->transport, TRANSPORT_WSS);
	assert_string_equal(client->path, "/tunnel/?a=b");
	assert_int_equal(client->generation, GENERATION_14Y);
	assert_int_equal(client->forwarder_count, 3);
	const struct config_forwarder *forwarder = client->forwarders;
	assert_string_equal(forwarder->name, "out");
	assert_int_equal(forwarder->type, FORWARDER_SOCKS5);
	assert_int_equal(forwarder->bind.port, 1081);
	assert_false(forwarder->routed);
	forwarder++;
	assert_int_equal(forwarder->type, FORWARDER_HTTP);
	assert_int_equal(forwarder->bind.family, ADDRESS_IPV4);
	assert_true(forwarder->routed);
	assert_int_equal(forwarder->routing.direct_domain_count, 3);
	assert_string_equal(forwarder->routing.direct_domains[1], ".corp");
	assert_string_equal(forwarder->routing.proxy_domains[0], "example.com");
	assert_int_equal(forwarder->routing.direct_ip_count, 2);
	assert_int_equal(forwarder->routing.proxy_ip_count, 1);
	assert_int_equal(forwarder->routing.default_strategy, STRATEGY_REJECT);
	assert_true(forwarder[1].routed);
	assert_int_equal(forwarder[1].routing.default_strategy, STRATEGY_PROXY);
	for (int i = 0; i < 3; i++)
		assert_int_equal(client->proxies[i].proxy_protocol, (PROXY_HEADER_OFF + 1 + i) % 3);
	config_fini(&config);
	static const char *const generations[] = {"auto", "1.5", "1.4", "1.4.y", "1.0"};
	for (int i = 0; i < 5; i++) {
		char text[256];
		snprintf(text, sizeof text, "%s generation: %s, transport: http2, plaintext: true, "
			 "proxies: [{name: a, publish_port: 1, local_port: 2}]}", CLIENT, generations[i]);
		load(&config, text);
		assert_int_equal(config.clients[0].generation, i);
		assert_int_equal(config.clients[0].transport, TRANSPORT_HTTP2);
		assert_true(config.clients[0].plaintext);
		assert_string_equal(config.clients[0].path, "/");
		config_fini(&config);
	}
}

static void pins_have_three_spellings(void **state)
{
	static const char *const pins[] = {
		"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
		"000102030405060708090A0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
	};
	for (size_t i = 0; i < COUNT_OF(pins); i++) {
		char text[512];
		struct config config;
		snprintf(text, sizeof text, CLIENT "gateway_tls_pin: 'sha256:%s', " VISIT "}", pins[i]);
		load(&config, text);
		assert_true(config.clients[0].has_pin);
		assert_int_equal(config.clients[0].pin[31], 31);
		config_fini(&config);
	}
}

static void warnings_do_not_fail(void **state)
{
	static const struct { const char *text, *warning;
	} cases[] = {
	    {"gateway: {tls_tunnel: {auth_key_file: key.open}}", "can be read by others"},
	    {CLIENT "gateway_tls_cert: c, gateway_tls_pin: "
		    "'sha256:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8', " VISIT "}",
	     "gateway_tls_cert has no effect"},
	    {CLIENT "proxies: [{name: a, publish_port: 1, local_port: 2},"
		    "{name: b, publish_addr: 10.0.0.1, publish_port: 1, local_port: 3}]}",
	     "publish_port 1 is used twice"},
	    {SOCKS "plaintext: true}", "plaintext: token and traffic go to g in clear"},
	    {SOCKS "socks5: {listen_addr: ':1'}}", "anybody who reaches listen_addr"},
	    {"gateway: {linksocks: {tokens: [{token: a, type: reverse, socks_addr: ':1'}]}}",
	     "anybody who reaches it"},
	    {"gateway: {linksocks: {tokens: [{token: a, type: reverse}]}}", "nobody can use this"},
	    {"gateway: {tls_tunnel: {rate_limit: {requests_per_second: 9, burst_size: 8}}}",
	     "burst_size 8 is less than requests_per_second 9"},
	    {"gateway: {behind_proxy: true}", "the port is in clear"},
	    {CLIENT "transport: wss, plaintext: true, " VISIT "}", "key and traffic go to g in clear"},
	    {CLIENT FORWARD ", bind_addr: 0.0.0.0}]}", "anybody who reaches bind_addr may use"},
	};
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct config config;
		char all[4096];
		assert_true(parse(&config, cases[i].text, all, sizeof all));
		assert_non_null(strstr(all, "warning f.yaml:1:"));
		assert_non_null(strstr(all, cases[i].warning));
		config_fini(&config);
	}
}

static void environment_is_expanded(void **state)
{
	struct config config;
	load(&config, "state_dir: 'a${PORT}b${NONE}c$d$${KEY}'\ngateway:\n");
	assert_string_equal(config.state_dir, "a8443bc$d${KEY}");
	config_fini(&config);
}

/* Text, and what must be in its errors; the first is the only one unless more are named behind a bar. */
static const struct { const char *text, *errors; } bad[] = {
#include "tests/unit/config_bad.inc"
};

static void clients_are_counted(void **state)
{
	struct config config;
	char text[8192] = "client:\n", all[16384];
	size_t used = strlen(text);
	for (int i = 0; i <= CONFIG_CLIENTS_MAX; i++) {
		used += (size_t)snprintf(text + used, sizeof text - used,
					 "- {protocol: tls-tunnel, gateway_addr: \"g:1\", auth_key: "
					 "0123456789abcdef, visitors: [{name: a, publish_port: 1, "
					 "bind_port: %d}]}\n",
					 i + 1);
		bool good = parse(&config, text, all, sizeof all);
		assert_true(good == (i < CONFIG_CLIENTS_MAX));
		config_fini(&config);
	}
	assert_non_null(strstr(all, "client has more than 16 entries"));
}

static void every_bad_file_is_refused(void **state)
{
	assert_true(COUNT_OF(bad) >= 80);
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		struct config config;
		char all[16384], wanted[1024];
		bool good = parse(&config, bad[i].text, all, sizeof all);
		size_t lines = 0, parts = 0;
		for (const char *at = all; (at = strchr(at, '\n')); at++)
			lines++;
		snprintf(wanted, sizeof wanted, "%s", bad[i].errors);
		for (char *save, *part = strtok_r(wanted, "|", &save); part;
		     part = strtok_r(NULL, "|", &save)) {
			parts++;
			if (!strstr(all, part))
				fail_msg("%s\n-> %s, not: %s", bad[i].text, all, part);
		}
		if (good || lines != parts)
			fail_msg("%s\n-> %s", bad[i].text, all);
		config_fini(&config);
	}
}

static void all_errors_come_at_once_in_order(void **state)
{
	struct config config;
	char all[4096];
	assert_false(parse(&config,
			   "gatway: 1\ncores: x\ngateway:\n  listen: 1\n  tls_key: k\nengine: fast\n", all,
			   sizeof all));
	assert_string_equal(all,
		"f.yaml:1:1: unknown key gatway (did you mean gateway?)\n"
		"f.yaml:2:8: cores must be a number from 1 to 256, not x\n"
		"f.yaml:4:3: unknown key listen in gateway\n"
		"f.yaml:5:3: tls_key needs tls_cert beside it\n"
		"f.yaml:6:9: engine must be one of auto, io_uring, epoll, not fast\n");
	config_fini(&config);
}

static void errors_are_bounded(void **state)
{
	static char text[64 * 1024];
	struct config config;
	struct problems errors;
	size_t size = 0;
	for (int i = 0; i < 200; i++)
		size += (size_t)snprintf(text + size, sizeof text - size, "nothing-%d: 1\n", i);
	assert_false(config_parse(&config, "f", slice_of(text), &files, &errors));
	assert_int_equal(errors.count, PROBLEMS_MAX);
	assert_true(errors.error_count >= 200);
	problems_fini(&errors);
	config_fini(&config);
}

static void large_files_are_refused(void **state)
{
	size_t size = CONFIG_FILE_MAX + 1;
	uint8_t *text = malloc(size);
	struct config config;
	struct problems errors;
	memset(text, '\n', size);
	assert_false(config_parse(&config, "f", (struct slice){text, size}, &files, &errors));
	assert_string_equal(errors.items[0].text, "f:1:1: the file is larger than 1 MiB");
	problems_fini(&errors);
	config_fini(&config);
	memset(text, '[', size);
	assert_false(config_parse(&config, "f", (struct slice){text, size - 1}, &files, &errors));
	problems_fini(&errors);
	config_fini(&config);
	free(text);
}

static void no_error_shows_a_key(void **state)
{
	static const char *const texts[] = {
	    "gateway: {tls_tunnel: {auth_key: canary}}",
	    "gateway: {tls_tunnel: {auth_key: [canary]}}",
	    "gateway: {tls_tunnel: {auth_key: 'canary-canary-canary', auth_key_file: key}}",
	    ("gateway: {tls_tunnel: {auth_key: canary-canary-canary}, clients: [{name: a, auth_key: "
	     "canary-canary-canary}]}"),
	    "gateway: {linksocks: {tokens: [{token: canary, type: forward}, "
	    "{token: canary, type: forward}]}}",
	    "gateway: {linksocks: {api_key: \"canary\\n\", tokens: [{token: anonymous, type: forward}]}}",
	    "gateway:\nstats: {listen_addr: ':1', token: canary}",
	    SOCKS "upstream_proxy: 'http://u:canary@a:b', token: [canary], socks5: {auth_password: canary}}",
	};
	for (size_t i = 0; i < COUNT_OF(texts); i++) {
		struct config config;
		char all[4096];
		assert_false(parse(&config, texts[i], all, sizeof all));
		assert_null(strstr(all, "canary"));
		config_fini(&config);
	}
}

static void settings_win_over_the_file(void **state)
{
	static const struct config_setting settings[] = {
		{"cores", "3", "--cores"},
		{"log.level", "debug", "--log-level"},
		{"client.protocol", "tls-tunnel", "URL"},
		{"client.gateway_addr", "g:1", "URL"},
		{"client.auth_key", "${KEY}-is-literal", "URL"},
		{"client.visitors.0.name", "a", "--visit"},
		{"client.visitors.0.publish_port", "1", "--visit"},
		{"client.visitors.0.bind_port", "2", "--visit"},
	};
	struct config_source source = {.file_name = "f",
				       .text = slice_of("cores: 1\nlog: {level: warn, format: json}\n"),
				       .settings = settings,
				       .setting_count = COUNT_OF(settings),
				       .files = &files};
	struct config config;
	struct problems errors;
	assert_true(config_build(&config, &source, &errors));
	assert_int_equal(config.cores, 3);
	assert_int_equal(config.log_level, LOG_DEBUG);
	assert_int_equal(config.log_format, LOG_JSON);
	assert_true(secret_is_equal(&config.clients[0].auth_key, slice_of("${KEY}-is-literal")));
	assert_string_equal(config.clients[0].visitors[0].name, "a");
	problems_fini(&errors);
	config_fini(&config);
}

static void wrong_settings_name_their_option(void **state)
{
	static const struct config_setting settings[] = {
		{"gateway", NULL, "gateway"},
		{"gateway.listen_addr", "nonsense", "--listen"},
		{"cores", "0", "--cores"},
	};
	struct config_source source = {.settings = settings, .setting_count = COUNT_OF(settings)};
	struct config config;
	struct problems errors;
	assert_false(config_build(&config, &source, &errors));
	assert_int_equal(errors.count, 2);
	assert_string_equal(errors.items[0].text,
			    "--listen: listen_addr must be :PORT, ADDRESS:PORT or unix:/PATH, not nonsense");
	assert_string_equal(errors.items[1].text, "--cores: cores must be a number from 1 to 256, not 0");
	problems_fini(&errors);
	config_fini(&config);
}

static void ranges(void **state)
{
	static const struct { const char *range, *address; bool in;
	} cases[] = {
	    {"10.0.0.0/8", "10.255.0.1", true},
	    {"10.0.0.0/8", "11.0.0.1", false},
	    {"0.0.0.0/0", "1.2.3.4", true},
	    {"10.0.0.0/8", "::ffff:10.1.2.3", true},
	    {"::1", "::1", true},
	    {"::1/128", "::2", false},
	    {"fe80::/10", "febf::1", true},
	    {"fe80::/10", "fec0::1", false},
	    {"::/0", "1.2.3.4", false},
	    {"::/0", "::ffff:1.2.3.4", false},
	    {"192.168.1.1", "192.168.1.1", true},
	    {"::/0", "2001:db8::1", true},
	    {"128.0.0.0/1", "127.255.255.255", false},
	    {"::ffff:0:0/96", "::ffff:1.2.3.4", true},
	};
	static const char *const wrong[] = {
	    "",	 "10.0.0.0/33", "10.0.0.1/8",  "10.0.0.0/",	  "10.0.0.0/-1", "::/129",
	    "a", "/8",		"10.0.0.0/8x", "fe80::1%eth0/64", "10.0.0/8",	 "::1/0"};
	static const char *const wrong_ports[] = {"",  "0",  "0-5", "5-4",   "65536", "1-65536",
						  "-", "1-", "-1",  "1-2-3", "a",     " 1"};
	struct cidr cidr;
	struct port_range range;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct address address;
		assert_true(cidr_parse(&cidr, cases[i].range));
		assert_true(address_of_literal(&address, cases[i].address, 1));
		if (cidrs_have(&cidr, 1, &address) != cases[i].in)
			fail_msg("%s in %s", cases[i].address, cases[i].range);
	}
	for (size_t i = 0; i < COUNT_OF(wrong); i++)
		if (cidr_parse(&cidr, wrong[i]))
			fail_msg("%s was taken", wrong[i]);
	for (size_t i = 0; i < COUNT_OF(wrong_ports); i++)
		if (port_range_parse(&range, wrong_ports[i]))
			fail_msg("%s was taken", wrong_ports[i]);
}

static void secrets_compare_by_all_bytes(void **state)
{
	struct secret secret = {0};
	assert_true(secret_is_equal(&secret, slice_of("")));
	assert_false(secret_is_equal(&secret, slice_of("a")));
	assert_true(secret_set(&secret, slice_of("abc")));
	assert_true(secret_is_equal(&secret, slice_of("abc")));
	assert_false(secret_is_equal(&secret, slice_of("abcabc")));
	assert_false(secret_is_equal(&secret, slice_of("ab")));
	assert_false(secret_is_equal(&secret, slice_of("")));
	assert_false(secret_is_equal(&secret, slice_of("abd")));
	secret_fini(&secret);
	assert_false(secret_is_set(&secret));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults_of_a_gateway),
		cmocka_unit_test(everything_of_a_gateway),
		cmocka_unit_test(everything_of_a_client),
		cmocka_unit_test(defaults_of_targets),
		cmocka_unit_test(everything_of_a_linksocks_gateway),
		cmocka_unit_test(everything_of_a_linksocks_client),
		cmocka_unit_test(the_environment_names_a_proxy),
		cmocka_unit_test(everything_of_a_tls_tunnel_gateway),
		cmocka_unit_test(everything_of_statistics),
		cmocka_unit_test(everything_of_a_forwarding_client),
		cmocka_unit_test(pins_have_three_spellings),
		cmocka_unit_test(warnings_do_not_fail),
		cmocka_unit_test(environment_is_expanded),
		cmocka_unit_test(every_bad_file_is_refused),
	    cmocka_unit_test(clients_are_counted),
		cmocka_unit_test(all_errors_come_at_once_in_order),
		cmocka_unit_test(errors_are_bounded),
		cmocka_unit_test(large_files_are_refused),
		cmocka_unit_test(no_error_shows_a_key),
		cmocka_unit_test(settings_win_over_the_file),
		cmocka_unit_test(wrong_settings_name_their_option),
		cmocka_unit_test(ranges),
		cmocka_unit_test(secrets_compare_by_all_bytes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
