/* tools/tunnel/options_client.c - the client's URL and what it publishes and visits; see options_client.h. */
#include "tools/tunnel/options_client.h"

#include <stdio.h>

static struct slice between(const char *start, const char *end)
{
	return (struct slice){(const uint8_t *)start, (size_t)(end - start)};
}

static const struct scheme {
	const char *name;
	const char *protocol;                /* NULL: not in this version */
	const char *secret;                  /* the setting that is made of what stands before the @ */
	uint16_t port;                       /* where none is given */
	bool path, plaintext;
	const char *transport;               /* NULL: the protocol has no choice, or its default */
} schemes[] = {
	{"tls-tunnel", "tls-tunnel", "client.auth_key", 8443, false, false, NULL},
	{"tls-tunnel+wss", "tls-tunnel", "client.auth_key", 8443, true, false, "wss"},
	{"tls-tunnel+http2", "tls-tunnel", "client.auth_key", 8443, false, false, "http2"},
	{"linksocks", "linksocks", "client.token", 8443, true, false, NULL},
	{"linksocks+ws", "linksocks", "client.token", 8765, true, true, NULL},
	{"anyproxy", NULL, NULL, 0, false, false, NULL},
};

/* NULL: it has been said why. */
static const struct scheme *take_scheme(struct options *options, const char *url, const char **rest)
{
	const char *end = strstr(url, "://");
	if (!end) {
		options_fail(options, "give the gateway as a URL: tls-tunnel://KEY@HOST:PORT");
		return NULL;
	}
	struct slice name = between(url, end);
	for (size_t i = 0; i < COUNT_OF(schemes); i++) {
		if (!slice_is(name, schemes[i].name))
			continue;
		*rest = end + 3;
		if (schemes[i].protocol)
			return &schemes[i];
		options_fail(options, "%s:// is not in this version", schemes[i].name);
		return NULL;
	}
	options_fail(options,
		     "%.*s:// is no scheme of ours; use tls-tunnel:// (also +wss, +http2) or linksocks://",
		     (int)size_min(name.size, 40), url);
	return NULL;
}

/* One NAME=VALUE of the query. */
static bool take_parameter(struct options *options, struct slice parameter)
{
	char *text = options_copy(options, parameter);
	char *value = text ? strchr(text, '=') : NULL;
	if (!text)
		return false;
	if (value)
		*value++ = 0;
	if (!value || !*value || !percent_decode(value))
		return options_fail(options, "the URL's %.40s has no proper value", text);
	if (strcmp(text, "pin") == 0)
		return options_set(options, "client.gateway_tls_pin", value, "?pin");
	if (strcmp(text, "ca") == 0)
		return options_set(options, "client.gateway_tls_cert", value, "?ca");
	return options_fail(options, "the URL's %.40s is unknown; there are pin and ca", text);
}

static bool take_query(struct options *options, const char *query)
{
	while (*query) {
		size_t size = strcspn(query, "&");
		if (size && !take_parameter(options, (struct slice){(const uint8_t *)query, size}))
			return false;
		query += size + (query[size] == '&');
	}
	return true;
}

/* HOST, HOST:PORT, [V6] or [V6]:PORT. */
static bool take_gateway(struct options *options, const struct scheme *scheme, struct slice host)
{
	char text[HOST_SIZE + 8];
	if (!host.size || host.size >= HOST_SIZE)
		return options_fail(options, "the URL has no host: %s://KEY@HOST:PORT", scheme->name);
	text_copy(text, sizeof text, host);
	const char *colon = strrchr(text, ':');
	bool has_port = colon && (text[0] != '[' || colon[-1] == ']');
	if (!has_port)
		snprintf(text + host.size, sizeof text - host.size, ":%u", scheme->port);
	char *copy = options_copy(options, slice_of(text));
	return copy && options_set(options, "client.gateway_addr", copy, "URL");
}

static bool take_key(struct options *options, const struct scheme *scheme, struct slice key)
{
	char *copy = options_copy(options, key);
	if (!copy)
		return false;
	if (!*copy || !percent_decode(copy))
		return options_fail(options, "the URL's key is empty or has a %% without two hex digits");
	return options_set(options, scheme->secret, copy, "URL");
}

static bool take_path(struct options *options, struct slice path)
{
	char *copy = options_copy(options, path);
	return copy && options_set(options, "client.path", copy, "URL");
}

