/* tests/unit/ring_socket_test.c - sockets of both engines: listening, accepting,
 * connecting, and running out of them.
 */
#include "tests/unit/ring_peers.h"

#include <netinet/in.h>
#include <sys/stat.h>

static void connect_refused(void **state)
{
	static struct caught caught;
	struct world world;
	struct address address;
	world_init(&world, 64);
	int before = descriptors();
	int listener = listen_at(&world, "127.0.0.1:0", &address);
	ring_close(world.ring, listener, false);
	connect_to(&world, &caught, &address);
	TURN_UNTIL(&world, caught.finals == 1);
	assert_int_equal(caught.end, -ECONNREFUSED);
	assert_true(address_parse(&address, "unix:/nonexistent/socket"));
	connect_to(&world, &caught, &address);
	TURN_UNTIL(&world, caught.finals == 1);
	assert_int_equal(caught.end, -ENOENT);
	connect_to(&world, &caught, &(struct address){0});
	TURN_UNTIL(&world, caught.finals == 1);
	assert_int_equal(caught.end, -EINVAL);
	assert_int_equal(descriptors(), before);
	world_fini(&world);
}

static void accept_thousand(void **state)
{
	enum { CONNECTIONS = 1000 };
	static struct caught to;
	static struct caught from[CONNECTIONS];
	struct world world;
	struct address address, peer, local;
	world_init(&world, 64);
	int listener = listen_at(&world, "127.0.0.1:0", &address), connected = 0;
	to = (struct caught){.op.done = caught_done};
	ring_accept(world.ring, &to.op, listener);
	for (int i = 0; i < CONNECTIONS; i++) {
		from[i] = (struct caught){.op.done = caught_done};
		ring_connect(world.ring, &from[i].op, &address);
	}
	TURN_UNTIL(&world, to.count == CONNECTIONS);
	for (int i = 0; i < CONNECTIONS; i++) {
		TURN_UNTIL(&world, from[i].finals == 1);
		connected += from[i].count;
	}
	assert_int_equal(connected, CONNECTIONS);
	assert_true(to.op.submitted);
	for (int i = 0; i < CONNECTIONS; i++) {
		assert_int_equal(ring_peer(world.ring, from[i].fds[0], &peer), 0);
		assert_true(address_is_equal(&peer, &address));
		assert_int_equal(ring_local(world.ring, to.fds[i], &local), 0);
		assert_true(address_is_equal(&local, &address));
		assert_int_not_equal(fcntl(to.fds[i], F_GETFD) & FD_CLOEXEC, 0);
		assert_int_not_equal(fcntl(from[i].fds[0], F_GETFD) & FD_CLOEXEC, 0);
		ring_close(world.ring, to.fds[i], false);
		ring_close(world.ring, from[i].fds[0], i % 2);
	}
	ring_cancel(world.ring, &to.op);
	ring_cancel(world.ring, &to.op);
	TURN_UNTIL(&world, to.finals == 1);
	assert_int_equal(to.end, -ECANCELED);
	settle(&world);
	assert_int_equal(to.finals, 1);
	ring_close(world.ring, listener, false);
	world_fini(&world);
}

/* A listener whose backlog is full drops what comes next: a black hole. */
static void connect_cancelled(void **state)
{
	enum { CONNECTS = 40 };
	static struct caught from[CONNECTS];
	struct world world;
	struct address address, local;
	int cancelled = 0;
	world_init(&world, 64);
	assert_true(address_parse(&address, "127.0.0.1:0"));
	int before = descriptors();
	int listener = ring_listen(world.ring, &address, 0);
	assert_int_equal(ring_local(world.ring, listener, &local), 0);
	for (int i = 0; i < CONNECTS; i++)
		connect_to(&world, &from[i], &local);
	for (int i = 0; i < 10; i++)
		settle(&world);
	for (int i = 0; i < CONNECTS; i++) {
		if (!from[i].op.submitted)
			continue;
		ring_cancel(world.ring, &from[i].op);
		ring_cancel(world.ring, &from[i].op);
		assert_true(from[i].op.submitted);
	}
	for (int i = 0; i < CONNECTS; i++) {
		TURN_UNTIL(&world, from[i].finals == 1);
		cancelled += from[i].end == -ECANCELED;
		assert_true(from[i].end == -ECANCELED || from[i].count == 1);
		if (from[i].count)
			ring_close(world.ring, from[i].fds[0], true);
	}
	assert_true(cancelled > 0);
	ring_close(world.ring, listener, false);
	settle(&world);
	for (int i = 0; i < CONNECTS; i++)
		assert_int_equal(from[i].finals, 1);
	assert_int_equal(descriptors(), before);
	world_fini(&world);
}

