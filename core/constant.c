/* core/constant.c - see constant.h.
 *
 * Digests under a random key would hide where two strings differ, but not how long the secret is: hashing it
 * takes its own time. Here both sides are compared as if padded to the next multiple of CONSTANT_SPAN of the
 * longer one. So the number of steps is the same for every secret within the span, and beyond it depends on
 * what was offered; each step has no branch and does the same work for bytes, padding, match and mismatch.
 * The lengths are compared apart, because padding alone would make "a" equal to "a\0". The answer is exact,
 * and there is no key to keep.
 */
#include "core/constant.h"

/* The compiler must not see that a value is all zeros or all ones, else it could turn the mask into a branch.
 * */
static size_t opaque(size_t value)
{
	__asm__ volatile("" : "+r"(value));
	return value;
}

/* All ones where i < size, else zero. Neither has the top bit set, so the difference borrows exactly then. */
static size_t mask_below(size_t i, size_t size)
{
	return opaque((size_t)0 - ((i - size) >> (sizeof(size_t) * 8 - 1)));
}

/* Byte i, or 0 behind the end; there the first byte is read and masked out. */
static size_t byte_at(struct slice slice, size_t i)
{
	size_t mask = mask_below(i, slice.size);
	return slice.at[i & mask] & mask;
}

bool secret_equal(struct slice a, struct slice b)
{
	static const uint8_t nothing[1];
	if (!a.size)
		a.at = nothing;
	if (!b.size)
		b.at = nothing;
	size_t longest = size_max(size_max(a.size, b.size), 1);
	size_t span = (longest + CONSTANT_SPAN - 1) / CONSTANT_SPAN * CONSTANT_SPAN;
	size_t difference = a.size ^ b.size;
	for (size_t i = 0; i < span; i++)
		difference = opaque(difference | (byte_at(a, i) ^ byte_at(b, i)));
	return difference == 0;
}
