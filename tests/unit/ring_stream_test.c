/* tests/unit/ring_stream_test.c - bytes through both engines: nothing is lost,
 * whatever is cancelled, cut or moved.
 */
#include "tests/unit/ring_peers.h"
#include "tests/unit/ring_traffic.h"

static void one_stream(bool tcp, uint64_t total)
{
	struct world world;
	struct sink sink;
	struct source source;
	int fds[2];
	world_init(&world, 64);
	if (tcp)
		tcp_open(&world, fds);
	else
		pair_open(fds);
	sink_start(&sink, &world, fds[0], 5);
	source_start(&source, &world, fds[1], 5, total);
	source.then_shutdown = true;
	source_next(&source);
	TURN_UNTIL(&world, sink.finals == 1);
	assert_int_equal(sink.end, 0);
	assert_int_equal(sink.received, total);
	assert_int_equal(source.sent, total);
	free(source.bytes);
	/* The other direction is still open. */
	source_start(&source, &world, fds[0], 6, 100000);
	sink_start(&sink, &world, fds[1], 6);
	source_next(&source);
	TURN_UNTIL(&world, sink.received == 100000);
	free(source.bytes);
	ring_cancel(world.ring, &sink.op);
	TURN_UNTIL(&world, sink.finals == 1);
	ring_close(world.ring, fds[0], false);
	ring_close(world.ring, fds[1], false);
	world_fini(&world);
}

static void bulk_unix(void **state) { one_stream(false, 30000000); }
static void bulk_tcp(void **state) { one_stream(true, 30000000); }

enum { ECHO_POOL = 64, ECHO_HIGH = 200000, ECHO_SIZE = ECHO_HIGH + (ECHO_POOL + 1) * BUF_RECEIVE_SIZE };

/* An echo whose receive is cancelled while too much is waiting to be sent, and armed again later. */
struct echo {
	struct op recv, send;
	struct world *world;
	int fd;
	uint8_t bytes[ECHO_SIZE];
	size_t used, flight;
	struct iovec part;
	uint32_t pauses;
	bool paused, ended, over;
};

static void echo_send(struct echo *echo)
{
	if (echo->flight || echo->send.submitted)
		return;
	if (echo->used) {
		echo->flight = echo->used;
		echo->part = (struct iovec){echo->bytes, echo->flight};
		ring_send(echo->world->ring, &echo->send, echo->fd, &echo->part, 1);
	} else if (echo->ended && !echo->over) {
		echo->over = true;
		ring_shutdown(echo->world->ring, echo->fd);
	}
}

static void echo_send_done(struct op *op, struct op_result result)
{
	struct echo *echo = OWNER(op, struct echo, send);
	assert_int_equal(result.res, echo->flight);
	memmove(echo->bytes, echo->bytes + echo->flight, echo->used - echo->flight);
	echo->used -= echo->flight;
	echo->flight = 0;
	if (echo->paused && !echo->recv.submitted && echo->used < ECHO_HIGH / 2) {
		echo->paused = false;
		ring_recv(echo->world->ring, &echo->recv, echo->fd);
	}
	echo_send(echo);
}

static void echo_recv_done(struct op *op, struct op_result result)
{
	struct echo *echo = OWNER(op, struct echo, recv);
	if (result.res > 0) {
		/* What has been received already still comes after the cancel: at most all of the pool. */
		assert_true(echo->used + (size_t)result.res <= sizeof echo->bytes);
		memcpy(echo->bytes + echo->used, result.buf->bytes, (size_t)result.res);
		echo->used += (size_t)result.res;
		buf_unref(result.buf);
		if (echo->used > ECHO_HIGH && !echo->paused) {
			echo->paused = true;
			echo->pauses++;
			ring_cancel(echo->world->ring, op);
		}
	} else if (result.res == 0) {
		echo->ended = true;
	} else {
		assert_int_equal(result.res, -ECANCELED);
		assert_true(echo->paused);
		if (echo->used < ECHO_HIGH / 2) {
			echo->paused = false;
			ring_recv(echo->world->ring, &echo->recv, echo->fd);
		}
	}
	echo_send(echo);
}

