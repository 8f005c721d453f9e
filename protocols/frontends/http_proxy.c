/* protocols/frontends/http_proxy.c - a request in front, then a tunnel or one exchange: http_proxy.h. */
#include "protocols/frontends/http_proxy.h"

#include "core/hub.h"
#include "core/secret.h"
#include "core/writer.h"
#include "protocols/frontends/asker.h"
#include "protocols/frontends/http_proxy_answer.h"
#include "protocols/frontends/http_proxy_exchange.h"
#include "protocols/frontends/kept.h"
#include "protocols/frontends/plain.h"

enum { CHUNK_SIZE_MAX = 65536 };

/* In the first four the head is heard, each time from its first byte. */
enum step {
	HEAD,
	LOGGING_IN, /* held until the role has judged the login */
	ADMITTED,
	ASKED,      /* absolute form: held until the target is placed, then the head goes on, rewritten */
	OPENING,    /* CONNECT: until the target is reached */
	TUNNEL,
	EXCHANGE,
};

struct http_proxy {
	const struct http_proxy_policy *policy;   /* NULL: no password, both forms */
	enum step step;
	struct http_proxy_answer farewell;        /* owed; status 0: none */
	bool challenged;                          /* was told once to log in */
	bool absolute;                            /* its form */
	struct buf *pending;                      /* the beginning of a head that came in pieces */
	struct http_proxy_login *login;           /* until the role has judged it */
	struct http_proxy_exchange exchange;      /* of the absolute form */
	struct instant until;                     /* of this step */
};

void http_proxy_set_policy(struct session *session, const struct http_proxy_policy *policy)
{
	struct http_proxy *proxy = session->wire_state;
	proxy->policy = policy;
}

/* ---- steps ---- */

static struct instant one_step_from_now(const struct session *session)
{
	return instant_after(session->hub->now, session->hub->limits->handshake);
}

static void enter(struct session *session, struct http_proxy *proxy, enum step step)
{
	proxy->step = step;
	proxy->until = one_step_from_now(session);
	if (step <= ADMITTED)
		session_tick_at(session, proxy->until);
}

static enum status http_proxy_start(struct session *session, void *state)
{
	enter(session, state, HEAD);
	return STATUS_OK;
}

/* The last word of a session that is about to end. */
static void bid_farewell(struct session *session, struct http_proxy *proxy, struct http_proxy_answer answer)
{
	proxy->farewell = answer;
	proxy->farewell.bodiless = proxy->exchange.bodiless;
	session_owes(session);
}

static enum status refuse(struct session *session, struct http_proxy *proxy, unsigned status,
			  const char *hint)
{
	bid_farewell(session, proxy, (struct http_proxy_answer){.status = status, .hint = hint});
	return session_fault(session, hint);
}

/* ---- what is pending ---- */

static void login_drop(struct session *session, struct http_proxy *proxy)
{
	if (!proxy->login)
		return;
	secret_wipe(proxy->login, sizeof *proxy->login);
	memory_release(&session->hub->memory, proxy->login, sizeof *proxy->login);
	proxy->login = NULL;
}

static size_t http_proxy_unheard(const void *state)
{
	const struct http_proxy *proxy = state;
	return proxy->pending ? proxy->pending->used : 0;
}

static void http_proxy_unhear(const void *state, void *there, uint8_t *bytes)
{
	const struct http_proxy *proxy = state;
	struct http_proxy *copy = there;
	memcpy(bytes, proxy->pending->bytes, proxy->pending->used);
	copy->pending = NULL;
}

/* ---- heads ---- */

static const char *stranger(uint8_t first)
{
	if (first == 0x16)
		return "speaks TLS to a proxy that speaks plain HTTP";
	return first == 4 || first == 5 ? "speaks SOCKS to an HTTP proxy" : NULL;
}

/* Goes on with the head. OK: it is complete, `*size` of these bytes are its end, and nothing is taken yet;
 * MORE: all bytes are taken. It is parsed when a line has ended, so that a slow one costs little more. */
