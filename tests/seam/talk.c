/* tests/seam/talk.c - see talk.h. */
#include "tests/seam/talk.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "tests/lib/pattern.h"
#include "tests/seam/world.h"

enum { NAME_SIZE = 4, PIECE = 64 * 1024, TURNS_MAX = 4 };

static struct {
	int listener;
	struct talk all[TALKS_MAX];
	uint32_t count;
	struct arrival { int fd; uint8_t name[NAME_SIZE], used; } arrivals[TALKS_MAX];
	uint32_t arrival_count;
} talks;

static struct sockaddr_in loopback(uint16_t port)
{
	return (struct sockaddr_in){.sin_family = AF_INET,
				    .sin_port = htons(port),
				    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

uint16_t talks_begin(void)
{
	struct sockaddr_in in = loopback(0);
	socklen_t size = sizeof in;
	memset(&talks, 0, sizeof talks);
	talks.listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(talks.listener, (struct sockaddr *)&in, size), 0);
	assert_int_equal(listen(talks.listener, TALKS_MAX), 0);
	assert_int_equal(getsockname(talks.listener, (struct sockaddr *)&in, &size), 0);
	return ntohs(in.sin_port);
}

void talks_end(void)
{
	for (uint32_t i = 0; i < 2 * talks.count; i++)
		if (talks.all[i / 2].side[i % 2].fd >= 0)
			close(talks.all[i / 2].side[i % 2].fd);
	for (uint32_t i = 0; i < talks.arrival_count; i++)
		close(talks.arrivals[i].fd);
	close(talks.listener);
}

struct talk *talk_start(const struct talk_options *options)
{
	assert_true(talks.count < TALKS_MAX);
	struct talk *talk = &talks.all[talks.count];
	struct sockaddr_in in = loopback(options->port);
	uint8_t name[NAME_SIZE];
	put32(name, talks.count++);
	for (int at = 0; at < 2; at++)
		talk->side[at] =
		    (struct side){.fd = -1, .size = options->size[at], .waits = options->waits[at]};
	int fd = talk->side[USER].fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&in, sizeof in), 0);
	if (send(fd, name, sizeof name, MSG_NOSIGNAL) < 0)
		talk->side[USER].error = errno;          /* refused before it has said who it is */
	return talk;
}

/* ---- one side ---- */

static bool is_over(const struct side *side)
{
	return side->fd < 0 || side->error || side->ended;
}

static bool may_speak(const struct side *side)
{
	return side->fd >= 0 && !side->error && !side->shut && (!side->waits || side->ended);
}

