/* tools/tunnel/import_server.c - TLS Tunnel's [server] as our gateway; see import.h. */
#include "tools/tunnel/import.h"

enum { BIND_ADDR, BIND_PORT, TRANSPORT, BEHIND_PROXY, CERT_PATH, KEY_PATH, AUTH_KEY, STATS_PORT, STATS_ADDR,
       ALLOW_FORWARD, RATE_LIMIT, SIZE_LIMITS, KEY_COUNT };

static const struct import_key keys[KEY_COUNT] = {
    [BIND_ADDR] = {"bind_addr", TOML_STRING, true},
    [BIND_PORT] = {"bind_port", TOML_INTEGER, true},
    [TRANSPORT] = {"transport", TOML_STRING, false},
    [BEHIND_PROXY] = {"behind_proxy", TOML_BOOLEAN, false},
    [CERT_PATH] = {"cert_path", TOML_STRING, false},
    [KEY_PATH] = {"key_path", TOML_STRING, false},
    [AUTH_KEY] = {"auth_key", TOML_STRING, true},
    [STATS_PORT] = {"stats_port", TOML_INTEGER, false},
    [STATS_ADDR] = {"stats_addr", TOML_STRING, false},
    [ALLOW_FORWARD] = {"allow_forward", TOML_BOOLEAN, false},
    [RATE_LIMIT] = {"rate_limit", TOML_TABLE, false},
    [SIZE_LIMITS] = {"size_limits", TOML_TABLE, false},
};

static uint32_t count_of(struct import *import, const struct toml_node *node)
{
	if (!node)
		return 0;
	if (node->integer >= 1 && node->integer <= 10000000)
		return (uint32_t)node->integer;
	toml_fail(&import->toml, node, "%s must be a number from 1 to 10000000", node->key);
	return 0;
}

static void put_rate_limit(struct import *import, const struct toml_node *table)
{
	static const struct import_key rate_keys[] = {
		{"requests_per_second", TOML_INTEGER, true}, {"burst_size", TOML_INTEGER, true}};
	const struct toml_node *found[COUNT_OF(rate_keys)];
	if (!table)
		return;
	import_read(import, table, "[server.rate_limit]", rate_keys, COUNT_OF(rate_keys), found);
	uint32_t rate = count_of(import, found[0]), burst = count_of(import, found[1]);
	if (rate && burst && burst < rate)
		toml_warn(&import->toml, found[1], "burst_size is less than requests_per_second");
	import_put(import, "    rate_limit: {requests_per_second: %u, burst_size: %u}\n", rate, burst);
}

/* They are checked and then forgotten, as in the original. */
static void check_size_limits(struct import *import, const struct toml_node *table)
{
	static const struct import_key size_keys[] = {
		{"max_request_size", TOML_INTEGER, true}, {"max_header_size", TOML_INTEGER, true}};
	const struct toml_node *found[COUNT_OF(size_keys)];
	if (!table)
		return;
	import_read(import, table, "[server.size_limits]", size_keys, COUNT_OF(size_keys), found);
	for (size_t i = 0; i < COUNT_OF(found); i++)
		if (found[i] && found[i]->integer <= 0)
			toml_fail(&import->toml, found[i], "%s must be more than 0", found[i]->key);
	if (found[0] && found[1] && found[1]->integer > found[0]->integer)
		toml_fail(&import->toml, found[1], "max_header_size is more than max_request_size");
	toml_warn(&import->toml, table, "size_limits is left out: TLS Tunnel never applied it; `limits` has "
					"what applies here");
}

static void check_certificate(struct import *import, const struct toml_node *server,
			      const struct toml_node **found, int transport)
{
	const struct toml_node *cert = found[CERT_PATH], *key = found[KEY_PATH];
	if (cert && !key)
		toml_fail(&import->toml, cert, "cert_path needs key_path beside it");
	if (key && !cert)
		toml_fail(&import->toml, key, "key_path needs cert_path beside it");
	if (import_is_true(found[BEHIND_PROXY])) {
		if (transport == 0)
			toml_fail(&import->toml, found[BEHIND_PROXY],
				  "behind_proxy does not go with transport tls");
		if (cert)
			toml_fail(&import->toml, cert, "cert_path does not go with behind_proxy");
	} else if (!cert && !key) {
		toml_warn(&import->toml, server,
			  "no certificate is named: one is made once and kept in the state directory, and "
			  "clients that check it need its pin, which the log shows");
	}
}

void import_server(struct import *import, const struct toml_node *server)
{
	const struct toml_node *found[KEY_COUNT];
	struct address address;
	char text[ADDRESS_TEXT_SIZE];
	import_read(import, server, "[server]", keys, KEY_COUNT, found);
	const char *host = import_text_of(import, found[BIND_ADDR]);
	uint16_t port = import_port(import, found[BIND_PORT]);
	int transport = import_choice(import, found[TRANSPORT], import_transports);
	import_key_of(import, found[AUTH_KEY]);
	check_certificate(import, server, found, transport);
	import_put(import, "gateway:\n");
	if (host && import_address(import, found[BIND_ADDR], NULL, port, &address))
		import_put_line(import, "listen_addr", address_format(&address, text), NULL);
	import_put_path(import, "tls_cert", found[CERT_PATH]);
	import_put_path(import, "tls_key", found[KEY_PATH]);
	if (import_is_true(found[BEHIND_PROXY]))
		import_put(import, "  behind_proxy: true\n");
	import_put(import, "  tls_tunnel:\n  ");
	if (found[AUTH_KEY])
		import_put_line(import, "auth_key", found[AUTH_KEY]->text,
				"better: auth_key_file: FILE, with the key alone in it");
	if (transport >= 0)
		import_put(import, "    transports: [%s]   # without this line: all three\n",
			   import_transports[transport]);
	if (import_is_true(found[ALLOW_FORWARD]))
		import_put(import, "    allow_forward: true\n");
	put_rate_limit(import, found[RATE_LIMIT]);
	check_size_limits(import, found[SIZE_LIMITS]);
	if (found[STATS_PORT])
		import_put_stats(import, found[STATS_PORT], found[STATS_ADDR], host ? host : "127.0.0.1");
	else if (found[STATS_ADDR])
		toml_warn(&import->toml, found[STATS_ADDR], "stats_addr has no effect without stats_port");
}
