/* tests/unit/constant_test.c - secret_equal: right, and as slow for wrong guesses as for the right one. */
#include "core/constant.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

static void short_ones(void **state)
{
	(void)state;
	assert_true(secret_equal(slice_of("gateway_password"), slice_of("gateway_password")));
	assert_false(secret_equal(slice_of("gateway_password"), slice_of("gateway_passwore")));
	assert_false(secret_equal(slice_of("gateway_password"), slice_of("hateway_password")));
	assert_false(secret_equal(slice_of("a"), slice_of("ab")));
	assert_false(secret_equal(slice_of("ab"), slice_of("a")));
	assert_false(secret_equal(slice_of(""), slice_of("a")));
	assert_true(secret_equal((struct slice){0}, slice_of("")));
	assert_true(secret_equal((struct slice){0}, (struct slice){0}));
}

static void zeros_are_bytes(void **state)
{
	static const uint8_t zeros[4];
	(void)state;
	for (size_t a = 0; a <= 4; a++)
		for (size_t b = 0; b <= 4; b++)
			assert_int_equal(secret_equal((struct slice){zeros, a}, (struct slice){zeros, b}),
					 a == b);
	assert_false(secret_equal((struct slice){(const uint8_t *)"a\0", 2}, slice_of("a")));
}

/* Lengths around the span, differences at many places; exact sizes: a sanitizer sees a step too far. */
static void every_place(void **state)
{
	static const size_t sizes[] = {1, 2, 7, 8, 9, 16, 255, 1023, 1024, 1025, 2048, 2049, 5000};
	(void)state;
	for (size_t n = 0; n < COUNT_OF(sizes); n++) {
		size_t size = sizes[n];
		uint8_t *a = malloc(size), *b = malloc(size);
		memset(a, 0x5a, size);
		memset(b, 0x5a, size);
		assert_true(secret_equal((struct slice){a, size}, (struct slice){b, size}));
		assert_false(secret_equal((struct slice){a, size - 1}, (struct slice){b, size}));
		for (size_t i = 0; i < size; i += 1 + size / 300) {
			b[i] ^= (uint8_t)(1u << i % 8);
			assert_false(secret_equal((struct slice){a, size}, (struct slice){b, size}));
			assert_false(secret_equal((struct slice){b, size}, (struct slice){a, size}));
			b[i] ^= (uint8_t)(1u << i % 8);
		}
		free(a);
		free(b);
	}
}

static int64_t elapsed(struct slice secret, struct slice guess)
{
	struct timespec before, after;
	volatile bool equal = false;
	clock_gettime(CLOCK_MONOTONIC, &before);
	for (int i = 0; i < 20; i++)
		equal = secret_equal(secret, guess);
	clock_gettime(CLOCK_MONOTONIC, &after);
	(void)equal;
	return (after.tv_sec - before.tv_sec) * 1000000000 + after.tv_nsec - before.tv_nsec;
}

/* The best of many rounds, taken in turns; an early return would be off by a factor, not by a third. */
static void same_time(void **state)
{
	static uint8_t secret[CONSTANT_SPAN], right[CONSTANT_SPAN], first[CONSTANT_SPAN], last[CONSTANT_SPAN];
	enum { KINDS = 6 };
	first[0] = 1;
	last[CONSTANT_SPAN - 1] = 1;
	struct slice whole = {secret, sizeof secret}, tiny = {secret, 1};
	struct { struct slice secret, guess; } kinds[KINDS] = {
		{whole, {right, sizeof right}}, {whole, {first, sizeof first}}, {whole, {last, sizeof last}},
		{whole, {right, 3}}, {tiny, {right, 3}}, {tiny, {first, sizeof first}},
	};
	int64_t best[KINDS];
	(void)state;
#if defined(__SANITIZE_THREAD__)
	skip();   /* its bookkeeping per access takes a time that depends on the address */
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
	skip();
#endif
#endif
	for (int round = 0; round < 200; round++) {
		for (int kind = 0; kind < KINDS; kind++) {
			int64_t ns = elapsed(kinds[kind].secret, kinds[kind].guess);
			if (!round || ns < best[kind])
				best[kind] = ns;
		}
	}
	for (int kind = 1; kind < KINDS; kind++) {
		assert_true(best[kind] * 3 < best[0] * 4);
		assert_true(best[0] * 3 < best[kind] * 4);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(short_ones),
		cmocka_unit_test(zeros_are_bytes),
		cmocka_unit_test(every_place),
		cmocka_unit_test(same_time),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
