/* tests/unit/ring_test.c - turns of both engines: creating, waking,
 * sleeping, fairness, queues that are full.
 */
#include "tests/unit/ring_peers.h"
#include "tests/unit/ring_traffic.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sched.h>

static void create_and_destroy(void **state)
{
	int before = descriptors();
	struct world world;
	for (int i = 0; i < 20; i++) {
		world_init(&world, 64);
		if (i % 2)
			ring_run(world.ring, (struct instant){0});
		world_fini(&world);
	}
	assert_int_equal(descriptors(), before);
}

struct waker {
	pthread_t thread;
	struct world *world;
	atomic_uint posted, seen;
	uint32_t rounds;
	bool in_step; /* waits until each one was seen */
};

static void *waker_main(void *argument)
{
	struct waker *waker = argument;
	for (uint32_t i = 1; i <= waker->rounds; i++) {
		atomic_fetch_add(&waker->posted, 1);
		ring_wake(waker->world->ring);
		while (waker->in_step && atomic_load(&waker->seen) < i)
			sched_yield();
	}
	return NULL;
}

/* No wake is lost: the ring sleeps without a limit, so a lost one would be the end of it. */
static void wakes(void **state)
{
	enum { WAKERS = 4 };
	struct world world;
	struct waker wakers[WAKERS];
	world_init(&world, 64);
	for (int in_step = 0; in_step < 2; in_step++) {
		uint32_t rounds = in_step ? 1500 : 20000, count = in_step ? 1 : WAKERS, seen = 0;
		for (uint32_t i = 0; i < count; i++) {
			wakers[i] = (struct waker){.world = &world, .rounds = rounds, .in_step = in_step};
			assert_int_equal(pthread_create(&wakers[i].thread, NULL, waker_main, &wakers[i]), 0);
		}
		while (seen < rounds * count) {
			assert_true(ring_run(world.ring, INSTANT_NEVER) >= 0);
			seen = 0;
			for (uint32_t i = 0; i < count; i++) {
				uint32_t posted = atomic_load(&wakers[i].posted);
				atomic_store(&wakers[i].seen, posted);
				seen += posted;
			}
		}
		for (uint32_t i = 0; i < count; i++)
			pthread_join(wakers[i].thread, NULL);
	}
	/* A wake before run() is not lost either, and many are one. */
	for (int i = 0; i < 100; i++)
		ring_wake(world.ring);
	ring_run(world.ring, INSTANT_NEVER);
	world_fini(&world);
}

static void deadlines(void **state)
{
	static const int spans_us[] = {1, 700, 1000, 5300, 20000, 60000};
	struct world world;
	world_init(&world, 64);
	for (size_t i = 0; i < COUNT_OF(spans_us); i++) {
		ring_run(world.ring, (struct instant){0});
		struct instant start = ring_now(world.ring);
		struct instant deadline = {start.ns + spans_us[i] * 1000ll};
		int turns = 0;
		while (instant_before(ring_now(world.ring), deadline)) {
			assert_int_equal(ring_run(world.ring, deadline), 0);
			turns++;
		}
		/* Not by turning around: it slept. A signal may cut a sleep, so a few are allowed. */
		assert_true(turns <= 5);
	}
	for (int i = 0; i < 1000; i++)
		assert_int_equal(ring_run(world.ring, (struct instant){i % 2}), 0);
	world_fini(&world);
}

static struct instant received_at;

static void note_time(struct sink *sink, struct buf *buf)
{
	received_at = sink->world->now;
	buf_unref(buf);
}

