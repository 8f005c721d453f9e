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

#include "bench/lib/sealer.h"

enum { COPY_SIZE = 256 * 1024, EVENTS_MAX = 64, BACKLOG = 1024 };
_Static_assert((size_t)SEALER_SPACE >= (size_t)COPY_SIZE, "a rest fits into the space of records");

/* The two directions of a socket that carries records. */
struct seals {
	struct sealer in, out;
};

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
	struct seals *seals; /* NULL: plain bytes */
	uint8_t *held;	     /* records that are not whole yet, or not opened */
	uint32_t held_size;
};

/* Which of its two sockets carries records. */
static enum { SEALS_NONE, SEALS_ACCEPTED, SEALS_DIALLED } sealing;

static int epoll;
static struct side *graveyard;	     /* freed after the batch of events that may still name them */
static uint8_t shared[SEALER_SPACE]; /* where bytes pass through; a side keeps only a rest */

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
		free(side->seals);
		free(side->held);
		free(side);
	}
}

static void end_pair(struct side *side)
{
	bury(side->other);
	bury(side);
}

static void keep_rest(struct side *side, const struct iovec *parts, unsigned count, size_t done)
{
	side->used = 0;
	for (unsigned i = 0; i < count; i++) {
		size_t skip = size_min(done, parts[i].iov_len), rest = parts[i].iov_len - skip;
		if (rest > 0)
			memmove(side->bytes + side->used, (uint8_t *)parts[i].iov_base + skip, rest);
		side->used += (uint32_t)rest;
		done -= skip;
	}
}

/* Writes the parts to the other side; what does not fit is kept. False: the pair is gone. */
static bool pass(struct side *side, struct iovec *parts, unsigned count)
{
	struct msghdr message = {.msg_iov = parts, .msg_iovlen = count};
	size_t size = 0;

	for (unsigned i = 0; i < count; i++)
		size += parts[i].iov_len;
	ssize_t sent = sendmsg(side->other->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (sent < 0 && errno != EAGAIN) {
		end_pair(side);
		return false;
	}
	size_t done = sent > 0 ? (size_t)sent : 0;
	if (side->bytes == NULL && done < size)
		side->bytes = malloc(SEALER_SPACE);
	if (side->bytes == NULL && done < size) {
		end_pair(side);
		return false;
	}
	keep_rest(side, parts, count, done);
	if ((side->used > 0) != side->other->writing) {
		side->other->writing = side->used > 0;
		await(side->other, EPOLL_CTL_MOD);
		await(side, EPOLL_CTL_MOD);
	}
	return true;
}

static bool hold(struct side *side, const uint8_t *at, size_t size)
{
	side->held_size = (uint32_t)size;
	if (side->held == NULL && size > 0)
		side->held = malloc(SEALER_SPACE);
	if (size == 0)
		return true;
	if (side->held == NULL) {
		end_pair(side);
		return false;
	}
	memcpy(side->held, at, size);
	return true;
}

/* Passes on the records at the front of `shared` until one is not whole or the other side takes no more. */
static bool pass_records(struct side *side, size_t size)
{
	size_t at = 0, taken;
	unsigned count;

	do {
		struct iovec plain[SEALER_RECORDS];
		if (!sealer_open(&side->seals->in, shared + at, size - at, plain, &count, &taken)) {
			end_pair(side);
			return false;
		}
		at += taken;
		if (count > 0 && !pass(side, plain, count))
			return false;
	} while (count > 0 && side->used == 0);
	return hold(side, shared + at, size - at);
}

static bool pass_held(struct side *side)
{
	if (side->held_size > 0)
		memcpy(shared, side->held, side->held_size);
	return pass_records(side, side->held_size);
}

/* What came, in its way to the other side. */
static bool pass_on(struct side *side, size_t size)
{
	struct iovec all = {shared, size};

	if (side->seals != NULL)
		return pass_records(side, side->held_size + size);
	if (side->other->seals != NULL)
		all.iov_len = sealer_seal(&side->other->seals->out, shared, size);
	return pass(side, &all, 1);
}

static ssize_t receive(struct side *side)
{
	struct iovec parts[SEALER_RECORDS] = {{shared, COPY_SIZE}};
	struct msghdr message = {.msg_iov = parts, .msg_iovlen = 1};

	if (side->seals != NULL) {
		if (side->held_size > 0)
			memcpy(shared, side->held, side->held_size);
		parts[0] = (struct iovec){shared + side->held_size, SEALER_SPACE - side->held_size};
	} else if (side->other->seals != NULL) {
		sealer_vectors(shared, parts);
		message.msg_iovlen = SEALER_RECORDS;
	}
	return recvmsg(side->fd, &message, MSG_DONTWAIT);
}

static void read_some(struct side *side)
{
	ssize_t size = receive(side);

	if (size > 0) {
		pass_on(side, (size_t)size);
		return;
	}
	if (size < 0 && errno == EAGAIN)
		return;
	if (size < 0 || side->other->ended || side->held_size > 0) {
		end_pair(side);
		return;
	}
	side->ended = true;
	shutdown(side->other->fd, SHUT_WR);
	await(side, EPOLL_CTL_MOD);
}

static bool give_seals(struct side *side)
{
	side->seals = aligned_alloc(_Alignof(struct seals), sizeof(*side->seals));
	if (side->seals == NULL)
		return false;
	sealer_init(&side->seals->in);
	sealer_init(&side->seals->out);
	return true;
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
	bool good = fds[0] >= 0 && fds[1] >= 0;
	if (sealing != SEALS_NONE && !give_seals(pair[sealing == SEALS_DIALLED]))
		good = false;
	if (!good) {
		end_pair(pair[0]);
		return;
	}
	await(pair[0], EPOLL_CTL_ADD);
	await(pair[1], EPOLL_CTL_ADD);
}

static void serve(struct side *side, uint32_t events)
{
	struct side *other = side->other;
	struct iovec rest = {other->bytes, other->used};

	if (!side->dead && events & EPOLLOUT && other->used > 0) {
		if (!pass(other, &rest, 1))
			return;
		if (other->used == 0 && other->held_size > 0 && !pass_held(other))
			return;
	}
	if (!side->dead && events & (EPOLLIN | EPOLLHUP | EPOLLERR) && side->used == 0)
		read_some(side);
}

static int relay(uint16_t listen_port, uint16_t target_port)
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

int relay_run(int count, char **arguments)
{
	static const char *const kinds[] = {"copy", "open", "seal"};
	const char *kind = count > 0 ? arguments[0] : "", *text;

	if (strcmp(kind, "copy") != 0 && !sealer_start(&text)) {
		printf("no ipsec-mb: %s\n", text);
		return 1;
	}
	if (strcmp(kind, "cipher") == 0)
		return printf("%s\n", text) < 0;
	for (size_t i = 0; i < COUNT_OF(kinds) && count == 3; i++) {
		sealing = SEALS_NONE + (unsigned)i;
		if (strcmp(kind, kinds[i]) == 0)
			return relay((uint16_t)atoi(arguments[1]), (uint16_t)atoi(arguments[2]));
	}
	return 1;
}
