/* tests/lib/pattern.c - see pattern.h. A block of 8 bytes is a mixed (talk, direction, index); the mix can be
 * undone. */
#include "tests/lib/pattern.h"

#include <stdio.h>

static uint64_t mix(uint64_t z)
{
	z = (z ^ z >> 32) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 32) * 0x94d049bb133111ebu;
	return z ^ z >> 32;
}

static uint64_t unmix(uint64_t z)
{
	z = (z ^ z >> 32) * 0x319642b2d24d8ec3u;
	z = (z ^ z >> 32) * 0x96de1b173f119089u;
	return z ^ z >> 32;
}

static uint64_t block(uint32_t id, int direction, uint64_t index)
{
	return mix((uint64_t)id << 40 | (uint64_t)direction << 39 | index);
}

void pattern_fill(uint8_t *bytes, size_t size, uint32_t id, int direction, uint64_t offset)
{
	while (size) {
		uint64_t value = block(id, direction, offset / 8);
		size_t skip = offset % 8, step = size_min(8 - skip, size);
		memcpy(bytes, (uint8_t *)&value + skip, step);
		bytes += step;
		size -= step;
		offset += step;
	}
}

/* The first whole block from the wrong place on says what it is. */
static void explain(const uint8_t *bytes, size_t size, uint32_t id, int direction, uint64_t offset,
		    size_t wrong, char why[160])
{
	for (size_t at = wrong; at + 8 <= size && at < wrong + 24; at++) {
		uint64_t value;
		memcpy(&value, bytes + at, 8);
		value = unmix(value);
		uint32_t found_id = (uint32_t)(value >> 40);
		uint64_t found = (value & 0x7fffffffffu) * 8;
		if (found_id > 0xffff || found > (uint64_t)1 << 30)
			continue;
		snprintf(why, 160, "%s: at %llu came byte %llu of talk %u, direction %d",
			 found_id != id			       ? "another talk's bytes"
			 : (int)(value >> 39 & 1) != direction ? "the other direction's bytes"
			 : found > offset + at		       ? "bytes were lost"
							       : "bytes came twice",
			 (unsigned long long)(offset + at), (unsigned long long)found, found_id,
			 (int)(value >> 39 & 1));
		return;
	}
	snprintf(why, 160, "a damaged byte at %llu", (unsigned long long)(offset + wrong));
}

bool pattern_check(const uint8_t *bytes, size_t size, uint32_t id, int direction, uint64_t offset,
		   char why[160])
{
	uint8_t right[4096];
	for (size_t at = 0; at < size; at += sizeof right) {
		size_t step = size_min(sizeof right, size - at);
		pattern_fill(right, step, id, direction, offset + at);
		if (memcmp(bytes + at, right, step) == 0)
			continue;
		size_t wrong = at;
		while (bytes[wrong] == right[wrong - at])
			wrong++;
		explain(bytes, size, id, direction, offset, wrong, why);
		return false;
	}
	return true;
}
