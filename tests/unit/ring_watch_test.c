/* tests/unit/ring_watch_test.c - the epoll engine when the kernel will not watch one more descriptor
 * (fs.epoll.max_user_watches, or no memory): the op ends with the error, nothing leaks, nothing is kept.
 *
 * This file's epoll_ctl stands before the C library's.
 */
#include "ring/ring_datagram.h"
#include "tests/unit/ring_peers.h"

#include <sys/epoll.h>
#include <sys/syscall.h>

static bool exhausted;

int epoll_ctl(int epoll_fd, int operation, int fd, struct epoll_event *event)
{
	if (exhausted && operation == EPOLL_CTL_ADD) {
		errno = ENOSPC;
		return -1;
	}
	return (int)syscall(SYS_epoll_ctl, epoll_fd, operation, fd, event);
}

static void connecting(void **state)
{
	static struct caught from, to;
	struct world world;
	struct address address;
	world_init(&world, 64);
	int listener = listen_at(&world, "127.0.0.1:0", &address), before = descriptors();
	for (int cancels = 0; cancels < 2; cancels++) {
		exhausted = true;
		connect_to(&world, &from, &address);
		if (cancels)
			ring_cancel(world.ring, &from.op);
		TURN_UNTIL(&world, from.finals == 1);
		exhausted = false;
		assert_int_equal(from.count, 0);
		assert_int_equal(from.end, -ENOSPC);
		assert_int_equal(descriptors(), before);
	}
	/* the descriptor is as good as new */
	to = (struct caught){.op.done = caught_done};
	ring_accept(world.ring, &to.op, listener);
	connect_to(&world, &from, &address);
	TURN_UNTIL(&world, from.finals == 1);
	assert_int_equal(from.count, 1);
	ring_cancel(world.ring, &to.op);
	TURN_UNTIL(&world, to.finals == 1);
	for (int i = 0; i < to.count; i++)
		ring_close(world.ring, to.fds[i], false);
	ring_close(world.ring, from.fds[0], false);
	ring_close(world.ring, listener, false);
	world_fini(&world);
}

static void accepting(void **state)
{
	static struct caught to;
	struct world world;
	struct address address;
	world_init(&world, 64);
	int listener = listen_at(&world, "127.0.0.1:0", &address);
	to = (struct caught){.op.done = caught_done};
	exhausted = true;
	ring_accept(world.ring, &to.op, listener);
	TURN_UNTIL(&world, to.finals == 1);
	exhausted = false;
	assert_int_equal(to.end, -ENOSPC);
	ring_close(world.ring, listener, false);
	world_fini(&world);
}

struct reader {
	struct op op;
	int32_t received, end;
	uint32_t finals;
};

static void reader_done(struct op *op, struct op_result result)
{
	struct reader *reader = OWNER(op, struct reader, op);
	if (result.buf) {
		reader->received += result.res;
		buf_unref(result.buf);
	}
	if (!result.final)
		return;
	reader->end = result.res;
	reader->finals++;
}

/* What is there is delivered first. */
static void receiving(void **state)
{
	struct world world;
	int fds[2];
	world_init(&world, 64);
	pair_open(fds);
	for (int size = 0; size < 4; size += 3) {
		struct reader reader = {.op.done = reader_done};
		assert_int_equal(write(fds[1], "abc", (size_t)size), size);
		exhausted = true;
		ring_recv(world.ring, &reader.op, fds[0]);
		TURN_UNTIL(&world, reader.finals == 1);
		exhausted = false;
		assert_int_equal(reader.received, size);
		assert_int_equal(reader.end, -ENOSPC);
	}
	struct reader reader = {.op.done = reader_done};
	ring_recv(world.ring, &reader.op, fds[0]);
	settle(&world);
	assert_int_equal(write(fds[1], "abc", 3), 3);
	TURN_UNTIL(&world, reader.received == 3);
	close(fds[1]);
	TURN_UNTIL(&world, reader.finals == 1);
	assert_int_equal(reader.end, 0);
	ring_close(world.ring, fds[0], false);
	world_fini(&world);
}

static void sending(void **state)
{
	enum { MUCH = 1 << 22 };
	static uint8_t bytes[MUCH];
	struct world world;
	int fds[2];
	world_init(&world, 64);
	pair_open(fds);
	struct reader writer = {.op.done = reader_done};
	exhausted = true;
	ring_send(world.ring, &writer.op, fds[0], &(struct iovec){bytes, MUCH}, 1);
	TURN_UNTIL(&world, writer.finals == 1);
	exhausted = false;
	assert_int_equal(writer.end, -ENOSPC);
	while (read(fds[1], bytes, MUCH) > 0)
		;
	writer = (struct reader){.op.done = reader_done};
	ring_send(world.ring, &writer.op, fds[0], &(struct iovec){bytes, 3}, 1);
	TURN_UNTIL(&world, writer.finals == 1);
	assert_int_equal(writer.end, 3);
	close(fds[1]);
	ring_close(world.ring, fds[0], false);
	world_fini(&world);
}

static void datagrams(void **state)
{
	struct world world;
	struct address any;
	world_init(&world, 64);
	assert_true(address_parse(&any, "127.0.0.1:0"));
	int fd = ring_bind(world.ring, &any);
	assert_true(fd >= 0);
	struct reader reader = {.op.done = reader_done};
	exhausted = true;
	ring_recv_from(world.ring, &reader.op, fd);
	TURN_UNTIL(&world, reader.finals == 1);
	exhausted = false;
	assert_int_equal(reader.end, -ENOSPC);
	ring_close(world.ring, fd, false);
	world_fini(&world);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(connecting), cmocka_unit_test(accepting), cmocka_unit_test(receiving),
	    cmocka_unit_test(sending),	  cmocka_unit_test(datagrams),
	};
	table = &ring_epoll;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