bool options_url(struct options *options, const char *url)
{
	const char *rest = url;
	const struct scheme *scheme = take_scheme(options, url, &rest);
	if (!scheme)
		return false;
	for (size_t i = 0; i < options->setting_count; i++)
		if (strcmp(options->settings[i].key, "client.gateway_addr") == 0)
			return options_fail(options, "one URL is taken; several gateways go into a file");
	const char *end = rest + strcspn(rest, "/?#");
	const char *at = memrchr(rest, '@', (size_t)(end - rest));
	const char *query = end + strcspn(end, "?#");
	bool path = query > end + 1;
	if ((path && !scheme->path) || *query == '#')
		return options_fail(options, "the URL has a path, which %s:// does not take", scheme->name);
	if (at && !take_key(options, scheme, between(rest, at)))
		return false;
	return options_set(options, "client.protocol", scheme->protocol, "URL") &&
	       (!path || take_path(options, between(end, query))) &&
	       (!scheme->transport || options_set(options, "client.transport", scheme->transport, "URL")) &&
	       (!scheme->plaintext || options_set(options, "client.plaintext", "true", "URL")) &&
	       take_gateway(options, scheme, between(at ? at + 1 : rest, end)) &&
	       take_query(options, *query ? query + 1 : query);
}

/* ---- --publish and --visit ---- */

/* "client.LIST.INDEX.FIELD", kept. */
static const char *list_key(struct options *options, const char *list, size_t index, const char *field)
{
	char key[64];
	snprintf(key, sizeof key, "client.%s.%zu.%s", list, index, field);
	return options_copy(options, slice_of(key));
}

struct entry {
	const char *list, *origin;
	size_t index;
};

static bool set_field(struct options *options, const struct entry *entry, const char *field,
		      struct slice value)
{
	const char *copy = options_copy(options, value);
	return copy &&
	       options_set(options, list_key(options, entry->list, entry->index, field), copy, entry->origin);
}

/* HOST:PORT or [V6]:PORT behind `at`; the colon that parts them, or NULL. */
static const char *last_colon(const char *at)
{
	const char *colon = strrchr(at, ':');
	return colon && colon > at && colon[1] ? colon : NULL;
}

bool options_publish(struct options *options, const char *origin, const char *value)
{
	struct entry entry = {"proxies", origin, options->publish_count};
	const char *end = value + strlen(value);
	const char *equals = strchr(value, '=');
	const char *first = equals ? strchr(equals, ':') : NULL;
	const char *last = first ? last_colon(first + 1) : NULL;
	if (!last || equals == value || first == equals + 1)
		return options_fail(options, "%s takes NAME=PORT:HOST:PORT, as in web=8080:127.0.0.1:3000",
				    origin);
	if (options->publish_count++ == OPTIONS_LIST_MAX)
		return options_fail(options, "%s is given too often; put them into a file", origin);
	return set_field(options, &entry, "name", between(value, equals)) &&
	       set_field(options, &entry, "publish_port", between(equals + 1, first)) &&
	       set_field(options, &entry, "local_addr", between(first + 1, last)) &&
	       set_field(options, &entry, "local_port", between(last + 1, end));
}

bool options_visit(struct options *options, const char *origin, const char *value)
{
	struct entry entry = {"visitors", origin, options->visit_count};
	const char *end = value + strlen(value);
	const char *equals = strrchr(value, '=');
	const char *last = equals ? last_colon(equals + 1) : NULL;
	const char *colon = equals ? memrchr(value, ':', (size_t)(equals - value)) : NULL;
	if (!last || !colon || colon == value || colon + 1 == equals)
		return options_fail(options, "%s takes NAME:PORT=HOST:PORT, as in mysql:3306=127.0.0.1:3306",
				    origin);
	if (options->visit_count++ == OPTIONS_LIST_MAX)
		return options_fail(options, "%s is given too often; put them into a file", origin);
	return set_field(options, &entry, "name", between(value, colon)) &&
	       set_field(options, &entry, "publish_port", between(colon + 1, equals)) &&
	       set_field(options, &entry, "bind_addr", between(equals + 1, last)) &&
	       set_field(options, &entry, "bind_port", between(last + 1, end));
}

const char options_socks_key[] = "client.socks5.listen_addr";
const char options_http_key[] = "client.http.listen_addr";

static bool forward(struct options *options, size_t at, size_t index, bool socks)
{
	const char *origin = options->settings[at].origin, *value = options->settings[at].value;
	struct entry entry = {"forwarders", origin, index};
	const char *colon = last_colon(value), *type = list_key(options, entry.list, index, "type");
	if (!colon)
		return options_fail(options, "%s takes HOST:PORT, as in 127.0.0.1:1080", origin);
	options->settings[at] = (struct config_setting){type, socks ? "socks5" : "http", origin};
	return type && set_field(options, &entry, "name", slice_of(socks ? "socks" : "http")) &&
	       set_field(options, &entry, "bind_addr", between(value, colon)) &&
	       set_field(options, &entry, "bind_port", slice_of(colon + 1));
}

bool options_forward(struct options *options)
{
	size_t index = 0;
	for (size_t i = 0; i < options->setting_count; i++) {
		bool socks = strcmp(options->settings[i].key, options_socks_key) == 0;
		if (!socks && strcmp(options->settings[i].key, options_http_key) != 0)
			continue;
		if (!forward(options, i, index++, socks))
			return false;
	}
	return true;
}
