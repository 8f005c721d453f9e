/* core/channel.c - the life of one channel; see channel.h. */
#include "core/channel.h"

#include "core/hub.h"
#include "core/pace.h"
#include "core/stall.h"
#include "core/window.h"

static struct flow *flow_to(const struct channel *channel) { return &channel->pair->flow[!channel->side]; }

struct channel *channel_partner(const struct channel *channel)
{
	return channel->pair ? channel->pair->side[!channel->side] : NULL;
}

/* The one gate for transitions. */
static void channel_set_state(struct channel *channel, enum channel_state next)
{
	static const uint8_t allowed[] = {
		[CHANNEL_ASKED] = 1 << CHANNEL_OPEN | 1 << CHANNEL_CLOSED,
		[CHANNEL_OPENING] = 1 << CHANNEL_OPEN | 1 << CHANNEL_CLOSED,
		[CHANNEL_OPEN] = 1 << CHANNEL_CLOSED,
		[CHANNEL_CLOSED] = 0,
	};
	check(allowed[channel->state] & 1 << next);
	channel->state = next;
	if (next == CHANNEL_OPEN)
		hub_count(channel->session->hub, COUNTER_channels_opened, 1);
}

struct channel *channel_create(struct session *session, struct pair *pair, int side)
{
	struct hub *hub = session->hub;
	struct channel *channel = memory_acquire(&hub->memory, sizeof *channel + session->wire->channel_size);
	if (!channel)
		return NULL;
	channel->session = session;
	channel->pair = pair;
	channel->side = (uint8_t)side;
	channel->state = side == 0 ? CHANNEL_ASKED : CHANNEL_OPENING;
	channel->opener = side == 1;
	channel->traits = session->traits;
	channel->turn_left = CHANNEL_TURN;
	if (channel->traits & TRAIT_CREDIT)
		window_begin(channel);
	pair->side[side] = channel;
	session->queued_bytes += pair->flow[!side].bytes;
	list_push(&session->channels, &channel->session_link);
	session->channel_count++;
	if (session->burden)
		burden_show_channels(session->burden, session->channel_count);
	session->had_channel = true;
	hub->channel_count++;
	return channel;
}

enum { RECLAIM_QUIET_S = 5 };

/* Users that closed while nothing was answered look like users that wait for an answer. When they hold the
 * last channels of a peer without half-close, the quiet ones make room. */
static void session_reclaim(struct session *session)
{
	for (struct link *link = session->channels.next; link != &session->channels; link = link->next) {
		struct channel *channel = OWNER(link, struct channel, session_link);
		if (channel->pair && channel->side == 1 && !(channel->traits & TRAIT_HALF_CLOSE))
			pair_reclaim(channel->pair, DURATION_S(RECLAIM_QUIET_S));
	}
}

struct channel *channel_open(struct session *session, struct pair *pair, const struct target *target)
{
	check(!pair->side[1] && pair->hub == session->hub);
	bool takes = session->state <= SESSION_OPEN && !session->draining &&
		     session->channel_count < session->channels_max;
	if (!takes) {
		hub_count(session->hub, COUNTER_channels_limit, 1);
		session_reclaim(session);
		return NULL;
	}
	struct channel *channel = channel_create(session, pair, 1);
	if (!channel)
		return NULL;
	channel->target = *target;
	struct channel *asker = pair->side[0];
	if (asker)
		session_unhold(asker->session);
	channel_say(channel, SAYS_OPEN);
	flow_settle(pair, 0);
	return channel;
}

void channel_set_id(struct channel *channel, const void *id, size_t size)
{
	struct session *session = channel->session;
	check(size <= CHANNEL_ID_MAX);
	if (size > IDTABLE_INLINE) {
		channel->long_id = memory_acquire(&session->hub->memory, CHANNEL_ID_MAX);
		check(channel->long_id);
		memcpy(channel->long_id, id, size);
		id = channel->long_id;
	}
	idtable_insert(&session->ids, &channel->id_link, id, size);
}

void channel_say(struct channel *channel, unsigned says)
{
	channel->says |= (uint8_t)says;
	if (!link_is_linked(&channel->control_link))
		list_push(&channel->session->control, &channel->control_link);
	session_touch(channel->session);
}

void channel_owes(struct channel *channel) { channel_say(channel, SAYS_OWED); }

bool channel_heard(struct channel *channel, size_t size)
{
	if (!(channel->traits & TRAIT_CREDIT))
		return true;
	if (channel->granted < size)
		return false;
	channel->granted -= size;
	return true;
}

void channel_ate(struct channel *channel, size_t size)
{
	if (!(channel->traits & TRAIT_CREDIT) || channel->in_done || channel_has_datagrams(channel))
		return;
	channel->consumed += size;
	if (channel->consumed >= window_step(channel))
		channel_say(channel, SAYS_CREDIT);
}

