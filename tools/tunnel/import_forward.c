/* tools/tunnel/import_forward.c - TLS Tunnel's [[forwarders]] and their routing, as ours; see import.h. */
#include "tools/tunnel/import.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/cidr.h"

enum { GEOIP_DB, DIRECT_COUNTRIES, PROXY_COUNTRIES, DIRECT_IPS, PROXY_IPS, DIRECT_DOMAINS, PROXY_DOMAINS,
       DEFAULT_STRATEGY, ROUTING_COUNT };

static const struct import_key routing_keys[ROUTING_COUNT] = {
    [GEOIP_DB] = {"geoip_db", TOML_STRING, false},
    [DIRECT_COUNTRIES] = {"direct_countries", TOML_ARRAY, false},
    [PROXY_COUNTRIES] = {"proxy_countries", TOML_ARRAY, false},
    [DIRECT_IPS] = {"direct_ips", TOML_ARRAY, false},
    [PROXY_IPS] = {"proxy_ips", TOML_ARRAY, false},
    [DIRECT_DOMAINS] = {"direct_domains", TOML_ARRAY, false},
    [PROXY_DOMAINS] = {"proxy_domains", TOML_ARRAY, false},
    [DEFAULT_STRATEGY] = {"default_strategy", TOML_STRING, false},
};

/* ---- entries of the lists: the text that ours takes, or false when it is left out ---- */

typedef bool entry_fn(struct import *import, const struct toml_node *entry, char *text, size_t size);

/* Bits behind the prefix are an error to us and nothing to the original. */
static bool take_range(struct import *import, const struct toml_node *entry, char *text, size_t size)
{
	struct cidr cidr;
	struct address address;
	char host[ADDRESS_TEXT_SIZE], *slash, *end;
	text_copy(text, size, slice_of(entry->text));
	if (cidr_parse(&cidr, text)) {
		if (!strchr(text, '/'))
			toml_warn(&import->toml, entry,
				  "%.60s counts now: TLS Tunnel left it out, for it has no /BITS", text);
		return true;
	}
	text_copy(host, sizeof host, slice_of(text));
	slash = strchr(host, '/');
	if (slash)
		*slash++ = 0;
	unsigned long bits = slash && *slash >= '0' && *slash <= '9' ? strtoul(slash, &end, 10) : 1000;
	bool good = address_of_literal(&address, host, 1) && !strchr(host, '%') && bits < 1000 && !*end &&
		    bits <= (address.family == ADDRESS_IPV4 ? 32 : 128);
	for (unsigned bit = (unsigned)bits; good && bit < 8 * sizeof address.bytes; bit++)
		address.bytes[bit / 8] &= (uint8_t)~(0x80u >> bit % 8);
	if (good) {
		address_host(&address, host);
		good = snprintf(text, size, "%s/%lu", host, bits) < (int)size && cidr_parse(&cidr, text);
	}
	if (!good)
		toml_warn(&import->toml, entry, "%.60s is left out, as TLS Tunnel did: it is no range",
			  entry->text);
	return good;
}

/* The original's *.x is every name that ends in x, and its documents count x itself: our .x, not our *.x. */
static bool take_domain(struct import *import, const struct toml_node *entry, char *text, size_t size)
{
	const char *rest = entry->text + (strncmp(entry->text, "*.", 2) == 0 ? 2 : 0);
	struct address literal;
	bool suffix = rest != entry->text;
	bool good = *rest && strcmp(rest, ".") != 0 && strlen(entry->text) < size;
	good = good && !(suffix && *rest == '.');
	good = good && (!strchr(rest, ':') || address_of_literal(&literal, rest, 1));
	for (const char *at = rest; good && *at; at++)
		good = (uint8_t)*at > 0x20 && *at != 0x7f && !strchr("*/?#@[]\"'\\,", *at);
	snprintf(text, size, "%s%s", suffix ? "." : "", rest);
	if (!good)
		toml_warn(&import->toml, entry, "%.60s is left out: it fits no name", entry->text);
	else if (suffix)
		toml_warn(&import->toml, entry,
			  "%.60s becomes %s: %.60s and what ends in it behind a dot; TLS Tunnel took "
			  "every name that ends in %.60s",
			  entry->text, text, rest, rest);
	return good;
}