static void speak(struct side *side, uint32_t id, int direction)
{
	static uint8_t bytes[PIECE];
	for (int turns = 0; turns < TURNS_MAX && may_speak(side) && side->said < side->size; turns++) {
		size_t size = side->size - side->said < PIECE ? (size_t)(side->size - side->said) : PIECE;
		pattern_fill(bytes, size, id, direction, side->said);
		ssize_t sent = send(side->fd, bytes, size, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (sent < 0 && errno == EAGAIN)
			return;
		if (sent < 0)
			side->error = errno;
		else
			side->said += (uint64_t)sent;
	}
	if (may_speak(side) && side->said == side->size) {
		side->shut = true;
		shutdown(side->fd, SHUT_WR);     /* a reset that has come meanwhile is heard by reading */
	}
}

static void hear(struct side *side, const struct side *other, uint32_t id, int direction)
{
	static uint8_t bytes[PIECE];
	char why[160];
	for (int turns = 0; turns < TURNS_MAX && !is_over(side); turns++) {
		ssize_t got = recv(side->fd, bytes, sizeof bytes, MSG_DONTWAIT);
		if (got < 0 && errno == EAGAIN)
			return;
		if (got < 0) {
			side->error = errno;
			return;
		}
		if (!pattern_check(bytes, (size_t)got, id, direction, side->heard, why))
			fail_msg("%s", why);
		side->heard += (uint64_t)got;
		if (side->heard > other->said)
			fail_msg("talk %u: more was heard than said", id);
		side->ended = got == 0;
		if (side->ended && (!other->shut || side->heard != other->said))
			fail_msg("talk %u: the %s hears a clean end behind %llu of %llu bytes", id,
				 direction ? "user" : "service", (unsigned long long)side->heard,
				 (unsigned long long)other->size);
	}
}

/* ---- those who come to the service ---- */

static void accept_all(void)
{
	int fd;
	while ((fd = accept4(talks.listener, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
		assert_true(talks.arrival_count < TALKS_MAX);
		talks.arrivals[talks.arrival_count++] = (struct arrival){.fd = fd};
	}
}

/* True: it has said who it is, or will not. */
static bool arrive(struct arrival *arrival)
{
	size_t left = NAME_SIZE - arrival->used;
	ssize_t got = recv(arrival->fd, arrival->name + arrival->used, left, MSG_DONTWAIT);
	if (got < 0 && errno == EAGAIN)
		return false;
	if (got <= 0) {
		close(arrival->fd);
		return true;
	}
	arrival->used = (uint8_t)(arrival->used + got);
	if (arrival->used < NAME_SIZE)
		return false;
	uint32_t id = get32(arrival->name);
	assert_true(id < talks.count && talks.all[id].side[SERVICE].fd < 0);
	talks.all[id].side[SERVICE].fd = arrival->fd;
	return true;
}

static void arrive_all(void)
{
	for (uint32_t i = 0; i < talks.arrival_count;) {
		if (arrive(&talks.arrivals[i]))
			talks.arrivals[i] = talks.arrivals[--talks.arrival_count];
		else
			i++;
	}
}

/* ---- running ---- */

void talk_cut(struct talk *talk, int at)
{
	struct side *side = &talk->side[at];
	struct linger at_once = {.l_onoff = 1};
	setsockopt(side->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
	close(side->fd);
	side->fd = -1;
}

static void turn(void)
{
	struct pollfd fds[3 * TALKS_MAX + 1] = {{.fd = talks.listener, .events = POLLIN}};
	nfds_t count = 1;
	for (uint32_t i = 0; i < talks.arrival_count; i++)
		fds[count++] = (struct pollfd){.fd = talks.arrivals[i].fd, .events = POLLIN};
	for (uint32_t i = 0; i < 2 * talks.count; i++) {
		const struct side *side = &talks.all[i / 2].side[i % 2];
		short events = (short)((is_over(side) ? 0 : POLLIN) | (may_speak(side) ? POLLOUT : 0));
		if (events)
			fds[count++] = (struct pollfd){.fd = side->fd, .events = events};
	}
	if (poll(fds, count, WORLD_PATIENCE_S * 1000) <= 0)
		fail_msg("nothing moves");
	accept_all();
	arrive_all();
	for (uint32_t i = 0; i < 2 * talks.count; i++) {
		struct side *side = talks.all[i / 2].side;
		int at = i % 2;
		hear(&side[at], &side[!at], i / 2, !at);
		speak(&side[at], i / 2, at);
	}
}

static bool all_are(bool (*is_so)(const struct talk *talk))
{
	for (uint32_t i = 0; i < talks.count; i++)
		if (!is_so(&talks.all[i]))
			return false;
	return true;
}

void talks_run(bool (*is_so)(const struct talk *talk))
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	time_t until = now.tv_sec + WORLD_PATIENCE_S;
	while (!all_are(is_so)) {
		clock_gettime(CLOCK_MONOTONIC, &now);
		if (now.tv_sec > until)
			fail_msg("not over after %d s", WORLD_PATIENCE_S);
		turn();
	}
}

bool talk_is_whole(const struct talk *talk)
{
	const struct side *side = talk->side;
	for (int at = 0; at < 2; at++)
		if (side[at].error || !side[at].shut || !side[at].ended || side[!at].heard != side[at].said)
			return false;
	return true;
}

bool talk_is_over(const struct talk *talk)
{
	return is_over(&talk->side[USER]) && is_over(&talk->side[SERVICE]);
}
