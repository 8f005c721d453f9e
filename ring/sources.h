/* ring/sources.h - how many connections each source address has, counted for the whole process.
 *
 * Owner:  the process. Thread: any, at once, without a lock: a table of atomic counters.
 * Key:    an IPv4 address, or the first 64 bits of an IPv6 address (what one site gets). IPv4 in IPv6 form
 *         counts as IPv4. Loopback and unix sockets are exempt.
 * Limits: SOURCES_MAX sources, SOURCES_PROBE of them per bucket. Sources that find their bucket full share
 *         one counter: they may be refused too early, nobody is ever admitted above the limit, and no release
 *         hits another key.
 * Never:  allocates after sources_create; knows what the limit is (`max` may change between two calls).
 */
#ifndef RING_SOURCES_H
#define RING_SOURCES_H

#include "core/address.h"

enum { SOURCES_MAX = 65536, SOURCES_PROBE = 16 };

struct sources;

/* NULL when there is no memory. */
struct sources *sources_create(void);
void sources_destroy(struct sources *sources);

/* Counts one more connection. False, and nothing counted, where the source has `max` already. At the very
 * limit two that come at the same instant may both be refused. */
bool sources_enter(struct sources *sources, const struct address *address, uint32_t max);
/* Once per enter that was true, with the same address. */
void sources_leave(struct sources *sources, const struct address *address);
/* Connections of this source now; where its bucket overflowed, with those that share the counter. */
uint32_t sources_count(struct sources *sources, const struct address *address);

#endif
