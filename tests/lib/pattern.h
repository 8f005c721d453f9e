/* tests/lib/pattern.h - bytes that say where they belong. */
#ifndef TESTS_LIB_PATTERN_H
#define TESTS_LIB_PATTERN_H

#include "core/base.h"

/* The bytes at `offset` of that talk's direction (0: from the user). */
void pattern_fill(uint8_t *bytes, size_t size, uint32_t id, int direction, uint64_t offset);
/* True, or what is wrong in `why`. */
bool pattern_check(const uint8_t *bytes, size_t size, uint32_t id, int direction, uint64_t offset,
		   char why[160]);

#endif
