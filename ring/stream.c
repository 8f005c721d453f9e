/* ring/stream.c - the life of one socket; see stream.h. Reading: stream_in.c. Writing: stream_out.c. */
#include "ring/stream.h"

#include <stdio.h>

#include "core/log.h"
#include "ring/process.h"

static void stream_expired(struct timer *timer);

static struct stream *stream_create(struct worker *worker, int fd)
{
	struct stream *stream = memory_acquire(&worker->hub.memory, sizeof *stream);
	if (!stream)
		return NULL;
	stream->worker = worker;
	stream->fd = fd;
	stream->recv.done = stream_recv_done;
	stream->send.done = stream_send_done;
	stream->deadline.expired = stream_expired;
	list_push(&worker->streams, &stream->worker_link);
	worker->stream_count++;
	ring_option(worker->ring, fd, RING_NODELAY, 1);
	return stream;
}

static void stream_wait(struct stream *stream, struct duration span)
{
	struct hub *hub = &stream->worker->hub;
	timer_arm(&hub->wheel, &stream->deadline, instant_after(hub->now, span));
}

static void half_open(struct stream *stream, bool is)
{
	if (stream->half_open == is)
		return;
	stream->half_open = is;
	stream->worker->half_open_count += is ? 1 : -1u;
}

/* The worker's share of a link: dead peers are noticed by the kernel as well as by the wire. */
static void link_options(struct stream *stream)
{
	ring_option(stream->worker->ring, stream->fd, RING_KEEPALIVE, 30);
	ring_option(stream->worker->ring, stream->fd, RING_USER_TIMEOUT, 90000);
}

/* ---- beginnings ---- */

static void accepted_plain(struct stream *stream);

void stream_accept(struct worker *worker, int fd, const struct address *peer, const struct welcome *welcome)
{
	struct hub *hub = &worker->hub;
	bool trusted = welcome_trusts(welcome, peer), guarded = welcome->guarded && !trusted;
	bool tight = hub_is_tight(hub), full = worker->half_open_count >= HALF_OPEN_MAX;
	struct stream *stream = full || tight ? NULL : stream_create(worker, fd);
	struct welcome *copy = stream ? memory_acquire(&hub->memory, sizeof *copy) : NULL;
	if (!copy) {
		hub_count(hub, full ? COUNTER_connections_refused_half_open : COUNTER_channels_memory, 1);
		if (guarded)
			sources_leave(worker->process->sources, peer);
		if (stream)
			stream_terminate(stream, true);
		else
			ring_close(worker->ring, fd, true);
		return;
	}
	*copy = *welcome;
	stream->welcome = copy;
	stream->peer = *peer;
	stream->guarded = guarded;
	if (!trusted) {
		stream_begin(stream);
		return;
	}
	stream->state = STREAM_SOURCE;
	half_open(stream, true);
	stream_wait(stream, hub->limits->handshake);
	stream_recv_arm(stream);
}

void stream_begin(struct stream *stream)
{
	struct worker *worker = stream->worker;
	struct hub *hub = &worker->hub;
	const struct welcome *welcome = stream->welcome;
	if (!welcome->tls && !welcome->detector) {
		accepted_plain(stream);
		return;
	}
	half_open(stream, true);
	if (!welcome->tls) {
		stream_detect_begins(stream);
	} else {
		stream_wait(stream, hub->limits->handshake);
		stream->state = STREAM_HANDSHAKE;
		struct tls_endpoint *endpoint = worker_endpoint(worker, welcome->tls);
		stream->tls = endpoint ? tls_create(endpoint, &hub->bufs, NULL) : NULL;
		if (!stream->tls) {
			stream_log_refusal(stream, REASON_MEMORY, "no TLS session could be made");
			stream_terminate(stream, true);
			return;
		}
	}
	stream_recv_arm(stream);
}

struct stream *stream_dialled(struct worker *worker, int fd, struct session *session, struct tls *tls,
			      struct bufqueue *ahead, struct instant deadline)
{
	struct stream *stream = stream_create(worker, fd);
	if (!stream)
		return NULL;
	stream->dialled = true;
	stream->tls = tls;
	stream->session = session;
	session->stream = stream;
	ring_peer(worker->ring, fd, &stream->peer);
	if (ahead) {
		stream->proxied = true;
		stream->in = *ahead;
		*ahead = (struct bufqueue){0};
	}
	if (!(session->traits & TRAIT_CONN))
		link_options(stream);
	if (!tls) {
		stream_adopt_session(stream, session);
		session_open(session);
		stream_feed(stream);
		return stream;
	}
	timer_arm(&worker->hub.wheel, &stream->deadline, deadline);
	stream->state = STREAM_HANDSHAKE;
	tls_wire_in(tls, NULL);
	stream_recv_arm(stream);
	stream_flush(stream);
	if (stream->in.count)
		stream_process(stream);
	return stream;
}

