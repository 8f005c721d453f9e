/* protocols/tls_tunnel/say.c - what the wire says: events as frames, and debts; see tunnel.h. */
#include "protocols/tls_tunnel/handshake.h"

enum status tunnel_say_frame(struct writer *writer, enum yamux_type type, unsigned flags, uint32_t id,
			     uint32_t length)
{
	writer_begin(writer, CHUNK_BINARY);
	yamux_encode(writer_room(writer, YAMUX_HEADER_SIZE), type, flags, id, length);
	return writer_end(writer);
}

/* ---- debts of the session ---- */

static enum status say_ping(struct session *session, struct tunnel *tunnel, struct writer *writer)
{
	uint32_t nonce = (uint32_t)random_next(&session->hub->random);
	enum status status = tunnel_say_frame(writer, YAMUX_PING, YAMUX_SYN, 0, nonce);
	if (status != STATUS_OK)
		return status;
	tunnel->ping_nonce = nonce;
	tunnel->ping_out = true;
	tunnel->ping_owed = false;
	tunnel->ping_said_at = session->hub->now;
	return STATUS_OK;
}

static enum status say_pings(struct session *session, struct tunnel *tunnel, struct writer *writer)
{
	enum status status;
	if (tunnel->ping_owed && (status = say_ping(session, tunnel, writer)) != STATUS_OK)
		return status;
	if (tunnel->pong_owed) {
		if ((status = tunnel_say_frame(writer, YAMUX_PING, YAMUX_ACK, 0, tunnel->pong_nonce)) !=
		    STATUS_OK)
			return status;
		tunnel->pong_owed = false;
	}
	return STATUS_OK;
}

static enum status say_refusals(struct tunnel *tunnel, struct writer *writer)
{
	while (tunnel->refusals_said != tunnel->refusals_added) {
		uint32_t id = tunnel->refusals[tunnel->refusals_said % REFUSALS_MAX];
		enum status status = tunnel_say_frame(writer, YAMUX_DATA, YAMUX_RST, id, 0);
		if (status != STATUS_OK)
			return status;
		tunnel->refusals_said++;
	}
	return STATUS_OK;
}

static enum status say_heartbeat(struct session *session, struct tunnel *tunnel, struct writer *writer)
{
	struct event event = {.kind = EVENT_READY};
	if (!tunnel->heartbeat_owed)
		return STATUS_OK;
	enum status status = line_encode(session, tunnel, &event, writer);
	if (status == STATUS_OK)
		tunnel->heartbeat_owed = false;
	return status == STATUS_FULL ? STATUS_FULL
				     : STATUS_OK; /* without credit: with the next news from the peer */
}

static enum status say_debts(struct session *session, struct tunnel *tunnel, struct writer *writer)
{
	enum status status;
	if ((status = say_pings(session, tunnel, writer)) != STATUS_OK)
		return status;
	if ((status = line_say_debts(session, tunnel, writer)) != STATUS_OK)
		return status;
	if ((status = say_heartbeat(session, tunnel, writer)) != STATUS_OK)
		return status;
	if ((status = say_refusals(tunnel, writer)) != STATUS_OK)
		return status;
	if (!tunnel->goaway_owed)
		return STATUS_OK;
	status = tunnel_say_frame(writer, YAMUX_GOAWAY, 0, 0, YAMUX_CODE_PROTOCOL);
	if (status == STATUS_OK)
		tunnel->goaway_owed = false;
	return status;
}

/* ---- events of the session ---- */

void tunnel_said(struct session *session, struct tunnel *tunnel, const struct event *event)
{
	struct instant now = session->hub->now;
	switch (event->kind) {
	case EVENT_AUTH:
	case EVENT_PUBLISH:
		tunnel->answer_at = instant_after(now, DURATION_S(ANSWER_S));
		break;
	case EVENT_AUTHED:
		tunnel_learn_peer(session, tunnel);
		return;
	case EVENT_PUBLISHED:
		if (event->reason == REASON_OK)
			tunnel->open_at = instant_after(now, DURATION_S(READY_S));
		break;
	case EVENT_READY:
		tunnel->heartbeat_at = instant_after(now, DURATION_S(HEARTBEAT_S));
		break;
	default:
		return;
	}
	tunnel_tick_at_next(session, tunnel);
}

static enum status say_message(struct session *session, struct tunnel *tunnel, const struct event *event,
			       struct writer *writer)
{
	if (tunnel_is_legacy(tunnel))
		return STATUS_OK; /* all that it hears of it was in the handshake */
	if (event->kind == EVENT_NOTE && !event->note)
		return STATUS_OK;				 /* the role has nothing to tell any more */
	enum status status = say_pings(session, tunnel, writer); /* a Ping is the very first frame */
	if (status == STATUS_OK)
		status = line_encode(session, tunnel, event, writer);
	if (status == STATUS_OK)
		tunnel_said(session, tunnel, event);
	return status;
}

