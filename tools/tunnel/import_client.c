/* tools/tunnel/import_client.c - TLS Tunnel's [client], its proxies and visitors, as ours; see import.h. */
#include "tools/tunnel/import.h"

#include <stdio.h>
#include <stdlib.h>

enum { SERVER_ADDR, SERVER_PORT, SERVER_PATH, TRANSPORT, SKIP_VERIFY, CA_CERT_PATH, AUTH_KEY, STATS_PORT,
       STATS_ADDR, KEY_COUNT };

static const struct import_key keys[KEY_COUNT] = {
    [SERVER_ADDR] = {"server_addr", TOML_STRING, true},
    [SERVER_PORT] = {"server_port", TOML_INTEGER, true},
    [SERVER_PATH] = {"server_path", TOML_STRING, false},
    [TRANSPORT] = {"transport", TOML_STRING, false},
    [SKIP_VERIFY] = {"skip_verify", TOML_BOOLEAN, false},
    [CA_CERT_PATH] = {"ca_cert_path", TOML_STRING, false},
    [AUTH_KEY] = {"auth_key", TOML_STRING, true},
    [STATS_PORT] = {"stats_port", TOML_INTEGER, false},
    [STATS_ADDR] = {"stats_addr", TOML_STRING, false},
};

static const char *const types[] = {"tcp", "http/1.1", "http/2.0", "ssh", "http", "socks5", NULL};

/* ---- proxies and visitors ---- */

static const char *name_of(struct import *import, const struct toml_node *node, const char *what)
{
	const char *name = import_text_of(import, node);
	if (!name)
		return NULL;
	import_once(import, node, what, name);
	if (name[0] == '@')
		toml_fail(&import->toml, node, "a name must not begin with @, which TLS Tunnel cannot reach");
	return name;
}

/* The opening of "- {name: ..., type: ...". */
static void put_head(struct import *import, const char *name, int type)
{
	import_put(import, "    - {name: ");
	import_put_text(import, name ? name : "");
	if (type > 0)
		import_put(import, ", type: \"%s\"", types[type]);
}

static void put_proxy(struct import *import, const struct toml_node *table)
{
	static const struct import_key proxy_keys[] = {
		{"name", TOML_STRING, true},
		{"proxy_type", TOML_STRING, false},
		{"publish_addr", TOML_STRING, false},
		{"publish_port", TOML_INTEGER, true},
		{"local_port", TOML_INTEGER, true},
	};
	static const char name_twice[] = "the proxy name", place_twice[] = "publishing on",
			  local_twice[] = "local_port";
	const struct toml_node *found[COUNT_OF(proxy_keys)];
	char place[HOST_SIZE + 16], local[16];
	import_read(import, table, "[[proxies]]", proxy_keys, COUNT_OF(proxy_keys), found);
	const char *name = name_of(import, found[0], name_twice);
	int type = import_choice(import, found[1], types);
	const char *addr = found[2] ? import_text_of(import, found[2]) : "0.0.0.0";
	uint16_t port = import_port(import, found[3]), local_port = import_port(import, found[4]);
	snprintf(place, sizeof place, "%.255s port %u", addr ? addr : "", port);
	snprintf(local, sizeof local, "%u", local_port);
	if (addr && port)
		import_once(import, found[3], place_twice, place);
	if (local_port)
		import_once(import, found[4], local_twice, local);
	put_head(import, name, type);
	if (addr && strcmp(addr, "0.0.0.0") != 0) {
		import_put(import, ", publish_addr: ");
		import_put_text(import, addr);
	}
	import_put(import, ", publish_port: %u, local_port: %u}\n", port, local_port);
}

