/* protocols/tls_tunnel/wire.c - frames heard, the clock, and the table; see wire.h and tunnel.h. */
#include "protocols/tls_tunnel/handshake.h"

/* ---- refusals without a channel ---- */

enum status tunnel_fault(struct session *session, struct tunnel *tunnel, const char *text)
{
	tunnel->goaway_owed = true;
	session_owes(session);
	return session_fault(session, text);
}

bool tunnel_refuse(struct session *session, struct tunnel *tunnel, uint32_t id)
{
	if (tunnel->refusals_added - tunnel->refusals_said == REFUSALS_MAX)
		return false;
	tunnel->refusals[tunnel->refusals_added++ % REFUSALS_MAX] = id;
	session_owes(session);
	return true;
}

static bool refusal_waits(const struct tunnel *tunnel, uint32_t id)
{
	for (uint32_t at = tunnel->refusals_said; at != tunnel->refusals_added; at++)
		if (tunnel->refusals[at % REFUSALS_MAX] == id)
			return true;
	return false;
}

/* Data for a stream that is not there: discarded, and its sender is told once. */
static void refuse_stray(struct session *session, struct tunnel *tunnel, uint32_t id)
{
	for (size_t i = 0; i < REFUSALS_MAX; i++)
		if (tunnel->refusals[i] == id)
			return;
	tunnel_refuse(session, tunnel, id);
}

void tunnel_learn_peer(struct session *session, const struct tunnel *tunnel)
{
	if (!control_is_ours(&tunnel->control))
		return;
	session->traits |= TRAIT_HALF_CLOSE;
	session->channels_max = session->hub->limits->channels_per_session;
}

/* ---- a frame begins ---- */

static bool is_line(const struct tunnel *tunnel)
{
	return tunnel->line.open && tunnel->frame.id == tunnel->line.id;
}

static bool has_peers_parity(const struct session *session, uint32_t id)
{
	return id != 0 && (id & 1) == !session->client;
}

/* The header of a SYN is judged as a whole before anything is made of it. NULL: nothing is wrong. */
static const char *syn_fault(const struct session *session, const struct tunnel *tunnel, bool in_use)
{
	const struct yamux_header *frame = &tunnel->frame;
	if (!has_peers_parity(session, frame->id))
		return "opened a stream with an id that is not its own";
	if (in_use || is_line(tunnel) || refusal_waits(tunnel, frame->id))
		return "opened a stream with an id that is in use";
	if (frame->type == YAMUX_DATA && frame->length > YAMUX_WINDOW)
		return "opened a stream with more data than its window allows";
	if (frame->type == YAMUX_WINDOW_UPDATE && frame->length > UINT32_MAX - YAMUX_WINDOW)
		return "granted a window above 2^32-1";
	return NULL;
}

static void open_line(struct session *session, struct tunnel *tunnel)
{
	struct control_stream *line = &tunnel->line;
	line->id = tunnel->frame.id;
	line->open = line->ack_owed = true;
	session_owes(session);
}

/* A stream that the peer opens. NULL with OK: it is ignored or will be refused. */
static enum status accept_stream(struct session *session, struct tunnel *tunnel, struct channel **channel)
{
	struct hub *hub = session->hub;
	uint32_t id = tunnel->frame.id;
	*channel = control_is_running(&tunnel->control) ? session_channel(session) : NULL;
	if (!*channel) {
		if (tunnel_refuse(session, tunnel, id))
			return STATUS_OK;
		hub_count(hub, COUNTER_refusals_overflow, 1);
		return tunnel_fault(session, tunnel,
				    "opens streams faster than it hears that they are refused");
	}
	struct stream *stream = stream_of(*channel);
	channel_set_id(*channel, &id, sizeof id);
	*stream = (struct stream){.id = id,
				  .dialogue = DIALOGUE_HEADER,
				  .ack_owed = true,
				  .until = instant_after(hub->now, DURATION_S(HEADER_S))};
	if (!instant_is_set(tunnel->header_at))
		tunnel->header_at = stream->until; /* not before the next tick, which is never later */
	channel_owes(*channel);
	return STATUS_OK;
}

