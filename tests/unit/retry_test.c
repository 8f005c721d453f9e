/* tests/unit/retry_test.c - delays grow up to a limit, begin anew after a success; a fixed one stays. */
#include <setjmp.h>
#include <stdarg.h>

#include "core/hub.h"
#include "core/retry.h"

#include <cmocka.h>

static void assert_delays(struct retry *retry, const int64_t *expected_ms, size_t count)
{
	for (size_t i = 0; i < count; i++)
		assert_int_equal(duration_ms(retry_next(retry)), expected_ms[i]);
}

static void delays_grow_by_half(void **state)
{
	static const int64_t expected_ms[] = {1000, 1500, 2250, 3375, 5062, 7593};
	struct retry retry = retry_of(DURATION_S(1), DURATION_S(600), RETRY_HALF_AGAIN);
	assert_delays(&retry, expected_ms, COUNT_OF(expected_ms));
	for (int i = 0; i < 100; i++)
		retry_next(&retry);
	assert_int_equal(retry_next(&retry).ns, DURATION_S(600).ns);
}

static void delays_double(void **state)
{
	static const int64_t expected_ms[] = {200, 400, 800, 1600, 3200, 6400, 10000, 10000};
	struct retry retry = retry_of(DURATION_MS(200), DURATION_S(10), RETRY_TWICE);
	assert_delays(&retry, expected_ms, COUNT_OF(expected_ms));
}

static void success_begins_anew(void **state)
{
	static const int64_t expected_ms[] = {1000, 2000, 4000};
	struct retry retry = retry_of(DURATION_S(1), DURATION_S(30), RETRY_TWICE);
	for (int round = 0; round < 2; round++) {
		assert_delays(&retry, expected_ms, COUNT_OF(expected_ms));
		retry_reset(&retry);
	}
}

static void fixed_delay_stays(void **state)
{
	struct hub hub = {.random = 1};
	struct retry retry = retry_of(DURATION_S(3), DURATION_S(3), RETRY_HALF_AGAIN);
	for (int i = 0; i < 3; i++)
		assert_int_equal(retry_next_spread(&retry, &hub).ns, DURATION_S(3).ns);
}

static void others_are_spread(void **state)
{
	struct hub hub = {.random = 1};
	int64_t least = DURATION_S(30).ns, most = 0;
	for (int i = 0; i < 1000; i++) {
		struct retry retry = retry_of(DURATION_S(10), DURATION_S(30), RETRY_TWICE);
		int64_t delay = retry_next_spread(&retry, &hub).ns;
		least = delay < least ? delay : least;
		most = delay > most ? delay : most;
		assert_int_equal(retry.next.ns, DURATION_S(20).ns);
	}
	assert_in_range(least, DURATION_S(8).ns, DURATION_S(9).ns);
	assert_in_range(most, DURATION_S(11).ns, DURATION_S(12).ns);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(delays_grow_by_half), cmocka_unit_test(delays_double),
	    cmocka_unit_test(success_begins_anew), cmocka_unit_test(fixed_delay_stays),
	    cmocka_unit_test(others_are_spread),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
