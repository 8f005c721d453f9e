/* bench/lib/bulk.h - one stream up, one down, or one of each, while something else is measured.
 *
 * Owner: the program. Threads: one for each direction, besides those of the load, from start to stop.
 * The load's threads never preempt who is running when they wake (SCHED_BATCH).
 */
#ifndef BENCH_LIB_BULK_H
#define BENCH_LIB_BULK_H

#include <pthread.h>

#include "bench/lib/load.h"

enum bulk { BULK_NONE, BULK_UP, BULK_DOWN, BULK_BOTH, BULK_COUNT };

struct bulk_stream {
	struct load load;
	struct load_result result;
	double seconds;
	pthread_t thread;
	bool running;
};

struct bulk_load {
	struct bulk_stream streams[DIRECTION_COUNT];
};

/* Opens what `kind` names, each as the model but for its direction. After a failure bulk_close(), too. */
bool bulk_open(struct bulk_load *bulk, enum bulk kind, const struct load *model, uint16_t port, int listener);
/* Returns at once; it goes on for so long. */
void bulk_start(struct bulk_load *bulk, double seconds);
/* Waits for the last byte. Returns bytes a second of both directions together. */
double bulk_stop(struct bulk_load *bulk);
/* As load_close(). */
bool bulk_close(struct bulk_load *bulk);

#endif
