/* protocols/tls_tunnel/handshake.c - see handshake.h. Its bytes: legacy.h.
 *
 * The server is held between a request and its answer: what a client says too early waits.
 */
#include "protocols/tls_tunnel/handshake.h"

#include "protocols/tls_tunnel/gather.h"

/* ---- hearing ---- */

/* Is it yamux? The bytes that tell are its first frame's, or the size of a key. */
static enum status hear_first(struct session *session, struct tunnel *tunnel, struct slice *bytes)
{
	struct yamux_reader *reader = &tunnel->reader;
	size_t size = size_min(LEGACY_FIRST_SIZE - reader->used, bytes->size);
	memcpy(reader->bytes + reader->used, bytes->at, size);
	reader->used += (uint8_t)size;
	bytes->at += size;
	bytes->size -= size;
	if (reader->used < LEGACY_FIRST_SIZE)
		return STATUS_OK;
	if (!legacy_begins(reader->bytes)) {
		tunnel->phase = PHASE_YAMUX;
		return STATUS_OK;
	}
	if (tunnel->legacy_refused)
		return session_fault(session,
				     "TLS Tunnel 1.4 or older, which gateway.tls_tunnel.legacy: false "
				     "does not allow");
	struct slice first = {reader->bytes, LEGACY_FIRST_SIZE};
	reader->used = 0;
	if (!gather_add(&session->hub->bufs, &tunnel->legacy.text, first)) {
		session_end(session, REASON_MEMORY, NULL, false);
		return STATUS_IO;
	}
	tunnel->phase = PHASE_LEGACY;
	tunnel->legacy.generation = TUNNEL_14;
	return handshake_decode(session, tunnel, bytes); /* that size alone may be too much */
}

/* Both ends say a Ping at once. */
static void begin_yamux(struct session *session, struct tunnel *tunnel)
{
	tunnel->phase = PHASE_YAMUX;
	legacy_release(&tunnel->legacy);
	tunnel->ping_owed = true;
	session_owes(session);
	session_unhold(session);
}

/* A client that wants streams by local port: both ports of what it publishes are kept. */
static bool keep_ports(struct session *session, struct tunnel *tunnel, const struct event *event)
{
	if (!tunnel->legacy.by_local_port || !event->publication_count)
		return true;
	tunnel->ports =
	    memory_acquire(&session->hub->memory, event->publication_count * sizeof *tunnel->ports);
	if (!tunnel->ports)
		return false;
	tunnel->port_count = event->publication_count;
	for (uint32_t i = 0; i < event->publication_count; i++)
		if (!event->publications[i].visitor)
			tunnel->ports[i] = (struct port_map){event->publications[i].publish_port,
							     event->publications[i].local_port};
	return true;
}

uint16_t handshake_port(const struct tunnel *tunnel, uint16_t publish_port)
{
	for (uint32_t i = 0; i < tunnel->port_count; i++)
		if (tunnel->ports[i].publish == publish_port && tunnel->ports[i].local)
			return tunnel->ports[i].local;
	return publish_port;
}

/* What an event means for the wire itself, before it is delivered. */
static bool note_event(struct session *session, struct tunnel *tunnel, const struct event *event)
{
	tunnel->shown = tunnel->legacy.generation;
	tunnel->answer_at = (struct instant){0};
	if (!session->client) {
		session_hold(session);
		return event->kind != EVENT_PUBLISH || keep_ports(session, tunnel, event);
	}
	if (event->kind != EVENT_PUBLISHED || event->reason != REASON_OK)
		return true;
	tunnel->open_now = true;
	begin_yamux(session, tunnel);
	return true;
}

enum status handshake_decode(struct session *session, struct tunnel *tunnel, struct slice *bytes)
{
	struct event event;
	const char *fault = NULL;
	size_t taken;
	if (tunnel->phase == PHASE_FIRST)
		return hear_first(session, tunnel, bytes);
	enum status status = legacy_decode(&tunnel->legacy, &tunnel->control, &session->hub->bufs, *bytes,
					   &taken, &event, &fault);
	bytes->at += taken;
	bytes->size -= taken;
	if (status == STATUS_MORE || (status == STATUS_OK && event.kind == EVENT_OWED))
		return STATUS_OK;
	if (status == STATUS_OK && note_event(session, tunnel, &event))
		return session_deliver(session, &event);
	if (status != STATUS_PROTOCOL) {
		session_end(session, REASON_MEMORY, "no memory for a handshake", false);
		return STATUS_IO;
	}
	if (tunnel->legacy.refusal)
		session_owes(session);
	return session_fault(session, fault);
}

/* ---- saying ---- */

static enum status say_text(struct json_text *text, struct writer *writer)
{
	if (text->failed)
		return STATUS_FULL;
	writer_begin(writer, CHUNK_BINARY);
	writer_piece(writer, (struct piece){text->buf, {text->buf->bytes, text->buf->used}});
	return writer_end(writer);
}

static enum status say_refusal(struct session *session, struct tunnel *tunnel, struct writer *writer)
{
	struct json_text text;
	if (!tunnel->legacy.refusal)
		return STATUS_OK;
	json_text_init(&text, &session->hub->bufs);
	legacy_refuse(&text, slice_of(tunnel->legacy.refusal));
	enum status status = say_text(&text, writer);
	json_text_fini(&text);
	if (status == STATUS_OK)
		tunnel->legacy.refusal = NULL;
	return status;
}

static void message_said(struct session *session, struct tunnel *tunnel, const struct event *event)
{
	control_said(&tunnel->control, event);
	tunnel_said(session, tunnel, event);
	if (session->client)
		return;
	legacy_release(&tunnel->legacy);
	control_release(&tunnel->control);
	if (event->reason != REASON_OK)
		return; /* the session ends */
	if (event->kind == EVENT_PUBLISHED) {
		begin_yamux(session, tunnel);
		return;
	}
	tunnel->answer_at = instant_after(session->hub->now, DURATION_S(CONFIG_S));
	tunnel_tick_at_next(session, tunnel);
	session_unhold(session);
}

static enum status say_message(struct session *session, struct tunnel *tunnel, const struct event *event,
			       struct writer *writer)
{
	struct json_text text;
	json_text_init(&text, &session->hub->bufs);
	legacy_encode(&tunnel->legacy, event, &text);
	enum status status = say_text(&text, writer);
	json_text_fini(&text);
	if (status == STATUS_OK)
		message_said(session, tunnel, event);
	return status;
}

enum status handshake_encode(struct session *session, struct tunnel *tunnel, const struct event *event,
			     struct writer *writer)
{
	switch (event->kind) {
	case EVENT_AUTH:
	case EVENT_AUTHED:
	case EVENT_PUBLISH:
	case EVENT_PUBLISHED:
		return say_message(session, tunnel, event, writer);
	case EVENT_OWED:
		return say_refusal(session, tunnel, writer); /* pings wait for yamux, which owes one anyway */
	default:
		return STATUS_OK;
	}
}

void handshake_fini(struct tunnel *tunnel)
{
	legacy_release(&tunnel->legacy);
	memory_release(tunnel->control.memory, tunnel->ports, tunnel->port_count * sizeof *tunnel->ports);
	tunnel->ports = NULL;
	tunnel->port_count = 0;
}
