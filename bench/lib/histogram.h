/* bench/lib/histogram.h - durations by the million: counts in buckets that are 1/64 of their value wide.
 *
 * Owner: the thread that adds; read once that has been joined. Error of a percentile: below 1 %.
 * Limits: 2^40 ns (18 minutes); what is longer counts as that.
 */
#ifndef BENCH_LIB_HISTOGRAM_H
#define BENCH_LIB_HISTOGRAM_H

#include "core/base.h"

enum { HISTOGRAM_STEPS = 64, HISTOGRAM_BUCKETS = 36 * HISTOGRAM_STEPS };

struct histogram {
	uint64_t count;
	uint32_t buckets[HISTOGRAM_BUCKETS];
};

void histogram_add(struct histogram *histogram, uint64_t duration_ns);
void histogram_merge(struct histogram *histogram, const struct histogram *other);
/* What this share (0.99) of all durations does not exceed, in nanoseconds. 0 when there is none. */
double histogram_percentile(const struct histogram *histogram, double share);

#endif
