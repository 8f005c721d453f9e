/* core/delivery.c - what wires hear: to the flow of a channel, or into the role's slot; see session.h. */
#include "core/datagram.h"
#include "core/hub.h"
#include "core/session.h"

struct channel *session_find(struct session *session, const void *id, size_t size)
{
	struct idtable_link *link = idtable_find(&session->ids, id, size);
	struct channel *channel = link ? OWNER(link, struct channel, id_link) : NULL;
	return channel && channel->pair ? channel : NULL; /* one that was given up hears no more */
}

struct channel *session_channel(struct session *session)
{
	struct hub *hub = session->hub;
	if (session->channel_count >= session->channels_max || session->draining || hub_is_tight(hub)) {
		hub_count(hub, COUNTER_channels_limit, 1);
		return NULL;
	}
	struct pair *pair = pair_create(session);
	if (!pair)
		return NULL;
	struct channel *channel = channel_create(session, pair, 0);
	if (!channel)
		pair_abandon(pair);
	return channel;
}

struct channel *session_only_channel(struct session *session)
{
	return list_is_empty(&session->channels)
		   ? NULL
		   : OWNER(session->channels.next, struct channel, session_link);
}

/* Data of a channel: FULL blocks the session. What nobody wants any more is granted again at once, so that
 * the peer can go on until it hears of the end. */
static enum status deliver_data(struct session *session, const struct event *event)
{
	struct channel *channel = event->channel;
	struct pair *pair = channel->pair;
	if (channel_has_datagrams(channel)) {
		hub_count(session->hub, COUNTER_datagrams_dropped, 1);
		return STATUS_OK;                /* a stream's bytes have no place in an association */
	}
	if (!channel_heard(channel, event->size))
		return session_fault(session, "sent more data than its window allows");
	if (!channel->in_done) {
		enum status status = flow_push(pair, channel->side, event->pieces[0]);
		if (status != STATUS_OK)
			return status; /* FULL: never where there is credit, so nothing was charged */
	}
	const struct flow *flow = &pair->flow[channel->side];
	if (flow->dead || flow->end)
		channel_ate(channel, event->size);
	hub_count(session->hub, COUNTER_bytes_in, event->size);
	return STATUS_OK;
}

static void deliver_datagram(struct session *session, const struct event *event)
{
	struct channel *channel = event->channel;
	if (!channel_has_datagrams(channel) || channel->in_done) {
		hub_count(session->hub, COUNTER_datagrams_dropped, 1);
		return;
	}
	hub_count(session->hub, COUNTER_bytes_in, event->size);
	flow_push_datagram(channel->pair, channel->side, event->target, event->pieces[0].bytes);
}

static void deliver_end(struct channel *channel, const struct event *event)
{
	if (channel->in_done && channel->out_done)
		return;
	bool eof = event->kind == EVENT_EOF;
	if (channel->state == CHANNEL_OPENING && !eof) {
		channel_opened(channel, event->reason ? event->reason : REASON_OTHER, event->text);
		return;
	}
	channel->in_done = true;
	flow_end(channel->pair, channel->side,
		 eof			      ? END_EOF
		 : event->kind == EVENT_CLOSE ? END_CLOSE
					      : END_RESET,
		 event->reason);
	if (!eof)
		channel->says &= (uint8_t)~SAYS_OPENED;
	channel_settle(channel);
}

/* The target lives as long as its channel. Of a conn's own it is whose the conn is. */
static const struct target *keep_target(const struct session *session, const struct event *event)
{
	struct target *target = &event->channel->target;
	*target = *event->target;
	if (session->traits & TRAIT_CONN && !target->source.family)
		target->source = session->target.source;
	return target;
}

/* A link's peer may open so many channels a second; its role does not hear of those above. */
static bool is_too_many(struct session *session, const struct event *event)
{
	if (event->kind != EVENT_OPEN || session->traits & TRAIT_CONN || session->ferry ||
	    rate_take(&session->opens, session->hub->now))
		return false;
	hub_count(session->hub, COUNTER_channels_limit, 1);
	channel_refuse(event->channel, REASON_LIMIT, "too many channels a second (limits.opens_per_second)");
	return true;
}

static enum status deliver_to_role(struct session *session, const struct event *event)
{
	if (session->slot_full)
		return STATUS_FULL;
	if (event->kind == EVENT_OPEN && !session->ready)
		return session_fault(session, "opened a channel before it was authenticated");
	if (is_too_many(session, event))
		return STATUS_OK;
	if (event->kind == EVENT_AUTHED)
		session->ready = event->reason == REASON_OK;
	session->slot = *event;
	session->slot_full = true;
	if (event->target && event->channel)
		session->slot.target = keep_target(session, event);
	if (event->kind == EVENT_OPEN && session->traits & TRAIT_CONN)
		session->held = true;
	list_push(&session->hub->delivered, &session->delivered_link);
	return STATUS_OK;
}

void session_withdraw(struct session *session, const struct channel *channel)
{
	if (!session->slot_full || session->slot.channel != channel)
		return;
	session->slot_full = false;
	link_remove(&session->delivered_link);
	if (!link_is_linked(&session->readable_link))
		list_push(&session->hub->readable, &session->readable_link);
}

enum status session_deliver(struct session *session, const struct event *event)
{
	struct channel *channel = event->channel;
	switch (event->kind) {
	case EVENT_DATA:
		return deliver_data(session, event);
	case EVENT_DATAGRAM:
		deliver_datagram(session, event);
		return STATUS_OK;
	case EVENT_CREDIT:
		channel->credit += event->amount;
		channel_wake(channel);
		return STATUS_OK;
	case EVENT_OPENED:
		channel_opened(channel, event->reason, event->text);
		return STATUS_OK;
	case EVENT_EOF:
	case EVENT_CLOSE:
	case EVENT_RESET:
		deliver_end(channel, event);
		return STATUS_OK;
	case EVENT_PING:
		return STATUS_OK;
	default:
		return deliver_to_role(session, event);
	}
}
