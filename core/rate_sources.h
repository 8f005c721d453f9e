/* core/rate_sources.h - a rate for each source address, for the whole process, in a fixed table.
 *
 * Owner:  whoever made it. Thread: any, at once, without a lock.
 * Key:    an IPv4 address, or the first 64 bits of an IPv6 address (what one site gets). An address that is
 *         not known and loopback have no limit.
 * Limits: RATE_CELLS buckets in each of two rows; a source has one in each and is refused when both are
 *         empty, so that it takes two busy strangers at once to refuse it too early.
 * Never:  allocates after rate_sources_create.
 */
#ifndef CORE_RATE_SOURCES_H
#define CORE_RATE_SOURCES_H

#include "core/rate.h"
#include "core/target.h"

enum { RATE_CELLS = 8192 };

struct rate_sources;

/* `seed`: so that nobody can choose addresses that share buckets. NULL: no memory. */
struct rate_sources *rate_sources_create(uint32_t per_second, uint32_t burst, uint64_t seed);
void rate_sources_destroy(struct rate_sources *sources);
/* Takes one. False: that source has none. */
bool rate_sources_take(struct rate_sources *sources, const struct user_address *source, struct instant now);

#endif
