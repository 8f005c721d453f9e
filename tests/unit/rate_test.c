/* tests/unit/rate_test.c - buckets of tokens against tables computed by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>

#include "core/rate.h"

/* At that many milliseconds, so many are asked for and so many are given. */
struct step {
	int64_t at_ms;
	unsigned asked, given;
};

static void run(uint32_t per_second, uint32_t burst, const struct step *steps, size_t count)
{
	struct rate rate;
	struct rate_shared shared;
	struct instant start = {DURATION_S(1000).ns};
	rate_init(&rate, per_second, burst, start);
	rate_shared_init(&shared, per_second, burst);
	for (size_t i = 0; i < count; i++) {
		struct instant now = instant_after(start, DURATION_MS(steps[i].at_ms));
		unsigned given = 0, given_shared = 0;
		for (unsigned k = 0; k < steps[i].asked; k++) {
			given += rate_take(&rate, now);
			given_shared += rate_shared_take(&shared, now);
		}
		if (given != steps[i].given || given_shared != steps[i].given)
			fail_msg("step %zu: %u and %u given, not %u", i, given, given_shared, steps[i].given);
	}
}

#define RUN(per_second, burst, ...)                                                                          \
	run(per_second, burst, (const struct step[]){__VA_ARGS__},                                           \
	    COUNT_OF(((const struct step[]){__VA_ARGS__})))

static void starts_full_and_refills_evenly(void **state)
{
	RUN(10, 20, {0, 25, 20}, {99, 1, 0}, {100, 2, 1}, {350, 5, 2}, {400, 5, 1}, {1400, 20, 10});
}

static void holds_no_more_than_its_burst(void **state)
{
	RUN(100, 5, {0, 5, 5}, {10000000, 100, 5}, {10000010, 2, 1});
}

static void keeps_fractions(void **state)
{
	/* a third of a second each: the third comes at 1000 ms, not a millisecond sooner */
	RUN(3, 2, {0, 3, 2}, {333, 1, 0}, {334, 1, 1}, {667, 1, 1}, {999, 1, 0}, {1000, 1, 1});
}

static void one_a_second(void **state)
{
	RUN(1, 1, {0, 1, 1}, {999, 1, 0}, {1000, 2, 1}, {5000, 2, 1});
}

static void zero_is_no_limit(void **state) { RUN(0, 0, {0, 1000, 1000}, {1, 1000, 1000}); }

static void a_clock_that_stands_or_steps_back_gives_nothing(void **state)
{
	RUN(10, 1, {500, 1, 1}, {500, 1, 0}, {400, 1, 0}, {600, 1, 1});
}

static void the_largest_numbers_do_not_overflow(void **state)
{
	struct rate rate;
	rate_init(&rate, UINT32_MAX, UINT32_MAX, (struct instant){0});
	for (int i = 0; i < 1000; i++)
		assert_true(rate_take(&rate, (struct instant){0}));
	assert_true(rate_take(&rate, (struct instant){INT64_MAX}));
	assert_true(rate.tokens == (uint64_t)UINT32_MAX * 1000000000 - 1000000000);
}

enum { THREADS = 4, ASKED = 20000 };

static struct rate_shared asked_by_all;

static void *ask(void *state)
{
	uintptr_t given = 0;
	for (int i = 0; i < ASKED; i++)
		given += rate_shared_take(&asked_by_all, (struct instant){1000 + i});
	return (void *)given;
}

/* Nobody gets what another one has: 30000 at once, and 1 a microsecond for the 20 that pass. */
static void threads_share_one_bucket(void **state)
{
	pthread_t threads[THREADS];
	uintptr_t sum = 0;
	rate_shared_init(&asked_by_all, 1000000, 30000);
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, ask, NULL), 0);
	for (int i = 0; i < THREADS; i++) {
		void *given;
		pthread_join(threads[i], &given);
		sum += (uintptr_t)given;
	}
	assert_in_range(sum, 30000, 30020);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(starts_full_and_refills_evenly),
	    cmocka_unit_test(holds_no_more_than_its_burst),
	    cmocka_unit_test(keeps_fractions),
	    cmocka_unit_test(one_a_second),
	    cmocka_unit_test(zero_is_no_limit),
	    cmocka_unit_test(a_clock_that_stands_or_steps_back_gives_nothing),
	    cmocka_unit_test(the_largest_numbers_do_not_overflow),
	    cmocka_unit_test(threads_share_one_bucket),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