static enum status gather(struct session *session, struct http_proxy *proxy, struct slice bytes,
			  struct head *head, size_t *size)
{
	size_t before = proxy->pending ? proxy->pending->used : 0, used = 0;
	struct slice part = {bytes.at, size_min(bytes.size, HTTP1_HEAD_MAX - before)}, whole = part;
	enum status status = STATUS_MORE;
	unsigned refusal;
	const char *why;
	if (before) {
		if (!kept_add(&session->hub->bufs, &proxy->pending, part))
			return STATUS_IO;
		whole = (struct slice){proxy->pending->bytes, before + part.size};
	}
	if (whole.size == HTTP1_HEAD_MAX || memchr(part.at, '\n', part.size))
		status = http1_parse_head(whole, head, &used, &refusal, &why);
	if (status == STATUS_PROTOCOL)
		return refuse(session, proxy, refusal, why);
	if (status == STATUS_OK) {
		if (before)
			proxy->pending->used = (uint32_t)before;   /* yet the whole head lies there */
		*size = used - before;
		return STATUS_OK;
	}
	return before || kept_add(&session->hub->bufs, &proxy->pending, part) ? STATUS_MORE : STATUS_IO;
}

static void head_taken(struct http_proxy *proxy, size_t size, size_t *consumed)
{
	kept_drop(&proxy->pending);
	*consumed = size;
}

/* Who has not said who it is may say so on the same connection, once. */
static enum status challenge(struct session *session, struct http_proxy *proxy,
			     const struct http_proxy_request *request, size_t size, size_t *consumed)
{
	struct http_proxy_answer answer = {.status = HTTP_PROXY_LOGIN_WANTED,
					   .keeps = request->keeps && !proxy->challenged,
					   .hint = "This proxy wants a user name and a password."};
	bid_farewell(session, proxy, answer);
	if (!answer.keeps) {
		session_fault(session, "did not log in");
		return STATUS_AUTH;
	}
	proxy->challenged = true;
	session_hold(session);                   /* until it is said */
	head_taken(proxy, size, consumed);
	return STATUS_OK;
}

static enum status log_in(struct session *session, struct http_proxy *proxy, const struct head *head,
			  const struct http_proxy_request *request, size_t size, size_t *consumed)
{
	proxy->login = memory_acquire(&session->hub->memory, sizeof *proxy->login);
	if (!proxy->login)
		return STATUS_IO;
	if (!http_proxy_read_login(head, proxy->login)) {
		login_drop(session, proxy);
		return challenge(session, proxy, request, size, consumed);
	}
	enter(session, proxy, LOGGING_IN);
	session_hold(session);
	return session_deliver(
		session, &(struct event){.kind = EVENT_AUTH, .credentials = &proxy->login->credentials});
}

static enum status open_target(struct session *session, struct http_proxy *proxy,
			       const struct http_proxy_request *request, size_t size, size_t *consumed)
{
	struct target target = {.network = NETWORK_TCP, .port = request->port};
	memcpy(target.host, request->host, sizeof target.host);
	proxy->absolute = !request->connect;
	if (request->connect)
		head_taken(proxy, size, consumed);
	enter(session, proxy, request->connect ? OPENING : ASKED);
	enum status status = asker_open(session, &target);
	if (status != STATUS_FULL)
		return status;
	bid_farewell(session, proxy, http_proxy_answer_of(REASON_LIMIT));
	return STATUS_OK;
}

/* To the target, which may not have been reached yet. */
static enum status pass_on(struct session *session, struct http_proxy *proxy, const struct head *head,
			   const struct http_proxy_request *request, size_t size, size_t *consumed)
{
	size_t before = proxy->pending ? proxy->pending->used : 0;
	struct buf *buf = buf_acquire(&session->hub->bufs, before + size + HTTP_PROXY_ADDED);
	struct event event = {.kind = EVENT_DATA, .channel = session_only_channel(session)};
	if (!buf)
		return STATUS_IO;
	buf->used = (uint32_t)http_proxy_rewrite(head, request, buf->bytes);
	struct piece piece = {buf, {buf->bytes, buf->used}};
	event.pieces = &piece;
	event.piece_count = 1;
	event.size = buf->used;
	enum status status = event.channel ? session_deliver(session, &event) : STATUS_OK;
	buf_unref(buf);
	if (status != STATUS_OK)
		return status;
	head_taken(proxy, size, consumed);
	http_proxy_exchange_begin(&proxy->exchange, request);
	enter(session, proxy, EXCHANGE);
	return STATUS_OK;
}

