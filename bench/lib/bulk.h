/* bench/lib/bulk.h - one stream up, one down, or one of each, while something else is measured.
 *
 * Owner: the program. A process for each direction from start to stop, in a session of its own and with the
 * lowest priority: it takes what the peer and the measurement leave, as a load on other machines would.
 * It must be started before any thread.
 */
#ifndef BENCH_LIB_BULK_H
#define BENCH_LIB_BULK_H

#include <sys/types.h>

#include "bench/lib/load.h"

enum bulk { BULK_NONE, BULK_UP, BULK_DOWN, BULK_BOTH, BULK_COUNT };

struct bulk_report;

struct bulk_stream {
	struct load load;
	double seconds;
	struct bulk_report *report;   /* in memory that the process shares with us */
	pid_t pid;
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
