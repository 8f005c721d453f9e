/* tests/unit/socks5_move_test.c - SOCKS5 users who came to the wrong worker, under real workers on both
 * engines: what they are owed, what they have said behind their request, and their associations go along.
 */
#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>

#include "protocols/frontends/dial.h"
#include "protocols/frontends/socks5.h"
#include "ring/process.h"
#include "tests/unit/ring_world.h"

enum { WORKERS = 2, SIZE = 3 << 20 };

static struct process process;
static struct service services[WORKERS];
static struct listening listening;
static uint16_t socks_port, origin_port;
static int origin, user = -1, far = -1;
static uint32_t moved, opened_at;
static uint8_t *block;

/* ---- the role ---- */

static void user_starts(struct session *session)
{
	static const struct socks5_policy policy = {.password = true, .udp = true};
	socks5_set_policy(session, &policy);
}

static void user_event(struct session *session, const struct event *event)
{
	static const struct dial_options options = {.timeout = DURATION_S(PATIENCE_S)};
	if (event->kind == EVENT_AUTH) {
		assert_true(slice_is(event->credentials->secret, "pass"));
		session_say(session, EVENT_AUTHED);
		return;
	}
	opened_at = session->hub->index;
	if (!opened_at) {
		moved++;
		assert_true(session_move(session, 1));
		return;
	}
	struct pair *pair = event->channel->pair;
	if (event->target->network == NETWORK_UDP)
		assert_true(pair_associate(pair, NULL));
	else
		assert_true(pair_dial(pair, event->target->host, event->target->port, &options));
}

static void user_fill(struct session *session, struct event *event) { event->reason = REASON_OK; }

static const struct role user_role = {
	.name = "user", .start = user_starts, .event = user_event, .fill = user_fill};

/* ---- the world ---- */

static void listen_opened(struct listening *one, int error)
{
	assert_int_equal(error, 0);
	socks_port = one->address.port;
}

static void listen_closed(struct listening *one) {}

static void service_start(struct service *service)
{
	if (service->hub->index)
		return;
	listening = (struct listening){.wire = &wire_socks5, .carrier = &carrier_raw, .role = &user_role,
				       .service = service, .opened = listen_opened, .closed = listen_closed};
	assert_true(address_parse(&listening.address, "127.0.0.1:0"));
	hub_listen(service->hub, &listening);
}

static void service_destroy(struct service *service) {}

static const struct service_table service_table = {
	.name = "users", .start = service_start, .destroy = service_destroy};

static void populate(struct process *of, struct hub *hub)
{
	struct service *service = &services[hub->index];
	*service = (struct service){.table = &service_table, .hub = hub, .index = hub->service_count};
	hub->services[hub->service_count++] = service;
}

static void turn_both(void)
{
	for (int i = 0; i < WORKERS; i++) {
		struct worker *worker = &process.workers[i];
		worker_turn(worker, instant_after(worker->hub.now, DURATION_MS(1)));
	}
}

static int socket_of(int type, uint16_t *port)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof in;
	int fd = socket(AF_INET, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&in, size), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&in, &size), 0);
	*port = ntohs(in.sin_port);
	return fd;
}

static void begin(void)
{
	char why[RING_WHY_SIZE] = "";
	process = (struct process){.engine = table, .limits = LIMITS_DEFAULT, .populate = populate};
	process.limits.process_memory = 256u << 20;
	assert_true(process_init(&process, WORKERS, (struct instant){0}));
	for (int i = 0; i < WORKERS; i++)
		if (!worker_start(&process.workers[i], why))
			fail_msg("%s", why);
	moved = opened_at = socks_port = 0;
	origin = socket_of(SOCK_STREAM, &origin_port);
	assert_int_equal(listen(origin, 8), 0);
	while (!socks_port)
		turn_both();
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(socks_port),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	user = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(user, (struct sockaddr *)&in, sizeof in), 0);
	assert_int_equal(fcntl(user, F_SETFL, O_NONBLOCK), 0);
}

static void end(void)
{
	bool running[WORKERS] = {true, true};
	close(user);
	close(origin);
	if (far >= 0)
		close(far);
	far = -1;
	for (int i = 0; i < WORKERS; i++)
		worker_stop(&process.workers[i]);
	while (running[0] || running[1]) {
		for (int i = 0; i < WORKERS; i++) {
			struct worker *worker = &process.workers[i];
			if (running[i])
				running[i] = worker_turn(worker,
							 instant_after(worker->hub.now, DURATION_MS(1)));
		}
	}
	for (int i = 0; i < WORKERS; i++)
		worker_fini(&process.workers[i]);
	process_fini(&process);
}

static void say(int fd, const void *bytes, size_t size)
{
	for (size_t at = 0; at < size;) {
		ssize_t sent = send(fd, (const uint8_t *)bytes + at, size - at, MSG_NOSIGNAL);
		assert_true(sent > 0 || errno == EAGAIN);
		at += sent > 0 ? (size_t)sent : 0;
		turn_both();
	}
}