/* The kernel may have made the connection by then: whoever accepts it must not see an end in order. */
static void connect_cancelled_too_late(void **state)
{
	static struct caught from;
	struct world world;
	struct address address;
	char byte;
	world_init(&world, 64);
	int listener = listen_at(&world, "127.0.0.1:0", &address);
	connect_to(&world, &from, &address);
	ring_cancel(world.ring, &from.op);
	TURN_UNTIL(&world, from.finals == 1);
	if (from.count)
		ring_close(world.ring, from.fds[0], true);
	int there = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	assert_true(there >= 0 || world.ring->table != &ring_epoll);
	if (there >= 0) {
		assert_int_equal(recv(there, &byte, 1, 0), -1);
		assert_int_equal(errno, ECONNRESET);
		close(there);
	}
	ring_close(world.ring, listener, false);
	world_fini(&world);
}

/* The same at a unix socket, where an engine may also give up at once because the queue is full. */
static void connect_cancelled_unix(void **state)
{
	enum { CONNECTS = 6 };
	static struct caught from[CONNECTS];
	struct world world;
	struct address address;
	char text[64];
	snprintf(text, sizeof text, "unix:/tmp/ring_test.%d", (int)getpid());
	world_init(&world, 64);
	assert_true(address_parse(&address, text));
	int before = descriptors();
	int listener = ring_listen(world.ring, &address, 0);
	assert_true(listener >= 0);
	for (int i = 0; i < CONNECTS; i++)
		connect_to(&world, &from[i], &address);
	for (int i = 0; i < 10; i++)
		settle(&world);
	for (int i = 0; i < CONNECTS; i++) {
		if (from[i].op.submitted)
			ring_cancel(world.ring, &from[i].op);
		TURN_UNTIL(&world, from[i].finals == 1);
		assert_true(from[i].end == -ECANCELED || from[i].end == -EAGAIN || from[i].count == 1);
		if (from[i].count)
			ring_close(world.ring, from[i].fds[0], true);
	}
	ring_close(world.ring, listener, false);
	unlink(address.path);
	assert_int_equal(descriptors(), before);
	world_fini(&world);
}

static int lowest_free(void)
{
	int fd = dup(0);
	assert_true(fd >= 0);
	close(fd);
	return fd;
}

