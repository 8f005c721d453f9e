/* core/pair.c - the life of a pair, its ends and its time; see pair.h. What waits in it: flow.c. */
#include "core/pair.h"

#include "core/hub.h"
#include "core/pace.h"
#include "core/reader.h"
#include "core/tally.h"

enum { UNHEARD_S = 10 };

static void pair_expired(struct timer *timer);

struct pair *pair_create(struct session *session)
{
	struct hub *hub = session->hub;
	struct pair *pair = memory_acquire(&hub->memory, sizeof *pair);
	if (!pair)
		return NULL;
	pair->hub = hub;
	pair->id = (uint64_t)hub->index << 48 | ++hub->pair_serial << 1;
	pair->since = hub->now;
	pair->role = session->role;
	pair->service = session->service;
	pair->moved_at = hub->now;
	pair->timer.expired = pair_expired;
	list_push(&hub->pairs, &pair->hub_link);
	hub->pair_count++;
	pair_wait_until(pair, instant_after(hub->now, hub->limits->channel_idle));
	return pair;
}

static void pair_destroy(struct pair *pair)
{
	struct hub *hub = pair->hub;
	flow_drop(pair, 0);
	flow_drop(pair, 1);
	tally_remove(pair);
	pace_release(pair, 0);
	pace_release(pair, 1);
	timer_disarm(&pair->timer);
	link_remove(&pair->hub_link);
	hub->pair_count--;
	memory_release(&hub->memory, pair, sizeof *pair);
}

/* The timer never moves later: its expiry looks at everything and arms it again. */
void pair_wait_until(struct pair *pair, struct instant at)
{
	if (timer_is_armed(&pair->timer) && !instant_before(at, pair->timer_at))
		return;
	pair->timer_at = at;
	timer_arm(&pair->hub->wheel, &pair->timer, at);
}

void pair_retry_after(struct pair *pair, struct duration delay)
{
	pair->retry_at = instant_after(pair->hub->now, delay);
	pair_wait_until(pair, pair->retry_at);
}

/* ---- ends ---- */

void pair_reset(struct pair *pair, enum reason reason)
{
	for (int side = 0; side < 2; side++) {
		struct flow *flow = &pair->flow[side];
		flow->end = END_RESET;
		flow->reason = reason;
		flow->end_sent = false;
		flow->dead = true;
		flow_drop(pair, side);
	}
	hub_count(pair->hub, COUNTER_channels_reset, 1);
	for (int side = 0; side < 2; side++) {
		struct channel *channel = pair->side[side];
		if (!channel)
			continue;
		if (channel->state == CHANNEL_ASKED) {
			channel_refuse(channel, reason, NULL);
			continue;
		}
		channel->in_done = true;
		channel->out_done = false;
		channel_say(channel, SAYS_RESET);
	}
}

/* The question has ended, the answer has not, and nothing has moved for http_idle: our decision, not an end,
 * so the asker sees a reset. */
static void flow_give_up(struct pair *pair, int side)
{
	struct flow *back = &pair->flow[!side];
	pair->flow[side].end = END_CLOSE;
	flow_drop(pair, !side);
	back->end = END_RESET;
	back->reason = REASON_TIMEOUT;
	back->dead = true;
	hub_count(pair->hub, COUNTER_channels_idle, 1);
	if (pair->side[side])
		channel_say(pair->side[side], SAYS_RESET);
	channel_wake(pair->side[!side]);
}

void flow_settle(struct pair *pair, int side)
{
	struct flow *flow = &pair->flow[side], *back = &pair->flow[!side];
	struct channel *sink = pair->side[!side];
	struct instant now = pair->hub->now;
	if (flow->end != END_EOF || flow->end_sent || !sink || sink->traits & TRAIT_HALF_CLOSE)
		return;
	if (side == 1 || back->end || back->dead) {
		flow->end = END_CLOSE;
		channel_wake(sink);
		return;
	}
	/* an answer that is on its way, or that we do not read, is not silence */
	if (flow->bytes || back->bytes || sink->session->blocked || !instant_is_set(flow->withheld_at))
		flow->withheld_at = now;
	if (instant_before(flow->withheld_at, pair->moved_at))
		flow->withheld_at = pair->moved_at;
	struct instant until = instant_after(flow->withheld_at, pair->hub->limits->http_idle);
	if (instant_before(now, until))
		pair_wait_until(pair, until);
	else
		flow_give_up(pair, side);
}

void pair_reclaim(struct pair *pair, struct duration quiet)
{
	const struct flow *flow = &pair->flow[0];
	bool withheld =
	    flow->end == END_EOF && !flow->end_sent && instant_is_set(flow->withheld_at) && !flow->bytes;
	if (withheld && instant_since(pair->hub->now, pair->moved_at).ns >= quiet.ns)
		flow_give_up(pair, 0);
}

/* Is what waits for the sink lost? An original that has said its end takes nothing more and grants no credit,
 * and says nothing of it. */
static bool flow_is_unheard(struct pair *pair, int side)
{
	const struct flow *flow = &pair->flow[side], *back = &pair->flow[!side];
	const struct channel *sink = pair->side[!side];
	struct instant now = pair->hub->now;
	if (!sink || !sink->in_done || (sink->traits & (TRAIT_CREDIT | TRAIT_HALF_CLOSE)) != TRAIT_CREDIT)
		return false;
	bool late = !instant_before(now, instant_after(pair->moved_at, DURATION_S(UNHEARD_S)));
	if (late && flow->bytes && !sink->credit && !back->bytes)
		return true;
	pair_wait_until(pair, instant_after(now, DURATION_S(UNHEARD_S)));
	return false;
}

