/* protocols/tls_tunnel/hear.c - frames heard: a header, its body, its end; see tunnel.h. */
#include "protocols/tls_tunnel/handshake.h"

/* ---- refusals without a channel ---- */

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

enum status tunnel_decode(struct session *session, void *state, const struct chunk *chunk, size_t *consumed)
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