static enum status hear_credit(struct session *session, struct tunnel *tunnel, struct channel *channel)
{
	struct event event = {.kind = EVENT_CREDIT, .channel = channel, .amount = tunnel->frame.length};
	if (!event.amount)
		return STATUS_OK;
	if (channel->credit + event.amount > UINT32_MAX)
		return tunnel_fault(session, tunnel, "granted a window above 2^32-1");
	return session_deliver(session, &event);
}

static enum status begin_line_frame(struct session *session, struct tunnel *tunnel)
{
	struct control_stream *line = &tunnel->line;
	const struct yamux_header *frame = &tunnel->frame;
	if (frame->type == YAMUX_DATA) {
		tunnel->left = frame->length;
		return frame->length <= line->granted
			   ? STATUS_OK
			   : tunnel_fault(session, tunnel,
					  "sent more on the control stream than its window allows");
	}
	if (line->credit + frame->length > UINT32_MAX)
		return tunnel_fault(session, tunnel, "granted a window above 2^32-1");
	line->credit += frame->length;
	if (line->sending || tunnel->heartbeat_owed)
		session_owes(session);
	session_wake(session);
	return STATUS_OK;
}

static enum status begin_stream_frame(struct session *session, struct tunnel *tunnel)
{
	const struct yamux_header *frame = &tunnel->frame;
	struct channel *channel =
	    is_line(tunnel) ? NULL : session_find(session, &frame->id, sizeof frame->id);
	bool syn = frame->flags & YAMUX_SYN;
	const char *fault = syn ? syn_fault(session, tunnel, channel != NULL) : NULL;
	if (fault)
		return tunnel_fault(session, tunnel, fault);
	bool ignored = syn && frame->flags & YAMUX_RST; /* opened and reset at once */
	if (syn && !ignored && !session->client && !tunnel->line.open && !tunnel_is_legacy(tunnel))
		open_line(session, tunnel);
	if (is_line(tunnel))
		return begin_line_frame(session, tunnel);
	if (syn && !ignored) {
		enum status status = accept_stream(session, tunnel, &channel);
		if (status != STATUS_OK)
			return status;
	}
	if (frame->type == YAMUX_WINDOW_UPDATE)
		return channel ? hear_credit(session, tunnel, channel) : STATUS_OK;
	tunnel->left = frame->length;
	if (channel && frame->length > channel->granted)
		return tunnel_fault(session, tunnel, "sent more data than its window allows");
	if (!channel && !syn && frame->length)
		refuse_stray(session, tunnel, frame->id);
	return STATUS_OK;
}

static enum status hear_ping(struct session *session, struct tunnel *tunnel)
{
	const struct yamux_header *frame = &tunnel->frame;
	struct event event = {.kind = EVENT_PING, .amount = frame->length};
	if (!(frame->flags & YAMUX_ACK)) {
		tunnel->pong_owed = true;
		tunnel->pong_nonce = frame->length;
		session_owes(session);
		return session_deliver(session, &event);
	}
	if (!tunnel->ping_out || frame->length != tunnel->ping_nonce)
		return STATUS_OK;
	event.kind = EVENT_PONG;
	if (session_deliver(session, &event) != STATUS_OK)
		return STATUS_FULL;
	tunnel->ping_out = false;
	session->rtt = instant_since(session->hub->now, tunnel->ping_said_at);
	if (session->rtt.ns < 1)
		session->rtt.ns = 1;
	return STATUS_OK;
}

static enum status hear_goaway(struct session *session, const struct yamux_header *frame)
{
	struct event event = {.kind = EVENT_GOAWAY};
	event.reason = frame->length == YAMUX_CODE_NORMAL     ? REASON_GOAWAY
		       : frame->length == YAMUX_CODE_PROTOCOL ? REASON_PROTOCOL
							      : REASON_OTHER;
	return session_deliver(session, &event);
}