static void echo_many(void **state)
{
	enum { CONNECTIONS = 60, TOTAL = 1500000 };
	struct world world;
	static struct sink sinks[CONNECTIONS];
	static struct source sources[CONNECTIONS];
	struct echo *echoes = calloc(CONNECTIONS, sizeof *echoes);
	int fds[2];
	int before = descriptors();
	world_init(&world, ECHO_POOL);
	for (uint32_t i = 0; i < CONNECTIONS; i++) {
		if (i % 2)
			tcp_open(&world, fds);
		else
			pair_open(fds);
		echoes[i].recv.done = echo_recv_done;
		echoes[i].send.done = echo_send_done;
		echoes[i].world = &world;
		echoes[i].fd = fds[1];
		ring_recv(world.ring, &echoes[i].recv, fds[1]);
		sink_start(&sinks[i], &world, fds[0], i);
		source_start(&sources[i], &world, fds[0], i, TOTAL);
		sources[i].then_shutdown = true;
		source_next(&sources[i]);
	}
	uint32_t pauses = 0;
	for (uint32_t i = 0; i < CONNECTIONS; i++) {
		TURN_UNTIL(&world, sinks[i].finals == 1 && !echoes[i].recv.submitted);
		assert_int_equal(sinks[i].end, 0);
		assert_int_equal(sinks[i].received, TOTAL);
		pauses += echoes[i].pauses;
		ring_close(world.ring, sinks[i].fd, false);
		ring_close(world.ring, echoes[i].fd, false);
		free(sources[i].bytes);
	}
	assert_true(pauses > 0);
	free(echoes);
	world_fini(&world);
	assert_int_equal(descriptors(), before);
}

/* Whatever the race between cancel and bytes: nothing is lost, one final completion, the op can be reused. */
static void cancel_races(void **state)
{
	enum { ROUNDS = 3000 };
	struct world world;
	struct sink sink;
	int fds[2];
	uint64_t written = 0;
	world_init(&world, 64);
	pair_open(fds);
	sink = (struct sink){.op.done = sink_done, .world = &world, .fd = fds[0], .id = 9};
	for (uint32_t i = 1; i <= ROUNDS; i++) {
		if (below(2))
			written += write_pattern(fds[1], 9, written, 1 + below(3000));
		ring_recv(world.ring, &sink.op, fds[0]);
		if (below(2))
			ring_run(world.ring, (struct instant){0});
		if (below(2))
			written += write_pattern(fds[1], 9, written, 1 + below(3000));
		if (below(2))
			ring_run(world.ring, (struct instant){0});
		ring_cancel(world.ring, &sink.op);
		if (below(2))
			written += write_pattern(fds[1], 9, written, 1 + below(3000));
		TURN_UNTIL(&world, !sink.op.submitted);
		assert_int_equal(sink.finals, i);
		assert_int_equal(sink.end, -ECANCELED);
	}
	ring_recv(world.ring, &sink.op, fds[0]);
	TURN_UNTIL(&world, sink.received == written);
	ring_cancel(world.ring, &sink.op);
	TURN_UNTIL(&world, !sink.op.submitted);
	ring_close(world.ring, fds[0], false);
	ring_close(world.ring, fds[1], false);
	world_fini(&world);
}

enum { GROUP = 100 };
static struct sink group[GROUP];

/* The first one that receives cancels all, while their completions are in the same batch. */
static void group_received(struct sink *sink, struct buf *buf)
{
	buf_unref(buf);
	for (int i = 0; i < GROUP; i++)
		if (group[i].op.submitted)
			ring_cancel(sink->world->ring, &group[i].op);
}

