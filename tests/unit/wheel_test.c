/* tests/unit/wheel_test.c - the wheel against a dumb model: an array that is searched. */
#include "core/wheel.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

enum { TIMERS = 300, STEPS = 4000 };

struct entry {
	struct timer timer;
	struct instant at; /* the model: when, if armed */
	bool armed;
	uint32_t fired;
};

static struct wheel wheel;
static struct instant now;
static uint64_t random_state;
static struct entry entries[TIMERS];
static bool meddle; /* expired() arms and disarms others */

static uint64_t below(uint64_t limit) { return random_next(&random_state) % limit; }

static struct instant some_instant(void)
{
	int64_t span = 1ll << below(46);
	int64_t ns = (int64_t)below((uint64_t)span) - (below(8) == 0 ? span / 2 : 0);
	return (struct instant){now.ns + ns};
}

static void arm(struct entry *entry, struct instant at)
{
	timer_arm(&wheel, &entry->timer, at);
	entry->at = at;
	entry->armed = true;
}

static void disarm(struct entry *entry)
{
	timer_disarm(&entry->timer);
	entry->armed = false;
}

static void expired(struct timer *timer)
{
	struct entry *entry = OWNER(timer, struct entry, timer);
	assert_true(entry->armed);
	assert_false(timer_is_armed(timer));
	assert_false(instant_before(now, entry->at));
	entry->armed = false;
	entry->fired++;
	if (!meddle)
		return;
	if (below(3) == 0)
		arm(entry, some_instant());
	if (below(3) == 0)
		arm(&entries[below(TIMERS)], some_instant());
	if (below(3) == 0)
		disarm(&entries[below(TIMERS)]);
}

static void start(uint64_t seed, bool with_meddling)
{
	random_state = seed;
	meddle = with_meddling;
	now = (struct instant){(int64_t)below(1ull << 50)};
	wheel_init(&wheel, now);
	memset(entries, 0, sizeof entries);
	for (size_t i = 0; i < TIMERS; i++)
		entries[i].timer.expired = expired;
}

static void compare(void)
{
	uint32_t count = 0;
	struct instant earliest = INSTANT_NEVER;
	for (size_t i = 0; i < TIMERS; i++) {
		assert_int_equal(timer_is_armed(&entries[i].timer), entries[i].armed);
		if (!entries[i].armed)
			continue;
		count++;
		earliest = instant_min(earliest, entries[i].at);
	}
	assert_int_equal(wheel.count, count);
	struct instant next = wheel_next(&wheel);
	if (count == 0)
		assert_int_equal(next.ns, INT64_MAX);
	else
		assert_true(next.ns < earliest.ns + 1000000 || next.ns <= now.ns);
}

/* One step of the clock: to the announced instant, or somewhere. */
static void advance(void)
{
	struct instant next = wheel_next(&wheel);
	if (below(2) && next.ns != INT64_MAX)
		now.ns = next.ns > now.ns ? next.ns : now.ns;
	else
		now.ns += (int64_t)below(1ull << below(40));
	wheel_expire(&wheel, now);
	for (size_t i = 0; i < TIMERS && !meddle; i++)
		assert_true(!entries[i].armed || entries[i].at.ns > now.ns - 1000000);
	compare();
}

static void against_model(void **state)
{
	for (uint64_t seed = 1; seed <= 40; seed++) {
		start(seed, seed % 2);
		for (int step = 0; step < STEPS; step++) {
			struct entry *entry = &entries[below(TIMERS)];
			switch (below(4)) {
			case 0:
			case 1:
				arm(entry, some_instant());
				break;
			case 2:
				disarm(entry);
				break;
			case 3:
				advance();
				break;
			}
		}
		meddle = false;
		while (wheel_next(&wheel).ns != INT64_MAX) {
			struct instant next = wheel_next(&wheel);
			now.ns = next.ns > now.ns ? next.ns : now.ns;
			wheel_expire(&wheel, now);
		}
		compare();
		assert_int_equal(wheel.count, 0);
	}
}

static void exact_bounds(void **state)
{
	start(1, false);
	now = (struct instant){10500000};
	wheel_init(&wheel, now);
	assert_int_equal(wheel_next(&wheel).ns, INT64_MAX);
	arm(&entries[0], (struct instant){12000000});
	arm(&entries[1], (struct instant){12000001});
	assert_int_equal(wheel_next(&wheel).ns, 12000000);
	now.ns = 11999999;
	assert_int_equal(wheel_expire(&wheel, now), 0);
	now.ns = 12000000;
	assert_int_equal(wheel_expire(&wheel, now), 1);
	assert_int_equal(entries[0].fired, 1);
	assert_int_equal(wheel_next(&wheel).ns, 13000000);
	now.ns = 13000000;
	assert_int_equal(wheel_expire(&wheel, now), 1);
	assert_int_equal(entries[1].fired, 1);
	assert_int_equal(wheel_next(&wheel).ns, INT64_MAX);
	/* The past is due at once, never is never. */
	arm(&entries[2], (struct instant){1});
	arm(&entries[3], INSTANT_NEVER);
	assert_true(wheel_next(&wheel).ns <= now.ns);
	assert_int_equal(wheel_expire(&wheel, now), 1);
	now.ns = INT64_MAX;
	assert_int_equal(wheel_expire(&wheel, now), 0);
	assert_int_equal(wheel_next(&wheel).ns, INT64_MAX);
	disarm(&entries[3]);
	disarm(&entries[3]);
	assert_int_equal(wheel.count, 0);
}

static void again(struct timer *timer)
{
	struct entry *entry = OWNER(timer, struct entry, timer);
	entry->fired++;
	timer_arm(&wheel, timer, now);
}

static void arms_itself(void **state)
{
	start(2, false);
	entries[0].timer.expired = again;
	timer_arm(&wheel, &entries[0].timer, now);
	timer_arm(&wheel, &entries[0].timer, instant_after(now, DURATION_S(1)));
	assert_int_equal(wheel.count, 1);
	now = instant_after(now, DURATION_S(2));
	for (uint32_t i = 1; i < 5; i++) {
		assert_int_equal(wheel_expire(&wheel, now), 1);
		assert_int_equal(entries[0].fired, i);
		now = instant_after(now, DURATION_MS(1));
	}
	timer_disarm(&entries[0].timer);
	assert_int_equal(wheel.count, 0);
}

static void disarm_others(struct timer *timer)
{
	OWNER(timer, struct entry, timer)->fired++;
	for (size_t i = 0; i < TIMERS; i++)
		timer_disarm(&entries[i].timer);
}

static void disarmed_while_due(void **state)
{
	start(3, false);
	for (size_t i = 0; i < TIMERS; i++) {
		entries[i].timer.expired = disarm_others;
		timer_arm(&wheel, &entries[i].timer, instant_after(now, DURATION_MS(i % 5)));
	}
	now = instant_after(now, DURATION_S(1));
	assert_int_equal(wheel_expire(&wheel, now), 1);
	assert_int_equal(wheel.count, 0);
	assert_int_equal(wheel_expire(&wheel, now), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(against_model),
		cmocka_unit_test(exact_bounds),
		cmocka_unit_test(arms_itself),
		cmocka_unit_test(disarmed_while_due),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
