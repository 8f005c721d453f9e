/* tests/unit/window_test.c - windows grow with what the way can carry, within limits, and shrink again. */
#include <setjmp.h>
#include <stdarg.h>

#include "core/hub.h"
#include "core/session.h"
#include "core/window.h"

#include <cmocka.h>

enum { RTT_MS = 100 };

struct world {
	struct hub hub;
	struct session session;
	struct channel channel;
};

static void world_init(struct world *world)
{
	memset(world, 0, sizeof *world);
	world->hub.now = (struct instant){1000000000};
	world->hub.budget.max = (size_t)1 << 30;
	world->session.hub = &world->hub;
	world->session.rtt = DURATION_MS(RTT_MS);
	world->channel.session = &world->session;
	window_begin(&world->channel);
}

/* The peer sends half of its window and it is consumed `ms` after the last grant. Returns what is granted. */
static uint64_t half(struct world *world, int64_t ms)
{
	struct channel *channel = &world->channel;
	uint64_t size = channel->window / 2, before = channel->granted - size;
	world->hub.now = instant_after(world->hub.now, DURATION_MS(ms));
	channel->granted = before;
	channel->consumed = size;
	window_granted(channel, window_next(channel));
	assert_int_equal(channel->granted, channel->window);
	return channel->granted - before;
}

static void fast_one_grows(void **state)
{
	struct world world;
	world_init(&world);
	assert_int_equal(half(&world, 2 * RTT_MS - 1), LINK_WINDOW / 2 + LINK_WINDOW);
	assert_int_equal(world.channel.window, 2 * LINK_WINDOW);
	for (int i = 0; i < 20; i++)
		half(&world, 1);
	assert_int_equal(world.channel.window, WINDOW_MAX);
	assert_int_equal(world.hub.window_growth, WINDOW_MAX - LINK_WINDOW);
	window_end(&world.channel);
	assert_int_equal(world.hub.window_growth, 0);
}

/* A near peer needs no large one, and a reader that stops would fill it. */
static void near_one_grows_little(void **state)
{
	struct world world;
	world_init(&world);
	world.session.rtt = (struct duration){500000};
	for (int i = 0; i < 20; i++)
		half(&world, 0);
	assert_int_equal(world.channel.window, WINDOW_NEAR);
	world.session.rtt = DURATION_MS(4);
	for (int i = 0; i < 20; i++)
		half(&world, 1);
	assert_int_equal(world.channel.window, 2 * WINDOW_NEAR);
}

static void slow_one_stays(void **state)
{
	struct world world;
	world_init(&world);
	for (int i = 0; i < 20; i++)
		assert_int_equal(half(&world, 2 * RTT_MS), LINK_WINDOW / 2);
	world.session.rtt.ns = 0;                /* not measured: nothing is known */
	assert_int_equal(half(&world, 0), LINK_WINDOW / 2);
	assert_int_equal(world.hub.window_growth, 0);
}

static void shrinks_by_granting_less(void **state)
{
	struct world world;
	world_init(&world);
	half(&world, 1);
	half(&world, 1);
	assert_int_equal(world.channel.window, 4 * LINK_WINDOW);
	assert_int_equal(half(&world, 1000 * WINDOW_SLOW_S + 1), 0);
	assert_int_equal(world.channel.window, 2 * LINK_WINDOW);
	assert_int_equal(half(&world, 1000 * WINDOW_SLOW_S + 1), 0);
	assert_int_equal(world.channel.window, LINK_WINDOW);
	assert_int_equal(half(&world, 1000 * WINDOW_SLOW_S + 1), LINK_WINDOW / 2);
	assert_int_equal(world.hub.window_growth, 0);
}

/* The peer sends so much, it is consumed `ms` later, and granted where that is due. Returns whether. */
static bool eat(struct world *world, uint64_t size, int64_t ms)
{
	struct channel *channel = &world->channel;
	world->hub.now = instant_after(world->hub.now, DURATION_MS(ms));
	channel->granted -= size;
	channel->consumed += size;
	if (channel->consumed < window_step(channel))
		return false;
	window_granted(channel, window_next(channel));
	assert_int_equal(channel->granted, channel->window);
	return true;
}

