/* core/session.c - the life of a session, and what it feeds its wire; see session.h. What is heard goes on in
 * delivery.c, speaking is in scheduler.c.
 */
#include "core/session.h"

#include "core/hub.h"
#include "core/request.h"

static void session_ticked(struct timer *timer);

static size_t rounded(size_t size) { return (size + 15) & ~(size_t)15; }

/* A session and the states of its wire, carrier and role are one object. */
static size_t size_of(const struct wire *wire, const struct carrier *carrier, const struct role *role)
{
	return rounded(sizeof(struct session)) + rounded(wire->session_size) + rounded(carrier->state_size) +
	       rounded(role ? role->session_size : 0);
}

struct session *session_create(struct hub *hub, const struct session_options *options)
{
	const struct wire *wire = options->wire;
	const struct carrier *carrier = options->carrier;
	struct session *session = memory_acquire(&hub->memory, size_of(wire, carrier, options->role));
	if (!session)
		return NULL;
	uint8_t *states = (uint8_t *)session + rounded(sizeof *session);
	session->wire_state = states;
	session->carrier_state = states + rounded(wire->session_size);
	session->role_state = states + rounded(wire->session_size) + rounded(carrier->state_size);
	session->hub = hub;
	session->id = (uint64_t)hub->index << 48 | ++hub->session_serial;
	session->wire = wire;
	session->carrier = carrier;
	session->role = options->role;
	session->service = options->service;
	session->client = options->client;
	session->traits = wire->traits;
	session->channels_max = wire->traits & TRAIT_CONN ? 1 : hub->limits->channels_per_session;
	session->ids.seed = (uint32_t)random_next(&hub->random);
	rate_init(&session->opens, hub->limits->opens_per_second, hub->limits->opens_per_second, hub->now);
	session->since = session->heard_at = hub->now;
	session->tick.expired = session_ticked;
	list_init(&session->channels);
	list_init(&session->control);
	list_init(&session->fresh);
	list_init(&session->active);
	list_init(&session->sources);
	list_push(&hub->sessions, &session->hub_link);
	hub->session_count++;
	if (!(wire->traits & TRAIT_CONN))
		hub->link_count++;
	return session;
}

void session_open(struct session *session)
{
	if (session->state != SESSION_STARTING)
		return;
	session->state = SESSION_OPEN;
	session->heard_at = session->hub->now;
	if (session->carrier->start)
		session->carrier->start(session, session->carrier_state);
	session->ready = session->traits & TRAIT_CONN || session->ferry;
	if (session->wire->start && session->wire->start(session, session->wire_state) != STATUS_OK) {
		session_end(session, REASON_PROTOCOL, NULL, false);
		return;
	}
	if (session->role && session->role->start)
		session->role->start(session);
	session_touch(session);
}

static void input_release(struct session *session)
{
	buf_unref(session->input.buf);
	if (session->ferry && session->chunk_valid)
		buf_unref(session->chunk.piece.buf);
	session->input = (struct piece){0};
	session->chunk_valid = false;
}

void session_destroy(struct session *session)
{
	struct hub *hub = session->hub;
	check(session->state == SESSION_DEAD && session->channel_count == 0 && !session->stream &&
	      !session->dial && !session->dgram && !session->binding);
	if (session->role && session->role->ended)
		session->role->ended(session);
	if (session->wire->stop)
		session->wire->stop(session, session->wire_state);
	if (session->carrier->stop)
		session->carrier->stop(session, session->carrier_state);
	input_release(session);
	timer_disarm(&session->tick);
	link_remove(&session->hub_link);
	link_remove(&session->delivered_link);
	link_remove(&session->writable_link);
	link_remove(&session->readable_link);
	link_remove(&session->ended_link);
	idtable_fini(&session->ids);
	hub->session_count--;
	if (!(session->wire->traits & TRAIT_CONN) && !session->ferry)
		hub->link_count--;
	memory_release(&hub->memory, session, size_of(session->wire, session->carrier, session->role));
}