void flow_end(struct pair *pair, int side, enum end end, enum reason reason)
{
	struct flow *flow = &pair->flow[side], *back = &pair->flow[!side];
	struct channel *source = pair->side[side], *sink = pair->side[!side];
	if (end == END_RESET && (flow->end == END_EOF || flow->end == END_CLOSE))
		end = END_CLOSE;                 /* all bytes are here: nothing was lost */
	if (flow->end >= end)
		return;                          /* the worse end wins, the first of equals sticks */
	/* nothing was asked of a target that is still to answer: it need not */
	bool needless = end == END_CLOSE && side == 0 && !flow->bytes && !flow->pulled && sink &&
			sink->state == CHANNEL_OPENING;
	flow->end = end;
	flow->reason = end == END_RESET && reason == REASON_OK ? REASON_OTHER
		       : needless			      ? REASON_LOST
							      : reason;
	if (flow->end_sent && sink) {            /* EOF went out; CLOSE or RESET must follow */
		flow->end_sent = false;
		sink->out_done = false;
	}
	if (end == END_RESET)
		flow_drop(pair, side);
	if (end != END_EOF) {
		flow_drop(pair, !side);
		back->dead = true;
		if (source)
			source->out_done = true;
		if (sink && (end == END_RESET || needless))
			channel_say(sink, SAYS_RESET);
	}
	flow_settle(pair, side);
	flow_settle(pair, !side);
	if (end == END_EOF)
		flow_is_unheard(pair, !side);    /* sets the timer that asks */
	if (sink)
		channel_wake(sink);
}

void pair_leave(struct pair *pair, int side)
{
	source_resume(pair, side);
	struct session *session = pair->side[side]->session;
	session->queued_bytes -= pair->flow[!side].bytes;
	pair->side[side] = NULL;
	flow_drop(pair, !side);
	pair->flow[!side].dead = true;
	if (!pair->side[!side])
		pair_destroy(pair);
}

void pair_abandon(struct pair *pair)
{
	check(!pair->side[0] && !pair->side[1]);
	pair_destroy(pair);
}

/* ---- time ---- */

/* True: the pair may be gone. */
static bool pair_is_unanswered(struct pair *pair)
{
	struct channel *channel = pair->side[1];
	if (!instant_is_set(pair->answer_at))
		return false;
	if (instant_before(pair->hub->now, pair->answer_at)) {
		pair_wait_until(pair, pair->answer_at);
		return false;
	}
	pair->answer_at = (struct instant){0};
	bool opening = channel && channel->state == CHANNEL_OPENING;
	bool trusted = channel && channel->state == CHANNEL_OPEN && channel->on_trust;
	if (opening)
		channel_unanswered(channel);
	else if (trusted)
		pair_reset(pair, REASON_TIMEOUT);
	return opening || trusted;
}

/* The pair may be gone afterwards. */
static void pair_retry(struct pair *pair)
{
	if (!instant_is_set(pair->retry_at))
		return;
	if (instant_before(pair->hub->now, pair->retry_at)) {
		pair_wait_until(pair, pair->retry_at);
		return;
	}
	pair->retry_at = (struct instant){0};
	pair->role->retry(pair);
}

static void pair_expired(struct timer *timer)
{
	struct pair *pair = OWNER(timer, struct pair, timer);
	struct hub *hub = pair->hub;
	struct instant idle_until = instant_after(pair->moved_at, hub->limits->channel_idle);
	if (!instant_before(hub->now, idle_until)) {
		hub_count(hub, COUNTER_channels_idle, 1);
		pair_reset(pair, REASON_TIMEOUT);
		return;
	}
	pair_wait_until(pair, idle_until);
	pace_expired(pair);
	for (int side = 0; side < 2; side++) {
		flow_settle(pair, side);
		if (flow_is_stalled(pair, side)) {
			flow_reset_stalled(pair, side);
			return;
		}
		if (flow_is_unheard(pair, side)) {
			hub_count(hub, COUNTER_channels_stalled, 1);
			pair_reset(pair, REASON_STALLED);
			return;
		}
	}
	/* Last: what a role does then may end the pair, and everything else has its instant already. */
	if (!pair_is_unanswered(pair))
		pair_retry(pair);
}

void pair_check(const struct pair *pair)
{
	for (int side = 0; side < 2; side++) {
		const struct flow *flow = &pair->flow[side];
		uint64_t bytes = 0;
		uint32_t count = 0;
		for (const struct message *message = flow->first; message; message = message->next) {
			check(message->piece.bytes.size > 0 && message->piece.buf->refs > 0);
			bytes += message->piece.bytes.size;
			count++;
		}
		check(bytes == flow->bytes && count == flow->count && count <= CHANNEL_QUEUE_MAX);
		check(flow->pushed == flow->pulled + flow->bytes + flow->discarded);
		const struct channel *source = pair->side[side];
		if (source && source->traits & TRAIT_CREDIT && !channel_has_datagrams(source))
			check(source->granted <= source->window && flow->bytes <= source->window);
	}
}
