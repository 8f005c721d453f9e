/* tests/unit/ring_world.h - what the tests of the engines share: a ring with its pool, and a main that runs
 * every test on epoll and on io_uring.
 *
 * Exits with 77 (skipped) when epoll passed and io_uring cannot be had here.
 */
#ifndef TESTS_UNIT_RING_WORLD_H
#define TESTS_UNIT_RING_WORLD_H

#include "ring/ring.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>
#include <cmocka.h>

enum { PATIENCE_S = 60 };

static const struct ring_table *table; /* the engine under test */
static uint64_t random_state = 1;

static inline uint64_t below(uint64_t limit) { return random_next(&random_state) % limit; }

/* A ring and the pool of its buffers. */
struct world {
	struct ring *ring;
	struct bufpool bufs;
	struct instant now;
};

static inline void world_init(struct world *world, uint32_t receive_max)
{
	char why[RING_WHY_SIZE] = "";
	bufpool_init(&world->bufs, receive_max, 1u << 30);
	struct ring_options options = {.bufs = &world->bufs, .entries = 2048, .now = &world->now};
	int error = table->create(&world->ring, &options, why);
	if (error)
		fail_msg("%s: %s", table->name, why);
}

static inline void world_fini(struct world *world)
{
	ring_destroy(world->ring);
	bufpool_fini(&world->bufs);
}

static inline int turn(struct world *world)
{
	return ring_run(world->ring, instant_after(ring_now(world->ring), DURATION_MS(100)));
}

#define TURN_UNTIL(world, condition) \
	do { \
		struct instant limit_ = instant_after(ring_now((world)->ring), DURATION_S(PATIENCE_S)); \
		while (!(condition)) { \
			assert_true(instant_before(ring_now((world)->ring), limit_)); \
			assert_true(turn(world) >= 0); \
		} \
	} while (0)

/* Whatever is still on its way arrives in a few turns that do not sleep long. */
static inline void settle(struct world *world)
{
	for (int i = 0; i < 5; i++)
		ring_run(world->ring, instant_after(ring_now(world->ring), DURATION_MS(2)));
}

static inline void pair_open(int fds[2])
{
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
}

static inline int descriptors(void)
{
	int count = 0;
	for (int fd = 0; fd < 8192; fd++)
		count += fcntl(fd, F_GETFD) != -1;
	return count;
}

/* Every test on both engines; the result of main(). */
static inline int run_on_both(const struct CMUnitTest *tests, size_t count)
{
	char why[RING_WHY_SIZE];
	struct rlimit limit;
	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	table = &ring_epoll;
	int failed = _cmocka_run_group_tests("epoll", tests, count, NULL, NULL);
	if (!ring_choose("io_uring", why)) {
		fprintf(stderr, "SKIPPED: nothing was tested on io_uring: %s\n", why);
		return failed ? failed : 77;
	}
	table = &ring_uring;
	return failed + _cmocka_run_group_tests("io_uring", tests, count, NULL, NULL);
}

#define RUN_ON_BOTH(tests) run_on_both((tests), COUNT_OF(tests))

#endif