struct stream *stream_adopt(struct worker *worker, int fd, struct session *session,
			    const struct address *peer, bool guarded)
{
	struct stream *stream = stream_create(worker, fd);
	if (!stream)
		return NULL;
	stream->peer = *peer;
	stream->guarded = guarded;
	stream_adopt_session(stream, session);
	return stream;
}

static void tell_tls(struct stream *stream, struct session *session)
{
	struct tls_facts facts;
	if (!stream->tls)
		return;
	tls_facts(stream->tls, &facts);
	snprintf(session->tls, sizeof session->tls, "%s %s by %s", facts.version, facts.cipher, facts.path);
}

/* The stream is open and carries this session. A link has so long to become ready. */
void stream_adopt_session(struct stream *stream, struct session *session)
{
	char text[ADDRESS_TEXT_SIZE];
	stream->state = STREAM_OPEN;
	stream->session = session;
	session->stream = stream;
	if (!stream->dialled)
		session->target.source = user_address_of(&stream->peer);
	if (!stream->proxied || !session->peer[0])
		text_copy(session->peer, sizeof session->peer,
			  slice_of(address_format(&stream->peer, text)));
	tell_tls(stream, session);
	if (stream->welcome) {
		memory_release(&stream->worker->hub.memory, stream->welcome, sizeof *stream->welcome);
		stream->welcome = NULL;
	}
	timer_disarm(&stream->deadline);
	half_open(stream, false);
	if (session->traits & TRAIT_CONN)
		return;
	link_options(stream);
	stream_wait(stream, stream->worker->hub.limits->handshake);
	half_open(stream, true);
}

static void accepted_plain(struct stream *stream)
{
	struct hub *hub = &stream->worker->hub;
	const struct welcome *welcome = stream->welcome;
	struct session *session = session_create(hub, &(struct session_options){
		.wire = welcome->wire, .carrier = welcome->carrier, .role = welcome->role,
		.service = hub->services[welcome->service]});
	if (!session) {
		hub_count(hub, COUNTER_channels_memory, 1);
		stream_terminate(stream, true);
		return;
	}
	session->target = welcome->target;
	session->tag = welcome->tag;
	stream_adopt_session(stream, session);
	session_open(session);
	stream_feed(stream);                 /* a wire with a dialogue opens nothing before it has heard */
}

/* ---- ends ---- */

void stream_log_refusal(struct stream *stream, enum reason reason, const char *text)
{
	char peer[ADDRESS_TEXT_SIZE];
	if (hub_may_log(&stream->worker->hub))
		log_warn("connection refused", TEXT("peer", address_format(&stream->peer, peer)),
			 TEXT("reason", reason_text(reason)), TEXT("detail", text));
}

void stream_fail(struct stream *stream, enum reason reason, const char *text)
{
	if (stream->state >= STREAM_CLOSING) {
		stream_terminate(stream, false);
		return;
	}
	if (stream->session) {
		session_end(stream->session, reason, text, false);
		return;
	}
	hub_count(&stream->worker->hub,
		  stream->state == STREAM_HANDSHAKE ? COUNTER_handshakes_failed : COUNTER_detect_failed, 1);
	stream_log_refusal(stream, reason, text);
	if (reason == REASON_LOST || reason == REASON_TRUNCATED)
		stream_terminate(stream, false);
	else
		stream_close(stream, DURATION_S(1));     /* an alert may be on its way */
}

static void stream_expired(struct timer *timer)
{
	struct stream *stream = OWNER(timer, struct stream, deadline);
	struct session *session = stream->session;
	switch (stream->state) {
	case STREAM_SOURCE:
		stream_fail(stream, REASON_TIMEOUT, "no PROXY header came in time");
		break;
	case STREAM_HANDSHAKE:
		stream_fail(stream, REASON_TIMEOUT, "the TLS handshake did not finish in time");
		break;
	case STREAM_DETECT:
		if (!stream_detect_expires(stream))
			stream_fail(stream, REASON_TIMEOUT,
				    "said nothing that this port understands in time");
		break;
	case STREAM_OPEN:
		if (session && session->state == SESSION_FLUSH) {
			stream->expired = true;
			session_end(session, session->why, NULL, false);
		}
		else if (session && !session->ready)
			session_end(session, REASON_TIMEOUT,
				    session->carrier_waits ? "did not agree to the transport in time"
							   : "did not authenticate in time",
				    false);
		else
			half_open(stream, false);
		break;
	default:
		stream_terminate(stream, !stream_out_is_empty(stream));
	}
}

/* A link's last words are short. A conn's may be a quarter MiB for a slow reader: it may take as long as it
 * takes anything. */
