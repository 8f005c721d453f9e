/* ring/uring_setup.h - one kernel queue, made with everything that the engine relies on.
 *
 * Owner: its engine. Thread: the one that made it; the kernel refuses all others.
 * The queue is restricted before it is enabled: no operation and no registration but those in use here
 * is possible on it, whatever goes wrong later.
 */
#ifndef RING_URING_SETUP_H
#define RING_URING_SETUP_H

#include "ring/ring.h"
#include "ring/uring_compat.h"

/* 0, or -errno and why. */
int uring_open(struct io_uring *queue, uint32_t operations, char why[RING_WHY_SIZE]);
void uring_close(struct io_uring *queue);

#endif
