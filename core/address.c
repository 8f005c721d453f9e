/* core/address.c - socket addresses as values; see address.h. */
#include "core/address.h"

#include <arpa/inet.h>
#include <stdio.h>

static const uint8_t mapped_prefix[12] = {[10] = 0xff, [11] = 0xff};

/* 1 to 5 digits, nothing else. */
static bool port_parse(const char *text, uint16_t *port)
{
	uint32_t value = 0;
	size_t size = strlen(text);
	if (size == 0 || size > 5)
		return false;
	for (; *text; text++) {
		if (*text < '0' || *text > '9')
			return false;
		value = value * 10 + (uint32_t)(*text - '0');
	}
	*port = (uint16_t)value;
	return value <= UINT16_MAX;
}

/* The number behind the '%' of "fe80::1%2"; names of interfaces would need the kernel. */
static bool zone_parse(const char *text, uint32_t *scope)
{
	uint64_t value = 0;
	size_t size = strlen(text);
	if (size == 0 || size > 10)
		return false;
	for (; *text; text++) {
		if (*text < '0' || *text > '9')
			return false;
		value = value * 10 + (uint64_t)(*text - '0');
	}
	*scope = (uint32_t)value;
	return value <= UINT32_MAX;
}

static bool ipv6_parse(struct address *address, const char *host)
{
	char text[HOST_SIZE];
	const char *zone = strchr(host, '%');
	size_t size = zone ? (size_t)(zone - host) : strlen(host);
	if (size >= sizeof text)
		return false;
	memcpy(text, host, size);
	text[size] = 0;
	if (inet_pton(AF_INET6, text, address->bytes) != 1)
		return false;
	if (zone && !zone_parse(zone + 1, &address->scope))
		return false;
	address->family = ADDRESS_IPV6;
	if (memcmp(address->bytes, mapped_prefix, sizeof mapped_prefix) != 0)
		return true;
	/* An IPv4 address in disguise must not slip past a rule that was written for it. */
	memmove(address->bytes, address->bytes + sizeof mapped_prefix, 4);
	memset(address->bytes + 4, 0, 12);
	address->family = ADDRESS_IPV4;
	address->scope = 0;
	return true;
}

bool address_of_literal(struct address *address, const char *host, uint16_t port)
{
	struct address parsed = {.family = ADDRESS_IPV4, .port = port};
	if (inet_pton(AF_INET, host, parsed.bytes) != 1) {
		parsed = (struct address){.port = port};
		if (!ipv6_parse(&parsed, host))
			return false;
	}
	*address = parsed;
	return true;
}

/* "HOST:PORT" or "[V6]:PORT", the host possibly empty, any port. */
static bool halves_parse(const char *text, char host[HOST_SIZE], uint16_t *port)
{
	const char *start = text, *end = strrchr(text, ':');
	if (!end)
		return false;
	const char *colon = end;
	bool bracketed = *text == '[';
	if (bracketed) {
		start++;
		if (end == text || *--end != ']')
			return false;
	}
	size_t size = end < start ? 0 : (size_t)(end - start);
	if (size >= HOST_SIZE || (bracketed && size == 0))
		return false;
	memcpy(host, start, size);
	host[size] = 0;
	struct address literal = {0};
	if (bracketed ? !ipv6_parse(&literal, host) : strpbrk(host, ":[]") != NULL)
		return false;
	return port_parse(colon + 1, port);
}

bool address_parse(struct address *address, const char *text)
{
	if (strncmp(text, "unix:", 5) == 0) {
		struct address local = {.family = ADDRESS_UNIX};
		size_t size = strlen(text + 5);
		if (size == 0 || size >= sizeof local.path)
			return false;
		memcpy(local.path, text + 5, size);
		*address = local;
		return true;
	}
	char host[HOST_SIZE];
	uint16_t port;
	if (!halves_parse(text, host, &port))
		return false;
	if (host[0])
		return address_of_literal(address, host, port);
	*address = (struct address){.family = ADDRESS_ANY, .port = port};
	return true;
}

bool endpoint_parse(const char *text, char host[HOST_SIZE], uint16_t *port)
{
	char found[HOST_SIZE];
	uint16_t number;
	if (!halves_parse(text, found, &number) || !found[0] || number == 0)
		return false;
	for (const char *at = found; *at; at++)
		if ((unsigned char)*at <= ' ' || *at == 0x7f)
			return false;
	memcpy(host, found, strlen(found) + 1);
	*port = number;
	return true;
}