/* No descriptor left: one client is turned away, the op ends with the error, and all goes on later. */
static void descriptors_exhausted(void **state)
{
	enum { CLIENTS = 8, ROOM = 3 };
	static struct caught to;
	struct world world;
	struct address address;
	struct rlimit limit, low;
	int clients[CLIENTS], turned_away = 0;
	world_init(&world, 64);
	int listener = listen_at(&world, "127.0.0.1:0", &address);
	struct sockaddr_in name = {.sin_family = AF_INET, .sin_port = htons(address.port),
				   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	for (int i = 0; i < CLIENTS; i++) {
		clients[i] = socket(AF_INET, SOCK_STREAM, 0);
		assert_int_equal(connect(clients[i], (struct sockaddr *)&name, sizeof name), 0);
		assert_int_equal(fcntl(clients[i], F_SETFL, O_NONBLOCK), 0);
	}
	to = (struct caught){.op.done = caught_done};
	ring_accept(world.ring, &to.op, listener);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	low = (struct rlimit){.rlim_cur = (rlim_t)lowest_free() + ROOM, .rlim_max = limit.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
	TURN_UNTIL(&world, to.finals == 1);
	assert_int_equal(to.end, -EMFILE);
	assert_int_equal(to.count, ROOM);
	for (int i = 0; i < 3; i++) {
		ring_accept(world.ring, &to.op, listener);
		TURN_UNTIL(&world, !to.op.submitted);
		assert_int_equal(to.end, -EMFILE);
	}
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	ring_accept(world.ring, &to.op, listener);
	TURN_UNTIL(&world, to.count == CLIENTS - 4);
	settle(&world);
	assert_int_equal(to.count, CLIENTS - 4);
	for (int i = 0; i < CLIENTS; i++) {
		char byte;
		ssize_t size = read(clients[i], &byte, 1);
		turned_away += size == 0 || errno != EAGAIN;
		close(clients[i]);
	}
	assert_int_equal(turned_away, 4);
	ring_cancel(world.ring, &to.op);
	TURN_UNTIL(&world, !to.op.submitted);
	for (int i = 0; i < to.count; i++)
		ring_close(world.ring, to.fds[i], false);
	ring_close(world.ring, listener, false);
	world_fini(&world);
}

static void dual_stack(void **state)
{
	static struct caught to, from;
	struct world world;
	struct address any, target, peer;
	world_init(&world, 64);
	int listener = listen_at(&world, ":0", &any);
	to = (struct caught){.op.done = caught_done};
	ring_accept(world.ring, &to.op, listener);
	static const char *const hosts[] = {"127.0.0.1", "::1"};
	for (int i = 0; i < 2; i++) {
		assert_true(address_of_literal(&target, hosts[i], any.port));
		connect_to(&world, &from, &target);
		TURN_UNTIL(&world, from.finals == 1);
		if (i == 1 && from.end == -EADDRNOTAVAIL)
			break;
		TURN_UNTIL(&world, to.count == i + 1);
		assert_int_equal(ring_peer(world.ring, to.fds[i], &peer), 0);
		assert_int_equal(peer.family, target.family);
		assert_true(address_is_loopback(&peer));
		assert_int_equal(ring_option(world.ring, to.fds[i], RING_NODELAY, 1), 0);
		assert_int_equal(ring_option(world.ring, to.fds[i], RING_KEEPALIVE, 30), 0);
		assert_int_equal(ring_option(world.ring, to.fds[i], RING_USER_TIMEOUT, 30000), 0);
		assert_true(ring_option(world.ring, listener, (enum ring_option)99, 1) < 0);
		ring_close(world.ring, to.fds[i], false);
		ring_close(world.ring, from.fds[0], false);
	}
	/* The port is taken, for both families. */
	assert_int_equal(ring_listen(world.ring, &any, 10), -EADDRINUSE);
	ring_cancel(world.ring, &to.op);
	TURN_UNTIL(&world, to.finals == 1);
	ring_close(world.ring, listener, false);
	world_fini(&world);
}

static void unix_listeners(void **state)
{
	static struct caught to, from;
	struct world world;
	struct address address, peer;
	char text[64];
	snprintf(text, sizeof text, "unix:/tmp/ring_test.%d", (int)getpid());
	world_init(&world, 64);
	/* Stale once, then alive. */
	int listener = listen_at(&world, text, &address);
	ring_close(world.ring, listener, false);
	listener = listen_at(&world, text, &address);
	assert_int_equal(ring_listen(world.ring, &address, 10), -EADDRINUSE);
	to = (struct caught){.op.done = caught_done};
	ring_accept(world.ring, &to.op, listener);
	connect_to(&world, &from, &address);
	TURN_UNTIL(&world, from.finals == 1 && to.count >= 1);
	assert_int_equal(from.count, 1);
	assert_int_equal(ring_peer(world.ring, from.fds[0], &peer), 0);
	assert_true(address_is_equal(&peer, &address));
	ring_cancel(world.ring, &to.op);
	TURN_UNTIL(&world, to.finals == 1);
	ring_close(world.ring, from.fds[0], false);
	for (int i = 0; i < to.count; i++)
		ring_close(world.ring, to.fds[i], false);
	ring_close(world.ring, listener, false);
	/* A file that is no socket is never removed. */
	unlink(address.path);
	int file = open(address.path, O_CREAT | O_WRONLY, 0600);
	close(file);
	assert_int_equal(ring_listen(world.ring, &address, 10), -EADDRINUSE);
	assert_int_equal(access(address.path, F_OK), 0);
	unlink(address.path);
	world_fini(&world);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(connect_refused),
		cmocka_unit_test(accept_thousand),
		cmocka_unit_test(connect_cancelled),
		cmocka_unit_test(connect_cancelled_too_late),
		cmocka_unit_test(connect_cancelled_unix),
		cmocka_unit_test(descriptors_exhausted),
		cmocka_unit_test(dual_stack),
		cmocka_unit_test(unix_listeners),
	};
	return RUN_ON_BOTH(tests);
}
