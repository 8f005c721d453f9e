/* tests/unit/seeds.h - a law that holds for every seed: runs them one after another, and names the one that
 * fails, which repeats it.
 *
 * The test gives seed_run. The program's arguments are [FIRST [COUNT]]. Include it in one file of a program,
 * behind cmocka.h.
 */
#ifndef TESTS_UNIT_SEEDS_H
#define TESTS_UNIT_SEEDS_H

#include <stdlib.h>

static uint64_t seed_first = 1, seed_count, seed_running;

static void seed_run(uint64_t seed);   /* of the test */

static void law(void **state)
{
	for (uint64_t seed = seed_first; seed < seed_first + seed_count; seed++) {
		seed_running = seed;
		seed_run(seed);
	}
	seed_running = 0;
}

static int name_seed(void **state)
{
	if (seed_running)
		print_message("seed %llu\n", (unsigned long long)seed_running);
	return 0;
}

/* The result of main(); without arguments `count` seeds from 1 on. */
static inline int seeds_main(int argc, char **argv, uint64_t count)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test_teardown(law, name_seed)};
	seed_first = argc > 1 ? strtoull(argv[1], NULL, 0) : seed_first;
	seed_count = argc > 2 ? strtoull(argv[2], NULL, 0) : argc > 1 ? 1 : count;
	return cmocka_run_group_tests(tests, NULL, NULL);
}

#endif
