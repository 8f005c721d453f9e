/* core/scheduler.c - which channel of a session speaks next: session_pump of session.h.
 *
 * The control lane first (a list of channels with flags, never a queue), so control never waits behind data.
 * Then the data lane, in turns of CHANNEL_TURN bytes: long enough that the far end can pass on what it gets
 * in few large writes. A channel that has said its turn's worth waits on the active list, round robin; one
 * that has not, because it had nothing more to say, is fresh when it speaks again and goes before those. So
 * an exchange of small messages waits for one turn of one heavy channel at most, and for a round of them once
 * in CHANNEL_TURN bytes of its own. A whole message may be longer than a turn: its channel then sits out
 * those that it has had. FRESH_MAX keeps a flood of short channels from starving the rest. All or nothing:
 * what encode did not take is asked again when there is room.
 */
#include "core/datagram.h"
#include "core/stall.h"
#include "core/window.h"
#include "core/writer.h"

enum {
	GATHER_PIECES = 48,
	FRESH_MAX = 4 * CHANNEL_TURN,
	DATAGRAM_COST = 64, /* what one takes of its turn beside its payload */
};

static enum status say(struct session *session, struct writer *writer, struct event *event)
{
	enum status status = session->wire->encode(session, session->wire_state, event, writer);
	if (status != STATUS_OK)
		return status;
	if (event->kind == EVENT_AUTHED)
		session->ready = event->reason == REASON_OK;
	bool refusal =
	    (event->kind == EVENT_AUTHED || event->kind == EVENT_PUBLISHED) && event->reason != REASON_OK;
	if (refusal)
		session_end(session, event->reason, NULL, true);
	return STATUS_OK;
}

/* ---- the session's own events ---- */

static enum status say_announced(struct session *session, struct writer *writer)
{
	static const enum event_kind order[] = {EVENT_AUTH,	 EVENT_AUTHED, EVENT_PUBLISH, EVENT_NOTE,
						EVENT_PUBLISHED, EVENT_READY,  EVENT_REQUEST, EVENT_RESPONSE,
						EVENT_PING,	 EVENT_GOAWAY};
	for (size_t i = 0; i < COUNT_OF(order); i++) {
		enum event_kind kind = order[i];
		if (!(session->says & 1u << kind))
			continue;
		struct event event = {.kind = kind};
		if (session->role && session->role->fill)
			session->role->fill(session, &event);
		enum status status = say(session, writer, &event);
		if (status == STATUS_FULL)
			return STATUS_FULL;
		if (status != STATUS_OK)
			continue;
		session->says &= ~(1u << kind);
		if (session->role && session->role->said)
			session->role->said(session, kind);
	}
	return STATUS_OK;
}

static enum status say_owed(struct session *session, struct writer *writer)
{
	if (!session->owes)
		return STATUS_OK;
	const struct carrier *carrier = session->carrier;
	session->owes = false;
	enum status status =
	    carrier->owed ? carrier->owed(session, session->carrier_state, writer) : STATUS_OK;
	if (status == STATUS_OK)
		status = say(session, writer, &(struct event){.kind = EVENT_OWED});
	if (status == STATUS_OK && session->state == SESSION_FLUSH && carrier->finish)
		status = carrier->finish(session, session->carrier_state, writer);
	if (status != STATUS_OK)
		session->owes = true;
	return status == STATUS_FULL ? STATUS_FULL : STATUS_OK;
}

/* ---- the control lane ---- */

static enum status say_opened(struct session *session, struct writer *writer, struct channel *channel)
{
	struct event event = {.kind = EVENT_OPENED, .channel = channel, .reason = channel->reason,
			      .text = slice_of(channel->text ? channel->text : "")};
	enum status status = say(session, writer, &event);
	if (status == STATUS_IO) {               /* this wire can only abort */
		channel->says = 0;
		session_end(session, channel->reason, NULL, false);
	}
	return status;
}

static enum status say_credit(struct session *session, struct writer *writer, struct channel *channel)
{
	uint64_t window = window_next(channel);
	struct event event = {.kind = EVENT_CREDIT, .channel = channel,
			      .amount = channel->consumed + window - channel->window};
	enum status status = event.amount ? say(session, writer, &event) : STATUS_OK;
	if (status != STATUS_OK)
		return status;
	window_granted(channel, window);
	channel->says &= (uint8_t)~SAYS_CREDIT;
	return STATUS_OK;
}

static enum status say_reset(struct session *session, struct writer *writer, struct channel *channel)
{
	enum reason reason = channel->pair ? channel->pair->flow[!channel->side].reason : channel->reason;
	reason = reason ? reason : REASON_OTHER;
	if (session->traits & TRAIT_CONN) {      /* abort the socket, or the dial */
		session_end(session, reason, NULL, false);
		return STATUS_IO;
	}
	if (!channel->opener || channel->open_sent) {
		struct event event = {
		    .kind = EVENT_RESET, .channel = channel, .reason = reason, .text = slice_of("")};
		enum status status = say(session, writer, &event);
		if (status != STATUS_OK)
			return status;
	}
	channel_said(channel, EVENT_RESET);
	return STATUS_OK;
}

