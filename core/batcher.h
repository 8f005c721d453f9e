/* core/batcher.h - when what waits for a peer of whole messages leaves: arithmetic, no timer, no clock.
 *
 * Owner:  a flow, or a test. Thread: the flow's worker.
 * States: at delay 0 a message leaves at once; from BATCH_HIGH bytes a second on the delay is `min`, then
 *         grows by a tenth of the range with each flush up to `max`; between the rates it is halved, not
 *         under `min`; below BATCH_LOW it is 0 again (protocols: LinkSocks, batching).
 * Early:  a batch also leaves when it has `buffer` bytes, when its source was quiet for BATCH_QUIET_MS, and
 *         at an end: the delay is the longest wait, never the usual one.
 */
#ifndef CORE_BATCHER_H
#define CORE_BATCHER_H

#include "core/instant.h"

enum { BATCH_HIGH = 262144, BATCH_LOW = 131072, BATCH_QUIET_MS = 2 };

/* `batching` of the configuration. */
struct batching {
	bool enabled;
	struct duration min, max;
	size_t buffer;
};

#define BATCHING_DEFAULT \
	((struct batching){ \
		.enabled = true, .min = DURATION_MS(20), .max = DURATION_MS(500), .buffer = 256 * 1024})

struct batcher {
	struct duration delay;
	struct instant flushed_at;      /* or begun */
	struct instant first_at;        /* of what waits, the oldest byte; not set: nothing waits */
	struct instant last_at;         /* and the newest */
	uint64_t bytes;                 /* since the last flush */
};

void batcher_begin(struct batcher *batcher, struct instant now);
/* `size` bytes have come. */
void batcher_add(struct batcher *batcher, size_t size, struct instant now);
/* When what waits (`waiting` bytes) is to leave: `now` or earlier is at once; NEVER: nothing waits. */
struct instant batcher_due(const struct batcher *batcher, const struct batching *batching, uint64_t waiting,
			   struct instant now);
/* It has left: adapts the delay to the rate since the last time. */
void batcher_flushed(struct batcher *batcher, const struct batching *batching, struct instant now);

#endif
