/* protocols/linksocks/wire.c - the clock, refusals without a channel, and the table; see wire.h. */
#include "protocols/linksocks/wire_inside.h"

enum status linksocks_starved(struct session *session)
{
	session_end(session, REASON_MEMORY, NULL, false);
	return STATUS_IO;
}

enum status linksocks_refuse(struct session *session, struct linksocks *linksocks,
			     const uint8_t id[LINKSOCKS_UUID_SIZE], enum refusal refusal)
{
	struct answer answer = {.refusal = (uint8_t)refusal};
	if (!linksocks->answers)
		linksocks->answers = buf_acquire(&session->hub->bufs, REFUSALS_MAX * sizeof answer);
	if (!linksocks->answers)
		return linksocks_starved(session);
	if (linksocks->answers_added - linksocks->answers_said == REFUSALS_MAX) {
		hub_count(session->hub, COUNTER_refusals_overflow, 1);
		return session_fault(session, "opens channels faster than it hears that they are refused");
	}
	memcpy(answer.id, id, sizeof answer.id);
	memcpy(linksocks->answers->bytes + linksocks->answers_added++ % REFUSALS_MAX * sizeof answer, &answer,
	       sizeof answer);
	session_owes(session);
	return STATUS_OK;
}

/* ---- the clock ---- */

static struct instant silent_at(const struct session *session, const struct linksocks *linksocks)
{
	struct instant heard = session->heard_at;
	if (instant_before(heard, linksocks->excused_at))
		heard = linksocks->excused_at;
	return instant_after(heard, DURATION_S(LINKSOCKS_SILENT_S));
}

static struct instant next_tick(const struct session *session, const struct linksocks *linksocks)
{
	struct instant next = instant_min(silent_at(session, linksocks), linksocks->ping_at);
	return instant_is_set(linksocks->pong_at) ? instant_min(next, linksocks->pong_at) : next;
}

void linksocks_begin(struct session *session, struct linksocks *linksocks)
{
	struct instant now = session->hub->now;
	linksocks->phase = PHASE_OPEN;
	linksocks->ping_at = instant_after(now, DURATION_S(LINKSOCKS_PING_S));
	if (linksocks->options.provider)
		linksocks->pong_at = instant_after(now, DURATION_S(PONG_S));
	linksocks->ping_owed = true;
	session_owes(session);
	session_wake(session);
	session_tick_at(session, next_tick(session, linksocks));
}

static bool is_due(struct instant at, struct instant now)
{
	return instant_is_set(at) && !instant_before(now, at);
}

/* While we do not read, nothing can be heard. */
static bool is_deaf(const struct session *session)
{
	return session->blocked || session->held || session->slot_full;
}

static struct instant linksocks_tick(struct session *session, void *state, struct instant now)
{
	struct linksocks *linksocks = state;
	if (linksocks->phase != PHASE_OPEN)
		return INSTANT_NEVER;
	if (is_deaf(session))
		linksocks->excused_at = now;
	if (is_due(silent_at(session, linksocks), now)) {
		hub_count(session->hub, COUNTER_peers_silent, 1);
		session_end(session, REASON_SILENT, "nothing heard for 75 s", false);
		return INSTANT_NEVER;
	}
	if (is_due(linksocks->ping_at, now)) {
		linksocks->ping_at = instant_after(now, DURATION_S(LINKSOCKS_PING_S));
		linksocks->ping_owed = true;
		session_owes(session);
		session_reset_fullest(session, DURATION_S(HELD_BACK_S));
	}
	if (is_due(linksocks->pong_at, now)) {
		linksocks->pong_at = instant_after(now, DURATION_S(PONG_S));
		linksocks->pong_owed = true;
		session_owes(session);
	}
	return next_tick(session, linksocks);
}

/* ---- the table ---- */

static void linksocks_stop(struct session *session, void *state) { linksocks_forget(state); }

const struct wire wire_linksocks = {
    .name = "linksocks",
    .traits = TRAIT_WHOLE,
    .session_size = sizeof(struct linksocks),
    .channel_size = sizeof(struct linksocks_channel),
    .chunk_max = CHUNK_MAX,
    .message_max = LINKSOCKS_MESSAGE_MAX,
    .any_text = true,
    .decode = linksocks_decode,
    .encode = linksocks_encode,
    .tick = linksocks_tick,
    .stop = linksocks_stop,
};

static struct linksocks *linksocks_of(const struct session *session)
{
	check(session->wire == &wire_linksocks);
	return session->wire_state;
}

void linksocks_configure(struct session *session, const struct linksocks_options *options)
{
	linksocks_of(session)->options = *options;
}

uint32_t linksocks_features(const struct session *session) { return linksocks_of(session)->features; }

void linksocks_open_fast(struct channel *channel, bool hold)
{
	linksocks_of(channel->session);
	channel_trust(channel);
	own_of(channel)->held = hold;
	if (hold)
		channel_hold(channel, INSTANT_NEVER);
}
