/* tests/unit/opens_test.c - limits.opens_per_second: what a link's peer may open, by hand-computed tables. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/wire_world.h"

static void begin(uint32_t opens_per_second)
{
	world_init(3);
	world.limits.opens_per_second = opens_per_second;
	for (int side = 0; side < 2; side++)
		world.script[side].credentials =
		    (struct credentials){.secret = slice_of("k"), .features = FEATURE_OURS};
	world_open(SERVER);
	world_open(CLIENT);
	for (int i = 0; i < 50; i++)
		world_turn(true);
	assert_non_null(strstr(world.script[SERVER].heard, "READY"));
}

/* Asks at that end; how many of them reach the other end. */
static unsigned ask(int side, unsigned count)
{
	uint32_t first = world.conn_count;
	unsigned came = 0;
	for (unsigned i = 0; i < count; i++)
		world_ask(side, side == CLIENT ? "web" : "", (uint16_t)(2 * world.conn_count));
	for (int i = 0; i < 100; i++)
		world_turn(true);
	for (uint32_t i = first; i < world.conn_count; i++)
		came += world.conns[i].asks && world.conns[i].peer;
	return came;
}

struct step {
	int64_t at_ms;
	unsigned asked, come;
};

static void run(int side, uint32_t per_second, const struct step *steps, size_t count)
{
	begin(per_second);
	struct instant start = world.hub.now;
	uint64_t refused = 0;
	for (size_t i = 0; i < count; i++) {
		world.hub.now = instant_after(start, DURATION_MS(steps[i].at_ms));
		assert_int_equal(ask(side, steps[i].asked), steps[i].come);
		refused += steps[i].asked - steps[i].come;
	}
	assert_int_equal(world.hub.counters[COUNTER_channels_limit], refused);
	assert_non_null(world.link[SERVER]);
	assert_non_null(world.link[CLIENT]);
	world_close();
}

/* A burst of a second's worth, then one each 250 ms. */
static const struct step four_a_second[] = {{0, 10, 4}, {250, 3, 1}, {500, 1, 1}, {600, 1, 0}, {5000, 6, 4}};
static const struct step no_limit[] = {{0, 20, 20}, {1, 5, 5}};

static void visitors(void **state) { run(CLIENT, 4, four_a_second, COUNT_OF(four_a_second)); }
static void users_of_ports(void **state) { run(SERVER, 4, four_a_second, COUNT_OF(four_a_second)); }

static void zero_is_no_limit(void **state)
{
	run(CLIENT, 0, no_limit, COUNT_OF(no_limit));
	run(SERVER, 0, no_limit, COUNT_OF(no_limit));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(visitors),
	    cmocka_unit_test(users_of_ports),
	    cmocka_unit_test(zero_is_no_limit),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
