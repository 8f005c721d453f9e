/* bench/lib/holder.h - an origin that accepts all, says nothing, and holds each until the other side ends.
 *
 * For connections that a peer makes to the origin although only its own end is measured.
 * Owner: the program. Thread: one of its own from start to stop. Limits: descriptors below HOLDER_FILES.
 */
#ifndef BENCH_LIB_HOLDER_H
#define BENCH_LIB_HOLDER_H

#include <pthread.h>

#include "core/base.h"

enum { HOLDER_FILES = 65536 };

struct holder {
	int listener, epoll, wake;
	pthread_t thread;
	bool held[HOLDER_FILES];     /* by descriptor */
};

/* NULL when it cannot be. */
struct holder *holder_create(int listener);
/* Closes what is still held. */
void holder_destroy(struct holder *holder);

#endif
