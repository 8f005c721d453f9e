/* ring/stream_out.c - from the session to the socket: pump, seal, one gathered send. */
#include "ring/stream.h"

enum {
	LINK_BUDGET =
	    128 * 1024, /* plaintext a pump of a link; tls holds as much again while a send is in flight */
	CONN_BUDGET = STREAM_OUT_MAX,
};

/* Made when there is something to send, released when all is sent. */
static struct outgoing *outgoing(struct stream *stream)
{
	if (!stream->out)
		stream->out = memory_acquire(&stream->worker->hub.memory, sizeof *stream->out);
	return stream->out;
}

static void outgoing_release(struct stream *stream)
{
	struct outgoing *out = stream->out;
	if (!out || out->in_flight || out->next < out->count)
		return;
	memory_release(&stream->worker->hub.memory, out, sizeof *out);
	stream->out = NULL;
}

void stream_out_drop(struct stream *stream)
{
	struct outgoing *out = stream->out;
	if (!out)
		return;
	for (uint32_t i = stream->tls ? out->next : 0; i < out->count; i++)
		buf_unref(out->parts[i].piece.buf);
	memory_release(&stream->worker->hub.memory, out, sizeof *out);
	stream->out = NULL;
}

bool stream_out_is_sealed(const struct stream *stream)
{
	return !stream->tls || !stream->out || stream->out->next == stream->out->count;
}

void stream_out_cut(struct stream *stream)
{
	struct outgoing *out = stream->out;
	if (stream_out_is_sealed(stream))
		return;
	while (out->count > out->next)
		buf_unref(out->parts[--out->count].piece.buf);
	outgoing_release(stream);
}

/* Nothing waits and nothing is in flight. */
bool stream_out_is_empty(const struct stream *stream)
{
	bool sealed = stream->tls && tls_wants(stream->tls) & TLS_WANTS_WIRE_OUT;
	return !stream->out && !sealed && !stream->send.submitted;
}

/* ---- sealing ---- */

/* As many whole messages as fit in one record, or one record's worth of a larger one. Returns the number of
 * parts; the last may count in part only (*size tells). */
static uint32_t record_parts(const struct outgoing *out, struct piece *pieces, size_t *size)
{
	uint32_t count = 0, whole = 0;
	size_t whole_size = 0;
	*size = 0;
	for (uint32_t i = out->next; i < out->count && *size < TLS_RECORD_MAX; i++) {
		struct piece piece = out->parts[i].piece;
		size_t room = TLS_RECORD_MAX - *size;
		if (piece.bytes.size > room && whole)
			break;
		bool cut = piece.bytes.size > room;
		piece.bytes.size = size_min(piece.bytes.size, room);
		pieces[count++] = piece;
		*size += piece.bytes.size;
		if (out->parts[i].last && !cut) {
			whole = count;
			whole_size = *size;
		}
	}
	if (!whole)
		return count;
	*size = whole_size;
	return whole;
}

/* The first `size` bytes of the parts are sealed. */
static void parts_ate(struct outgoing *out, size_t size)
{
	while (size) {
		struct piece *piece = &out->parts[out->next].piece;
		size_t eaten = size_min(size, piece->bytes.size);
		piece->bytes.at += eaten;
		piece->bytes.size -= eaten;
		size -= eaten;
		if (!piece->bytes.size) {
			buf_unref(piece->buf);
			out->next++;
		}
	}
}

/* Seals what waits as far as tls takes it. */
static void seal(struct stream *stream)
{
	struct outgoing *out = stream->out;
	while (out && out->next < out->count) {
		struct piece pieces[WRITER_PARTS];
		size_t size;
		uint32_t count = record_parts(out, pieces, &size);
		enum status status = tls_plain_in(stream->tls, pieces, count);
		if (status == STATUS_OK) {
			parts_ate(out, size);
			continue;
		}
		if (status == STATUS_FULL && !(tls_wants(stream->tls) & TLS_WANTS_WIRE_OUT))
			worker_starves(stream->worker);   /* not a full queue but no memory */
		break;
	}
}