/* OK: all is said, the channel may be gone; MORE: the rest later; FULL: no room; IO: the session is over. */
static enum status say_control(struct session *session, struct writer *writer, struct channel *channel)
{
	enum status status;
	bool abort_now = channel->says & SAYS_RESET &&
			 (session->traits & TRAIT_CONN || (channel->opener && !channel->open_sent));
	if (abort_now)
		return say_reset(session, writer, channel);
	if (channel->says & SAYS_OPEN) {
		struct event event = {.kind = EVENT_OPEN, .channel = channel, .target = &channel->target};
		if ((status = say(session, writer, &event)) != STATUS_OK)
			return status;
		channel_said(channel, EVENT_OPEN);
	}
	if (channel->says & SAYS_OWED) {
		struct event event = {.kind = EVENT_OWED, .channel = channel};
		if ((status = say(session, writer, &event)) != STATUS_OK)
			return status;
		channel->says &= (uint8_t)~SAYS_OWED;
	}
	if (channel->says & SAYS_OPENED) {
		if ((status = say_opened(session, writer, channel)) != STATUS_OK)
			return status;
		if (channel_said(channel, EVENT_OPENED))
			return STATUS_OK;
	}
	if (channel->says & SAYS_RESET)
		return say_reset(session, writer, channel);
	if (channel->says & SAYS_CREDIT && channel->state == CHANNEL_OPEN)
		return say_credit(session, writer, channel);
	return STATUS_OK;
}

static enum status say_controls(struct session *session, struct writer *writer)
{
	struct link waiting;
	list_init(&waiting);
	list_join(&waiting, &session->control);
	enum status status = STATUS_OK;
	while (session->state == SESSION_OPEN && status != STATUS_FULL && !list_is_empty(&waiting)) {
		struct channel *channel = OWNER(list_pull(&waiting), struct channel, control_link);
		list_push(&session->control,
			  &channel->control_link); /* stays unless all is said; leaves with the channel */
		status = say_control(session, writer, channel);
		if (status != STATUS_OK || session->state != SESSION_OPEN)
			continue;
		/* the channel is still the last one on the list if it is still there with nothing left to say
		 */
		struct link *last = session->control.prev;
		if (last != &session->control && last == &channel->control_link &&
		    !(channel->says & ~SAYS_CREDIT))
			link_remove(last);
	}
	list_join(&session->control, &waiting);
	return status == STATUS_FULL ? STATUS_FULL : STATUS_OK;
}

/* ---- the data lane ---- */

/* A whole message that is longer than the turn is taken off the next ones. The last frame of a byte stream's
 * turn is not: every turn has one. */
static void turn_ate(struct channel *channel, size_t size)
{
	bool whole = channel->traits & TRAIT_WHOLE;
	channel->turn_left -= (int32_t)(whole ? size : size_min(size, (size_t)channel->turn_left));
}

/* One datagram is one event, with no regard to credit; what cannot be said now waits in the flow. */
static enum status say_datagram(struct session *session, struct writer *writer, struct channel *channel)
{
	struct target peer;
	struct piece piece = datagram_first(&channel->pair->flow[!channel->side], &peer);
	struct event event = {.kind = EVENT_DATAGRAM, .channel = channel, .target = &peer, .pieces = &piece,
			      .piece_count = 1, .size = piece.bytes.size};
	enum status status = say(session, writer, &event);
	if (status != STATUS_OK)
		return status;
	hub_count(session->hub, COUNTER_bytes_out, event.size);
	turn_ate(channel, event.size + DATAGRAM_COST);
	session->fresh_left -= (uint32_t)size_min(event.size + DATAGRAM_COST, session->fresh_left);
	flow_pull_datagram(channel->pair, !channel->side);
	return STATUS_OK;
}

static enum status say_data(struct session *session, struct writer *writer, struct channel *channel)
{
	if (channel_has_datagrams(channel))
		return say_datagram(session, writer, channel);
	struct piece pieces[GATHER_PIECES];
	struct event event = {.kind = EVENT_DATA, .channel = channel, .pieces = pieces};
	size_t max = session->wire->chunk_max - session->carrier->overhead;
	if (channel->traits & TRAIT_CREDIT && channel->credit < max)
		max = (size_t)channel->credit;
	event.size = channel_gather(channel, pieces, &event.piece_count, GATHER_PIECES, max);
	enum status status = say(session, writer, &event);
	if (status != STATUS_OK)
		return status;
	hub_count(session->hub, COUNTER_bytes_out, event.size);
	turn_ate(channel, event.size);
	session->fresh_left -= (uint32_t)size_min(event.size, session->fresh_left);
	channel_sent(channel, event.size);
	return STATUS_OK;
}

static bool has_data(const struct channel *channel)
{
	return channel->pair->flow[!channel->side].bytes && channel_is_ready(channel);
}

/* OK also when the writer is full before the turn is over. */
static enum status say_turn(struct session *session, struct writer *writer, struct channel *channel)
{
	enum status status;
	do
		status = say_data(session, writer, channel);
	while (status == STATUS_OK && session->state == SESSION_OPEN && channel->turn_left > 0 &&
	       has_data(channel) && !writer_is_full(writer));
	return status;
}