static void hear(int fd, const void *expected, size_t size)
{
	static uint8_t heard[SIZE];
	for (size_t at = 0; at < size;) {
		ssize_t got = recv(fd, heard + at, size - at, 0);
		assert_true(got > 0 || (got < 0 && errno == EAGAIN));
		at += got > 0 ? (size_t)got : 0;
		turn_both();
	}
	assert_memory_equal(heard, expected, size);
}

static void origin_accepts(void)
{
	while ((far = accept4(origin, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) < 0)
		turn_both();
}

static size_t request(uint8_t *bytes, const char *head, size_t head_size)
{
	memcpy(bytes, head, head_size);
	put16(bytes + head_size, origin_port);
	return head_size + 2;
}

/* ---- the tests ---- */

#define LOGIN "\5\1\2\1\4user\4pass"
#define CONNECT "\5\1\0\1\x7f\0\0\1"
#define DONE "\5\0\0\1\0\0\0\0\0\0"

/* Everything at once, and much more right behind it: all arrives, in order, and once. */
static void all_at_once(void **state)
{
	begin();
	uint8_t head[64];
	size_t size = request(head, LOGIN CONNECT, sizeof LOGIN CONNECT - 1);
	struct iovec parts[] = {{head, size}, {block, 100000}};
	ssize_t sent = writev(user, parts, 2);
	assert_true(sent > (ssize_t)size);
	size_t early = (size_t)sent - size;
	origin_accepts();
	hear(user, "\5\2\1\0" DONE, 14);
	hear(far, block, early);
	say(user, block, SIZE / 2);
	assert_int_equal(shutdown(user, SHUT_WR), 0);
	hear(far, block, SIZE / 2);
	say(far, "the answer", 10);
	hear(user, "the answer", 10);
	assert_true(moved == 1 && opened_at == 1);
	end();
}

static void step_by_step(void **state)
{
	begin();
	uint8_t bytes[64];
	size_t size = request(bytes, CONNECT, sizeof CONNECT - 1);
	say(user, "\5\1\2", 3);
	hear(user, "\5\2", 2);
	say(user, "\1\4user\4pass", 11);
	hear(user, "\1\0", 2);
	for (size_t i = 0; i < size; i++)
		say(user, bytes + i, 1);
	origin_accepts();
	hear(user, DONE, 10);
	say(far, "banner", 6);
	hear(user, "banner", 6);
	assert_true(moved == 1 && opened_at == 1);
	end();
}

/* The socket for datagrams is made where the user has gone. */
static void association(void **state)
{
	begin();
	uint16_t own, peer_port;
	int own_fd = socket_of(SOCK_DGRAM, &own), peer = socket_of(SOCK_DGRAM, &peer_port);
	uint8_t reply[14], datagram[64];
	say(user, LOGIN "\5\3\0\1\0\0\0\0\0\0", sizeof LOGIN - 1 + 10);
	for (size_t at = 0; at < sizeof reply;) {
		ssize_t got = recv(user, reply + at, sizeof reply - at, 0);
		assert_true(got > 0 || errno == EAGAIN);
		at += got > 0 ? (size_t)got : 0;
		turn_both();
	}
	assert_memory_equal(reply, "\5\2\1\0\5\0\0\1\x7f\0\0\1", 12);
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(get16(reply + 12)),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	memcpy(datagram, "\0\0\0\1\x7f\0\0\1", 8);
	put16(datagram + 8, peer_port);
	memcpy(datagram + 10, "ask", 3);
	assert_int_equal(sendto(own_fd, datagram, 13, 0, (struct sockaddr *)&to, sizeof to), 13);
	struct sockaddr_in from;
	socklen_t from_size = sizeof from;
	uint8_t heard[64];
	while (recvfrom(peer, heard, sizeof heard, 0, (struct sockaddr *)&from, &from_size) != 3)
		turn_both();
	assert_memory_equal(heard, "ask", 3);
	assert_int_equal(sendto(peer, "answer", 6, 0, (struct sockaddr *)&from, from_size), 6);
	while (recv(own_fd, heard, sizeof heard, 0) != 16)
		turn_both();
	assert_memory_equal(heard, datagram, 10);
	assert_memory_equal(heard + 10, "answer", 6);
	assert_true(moved == 1 && opened_at == 1);
	close(own_fd);
	close(peer);
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_at_once),
		cmocka_unit_test(step_by_step),
		cmocka_unit_test(association),
	};
	block = malloc(SIZE);
	for (size_t i = 0; i < SIZE; i++)
		block[i] = (uint8_t)random_next(&random_state);
	int failed = RUN_ON_BOTH(tests);
	free(block);
	return failed;
}
