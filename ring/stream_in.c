/* ring/stream_in.c - from the socket to the session: receive, decrypt, detect, feed, push back. */
#include <errno.h>

#include "core/detect.h"
#include "core/log.h"
#include "ring/stream.h"

void stream_recv_arm(struct stream *stream)
{
	if (stream->recv.submitted || stream->in_ended || stream->paused ||
	    stream->state == STREAM_TERMINATING)
		return;
	stream->recv.single = stream->session && stream->session->sparing;
	ring_recv(stream->worker->ring, &stream->recv, stream->fd);
}

/* A reader that has enough must not keep the kernel's receive buffers: what is not worth its buffer is
 * copied. */
static void stream_stash(struct stream *stream, struct buf *buf)
{
	size_t size = buf->used - buf->start;
	bool waits = stream->session && !session_wants_input(stream->session);
	struct buf *copy =
	    waits && !buf_may_be_kept(buf, size) ? buf_acquire(&stream->worker->hub.bufs, size) : NULL;
	if (copy) {
		memcpy(copy->bytes, buf->bytes + buf->start, size);
		bufpool_copied(copy->home, size);
		copy->used = (uint32_t)size;
		buf_unref(buf);
		buf = copy;
	}
	bufqueue_push(&stream->in, buf);
}

/* Gives ciphertext to tls as far as it wants any. */
static void feed_tls(struct stream *stream)
{
	while (stream->in.first && tls_wants(stream->tls) & TLS_WANTS_WIRE_IN)
		tls_wire_in(stream->tls, bufqueue_pull(&stream->in));
	if (stream->in_ended && !stream->in.first)
		tls_wire_end(stream->tls);
}

enum status stream_next_plain(struct stream *stream, struct piece *piece)
{
	if (stream->pending.buf) {
		*piece = stream->pending;
		stream->pending = (struct piece){0};
		return STATUS_OK;
	}
	if (stream->tls) {
		feed_tls(stream);
		enum status status = tls_plain_out(stream->tls, piece);
		if (status == STATUS_MORE && stream->in.first) {
			feed_tls(stream);
			status = tls_plain_out(stream->tls, piece);
		}
		return status;
	}
	struct buf *buf = bufqueue_pull(&stream->in);
	if (!buf)
		return stream->in_ended ? STATUS_IO : STATUS_MORE;
	*piece = (struct piece){buf, {buf->bytes + buf->start, buf->used - buf->start}};
	return STATUS_OK;
}

/* ---- the session ---- */

/* The socket's end, or tls's, after all that came before it. */
static void feed_end(struct stream *stream)
{
	struct session *session = stream->session;
	if (stream->tls && tls_state(stream->tls) == TLS_FAILED &&
	    tls_reason(stream->tls) != REASON_TRUNCATED) {
		stream_fail(stream, tls_reason(stream->tls), tls_text(stream->tls));
		return;
	}
	bool truncated = stream->tls && tls_state(stream->tls) != TLS_CLOSED;
	if (truncated && session->traits & TRAIT_CONN) {
		stream_fail(stream, REASON_TRUNCATED, NULL);
		return;
	}
	if (!session->input_ended)
		session_input_end(session);
}

/* Is more to be read from the socket? Only while the reader keeps up. */
static void push_back(struct stream *stream)
{
	bool waits = stream->in.bytes > 0 || stream->pending.buf || !session_wants_input(stream->session);
	bool at_once = stream->in.bytes > 0 || stream->session->held || stream->session->sparing;
	if (waits && stream->recv.submitted && !stream->paused && at_once) {
		stream->paused = true;
		ring_cancel(stream->worker->ring, &stream->recv);
	} else if (!waits) {
		stream->paused = false;
		stream_recv_arm(stream);
	}
}

void stream_feed(struct stream *stream)
{
	struct session *session = stream->session;
	if (!session || stream->state != STREAM_OPEN)
		return;
	session_feed(session);               /* what was left of the last chunk */
	while (session_wants_input(session)) {
		struct piece piece;
		enum status status = stream_next_plain(stream, &piece);
		if (status == STATUS_OK) {
			session_input(session, piece);
			continue;
		}
		if (status != STATUS_MORE)
			feed_end(stream);
		else if (stream->tls && tls_wants(stream->tls) & TLS_WANTS_PLAIN_OUT)
			worker_starves(stream->worker);  /* a record waits for a buffer */
		break;
	}
	if (stream->tls && tls_wants(stream->tls) & TLS_WANTS_WIRE_OUT)
		stream_flush(stream);
	if (session->state == SESSION_OPEN)
		push_back(stream);
}

/* ---- before there is a session ---- */