static void put_visitor(struct import *import, const struct toml_node *table)
{
	static const struct import_key visitor_keys[] = {
		{"name", TOML_STRING, true},
		{"proxy_type", TOML_STRING, false},
		{"bind_addr", TOML_STRING, false},
		{"bind_port", TOML_INTEGER, true},
		{"publish_port", TOML_INTEGER, true},
	};
	static const char name_twice[] = "the visitor name";
	const struct toml_node *found[COUNT_OF(visitor_keys)];
	import_read(import, table, "[[visitors]]", visitor_keys, COUNT_OF(visitor_keys), found);
	const char *name = name_of(import, found[0], name_twice);
	int type = import_choice(import, found[1], types);
	uint16_t bind_port = import_port(import, found[3]), port = import_port(import, found[4]);
	put_head(import, name, type);
	import_put(import, ", publish_port: %u", port);
	import_put_bind(import, found[2], found[3], bind_port);
	import_put(import, "}\n");
}

void import_put_bind(struct import *import, const struct toml_node *addr, const struct toml_node *port_node,
		     uint16_t port)
{
	static const char place_twice[] = "listening on";
	struct address address;
	char text[ADDRESS_TEXT_SIZE];
	if ((addr && !import_text_of(import, addr)) ||
	    !import_address(import, addr, "127.0.0.1", port, &address) || !port)
		return;
	import_once(import, port_node, place_twice, address_format(&address, text));
	if (addr) {
		import_put(import, ", bind_addr: ");
		import_put_text(import, address_host(&address, text));
	}
	import_put(import, ", bind_port: %u", port);
}

typedef void put_fn(struct import *import, const struct toml_node *table);

static void put_list(struct import *import, const struct toml_node *list, put_fn *put)
{
	if (!list || list->kind != TOML_ARRAY || !list->count)
		return;
	import_put(import, "  %s:\n", list->key);
	for (const struct toml_node *table = list->first; table; table = table->next)
		if (table->kind == TOML_TABLE)
			put(import, table);
		else if (table->kind != TOML_BROKEN)
			toml_fail(&import->toml, table, "%s must be tables: [[%s]]", list->key, list->key);
}

/* ---- the environment ---- */

/* `fallback` when it is not set, or is no number, as the original has it. */
static bool variable(struct import *import, const struct toml_node *client, const char *name, uint64_t *value)
{
	const char *text = import->variable(name);
	char *end;
	if (!text)
		return false;
	*value = strtoull(text, &end, 10);
	if (*text >= '0' && *text <= '9' && !*end)
		return true;
	toml_warn(&import->toml, client, "%s of the environment is no number and has no effect", name);
	return false;
}

static uint64_t bound(struct import *import, const struct toml_node *client, const char *name, uint64_t value,
		      uint64_t min, uint64_t max)
{
	uint64_t bounded = value < min ? min : value > max ? max : value;
	if (bounded != value)
		toml_warn(&import->toml, client, "%s of the environment becomes %llu, which is the %s here",
			  name, (unsigned long long)bounded, value < min ? "least" : "most");
	return bounded;
}

static void put_environment(struct import *import, const struct toml_node *client)
{
	static const char delay[] = "TLS_TUNNEL_RECONNECT_DELAY_SECS",
			  retries[] = "TLS_TUNNEL_LOCAL_CONNECT_RETRIES",
			  retry_delay[] = "TLS_TUNNEL_LOCAL_RETRY_DELAY_MS";
	static const char *const pools[] = {"TLS_TUNNEL_POOL_MIN_IDLE",
					    "TLS_TUNNEL_POOL_MAX_SIZE",
					    "TLS_TUNNEL_POOL_MAX_IDLE_SECS",
					    "TLS_TUNNEL_POOL_CONNECT_TIMEOUT_MS",
					    "TLS_TUNNEL_POOL_KEEPALIVE_SECS",
					    "TLS_TUNNEL_POOL_KEEPALIVE_INTERVAL_SECS"};
	uint64_t value;
	if (variable(import, client, delay, &value)) {
		value = bound(import, client, delay, value, 1, 86400);
		import_put(import, "  reconnect: {min: %llus, max: %llus}\n", (unsigned long long)value,
			   (unsigned long long)value);
	}
	if (variable(import, client, retries, &value))
		import_put(import, "  local_retries: %llu\n",
			   (unsigned long long)bound(import, client, retries, value, 1, 100));
	if (variable(import, client, retry_delay, &value))
		import_put(import, "  local_retry_delay: %llums\n",
			   (unsigned long long)bound(import, client, retry_delay, value, 0, 3600000));
	for (size_t i = 0; i < COUNT_OF(pools); i++)
		if (import->variable(pools[i]))
			toml_warn(&import->toml, client,
				  "%s of the environment is left out: connections to local services are not "
				  "pooled here",
				  pools[i]);
}

