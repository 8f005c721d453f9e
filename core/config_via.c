/* core/config_via.c - proxies on the way to something, from keys and from the environment; see
 * config_sections.h. */
#include "core/config_sections.h"

#include <stdio.h>
#include <strings.h>

enum { VIA_TEXT_MAX = 1024, PORT_SOCKS5 = 1080, PORT_HTTP = 8080, PORT_HTTP_GO = 80 };

/* False also when it is empty, or too long for a proxy's login. */
static bool decode(char *text)
{
	return percent_decode(text) && text[0] && strlen(text) <= CONFIG_PASSWORD_MAX;
}

/* HOST, HOST:PORT, [V6] or [V6]:PORT. */
static bool parse_place(const char *text, uint16_t port, char host[HOST_SIZE], uint16_t *at)
{
	char whole[HOST_SIZE + 16];
	const char *colon = strrchr(text, ':');
	bool has_port = colon && (text[0] != '[' || (colon > text && colon[-1] == ']'));
	if (strlen(text) >= HOST_SIZE)
		return false;
	if (has_port)
		return endpoint_parse(text, host, at);
	snprintf(whole, sizeof whole, "%s:%u", text, port);
	return endpoint_parse(whole, host, at);
}

/* The text is taken apart in place. */
static bool parse(struct config_reader *reader, char *text, uint16_t http_port, struct config_via *via)
{
	char host[HOST_SIZE], *rest = strstr(text, "://");
	struct config_via made = {.kind = VIA_HTTP};
	if (!rest)
		return false;
	*rest = 0;
	rest += 3;
	/* The one with an h says that names are resolved there, which is so in any case. */
	if (strcasecmp(text, "socks5") == 0 || strcasecmp(text, "socks5h") == 0)
		made.kind = VIA_SOCKS5;
	else if (strcasecmp(text, "http") != 0)
		return false;
	size_t size = strcspn(rest, "/?#");
	if (rest[size] && strcmp(rest + size, "/") != 0)
		return false;
	rest[size] = 0;
	char *at = strrchr(rest, '@'), *password = NULL;
	if (at) {
		*at++ = 0;
		password = strchr(rest, ':');
		if (!password)
			return false;
		*password++ = 0;
		if (!decode(rest) || !decode(password))
			return false;
	}
	uint16_t port = made.kind == VIA_SOCKS5 ? PORT_SOCKS5 : http_port;
	if (!parse_place(at ? at : rest, port, host, &made.at.port) || strpbrk(host, " \t\"\\,<>"))
		return false;
	made.at.host = config_text(reader, host);
	made.user = at ? config_text(reader, rest) : NULL;
	if (at && !secret_set(&made.password, slice_of(password)))
		reader->no_memory = true;
	*via = made;
	return true;
}

static bool parse_text(struct config_reader *reader, const char *text, uint16_t http_port,
		       struct config_via *via)
{
	char copy[VIA_TEXT_MAX];
	bool good = strlen(text) < sizeof copy;
	if (good) {
		text_copy(copy, sizeof copy, slice_of(text));
		good = parse(reader, copy, http_port, via);
	}
	secret_wipe(copy, sizeof copy);
	return good;
}

void config_via_fini(struct config_via *via)
{
	secret_fini(&via->password);
	*via = (struct config_via){0};
}

/* The text may hold a password: no message shows it. */
void config_read_via(struct config_reader *reader, const struct config_node *node, void *field)
{
	struct config_via *via = field;
	bool none = node->kind == CONFIG_SCALAR && node->size == 0 && !node->plain;
	const char *text = none ? NULL : config_scalar(reader, node);
	if (!text)
		return;
	config_via_fini(via);
	if (strncmp(text, "https://", 8) == 0)
		config_fail(reader, node, "%s: https:// is not spoken to a proxy; write http://", node->key);
	else if (!parse_text(reader, text, PORT_HTTP, via))
		config_fail(reader, node,
			    "%s must be socks5://[USER:PASSWORD@]HOST[:PORT] or "
			    "http://[USER:PASSWORD@]HOST[:PORT]",
			    node->key);
}

/* ---- the environment, by Go's rules ---- */

