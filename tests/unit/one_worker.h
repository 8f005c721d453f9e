/* tests/unit/one_worker.h - a process of one worker on epoll, turned by hand; for tests of ring that need no
 * peers. Owner: the test program. worker_begin and worker_end are its group's setup and teardown.
 */
#ifndef TESTS_UNIT_ONE_WORKER_H
#define TESTS_UNIT_ONE_WORKER_H

#include "ring/process.h"
#include "ring/ring_choose.h"

static struct process process;           /* .resolve: set before worker_begin by who needs it */
static struct worker *worker;

static void turn(void) { worker_turn(worker, instant_after(ring_now(worker->ring), DURATION_MS(10))); }

static void populate(struct process *populated, struct hub *hub) {}

static int worker_begin(void **state)
{
	char why[RING_WHY_SIZE];
	process.engine = ring_choose("epoll", why);
	process.limits = LIMITS_DEFAULT;
	process.limits.process_memory = 64 << 20;
	process.populate = populate;
	if (!process.engine || !process_init(&process, 1, (struct instant){1000000000}))
		return -1;
	worker = &process.workers[0];
	return worker_start(worker, why) ? 0 : -1;
}

static int worker_end(void **state)
{
	worker_stop(worker);
	while (worker_turn(worker, instant_after(ring_now(worker->ring), DURATION_MS(10))))
		;
	worker_fini(worker);
	process_fini(&process);
	return 0;
}

#endif