static void handshake_done(struct stream *stream)
{
	struct hub *hub = &stream->worker->hub;
	struct tls_facts facts;
	tls_facts(stream->tls, &facts);
	hub_count(hub, COUNTER_handshakes, 1);
	if (facts.resumed)
		hub_count(hub, COUNTER_handshakes_resumed, 1);
	if (!stream->session) {
		stream_detect_begins(stream);
		stream_detect(stream);
		return;
	}
	struct session *session = stream->session;
	stream_adopt_session(stream, session);
	session_open(session);
	stream_feed(stream);
}

static void handshake(struct stream *stream)
{
	feed_tls(stream);
	stream_flush(stream);
	if (tls_state(stream->tls) == TLS_FAILED)
		stream_fail(stream, tls_reason(stream->tls), tls_text(stream->tls));
	else if (tls_state(stream->tls) != TLS_HANDSHAKE)
		handshake_done(stream);
	else if (stream->in_ended)
		stream_fail(stream, REASON_LOST, "the peer closed during the TLS handshake");
}

/* A buffer with room behind what was looked at: its own, or one of twice the size, so that a peer who sends
 * byte by byte does not have them all copied for each. */
static struct buf *pending_room(struct stream *stream, size_t size)
{
	struct piece *first = &stream->pending;
	struct buf *old = first->buf;
	bool ours = old->refs == 1 && old->size < BUF_RECEIVE_SIZE && first->bytes.at == old->bytes &&
		    first->bytes.size == old->used;
	if (ours && old->size >= size)
		return old;
	struct buf *buf = buf_acquire(&stream->worker->hub.bufs, size + first->bytes.size);
	if (!buf)
		return NULL;
	memcpy(buf->bytes, first->bytes.at, first->bytes.size);
	bufpool_copied(buf->home, first->bytes.size);
	buf_unref(old);
	return buf;
}

/* More bytes behind the few that were looked at. */
static bool pending_join(struct stream *stream, struct piece more)
{
	struct piece *first = &stream->pending;
	if (!first->buf) {
		*first = more;
		return true;
	}
	size_t before = first->bytes.size, size = before + more.bytes.size;
	struct buf *buf = pending_room(stream, size);
	if (buf) {
		memcpy(buf->bytes + before, more.bytes.at, more.bytes.size);
		bufpool_copied(buf->home, more.bytes.size);
		buf->used = (uint32_t)size;
		*first = (struct piece){buf, {buf->bytes, size}};
	}
	buf_unref(more.buf);
	return buf != NULL;
}

static void detect_refused(struct stream *stream, const struct detect_answer *answer)
{
	stream_say(stream, answer->reply);
	stream_fail(stream, REASON_PROTOCOL, answer->refusal);
}

/* From here on it is the one behind the proxy: in logs, and for rates of sources. */
static void spoken_for(struct session *session, struct slice source)
{
	struct address address;
	text_copy(session->peer, sizeof session->peer, source);
	if (address_of_literal(&address, session->peer, 0))
		session->target.source = user_address_of(&address);
}

static void detected(struct stream *stream, const struct detect_answer *answer)
{
	struct hub *hub = &stream->worker->hub;
	struct session *session =
	    session_create(hub, &(struct session_options){.wire = answer->wire,
							  .carrier = answer->carrier,
							  .role = answer->role,
							  .service = hub->services[answer->service]});
	if (!session) {
		stream_fail(stream, REASON_MEMORY, NULL);
		return;
	}
	session->tag = stream->welcome->tag;
	session->head_answered = answer->head_answered;
	stream_adopt_session(stream, session);
	if (answer->source.size)
		spoken_for(session, answer->source);
	session_open(session);
	stream_feed(stream);
}

/* One more piece behind what was looked at. MORE, IO: there is none; FULL: it could not be kept. */
static enum status detect_more(struct stream *stream)
{
	struct piece first = stream->pending, more;
	stream->pending = (struct piece){0};
	enum status status = stream_next_plain(stream, &more);
	stream->pending = first;
	if (status == STATUS_OK && !pending_join(stream, more)) {
		stream_fail(stream, REASON_MEMORY, NULL); /* what follows would be misread */
		return STATUS_FULL;
	}
	return status;
}

static void detect_ended(struct stream *stream)
{
	bool failed = stream->tls && tls_state(stream->tls) == TLS_FAILED &&
		      tls_reason(stream->tls) != REASON_TRUNCATED;
	const char *silent = stream->welcome->answered ? "the peer closed before its first message"
						       : "the peer closed before it said anything";
	stream_fail(stream, failed ? tls_reason(stream->tls) : REASON_LOST,
		    failed ? tls_text(stream->tls) : silent);
}

