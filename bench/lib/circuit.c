/* bench/lib/circuit.c - see circuit.h. */
#include "bench/lib/circuit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { OPEN_MS = 5000, LISTEN_BACKLOG = 1024 };

struct hello {
	uint64_t magic, name;
};
#define HELLO_MAGIC 0x68656e6368666c6full

static struct sockaddr_in loopback(uint16_t port)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return address;
}

static int listen_anywhere(uint16_t *port, int backlog)
{
	struct sockaddr_in address = loopback(0);
	socklen_t size = sizeof(address);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (listener < 0)
		return -1;
	if (bind(listener, (struct sockaddr *)&address, size) != 0 ||
	    (backlog > 0 && listen(listener, backlog) != 0) ||
	    getsockname(listener, (struct sockaddr *)&address, &size) != 0) {
		close(listener);
		return -1;
	}
	*port = ntohs(address.sin_port);
	return listener;
}

int circuit_listen(uint16_t *port) { return listen_anywhere(port, LISTEN_BACKLOG); }

uint16_t circuit_port_free(void)
{
	uint16_t port = 0;
	int fd = listen_anywhere(&port, 0);

	if (fd < 0)
		return 0;
	close(fd);
	return port;
}

static int connect_to(uint16_t port)
{
	struct sockaddr_in address = loopback(port);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
		int cause = errno;
		close(fd);
		errno = cause;
		return -1;
	}
	return fd;
}

/* By port of the front end: the origin's port, 0: no SOCKS. */
static uint16_t socks_origins[UINT16_MAX + 1];

void circuit_is_socks(uint16_t port, uint16_t origin) { socks_origins[port] = origin; }

/* The greeting, one method without a password, CONNECT by address; both answers are of a known size. */
static bool ask_socks(int fd, uint16_t origin)
{
	uint8_t request[] = {5, 1, 0, 5, 1, 0, 1, 127, 0, 0, 1, (uint8_t)(origin >> 8), (uint8_t)origin};
	uint8_t answer[2 + 10];

	if (send(fd, request, 3, MSG_NOSIGNAL) != 3 || recv(fd, answer, 2, MSG_WAITALL) != 2)
		return false;
	if (answer[1] != 0 || send(fd, request + 3, 10, MSG_NOSIGNAL) != 10)
		return false;
	return recv(fd, answer, 10, MSG_WAITALL) == 10 && answer[1] == 0;
}

/* Whatever is in front of the origin on this port is behind us. */
static bool pass_front(int fd, uint16_t port)
{
	return socks_origins[port] == 0 || ask_socks(fd, socks_origins[port]);
}

bool circuit_port_answers(uint16_t port)
{
	int fd = connect_to(port);

	if (fd < 0)
		return false;
	close(fd);
	return true;
}

static const char *choose_congestion(int fd)
{
	static const char *const wanted[] = {"cubic", "reno"};

	for (size_t i = 0; i < COUNT_OF(wanted); i++)
		if (setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, wanted[i], (socklen_t)strlen(wanted[i])) == 0)
			return wanted[i];
	return "the system's";
}

const char *circuit_congestion(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	const char *name = choose_congestion(fd);

	close(fd);
	return name;
}

static void prepare(int fd)
{
	int one = 1;

	choose_congestion(fd);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
}

static void limit_reads(int fd)
{
	struct timeval limit = {.tv_sec = OPEN_MS / 1000};

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
}

int circuit_connect(uint16_t port)
{
	int fd = connect_to(port);

	if (fd < 0)
		return -1;
	prepare(fd);
	limit_reads(fd);
	if (pass_front(fd, port))
		return fd;
	close(fd);
	errno = ECONNREFUSED;
	return -1;
}

int circuit_accept(int listener)
{
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

	if (fd < 0)
		return -1;
	prepare(fd);
	limit_reads(fd);
	return fd;
}

/* Reads exactly one hello. False at an end, an error, a foreign name or after OPEN_MS. */
static bool hear(int fd, uint64_t name)
{
	struct hello hello;

	limit_reads(fd);
	ssize_t size = recv(fd, &hello, sizeof(hello), MSG_WAITALL);
	return size == (ssize_t)sizeof(hello) && hello.magic == HELLO_MAGIC && hello.name == name;
}

static bool say(int fd, uint64_t name)
{
	struct hello hello = {HELLO_MAGIC, name};

	return send(fd, &hello, sizeof(hello), MSG_NOSIGNAL) == (ssize_t)sizeof(hello);
}

/* Waits for the origin's socket of this name; others are dropped. -1: the user's side ended, or silence. */
static int accept_named(int listener, int user, uint64_t name)
{
	for (;;) {
		struct pollfd waits[2] = {{.fd = listener, .events = POLLIN}, {.fd = user, .events = POLLIN}};
		if (poll(waits, 2, OPEN_MS) <= 0 || (waits[0].revents == 0 && waits[1].revents != 0))
			return -1;
		int origin = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
		if (origin < 0)
			return -1;
		if (hear(origin, name))
			return origin;
		close(origin);
	}
}

static void unblock(int fd) { fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK); }

bool circuit_open(struct circuit *circuit, uint16_t port, int listener, uint64_t name,
		  char why[CIRCUIT_TEXT_SIZE])
{
	*circuit = (struct circuit){.user = connect_to(port), .origin = -1};
	if (circuit->user < 0) {
		snprintf(why, CIRCUIT_TEXT_SIZE, "cannot connect to 127.0.0.1:%u: %s", port, strerror(errno));
		return false;
	}
	prepare(circuit->user);
	limit_reads(circuit->user);
	if (pass_front(circuit->user, port) && say(circuit->user, name))
		circuit->origin = accept_named(listener, circuit->user, name);
	if (circuit->origin < 0) {
		snprintf(why, CIRCUIT_TEXT_SIZE, "a connection to 127.0.0.1:%u did not reach the origin",
			 port);
		circuit_close(circuit);
		return false;
	}
	prepare(circuit->origin);
	if (!say(circuit->origin, name) || !hear(circuit->user, name)) {
		snprintf(why, CIRCUIT_TEXT_SIZE, "the origin's answer did not come back through 127.0.0.1:%u",
			 port);
		circuit_close(circuit);
		return false;
	}
	unblock(circuit->user);
	unblock(circuit->origin);
	return true;
}

void circuit_block(const struct circuit *circuit)
{
	fcntl(circuit->user, F_SETFL, fcntl(circuit->user, F_GETFL) & ~O_NONBLOCK);
	fcntl(circuit->origin, F_SETFL, fcntl(circuit->origin, F_GETFL) & ~O_NONBLOCK);
}

void circuit_close(struct circuit *circuit)
{
	if (circuit->user >= 0)
		close(circuit->user);
	if (circuit->origin >= 0)
		close(circuit->origin);
	*circuit = (struct circuit){-1, -1};
}
