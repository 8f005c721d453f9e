/* core/budget.h - the memory of one worker: buffers, objects and TLS sessions together, under one limit.
 *
 * Owner: the hub. Thread: its worker. Whoever allocates by what strangers do takes from it first: the pool
 * of buffers (buf.h), small objects (memory.h), each tls. What free lists hold is `kept`, beside `used`.
 * Limit: max, the worker's share of limits.process_memory. Never: allocates.
 */
#ifndef CORE_BUDGET_H
#define CORE_BUDGET_H

#include "core/base.h"

struct budget {
	size_t used, max;
	size_t kept;
	size_t peak;    /* of both together, since budget_fell was last true */
	size_t last;    /* when budget_fell was last asked */
};

static inline bool budget_has(const struct budget *budget, size_t size)
{
	return size <= budget->max && budget->used <= budget->max - size;
}
static inline void budget_take(struct budget *budget, size_t size)
{
	budget->used += size;
	if (budget->used + budget->kept > budget->peak)
		budget->peak = budget->used + budget->kept;
}
static inline void budget_give(struct budget *budget, size_t size)
{
	check(budget->used >= size);
	budget->used -= size;
}
/* Asked once in a while: was so much freed since the last yes that the system should have it back? Not while
 * it still falls: what is left of a burst is scattered, and keeps more pages than it fills. */
static inline bool budget_fell(struct budget *budget, size_t by)
{
	size_t now = budget->used + budget->kept;
	bool falls = budget->last > now && budget->last - now >= by;
	budget->last = now;
	if (falls || budget->peak - now < by)
		return false;
	budget->peak = now;
	return true;
}

#endif