/* Upper case first, as Go has it. "" counts as not set. */
static const char *variable(const struct config_reader *reader, const char *upper, const char *lower,
			    const char **name)
{
	const struct config_files *files = reader->files;
	const char *value = files ? files->variable(files, upper) : NULL;
	*name = upper;
	if (value && *value)
		return value;
	value = files ? files->variable(files, lower) : NULL;
	*name = lower;
	return value && *value ? value : NULL;
}

/* One entry of no_proxy: an address, a range, ADDRESS:PORT, a name, or a .suffix; names with or without
 * port. */
static bool excludes(char *entry, const char *host, const struct address *literal, uint16_t port)
{
	struct cidr cidr;
	struct address other;
	if (strchr(entry, '/'))
		return literal && cidr_parse(&cidr, entry) && cidr_has(&cidr, literal);
	char *colon = strrchr(entry, ':'), wanted[8];
	snprintf(wanted, sizeof wanted, "%u", port);
	bool has_port = colon && (entry[0] == '[' ? colon[-1] == ']' : strchr(entry, ':') == colon);
	if (has_port) {
		if (strcmp(colon + 1, wanted) != 0)
			return false;
		*colon = 0;
	}
	size_t size = strlen(entry);
	if (size > 2 && entry[0] == '[' && entry[size - 1] == ']') {
		entry[size - 1] = 0;
		entry++;
	}
	if (address_of_literal(&other, entry, port))
		return literal && address_is_equal(&other, literal);
	if (strncmp(entry, "*.", 2) == 0)
		entry++;
	size = strlen(entry);
	size_t length = strlen(host);
	if (!size || size > length)
		return false;
	const char *tail = host + length - size;
	if (strcasecmp(tail, entry) != 0)
		return false;
	return entry[0] == '.' || tail == host || tail[-1] == '.';
}

/* Does the environment want this gateway to be reached directly? */
static bool is_direct(const char *list, const struct config_endpoint *gateway)
{
	struct address literal;
	bool is_literal = address_of_literal(&literal, gateway->host, gateway->port);
	if (strcasecmp(gateway->host, "localhost") == 0 || (is_literal && address_is_loopback(&literal)))
		return true;
	while (list && *list) {
		char entry[HOST_SIZE];
		size_t size = strcspn(list, ","), start = strspn(list, " \t"), end = size;
		while (end > start && (list[end - 1] == ' ' || list[end - 1] == '\t'))
			end--;
		if (start < end && end - start < sizeof entry) {
			text_copy(entry, sizeof entry,
				  (struct slice){(const uint8_t *)list + start, end - start});
			if (strcmp(entry, "*") == 0 ||
			    excludes(entry, gateway->host, is_literal ? &literal : NULL, gateway->port))
				return true;
		}
		list += size + (list[size] == ',');
	}
	return false;
}

void config_environment_via(struct config_reader *reader, const struct config_node *node,
			    struct config_client *client)
{
	const char *name, *other;
	const char *text = client->plaintext ? variable(reader, "HTTP_PROXY", "http_proxy", &name)
					     : variable(reader, "HTTPS_PROXY", "https_proxy", &name);
	const char *excluded = variable(reader, "NO_PROXY", "no_proxy", &other);
	size_t direct = 0;
	if (!text || !client->gateway_count)
		return;
	for (size_t i = 0; i < client->gateway_count; i++)
		direct += !client->gateways[i].host || is_direct(excluded, &client->gateways[i]);
	if (direct && direct < client->gateway_count)
		config_warn(reader, node,
			    "no_proxy fits some of the gateways: the proxy of %s is used for none; give "
			    "upstream_proxy",
			    name);
	if (direct)
		return;
	char with_scheme[VIA_TEXT_MAX];
	if (!strstr(text, "://") && strlen(text) + 8 < sizeof with_scheme) {
		snprintf(with_scheme, sizeof with_scheme, "http://%s", text);
		text = with_scheme;
	}
	if (!parse_text(reader, text, PORT_HTTP_GO, &client->upstream_proxy))
		config_fail(reader, node,
			    "the environment's %s is no http:// or socks5:// proxy; upstream_proxy: \"\" "
			    "goes without",
			    name);
	secret_wipe(with_scheme, sizeof with_scheme);
}
