/* core/stall.c - see stall.h. */
#include "core/stall.h"

#include "core/pace.h"

void stall_add(struct channel *channel, struct instant now)
{
	struct pace *pace = pace_of(channel->pair, !channel->side);
	if (pace)
		pace->stalled[channel->stall].ns += instant_since(now, channel->stalled_at).ns;
}

struct duration channel_stalled(const struct channel *channel, enum stall cause)
{
	const struct pace *pace = channel->pair ? channel->pair->flow[!channel->side].pace : NULL;
	struct duration sum = pace ? pace->stalled[cause] : DURATION_MS(0);
	if (channel->stall == cause && cause)
		sum.ns += instant_since(channel->session->hub->now, channel->stalled_at).ns;
	return sum;
}