const char *address_format(const struct address *address, char text[ADDRESS_TEXT_SIZE])
{
	char host[INET6_ADDRSTRLEN] = "", zone[16] = "";
	switch (address->family) {
	case ADDRESS_NONE:
		snprintf(text, ADDRESS_TEXT_SIZE, "none");
		break;
	case ADDRESS_ANY:
		snprintf(text, ADDRESS_TEXT_SIZE, ":%u", address->port);
		break;
	case ADDRESS_IPV4:
		inet_ntop(AF_INET, address->bytes, host, sizeof host);
		snprintf(text, ADDRESS_TEXT_SIZE, "%s:%u", host, address->port);
		break;
	case ADDRESS_IPV6:
		inet_ntop(AF_INET6, address->bytes, host, sizeof host);
		if (address->scope)
			snprintf(zone, sizeof zone, "%%%u", address->scope);
		snprintf(text, ADDRESS_TEXT_SIZE, "[%s%s]:%u", host, zone, address->port);
		break;
	case ADDRESS_UNIX:
		snprintf(text, ADDRESS_TEXT_SIZE, "unix:%.*s", ADDRESS_PATH_SIZE - 1, address->path);
		break;
	}
	return text;
}

/* RFC 5952: hexadecimal groups without leading zeros, the first longest run of two zeros or more as "::". */
static void ipv6_print(char *text, size_t room, const uint8_t *bytes)
{
	unsigned run = 0, run_size = 1, at = 0;
	for (unsigned first = 0; first < 8; first++) {
		unsigned size = 0;
		while (first + size < 8 && !bytes[2 * (first + size)] && !bytes[2 * (first + size) + 1])
			size++;
		if (size > run_size) {
			run = first;
			run_size = size;
		}
	}
	if (run_size < 2)
		run = 8;
	for (unsigned group = 0; group < 8; group++) {
		unsigned value = (unsigned)(bytes[2 * group] << 8 | bytes[2 * group + 1]);
		bool glued = group == 0 || (run < 8 && group == run + run_size);
		if (group == run) {
			at += (unsigned)snprintf(text + at, room - at, "::");
			group += run_size - 1;
			continue;
		}
		at += (unsigned)snprintf(text + at, room - at, "%s%x", glued ? "" : ":", value);
	}
}

const char *address_host(const struct address *address, char text[ADDRESS_TEXT_SIZE])
{
	const uint8_t *bytes = address->bytes;
	bool mapped = memcmp(bytes, mapped_prefix, sizeof mapped_prefix) == 0;
	text[0] = 0;
	if (address->family == ADDRESS_IPV6 && mapped)
		inet_ntop(AF_INET, bytes + sizeof mapped_prefix, text, INET_ADDRSTRLEN);
	else if (address->family == ADDRESS_IPV4)
		inet_ntop(AF_INET, bytes, text, INET_ADDRSTRLEN);
	if (address->family != ADDRESS_IPV6 || mapped)
		return text;
	ipv6_print(text, ADDRESS_TEXT_SIZE, bytes);
	size_t size = strlen(text);
	if (address->scope)
		snprintf(text + size, ADDRESS_TEXT_SIZE - size, "%%%u", address->scope);
	return text;
}

bool address_is_loopback(const struct address *address)
{
	static const uint8_t loopback[16] = {[15] = 1};
	switch (address->family) {
	case ADDRESS_IPV4:
		return address->bytes[0] == 127;
	case ADDRESS_IPV6:
		return memcmp(address->bytes, loopback, sizeof loopback) == 0;
	case ADDRESS_UNIX:
		return true;
	default:
		return false;
	}
}

bool address_is_equal(const struct address *a, const struct address *b)
{
	if (a->family != b->family)
		return false;
	switch (a->family) {
	case ADDRESS_IPV4:
		return a->port == b->port && memcmp(a->bytes, b->bytes, 4) == 0;
	case ADDRESS_IPV6:
		return a->port == b->port && a->scope == b->scope && memcmp(a->bytes, b->bytes, 16) == 0;
	case ADDRESS_UNIX:
		return strcmp(a->path, b->path) == 0;
	case ADDRESS_ANY:
		return a->port == b->port;
	default:
		return true;
	}
}
