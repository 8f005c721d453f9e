/* tests/unit/ring_peers.h - listeners and connections of the ring under test.
 */
#ifndef TESTS_UNIT_RING_PEERS_H
#define TESTS_UNIT_RING_PEERS_H

#include "tests/unit/ring_world.h"

/* One end of a TCP connection of the ring's making. */
struct caught {
	struct op op;
	int fds[4096];
	int count;
	int32_t end;
	uint32_t finals;
};

static inline void caught_done(struct op *op, struct op_result result)
{
	struct caught *caught = OWNER(op, struct caught, op);
	if (result.res >= 0)
		caught->fds[caught->count++] = result.res;
	if (!result.final)
		return;
	caught->end = result.res;
	caught->finals++;
}

static inline int listen_at(struct world *world, const char *text, struct address *address)
{
	assert_true(address_parse(address, text));
	int fd = ring_listen(world->ring, address, 4096);
	assert_true(fd >= 0);
	if (address->family == ADDRESS_UNIX)
		return fd;
	struct address local;
	assert_int_equal(ring_local(world->ring, fd, &local), 0);
	assert_int_not_equal(local.port, 0);
	address->port = local.port;
	return fd;
}

/* Two connected TCP sockets: [0] was connected, [1] accepted. */
static inline void tcp_open(struct world *world, int fds[2])
{
	struct address address;
	static struct caught from, to;
	int listener = listen_at(world, "127.0.0.1:0", &address);
	from = to = (struct caught){.op.done = caught_done};
	ring_accept(world->ring, &to.op, listener);
	ring_connect(world->ring, &from.op, &address);
	TURN_UNTIL(world, from.count == 1 && to.count == 1);
	assert_int_equal(from.finals, 1);
	ring_cancel(world->ring, &to.op);
	TURN_UNTIL(world, to.finals == 1);
	assert_int_equal(to.end, -ECANCELED);
	ring_close(world->ring, listener, false);
	fds[0] = from.fds[0];
	fds[1] = to.fds[0];
}

static inline void connect_to(struct world *world, struct caught *caught, const struct address *address)
{
	*caught = (struct caught){.op.done = caught_done};
	ring_connect(world->ring, &caught->op, address);
	assert_true(caught->op.submitted && caught->finals == 0);
}

#endif