/* A gateway of 1.1 to 1.4.1 reads our Ping as the size of a key: 00, u16 size, "Authentication key too ...".
 * Nothing else is taken for it. */
static bool is_old_answer(const struct session *session, const struct yamux_header *frame)
{
	static const uint8_t answer[] = "\0\0\x2c" "Authentic";
	return session->client && frame->version == 0 && frame->type == YAMUX_DATA &&
	       frame->flags == get16(answer + 2) && frame->id == get32(answer + 4) &&
	       frame->length == get32(answer + 8);
}

/* What the first frame shows of its sender. */
static const char *hear_first(struct session *session, struct tunnel *tunnel, const char *fault)
{
	tunnel->heard = true;
	if (tunnel_is_legacy(tunnel)) {
		tunnel->open_now = tunnel->open_now || !fault; /* it has gone over to yamux */
		session_wake(session);
		return fault;
	}
	if (is_old_answer(session, &tunnel->frame)) {
		tunnel->shown = TUNNEL_14;
		return "this gateway speaks TLS Tunnel 1.4 or older";
	}
	if (!fault)
		tunnel->shown = TUNNEL_15;
	if (!session->client) { /* the first frame of a client is answered with a Ping */
		tunnel->ping_owed = true;
		session_owes(session);
	}
	return fault;
}

static enum status begin_frame(struct session *session, struct tunnel *tunnel)
{
	const struct yamux_header *frame = &tunnel->frame;
	const char *fault = yamux_fault(frame);
	tunnel->left = 0;
	if (!tunnel->heard)
		fault = hear_first(session, tunnel, fault);
	if (fault)
		return tunnel_fault(session, tunnel, fault);
	if (frame->type == YAMUX_PING)
		return hear_ping(session, tunnel);
	if (frame->type == YAMUX_GOAWAY)
		return hear_goaway(session, frame);
	return begin_stream_frame(session, tunnel);
}

/* ---- its body, its end ---- */

static enum status hear_body(struct session *session, struct tunnel *tunnel, const struct chunk *chunk,
			     struct slice bytes, size_t *taken)
{
	uint32_t id = tunnel->frame.id;
	if (is_line(tunnel))
		return line_decode(session, tunnel, bytes, taken);
	struct channel *channel = session_find(session, &id, sizeof id);
	*taken = bytes.size;
	if (!channel) {
		hub_count(session->hub, COUNTER_bytes_discarded, bytes.size);
		return STATUS_OK;
	}
	if (stream_of(channel)->dialogue != DIALOGUE_NONE && !channel->in_done)
		return stream_decode(session, tunnel, channel, bytes, taken);
	struct piece piece = {chunk->piece.buf, bytes};
	struct event event = {
	    .kind = EVENT_DATA, .channel = channel, .pieces = &piece, .piece_count = 1, .size = bytes.size};
	enum status status = session_deliver(session, &event);
	if (status == STATUS_FULL)
		*taken = 0;
	return status;
}

/* The connection or its control stream is over. Early, that is how an original gateway refuses; but a broken
 * network looks the same, so it counts as lost and is tried again at the ordinary pace. */
static enum status tunnel_ended(struct session *session, const struct tunnel *tunnel)
{
	const struct control *control = &tunnel->control;
	if (session->draining)           /* one of the two has said that it goes */
		session_end(session, REASON_STOPPING, NULL, false);
	else if (session->client && control->login == EXCHANGE_ASKED)
		session_end(session, REASON_LOST, "closed during authentication (wrong key?)", false);
	else if (session->client && control->config == EXCHANGE_ASKED)
		session_end(session, REASON_LOST,
			    "closed during configuration (all proxies rejected or invalid?)", false);
	return STATUS_IO;
}

