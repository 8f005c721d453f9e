/* tests/sim/kernel.h - the system calls of the epoll engine over the fake network, so that ring_epoll.c
 * itself runs under seeds.
 *
 * Owner:  the run. The calls take the place of the C library's in this executable, as the clock's do
 *         (clock.c); a descriptor below KERNEL_FD is not theirs and goes to the real kernel.
 * Linux:  edges as epoll tells them: an event for each change while something is so; at the first
 *         registration what is so already. A receive is short only when the socket is empty.
 * Faults: events in any order, and some of them in a later wait; EINTR.
 * Never:  datagrams: those worlds run on ring_sim.c.
 */
#ifndef TESTS_SIM_KERNEL_H
#define TESTS_SIM_KERNEL_H

#include "ring/ring.h"
#include "tests/sim/net.h"

/* A host's descriptors begin here; what epoll and eventfd give, far above. */
enum { KERNEL_FD = 2000, KERNEL_EPOLL = 1 << 20, KERNEL_WAKE = 1 << 21 };

/* Whose process runs. */
extern struct net_host *kernel_host;

/* Would run() of an epoll engine do anything now? */
bool kernel_has_news(struct ring *ring);
/* The run is over. */
void kernel_end(void);

#endif