/* The sender of a large one hears of it long before half of it is gone. */
static void large_one_is_granted_in_steps(void **state)
{
	struct world world;
	world_init(&world);
	assert_false(eat(&world, LINK_WINDOW / 2 - 1, 0));
	assert_true(eat(&world, 1, 0));
	while (world.channel.window < WINDOW_MAX)
		assert_true(eat(&world, window_step(&world.channel), 1));
	assert_int_equal(window_step(&world.channel), WINDOW_MAX / WINDOW_STEPS);
	world.channel.window = 4 * WINDOW_STEP;
	assert_int_equal(window_step(&world.channel), WINDOW_STEP);
	world.channel.window = WINDOW_STEP;
	assert_int_equal(window_step(&world.channel), WINDOW_STEP / 2);
}

/* Steps are not halves: what is judged is how long a half lasts. */
static void steps_are_judged_together(void **state)
{
	struct world world;
	world_init(&world);
	while (world.channel.window < WINDOW_MAX / 2)
		eat(&world, window_step(&world.channel), 1);
	for (int i = 0; i < 100; i++) {
		assert_true(eat(&world, WINDOW_STEP, 2 * RTT_MS / 7));
		assert_int_equal(world.channel.window, WINDOW_MAX / 2);
	}
	for (int i = 0; i < 16 && world.channel.window < WINDOW_MAX; i++)
		assert_true(eat(&world, WINDOW_STEP, 1));
	assert_int_equal(world.channel.window, WINDOW_MAX);
}

/* The stream goes on as fast as it was, but over a near way now: a reader that stops must not cost much. */
static void shrinks_when_the_way_is_short(void **state)
{
	struct world world;
	world_init(&world);
	while (world.channel.window < WINDOW_MAX)
		eat(&world, window_step(&world.channel), 1);
	world.session.rtt = (struct duration){200000};
	uint64_t eaten = 0;
	for (; eaten < 4 * (uint64_t)WINDOW_MAX; eaten += WINDOW_STEP / 4)
		eat(&world, WINDOW_STEP / 4, 0);
	assert_int_equal(world.channel.window, 2 * WINDOW_NEAR);
	assert_int_equal(world.hub.window_growth, 2 * WINDOW_NEAR - LINK_WINDOW);
	assert_int_equal(world.hub.counters[COUNTER_windows_shrunk], 3);
	assert_int_equal(world.hub.counters[COUNTER_windows_grown], 6);
}

/* After a rest the first half that is used up tells that it was too large. */
static void shrinks_after_a_rest(void **state)
{
	struct world world;
	world_init(&world);
	while (world.channel.window < WINDOW_MAX)
		eat(&world, window_step(&world.channel), 1);
	assert_false(eat(&world, WINDOW_STEP, 3600 * 1000));
	uint64_t eaten = 0;
	while (world.channel.window > LINK_WINDOW) {
		eat(&world, WINDOW_STEP / 8, 1000 * WINDOW_SLOW_S);
		eaten += WINDOW_STEP / 8;
	}
	assert_in_range(eaten, WINDOW_MAX / 2, WINDOW_MAX * 3 / 2);
	assert_int_equal(world.hub.window_growth, 0);
}

static void memory_bounds_growth(void **state)
{
	struct world world;
	world_init(&world);
	world.hub.budget.used = world.hub.budget.max / 2 + 1;
	half(&world, 1);
	assert_int_equal(world.channel.window, LINK_WINDOW);
	world.hub.budget.used = 0;
	world.hub.window_growth = world.hub.budget.max / 4 - LINK_WINDOW;
	half(&world, 1);
	assert_int_equal(world.channel.window, 2 * LINK_WINDOW);
	half(&world, 1);
	assert_int_equal(world.channel.window, 2 * LINK_WINDOW);
	assert_int_equal(world.hub.counters[COUNTER_windows_limit], 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fast_one_grows),
		cmocka_unit_test(near_one_grows_little),
		cmocka_unit_test(slow_one_stays),
		cmocka_unit_test(shrinks_by_granting_less),
		cmocka_unit_test(large_one_is_granted_in_steps),
		cmocka_unit_test(steps_are_judged_together),
		cmocka_unit_test(shrinks_when_the_way_is_short),
		cmocka_unit_test(shrinks_after_a_rest),
		cmocka_unit_test(memory_bounds_growth),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