/* Invariant C4: on the fresh or the active list iff it has something to say and may say it. */
bool channel_is_ready(const struct channel *channel)
{
	if (channel->out_done || !channel->pair || channel->session->state > SESSION_OPEN)
		return false;
	bool early = channel->opener && channel->open_sent && channel->traits & TRAIT_EARLY;
	if (channel->state != CHANNEL_OPEN && !(early && channel->state == CHANNEL_OPENING))
		return false;
	const struct flow *flow = flow_to(channel);
	bool may = flow->bytes ? !(channel->traits & TRAIT_CREDIT) || channel->credit ||
				     channel_has_datagrams(channel)
			       : flow->end && !flow->end_sent &&
				     (flow->end != END_EOF || channel->traits & TRAIT_HALF_CLOSE);
	return may && (!channel->paced || pace_allows(channel));
}

/* Is that all it waits for, and not known yet? */
static bool lacks_credit(const struct channel *channel)
{
	return channel->traits & TRAIT_CREDIT && !channel->stall && channel->pair &&
	       channel->state == CHANNEL_OPEN && flow_to(channel)->bytes;
}

/* What bytes wait for on a list of those that may speak. */
static enum stall stall_of(const struct channel *channel)
{
	enum stall place = channel->traits & TRAIT_CONN ? STALL_SOCKET : STALL_LINK;
	return flow_to(channel)->bytes ? place : STALL_NONE;
}

void channel_wake(struct channel *channel)
{
	if (link_is_linked(&channel->active_link))
		return;
	if (!channel_is_ready(channel)) {
		if (channel->paced && channel->pair)
			pace_wait(channel);
		if (!channel->credit && lacks_credit(channel))
			channel_stall(channel, STALL_PEER);
		return;
	}
	struct session *session = channel->session;
	channel_stall(channel, stall_of(channel));
	list_push(channel->turn_left > 0 ? &session->fresh : &session->active, &channel->active_link);
	session->speakers++;
	session_touch(session);
}

void channel_wait(struct channel *channel, struct link *list)
{
	channel_stall(channel, stall_of(channel));
	list_push_first(list, &channel->active_link);
	channel->session->speakers++;
}

void channel_unlist(struct channel *channel)
{
	if (!link_is_linked(&channel->active_link))
		return;
	link_remove(&channel->active_link);
	channel->session->speakers--;
}

static void channel_destroy(struct channel *channel)
{
	struct session *session = channel->session;
	struct hub *hub = session->hub;
	idtable_remove(&session->ids, &channel->id_link);
	link_remove(&channel->session_link);
	link_remove(&channel->control_link);
	channel_unlist(channel);
	link_remove(&channel->source_link);
	session_let_in(session);
	session_withdraw(session, channel);
	if (channel->stall)
		channel_stall(channel, STALL_NONE);
	if (channel->pair)
		pair_leave(channel->pair, channel->side);
	window_end(channel);
	memory_release(&hub->memory, channel->text, CHANNEL_TEXT_SIZE);
	memory_release(&hub->memory, channel->long_id, CHANNEL_ID_MAX);
	memory_release(&hub->memory, channel, sizeof *channel + session->wire->channel_size);
	hub->channel_count--;
	session->channel_count--;
	if (session->burden)
		burden_show_channels(session->burden, session->channel_count);
	if (session->channel_count == 0 && (session->traits & TRAIT_CONN || session->draining))
		session_touch(session);   /* the pump ends it */
}

void channel_settle(struct channel *channel)
{
	if (!channel->in_done || !channel->out_done || channel->says & (SAYS_OPENED | SAYS_RESET))
		return;
	if (channel->state != CHANNEL_CLOSED)
		channel_set_state(channel, CHANNEL_CLOSED);
	channel_destroy(channel);
}

void channel_refuse(struct channel *channel, enum reason reason, const char *text)
{
	struct hub *hub = channel->session->hub;
	check(channel->state == CHANNEL_ASKED);
	if (channel->says & SAYS_OPENED && channel->reason != REASON_OK)
		return;                          /* refused already */
	channel->reason = reason;
	if (text && !channel->text && (channel->text = memory_acquire(&hub->memory, CHANNEL_TEXT_SIZE)))
		text_copy(channel->text, CHANNEL_TEXT_SIZE, slice_of(text));
	channel->in_done = true;
	channel->pair->retry_at = (struct instant){0};
	flow_drop(channel->pair, channel->side);
	channel->pair->flow[channel->side].dead = true;
	hub_count(hub, COUNTER_channels_refused, 1);
	channel_say(channel, SAYS_OPENED);
}