/* One channel of a session that is over. */
static void channel_end(struct channel *channel, enum reason why)
{
	if (!channel->pair) {
		channel_said(channel, EVENT_RESET); /* nobody is left to hear it */
		return;
	}
	if (channel->opener && channel->state == CHANNEL_OPENING) {
		channel_opened(channel, why ? why : REASON_LOST,
			       slice_of(reason_text(why ? why : REASON_LOST)));
		return;
	}
	/* a conn that ended well has delivered everything; a link never promises that */
	bool clean = why == REASON_OK && channel->traits & TRAIT_CONN;
	channel->says = 0;
	flow_end(channel->pair, channel->side, clean ? END_CLOSE : END_RESET, why ? why : REASON_LOST);
	channel->in_done = channel->out_done = true;
	channel->says = 0;
	channel_settle(channel);
}

void session_end(struct session *session, enum reason why, const char *text, bool flush)
{
	if (session->state == SESSION_DEAD || (session->state == SESSION_FLUSH && flush))
		return;
	if (!session->why)
		session->why = why;                  /* the first reason sticks */
	if (text && !session->why_text[0])
		text_copy(session->why_text, sizeof session->why_text, slice_of(text));
	session->flushed = session->state == SESSION_FLUSH;
	session->state = flush && session->state == SESSION_OPEN ? SESSION_FLUSH : SESSION_DEAD;
	session->slot_full = false;
	if (session->burden)
		burden_close(session->burden);       /* it has nothing to carry and would be chosen by all */
	link_remove(&session->delivered_link);
	while (!list_is_empty(&session->channels))
		channel_end(OWNER(session->channels.next, struct channel, session_link), why);
	input_release(session);
	timer_disarm(&session->tick);
	hub_forget(session);
	if (session->state == SESSION_DEAD) {
		if (!link_is_linked(&session->ended_link))
			list_push(&session->hub->ended, &session->ended_link);
	} else {
		session->owes = session->owes || session->carrier->finish;
		session_touch(session);
	}
}

void session_show(struct session *session, struct burden *burden)
{
	burden_show_channels(burden, session->channel_count);
	burden_show_bytes(burden, session->queued_bytes);
	burden_open(burden);
	session->burden = burden;
}

void session_drain(struct session *session)
{
	session->draining = true;
	if (session->burden)
		burden_close(session->burden);
	session_touch(session);
}

/* ---- what wires and roles announce ---- */

void session_touch(struct session *session)
{
	bool speaks = session->state == SESSION_OPEN || session->state == SESSION_FLUSH;
	bool dials = session->state == SESSION_STARTING && session->dial; /* it may have to be called off */
	if ((speaks || dials) && !link_is_linked(&session->writable_link))
		list_push(&session->hub->writable, &session->writable_link);
}

void session_owes(struct session *session)
{
	session->owes = true;
	session_touch(session);
}

void session_wake(struct session *session) { session_touch(session); }

void session_carrier_waits(struct session *session)
{
	session->carrier_waits = true;
	session_owes(session);
}

void session_carrier_agreed(struct session *session)
{
	session->carrier_waits = false;
	session_owes(session);               /* what the wire owes waited */
}

void session_hold(struct session *session) { session->held = true; }

void session_unhold(struct session *session)
{
	if (!session->held)
		return;
	session->held = false;
	if (!link_is_linked(&session->readable_link))
		list_push(&session->hub->readable, &session->readable_link);
}

void session_say(struct session *session, enum event_kind kind)
{
	session->says |= 1u << kind;
	session_touch(session);
}

enum status session_fault(struct session *session, const char *text)
{
	if (!session->why_text[0])
		text_copy(session->why_text, sizeof session->why_text, slice_of(text));
	return STATUS_PROTOCOL;
}

void session_tick_at(struct session *session, struct instant at)
{
	timer_arm(&session->hub->wheel, &session->tick, at);
}

static void session_ticked(struct timer *timer)
{
	struct session *session = OWNER(timer, struct session, tick);
	if (session->state != SESSION_OPEN || !session->wire->tick)
		return;
	struct instant next = session->wire->tick(session, session->wire_state, session->hub->now);
	if (session->state == SESSION_OPEN && instant_before(next, INSTANT_NEVER))
		timer_arm(&session->hub->wheel, timer, next);
}

