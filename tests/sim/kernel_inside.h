/* tests/sim/kernel_inside.h - what kernel.c and kernel_calls.c share: epoll as Linux has it. */
#ifndef TESTS_SIM_KERNEL_INSIDE_H
#define TESTS_SIM_KERNEL_INSIDE_H

#include "tests/sim/kernel.h"

enum { KERNEL_EPOLLS_MAX = 4096 };

struct epoll_event;

struct kernel_epoll {
	struct link ready;           /* watches that something has happened to since they were told */
	bool woken;
	int wake_fd;
};

/* A socket that is registered; its owner. */
struct kernel_watch {
	struct link link;
	struct kernel_epoll *epoll;
	struct net_socket *socket;
	int fd;
};

int kernel_epoll_create(void);
struct kernel_epoll *kernel_epoll_of(int fd);
/* That of the epoll that was made last. */
int kernel_wake_create(void);
void kernel_wake(int fd);
void kernel_watch(struct kernel_epoll *epoll, struct net_socket *socket, int fd);
/* Also of one that is not watched. */
void kernel_unwatch(struct net_socket *socket);
int kernel_wait(struct kernel_epoll *epoll, struct epoll_event *events, int max);

#endif
