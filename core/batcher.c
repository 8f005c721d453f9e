/* core/batcher.c - see batcher.h. */
#include "core/batcher.h"

enum { STEPS = 10 }; /* from `min` to `max` */

/* Below it a rate says nothing: a burst that leaves as it comes is not a stream that can be collected. */
static const int64_t shortest_ns = 1000000;

void batcher_begin(struct batcher *batcher, struct instant now)
{
	*batcher = (struct batcher){.flushed_at = now};
}

void batcher_add(struct batcher *batcher, size_t size, struct instant now)
{
	if (!instant_is_set(batcher->first_at))
		batcher->first_at = now;
	batcher->last_at = now;
	batcher->bytes += size;
}

struct instant batcher_due(const struct batcher *batcher, const struct batching *batching, uint64_t waiting,
			   struct instant now)
{
	if (!waiting)
		return INSTANT_NEVER;
	bool at_once = !batching->enabled || !batcher->delay.ns || waiting >= batching->buffer ||
		       !instant_is_set(batcher->first_at);
	if (at_once)
		return now;
	return instant_min(instant_after(batcher->first_at, batcher->delay),
			   instant_after(batcher->last_at, DURATION_MS(BATCH_QUIET_MS)));
}

/* Bytes a second since the last flush; 0 where there is nothing to judge by. */
static uint64_t rate_of(const struct batcher *batcher, struct instant now)
{
	struct duration lasted = instant_since(now, batcher->flushed_at);
	if (lasted.ns <= shortest_ns || !batcher->bytes)
		return 0;
	return batcher->bytes * 1000000 / ((uint64_t)lasted.ns / 1000);
}

static struct duration longer(struct duration delay, const struct batching *batching)
{
	if (!delay.ns)
		return batching->min;
	int64_t next = delay.ns + (batching->max.ns - batching->min.ns) / STEPS;
	return (struct duration){next < batching->max.ns ? next : batching->max.ns};
}

static struct duration shorter(struct duration delay, const struct batching *batching)
{
	int64_t next = delay.ns / 2;
	return (struct duration){next > batching->min.ns ? next : batching->min.ns};
}

void batcher_flushed(struct batcher *batcher, const struct batching *batching, struct instant now)
{
	uint64_t rate = rate_of(batcher, now);
	if (!batching->enabled || rate < BATCH_LOW)
		batcher->delay = DURATION_MS(0);
	else if (rate > BATCH_HIGH)
		batcher->delay = longer(batcher->delay, batching);
	else if (batcher->delay.ns)
		batcher->delay = shorter(batcher->delay, batching);
	batcher->flushed_at = now;
	batcher->first_at = batcher->last_at = (struct instant){0};
	batcher->bytes = 0;
}
