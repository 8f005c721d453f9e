/* protocols/codecs/proxy_header.c - see proxy_header.h. */
#include "protocols/codecs/proxy_header.h"

#include <stdio.h>

enum {
	V2_SIGNATURE_SIZE = 12,
	V2_HEAD_SIZE = 16,
	V2_IPV4_SIZE = 12,
	V2_IPV6_SIZE = 36,
	V2_UNIX_SIZE = 216,
	V2_PATH_SIZE = 108,
	TLV_HEAD_SIZE = 3,
	TLV_CRC32C = 3,
	TRANSPORT_MAX = 2,               /* unspecified, stream, datagram */
	V1_TEXT_MAX = 40,                /* an address or a port, terminated */
};

enum command { COMMAND_LOCAL, COMMAND_PROXY };
enum family { FAMILY_UNSPECIFIED, FAMILY_IPV4, FAMILY_IPV6, FAMILY_UNIX };

static const uint8_t signature[V2_SIGNATURE_SIZE] = {0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d,
						     0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a};
static const char v1_start[] = "PROXY ";

static enum status refuse(const char **fault, const char *text)
{
	*fault = text;
	return STATUS_PROTOCOL;
}

/* ---- version 1: a line ---- */

/* The next word and the one blank behind it, or the last word. */
static bool take_word(struct slice *rest, char word[V1_TEXT_MAX], bool last)
{
	const uint8_t *blank = memchr(rest->at, ' ', rest->size);
	size_t size = blank ? (size_t)(blank - rest->at) : rest->size;
	if (last != !blank || !size || size >= V1_TEXT_MAX || memchr(rest->at, 0, size))
		return false;
	memcpy(word, rest->at, size);
	word[size] = 0;
	size += !last;
	*rest = (struct slice){rest->at + size, rest->size - size};
	return true;
}

/* Decimal, without zeros in front. */
static bool port_of(const char *text, uint16_t *port)
{
	unsigned value = 0;
	if (text[0] == '0' && text[1])
		return false;
	for (const char *at = text; *at; at++) {
		if (*at < '0' || *at > '9')
			return false;
		value = value * 10 + (unsigned)(*at - '0');
		if (value > UINT16_MAX)
			return false;
	}
	*port = (uint16_t)value;
	return true;
}

/* "::ffff:1.2.3.4" is said of TCP6 and means what it means in IPv4. */
static bool address_of(struct address *address, const char *host, const char *port, bool ipv6)
{
	uint16_t number;
	if ((strchr(host, ':') != NULL) != ipv6 || strchr(host, '%') || !port_of(port, &number))
		return false;
	return address_of_literal(address, host, number);
}

static bool line_parse(struct slice line, struct proxy_header *header)
{
	char family[V1_TEXT_MAX], words[4][V1_TEXT_MAX];
	if (line.size >= 7 && memcmp(line.at, "UNKNOWN", 7) == 0 && (line.size == 7 || line.at[7] == ' '))
		return true;
	if (!take_word(&line, family, false))
		return false;
	for (int i = 0; i < 4; i++)
		if (!take_word(&line, words[i], i == 3))
			return false;
	bool ipv6 = strcmp(family, "TCP6") == 0;
	if (!ipv6 && strcmp(family, "TCP4") != 0)
		return false;
	return address_of(&header->source, words[0], words[2], ipv6) &&
	       address_of(&header->target, words[1], words[3], ipv6);
}

static enum status v1_parse(struct slice bytes, struct proxy_header *header, size_t *used, const char **fault)
{
	size_t start = sizeof v1_start - 1, size = size_min(bytes.size, PROXY_HEADER_V1_MAX);
	const uint8_t *end = memmem(bytes.at, size, "\r\n", 2);
	if (!end && size == PROXY_HEADER_V1_MAX)
		return refuse(fault, "a PROXY header of version 1 that is too long");
	if (!end)
		return STATUS_MORE;
	*used = (size_t)(end - bytes.at) + 2;
	if (line_parse((struct slice){bytes.at + start, *used - 2 - start}, header))
		return STATUS_OK;
	*header = (struct proxy_header){0};
	return refuse(fault, "a PROXY header of version 1 that is malformed");
}

/* ---- version 2: a block ---- */