/* ---- sending ---- */

/* What the next send carries. Returns the number of vectors. */
static unsigned gather(struct stream *stream, struct outgoing *out)
{
	struct piece pieces[RING_SEND_PARTS];
	unsigned count = 0;
	out->in_flight = 0;
	if (stream->tls) {
		size_t waiting = tls_wire_out(stream->tls, pieces, RING_SEND_PARTS);
		for (; count < waiting; count++) {
			out->vectors[count] = (struct iovec){(void *)(uintptr_t)pieces[count].bytes.at,
							     pieces[count].bytes.size};
			out->in_flight += pieces[count].bytes.size;
		}
		return count;
	}
	for (; count < out->count; count++) {
		struct slice bytes = out->parts[count].piece.bytes;
		out->vectors[count] = (struct iovec){(void *)(uintptr_t)bytes.at, bytes.size};
		out->in_flight += bytes.size;
	}
	out->next = out->count;
	return count;
}

void stream_flush(struct stream *stream)
{
	bool sealed = stream->tls && tls_wants(stream->tls) & TLS_WANTS_WIRE_OUT;
	if (stream->tls && stream->out && !sealed && !stream->send.submitted) {
		seal(stream);                    /* there was no memory for it when it was said */
		sealed = tls_wants(stream->tls) & TLS_WANTS_WIRE_OUT;
	}
	if (stream->send.submitted || stream->state == STREAM_TERMINATING || (!sealed && !stream->out))
		return;
	struct outgoing *out = outgoing(stream);
	if (!out) {
		worker_starves(stream->worker);
		return;
	}
	unsigned count = gather(stream, out);
	if (!count) {
		outgoing_release(stream);
		return;
	}
	hub_count(&stream->worker->hub, COUNTER_sends, 1);
	hub_count(&stream->worker->hub, COUNTER_sent_bytes, out->in_flight);
	ring_send(stream->worker->ring, &stream->send, stream->fd, out->vectors, count);
}

/* Gives what was sent back to where it came from. */
static void sent(struct stream *stream)
{
	struct outgoing *out = stream->out;
	size_t size = out->in_flight;
	out->in_flight = 0;
	if (stream->session)
		stream->session->bytes_out += size;
	if (stream->tls) {
		tls_wire_ack(stream->tls, size);
		seal(stream);
	} else {
		for (uint32_t i = 0; i < out->count; i++)
			buf_unref(out->parts[i].piece.buf);
		out->count = out->next = 0;
	}
	outgoing_release(stream);
}

/* Re-enters itself through stream_pump and stream_flush while there is something to say. */
void stream_send_done(struct op *op, struct op_result result)
{
	struct stream *stream = OWNER(op, struct stream, send);
	size_t size = stream->out->in_flight;
	if (stream->state == STREAM_TERMINATING) {
		stream->out->in_flight = 0;
		stream->out->next = stream->tls ? stream->out->next : 0;
		stream_join(stream);
		return;
	}
	if (result.res < 0 || (size_t)result.res != size) {
		stream->out->in_flight = 0;
		stream->out->next = stream->tls ? stream->out->next : 0;
		enum reason reason = result.res < 0 ? reason_of_errno(result.res) : REASON_LOST;
		stream_fail(stream, reason == REASON_TIMEOUT ? REASON_SILENT : REASON_LOST, NULL);
		return;
	}
	sent(stream);
	if (stream->move) {
		stream_depart(stream);
		return;
	}
	if (stream->session && stream->state == STREAM_OPEN)
		stream_pump(stream);
	else
		stream_flush(stream);
	if (stream->tls && stream->state <= STREAM_OPEN && tls_wants(stream->tls) & TLS_WANTS_WIRE_IN &&
	    stream->in.first)
		stream_process(stream);          /* tls held back what it could not have answered */
	stream_settled(stream);
}

/* ---- before there is a session ---- */

