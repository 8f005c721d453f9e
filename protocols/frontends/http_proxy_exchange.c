/* protocols/frontends/http_proxy_exchange.c - a body goes on, an answer passes: http_proxy_exchange.h. */
#include "protocols/frontends/http_proxy_exchange.h"

#include "core/hub.h"
#include "core/writer.h"
#include "protocols/frontends/http_proxy_answer.h"
#include "protocols/frontends/plain.h"

static uint64_t answer_bytes(struct session *session)
{
	const struct channel *channel = session_only_channel(session);
	return channel && channel->pair ? channel->pair->flow[1].pulled : 0;
}

static struct instant rest_end(const struct session *session)
{
	return instant_after(session->hub->now, session->hub->limits->handshake);
}

/* Both are over: the connection is of no more use, but its user may still have to read. */
static void linger(struct session *session, struct http_proxy_exchange *exchange)
{
	if (!exchange->over || !exchange->asked)
		return;
	exchange->closes = true;
	session_tick_at(session, rest_end(session));
}

/* ---- the request ---- */

void http_proxy_exchange_begin(struct http_proxy_exchange *exchange,
			       const struct http_proxy_request *request)
{
	exchange->chunks = request->chunked;
	exchange->chunked = (struct chunked){.max = CHUNKED_MAX};
	exchange->left = request->length;
	exchange->asked = !request->chunked && !request->length;
}

/* How much of the bytes belongs to the body; what has been found out about its end is in *exchange then. */
static enum status measure(struct http_proxy_exchange *exchange, struct slice bytes, size_t *size)
{
	struct slice rest = bytes, payload;
	enum status status = STATUS_MORE;
	if (!exchange->chunks) {
		*size = exchange->left < bytes.size ? (size_t)exchange->left : bytes.size;
		exchange->left -= *size;
		return exchange->left ? STATUS_MORE : STATUS_OK;
	}
	while (status == STATUS_MORE && rest.size)
		status = chunked_take(&exchange->chunked, &rest, &payload);
	*size = bytes.size - rest.size;
	return status == STATUS_FULL ? STATUS_PROTOCOL : status;
}

static enum status hear_body(struct session *session, struct http_proxy_exchange *exchange,
			     const struct chunk *chunk, size_t *consumed, const char **fault)
{
	struct http_proxy_exchange next = *exchange;   /* taken over once the bytes have been */
	struct event event = {.kind = EVENT_DATA, .channel = session_only_channel(session)};
	struct piece piece = chunk->piece;
	enum status status = measure(&next, piece.bytes, &piece.bytes.size);
	bool ends = status == STATUS_OK;
	if (status == STATUS_PROTOCOL) {
		*fault = "A chunk of the body is not framed as one.";
		return status;
	}
	event.pieces = &piece;
	event.piece_count = 1;
	event.size = piece.bytes.size;
	status = event.channel && event.size ? session_deliver(session, &event) : STATUS_OK;
	if (status != STATUS_OK)
		return status;
	exchange->chunked = next.chunked;
	exchange->left = next.left;
	*consumed = piece.bytes.size;
	if (ends) {
		exchange->asked = true;
		linger(session, exchange);
	}
	return STATUS_OK;
}

/* Another request, which is not passed on. Whoever sends it behind an answer believes that the connection
 * goes on, because its target did not say that it closes: it is reset once the answer has come to rest. */
static void hear_behind(struct session *session, struct http_proxy_exchange *exchange)
{
	if (!exchange->answered || exchange->closes)
		return;
	exchange->closes = true;
	exchange->seen = answer_bytes(session);
	session_tick_at(session, rest_end(session));
}

enum status http_proxy_exchange_hear(struct session *session, struct http_proxy_exchange *exchange,
				     const struct chunk *chunk, size_t *consumed, const char **fault)
{
	if (!exchange->asked)
		return hear_body(session, exchange, chunk, consumed, fault);
	*consumed = chunk->piece.bytes.size;
	hear_behind(session, exchange);
	return STATUS_OK;
}

/* ---- the answer ---- */

enum status http_proxy_exchange_say(struct http_proxy_exchange *exchange, const struct event *event,
				    struct writer *writer)
{
	struct http_proxy_response next = exchange->response;
	writer_begin(writer, CHUNK_BYTES);
	for (uint32_t i = 0; i < event->piece_count; i++) {
		struct piece piece = event->pieces[i];
		size_t at = http_proxy_response_find(&next, piece.bytes);
		if (at != SIZE_MAX) {
			writer_piece(writer, (struct piece){piece.buf, {piece.bytes.at, at}});
			writer_copy(writer, slice_of("Connection: close\r\n"));
			piece.bytes = (struct slice){piece.bytes.at + at, piece.bytes.size - at};
		}
		writer_piece(writer, piece);
	}
	enum status status = writer_end(writer);
	if (status != STATUS_OK)
		return status;
	exchange->response = next;
	exchange->answered = true;
	return STATUS_OK;
}

/* Of an answer that never began, something has to be said. */
enum status http_proxy_exchange_say_end(struct session *session, struct http_proxy_exchange *exchange,
					const struct event *event, struct writer *writer)
{
	struct http_proxy_answer answer = {.status = 502,
					   .bodiless = exchange->bodiless,
					   .hint = "The target has closed without an answer. Try again."};
	if (!exchange->answered && http_proxy_say(writer, &answer) != STATUS_OK)
		return STATUS_FULL;
	exchange->answered = true;
	enum status status = wire_plain.encode(session, NULL, event, writer);
	if (status == STATUS_OK) {
		exchange->over = true;
		linger(session, exchange);
	}
	return status;
}

/* ---- time ---- */

struct instant http_proxy_exchange_tick(struct session *session, struct http_proxy_exchange *exchange)
{
	uint64_t seen = answer_bytes(session);
	if (!exchange->closes)
		return INSTANT_NEVER;
	if (exchange->over) {
		session_end(session, REASON_OK, NULL, true);
		return INSTANT_NEVER;
	}
	if (seen == exchange->seen) {            /* a part of an answer must not look like all of it */
		session_end(session, REASON_TIMEOUT, "asked again before its answer had ended", false);
		return INSTANT_NEVER;
	}
	exchange->seen = seen;
	return rest_end(session);
}