/* Castagnoli's polynomial, reflected; headers are few and short. */
static uint32_t crc32c(uint32_t crc, const uint8_t *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		crc ^= bytes[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78 : 0);
	}
	return crc;
}

/* Over the whole header, with the checksum's own place as zeros. */
static bool crc_is_right(struct slice block, size_t at)
{
	static const uint8_t zeros[4];
	uint32_t crc = crc32c(UINT32_MAX, block.at, at);
	crc = crc32c(crc, zeros, sizeof zeros);
	crc = ~crc32c(crc, block.at + at + 4, block.size - at - 4);
	return crc == get32(block.at + at);
}

static const char *extensions_fault(struct slice block, size_t at)
{
	while (at < block.size) {
		if (block.size - at < TLV_HEAD_SIZE)
			return "a PROXY header with an extension that is cut off";
		uint8_t type = block.at[at];
		size_t size = get16(block.at + at + 1);
		at += TLV_HEAD_SIZE;
		if (size > block.size - at)
			return "a PROXY header with an extension that is longer than itself";
		if (type == TLV_CRC32C && (size != 4 || !crc_is_right(block, at)))
			return "a PROXY header whose checksum is wrong";
		at += size;
	}
	return NULL;
}

static void internet_read(struct address *address, enum address_family family, const uint8_t *bytes,
			  const uint8_t *port)
{
	*address = (struct address){.family = family, .port = get16(port)};
	memcpy(address->bytes, bytes, family == ADDRESS_IPV4 ? 4 : 16);
}

static void unix_read(struct address *address, const uint8_t *path)
{
	*address = (struct address){.family = ADDRESS_UNIX};
	const uint8_t *end = memchr(path, 0, V2_PATH_SIZE);
	text_copy(address->path, sizeof address->path,
		  (struct slice){path, end ? (size_t)(end - path) : V2_PATH_SIZE});
}

static void addresses_read(struct proxy_header *header, enum family family, const uint8_t *at)
{
	switch (family) {
	case FAMILY_IPV4:
		internet_read(&header->source, ADDRESS_IPV4, at, at + 8);
		internet_read(&header->target, ADDRESS_IPV4, at + 4, at + 10);
		break;
	case FAMILY_IPV6:
		internet_read(&header->source, ADDRESS_IPV6, at, at + 32);
		internet_read(&header->target, ADDRESS_IPV6, at + 16, at + 34);
		break;
	case FAMILY_UNIX:
		unix_read(&header->source, at);
		unix_read(&header->target, at + V2_PATH_SIZE);
		break;
	case FAMILY_UNSPECIFIED:
		break;
	}
}

/* The whole block is here, its length fits. What LOCAL says besides is nobody's. */
static enum status block_parse(struct slice block, struct proxy_header *header, const char **fault)
{
	static const size_t sizes[] = {0, V2_IPV4_SIZE, V2_IPV6_SIZE, V2_UNIX_SIZE};
	unsigned family = block.at[13] >> 4;
	if ((block.at[12] & 15) == COMMAND_LOCAL)
		return STATUS_OK;
	if (block.size - V2_HEAD_SIZE < sizes[family])
		return refuse(fault, "a PROXY header that is too short for its addresses");
	*fault = extensions_fault(block, V2_HEAD_SIZE + sizes[family]);
	if (*fault)
		return STATUS_PROTOCOL;
	addresses_read(header, (enum family)family, block.at + V2_HEAD_SIZE);
	return STATUS_OK;
}

static enum status v2_parse(struct slice bytes, struct proxy_header *header, size_t *used, const char **fault)
{
	if (bytes.size > 12 && bytes.at[12] >> 4 != 2)
		return refuse(fault, "a PROXY header of a version that is neither 1 nor 2");
	if (bytes.size > 12 && (bytes.at[12] & 15) > COMMAND_PROXY)
		return refuse(fault, "a PROXY header with a command that does not exist");
	if (bytes.size > 13 && (bytes.at[13] >> 4 > FAMILY_UNIX || (bytes.at[13] & 15) > TRANSPORT_MAX))
		return refuse(fault, "a PROXY header with a family that does not exist");
	if (bytes.size < V2_HEAD_SIZE)
		return STATUS_MORE;
	*used = V2_HEAD_SIZE + (size_t)get16(bytes.at + 14);
	if (*used > PROXY_HEADER_MAX)
		return refuse(fault, "a PROXY header of version 2 that is too long");
	if (bytes.size < *used)
		return STATUS_MORE;
	return block_parse((struct slice){bytes.at, *used}, header, fault);
}