/* ---- feeding ---- */

bool session_wants_input(const struct session *session)
{
	return session->state == SESSION_OPEN && !session->input.buf && !session->chunk_valid &&
	       !session->blocked && !session->held && !session->slot_full;
}

void session_input(struct session *session, struct piece piece)
{
	check(!session->input.buf);
	session->input = piece;
	session->heard_at = session->hub->now;
	session->bytes_in += piece.bytes.size;
	session_feed(session);
}

void session_input_end(struct session *session)
{
	check(session_wants_input(session));
	session->chunk = (struct chunk){.kind = CHUNK_END, .last = true};
	session->chunk_valid = true;
	session->input_ended = true;
	session_feed(session);
}

/* What a status of decode that is not OK or FULL means for the session. A wire may owe a last word (GoAway).
 */
static void session_fail(struct session *session, enum status status)
{
	enum reason why = status == STATUS_IO	  ? REASON_LOST
			  : status == STATUS_AUTH ? REASON_AUTH
						  : REASON_PROTOCOL;
	if (why == REASON_PROTOCOL)
		hub_count(session->hub, COUNTER_protocol_errors, 1);
	session_end(session, why, NULL, status != STATUS_IO);
}

/* The next chunk of the input. False: there is none. */
static bool next_chunk(struct session *session)
{
	if (session->chunk_valid)
		return true;
	if (!session->input.bytes.size && !session->ferry) {
		input_release(session);
		return false;
	}
	enum status status =
	    session->carrier->decode(session, session->carrier_state, &session->input, &session->chunk);
	if (status == STATUS_OK) {
		session->chunk_valid = true;
		return true;
	}
	if (status == STATUS_MORE)
		input_release(session);
	else
		session_fail(session, status);
	return false;
}

/* What waits must not keep the kernel's receive buffer: enough blocked conns would hold them all, and the
 * link whose news would unblock them could not be read. */
static void input_shelve(struct session *session)
{
	struct piece rest = session->input;
	struct piece *chunk = session->chunk_valid ? &session->chunk.piece : NULL;
	size_t ahead = 0;
	if (chunk && chunk->buf != rest.buf)
		return;
	if (chunk) {
		ahead = (size_t)(rest.bytes.at - chunk->bytes.at);
		rest.bytes = (struct slice){chunk->bytes.at, ahead + rest.bytes.size};
	}
	piece_shelve(&rest);
	session->input.buf = rest.buf;
	session->input.bytes.at = rest.bytes.at + ahead;
	if (chunk)
		*chunk = (struct piece){rest.buf, {rest.bytes.at, chunk->bytes.size}};
}

static void feed(struct session *session)
{
	while (session->state == SESSION_OPEN && !session->blocked && !session->held && !session->slot_full &&
	       next_chunk(session)) {
		size_t used = 0, size = session->chunk.piece.bytes.size;
		enum status status =
		    session->wire->decode(session, session->wire_state, &session->chunk, &used);
		if (session->state != SESSION_OPEN)
			return;
		check(used <= size);
		if (used) {
			session->chunk.piece.bytes.at += used;
			session->chunk.piece.bytes.size -= used;
		}
		if (status == STATUS_FULL) {
			check(session->blocked || session->slot_full);
			return;
		}
		if (status != STATUS_OK) {
			session_fail(session, status);
			return;
		}
		check(used || !size || session->slot_full || session->held);   /* progress */
		if (used == size) {
			session->chunk_valid = false;
			if (session->ferry)
				buf_unref(session->chunk.piece.buf);
		}
	}
}

void session_feed(struct session *session)
{
	feed(session);
	if (session->input.buf && !session->slot_full)   /* the slot may point into it */
		input_shelve(session);
}

void session_answer(struct session *session)
{
	if (!session->slot_full)
		return;
	struct event event = session->slot;
	session->slot_full = false;
	session->role->event(session, &event);
	session_feed(session);
}
