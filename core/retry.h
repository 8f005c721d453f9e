/* core/retry.h - how long to wait before the next try: a delay that grows with every failure. Arithmetic.
 *
 * Owner:  whoever tries (a link, a port), which has the timer too. Thread: its worker.
 * Limits: never longer than `max`; with min == max the delay is fixed.
 * Never:  arms a timer, looks at a clock, decides whether there is a next try.
 */
#ifndef CORE_RETRY_H
#define CORE_RETRY_H

#include "core/instant.h"

enum { RETRY_HALF_AGAIN = 50, RETRY_TWICE = 100 }; /* how much longer each delay is, in percent */

struct hub;

struct retry {
	struct duration min, max;
	int growth_percent;
	struct duration next;
};

struct retry retry_of(struct duration min, struct duration max, int growth_percent);
/* It worked: the next failure is a first one again. */
void retry_reset(struct retry *retry);
/* The delay after this failure. */
struct duration retry_next(struct retry *retry);
/* The same with jitter, except where the delay is fixed: somebody chose it. */
struct duration retry_next_spread(struct retry *retry, struct hub *hub);

#endif
