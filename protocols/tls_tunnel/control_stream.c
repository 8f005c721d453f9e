/* protocols/tls_tunnel/control_stream.c - messages with a length in front, on a yamux stream of their own;
 * see tunnel.h.
 *
 * A peer of the original reads the length and the text in two steps that it may lose its place between, so
 * both go in one frame; only what is larger than a first window is split.
 */
#include "protocols/tls_tunnel/gather.h"
#include "protocols/tls_tunnel/tunnel.h"

enum { LENGTH_SIZE = 4 };

void line_fini(struct control_stream *line)
{
	gather_release(&line->text);
	gather_release(&line->sending);
}

/* ---- hearing ---- */

/* What a message means for the wire itself, before its event is delivered. False: there is nothing to
 * deliver. */
static bool note_message(struct session *session, struct tunnel *tunnel, const struct event *event)
{
	switch (event->kind) {
	case EVENT_READY:
		if (tunnel->ready_heard || !control_is_running(&tunnel->control))
			return false;
		tunnel->ready_heard = tunnel->open_now = true;
		session_wake(session);
		return true;
	case EVENT_AUTHED:
		tunnel->answer_at = (struct instant){0};
		tunnel_learn_peer(session, tunnel);
		return true;
	case EVENT_PUBLISHED:
		tunnel->answer_at = (struct instant){0};
		tunnel->open_now = control_is_running(&tunnel->control);
		return true;
	default:
		return event->kind != EVENT_OWED;
	}
}

static enum status message_decode(struct session *session, struct tunnel *tunnel)
{
	struct control_stream *line = &tunnel->line;
	struct event event;
	const char *fault = NULL;
	struct slice text = {line->text->bytes, line->text->used};
	enum status status = control_decode(&tunnel->control, text, &event, &fault);
	gather_release(&line->text);
	line->length_used = 0;
	if (status != STATUS_OK)
		return tunnel_fault(session, tunnel, fault);
	return note_message(session, tunnel, &event) ? session_deliver(session, &event) : STATUS_OK;
}

/* One step: bytes of the length, or of the text. */
static enum status line_step(struct session *session, struct tunnel *tunnel, struct slice bytes,
			     size_t *taken)
{
	struct control_stream *line = &tunnel->line;
	if (line->length_used < LENGTH_SIZE) {
		*taken = size_min(LENGTH_SIZE - line->length_used, bytes.size);
		memcpy(line->length + line->length_used, bytes.at, *taken);
		line->length_used += (uint8_t)*taken;
		if (line->length_used < LENGTH_SIZE)
			return STATUS_OK;
		uint32_t size = get32(line->length);
		return size && size <= control_size_max(&tunnel->control)
			   ? STATUS_OK
			   : tunnel_fault(session, tunnel, "a control message that is empty or too large");
	}
	uint32_t size = get32(line->length);
	size_t lacking = size - (line->text ? line->text->used : 0);
	*taken = size_min(lacking, bytes.size);
	if (!gather_add(&session->hub->bufs, &line->text, (struct slice){bytes.at, *taken})) {
		session_end(session, REASON_MEMORY, "no memory for a control message", false);
		return STATUS_IO;
	}
	return line->text->used == size ? message_decode(session, tunnel) : STATUS_OK;
}

enum status line_decode(struct session *session, struct tunnel *tunnel, struct slice bytes, size_t *taken)
{
	struct control_stream *line = &tunnel->line;
	enum status status = STATUS_OK;
	*taken = 0;
	while (*taken < bytes.size && status == STATUS_OK && !session->slot_full &&
	       session->state == SESSION_OPEN) {
		size_t step = 0;
		status =
		    line_step(session, tunnel, (struct slice){bytes.at + *taken, bytes.size - *taken}, &step);
		*taken += step;
		line->granted -= (uint32_t)step;
		line->ate += (uint32_t)step;
	}
	if (line->ate >= YAMUX_WINDOW / 2 && !line->grant_owed) {
		line->grant_owed = true;
		session_owes(session);
	}
	return status;
}

/* ---- saying ---- */

static unsigned line_flags(const struct session *session, const struct control_stream *line)
{
	return !line->open && session->client ? YAMUX_SYN : line->ack_owed ? YAMUX_ACK : 0;
}

