/* bench/lib/primitive_ring.c - turns, messages through a socket, and wake-ups, on both engines; see
 * primitive.h.
 */
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "bench/lib/primitive.h"
#include "ring/process.h"

enum { BUFFERS = 64, ENTRIES = 256, MESSAGES = 100, MESSAGE_SIZE = 64, ASLEEP_US = 50 };

static struct bufpool pool;
static struct instant now;
static struct ring *ring;

static bool open_ring(const struct primitive *primitive, char why[PRIMITIVE_TEXT_SIZE])
{
	struct ring_options options = {.bufs = &pool, .entries = ENTRIES, .now = &now};

	if (ring_choose(primitive->engine->name, why) == NULL)
		return false;
	bufpool_init(&pool, BUFFERS, 64 << 20);
	if (primitive->engine->create(&ring, &options, why) == 0)
		return true;
	bufpool_fini(&pool);
	return false;
}

static void close_ring(const struct primitive *primitive)
{
	ring_destroy(ring);
	bufpool_fini(&pool);
}

/* Nothing to submit, nothing completed: what every further turn costs. */
static int64_t turn_ring(const struct primitive *primitive, uint32_t *count)
{
	int64_t begin = primitive_cpu_ns();

	for (uint32_t i = 0; i < PRIMITIVE_LOOP; i++)
		ring_run(ring, (struct instant){0});
	*count = PRIMITIVE_LOOP;
	return primitive_cpu_ns() - begin;
}

/* ---- one message: a send, its completion, the receive's ---- */

static int fds[2];
static struct op sends, receives;
static uint32_t received;

static void send_done(struct op *op, struct op_result result) { check(result.res == MESSAGE_SIZE); }

static void receive_done(struct op *op, struct op_result result)
{
	if (result.res > 0)
		received += (uint32_t)result.res;
	buf_unref(result.buf);
}

static bool open_pair(const struct primitive *primitive, char why[PRIMITIVE_TEXT_SIZE])
{
	if (!open_ring(primitive, why))
		return false;
	check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0);
	sends = (struct op){.done = send_done};
	receives = (struct op){.done = receive_done};
	ring_recv(ring, &receives, fds[1]);
	return true;
}

static void close_pair(const struct primitive *primitive)
{
	ring_cancel(ring, &receives);
	while (receives.submitted)
		ring_run(ring, INSTANT_NEVER);
	for (int i = 0; i < 2; i++)
		ring_close(ring, fds[i], false);
	close_ring(primitive);
}

static int64_t pass_messages(const struct primitive *primitive, uint32_t *count)
{
	static const uint8_t bytes[MESSAGE_SIZE];
	struct iovec part = {(void *)(uintptr_t)bytes, sizeof(bytes)};
	int64_t begin = primitive_cpu_ns();

	for (uint32_t i = 0; i < MESSAGES; i++) {
		received = 0;
		ring_send(ring, &sends, fds[0], &part, 1);
		while (sends.submitted || received < MESSAGE_SIZE)
			ring_run(ring, INSTANT_NEVER);
	}
	*count = MESSAGES;
	return primitive_cpu_ns() - begin;
}

/* ---- from ring_wake in one thread to the end of ring_run in another ---- */

static pthread_t waker;
static sem_t asked;
static atomic_bool stopping;
static _Atomic int64_t woken_at_ns;

/* Waits a little, so that the other thread sleeps when it is woken. */
static void *wake_when_asked(void *unused)
{
	const struct timespec pause = {.tv_nsec = ASLEEP_US * 1000};

	for (;;) {
		while (sem_wait(&asked) != 0)
			continue;
		if (atomic_load(&stopping))
			return NULL;
		nanosleep(&pause, NULL);
		atomic_store(&woken_at_ns, primitive_now_ns());
		ring_wake(ring);
	}
}

static bool open_waker(const struct primitive *primitive, char why[PRIMITIVE_TEXT_SIZE])
{
	if (!open_ring(primitive, why))
		return false;
	atomic_store(&stopping, false);
	check(sem_init(&asked, 0, 0) == 0);
	check(pthread_create(&waker, NULL, wake_when_asked, NULL) == 0);
	return true;
}

static void close_waker(const struct primitive *primitive)
{
	atomic_store(&stopping, true);
	sem_post(&asked);
	pthread_join(waker, NULL);
	sem_destroy(&asked);
	close_ring(primitive);
}

static int64_t sleep_and_wake(const struct primitive *primitive, uint32_t *count)
{
	atomic_store(&woken_at_ns, 0);
	sem_post(&asked);
	while (atomic_load(&woken_at_ns) == 0)
		ring_run(ring, INSTANT_NEVER);
	*count = 1;
	return primitive_now_ns() - atomic_load(&woken_at_ns);
}

/* ---- a whole worker with nothing to do ---- */

static struct process process;

static void populate_nothing(struct process *self, struct hub *hub) {}

static bool open_worker(const struct primitive *primitive, char why[PRIMITIVE_TEXT_SIZE])
{
	if (ring_choose(primitive->engine->name, why) == NULL)
		return false;
	process = (struct process){
	    .engine = primitive->engine, .limits = LIMITS_DEFAULT, .populate = populate_nothing, .seed = 1};
	process.limits.process_memory = 64 << 20;
	check(process_init(&process, 1, (struct instant){primitive_now_ns()}));
	if (worker_start(&process.workers[0], why))
		return true;
	process_fini(&process);
	return false;
}

static void close_worker(const struct primitive *primitive)
{
	worker_stop(&process.workers[0]);
	while (worker_turn(&process.workers[0], (struct instant){0}))
		continue;
	worker_fini(&process.workers[0]);
	process_fini(&process);
}

static int64_t turn_worker(const struct primitive *primitive, uint32_t *count)
{
	int64_t begin = primitive_cpu_ns();

	for (uint32_t i = 0; i < PRIMITIVE_LOOP; i++)
		worker_turn(&process.workers[0], (struct instant){0});
	*count = PRIMITIVE_LOOP;
	return primitive_cpu_ns() - begin;
}

#define ON(engine_, name_, open_, batch_, close_)                                                            \
	{                                                                                                    \
		.name = (name_), .engine = &(engine_), .open = (open_), .batch = (batch_), .close = (close_) \
	}

static const struct primitive all[] = {
    ON(ring_uring, "io_uring-turn", open_ring, turn_ring, close_ring),
    ON(ring_uring, "io_uring-message", open_pair, pass_messages, close_pair),
    ON(ring_uring, "io_uring-wake", open_waker, sleep_and_wake, close_waker),
    ON(ring_uring, "io_uring-worker-turn", open_worker, turn_worker, close_worker),
    ON(ring_epoll, "epoll-turn", open_ring, turn_ring, close_ring),
    ON(ring_epoll, "epoll-message", open_pair, pass_messages, close_pair),
    ON(ring_epoll, "epoll-wake", open_waker, sleep_and_wake, close_waker),
    ON(ring_epoll, "epoll-worker-turn", open_worker, turn_worker, close_worker),
};

const struct primitive_set primitives_ring = {all, COUNT_OF(all)};
