/* core/instant.h - time as types, so that an instant, a span and a number cannot be confused.
 *
 * Owner: nobody, values only. The clock is CLOCK_BOOTTIME (it goes on during sleep) and is read by the
 * worker alone, once a turn; everything else is told.
 */
#ifndef CORE_INSTANT_H
#define CORE_INSTANT_H

#include "core/base.h"

struct instant { int64_t ns; };
struct duration { int64_t ns; };

#define INSTANT_NEVER ((struct instant){INT64_MAX})
#define DURATION_MS(count) ((struct duration){(int64_t)(count) * 1000000})
#define DURATION_S(count) ((struct duration){(int64_t)(count) * 1000000000})

static inline struct instant instant_after(struct instant start, struct duration span)
{
	return start.ns > INT64_MAX - span.ns ? INSTANT_NEVER : (struct instant){start.ns + span.ns};
}
/* From `start` to `end`; negative when `end` is earlier. */
static inline struct duration instant_since(struct instant end, struct instant start)
{
	return (struct duration){end.ns - start.ns};
}
static inline bool instant_before(struct instant a, struct instant b) { return a.ns < b.ns; }
static inline bool instant_is_set(struct instant a) { return a.ns != 0; }
static inline struct instant instant_min(struct instant a, struct instant b) { return a.ns < b.ns ? a : b; }
static inline int64_t duration_ms(struct duration span) { return span.ns / 1000000; }

#endif