static bool say_plain(struct stream *stream, struct buf *buf)
{
	struct outgoing *out = stream->out ? NULL : outgoing(stream);
	if (!out)
		return false;
	out->parts[0] = (struct part){.piece = {buf_ref(buf), {buf->bytes, buf->used}}, .last = true};
	out->count = 1;
	out->next = 0;
	return true;
}

bool stream_say(struct stream *stream, struct slice bytes)
{
	if (!bytes.size)
		return true;
	struct buf *buf = buf_acquire(&stream->worker->hub.bufs, bytes.size);
	if (!buf)
		return false;
	memcpy(buf->bytes, bytes.at, bytes.size);
	buf->used = (uint32_t)bytes.size;
	struct piece piece = {buf, bytes};
	piece.bytes.at = buf->bytes;
	bool said = stream->tls ? tls_plain_in(stream->tls, &piece, 1) == STATUS_OK : say_plain(stream, buf);
	buf_unref(buf);
	stream_flush(stream);
	return said;
}

/* ---- pumping ---- */

static bool may_pump(const struct stream *stream)
{
	if (stream->tls)
		return !(stream->out && stream->out->next < stream->out->count) &&
		       tls_wants(stream->tls) & TLS_WANTS_PLAIN_IN;
	return !stream->out;
}

/* One round: what the session has to say goes into `out`, sealed at once where there is tls. False: nothing
 * was said. */
static bool pump_once(struct stream *stream)
{
	struct worker *worker = stream->worker;
	struct writer *writer = &worker->writer;
	bool link = !(stream->session->traits & TRAIT_CONN);
	struct outgoing *out = outgoing(stream);
	if (!out) {
		worker_starves(worker);
		return false;
	}
	writer_init(writer, stream->session, &worker->hub.bufs, link ? LINK_BUDGET : CONN_BUDGET);
	session_pump(stream->session, writer);
	if (writer->shut)
		stream->shut = true;
	if (writer->starved)
		worker_starves(worker);
	bool said = writer->count > 0;
	if (said) {
		/* plain: nothing is in flight; tls: only sealed bytes are, the parts were done with when they
		 * were sealed */
		check(out->next == out->count);
		memcpy(out->parts, writer->parts, writer->count * sizeof *writer->parts);
		out->count = writer->count;
		out->next = 0;
		writer->count = 0;
		if (link)
			hub_count(&worker->hub, COUNTER_link_bytes_out, writer->bytes);
	}
	writer_fini(writer);
	if (said && stream->tls)
		seal(stream);
	return said;
}

void stream_pump(struct stream *stream)
{
	struct session *session = stream->session;
	if (!session || stream->state != STREAM_OPEN || stream->move)
		return;
	if (session->state == SESSION_FLUSH)
		stream_limit_flush(stream);
	else if (stream->half_open && session->ready)
		stream_ready(stream);
	while (may_pump(stream) && session_has_output(session))
		if (!pump_once(stream) || !stream->tls)
			break;
	stream_flush(stream);
	outgoing_release(stream);
	stream_settled(stream);
}

/* Everything that was said has left: what was waiting for that goes on. */
void stream_settled(struct stream *stream)
{
	struct session *session = stream->session;
	if (!stream_out_is_empty(stream) || stream->state == STREAM_TERMINATING ||
	    stream->state < STREAM_OPEN)
		return;
	if (stream->state == STREAM_OPEN && session && session->state == SESSION_FLUSH &&
	    !session_has_output(session))
		session_end(session, session->why, NULL, false);
	bool half =
	    stream->state == STREAM_CLOSING || !stream->tls; /* a tls stream has no half-close of its own */
	if (stream->shut && !stream->shut_done && half) {
		ring_shutdown(stream->worker->ring, stream->fd);
		stream->shut_done = true;
	}
	if (stream->state == STREAM_CLOSING && stream->in_ended)
		stream_terminate(stream, false);
	else if (stream->state == STREAM_CLOSING && !stream->lingers)
		stream_linger(stream);
}
