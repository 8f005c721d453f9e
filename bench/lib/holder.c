/* bench/lib/holder.c - see holder.h. */
#include "bench/lib/holder.h"

#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

enum { EVENTS_MAX = 64 };

static void watch(struct holder *holder, int fd)
{
	struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP, .data.fd = fd};

	check(epoll_ctl(holder->epoll, EPOLL_CTL_ADD, fd, &event) == 0);
}

static void take(struct holder *holder)
{
	int fd = accept4(holder->listener, NULL, NULL, SOCK_CLOEXEC);

	if (fd < 0)
		return;
	if (fd >= HOLDER_FILES) {
		close(fd);
		return;
	}
	holder->held[fd] = true;
	watch(holder, fd);
}

/* Something came: bytes are dropped, an end is answered with ours. */
static void look(struct holder *holder, int fd)
{
	uint8_t bytes[4096];

	if (recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
		return;
	holder->held[fd] = false;
	close(fd);
}

static void *run(void *argument)
{
	struct holder *holder = argument;
	struct epoll_event events[EVENTS_MAX];

	for (;;) {
		int count = epoll_wait(holder->epoll, events, EVENTS_MAX, -1);
		for (int i = 0; i < count; i++) {
			int fd = events[i].data.fd;
			if (fd == holder->wake)
				return NULL;
			if (fd == holder->listener)
				take(holder);
			else if (holder->held[fd])
				look(holder, fd);
		}
	}
}

struct holder *holder_create(int listener)
{
	struct holder *holder = calloc(1, sizeof(*holder));

	check(holder != NULL);
	holder->listener = listener;
	holder->epoll = epoll_create1(EPOLL_CLOEXEC);
	holder->wake = eventfd(0, EFD_CLOEXEC);
	check(holder->epoll >= 0 && holder->wake >= 0);
	watch(holder, listener);
	watch(holder, holder->wake);
	if (pthread_create(&holder->thread, NULL, run, holder) == 0)
		return holder;
	close(holder->epoll);
	close(holder->wake);
	free(holder);
	return NULL;
}

void holder_destroy(struct holder *holder)
{
	uint64_t one = 1;

	check(write(holder->wake, &one, sizeof(one)) == (ssize_t)sizeof(one));
	pthread_join(holder->thread, NULL);
	for (int fd = 0; fd < HOLDER_FILES; fd++)
		if (holder->held[fd])
			close(fd);
	close(holder->epoll);
	close(holder->wake);
	free(holder);
}
