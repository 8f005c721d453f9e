/* tests/unit/batcher_test.c - the batcher against tables that were computed by hand. */
#include "core/batcher.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { NOW = -1, NEVER = -2, KB = 1024 };

/* A step of a stream: at `us` microseconds `size` bytes come, so that `waiting` bytes wait; they are due at
 * `due`. `flush`: all of it leaves at that instant, and from then on the delay is `delay` microseconds. */
struct step {
	int64_t us;
	size_t size;
	uint64_t waiting;
	int64_t due;
	bool flush;
	int64_t delay;
};

static const struct batching usual = {
    .enabled = true, .min = DURATION_MS(20), .max = DURATION_MS(500), .buffer = 256 * KB};

/* Instants begin at a second: zero means that nothing waits. */
static struct instant at(int64_t us) { return (struct instant){1000000000 + us * 1000}; }

static void assert_due(struct instant due, int64_t expected, struct instant now)
{
	if (expected == NEVER)
		assert_int_equal(due.ns, INSTANT_NEVER.ns);
	else if (expected == NOW)
		assert_true(due.ns <= now.ns);
	else
		assert_int_equal(due.ns, at(expected).ns);
}

static void run(const struct batching *batching, const struct step *steps, size_t count)
{
	struct batcher batcher;
	batcher_begin(&batcher, at(0));
	for (size_t i = 0; i < count; i++) {
		const struct step *step = &steps[i];
		struct instant now = at(step->us);
		if (step->size)
			batcher_add(&batcher, step->size, now);
		assert_due(batcher_due(&batcher, batching, step->waiting, now), step->due, now);
		if (!step->flush)
			continue;
		batcher_flushed(&batcher, batching, now);
		assert_int_equal(batcher.delay.ns, step->delay * 1000);
		assert_due(batcher_due(&batcher, batching, 0, now), NEVER, now);
	}
}

/* 100,000 bytes in every 100 ms are 1,000,000 B/s, above 262,144: 20 ms at first, then 48 ms more with each
 * flush, 20 + 10 * 48 = 500 at most. The message that shows the rate has still left at delay 0. At the next
 * ones the source pauses behind each, so 2 ms of silence are always sooner than the delay. */
static void delay_ramps_up(void **state)
{
	static const struct step steps[] = {
	    {100000, 100000, 100000, NOW, true, 20000},
	    {200000, 100000, 100000, 202000, true, 68000},
	    {300000, 100000, 100000, 302000, true, 116000},
	    {400000, 100000, 100000, 402000, true, 164000},
	    {500000, 100000, 100000, 502000, true, 212000},
	    {600000, 100000, 100000, 602000, true, 260000},
	    {700000, 100000, 100000, 702000, true, 308000},
	    {800000, 100000, 100000, 802000, true, 356000},
	    {900000, 100000, 100000, 902000, true, 404000},
	    {1000000, 100000, 100000, 1002000, true, 452000},
	    {1100000, 100000, 100000, 1102000, true, 500000},
	    {1200000, 100000, 100000, 1202000, true, 500000},
	};
	run(&usual, steps, COUNT_OF(steps));
}

/* A source that never pauses for 2 ms: the first byte's delay counts. 1000 bytes a millisecond are
 * 1,000,000 B/s. */
static void longest_wait_is_the_delay(void **state)
{
	struct batcher batcher;
	batcher_begin(&batcher, at(0));
	batcher_add(&batcher, 100000, at(100000));
	batcher_flushed(&batcher, &usual, at(100000));
	for (int64_t ms = 1; ms <= 20; ms++) { /* first at 101 ms, so due at 121 */
		struct instant now = at(100000 + ms * 1000);
		batcher_add(&batcher, 1000, now);
		struct instant due = batcher_due(&batcher, &usual, (uint64_t)ms * 1000, now);
		assert_int_equal(due.ns, at(ms < 19 ? 102000 + ms * 1000 : 121000).ns);
	}
	batcher_flushed(&batcher, &usual, at(121000)); /* 20,000 bytes in 21 ms: 952,380 B/s */
	assert_int_equal(batcher.delay.ns, DURATION_MS(68).ns);
}

/* The first messages of a stream that is slow leave at once: 100 bytes in 10 ms are 10,000 B/s. */
static void interactive_never_waits(void **state)
{
	static const struct step steps[] = {
	    {0, 0, 0, NEVER, false, 0},	      {10000, 100, 100, NOW, true, 0},
	    {20000, 100, 100, NOW, true, 0},  {21000, 100, 100, NOW, true, 0},
	    {500000, 100, 100, NOW, true, 0},
	};
	run(&usual, steps, COUNT_OF(steps));
}

