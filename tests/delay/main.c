/* tests/delay/main.c - a TCP relay on loopback that delays: each byte leaves MS milliseconds after it came,
 * in both directions, so that a round trip takes twice as long.
 *
 *   delay PORT TARGET_PORT MS [MBYTE_PER_S [QUEUE_KIB]]
 *
 * PORT 0: any; "listening PORT" on standard output tells which. With a rate, each direction is a way of
 * that rate, which all connections share, and QUEUE_KIB of each are on it or wait before it at most.
 * SIGUSR1 takes the delay away, SIGUSR2 brings it back. What each of the two kernel connections acknowledges
 * is not delayed: a long way is here a test of the windows above TCP.
 */
#include "tests/delay/delay.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
	CONNECTIONS_MAX = 64,
	EVENTS_MAX = 64,
	BACKLOG = 64,
	DELAY_MS_MAX = 10000,
	MBYTE_PER_S_MAX = 100000,
	TAKES = 2 * CONNECTIONS_MAX,   /* what an event is about: a sock of a connection, or one of these */
	SIGNALS,
};

struct connection {
	bool used;
	int socks[2];
	struct lane lanes[2];          /* lanes[i] leads away from socks[i] */
};

struct relay {
	int poll, listener, signals;
	uint16_t target;
	int64_t delay_ns;
	struct way ways[2];            /* of the lanes that lead away from socks[i] */
	struct connection connections[CONNECTIONS_MAX];
};