/* The detector's own reply goes out; what then counts is the first thing that comes, or that nothing does. */
static bool detect_reply(struct stream *stream, const struct detect_answer *answer)
{
	struct hub *hub = &stream->worker->hub;
	struct welcome *welcome = stream->welcome;
	check(!welcome->answered);
	welcome->answered = true;
	if (!stream_say(stream, answer->reply)) {
		stream_fail(stream, REASON_MEMORY, NULL);
		return false;
	}
	timer_arm(&hub->wheel, &stream->deadline,
		  instant_min(instant_after(hub->now, answer->wait), welcome->detect_until));
	return true;
}

static enum status detect_ask(struct stream *stream, struct detect_answer *answer)
{
	const struct welcome *welcome = stream->welcome;
	struct tls_facts facts = {0};
	if (stream->tls)
		tls_facts(stream->tls, &facts);
	const struct detect_question question = {.alpn = facts.alpn,
						 .peer = &stream->peer,
						 .first = stream->pending.bytes,
						 .answered = welcome->answered,
						 .expired = welcome->expired};
	*answer = (struct detect_answer){0};
	return welcome->detector->detect(welcome->detector, &question, answer);
}

void stream_detect(struct stream *stream)
{
	enum status status = stream->pending.buf ? STATUS_OK : detect_more(stream);
	while (status == STATUS_OK) {
		struct detect_answer answer;
		status = detect_ask(stream, &answer);
		if (status == STATUS_OK) {
			detected(stream, &answer);
			return;
		}
		if (status != STATUS_MORE) {
			detect_refused(stream, &answer);
			return;
		}
		if (!answer.reply.size)
			status = detect_more(stream);
		else if (detect_reply(stream, &answer))
			status = STATUS_OK;
		else
			return;
	}
	if (status == STATUS_IO)
		detect_ended(stream);
	else if (status == STATUS_MORE && stream->pending.buf)
		piece_shelve(&stream->pending);
}

void stream_detect_begins(struct stream *stream)
{
	struct hub *hub = &stream->worker->hub;
	stream->state = STREAM_DETECT;
	stream->welcome->detect_until = instant_after(hub->now, hub->limits->handshake);
	timer_arm(&hub->wheel, &stream->deadline, stream->welcome->detect_until);
}

bool stream_detect_expires(struct stream *stream)
{
	struct welcome *welcome = stream->welcome;
	if (!welcome->answered || welcome->expired)
		return false;
	welcome->expired = true;
	timer_arm(&stream->worker->hub.wheel, &stream->deadline, welcome->detect_until);
	stream_detect(stream);
	return true;
}

void stream_process(struct stream *stream)
{
	switch (stream->state) {
	case STREAM_SOURCE:
		stream_read_source(stream);
		break;
	case STREAM_HANDSHAKE:
		handshake(stream);
		break;
	case STREAM_DETECT:
		stream_detect(stream);
		break;
	case STREAM_OPEN:
		stream_feed(stream);
		break;
	case STREAM_CLOSING:
		bufqueue_drop(&stream->in);
		stream_flush(stream);
		stream_settled(stream);
		break;
	case STREAM_TERMINATING:
		break;
	}
}

/* Re-enters itself: armed by stream_recv_arm, delivers until its final completion, and is armed again unless
 * the reader has enough or the stream is over. */
void stream_recv_done(struct op *op, struct op_result result)
{
	struct stream *stream = OWNER(op, struct stream, recv);
	if (stream->state == STREAM_TERMINATING) {
		buf_unref(result.buf);
		if (result.final)
			stream_join(stream);
		return;
	}
	bool failed = result.final && result.res < 0 && result.res != -ECANCELED;
	if (result.buf && result.res > 0) {
		hub_count(&stream->worker->hub, COUNTER_received_bytes, (uint64_t)result.res);
		stream_stash(stream, result.buf);
	} else {
		buf_unref(result.buf);
	}
	if (result.final && result.res == 0)
		stream->in_ended = true;
	if (failed) {
		/* even on the way to another worker: the kernel says it once, and a clean end afterwards */
		stream->in_ended = true;
		stream_fail(stream,
			    reason_of_errno(result.res) == REASON_TIMEOUT ? REASON_TIMEOUT : REASON_LOST,
			    NULL);
		return;
	}
	if (stream->move) {
		if (result.final)
			stream_depart(stream);
		return;
	}
	stream_process(stream);
	if (result.final && (stream->state <= STREAM_DETECT || stream->state == STREAM_CLOSING))
		stream_recv_arm(stream);
}