/* 1 ms or less after the last flush, or without a byte, the rate counts as 0: a delay falls to 0, and none
 * arises. 1.001 ms are enough: 1000 bytes in it are 999,000 B/s. */
static void rate_needs_time_and_bytes(void **state)
{
	static const struct step steps[] = {
	    {1000, 1000000, 1000000, NOW, true, 0}, {2001, 1000, 1000, NOW, true, 20000},
	    {3001, 1000, 1000, 5001, true, 0},	    {4002, 1000, 1000, NOW, true, 20000},
	    {104002, 0, 0, NEVER, true, 0},
	};
	run(&usual, steps, COUNT_OF(steps));
}

/* Between the rates the delay is halved and not under 20 ms; exactly 262,144 B/s and exactly 131,072 B/s are
 * between. 26,214 bytes in 100 ms are 262,140 B/s, 26,215 are 262,150; 13,107 are 131,070, below. */
static void delay_is_halved_between(void **state)
{
	static const struct step steps[] = {
	    {100000, 26215, 26215, NOW, true, 20000},	     {200000, 26215, 26215, 202000, true, 68000},
	    {300000, 26215, 26215, 302000, true, 116000},    {400000, 26214, 26214, 402000, true, 58000},
	    {500000, 20000, 20000, 502000, true, 29000},     {600000, 13108, 13108, 602000, true, 20000},
	    {700000, 13108, 13108, 702000, true, 20000},     {1700000, 262144, 262144, NOW, true, 20000},
	    {2700000, 131072, 131072, 2702000, true, 20000}, {2800000, 13107, 13107, 2802000, true, 0},
	    {2900000, 20000, 20000, NOW, true, 0},	     {3000000, 26215, 26215, NOW, true, 20000},
	};
	run(&usual, steps, COUNT_OF(steps));
}

/* 256 KiB are enough, one byte less is not. */
static void buffer_is_full(void **state)
{
	static const struct step steps[] = {
	    {100000, 100000, 100000, NOW, true, 20000}, {100500, 200000, 200000, 102500, false, 0},
	    {101000, 62143, 262143, 103000, false, 0},	{101200, 1, 262144, NOW, false, 0},
	    {101300, 262144, 524288, NOW, true, 68000},
	};
	run(&usual, steps, COUNT_OF(steps));
}

/* What came before the batcher heard of it does not wait; of what is left behind by half a flush the time
 * begins anew. */
static void what_is_not_known_leaves(void **state)
{
	static const struct step steps[] = {
	    {100000, 100000, 100000, NOW, true, 20000},
	    {100100, 0, 500, NOW, false, 0},
	    {100200, 100, 600, 102200, false, 0},
	};
	run(&usual, steps, COUNT_OF(steps));
}

static void delay_of_one_length(void **state)
{
	static const struct batching fixed = {
	    .enabled = true, .min = DURATION_MS(50), .max = DURATION_MS(50), .buffer = 256 * KB};
	static const struct step steps[] = {
	    {100000, 100000, 100000, NOW, true, 50000},
	    {200000, 100000, 100000, 202000, true, 50000},
	    {300000, 20000, 20000, 302000, true, 50000},
	    {400000, 1000, 1000, 402000, true, 0},
	};
	run(&fixed, steps, COUNT_OF(steps));
}

static void disabled_never_waits(void **state)
{
	static const struct batching off = {
	    .enabled = false, .min = DURATION_MS(20), .max = DURATION_MS(500), .buffer = 256 * KB};
	static const struct step steps[] = {
	    {100000, 100000, 100000, NOW, true, 0},
	    {200000, 100000, 100000, NOW, true, 0},
	    {200500, 1, 1, NOW, true, 0},
	};
	run(&off, steps, COUNT_OF(steps));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(delay_ramps_up),		cmocka_unit_test(longest_wait_is_the_delay),
	    cmocka_unit_test(interactive_never_waits),	cmocka_unit_test(rate_needs_time_and_bytes),
	    cmocka_unit_test(delay_is_halved_between),	cmocka_unit_test(buffer_is_full),
	    cmocka_unit_test(what_is_not_known_leaves), cmocka_unit_test(delay_of_one_length),
	    cmocka_unit_test(disabled_never_waits),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
