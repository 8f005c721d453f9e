/* core/rate.h - a bucket of tokens: so many a second, with so many at once. A value; no clock of its own.
 *
 * Owner: whoever asks; one thread, but for the shared one, which any thread may ask at any time. Starts full.
 * Zero per second: no limit.
 */
#ifndef CORE_RATE_H
#define CORE_RATE_H

#include <stdatomic.h>

#include "core/instant.h"

struct rate {
	uint32_t per_second, burst;
	uint64_t tokens;                /* in billionths */
	struct instant filled_at;
};

void rate_init(struct rate *rate, uint32_t per_second, uint32_t burst, struct instant now);
/* Takes one. False: there is none. */
bool rate_take(struct rate *rate, struct instant now);

/* The same for many threads, in one word: when it will be full again. */
struct rate_shared {
	int64_t token_ns, room_ns;      /* of one token, of a whole bucket */
	_Atomic int64_t full_ns;
};

void rate_shared_init(struct rate_shared *rate, uint32_t per_second, uint32_t burst);
bool rate_shared_take(struct rate_shared *rate, struct instant now);

#endif