static enum status hear_head(struct session *session, struct http_proxy *proxy, struct slice bytes,
			     size_t *consumed)
{
	struct head head;
	struct http_proxy_request request;
	size_t size = 0;
	unsigned refusal;
	const char *hint;
	if (!bytes.size)
		return STATUS_OK;
	if (proxy->step == HEAD && !proxy->pending && stranger(*bytes.at)) {
		session_end(session, REASON_PROTOCOL, stranger(*bytes.at), true);
		return STATUS_OK;
	}
	enum status status = gather(session, proxy, bytes, &head, &size);
	if (status == STATUS_MORE)
		*consumed = bytes.size;
	if (status != STATUS_OK)
		return status == STATUS_MORE ? STATUS_OK : status;
	if (http_proxy_judge(&head, &request, &refusal, &hint) != STATUS_OK)
		return refuse(session, proxy, refusal, hint);
	proxy->exchange.bodiless = request.bodiless;
	if (proxy->step == ASKED)
		return pass_on(session, proxy, &head, &request, size, consumed);
	if (proxy->policy && proxy->policy->connect_only && !request.connect)
		return refuse(session, proxy, 405, "Only CONNECT HOST:PORT is served here.");
	if (proxy->step == HEAD && proxy->policy && proxy->policy->password)
		return log_in(session, proxy, &head, &request, size, consumed);
	return open_target(session, proxy, &request, size, consumed);
}

/* ---- hearing ---- */

static enum status hear_exchange(struct session *session, struct http_proxy *proxy, const struct chunk *chunk,
				 size_t *consumed)
{
	const char *fault = NULL;
	enum status status = http_proxy_exchange_hear(session, &proxy->exchange, chunk, consumed, &fault);
	if (!fault)
		return status;
	/* the target has heard a part of what is no request: it is not to be taken for one */
	if (!proxy->exchange.answered)
		return refuse(session, proxy, 400, fault);
	session_end(session, REASON_PROTOCOL, fault, false);
	return STATUS_OK;
}

static enum status hear_end(struct session *session, struct http_proxy *proxy, const struct chunk *chunk,
			    size_t *consumed)
{
	/* a port that is only looked at is no fault, nor is one who has no password */
	bool silent = proxy->step == HEAD && !proxy->pending;
	bool asked = proxy->step == EXCHANGE && proxy->exchange.asked;
	if (proxy->step == OPENING && asker_hangs_up(session))
		session_end(session, REASON_LOST, "left before its target was reached", false);
	else if (proxy->step == OPENING || proxy->step == TUNNEL || asked)
		return wire_plain.decode(session, NULL, chunk, consumed);
	else
		session_end(session, silent ? REASON_OK : REASON_LOST, silent ? NULL : "left in its request",
			    false);
	return STATUS_OK;
}

static enum status http_proxy_decode(struct session *session, void *state, const struct chunk *chunk,
				     size_t *consumed)
{
	struct http_proxy *proxy = state;
	if (chunk->kind == CHUNK_END)
		return hear_end(session, proxy, chunk, consumed);
	switch (proxy->step) {
	case OPENING:
	case TUNNEL:
		return wire_plain.decode(session, NULL, chunk, consumed);
	case EXCHANGE:
		return hear_exchange(session, proxy, chunk, consumed);
	default:
		return hear_head(session, proxy, chunk->piece.bytes, consumed);
	}
}

/* ---- speaking ---- */

static enum status say_owed(struct session *session, struct http_proxy *proxy, struct writer *writer)
{
	if (!proxy->farewell.status)
		return STATUS_OK;
	enum status status = http_proxy_say(writer, &proxy->farewell);
	if (status != STATUS_OK)
		return status;
	bool keeps = proxy->farewell.keeps;
	proxy->farewell = (struct http_proxy_answer){0};
	if (keeps && session->state == SESSION_OPEN) {
		enter(session, proxy, HEAD);
		session_unhold(session);
	}
	return STATUS_OK;
}