static void put_entries(struct import *import, const struct toml_node *list, const char **separator,
			entry_fn *take)
{
	const char *comma = "";
	if (!list)
		return;
	import_put(import, "%s%s: [", *separator, list->key);
	for (const struct toml_node *entry = list->first; entry; entry = entry->next) {
		char text[HOST_SIZE];
		if (entry->kind != TOML_STRING && entry->kind != TOML_BROKEN) {
			toml_fail(&import->toml, entry, "%s must be texts in quotes", list->key);
		} else if (entry->text && take(import, entry, text, sizeof text)) {
			import_put(import, "%s", comma);
			import_put_text(import, text);
			comma = ", ";
		}
	}
	import_put(import, "]");
	*separator = ", ";
}

/* ---- the table ---- */

static void check_texts(struct import *import, const struct toml_node *list)
{
	for (const struct toml_node *entry = list ? list->first : NULL; entry; entry = entry->next)
		if (entry->kind != TOML_STRING && entry->kind != TOML_BROKEN)
			toml_fail(&import->toml, entry, "%s must be texts in quotes", list->key);
	if (list && list->count)
		toml_warn(&import->toml, list,
			  "%s is left out: countries are not looked up here. Name ranges in %s_ips",
			  list->key, list->key[0] == 'd' ? "direct" : "proxy");
}

static void put_routing(struct import *import, const struct toml_node *table)
{
	const struct toml_node *found[ROUTING_COUNT], *strategy;
	const char *separator = "";
	if (!table)
		return;
	import_read(import, table, "[forwarders.routing]", routing_keys, ROUTING_COUNT, found);
	check_texts(import, found[DIRECT_COUNTRIES]);
	check_texts(import, found[PROXY_COUNTRIES]);
	if (found[GEOIP_DB])
		toml_warn(&import->toml, found[GEOIP_DB],
			  "geoip_db is left out: no such database is read here");
	import_put(import, ",\n       routing: {");
	put_entries(import, found[DIRECT_DOMAINS], &separator, take_domain);
	put_entries(import, found[PROXY_DOMAINS], &separator, take_domain);
	put_entries(import, found[DIRECT_IPS], &separator, take_range);
	put_entries(import, found[PROXY_IPS], &separator, take_range);
	strategy = found[DEFAULT_STRATEGY];
	bool direct = strategy && strcmp(strategy->text, "direct") == 0;
	if (strategy && !direct && strcmp(strategy->text, "proxy") != 0)
		toml_warn(&import->toml, strategy,
			  "default_strategy becomes proxy, which is how TLS Tunnel took %.60s",
			  strategy->text);
	if (strategy)
		import_put(import, "%sdefault_strategy: %s", separator, direct ? "direct" : "proxy");
	import_put(import, "}");
}

void import_put_forwarder(struct import *import, const struct toml_node *table)
{
	static const struct import_key forwarder_keys[] = {
		{"name", TOML_STRING, true},	    {"proxy_type", TOML_STRING, true},
		{"bind_addr", TOML_STRING, false},  {"bind_port", TOML_INTEGER, true},
		{"routing", TOML_TABLE, false},
	};
	static const char *const types[] = {"http", "socks5", NULL};
	static const char name_twice[] = "the forwarder name";
	const struct toml_node *found[COUNT_OF(forwarder_keys)];
	import_read(import, table, "[[forwarders]]", forwarder_keys, COUNT_OF(forwarder_keys), found);
	const char *name = import_text_of(import, found[0]);
	int type = import_choice(import, found[1], types);
	uint16_t port = import_port(import, found[3]);
	if (name)
		import_once(import, found[0], name_twice, name);
	import_put(import, "    - {name: ");
	import_put_text(import, name ? name : "");
	import_put(import, ", type: %s", types[type > 0]);
	import_put_bind(import, found[2], found[3], port);
	put_routing(import, found[4]);
	import_put(import, "}\n");
}
