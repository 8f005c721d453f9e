/* core/cidr.c - see cidr.h. */
#include "core/cidr.h"

enum { TEXT_SIZE = 64 };

static unsigned width(enum address_family family) { return family == ADDRESS_IPV4 ? 32 : 128; }

/* Digits only; false also when the number is above `max`. */
static bool number(const char *text, size_t size, unsigned max, unsigned *value)
{
	*value = 0;
	if (!size || size > 5)
		return false;
	for (size_t i = 0; i < size; i++) {
		if (text[i] < '0' || text[i] > '9')
			return false;
		*value = *value * 10 + (unsigned)(text[i] - '0');
	}
	return *value <= max;
}

/* The first `prefix` bits of both are the same. */
static bool is_same(const uint8_t *bytes, const uint8_t *other, unsigned prefix)
{
	unsigned whole = prefix / 8, rest = prefix % 8;
	if (memcmp(bytes, other, whole) != 0)
		return false;
	return !rest || ((bytes[whole] ^ other[whole]) >> (8 - rest)) == 0;
}

static bool is_clear_behind(const uint8_t *bytes, unsigned prefix, unsigned width_bits)
{
	for (unsigned bit = prefix; bit < width_bits; bit++)
		if (bytes[bit / 8] & (0x80 >> bit % 8))
			return false;
	return true;
}

bool cidr_parse(struct cidr *cidr, const char *text)
{
	char host[TEXT_SIZE];
	struct address address;
	const char *slash = strchr(text, '/');
	size_t size = slash ? (size_t)(slash - text) : strlen(text);
	if (size >= sizeof host)
		return false;
	text_copy(host, sizeof host, (struct slice){(const uint8_t *)text, size});
	if (!address_of_literal(&address, host, 0) || address.scope)
		return false;
	/* "::ffff:10.0.0.0/104" is 10.0.0.0/8. */
	unsigned spare = address.family == ADDRESS_IPV4 && strchr(host, ':') ? 96 : 0;
	unsigned prefix = width(address.family) + spare;
	if (slash && !number(slash + 1, strlen(slash + 1), prefix, &prefix))
		return false;
	if (prefix < spare)
		return false;
	prefix -= spare;
	if (!is_clear_behind(address.bytes, prefix, width(address.family)))
		return false;
	*cidr = (struct cidr){.family = address.family, .prefix = (uint8_t)prefix};
	memcpy(cidr->bytes, address.bytes, width(address.family) / 8);
	return true;
}

bool cidr_has(const struct cidr *cidr, const struct address *address)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
	const uint8_t *bytes = address->bytes;
	enum address_family family = address->family;
	if (family == ADDRESS_IPV6 && memcmp(bytes, mapped, sizeof mapped) == 0) {
		family = ADDRESS_IPV4;
		bytes += sizeof mapped;
	}
	return family == cidr->family && is_same(cidr->bytes, bytes, cidr->prefix);
}

bool cidrs_have(const struct cidr *cidrs, size_t count, const struct address *address)
{
	for (size_t i = 0; i < count; i++)
		if (cidr_has(&cidrs[i], address))
			return true;
	return false;
}

bool port_range_parse(struct port_range *range, const char *text)
{
	unsigned first, last;
	const char *dash = strchr(text, '-');
	size_t size = dash ? (size_t)(dash - text) : strlen(text);
	if (!number(text, size, UINT16_MAX, &first) || !first)
		return false;
	last = first;
	if (dash && !number(dash + 1, strlen(dash + 1), UINT16_MAX, &last))
		return false;
	*range = (struct port_range){(uint16_t)first, (uint16_t)last};
	return first <= last;
}

bool port_ranges_have(const struct port_range *ranges, size_t count, uint16_t port)
{
	for (size_t i = 0; i < count; i++)
		if (port >= ranges[i].first && port <= ranges[i].last)
			return true;
	return false;
}
