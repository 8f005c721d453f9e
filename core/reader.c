/* core/reader.c - see reader.h. */
#include "core/reader.h"

#include "core/hub.h"
#include "core/log.h"

bool flow_is_stalled(struct pair *pair, int side)
{
	struct flow *flow = &pair->flow[side];
	const struct channel *source = pair->side[side];
	if (!flow->source_blocked || !source || source->traits & (TRAIT_CREDIT | TRAIT_CONN))
		return false;
	struct instant until = instant_after(flow->full_at, DURATION_S(READER_STALLED_S));
	if (!instant_before(pair->hub->now, until)) {
		if (flow->pulled - flow->full_pulled < READER_STALLED_BYTES)
			return true;
		flow->full_at = pair->hub->now;
		flow->full_pulled = flow->pulled;
		until = instant_after(flow->full_at, DURATION_S(READER_STALLED_S));
	}
	pair_wait_until(pair, until);
	return false;
}

static void reset(struct pair *pair, int side, const char *cause, enum counter counter)
{
	const struct channel *source = pair->side[side], *sink = pair->side[!side];
	struct hub *hub = pair->hub;
	hub_count(hub, counter, 1);
	if (hub_may_log(hub))
		log_warn("stalled reader: channel reset", TEXT("link", source->session->peer),
			 TEXT("host", source->target.host), NUMBER("port", source->target.port),
			 TEXT("reader", sink ? sink->session->peer : "none yet"), TEXT("cause", cause),
			 NUMBER("bytes_waiting", pair->flow[side].bytes));
	pair_reset(pair, REASON_STALLED);
}

void flow_reset_stalled(struct pair *pair, int side)
{
	reset(pair, side, "took less than 64 KiB in 2 s", COUNTER_channels_stalled);
}

bool session_is_held_back(const struct session *session)
{
	return session->blocked && !(session->traits & TRAIT_CONN);
}

/* The one that holds it back: what is decoded next is for it, so there is no other. */
static struct channel *fullest(const struct session *session)
{
	for (struct link *link = session->channels.next; link != &session->channels; link = link->next) {
		struct channel *channel = OWNER(link, struct channel, session_link);
		if (channel->pair && channel->pair->flow[channel->side].source_blocked)
			return channel;
	}
	return NULL;
}

bool session_reset_fullest(struct session *session, struct duration span)
{
	if (!session_is_held_back(session))
		return false;
	if (instant_since(session->hub->now, session->heard_at).ns < span.ns)
		return false;
	struct channel *channel = fullest(session);
	if (channel)
		reset(channel->pair, channel->side, "a keep-alive is due", COUNTER_channels_fullest);
	return channel != NULL;
}