static void line_said(struct control_stream *line, size_t size)
{
	line->open = true;
	line->ack_owed = false;
	line->credit -= size;
}

/* The whole message in one frame. MORE: the peer has not granted that much yet. */
static enum status say_whole(struct session *session, struct control_stream *line, struct buf *text,
			     struct writer *writer)
{
	uint32_t size = text->used + LENGTH_SIZE;
	if (line->credit < size)
		return STATUS_MORE;
	writer_begin(writer, CHUNK_BINARY);
	yamux_encode(writer_room(writer, YAMUX_HEADER_SIZE), YAMUX_DATA, line_flags(session, line), line->id,
		     size);
	writer_cut(writer);
	put32(writer_room(writer, LENGTH_SIZE), text->used);
	writer_piece(writer, (struct piece){text, {text->bytes, text->used}});
	enum status status = writer_end(writer);
	if (status == STATUS_OK)
		line_said(line, size);
	return status;
}

/* Takes a message that is larger than one window: it leaves as debts, as the peer grants. */
static enum status keep_large(struct session *session, struct control_stream *line, const struct buf *text)
{
	struct buf *sending = buf_acquire(&session->hub->bufs, (size_t)text->used + LENGTH_SIZE);
	if (!sending)
		return STATUS_FULL;
	put32(sending->bytes, text->used);
	memcpy(sending->bytes + LENGTH_SIZE, text->bytes, text->used);
	sending->used = text->used + LENGTH_SIZE;
	line->sending = sending;
	session_owes(session);
	return STATUS_OK;
}

enum status line_encode(struct session *session, struct tunnel *tunnel, const struct event *event,
			struct writer *writer)
{
	struct control_stream *line = &tunnel->line;
	char uuid[CONTROL_UUID_SIZE] = "";
	if (line->sending || (!session->client && !line->open))
		return STATUS_MORE;
	if (event->kind == EVENT_AUTHED)
		control_uuid(uuid, &session->hub->random);
	struct json_text text;
	json_text_init(&text, &session->hub->bufs);
	control_encode(&tunnel->control, event, uuid, &text);
	enum status status = STATUS_FULL;
	if (!text.failed)
		status = text.buf->used + LENGTH_SIZE <= YAMUX_WINDOW
			     ? say_whole(session, line, text.buf, writer)
			     : keep_large(session, line, text.buf);
	json_text_fini(&text);
	if (status == STATUS_OK)
		control_said(&tunnel->control, event);
	return status;
}

static enum status say_large(struct session *session, struct control_stream *line, struct writer *writer)
{
	while (line->sending && line->credit && !writer_is_full(writer)) {
		struct buf *sending = line->sending;
		size_t size =
		    size_min(size_min(sending->used - sending->start, YAMUX_SEND_MAX), (size_t)line->credit);
		writer_begin(writer, CHUNK_BINARY);
		yamux_encode(writer_room(writer, YAMUX_HEADER_SIZE), YAMUX_DATA, line_flags(session, line),
			     line->id, (uint32_t)size);
		writer_cut(writer);
		writer_piece(writer, (struct piece){sending, {sending->bytes + sending->start, size}});
		enum status status = writer_end(writer);
		if (status != STATUS_OK)
			return status;
		line_said(line, size);
		sending->start += (uint32_t)size;
		if (sending->start == sending->used) {
			gather_release(&line->sending);
			session_wake(session); /* another message may wait */
		}
	}
	return line->sending && line->credit ? STATUS_FULL : STATUS_OK;
}

enum status line_say_debts(struct session *session, struct tunnel *tunnel, struct writer *writer)
{
	struct control_stream *line = &tunnel->line;
	enum status status;
	if (line->ack_owed) {
		if ((status = tunnel_say_frame(writer, YAMUX_WINDOW_UPDATE, YAMUX_ACK, line->id, 0)) !=
		    STATUS_OK)
			return status;
		line->ack_owed = false;
	}
	if (line->grant_owed) {
		if ((status = tunnel_say_frame(writer, YAMUX_WINDOW_UPDATE, 0, line->id, line->ate)) !=
		    STATUS_OK)
			return status;
		line->granted += line->ate;
		line->ate = 0;
		line->grant_owed = false;
	}
	return say_large(session, line, writer);
}
