/* bench/lib/relay.c - see relay.h. */
#include "bench/lib/relay.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { COPY_SIZE = 256 * 1024, EVENTS_MAX = 64, BACKLOG = 1024 };

/* One socket of a pair, with the bytes that were read from it and not yet written to the other. */
struct side {
	struct side *other;
	int fd;
	uint32_t used;
	bool ended;   /* read to its end, and the other was told */
	bool writing; /* waits for room to write */
	bool dead;
	struct side *graveyard;
	uint8_t *bytes;
};

static int epoll;
static struct side *graveyard;	  /* freed after the batch of events that may still name them */
static uint8_t shared[COPY_SIZE]; /* where bytes pass through; a side keeps only a rest */

static int open_socket(uint16_t port, bool listening)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
	int one = 1;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	int result = listening ? bind(fd, (struct sockaddr *)&address, sizeof(address))
			       : connect(fd, (struct sockaddr *)&address, sizeof(address));
	if (result == 0 && listening)
		result = listen(fd, BACKLOG);
	if (result == 0)
		return fd;
	close(fd);
	return -1;
}

static void await(struct side *side, int operation)
{
	struct epoll_event event = {.data.ptr = side};

	if (side->used == 0 && !side->ended)
		event.events |= EPOLLIN;
	if (side->writing)
		event.events |= EPOLLOUT;
	epoll_ctl(epoll, operation, side->fd, &event);
}

static void bury(struct side *side)
{
	if (side->dead)
		return;
	side->dead = true;
	close(side->fd);
	side->graveyard = graveyard;
	graveyard = side;
}

static void sweep(void)
{
	while (graveyard != NULL) {
		struct side *side = graveyard;
		graveyard = side->graveyard;
		free(side->bytes);
		free(side);
	}
}

static void end_pair(struct side *side)
{
	bury(side->other);
	bury(side);
}

/* Writes from `at` to the other side; what does not fit is kept. False: the pair is gone. */
static bool pass(struct side *side, const uint8_t *at, uint32_t size)
{
	ssize_t sent = send(side->other->fd, at, size, MSG_NOSIGNAL | MSG_DONTWAIT);

	if (sent < 0 && errno != EAGAIN) {
		end_pair(side);
		return false;
	}
	uint32_t done = sent > 0 ? (uint32_t)sent : 0;
	if (side->bytes == NULL && done < size)
		side->bytes = malloc(COPY_SIZE);
	if (side->bytes == NULL && done < size) {
		end_pair(side);
		return false;
	}
	if (done < size)
		memmove(side->bytes, at + done, size - done);
	side->used = size - done;
	if ((side->used > 0) != side->other->writing) {
		side->other->writing = side->used > 0;
		await(side->other, EPOLL_CTL_MOD);
		await(side, EPOLL_CTL_MOD);
	}
	return true;
}

static void read_some(struct side *side)
{
	ssize_t size = recv(side->fd, shared, COPY_SIZE, MSG_DONTWAIT);

	if (size > 0) {
		pass(side, shared, (uint32_t)size);
		return;
	}
	if (size < 0 && errno == EAGAIN)
		return;
	if (size < 0 || side->other->ended) {
		end_pair(side);
		return;
	}
	side->ended = true;
	shutdown(side->other->fd, SHUT_WR);
	await(side, EPOLL_CTL_MOD);
}

static void accept_pair(int listener, uint16_t target_port)
{
	struct side *pair[2] = {calloc(1, sizeof(struct side)), calloc(1, sizeof(struct side))};
	int fds[2] = {accept4(listener, NULL, NULL, SOCK_CLOEXEC), open_socket(target_port, false)};
	int one = 1;

	for (int i = 0; i < 2; i++) {
		*pair[i] = (struct side){.other = pair[1 - i], .fd = fds[i]};
		setsockopt(fds[i], IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	}
	if (fds[0] < 0 || fds[1] < 0) {
		end_pair(pair[0]);
		return;
	}
	await(pair[0], EPOLL_CTL_ADD);
	await(pair[1], EPOLL_CTL_ADD);
}

static void serve(struct side *side, uint32_t events)
{
	struct side *other = side->other;

	if (!side->dead && events & EPOLLOUT && other->used > 0 && !pass(other, other->bytes, other->used))
		return;
	if (!side->dead && events & (EPOLLIN | EPOLLHUP | EPOLLERR) && side->used == 0)
		read_some(side);
}

int relay_run(uint16_t listen_port, uint16_t target_port)
{
	struct epoll_event events[EVENTS_MAX];
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
	int listener = open_socket(listen_port, true);

	epoll = epoll_create1(EPOLL_CLOEXEC);
	if (listener < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event) != 0) {
		perror("relay");
		return 1;
	}
	for (;;) {
		int count = epoll_wait(epoll, events, EVENTS_MAX, -1);
		for (int i = 0; i < count; i++) {
			if (events[i].data.ptr == NULL)
				accept_pair(listener, target_port);
			else
				serve(events[i].data.ptr, events[i].events);
		}
		sweep();
	}
}
