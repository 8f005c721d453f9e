/* tests/sim/kernel.c - see kernel.h. The calls themselves: kernel_calls.c. */
#include "tests/sim/kernel_inside.h"

#include <stdlib.h>
#include <sys/epoll.h>

#include "ring/poller.h"
#include "tests/sim/ring_sim.h"
#include "tests/sim/tally.h"

struct net_host *kernel_host;

static struct kernel_epoll *epolls[KERNEL_EPOLLS_MAX];
static uint32_t epoll_count;

/* ---- what is so ---- */

static uint32_t events_of(const struct net_socket *socket)
{
	const struct net_pipe *in = &socket->in;
	bool failed = socket->error || socket->gone || socket->dead, ended = in->end_ready;
	if (socket->state == NET_LISTENING)
		return list_is_empty(&socket->backlog) ? 0 : EPOLLIN;
	if (socket->state == NET_CONNECTING)
		return failed ? EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLHUP | EPOLLERR : 0;
	if (socket->state != NET_OPEN)
		return 0;
	uint32_t events = in->ready || ended || failed ? EPOLLIN : 0;
	events |= ended || failed ? EPOLLRDHUP : 0;
	events |= failed || (ended && socket->shut) ? EPOLLHUP : 0;
	events |= socket->error ? EPOLLERR : 0;
	return events | (failed || !socket->wants_room ? EPOLLOUT : 0);
}

static void enqueue(struct kernel_watch *watch)
{
	if (!link_is_linked(&watch->link))
		list_push(&watch->epoll->ready, &watch->link);
}

static void socket_changed(struct net_socket *socket) { enqueue(socket->owner); }

/* ---- registering ---- */

struct kernel_epoll *kernel_epoll_of(int fd)
{
	check(fd >= KERNEL_EPOLL && fd < KERNEL_EPOLL + (int)epoll_count);
	return epolls[fd - KERNEL_EPOLL];
}

int kernel_epoll_create(void)
{
	struct kernel_epoll *epoll = calloc(1, sizeof *epoll);
	check(epoll && epoll_count < KERNEL_EPOLLS_MAX);
	list_init(&epoll->ready);
	epolls[epoll_count] = epoll;
	return KERNEL_EPOLL + (int)epoll_count++;
}

int kernel_wake_create(void)
{
	check(epoll_count);
	return epolls[epoll_count - 1]->wake_fd = KERNEL_WAKE + (int)epoll_count - 1;
}

void kernel_wake(int fd) { kernel_epoll_of(fd - KERNEL_WAKE + KERNEL_EPOLL)->woken = true; }

void kernel_watch(struct kernel_epoll *epoll, struct net_socket *socket, int fd)
{
	struct kernel_watch *watch = calloc(1, sizeof *watch);
	check(watch && !socket->owner);
	*watch = (struct kernel_watch){.epoll = epoll, .socket = socket, .fd = fd};
	socket->owner = watch;
	socket->changed = socket_changed;
	if (events_of(socket))
		enqueue(watch);
}

void kernel_unwatch(struct net_socket *socket)
{
	struct kernel_watch *watch = socket->owner;
	socket->owner = NULL;
	socket->changed = NULL;
	if (watch)
		link_remove(&watch->link);
	free(watch);
}

/* ---- waiting ---- */

int kernel_wait(struct kernel_epoll *epoll, struct epoll_event *events, int max)
{
	struct link later, *link;
	int count = 0;
	list_init(&later);
	if (epoll->woken) {
		epoll->woken = false;
		events[count++] = (struct epoll_event){.events = EPOLLIN, .data.fd = epoll->wake_fd};
	}
	while (count < max && (link = list_pull(&epoll->ready)) != NULL) {
		struct kernel_watch *watch = OWNER(link, struct kernel_watch, link);
		uint32_t what = events_of(watch->socket);
		if (what && sim_chance(ring_sim_faults.late)) {
			tally(TALLY_ops_late);
			list_push(&later, link);
			continue;
		}
		if (!what)
			continue;
		events[count] = (struct epoll_event){.events = what, .data.fd = watch->fd};
		int at = (int)sim_below((uint64_t)++count);
		struct epoll_event other = events[at];
		events[at] = events[count - 1];
		events[count - 1] = other;
	}
	list_join(&epoll->ready, &later);
	sim.moved += count > 0;
	tallies[TALLY_edges] += (uint64_t)count;
	return count;
}

bool kernel_has_news(struct ring *ring)
{
	const struct poller *poller = OWNER(ring, struct poller, ring);
	const struct kernel_epoll *epoll = kernel_epoll_of(poller->epoll_fd);
	bool stalled = !list_is_empty(&poller->stalled) &&
		       poller->bufs->receive_used < poller->bufs->receive_max;
	return epoll->woken || stalled || !list_is_empty(&epoll->ready) ||
	       !list_is_empty(&poller->receives) || !list_is_empty(&poller->sends) ||
	       !list_is_empty(&poller->finished);
}

void kernel_end(void)
{
	for (uint32_t i = 0; i < epoll_count; i++) {
		struct link *link;
		while ((link = list_pull(&epolls[i]->ready)) != NULL)
			;
		free(epolls[i]);
	}
	epoll_count = 0;
	kernel_host = NULL;
}
