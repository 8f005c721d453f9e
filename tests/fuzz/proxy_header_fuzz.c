/* tests/fuzz/proxy_header_fuzz.c - PROXY headers: decided once, whatever comes behind, and written again. */
#include <stdlib.h>

#include "protocols/codecs/proxy_header.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static bool is_internet(const struct address *address)
{
	return address->family == ADDRESS_IPV4 || address->family == ADDRESS_IPV6;
}

static void write_again(unsigned version, const struct proxy_header *header)
{
	uint8_t written[PROXY_HEADER_WRITE_MAX];
	struct proxy_header again;
	size_t used, size = proxy_header_write(version, header, written);
	const char *fault;
	check(proxy_header_parse((struct slice){written, size}, &again, &used, &fault) == STATUS_OK);
	check(used == size);
	bool told = is_internet(&header->source) && header->source.family == header->target.family;
	if (told && version == 2)
		check(address_is_equal(&again.source, &header->source));
	if (told)
		check(again.target.port == header->target.port);
	else
		check(again.source.family == ADDRESS_NONE);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct proxy_header header, part;
	size_t used, part_used;
	const char *fault;
	enum status status = proxy_header_parse((struct slice){bytes, size}, &header, &used, &fault);
	check(status == STATUS_OK || status == STATUS_MORE || status == STATUS_PROTOCOL);
	check((status == STATUS_PROTOCOL) == (fault != NULL));
	check(size < PROXY_HEADER_MAX || status != STATUS_MORE);
	if (status != STATUS_OK)
		return 0;
	check(used && used <= size && used <= PROXY_HEADER_MAX);
	uint8_t *exact = malloc(used);
	check(exact);
	memcpy(exact, bytes, used);
	check(proxy_header_parse((struct slice){exact, used}, &part, &part_used, &fault) == STATUS_OK);
	check(part_used == used && address_is_equal(&part.source, &header.source));
	check(proxy_header_parse((struct slice){exact, used - 1}, &part, &part_used, &fault) == STATUS_MORE);
	free(exact);
	write_again(1, &header);
	write_again(2, &header);
	return 0;
}
