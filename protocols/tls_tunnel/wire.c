/* protocols/tls_tunnel/wire.c - the clock, the table, and what is asked of it; see wire.h and tunnel.h. */
#include "protocols/tls_tunnel/handshake.h"

enum status tunnel_fault(struct session *session, struct tunnel *tunnel, const char *text)
{
	tunnel->goaway_owed = true;
	session_owes(session);
	return session_fault(session, text);
}

void tunnel_learn_peer(struct session *session, const struct tunnel *tunnel)
{
	if (!control_is_ours(&tunnel->control))
		return;
	session->traits |= TRAIT_HALF_CLOSE;
	session->channels_max = session->hub->limits->channels_per_session;
}

/* ---- the clock ---- */

static struct instant next_tick(const struct session *session, const struct tunnel *tunnel)
{
	const struct instant *instants[] = {&tunnel->ping_at, &tunnel->heartbeat_at, &tunnel->answer_at,
					    &tunnel->open_at, &tunnel->header_at};
	struct instant next = instant_after(session->heard_at, DURATION_S(SILENT_S));
	for (size_t i = 0; i < COUNT_OF(instants); i++)
		if (instant_is_set(*instants[i]))
			next = instant_min(next, *instants[i]);
	return next;
}

void tunnel_tick_at_next(struct session *session, const struct tunnel *tunnel)
{
	session_tick_at(session, next_tick(session, tunnel));
}

static bool is_due(struct instant at, struct instant now)
{
	return instant_is_set(at) && !instant_before(now, at);
}

static void tick_owed(struct session *session, struct tunnel *tunnel, struct instant now)
{
	if (is_due(tunnel->ping_at, now)) {
		tunnel->ping_at = instant_after(now, DURATION_S(PING_S));
		tunnel->ping_owed = true;
		session_owes(session);
		if (!control_is_ours(&tunnel->control))
			streams_unstick(session, tunnel);
	}
	if (is_due(tunnel->heartbeat_at, now)) {
		tunnel->heartbeat_at = instant_after(now, DURATION_S(HEARTBEAT_S));
		tunnel->heartbeat_owed = true;
		session_owes(session);
	}
}

static struct instant tunnel_tick(struct session *session, void *state, struct instant now)
{
	struct tunnel *tunnel = state;
	if (is_due(instant_after(session->heard_at, DURATION_S(SILENT_S)), now)) {
		hub_count(session->hub, COUNTER_peers_silent, 1);
		session_end(session, REASON_SILENT, "nothing heard for 90 s", false);
		return INSTANT_NEVER;
	}
	if (is_due(tunnel->answer_at, now)) {
		bool login = tunnel->control.login == EXCHANGE_ASKED;
		session_end(session, REASON_TIMEOUT,
			    !session->client ? "did not say for 120 s what it publishes"
			    : login	     ? "no answer to authenticate for 10 s"
					     : "no answer to submit_config for 10 s",
			    false);
		return INSTANT_NEVER;
	}
	tick_owed(session, tunnel, now);
	if (is_due(tunnel->open_at, now)) {
		tunnel->open_at = (struct instant){0};
		tunnel->open_now = true;
		session_wake(session);
	}
	if (is_due(tunnel->header_at, now))
		streams_expire(session, tunnel, now);
	return next_tick(session, tunnel);
}

/* ---- the table ---- */

static enum status tunnel_start(struct session *session, void *state)
{
	struct tunnel *tunnel = state;
	bool legacy = tunnel_is_legacy(tunnel);
	tunnel->phase = !session->client ? PHASE_FIRST : legacy ? PHASE_LEGACY : PHASE_YAMUX;
	tunnel->next_id = !session->client ? 2 : legacy ? 1 : 3;
	tunnel->line.id = session->client;
	tunnel->line.credit = tunnel->line.granted = YAMUX_WINDOW;
	control_init(&tunnel->control, session->client, &session->hub->memory);
	session->traits &= ~(uint32_t)TRAIT_HALF_CLOSE; /* until the peer has shown that it is ours */
	if (session->channels_max > CHANNELS_STOCK_MAX)
		session->channels_max = CHANNELS_STOCK_MAX;
	tunnel->ping_at = instant_after(session->hub->now, DURATION_S(PING_S));
	tunnel->ping_owed = session->client;
	if (session->client)
		session_owes(session);
	tunnel_tick_at_next(session, tunnel);
	return STATUS_OK;
}

static void tunnel_stop(struct session *session, void *state)
{
	struct tunnel *tunnel = state;
	if (!tunnel->control.memory)
		return; /* it never started */
	line_fini(&tunnel->line);
	handshake_fini(tunnel);
	control_fini(&tunnel->control);
}

const struct wire wire_tls_tunnel = {
    .name = "tls_tunnel",
    .traits = TRAIT_CREDIT | TRAIT_HALF_CLOSE,
    .session_size = sizeof(struct tunnel),
    .channel_size = sizeof(struct stream),
    .chunk_max = YAMUX_SEND_MAX,
    .start = tunnel_start,
    .decode = tunnel_decode,
    .encode = tunnel_encode,
    .tick = tunnel_tick,
    .stop = tunnel_stop,
};

static struct tunnel *tunnel_of(const struct session *session)
{
	check(session->wire == &wire_tls_tunnel);
	return session->wire_state;
}

void tls_tunnel_speak(struct session *session, enum tunnel_generation generation)
{
	check(session->client && session->state == SESSION_STARTING && generation != TUNNEL_UNKNOWN);
	tunnel_of(session)->legacy.generation = generation == TUNNEL_15 ? TUNNEL_UNKNOWN : generation;
}

void tls_tunnel_guess(struct session *session) { tunnel_of(session)->legacy.guess = true; }

void tls_tunnel_refuse_legacy(struct session *session) { tunnel_of(session)->legacy_refused = true; }

enum tunnel_generation tls_tunnel_generation(const struct session *session)
{
	return tunnel_of(session)->shown;
}

const char *tls_tunnel_transport_name(const struct session *session)
{
	const struct carrier *carrier = session->carrier;
	return carrier == &carrier_http2 ? "http2" : carrier == &carrier_websocket_bytes ? "wss" : "tls";
}

const char *tls_tunnel_generation_name(enum tunnel_generation generation)
{
	static const char *const names[] = {[TUNNEL_UNKNOWN] = "",
					    [TUNNEL_15] = "1.5",
					    [TUNNEL_14] = "1.4",
					    [TUNNEL_14Y] = "1.4.y",
					    [TUNNEL_10] = "1.0"};
	return names[generation];
}

uint32_t tls_tunnel_features(const struct session *session)
{
	return tunnel_of(session)->control.shown_by_peer;
}

void tls_tunnel_probe(struct session *session)
{
	tunnel_of(session)->ping_owed = true;
	session_owes(session);
}