/* Leaves without letting the pair go: side 0 may get another side 1. `tell`: its peer hears RESET. */
static void detach(struct channel *channel, bool tell)
{
	struct pair *pair = channel->pair;
	channel_stall(channel, STALL_NONE);
	channel->session->queued_bytes -= pair->flow[0].bytes;
	flow_restart(pair, 1);           /* as its source, which may be blocked by it */
	pair->side[1] = NULL;
	pair->answer_at = (struct instant){0};
	channel->pair = NULL;
	channel->in_done = channel->out_done = true;
	channel->says = 0;
	channel_unlist(channel);
	if (tell) {
		channel->reason = REASON_TIMEOUT;
		channel_set_state(channel, CHANNEL_CLOSED);
		channel_say(channel, SAYS_RESET);
	}
	channel_settle(channel);
}

/* The answer passes to side 0, except that the role may try another channel while nothing has been sent. */
static void refused(struct channel *channel, enum reason reason, struct slice text, bool tell)
{
	struct pair *pair = channel->pair;
	struct channel *asker = pair->side[0];
	char copy[CHANNEL_TEXT_SIZE];
	text_copy(copy, sizeof copy, text);
	bool fresh =
	    pair->flow[0].pulled == 0 && pair->flow[1].pulled == 0 && pair->flow[0].end != END_RESET && asker;
	detach(channel, tell);
	if (!asker) {
		pair_abandon(pair);
		return;
	}
	if (fresh && pair->role->refused && pair->role->refused(pair, reason))
		return;
	channel_refuse(asker, reason, copy);
}

void channel_opened(struct channel *channel, enum reason reason, struct slice text)
{
	if (channel->state != CHANNEL_OPENING)
		return;
	if (reason != REASON_OK) {
		refused(channel, reason, text, false);
		return;
	}
	struct channel *asker = channel->pair->side[0];
	channel_set_state(channel, CHANNEL_OPEN);
	if (asker && asker->state == CHANNEL_ASKED)
		channel_say(asker, SAYS_OPENED);
	channel_wake(channel);
}

void channel_open_within(struct channel *channel, struct duration span)
{
	struct pair *pair = channel->pair;
	pair->answer_at = instant_after(pair->hub->now, span);
	pair_wait_until(pair, pair->answer_at);
}

void channel_trust(struct channel *channel)
{
	channel->traits |= TRAIT_SILENT_OPEN;
	channel->on_trust = true;
}

void channel_confirm(struct channel *channel)
{
	if (!channel->on_trust)
		return;
	channel->on_trust = false;
	if (channel->pair)
		channel->pair->answer_at = (struct instant){0};
}

void channel_unanswered(struct channel *channel)
{
	if (channel->traits & TRAIT_CONN) /* the dial goes with it */
		session_end(channel->session, REASON_TIMEOUT, NULL, false);
	else
		refused(channel, REASON_TIMEOUT, slice_of(reason_text(REASON_TIMEOUT)), channel->open_sent);
}

bool channel_said(struct channel *channel, enum event_kind kind)
{
	struct pair *pair = channel->pair;
	if (!pair) { /* it was given up, and its RESET is said */
		channel->says = 0;
		channel_settle(channel);
		return true;
	}
	struct flow *flow = flow_to(channel);
	switch (kind) {
	case EVENT_OPEN:
		channel->says &= (uint8_t)~SAYS_OPEN;
		channel->open_sent = true;
		if (channel->traits & TRAIT_SILENT_OPEN)
			channel_opened(channel, REASON_OK, slice_of(""));
		else
			channel_wake(channel);
		return false;
	case EVENT_OPENED:
		channel->says &= (uint8_t)~SAYS_OPENED;
		if (channel->reason == REASON_OK) {
			channel_set_state(channel, CHANNEL_OPEN);
			channel_wake(channel);
			return false;
		}
		channel->in_done = channel->out_done = true;
		channel->says = 0;
		channel_settle(channel);
		return true;
	case EVENT_EOF:
		flow->end_sent = true;
		channel->out_done = true;
		channel_settle(channel);
		return true;
	case EVENT_CLOSE:
	case EVENT_RESET:
		channel->says = 0;
		flow->end_sent = true;
		channel->in_done = channel->out_done = true;
		flow_end(pair, channel->side, END_CLOSE,
			 REASON_OK); /* the other side hears of it behind what is queued */
		channel->out_done = true;
		channel->says = 0;
		channel_settle(channel);
		return true;
	default:
		return false;
	}
}

size_t channel_gather(const struct channel *channel, struct piece *pieces, uint32_t *count,
		      uint32_t count_max, size_t max)
{
	const struct flow *flow = flow_to(channel);
	size_t size = 0;
	*count = 0;
	for (const struct message *message = flow->first; message && size < max && *count < count_max;
	     message = message->next) {
		struct piece piece = message->piece;
		piece.bytes.size = size_min(piece.bytes.size, max - size);
		pieces[(*count)++] = piece;
		size += piece.bytes.size;
	}
	return size;
}

void channel_sent(struct channel *channel, size_t size)
{
	if (channel->traits & TRAIT_CREDIT) {
		check(channel->credit >= size);
		channel->credit -= size;
	}
	flow_pulled(channel->pair, !channel->side, size);
	if (channel->paced)
		pace_sent(channel, size);
}
