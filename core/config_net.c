/* core/config_net.c - addresses, ports, names and keys as the configuration writes them; see config_reader.h.
 */
#include "core/config_reader.h"


void config_read_port(struct config_reader *reader, const struct config_node *node, void *field)
{
	uint64_t port;
	if (config_number(reader, node, 1, UINT16_MAX, &port))
		*(uint16_t *)field = (uint16_t)port;
}

/* A name or a literal: printable, without blanks, and without what would make a URL of it. */
static bool is_host(const char *text)
{
	size_t size = strlen(text);
	if (!size || size > HOST_SIZE - 1)
		return false;
	for (size_t i = 0; i < size; i++)
		if ((uint8_t)text[i] <= 0x20 || text[i] == 0x7f || strchr("/?#@[]\"'\\,", text[i]))
			return false;
	struct address literal;
	return !strchr(text, ':') || address_of_literal(&literal, text, 1);
}

void config_read_host(struct config_reader *reader, const struct config_node *node, void *field)
{
	const char *text = config_scalar(reader, node);
	char host[HOST_SIZE];
	if (!text)
		return;
	size_t size = strlen(text);
	struct slice bare = slice_of(text);
	if (size > 2 && text[0] == '[' && text[size - 1] == ']')
		bare = (struct slice){(const uint8_t *)text + 1, size - 2};
	text_copy(host, sizeof host, bare);
	if (bare.size < sizeof host && is_host(host))
		*(const char **)field = config_text(reader, host);
	else
		config_fail(reader, node, "%s must be a host name or an address without a port, not %.60s",
			    node->key, text);
}

void config_read_endpoint(struct config_reader *reader, const struct config_node *node, void *field)
{
	struct config_endpoint *endpoint = field;
	const char *text = config_scalar(reader, node);
	char host[HOST_SIZE];
	if (!text)
		return;
	if (endpoint_parse(text, host, &endpoint->port) && is_host(host))
		endpoint->host = config_text(reader, host);
	else
		config_fail(reader, node, "%s must be HOST:PORT or [IPV6]:PORT, not %.60s", node->key, text);
}

void config_read_cidr(struct config_reader *reader, const struct config_node *node, void *field)
{
	const char *text = config_scalar(reader, node);
	if (text && !cidr_parse(field, text))
		config_fail(reader, node, "%s must be a range such as 10.0.0.0/8 or ::1, not %.60s",
			    node->key, text);
}

void config_read_ports(struct config_reader *reader, const struct config_node *node, void *field)
{
	const char *text = config_scalar(reader, node);
	if (text && !port_range_parse(field, text))
		config_fail(reader, node, "%s must be a port or a range such as 8000-8999, not %.60s",
			    node->key, text);
}

bool config_is_utf8(struct slice text)
{
	for (size_t i = 0; i < text.size;) {
		uint8_t lead = text.at[i];
		size_t more = lead < 0x80   ? 0
			      : lead < 0xc2 ? 9
			      : lead < 0xe0 ? 1
			      : lead < 0xf0 ? 2
			      : lead < 0xf5 ? 3
					    : 9;
		if (more >= text.size - i)
			return false;
		for (size_t j = 1; j <= more; j++)
			if ((text.at[i + j] & 0xc0) != 0x80)
				return false;
		uint8_t next = more ? text.at[i + 1] : 0;
		if ((lead == 0xe0 && next < 0xa0) || (lead == 0xed && next > 0x9f) ||
		    (lead == 0xf0 && next < 0x90) || (lead == 0xf4 && next > 0x8f))
			return false;
		i += more + 1;
	}
	return true;
}

void config_read_name(struct config_reader *reader, const struct config_node *node, void *field)
{
	const char *name = config_scalar(reader, node);
	if (!name)
		return;
	bool blank = true;
	for (const char *at = name; *at; at++) {
		blank &= *at == ' ';
		if ((uint8_t)*at < 0x20 || *at == 0x7f) {
			config_fail(reader, node, "%s must not hold control characters", node->key);
			return;
		}
	}
	if (blank)
		config_fail(reader, node, "%s must not be blank", node->key);
	else if (strlen(name) > CONFIG_NAME_MAX)
		config_fail(reader, node, "%s must have 1 to %d bytes", node->key, CONFIG_NAME_MAX);
	else if (name[0] == '@')
		config_fail(reader, node, "%s must not begin with @: such names are the protocol's own",
			    node->key);
	else if (!config_is_utf8(slice_of(name)))
		config_fail(reader, node, "%s must be UTF-8", node->key);
	else
		*(const char **)field = config_text(reader, name);
}
