/* protocols/carriers/http2_say.c - messages as DATA frames, and what nghttp2 owes beside; see http2.h.
 *
 * nghttp2 says when a frame may leave and how long it may be; the payload goes from the backlog to the writer
 * by reference, with the nine bytes of the header in front. Where the windows are used up nothing is said and
 * nothing is asked: the peer's WINDOW_UPDATE makes the session owe again.
 */
#include "core/hub.h"
#include "protocols/carriers/http2.h"

/* ---- the backlog ---- */

void http2_backlog_release(struct session *session, struct http2 *http2)
{
	struct http2_backlog *backlog = http2->backlog;
	if (!backlog)
		return;
	for (uint32_t i = backlog->next; i < backlog->count; i++)
		buf_unref(backlog->parts[i].piece.buf);
	memory_release(&session->hub->memory, backlog,
		       sizeof *backlog + backlog->count * sizeof backlog->parts[0]);
	http2->backlog = NULL;
}

/* The open message, taken out of the writer. NULL: no memory, and it is still there. */
static struct http2_backlog *backlog_take(struct session *session, struct writer *writer)
{
	uint32_t count = writer->count - writer->mark_count;
	struct http2_backlog *backlog =
	    memory_acquire(&session->hub->memory, sizeof *backlog + count * sizeof backlog->parts[0]);
	if (!backlog) {
		writer->starved = true;
		return NULL;
	}
	memcpy(backlog->parts, writer->parts + writer->mark_count, count * sizeof backlog->parts[0]);
	backlog->count = count;
	writer->count = writer->mark_count;
	writer->bytes = writer->mark_bytes;
	writer->cut = false;
	return backlog;
}

/* One frame: its first pieces, all of one unit. */
struct extent {
	uint32_t pieces;
	size_t size;
	size_t copied; /* of it, behind the header */
};

static struct extent extent_of(const struct http2_backlog *backlog, size_t max)
{
	struct extent extent = {0};
	for (uint32_t i = backlog->next; i < backlog->count && extent.size < max; i++) {
		const struct part *part = &backlog->parts[i];
		size_t size = size_min(part->piece.bytes.size, max - extent.size);
		size_t copied = size <= WRITER_COPY_MAX ? size : 0;
		if (extent.pieces && (part->cut || extent.pieces == HTTP2_FRAME_PIECES ||
				      extent.copied + copied > WRITER_SLAB - HTTP2_HEADER_SIZE))
			break;
		extent.pieces++;
		extent.size += size;
		extent.copied += copied;
	}
	return extent;
}

/* The first `size` bytes go into the writer, where there is room for them. */
static void backlog_say(struct http2_backlog *backlog, struct writer *writer, size_t size)
{
	while (size) {
		struct piece *piece = &backlog->parts[backlog->next].piece;
		struct piece said = {piece->buf, {piece->bytes.at, size_min(size, piece->bytes.size)}};
		if (said.bytes.size <= WRITER_COPY_MAX)
			writer_copy(writer, said.bytes);
		else
			writer_piece(writer, said);
		size -= said.bytes.size;
		piece->bytes.at += said.bytes.size;
		piece->bytes.size -= said.bytes.size;
		if (!piece->bytes.size) {
			buf_unref(piece->buf);
			backlog->next++;
		}
	}
}

/* ---- what nghttp2 asks for ---- */

/* How long the next DATA frame is; at most `size`. */
ssize_t http2_read_unit(nghttp2_session *nghttp2, int32_t stream, uint8_t *at, size_t size, uint32_t *flags,
			nghttp2_data_source *source, void *state)
{
	struct http2 *http2 = http2_of(state);
	if (http2->backlog) {
		*flags |= NGHTTP2_DATA_FLAG_NO_COPY;
		return (ssize_t)extent_of(http2->backlog, size_min(size, HTTP2_FRAME_MAX)).size;
	}
	if (!http2->ending)
		return NGHTTP2_ERR_DEFERRED;
	*flags |= NGHTTP2_DATA_FLAG_EOF;
	return 0;
}

static bool has_room(struct writer *writer, struct extent extent)
{
	if (!writer || writer->count + extent.pieces + 1 > WRITER_PARTS)
		return false;
	writer_room(writer, HTTP2_HEADER_SIZE + extent.copied);
	if (writer->overflow) {
		writer->overflow = false; /* what was said before stays said */
		return false;
	}
	writer_shrink(writer, extent.copied);
	return true;
}

/* The frame that was announced. */
int http2_say_unit(nghttp2_session *nghttp2, nghttp2_frame *frame, const uint8_t *header, size_t size,
		   nghttp2_data_source *source, void *state)
{
	struct session *session = state;
	struct http2 *http2 = http2_of(session);
	struct writer *writer = http2->writer;
	struct extent extent = extent_of(http2->backlog, size);
	check(extent.size == size);
	http2->no_room = !has_room(writer, extent);
	if (http2->no_room)
		return NGHTTP2_ERR_WOULDBLOCK;
	const struct part *part = &writer->parts[writer->count - 1];
	uint8_t *at = (uint8_t *)(uintptr_t)part->piece.bytes.at + part->piece.bytes.size - HTTP2_HEADER_SIZE;
	memcpy(at, header, HTTP2_HEADER_SIZE);
	backlog_say(http2->backlog, writer, size);
	check(!writer->overflow);
	if (http2->backlog->next == http2->backlog->count)
		http2_backlog_release(session, http2);
	http2_calm(http2, HTTP2_NOISE_PER_FRAME);
	return 0;
}