static void cancel_in_batch(void **state)
{
	struct world world;
	int fds[GROUP][2];
	world_init(&world, 128);
	for (uint32_t i = 0; i < GROUP; i++) {
		pair_open(fds[i]);
		sink_start(&group[i], &world, fds[i][0], i);
		group[i].received_fn = group_received;
	}
	settle(&world);
	for (uint32_t i = 0; i < GROUP; i++)
		assert_int_equal(write_pattern(fds[i][1], i, 0, 5000), 5000);
	for (int i = 0; i < GROUP; i++) {
		TURN_UNTIL(&world, group[i].finals == 1);
		assert_int_equal(group[i].end, -ECANCELED);
		group[i].received_fn = NULL;
		ring_recv(world.ring, &group[i].op, fds[i][0]);
		TURN_UNTIL(&world, group[i].received == 5000);
	}
	for (int i = 0; i < GROUP; i++)
		ring_close(world.ring, fds[i][1], false);
	for (int i = 0; i < GROUP; i++) {
		TURN_UNTIL(&world, group[i].finals == 2);
		assert_int_equal(group[i].end, 0);
		ring_close(world.ring, fds[i][0], false);
	}
	world_fini(&world);
}

/* Reads what is there, verifying it. */
static uint64_t drain(int fd, uint32_t id, uint64_t at)
{
	static uint8_t bytes[65536];
	ssize_t size;
	uint64_t count = 0;
	while ((size = read(fd, bytes, sizeof bytes)) > 0) {
		for (ssize_t i = 0; i < size; i++)
			assert_int_equal(bytes[i], pattern(id, at + count + (uint64_t)i));
		count += (uint64_t)size;
	}
	return count;
}

/* The peer does not read: the send is stuck, and its result tells exactly what went out. */
static void cancel_blocked_send(void **state)
{
	enum { SIZE = 24 << 20, PARTS = 24 };
	static uint8_t bytes[SIZE];
	struct world world;
	world_init(&world, 64);
	pattern_fill(bytes, SIZE, 3, 0);
	for (int tcp = 0; tcp < 2; tcp++) {
		struct source source = {.op.done = source_done, .world = &world};
		source.flight = source.total = SIZE;
		int fds[2];
		if (tcp)
			tcp_open(&world, fds);
		else
			pair_open(fds);
		for (int i = 0; i < PARTS; i++)
			source.parts[i] = (struct iovec){bytes + i * (SIZE / PARTS), SIZE / PARTS};
		ring_send(world.ring, &source.op, fds[0], source.parts, PARTS);
		settle(&world);
		/* Some is taken, so that the rest is continued in the middle of a part. */
		uint64_t read_count = drain(fds[1], 3, 0);
		settle(&world);
		assert_true(source.op.submitted);
		ring_cancel(world.ring, &source.op);
		assert_true(source.op.submitted);
		TURN_UNTIL(&world, source.finals == 1);
		assert_true(source.end > 0 && source.end < SIZE);
		ring_close(world.ring, fds[0], false);
		for (int i = 0; i < 1000 && read_count < (uint64_t)source.end; i++) {
			read_count += drain(fds[1], 3, read_count);
			settle(&world);
		}
		assert_int_equal(read_count + drain(fds[1], 3, read_count), source.end);
		ring_close(world.ring, fds[1], false);
	}
	world_fini(&world);
}

/* A reader that takes its time: the send continues over many short ones. */
static void slow_reader(void **state)
{
	enum { TOTAL = 12000000 };
	struct world world;
	struct source source;
	int fds[2];
	uint64_t count = 0;
	world_init(&world, 64);
	tcp_open(&world, fds);
	source_start(&source, &world, fds[0], 8, TOTAL);
	source_next(&source);
	while (count < TOTAL) {
		uint8_t bytes[30000];
		ssize_t size = read(fds[1], bytes, 1 + below(sizeof bytes));
		for (ssize_t i = 0; i < size; i++)
			assert_int_equal(bytes[i], pattern(8, count + (uint64_t)i));
		count += size > 0 ? (uint64_t)size : 0;
		struct instant soon = instant_after(ring_now(world.ring), DURATION_MS(1));
		ring_run(world.ring, size > 0 ? (struct instant){0} : soon);
	}
	TURN_UNTIL(&world, source.sent == TOTAL);
	free(source.bytes);
	ring_close(world.ring, fds[0], false);
	ring_close(world.ring, fds[1], false);
	world_fini(&world);
}

