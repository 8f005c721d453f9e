/* tests/unit/move_world.h - users of a front end who came to the wrong worker, under real workers on the
 * engine under test: their connection is accepted by worker 0, whose role moves it to worker 1, where their
 * target is dialled.
 *
 * The test gives user_starts; its login is the secret "pass". Include it in one file of a program.
 */
#ifndef TESTS_UNIT_MOVE_WORLD_H
#define TESTS_UNIT_MOVE_WORLD_H

#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>

#include "protocols/frontends/dial.h"
#include "ring/process.h"
#include "tests/unit/ring_world.h"

enum { WORKERS = 2, SIZE = 3 << 20 };

static struct process process;
static struct service services[WORKERS];
static struct listening listening;
static const struct wire *front_wire;
static uint16_t front_port, origin_port;
static int origin, user = -1, far = -1;
static uint32_t moved, opened_at;
static uint8_t *block;

/* ---- the role ---- */

static void user_starts(struct session *session);   /* of the test: what is wanted of its users */

static inline void user_event(struct session *session, const struct event *event)
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

static inline void user_fill(struct session *session, struct event *event) { event->reason = REASON_OK; }

static const struct role user_role = {
	.name = "user", .start = user_starts, .event = user_event, .fill = user_fill};

/* ---- the world ---- */

static inline void listen_opened(struct listening *one, int error)
{
	assert_int_equal(error, 0);
	front_port = one->address.port;
}

static inline void listen_closed(struct listening *one) {}

static inline void service_start(struct service *service)
{
	if (service->hub->index)
		return;
	listening = (struct listening){.wire = front_wire, .carrier = &carrier_raw, .role = &user_role,
				       .service = service, .opened = listen_opened, .closed = listen_closed};
	assert_true(address_parse(&listening.address, "127.0.0.1:0"));
	hub_listen(service->hub, &listening);
}

static inline void service_destroy(struct service *service) {}

static const struct service_table service_table = {
	.name = "users", .start = service_start, .destroy = service_destroy};

static inline void populate(struct process *of, struct hub *hub)
{
	struct service *service = &services[hub->index];
	*service = (struct service){.table = &service_table, .hub = hub, .index = hub->service_count};
	hub_add_service(hub, service);
}

static inline void turn_both(void)
{
	for (int i = 0; i < WORKERS; i++) {
		struct worker *worker = &process.workers[i];
		worker_turn(worker, instant_after(worker->hub.now, DURATION_MS(1)));
	}
}

static inline int socket_of(int type, uint16_t *port)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof in;
	int fd = socket(AF_INET, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&in, size), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&in, &size), 0);
	*port = ntohs(in.sin_port);
	return fd;
}

static inline void begin(const struct wire *wire)
{
	char why[RING_WHY_SIZE] = "";
	front_wire = wire;
	process = (struct process){.engine = table, .limits = LIMITS_DEFAULT, .populate = populate};
	process.limits.process_memory = 256u << 20;
	assert_true(process_init(&process, WORKERS, (struct instant){0}));
	for (int i = 0; i < WORKERS; i++)
		if (!worker_start(&process.workers[i], why))
			fail_msg("%s", why);
	moved = opened_at = front_port = 0;
	origin = socket_of(SOCK_STREAM, &origin_port);
	assert_int_equal(listen(origin, 8), 0);
	while (!front_port)
		turn_both();
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(front_port),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	user = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(user, (struct sockaddr *)&in, sizeof in), 0);
	assert_int_equal(fcntl(user, F_SETFL, O_NONBLOCK), 0);
}

static inline void end(void)
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

static inline void say(int fd, const void *bytes, size_t size)
{
	for (size_t at = 0; at < size;) {
		ssize_t sent = send(fd, (const uint8_t *)bytes + at, size - at, MSG_NOSIGNAL);
		assert_true(sent > 0 || errno == EAGAIN);
		at += sent > 0 ? (size_t)sent : 0;
		turn_both();
	}
}

static inline void hear(int fd, const void *expected, size_t size)
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

static inline void origin_accepts(void)
{
	while ((far = accept4(origin, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) < 0)
		turn_both();
}

/* Every test on both engines, with a block of bytes that are like nothing else. */
static inline int run_with_block(const struct CMUnitTest *tests, size_t count)
{
	block = malloc(SIZE);
	assert_non_null(block);
	for (size_t i = 0; i < SIZE; i++)
		block[i] = (uint8_t)random_next(&random_state);
	int failed = run_on_both(tests, count);
	free(block);
	return failed;
}

#define RUN_WITH_BLOCK(tests) run_with_block((tests), COUNT_OF(tests))

#endif