/* ---- events of a channel ---- */

/* The ACK of a stream rides on the first frame that leaves, if that is sooner than the debt is asked for. */
static unsigned stream_flags(const struct stream *stream) { return stream->ack_owed ? YAMUX_ACK : 0; }

static enum status say_stream(struct channel *channel, enum yamux_type type, unsigned flags, uint32_t length,
			      struct writer *writer)
{
	struct stream *stream = stream_of(channel);
	unsigned ack =
	    flags & YAMUX_RST ? 0 : stream_flags(stream); /* a stream that is reset is never acknowledged */
	enum status status = tunnel_say_frame(writer, type, flags | ack, stream->id, length);
	if (status != STATUS_OK)
		return status;
	stream->ack_owed = false;
	stream->fin_said = stream->fin_said || flags & YAMUX_FIN;
	return STATUS_OK;
}

static enum status say_data(struct channel *channel, const struct event *event, struct writer *writer)
{
	struct stream *stream = stream_of(channel);
	writer_begin(writer, CHUNK_BINARY);
	yamux_encode(writer_room(writer, YAMUX_HEADER_SIZE), YAMUX_DATA, stream_flags(stream), stream->id,
		     (uint32_t)event->size);
	writer_cut(writer);
	writer_pieces(writer, event->pieces, event->piece_count);
	enum status status = writer_end(writer);
	if (status == STATUS_OK)
		stream->ack_owed = false;
	return status;
}

/* A second FIN is fatal for some peers. To one that is not ours nothing can be said after the first: what it
 * still sends is answered with RST when it comes. */
static enum status say_close(struct tunnel *tunnel, struct channel *channel, struct writer *writer)
{
	if (control_is_ours(&tunnel->control))
		return say_stream(channel, YAMUX_DATA, YAMUX_FIN | YAMUX_RST, 0, writer);
	return stream_of(channel)->fin_said ? STATUS_OK
					    : say_stream(channel, YAMUX_DATA, YAMUX_FIN, 0, writer);
}

static enum status say_eof(struct channel *channel, struct writer *writer)
{
	return stream_of(channel)->fin_said ? STATUS_OK
					    : say_stream(channel, YAMUX_DATA, YAMUX_FIN, 0, writer);
}

static enum status say_ack(struct channel *channel, struct writer *writer)
{
	return stream_of(channel)->ack_owed ? say_stream(channel, YAMUX_WINDOW_UPDATE, 0, 0, writer)
					    : STATUS_OK;
}

static enum status encode_channel(struct session *session, struct tunnel *tunnel, const struct event *event,
				  struct writer *writer)
{
	struct channel *channel = event->channel;
	if (stream_of(channel)->port_owed && event->kind != EVENT_RESET && event->kind != EVENT_CREDIT) {
		enum status status = stream_say_port(channel, writer);
		if (status != STATUS_OK)
			return status;
	}
	switch (event->kind) {
	case EVENT_DATA:
		return say_data(channel, event, writer);
	case EVENT_OWED:
		return say_ack(channel, writer);
	case EVENT_CREDIT:
		return say_stream(channel, YAMUX_WINDOW_UPDATE, 0, (uint32_t)event->amount, writer);
	case EVENT_OPEN:
		return stream_encode_open(session, tunnel, event, writer);
	case EVENT_OPENED:
		return stream_encode_opened(event, writer);
	case EVENT_EOF:
		return say_eof(channel, writer);
	case EVENT_CLOSE:
		return say_close(tunnel, channel, writer);
	case EVENT_RESET:
		return say_stream(channel, YAMUX_DATA, YAMUX_RST, 0, writer);
	default:
		return STATUS_OK;
	}
}

enum status tunnel_encode(struct session *session, void *state, const struct event *event,
			  struct writer *writer)
{
	struct tunnel *tunnel = state;
	if (tunnel->phase != PHASE_YAMUX)
		return handshake_encode(session, tunnel, event, writer);
	if (event->channel)
		return encode_channel(session, tunnel, event, writer);
	switch (event->kind) {
	case EVENT_OWED:
		return say_debts(session, tunnel, writer);
	case EVENT_AUTH:
	case EVENT_AUTHED:
	case EVENT_PUBLISH:
	case EVENT_PUBLISHED:
	case EVENT_NOTE:
	case EVENT_READY:
		return say_message(session, tunnel, event, writer);
	case EVENT_PING:
		return say_ping(session, tunnel, writer);
	case EVENT_GOAWAY:
		/* a peer of the original takes any GoAway for the end of everything at once */
		return control_is_ours(&tunnel->control)
			   ? tunnel_say_frame(writer, YAMUX_GOAWAY, 0, 0, YAMUX_CODE_NORMAL)
			   : STATUS_OK;
	default:
		return STATUS_OK;
	}
}
