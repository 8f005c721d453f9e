/* core/rate.h - a bucket of tokens: so many a second, with so many at once. A value; no clock of its own.
 *
 * Owner: whoever asks; one thread. Starts full. Zero per second: no limit.
 */
#ifndef CORE_RATE_H
#define CORE_RATE_H

#include "core/instant.h"

struct rate {
	uint32_t per_second, burst;
	uint64_t tokens;                /* in billionths */
	struct instant filled_at;
};

void rate_init(struct rate *rate, uint32_t per_second, uint32_t burst, struct instant now);
/* Takes one. False: there is none. */
bool rate_take(struct rate *rate, struct instant now);

#endif