enum status proxy_header_parse(struct slice bytes, struct proxy_header *header, size_t *used,
			       const char **fault)
{
	size_t v1_size = size_min(bytes.size, sizeof v1_start - 1);
	size_t v2_size = size_min(bytes.size, sizeof signature);
	*header = (struct proxy_header){0};
	*used = 0;
	*fault = NULL;
	if (!bytes.size)
		return STATUS_MORE;
	if (memcmp(bytes.at, signature, v2_size) == 0)
		return v2_parse(bytes, header, used, fault);
	if (memcmp(bytes.at, v1_start, v1_size) != 0)
		return refuse(fault, "no PROXY header");
	return v1_size < sizeof v1_start - 1 ? STATUS_MORE : v1_parse(bytes, header, used, fault);
}

enum status proxy_header_source(struct slice bytes, struct address *source, size_t *used, const char **fault)
{
	struct proxy_header header;
	enum status status = proxy_header_parse(bytes, &header, used, fault);
	*source = header.source;
	return status;
}

/* ---- writing ---- */

static bool is_told(const struct proxy_header *header)
{
	enum address_family family = header->source.family;
	return family == header->target.family && (family == ADDRESS_IPV4 || family == ADDRESS_IPV6);
}

/* Without brackets, zone and port; an IPv4 address inside IPv6 keeps its IPv6 form. */
static const char *host_text(const struct address *address, char text[ADDRESS_TEXT_SIZE])
{
	struct address plain = *address;
	plain.scope = 0;
	address_host(&plain, text);
	if (plain.family == ADDRESS_IPV6 && !strchr(text, ':')) {
		char ipv4[ADDRESS_TEXT_SIZE];
		memcpy(ipv4, text, sizeof ipv4);
		snprintf(text, ADDRESS_TEXT_SIZE, "::ffff:%.100s", ipv4);
	}
	return text;
}

static size_t v1_write(const struct proxy_header *header, uint8_t bytes[PROXY_HEADER_WRITE_MAX])
{
	char source[ADDRESS_TEXT_SIZE], target[ADDRESS_TEXT_SIZE], line[PROXY_HEADER_WRITE_MAX + 1];
	if (is_told(header))
		snprintf(line, sizeof line, "PROXY TCP%c %s %s %u %u\r\n",
			 header->source.family == ADDRESS_IPV4 ? '4' : '6',
			 host_text(&header->source, source), host_text(&header->target, target),
			 header->source.port, header->target.port);
	else
		snprintf(line, sizeof line, "PROXY UNKNOWN\r\n");
	size_t size = strlen(line);
	memcpy(bytes, line, size);
	return size;
}

static size_t v2_write(const struct proxy_header *header, uint8_t *bytes)
{
	bool told = is_told(header), ipv4 = header->source.family == ADDRESS_IPV4;
	size_t size = ipv4 ? 4 : 16;
	memcpy(bytes, signature, sizeof signature);
	bytes[12] = (uint8_t)(0x20 | (told ? COMMAND_PROXY : COMMAND_LOCAL));
	bytes[13] = (uint8_t)(!told ? 0 : ipv4 ? FAMILY_IPV4 << 4 | 1 : FAMILY_IPV6 << 4 | 1);
	put16(bytes + 14, (uint16_t)(told ? 2 * size + 4 : 0));
	if (!told)
		return V2_HEAD_SIZE;
	uint8_t *at = bytes + V2_HEAD_SIZE;
	memcpy(at, header->source.bytes, size);
	memcpy(at + size, header->target.bytes, size);
	put16(at + 2 * size, header->source.port);
	put16(at + 2 * size + 2, header->target.port);
	return V2_HEAD_SIZE + 2 * size + 4;
}

size_t proxy_header_write(unsigned version, const struct proxy_header *header,
			  uint8_t bytes[PROXY_HEADER_WRITE_MAX])
{
	check(version == 1 || version == 2);
	return version == 1 ? v1_write(header, bytes) : v2_write(header, bytes);
}