static void send_errors(void **state)
{
	struct world world;
	int fds[2];
	world_init(&world, 64);
	pair_open(fds);
	struct source source = {.op.done = source_done, .world = &world, .fd = fds[0], .flight = 3};
	source.parts[0] = (struct iovec){(void *)"abc", 3};
	ring_close(world.ring, fds[1], false);
	ring_send(world.ring, &source.op, fds[0], source.parts, 1);
	TURN_UNTIL(&world, source.finals == 1);
	assert_int_equal(source.end, -EPIPE);
	ring_close(world.ring, fds[0], false);
	world_fini(&world);
}

static void abort_resets(void **state)
{
	struct world world;
	struct sink sink;
	int fds[2];
	world_init(&world, 64);
	for (int early = 0; early < 2; early++) {
		tcp_open(&world, fds);
		if (early)
			assert_int_equal(write_pattern(fds[1], 2, 0, 100), 100);
		sink_start(&sink, &world, fds[0], 2);
		settle(&world);
		ring_close(world.ring, fds[1], true);
		TURN_UNTIL(&world, sink.finals == 1);
		assert_int_equal(sink.end, -ECONNRESET);
		assert_int_equal(sink.received, early ? 100 : 0);
		ring_close(world.ring, fds[0], false);
	}
	/* Without abort: an end, after all the bytes. */
	tcp_open(&world, fds);
	assert_int_equal(write_pattern(fds[1], 2, 0, 8000), 8000);
	ring_close(world.ring, fds[1], false);
	sink_start(&sink, &world, fds[0], 2);
	TURN_UNTIL(&world, sink.finals == 1);
	assert_int_equal(sink.end, 0);
	assert_int_equal(sink.received, 8000);
	ring_close(world.ring, fds[0], false);
	world_fini(&world);
}

static void moves(void **state)
{
	struct world here, there;
	struct sink sink;
	struct source source;
	int fds[2];
	world_init(&here, 64);
	world_init(&there, 64);
	for (int round = 0; round < 20; round++) {
		if (round % 2)
			pair_open(fds);
		else
			tcp_open(&here, fds);
		sink_start(&sink, &here, fds[0], 4);
		source_start(&source, &here, fds[1], 4, 300000);
		source_next(&source);
		TURN_UNTIL(&here, sink.received > 0);
		ring_cancel(here.ring, &sink.op);
		TURN_UNTIL(&here, !sink.op.submitted);
		ring_forget(here.ring, fds[0]);
		sink.world = &there;
		ring_recv(there.ring, &sink.op, fds[0]);
		TURN_UNTIL(&here, (ring_run(there.ring, (struct instant){0}), sink.received == 300000));
		ring_close(here.ring, fds[1], false);
		TURN_UNTIL(&there, sink.finals == 2);
		assert_int_equal(sink.end, 0);
		ring_close(there.ring, fds[0], false);
		free(source.bytes);
	}
	world_fini(&here);
	world_fini(&there);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(bulk_unix),
		cmocka_unit_test(bulk_tcp),
		cmocka_unit_test(echo_many),
		cmocka_unit_test(cancel_races),
		cmocka_unit_test(cancel_in_batch),
		cmocka_unit_test(cancel_blocked_send),
		cmocka_unit_test(slow_reader),
		cmocka_unit_test(send_errors),
		cmocka_unit_test(abort_resets),
		cmocka_unit_test(moves),
	};
	return RUN_ON_BOTH(tests);
}