/* What completes sees the time of its own turn, not that of the one before a long sleep. */
static void time_of_a_turn(void **state)
{
	struct world world;
	struct sink sink;
	int fds[2];
	world_init(&world, 64);
	pair_open(fds);
	sink_start(&sink, &world, fds[0], 1);
	sink.received_fn = note_time;
	ring_run(world.ring, (struct instant){0});
	struct timespec time;
	clock_gettime(CLOCK_BOOTTIME, &time);
	assert_int_equal(write_pattern(fds[1], 1, 0, 100), 100);
	TURN_UNTIL(&world, sink.received == 100);
	assert_true(received_at.ns >= (int64_t)time.tv_sec * 1000000000 + time.tv_nsec);
	ring_cancel(world.ring, &sink.op);
	TURN_UNTIL(&world, sink.finals == 1);
	ring_close(world.ring, fds[0], false);
	ring_close(world.ring, fds[1], false);
	world_fini(&world);
}

static uint32_t greedy_turn, greedy_max;

static void greedy_received(struct sink *sink, struct buf *buf)
{
	buf_unref(buf);
	greedy_turn++;
}

/* One socket has megabytes waiting, others have little: it gets its share of a turn, they get theirs. */
static void fair_share(void **state)
{
	enum { OTHERS = 20, PREFILL = 3 << 20 };
	static uint8_t bytes[PREFILL];
	struct world world;
	struct sink greedy, others[OTHERS];
	int fds[2], other_fds[OTHERS][2], size = 8 << 20;
	world_init(&world, 256);
	tcp_open(&world, fds);
	setsockopt(fds[0], SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
	setsockopt(fds[1], SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
	pattern_fill(bytes, sizeof bytes, 1, 0);
	uint64_t written = 0;
	for (int i = 0; i < 200 && written < PREFILL; i++) {
		ssize_t done = write(fds[1], bytes + written, PREFILL - written);
		written += done > 0 ? (uint64_t)done : 0;
		if (done < 0)
			usleep(1000);
	}
	assert_true(written > 2 * RING_TURN_BUFFERS * (uint64_t)BUF_RECEIVE_SIZE);
	for (uint32_t i = 0; i < OTHERS; i++) {
		pair_open(other_fds[i]);
		assert_int_equal(write_pattern(other_fds[i][1], i, 0, 5000), 5000);
	}
	sink_start(&greedy, &world, fds[0], 1);
	greedy.received_fn = greedy_received;
	for (uint32_t i = 0; i < OTHERS; i++)
		sink_start(&others[i], &world, other_fds[i][0], i);
	greedy_max = 0;
	for (int round = 0; greedy.received < written; round++) {
		greedy_turn = 0;
		assert_true(turn(&world) >= 0);
		greedy_max = greedy_turn > greedy_max ? greedy_turn : greedy_max;
		for (uint32_t i = 0; i < OTHERS && round >= 3; i++)
			assert_int_equal(others[i].received, 5000);
	}
	assert_true(greedy_max <= RING_TURN_BUFFERS);
	ring_cancel(world.ring, &greedy.op);
	TURN_UNTIL(&world, greedy.finals == 1);
	ring_close(world.ring, fds[0], false);
	ring_close(world.ring, fds[1], false);
	for (int i = 0; i < OTHERS; i++) {
		ring_cancel(world.ring, &others[i].op);
		TURN_UNTIL(&world, others[i].finals == 1);
		ring_close(world.ring, other_fds[i][0], false);
		ring_close(world.ring, other_fds[i][1], false);
	}
	world_fini(&world);
}

static struct bufqueue hoard;

static void hoard_received(struct sink *sink, struct buf *buf)
{
	bufqueue_push(&hoard, buf);
}

/* More sockets than buffers, all with bytes waiting, and a receiver that is slow to give them back. */
static void starved_pool(uint32_t receive_max)
{
	enum { SOCKETS = 50, TOTAL = 400000 };
	struct world world;
	static struct sink sinks[SOCKETS];
	uint64_t written[SOCKETS] = {0};
	int fds[SOCKETS][2];
	uint64_t left = (uint64_t)SOCKETS * TOTAL;
	world_init(&world, receive_max);
	for (uint32_t i = 0; i < SOCKETS; i++) {
		pair_open(fds[i]);
		sink_start(&sinks[i], &world, fds[i][0], i);
		sinks[i].received_fn = hoard_received;
	}
	struct instant limit = instant_after(ring_now(world.ring), DURATION_S(PATIENCE_S));
	for (int round = 0; left > 0; round++) {
		assert_true(instant_before(ring_now(world.ring), limit));
		for (uint32_t i = 0; i < SOCKETS; i++)
			if (written[i] < TOTAL)
				written[i] += write_pattern(fds[i][1], i, written[i],
							    size_min(8000, TOTAL - written[i]));
		ring_run(world.ring, instant_after(ring_now(world.ring), DURATION_MS(1)));
		assert_true(world.bufs.receive_used <= receive_max);
		if (below(4) == 0)
			ring_rest(world.ring); /* no byte may go with the pages */
		if (round % 3 == 0)
			bufqueue_drop(&hoard);
		left = (uint64_t)SOCKETS * TOTAL;
		for (uint32_t i = 0; i < SOCKETS; i++) {
			assert_true(sinks[i].op.submitted);
			left -= sinks[i].received;
		}
	}
	bufqueue_drop(&hoard);
	/* All buffers held back: a cancel still completes, and an end is told once buffers are there. */
	struct buf *held[64];
	uint32_t count = 0;
	for (uint32_t i = 0; i < SOCKETS; i++) {
		sinks[i].received_fn = hoard_received;
		written[i] += write_pattern(fds[i][1], i, written[i], 1000);
		ring_close(world.ring, fds[i][1], false);
	}
	settle(&world);
	while (count < 64 && (held[count] = buf_receive(&world.bufs)))
		count++;
	for (uint32_t i = 0; i < SOCKETS; i += 2)
		if (sinks[i].op.submitted)
			ring_cancel(world.ring, &sinks[i].op);
	for (uint32_t i = 0; i < SOCKETS; i += 2)
		TURN_UNTIL(&world, sinks[i].finals == 1);
	bufqueue_drop(&hoard);
	while (count > 0)
		buf_unref(held[--count]);
	for (uint32_t i = 0; i < SOCKETS; i++)
		sinks[i].received_fn = NULL;
	for (uint32_t i = 0; i < SOCKETS; i++) {
		TURN_UNTIL(&world, sinks[i].finals == 1);
		if (i % 2) {
			assert_int_equal(sinks[i].end, 0);
			assert_int_equal(sinks[i].received, TOTAL + 1000);
		}
		ring_close(world.ring, fds[i][0], false);
	}
	world_fini(&world);
}

static void pool_of_four(void **state) { starved_pool(4); }
static void pool_of_one(void **state) { starved_pool(1); }
static void pool_of_forty(void **state) { starved_pool(40); }

/* More submissions at once than the queue has room for. */
static void full_queue(void **state)
{
	enum { SOCKETS = 3000 };
	struct world world;
	static struct sink sinks[SOCKETS];
	static int fds[SOCKETS][2];
	world_init(&world, 256);
	for (uint32_t i = 0; i < SOCKETS; i++) {
		pair_open(fds[i]);
		sink_start(&sinks[i], &world, fds[i][0], i);
		assert_int_equal(write_pattern(fds[i][1], i, 0, 1000), 1000);
	}
	for (uint32_t i = 0; i < SOCKETS; i++) {
		TURN_UNTIL(&world, sinks[i].received == 1000);
		ring_cancel(world.ring, &sinks[i].op);
	}
	for (uint32_t i = 0; i < SOCKETS; i++) {
		TURN_UNTIL(&world, sinks[i].finals == 1);
		ring_close(world.ring, fds[i][0], false);
		ring_close(world.ring, fds[i][1], false);
	}
	world_fini(&world);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(create_and_destroy),
		cmocka_unit_test(wakes),
		cmocka_unit_test(deadlines),
		cmocka_unit_test(time_of_a_turn),
		cmocka_unit_test(fair_share),
		cmocka_unit_test(pool_of_four),
		cmocka_unit_test(pool_of_one),
		cmocka_unit_test(pool_of_forty),
		cmocka_unit_test(full_queue),
	};
	return RUN_ON_BOTH(tests);
}
