/* tests/fuzz/yamux_fuzz.c - frame headers: the same whatever the pieces, and back to the same bytes. */
#include "protocols/codecs/yamux.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct yamux_reader reader = {0};
	size_t at = 0, count = 0;
	while (at < size) {
		size_t piece = 1 + bytes[at] % 15;
		struct slice input = {bytes + at, size_min(piece, size - at)};
		struct yamux_header header;
		at += input.size;
		while (yamux_read(&reader, &input, &header)) {
			uint8_t again[YAMUX_HEADER_SIZE];
			const uint8_t *from = bytes + count++ * YAMUX_HEADER_SIZE;
			yamux_encode(again, (enum yamux_type)header.type, header.flags, header.id,
				     header.length);
			again[0] = header.version;
			check(memcmp(again, from, sizeof again) == 0);
			(void)yamux_fault(&header);
		}
		check(input.size == 0);
	}
	check(count == size / YAMUX_HEADER_SIZE);
	return 0;
}
