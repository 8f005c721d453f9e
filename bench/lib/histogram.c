/* bench/lib/histogram.c - see histogram.h.
 *
 * Below 64 every value has its bucket; above, each doubling has 64.
 */
#include "bench/lib/histogram.h"

enum { STEPS_LOG = 6 };
_Static_assert(1 << STEPS_LOG == HISTOGRAM_STEPS, "steps are a power of two");

static uint32_t bucket_of(uint64_t value)
{
	if (value < HISTOGRAM_STEPS)
		return (uint32_t)value;
	uint32_t shift = 63 - (uint32_t)__builtin_clzll(value) - STEPS_LOG;
	uint64_t bucket = (uint64_t)shift * HISTOGRAM_STEPS + (value >> shift);
	return (uint32_t)size_min(bucket, HISTOGRAM_BUCKETS - 1);
}

/* The middle of a bucket. */
static double value_of(uint32_t bucket)
{
	if (bucket < 2 * HISTOGRAM_STEPS)
		return bucket;
	uint32_t shift = bucket / HISTOGRAM_STEPS - 1;
	return ((double)(bucket % HISTOGRAM_STEPS + HISTOGRAM_STEPS) + 0.5) * (double)(1ull << shift);
}

void histogram_add(struct histogram *histogram, uint64_t duration_ns)
{
	histogram->buckets[bucket_of(duration_ns)]++;
	histogram->count++;
}

void histogram_merge(struct histogram *histogram, const struct histogram *other)
{
	for (uint32_t i = 0; i < HISTOGRAM_BUCKETS; i++)
		histogram->buckets[i] += other->buckets[i];
	histogram->count += other->count;
}

double histogram_percentile(const struct histogram *histogram, double share)
{
	double wanted = share * (double)histogram->count;
	uint64_t seen = 0;

	for (uint32_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
		seen += histogram->buckets[i];
		if (seen > 0 && (double)seen >= wanted)
			return value_of(i);
	}
	return 0;
}