/* ---- saying ---- */

/* What nghttp2 has made. False: no room. */
static bool say_control(struct http2 *http2, struct writer *writer)
{
	if (!http2->control.size)
		return true;
	check(http2->control.size <= WRITER_SLAB);
	uint8_t *at = writer_room(writer, http2->control.size);
	if (writer->overflow) {
		writer->overflow = false;
		return false;
	}
	memcpy(at, http2->control.at, http2->control.size);
	http2->control.size = 0;
	return true;
}

/* All that may be said now. FULL: there is more than the writer has room for; IO: it cannot go on. */
static enum status say_frames(struct http2 *http2, struct writer *writer)
{
	ssize_t size = 1;
	http2->writer = writer;
	http2->no_room = false;
	while (size > 0 && say_control(http2, writer)) {
		size = nghttp2_session_mem_send(http2->nghttp2, &http2->control.at);
		http2->control.size = size > 0 ? (size_t)size : 0;
	}
	http2->writer = NULL;
	if (size < 0)
		return STATUS_IO;
	return http2->control.size || http2->no_room ? STATUS_FULL : STATUS_OK;
}

static void resume(struct http2 *http2)
{
	(void)nghttp2_session_resume_data(http2->nghttp2, http2->stream); /* unless it is at it */
}

/* The message waits until the rest of the last one has left. Its frames so far are said whatever comes. */
static enum status seal_later(struct session *session, struct http2 *http2, struct writer *writer,
			      struct http2_backlog *message)
{
	struct http2_backlog *first = http2->backlog;
	writer->mark_count = writer->count;
	writer->mark_bytes = writer->bytes;
	http2->backlog = message;
	http2_backlog_release(session, http2);
	http2->backlog = first;
	if (http2->no_room)
		session_owes(session);
	return STATUS_FULL;
}

static enum status seal_message(struct session *session, struct http2 *http2, struct writer *writer)
{
	struct http2_backlog *message = backlog_take(session, writer);
	if (!message)
		return STATUS_FULL;
	enum status status = http2->backlog ? say_frames(http2, writer) : STATUS_OK;
	if (http2->backlog)
		return seal_later(session, http2, writer, message);
	http2->backlog = message;
	if (status == STATUS_OK) {
		resume(http2);
		status = say_frames(http2, writer);
	}
	if (status != STATUS_OK || http2->fault)
		session_owes(session);
	return STATUS_OK;
}

/* Nobody will hear it: before there was agreement, after the end, or where the session is over and the peer's
 * windows, which are not heard of any more, are used up. */
static bool is_vain(const struct session *session, const struct http2 *http2)
{
	bool stuck = http2->backlog && !http2->no_room && !http2->control.size;
	return http2->phase != HTTP2_AGREED || http2->closed || http2->ending ||
	       (session->state == SESSION_FLUSH && stuck);
}

enum status http2_seal(struct session *session, void *state, struct writer *writer)
{
	struct http2 *http2 = state;
	if (http2->framing)
		return STATUS_OK;
	bool is_end = writer->kind == CHUNK_END;
	if (is_vain(session, http2) || (!is_end && !writer_message_size(writer))) {
		writer_drop(writer);
		return STATUS_OK;
	}
	if (!is_end)
		return seal_message(session, http2, writer);
	http2->ending = true;
	resume(http2);
	session_owes(session);
	return STATUS_OK;
}

/* nghttp2 ends by itself what broke the rules in a way that no callback tells. */
static void judge(struct session *session, struct http2 *http2)
{
	if (!http2->fault || session->state != SESSION_OPEN)
		return;
	hub_count(session->hub, COUNTER_protocol_errors, 1);
	session_end(session, REASON_PROTOCOL, http2->fault, true);
}

enum status http2_owed(struct session *session, void *state, struct writer *writer)
{
	struct http2 *http2 = state;
	if (!http2->nghttp2 && !http2_begin(session, http2)) {
		writer->starved = true;
		return STATUS_FULL;
	}
	writer_begin(writer, CHUNK_BYTES);
	http2->framing = true;
	enum status status = say_frames(http2, writer);
	check(writer_end(writer) == STATUS_OK);
	http2->framing = false;
	if (status == STATUS_IO)
		session_end(session, REASON_LOST, "no memory for HTTP/2", false);
	else
		judge(session, http2);
	return status;
}

/* END_STREAM where the stream is whole, else a reset; then GOAWAY. The order is heard. */
enum status http2_finish(struct session *session, void *state, struct writer *writer)
{
	struct http2 *http2 = state;
	bool is_fault = session->why == REASON_PROTOCOL && http2->phase != HTTP2_REFUSED;
	uint32_t code = is_fault ? NGHTTP2_PROTOCOL_ERROR : NGHTTP2_NO_ERROR;
	if (!http2->nghttp2 || http2->finished || http2->goaway_said)
		return STATUS_OK;
	if (http2->phase == HTTP2_AGREED && !http2->closed && !http2->ending) {
		http2->ending = true;
		if (http2->backlog)
			nghttp2_submit_rst_stream(http2->nghttp2, 0, http2->stream, NGHTTP2_CANCEL);
		else
			resume(http2);
		enum status status = http2_owed(session, state, writer);
		if (status != STATUS_OK)
			return status;
	}
	http2->finished = true;
	nghttp2_submit_goaway(http2->nghttp2, 0, nghttp2_session_get_last_proc_stream_id(http2->nghttp2),
			      code, NULL, 0);
	return http2_owed(session, state, writer);
}