static int64_t now_ns(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000 + now.tv_nsec;
}

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static struct sockaddr_in loopback(uint16_t port)
{
	return (struct sockaddr_in){.sin_family = AF_INET,
				    .sin_port = htons(port),
				    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

static void watch(struct relay *relay, int fd, uint64_t what, uint32_t events)
{
	struct epoll_event event = {.events = events, .data.u64 = what};
	if (epoll_ctl(relay->poll, EPOLL_CTL_ADD, fd, &event) != 0)
		die("epoll_ctl");
}

/* ---- connections ---- */

static void end(struct connection *connection, bool failed)
{
	for (int i = 0; i < 2; i++) {
		struct linger abort = {.l_onoff = 1, .l_linger = 0};
		if (failed)
			setsockopt(connection->socks[i], SOL_SOCKET, SO_LINGER, &abort, sizeof abort);
		close(connection->socks[i]);
		lane_fini(&connection->lanes[i]);
	}
	connection->used = false;
}

static void begin(struct relay *relay, struct connection *connection, int front, int back)
{
	int on = 1;
	*connection = (struct connection){.used = true, .socks = {front, back}};
	for (int i = 0; i < 2; i++) {
		setsockopt(connection->socks[i], IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
		if (!lane_init(&connection->lanes[i], connection->socks[i], connection->socks[!i]))
			die("mmap");
		uint64_t what = 2 * (uint64_t)(connection - relay->connections) + (uint64_t)i;
		watch(relay, connection->socks[i], what, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET);
	}
}

static void take(struct relay *relay)
{
	struct sockaddr_in target = loopback(relay->target);
	struct connection *connection = relay->connections;
	int front = accept4(relay->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (front < 0)
		return;
	while (connection < relay->connections + CONNECTIONS_MAX && connection->used)
		connection++;
	int back = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (connection == relay->connections + CONNECTIONS_MAX || back < 0 ||
	    connect(back, (struct sockaddr *)&target, sizeof target) != 0) {
		close(front);
		close(back);
		return;
	}
	fcntl(back, F_SETFL, O_NONBLOCK);
	begin(relay, connection, front, back);
}

/* Both directions as far as they go. Returns when something is due next. */
static int64_t serve(struct relay *relay, struct connection *connection)
{
	int64_t due = INT64_MAX;
	for (int i = 0; i < 2; i++) {
		struct lane *lane = &connection->lanes[i];
		if (!lane_fill(lane, &relay->ways[i], now_ns()) || !lane_drain(lane, now_ns()) ||
		    !lane_fill(lane, &relay->ways[i], now_ns())) {
			end(connection, true);
			return INT64_MAX;
		}
		int64_t next = lane_due_ns(lane);
		due = next < due ? next : due;
	}
	if (connection->lanes[0].done && connection->lanes[1].done) {
		end(connection, false);
		return INT64_MAX;
	}
	return due;
}

/* ---- news ---- */

static void take_signal(struct relay *relay)
{
	struct signalfd_siginfo info;
	if (read(relay->signals, &info, sizeof info) != sizeof info)
		return;
	for (int i = 0; i < 2; i++)
		relay->ways[i].delay_ns = info.ssi_signo == SIGUSR1 ? 0 : relay->delay_ns;
}

static void turn(struct relay *relay, int64_t until)
{
	struct epoll_event events[EVENTS_MAX];
	int64_t wait = until == INT64_MAX ? 1000000000 : until - now_ns();
	wait = wait < 0 ? 0 : wait;
	struct timespec timeout = {wait / 1000000000, wait % 1000000000};
	int count = epoll_pwait2(relay->poll, events, EVENTS_MAX, &timeout, NULL);
	for (int i = 0; i < count; i++) {
		uint64_t what = events[i].data.u64;
		if (what == TAKES)
			take(relay);
		else if (what == SIGNALS)
			take_signal(relay);
		else
			relay->connections[what / 2].lanes[!(what % 2)].blocked = false;
	}
}

static void run(struct relay *relay)
{
	for (;;) {
		int64_t due = INT64_MAX;
		for (int i = 0; i < CONNECTIONS_MAX; i++) {
			if (!relay->connections[i].used)
				continue;
			int64_t next = serve(relay, &relay->connections[i]);
			due = next < due ? next : due;
		}
		turn(relay, due);
	}
}

static void start(struct relay *relay, uint16_t port)
{
	struct sockaddr_in address = loopback(port);
	socklen_t size = sizeof address;
	sigset_t signals;
	int on = 1;
	sigemptyset(&signals);
	sigaddset(&signals, SIGUSR1);
	sigaddset(&signals, SIGUSR2);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	relay->signals = signalfd(-1, &signals, SFD_CLOEXEC);
	relay->poll = epoll_create1(EPOLL_CLOEXEC);
	relay->listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	setsockopt(relay->listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if (relay->signals < 0 || relay->poll < 0 ||
	    bind(relay->listener, (struct sockaddr *)&address, sizeof address) != 0 ||
	    listen(relay->listener, BACKLOG) != 0 ||
	    getsockname(relay->listener, (struct sockaddr *)&address, &size) != 0)
		die("delay");
	watch(relay, relay->listener, TAKES, EPOLLIN);
	watch(relay, relay->signals, SIGNALS, EPOLLIN);
	printf("listening %u\n", ntohs(address.sin_port));
	fflush(stdout);
}

static uint64_t number(char **args, int count, int i, uint64_t max)
{
	char *rest = NULL;
	uint64_t value = i < count ? strtoull(args[i], &rest, 10) : 0;
	if (i < count && (*rest || value > max)) {
		fprintf(stderr, "delay: %s is no number, or too large\n", args[i]);
		exit(2);
	}
	return value;
}

int main(int count, char **args)
{
	static struct relay relay;
	if (count < 4 || count > 6) {
		fprintf(stderr, "usage: delay PORT TARGET_PORT MS [MBYTE_PER_S [QUEUE_KIB]]\n");
		return 2;
	}
	relay.target = (uint16_t)number(args, count, 2, UINT16_MAX);
	relay.delay_ns = (int64_t)number(args, count, 3, DELAY_MS_MAX) * 1000000;
	relay.ways[0] = relay.ways[1] = (struct way){
	    .delay_ns = relay.delay_ns,
	    .bytes_per_s = number(args, count, 4, MBYTE_PER_S_MAX) * 1000000,
	    .queue_bytes = number(args, count, 5, LANE_BYTES / 1024) * 1024,
	};
	start(&relay, (uint16_t)number(args, count, 1, UINT16_MAX));
	run(&relay);
}