void stream_limit_flush(struct stream *stream)
{
	bool conn = stream->session->traits & TRAIT_CONN;
	if (!timer_is_armed(&stream->deadline))
		stream_wait(stream,
			    conn ? stream->worker->hub.limits->http_idle : DURATION_S(STREAM_FLUSH_S));
}

void stream_ready(struct stream *stream)
{
	half_open(stream, false);
	timer_disarm(&stream->deadline);
}

void stream_linger(struct stream *stream)
{
	struct duration span = stream->linger, hurry = DURATION_S(STREAM_HURRY_S);
	stream->lingers = true;
	stream_wait(stream, stream->worker->stopping && span.ns > hurry.ns ? hurry : span);
}

void stream_close(struct stream *stream, struct duration linger)
{
	stream->state = STREAM_CLOSING;
	stream->shut = true;
	stream->paused = false;
	half_open(stream, false);
	bufqueue_drop(&stream->in);
	buf_unref(stream->pending.buf);
	stream->pending = (struct piece){0};
	if (stream->tls)
		tls_close(stream->tls);
	stream_out_cut(stream);
	stream->linger = linger;
	stream_wait(stream, DURATION_S(STREAM_FLUSH_S + STREAM_LINGER_S));
	if (!stream->in_ended)
		stream_recv_arm(stream);
	stream_flush(stream);
	stream_settled(stream);
}

/* Did it end in a way that the peer may take for an end? Then our bytes are seen off, and close_notify after
 * them. A conn with a last word has relayed nothing that could be taken for all of it. */
static bool ends_clean(const struct session *session)
{
	switch (session->why) {
	case REASON_OK:
		return true;
	case REASON_LOST:
	case REASON_TRUNCATED:
	case REASON_SILENT:
	case REASON_MEMORY:
		return false;
	default:
		return !(session->traits & TRAIT_CONN) || session->flushed;
	}
}

void stream_release(struct stream *stream)
{
	struct session *session = stream->session;
	bool conn = session->traits & TRAIT_CONN;
	bool clean = ends_clean(session) && stream->state == STREAM_OPEN && !stream->expired &&
		     stream_out_is_sealed(stream);
	bool alert = stream->tls && tls_state(stream->tls) == TLS_FAILED && session->why != REASON_LOST;
	session->stream = NULL;
	stream->session = NULL;
	memory_release(&stream->worker->hub.memory, stream->move, sizeof *stream->move);
	stream->move = NULL;
	if (clean)
		stream_close(stream, DURATION_S(STREAM_LINGER_S));
	else if (alert)
		stream_close(stream, DURATION_S(1));
	else
		stream_terminate(stream, conn);
}

void stream_terminate(struct stream *stream, bool abort)
{
	if (stream->state == STREAM_TERMINATING)
		return;
	check(!stream->session);
	stream->state = STREAM_TERMINATING;
	stream->abort = abort;
	half_open(stream, false);
	timer_disarm(&stream->deadline);
	if (stream->recv.submitted)
		ring_cancel(stream->worker->ring, &stream->recv);
	if (stream->send.submitted)
		ring_cancel(stream->worker->ring, &stream->send);
	stream_join(stream);
}

void stream_destroy(struct stream *stream)
{
	struct worker *worker = stream->worker;
	bufqueue_drop(&stream->in);
	buf_unref(stream->pending.buf);
	stream_out_drop(stream);
	if (stream->tls)
		tls_destroy(stream->tls);
	if (stream->guarded)
		sources_leave(worker->process->sources, &stream->peer);
	half_open(stream, false);
	timer_disarm(&stream->deadline);
	memory_release(&worker->hub.memory, stream->welcome, sizeof *stream->welcome);
	link_remove(&stream->worker_link);
	worker->stream_count--;
	memory_release(&worker->hub.memory, stream, sizeof *stream);
}

/* Closes once the kernel has let go of both ops. The memory goes at the end of the turn: callers up the stack
 * may still look at it. */
void stream_join(struct stream *stream)
{
	if (stream->state != STREAM_TERMINATING || stream->recv.submitted || stream->send.submitted ||
	    stream->fd < 0)
		return;
	ring_close(stream->worker->ring, stream->fd, stream->abort);
	stream->fd = -1;
	link_remove(&stream->worker_link);
	list_push(&stream->worker->gone, &stream->worker_link);
}

/* ---- moving ---- */

bool stream_can_move(const struct stream *stream)
{
	return stream->state == STREAM_OPEN && !stream->tls && !stream->recv.submitted &&
	       !stream->send.submitted && !stream->out;
}

int stream_detach(struct stream *stream)
{
	check(stream_can_move(stream) && !stream->session);
	int fd = stream->fd;
	ring_forget(stream->worker->ring, fd);
	stream->guarded = false;             /* the count travels with the descriptor */
	stream_destroy(stream);
	return fd;
}