/* FIN or RST before the dialogue was over: what is missing will never come. */
static enum status end_dialogue(struct session *session, struct tunnel *tunnel, struct channel *channel)
{
	struct stream *stream = stream_of(channel);
	struct event event = {.kind = EVENT_RESET, .channel = channel};
	uint32_t id = stream->id;
	if (tunnel->frame.flags & YAMUX_RST)
		return session_deliver(session, &event);
	if (stream->dialogue == DIALOGUE_HEADER) {
		stream->dialogue = DIALOGUE_NONE;
		stream->verdict = false;
		channel_refuse(channel, REASON_LOST, NULL);
		return STATUS_OK;
	}
	session_deliver(session, &event); /* before a verdict it is a refusal */
	tunnel_refuse(session, tunnel, id);
	return STATUS_OK;
}

static enum status end_frame(struct session *session, struct tunnel *tunnel)
{
	const struct yamux_header *frame = &tunnel->frame;
	unsigned ends = frame->flags & (YAMUX_FIN | YAMUX_RST);
	tunnel->in_frame = false;
	if (!ends || frame->type > YAMUX_WINDOW_UPDATE)
		return STATUS_OK;
	if (is_line(tunnel)) {
		session_fault(session, "the peer closed the control stream");
		return tunnel_ended(session, tunnel);
	}
	struct channel *channel = session_find(session, &frame->id, sizeof frame->id);
	if (!channel)
		return STATUS_OK;
	bool talks = stream_of(channel)->dialogue == DIALOGUE_HEADER ||
		     stream_of(channel)->dialogue == DIALOGUE_VERDICT;
	if (talks && !channel->in_done)
		return end_dialogue(session, tunnel, channel);
	stream_of(channel)->fin_heard = true;
	struct event event = {.kind = EVENT_EOF, .channel = channel};
	if (ends & YAMUX_RST)
		event.kind =
		    ends == YAMUX_RST && control_is_ours(&tunnel->control) ? EVENT_RESET : EVENT_CLOSE;
	return session_deliver(session, &event);
}

/* One step: a header, or a part of a body. */
static enum status hear_step(struct session *session, struct tunnel *tunnel, const struct chunk *chunk,
			     struct slice *bytes)
{
	if (!tunnel->in_frame) {
		if (!yamux_read(&tunnel->reader, bytes, &tunnel->frame))
			return STATUS_OK;
		enum status status = begin_frame(session, tunnel);
		if (status != STATUS_OK)
			return status;
		tunnel->in_frame = true;
	}
	if (tunnel->left) {
		size_t taken = 0, size = size_min(tunnel->left, bytes->size);
		if (!size)
			return STATUS_OK;
		enum status status =
		    hear_body(session, tunnel, chunk, (struct slice){bytes->at, size}, &taken);
		bytes->at += taken;
		bytes->size -= taken;
		tunnel->left -= (uint32_t)taken;
		if (status != STATUS_OK || tunnel->left)
			return status;
	}
	return end_frame(session, tunnel);
}

static enum status tunnel_decode(struct session *session, void *state, const struct chunk *chunk,
				 size_t *consumed)
{
	struct tunnel *tunnel = state;
	struct slice bytes = chunk->piece.bytes;
	enum status status = STATUS_OK;
	if (chunk->kind == CHUNK_END)
		return tunnel_ended(session, tunnel);
	if (tunnel->control.kept)
		control_release(&tunnel->control);
	if (chunk->kind != CHUNK_BYTES && chunk->kind != CHUNK_BINARY)
		bytes.size = 0;
	while (bytes.size && status == STATUS_OK && !session->slot_full && !session->held &&
	       session->state == SESSION_OPEN)
		status = tunnel->phase == PHASE_YAMUX ? hear_step(session, tunnel, chunk, &bytes)
						      : handshake_decode(session, tunnel, &bytes);
	*consumed = chunk->piece.bytes.size - bytes.size;
	return status;
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
