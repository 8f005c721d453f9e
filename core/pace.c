/* core/pace.c - see pace.h. */
#include "core/pace.h"

#include "core/hub.h"

static struct flow *flow_to(const struct channel *channel) { return &channel->pair->flow[!channel->side]; }

struct pace *pace_of(struct pair *pair, int side)
{
	struct flow *flow = &pair->flow[side];
	if (!flow->pace && (flow->pace = memory_acquire(&pair->hub->memory, sizeof *flow->pace)))
		batcher_begin(&flow->pace->batcher, pair->hub->now);
	return flow->pace;
}

void pace_release(struct pair *pair, int side)
{
	static const enum counter counters[STALL_COUNT] = {[STALL_PEER] = COUNTER_stall_peer_ms,
							   [STALL_SOCKET] = COUNTER_stall_socket_ms,
							   [STALL_LINK] = COUNTER_stall_link_ms,
							   [STALL_MEMORY] = COUNTER_stall_memory_ms};
	struct flow *flow = &pair->flow[side];
	for (int cause = STALL_PEER; flow->pace && cause < STALL_COUNT; cause++)
		hub_count(pair->hub, counters[cause], (uint64_t)duration_ms(flow->pace->stalled[cause]));
	memory_release(&pair->hub->memory, flow->pace, sizeof *flow->pace);
	flow->pace = NULL;
}

/* When the batch that waits for the channel may leave. Now or earlier: at once; NEVER: nothing waits. */
static struct instant batch_due(const struct channel *channel)
{
	const struct flow *flow = flow_to(channel);
	const struct hub *hub = channel->session->hub;
	const struct pace *pace = flow->pace;
	if (!pace || flow->end || flow->source_blocked || pace->leaving)
		return hub->now;
	if (channel->traits & TRAIT_CREDIT && flow->bytes >= channel->credit)
		return hub->now;
	return batcher_due(&pace->batcher, &hub->batching, flow->bytes, hub->now);
}

bool pace_allows(const struct channel *channel)
{
	struct instant now = channel->session->hub->now;
	if (instant_before(now, channel->not_before))
		return false;
	return !flow_to(channel)->bytes || !instant_before(now, batch_due(channel));
}

/* Only for what is still to come: what is due but may not be said is woken by whatever changes that. */
static void wait_for(const struct channel *channel, struct instant at)
{
	if (instant_before(channel->session->hub->now, at) && instant_before(at, INSTANT_NEVER))
		pair_wait_until(channel->pair, at);
}

void pace_add(struct pair *pair, int side, size_t size)
{
	struct channel *sink = pair->side[!side];
	struct pace *pace = sink->target.network == NETWORK_UDP ? NULL : pace_of(pair, side);
	if (!pace)
		return;
	sink->paced = true;
	batcher_add(&pace->batcher, size, pair->hub->now);
}

static void count(struct hub *hub, const struct batcher *batcher)
{
	struct instant latest = instant_after(batcher->first_at, batcher->delay);
	hub_count(hub, COUNTER_batches, 1);
	if (batcher->delay.ns && instant_before(hub->now, latest))
		hub_count(hub, COUNTER_batches_early, 1);
}

void pace_sent(struct channel *channel, size_t size)
{
	const struct flow *flow = flow_to(channel);
	struct hub *hub = channel->session->hub;
	struct pace *pace = flow->pace;
	if (!pace)
		return;
	if (!pace->leaving) {
		pace->leaving = flow->bytes + size;
		count(hub, &pace->batcher);
	}
	pace->leaving -= size_min(size, pace->leaving);
	if (pace->leaving)
		return;
	batcher_flushed(&pace->batcher, &hub->batching, hub->now);
	if (flow->bytes)
		batcher_add(&pace->batcher, 0, hub->now);
}

void pace_wait(struct channel *channel)
{
	wait_for(channel, channel->not_before);
	wait_for(channel, batch_due(channel));
}

void pace_expired(struct pair *pair)
{
	for (int side = 0; side < 2; side++) {
		struct channel *channel = pair->side[side];
		if (channel && channel->paced)
			channel_wake(channel);
	}
}

/* ---- by a wire ---- */

void channel_hold(struct channel *channel, struct instant until)
{
	if (!channel->pair)
		return;
	channel->not_before = until;
	channel->paced = true;
	if (instant_before(channel->session->hub->now, until)) {
		channel_unlist(channel);
		channel_stall(channel, STALL_NONE);
	}
	channel_wake(channel);
}