/* ---- [client] ---- */

static void put_gateway(struct import *import, const struct toml_node **found)
{
	const char *host = import_text_of(import, found[SERVER_ADDR]);
	uint16_t port = import_port(import, found[SERVER_PORT]);
	struct address literal;
	char place[HOST_SIZE + 16];
	if (!host || !port)
		return;
	bool v6 = address_of_literal(&literal, host, port) && literal.family == ADDRESS_IPV6;
	if (strlen(host) >= HOST_SIZE || (!v6 && strpbrk(host, ":/[]@?# ")))
		toml_fail(&import->toml, found[SERVER_ADDR],
			  "server_addr must be a name or an address alone");
	snprintf(place, sizeof place, "%s%.255s%s:%u", v6 ? "[" : "", host, v6 ? "]" : "", port);
	import_put_line(import, "gateway_addr", place, NULL);
}

static void put_trust(struct import *import, const struct toml_node **found)
{
	import_put_path(import, "gateway_tls_cert", found[CA_CERT_PATH]);
	if (!import_is_true(found[SKIP_VERIFY]))
		return;
	toml_warn(&import->toml, found[SKIP_VERIFY],
		  "skip_verify is left out: the gateway's certificate is checked here. Give %s%s",
		  "gateway_tls_pin, which `tunnel gateway` and `tunnel cert` print",
		  found[CA_CERT_PATH] ? "; until then gateway_tls_cert must fit" : ", or gateway_tls_cert");
	import_put(import, "  # gateway_tls_pin: \"sha256:...\"   # in the place of skip_verify\n");
}

static void put_transport(struct import *import, const struct toml_node **found)
{
	int transport = import_choice(import, found[TRANSPORT], import_transports);
	const struct toml_node *path = found[SERVER_PATH];
	if (transport > 0)
		import_put(import, "  transport: %s\n", import_transports[transport]);
	if (!path || transport < 0)
		return;
	if (transport != 1) {
		if (strcmp(path->text, "/") != 0)
			toml_warn(&import->toml, path, "server_path is left out: only wss has a path");
	} else if (path->text[0] != '/') {
		toml_fail(&import->toml, path, "server_path must begin with /");
	} else {
		import_put_line(import, "path", path->text, NULL);
	}
}

void import_client(struct import *import, const struct toml_node *client)
{
	const struct toml_node *found[KEY_COUNT], *root = import->toml.root;
	const struct toml_node *proxies = toml_find(root, "proxies"), *visitors = toml_find(root, "visitors"),
			       *forwarders = toml_find(root, "forwarders");
	import_read(import, client, "[client]", keys, KEY_COUNT, found);
	import_key_of(import, found[AUTH_KEY]);
	import_put(import, "client:\n  protocol: tls-tunnel\n");
	put_gateway(import, found);
	put_trust(import, found);
	put_transport(import, found);
	if (found[AUTH_KEY])
		import_put_line(import, "auth_key", found[AUTH_KEY]->text,
				"better: auth_key_file: FILE, with the key alone in it");
	put_environment(import, client);
	put_list(import, proxies, put_proxy);
	put_list(import, visitors, put_visitor);
	put_list(import, forwarders, import_put_forwarder);
	if (!import->broken && !(proxies && proxies->count) && !(visitors && visitors->count) &&
	    !(forwarders && forwarders->count))
		toml_fail(&import->toml, client,
			  "there is nothing to do: give [[proxies]], [[visitors]] or [[forwarders]]");
	if (found[STATS_PORT])
		import_put_stats(import, found[STATS_PORT], found[STATS_ADDR], "0.0.0.0");
	else if (found[STATS_ADDR])
		toml_warn(&import->toml, found[STATS_ADDR], "stats_addr has no effect without stats_port");
}
