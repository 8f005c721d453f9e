/* core/window.c - see window.h. */
#include "core/window.h"

#include "core/hub.h"
#include "core/session.h"

void window_begin(struct channel *channel)
{
	channel->credit = channel->granted = channel->window = LINK_WINDOW;
	channel->granted_at = channel->session->hub->now;
}

/* What the fastest stream that we reckon with has under way in one round trip. */
static uint64_t window_max(struct duration rtt)
{
	uint64_t under_way = (uint64_t)rtt.ns / 1000 * WINDOW_RATE;
	return under_way < WINDOW_NEAR ? WINDOW_NEAR : under_way > WINDOW_MAX ? WINDOW_MAX : under_way;
}

static bool has_room(const struct channel *channel)
{
	const struct session *session = channel->session;
	struct hub *hub = session->hub;
	if (channel->window * 2 > window_max(session->rtt) || hub->bufs.bytes > hub->bufs.bytes_max / 2)
		return false;
	if (hub->window_growth + channel->window <= hub->bufs.bytes_max / 4)
		return true;
	hub_count(hub, COUNTER_windows_limit, 1);
	return false;
}

uint64_t window_next(const struct channel *channel)
{
	const struct session *session = channel->session;
	struct duration lasted = instant_since(session->hub->now, channel->granted_at);
	if (session->rtt.ns && lasted.ns < WINDOW_ROUND_TRIPS * session->rtt.ns && has_room(channel))
		return channel->window * 2;
	bool slow = lasted.ns > DURATION_S(WINDOW_SLOW_S).ns && channel->consumed >= channel->window / 2;
	if (slow && channel->window > LINK_WINDOW)
		return channel->window / 2;
	return channel->window;
}

void window_granted(struct channel *channel, uint64_t window)
{
	struct hub *hub = channel->session->hub;
	channel->granted += channel->consumed + window - channel->window;
	hub->window_growth += window - channel->window;
	channel->window = window;
	channel->consumed = 0;
	channel->granted_at = hub->now;
}

void window_end(struct channel *channel)
{
	if (channel->window)
		channel->session->hub->window_growth -= channel->window - LINK_WINDOW;
}