static enum status say_last(struct session *session, struct writer *writer, struct channel *channel,
			    bool *gone)
{
	const struct flow *flow = &channel->pair->flow[!channel->side];
	struct event event = {.channel = channel, .reason = flow->reason, .text = slice_of("")};
	event.kind = flow->end == END_EOF ? EVENT_EOF : flow->end == END_CLOSE ? EVENT_CLOSE : EVENT_RESET;
	enum status status = say(session, writer, &event);
	*gone = status == STATUS_OK && channel_said(channel, event.kind);
	if (status == STATUS_IO) {               /* this wire can only abort; the channel goes with it */
		session_end(session, flow->reason, NULL, false);
		*gone = true;
	}
	return status;
}

/* One turn, or what is left of one, or the end. */
static enum status visit(struct session *session, struct writer *writer, struct channel *channel,
			 struct link *list)
{
	bool gone = false, bytes = channel->pair->flow[!channel->side].bytes;
	if (channel->turn_left <= 0)
		channel->turn_left += CHANNEL_TURN;
	if (channel->turn_left <= 0 && bytes) {  /* it has had this turn already */
		channel_wake(channel);
		return STATUS_OK;
	}
	enum status status = bytes ? say_turn(session, writer, channel)
				   : say_last(session, writer, channel, &gone);
	if (gone)
		return status;
	bool cut = status == STATUS_FULL || (writer_is_full(writer) && channel->turn_left > 0);
	if (cut && channel_is_ready(channel)) {  /* goes on when there is room, before all others */
		channel_wait(channel, list);
		if (writer->starved)
			channel_stall(channel, STALL_MEMORY);
	} else {
		channel_wake(channel);
	}
	return status;
}

/* The list whose first channel speaks next. */
static struct link *next_list(struct session *session)
{
	bool active = !list_is_empty(&session->active);
	if (active && session->fresh_left && !list_is_empty(&session->fresh))
		return &session->fresh;
	session->fresh_left = FRESH_MAX;
	return active ? &session->active : &session->fresh;
}

static enum status say_active(struct session *session, struct writer *writer)
{
	enum status status = STATUS_OK;
	while (session->state == SESSION_OPEN && !writer_is_full(writer) && status == STATUS_OK) {
		struct link *list = next_list(session);
		if (list_is_empty(list))
			break;
		struct channel *channel = OWNER(list->next, struct channel, active_link);
		channel_unlist(channel);
		channel_stall(channel, STALL_NONE);
		if (channel_is_ready(channel))
			status = visit(session, writer, channel, list);
		else
			channel_wake(channel);   /* it may wait for its time again */
	}
	return status;
}

/* A conn whose only channel is over, or a draining link without channels, has nothing left to do. */
static bool is_done(const struct session *session)
{
	if (session->carrier_waits && session->draining)
		return session->state == SESSION_OPEN;
	if (session->state != SESSION_OPEN || session->channel_count || session->says || session->owes)
		return false;
	return (session->traits & TRAIT_CONN && session->had_channel) || session->draining;
}

/* The carrier alone speaks; the wire is asked for all that it owes once there is agreement. */
static void say_opening(struct session *session, struct writer *writer)
{
	const struct carrier *carrier = session->carrier;
	session->owes = false;
	if (carrier->owed && carrier->owed(session, session->carrier_state, writer) == STATUS_FULL)
		session->owes = true;
}

/* A conn that is still being dialled says nothing, and is given up when nobody waits for it any more. */
static void give_up(struct session *session)
{
	struct channel *channel = session->traits & TRAIT_CONN ? session_only_channel(session) : NULL;
	if (channel && channel->says & SAYS_RESET)
		say_reset(session, NULL, channel);
}

void session_pump(struct session *session, struct writer *writer)
{
	if (session->state == SESSION_STARTING && session->dial)
		give_up(session);
	if (session->state != SESSION_OPEN && session->state != SESSION_FLUSH)
		return;
	if (session->carrier_waits && session->state == SESSION_OPEN) {
		say_opening(session, writer);
		if (is_done(session))
			session_end(session, REASON_STOPPING, NULL, true);
		return;
	}
	enum status status = say_announced(session, writer);
	if (status != STATUS_FULL)
		status = say_owed(session, writer);
	if (status != STATUS_FULL && session->ready && session->state == SESSION_OPEN) {
		status = say_controls(session, writer);
		if (status != STATUS_FULL)
			say_active(session, writer);
	}
	session_let_in(session);
	if (is_done(session))
		session_end(session, session->traits & TRAIT_CONN ? REASON_OK : REASON_STOPPING, NULL, true);
}

bool session_has_output(const struct session *session)
{
	if (session->state == SESSION_FLUSH)
		return session->owes;
	if (session->state != SESSION_OPEN)
		return false;
	if (session->carrier_waits)
		return session->owes || is_done(session);
	if (session->says || session->owes || is_done(session))
		return true;
	return session->ready && !(list_is_empty(&session->control) && list_is_empty(&session->fresh) &&
				   list_is_empty(&session->active));
}