static enum status say_authed(struct session *session, struct http_proxy *proxy, const struct event *event,
			      struct writer *writer)
{
	if (event->reason != REASON_OK) {        /* the session ends behind it */
		struct http_proxy_answer answer = {
			.status = HTTP_PROXY_LOGIN_WANTED,
			.bodiless = proxy->exchange.bodiless,
			.hint = "User name or password is wrong. Check both in your client's settings."};
		if (http_proxy_say(writer, &answer) != STATUS_OK)
			return STATUS_FULL;
		login_drop(session, proxy);
		return STATUS_OK;
	}
	login_drop(session, proxy);
	enter(session, proxy, ADMITTED);
	session_unhold(session);
	return STATUS_OK;
}

static enum status say_opened(struct session *session, struct http_proxy *proxy, const struct event *event,
			      struct writer *writer)
{
	if (event->reason == REASON_OK) {
		enum status status = proxy->absolute ? STATUS_OK : http_proxy_say_connected(writer);
		if (status == STATUS_OK && !proxy->absolute)
			enter(session, proxy, TUNNEL);
		return status;
	}
	struct http_proxy_answer answer = http_proxy_answer_of(event->reason);
	if (proxy->policy && proxy->policy->status)
		answer.status = proxy->policy->status(event->reason);
	answer.bodiless = proxy->exchange.bodiless;
	answer.text = event->text;
	return http_proxy_say(writer, &answer);
}

static enum status http_proxy_encode(struct session *session, void *state, const struct event *event,
				     struct writer *writer)
{
	struct http_proxy *proxy = state;
	switch (event->kind) {
	case EVENT_OWED:
		return say_owed(session, proxy, writer);
	case EVENT_AUTHED:
		return say_authed(session, proxy, event, writer);
	case EVENT_OPENED:
		return say_opened(session, proxy, event, writer);
	case EVENT_DATA:
		return proxy->absolute && http_proxy_exchange_is_front(&proxy->exchange)
			       ? http_proxy_exchange_say(&proxy->exchange, event, writer)
			       : wire_plain.encode(session, NULL, event, writer);
	case EVENT_EOF:
	case EVENT_CLOSE:
		return proxy->absolute
			       ? http_proxy_exchange_say_end(session, &proxy->exchange, event, writer)
			       : wire_plain.encode(session, NULL, event, writer);
	default:
		return wire_plain.encode(session, NULL, event, writer);
	}
}

/* ---- time ---- */

static struct instant http_proxy_tick(struct session *session, void *state, struct instant now)
{
	struct http_proxy *proxy = state;
	if (proxy->step == EXCHANGE)
		return http_proxy_exchange_tick(session, &proxy->exchange);
	if (proxy->step > ADMITTED)
		return INSTANT_NEVER;
	if (instant_before(now, proxy->until))
		return proxy->until;
	bool asked = proxy->step == HEAD && proxy->challenged && !proxy->pending;
	session_end(session, asked ? REASON_OK : REASON_TIMEOUT,
		    asked ? NULL : "did not finish its request in time", false);
	return INSTANT_NEVER;
}

static void http_proxy_stop(struct session *session, void *state)
{
	struct http_proxy *proxy = state;
	kept_drop(&proxy->pending);
	login_drop(session, proxy);
}

const struct wire wire_http_proxy = {
	.name = "http_proxy",
	.traits = TRAIT_CONN | TRAIT_HALF_CLOSE,
	.session_size = sizeof(struct http_proxy),
	.chunk_max = CHUNK_SIZE_MAX,
	.start = http_proxy_start,
	.decode = http_proxy_decode,
	.encode = http_proxy_encode,
	.tick = http_proxy_tick,
	.stop = http_proxy_stop,
	.unheard = http_proxy_unheard,
	.unhear = http_proxy_unhear,
};
