/* tests/unit/bytes.h - bytes that grow: what an end of a world has said or heard so far.
 *
 * Owner:  whoever has the struct; all zero is empty, free(bytes.at) ends it.
 * Never:  has a limit: what a test puts there is the test's own.
 */
#ifndef TESTS_UNIT_BYTES_H
#define TESTS_UNIT_BYTES_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/base.h"

struct bytes {
	uint8_t *at;
	size_t size, room;
};

static inline void bytes_add(struct bytes *bytes, const void *at, size_t size)
{
	if (bytes->size + size > bytes->room) {
		bytes->room = 2 * (bytes->size + size) + 64;
		bytes->at = realloc(bytes->at, bytes->room);
		check(bytes->at);
	}
	if (size)
		memcpy(bytes->at + bytes->size, at, size);
	bytes->size += size;
}

static inline void bytes_cut(struct bytes *bytes, size_t size)
{
	check(size <= bytes->size);
	if (size)
		memmove(bytes->at, bytes->at + size, bytes->size - size);
	bytes->size -= size;
}

#endif
