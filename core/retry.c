/* core/retry.c - how long to wait before the next try; see retry.h. */
#include "core/retry.h"

#include "core/hub.h"

struct retry retry_of(struct duration min, struct duration max, int growth_percent)
{
	return (struct retry){.min = min, .max = max, .growth_percent = growth_percent, .next = min};
}

void retry_reset(struct retry *retry) { retry->next = retry->min; }

struct duration retry_next(struct retry *retry)
{
	struct duration now = retry->next;
	int64_t longer = now.ns + now.ns / 100 * retry->growth_percent;
	retry->next = longer < retry->max.ns ? (struct duration){longer} : retry->max;
	return now;
}

struct duration retry_next_spread(struct retry *retry, struct hub *hub)
{
	struct duration delay = retry_next(retry);
	return retry->min.ns == retry->max.ns ? delay : hub_jitter(hub, delay);
}
