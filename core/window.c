/* core/window.c - see window.h. */
#include "core/window.h"

#include "core/hub.h"
#include "core/session.h"

void window_begin(struct channel *channel)
{
	channel->credit = channel->granted = channel->window = LINK_WINDOW;
	channel->judged_at = channel->session->hub->now;
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
	if (channel->window * 2 > window_max(session->rtt) || hub->budget.used > hub->budget.max / 2)
		return false;
	if (hub->window_growth + channel->window <= hub->budget.max / 4)
		return true;
	hub_count(hub, COUNTER_windows_limit, 1);
	return false;
}

/* More than the stream uses, or than the way has become. */
static bool is_too_large(const struct channel *channel)
{
	const struct session *session = channel->session;
	struct duration lasted = instant_since(session->hub->now, channel->judged_at);
	return channel->window > LINK_WINDOW &&
	       (lasted.ns > DURATION_S(WINDOW_SLOW_S).ns || channel->window > 2 * window_max(session->rtt));
}

/* One that is to shrink waits for the half that it will not grant again. */
uint64_t window_step(const struct channel *channel)
{
	uint64_t half = channel->window / 2, step = channel->window / WINDOW_STEPS;
	step = step < WINDOW_STEP ? WINDOW_STEP : step;
	return step > half || is_too_large(channel) ? half : step;
}

uint64_t window_next(const struct channel *channel)
{
	const struct session *session = channel->session;
	struct duration lasted = instant_since(session->hub->now, channel->judged_at);
	if (channel->judged_bytes + channel->consumed < channel->window / 2)
		return channel->window;
	if (is_too_large(channel))
		return channel->consumed < channel->window / 2 ? channel->window : channel->window / 2;
	if (session->rtt.ns && lasted.ns < WINDOW_ROUND_TRIPS * session->rtt.ns && has_room(channel))
		return channel->window * 2;
	return channel->window;
}

void window_granted(struct channel *channel, uint64_t window)
{
	struct hub *hub = channel->session->hub;
	channel->judged_bytes += (uint32_t)channel->consumed;
	if (channel->judged_bytes >= channel->window / 2) {
		channel->judged_bytes = 0;
		channel->judged_at = hub->now;
	}
	if (window != channel->window)
		hub_count(hub, window > channel->window ? COUNTER_windows_grown : COUNTER_windows_shrunk, 1);
	channel->granted += channel->consumed + window - channel->window;
	hub->window_growth += window - channel->window;
	channel->window = window;
	channel->consumed = 0;
}

void window_end(struct channel *channel)
{
	if (channel->window)
		channel->session->hub->window_growth -= channel->window - LINK_WINDOW;
}
