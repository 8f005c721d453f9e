/* protocols/frontends/http.c - a conn of HTTP exchanges; see http.h. */
#include "protocols/frontends/http.h"

#include <stdio.h>

#include "core/hub.h"
#include "core/writer.h"
#include "protocols/codecs/chunked.h"
#include "protocols/codecs/http1.h"
#include "protocols/frontends/kept.h"

enum {
	BODY_STEP = 16 * 1024,           /* of an answer, in one message of the writer */
	ANSWER_HEAD_MAX = 1024,          /* and of the further fields of an answer */
};

/* A request goes from HEAD over its body to ASKED; the answer leads back to HEAD. */
enum http_state {
	HTTP_HEAD,
	HTTP_BODY,
	HTTP_CHUNKS,
	HTTP_ASKED,
};

struct http {
	enum http_state state;
	unsigned refusal;                /* a status that ends the conn, owed; 0: none */
	bool close, head_only, expects, continues;
	struct buf *head, *body;         /* from the pool; wiped when they are given back */
	size_t left;                     /* of a body that is not chunked */
	struct chunked chunked;
	size_t answered, seen;           /* bytes of the answer's body: written; that were so at a look */
	bool answer_begun, stuck;        /* stuck: the last look found one that waits */
	struct http_exchange exchange;
};

/* ---- requests ---- */

static enum status refuse(struct session *session, struct http *http, unsigned status, const char *why)
{
	http->refusal = status;
	session_owes(session);
	return session_fault(session, why);
}

/* The target in its parts; of a whole URL, which a client of a proxy sends, what stands behind the host. */
static void take_target(struct http_exchange *exchange, struct slice target)
{
	struct slice path = target;
	bool whole = path.size > 7 && (memcmp(path.at, "http://", 7) == 0);
	if (whole) {
		const uint8_t *slash = memchr(path.at + 7, '/', path.size - 7);
		size_t skip = slash ? (size_t)(slash - path.at) : path.size;
		path = slash ? (struct slice){slash, path.size - skip} : slice_of("/");
	}
	const uint8_t *mark = memchr(path.at, '?', path.size);
	exchange->path = (struct slice){path.at, mark ? (size_t)(mark - path.at) : path.size};
	if (mark)
		exchange->query = (struct slice){mark + 1, path.size - exchange->path.size - 1};
}

static enum status ask(struct session *session, struct http *http)
{
	struct http_exchange *exchange = &http->exchange;
	struct event event = {.kind = EVENT_REQUEST, .exchange = exchange};
	if (http->body)
		exchange->body = (struct slice){http->body->bytes, http->body->used};
	http->state = HTTP_ASKED;
	http->answered = 0;
	http->answer_begun = http->expects = http->continues = http->stuck = false;
	session->blocked = true;                 /* until it is answered: pipelined requests wait */
	session_tick_at(session, instant_after(session->hub->now, session->hub->limits->http_idle));
	return session_deliver(session, &event);
}

static enum status expect_body(struct session *session, struct http *http, const struct head *head)
{
	struct slice expect = http1_field(head, "expect");
	bool chunked = http1_field(head, "transfer-encoding").at != NULL;
	uint64_t size = http1_content_length(head);
	if (size > HTTP_BODY_MAX)
		return refuse(session, http, 413, "the body is too long");
	if (expect.at && head->minor && !http1_has_token(head, "expect", "100-continue"))
		return refuse(session, http, 417, "the request expects what is not known here");
	http->expects = expect.at && head->minor && (size || chunked);
	session_tick_at(session, instant_after(session->hub->now, session->hub->limits->http_idle));
	http->left = size;
	http->chunked = (struct chunked){.max = HTTP_BODY_MAX};
	http->state = chunked ? HTTP_CHUNKS : HTTP_BODY;
	return size || chunked ? STATUS_OK : ask(session, http);
}

static enum status take_head(struct session *session, struct http *http, const struct head *head)
{
	struct http_exchange *exchange = &http->exchange;
	if (head->status)
		return refuse(session, http, 400, "an answer where a request belongs");
	*exchange = (struct http_exchange){.method = head->method,
					   .api_key = http1_field(head, "x-api-key"),
					   .host = http1_field(head, "host"),
					   .origin = http1_field(head, "origin"),
					   .authorization = http1_field(head, "authorization")};
	take_target(exchange, head->path);
	http->head_only = slice_is(head->method, "HEAD");
	http->close = !head->minor || http1_has_token(head, "connection", "close");
	return expect_body(session, http, head);
}

/* A head is parsed when a line has become complete, so that a slow one does not cost more than a fast one. */
static enum status hear_head(struct session *session, struct http *http, struct slice *bytes)
{
	size_t before = http->head ? http->head->used : 0;
	struct slice part = {bytes->at, size_min(bytes->size, HTTP1_HEAD_MAX - before)};
	if (!before)
		session_tick_at(session,
				instant_after(session->hub->now, session->hub->limits->handshake));
	if (!kept_add(&session->hub->bufs, &http->head, part))
		return STATUS_IO;
	struct slice all = {http->head->bytes, http->head->used};
	bool full = all.size == HTTP1_HEAD_MAX;
	if (!full && !memchr(part.at, '\n', part.size)) {
		*bytes = (struct slice){bytes->at + part.size, 0};
		return STATUS_OK;
	}
	struct head head;
	size_t used;
	unsigned refusal;
	const char *why;
	enum status status = http1_parse_head(all, &head, &used, &refusal, &why);
	if (status == STATUS_PROTOCOL)
		return refuse(session, http, refusal, why);
	size_t taken = status == STATUS_OK ? used - before : part.size;
	*bytes = (struct slice){bytes->at + taken, bytes->size - taken};
	if (status != STATUS_OK)
		return STATUS_OK;
	kept_cut(http->head, used);
	return take_head(session, http, &head);
}

/* ---- bodies ---- */

static enum status hear_bytes(struct session *session, struct http *http, struct slice *bytes)
{
	struct slice part = {bytes->at, size_min(bytes->size, http->left)};
	if (!kept_add(&session->hub->bufs, &http->body, part))
		return STATUS_IO;
	*bytes = (struct slice){bytes->at + part.size, bytes->size - part.size};
	http->left -= part.size;
	return http->left ? STATUS_OK : ask(session, http);
}

static enum status hear_chunks(struct session *session, struct http *http, struct slice *bytes)
{
	struct slice part;
	enum status status = chunked_take(&http->chunked, bytes, &part);
	size_t sum = part.size + (http->body ? http->body->used : 0);
	bool trailer = http->chunked.step == CHUNKED_TRAILER;
	if (status == STATUS_PROTOCOL)
		return refuse(session, http, 400, "a chunk of the body is not framed as one");
	if (status == STATUS_FULL && trailer)
		return refuse(session, http, 431, "the trailer is too long");
	if (status == STATUS_FULL || sum > HTTP_BODY_MAX)
		return refuse(session, http, 413, "the body is too long");
	if (part.size && !kept_add(&session->hub->bufs, &http->body, part))
		return STATUS_IO;
	return status == STATUS_OK ? ask(session, http) : STATUS_OK;
}

/* ---- the wire ---- */

static enum status hear(struct session *session, struct http *http, struct slice *bytes)
{
	switch (http->state) {
	case HTTP_HEAD:
		return hear_head(session, http, bytes);
	case HTTP_BODY:
		return hear_bytes(session, http, bytes);
	case HTTP_CHUNKS:
		return hear_chunks(session, http, bytes);
	case HTTP_ASKED:
		break;
	}
	return STATUS_OK;
}

static enum status http_start(struct session *session, void *state)
{
	session_tick_at(session, instant_after(session->hub->now, session->hub->limits->handshake));
	return STATUS_OK;
}

static enum status http_decode(struct session *session, void *state, const struct chunk *chunk,
			       size_t *consumed)
{
	struct http *http = state;
	struct slice bytes = chunk->piece.bytes;
	if (chunk->kind == CHUNK_END) {
		bool between = http->state == HTTP_HEAD && !http->head;
		session_end(session, between ? REASON_OK : REASON_LOST, NULL, between);
		return STATUS_OK;
	}
	while (bytes.size && http->state != HTTP_ASKED) {
		enum status status = hear(session, http, &bytes);
		if (status != STATUS_OK)
			return status;
	}
	/* Who expects to be told to go on waits for it, unless it did not wait. */
	if (http->expects && http->state != HTTP_HEAD && http->state != HTTP_ASKED) {
		http->expects = false;
		http->continues = !http->body && !bytes.size;
		if (http->continues)
			session_owes(session);
	}
	*consumed = chunk->piece.bytes.size - bytes.size;
	return STATUS_OK;
}

static void next_request(struct session *session, struct http *http)
{
	kept_drop(&http->head);
	kept_drop(&http->body);
	*http = (struct http){.state = HTTP_HEAD};
	session_tick_at(session, instant_after(session->hub->now, session->hub->limits->http_idle));
	session->blocked = false;
	if (!link_is_linked(&session->readable_link))
		list_push(&session->hub->readable, &session->readable_link);
}

static bool has_body(unsigned status) { return status >= 200 && status != 204 && status != 304; }

static enum status say_head(struct writer *writer, const struct http_exchange *answer, size_t size,
			    bool close)
{
	char text[ANSWER_HEAD_MAX], length[48] = "";
	const char *content_type = answer->content_type;
	if (has_body(answer->status))
		snprintf(length, sizeof length, "Content-Length: %zu\r\n", size);
	int used = snprintf(text, sizeof text, "HTTP/1.1 %u %s\r\n%s%.100s%s%.768s%s%s\r\n", answer->status,
			    http1_status_text(answer->status), content_type ? "Content-Type: " : "",
			    content_type ? content_type : "", content_type ? "\r\n" : "",
			    answer->fields ? answer->fields : "", length,
			    close ? "Connection: close\r\n" : "");
	writer_begin(writer, CHUNK_BYTES);
	writer_copy(writer, (struct slice){(uint8_t *)text, (size_t)used});
	return writer_end(writer);
}

/* An answer may be larger than what the writer holds: it goes on where it stopped, and the role gives the
 * same answer again. */
static enum status say_answer(struct session *session, struct http *http,
			      const struct http_exchange *exchange, struct writer *writer)
{
	static const struct http_exchange broken = {.status = 500};
	const struct http_exchange *answer = exchange && exchange->status >= 200 ? exchange : &broken;
	struct slice body = has_body(answer->status) ? answer->body : (struct slice){0};
	bool close = http->close || session->draining;
	if (http->state != HTTP_ASKED)
		return STATUS_OK;
	if (!http->answer_begun) {
		if (say_head(writer, answer, body.size, close) != STATUS_OK)
			return STATUS_FULL;
		http->answer_begun = true;
		http->close = close;
	}
	while (!http->head_only && http->answered < body.size) {
		struct slice part = {body.at + http->answered,
				     size_min(BODY_STEP, body.size - http->answered)};
		if (writer_is_full(writer))
			return STATUS_FULL;
		writer_begin(writer, CHUNK_BYTES);
		writer_copy(writer, part);
		if (writer_end(writer) != STATUS_OK)
			return STATUS_FULL;
		http->answered += part.size;
	}
	if (http->close)
		session_end(session, REASON_OK, NULL, true);
	else
		next_request(session, http);
	return STATUS_OK;
}

static enum status say_owed(struct http *http, struct writer *writer)
{
	static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
	enum status status = STATUS_OK;
	if (http->refusal)
		status = say_head(writer, &(struct http_exchange){.status = http->refusal}, 0, true);
	if (status == STATUS_OK)
		http->refusal = 0;
	if (status != STATUS_OK || !http->continues)
		return status;
	writer_begin(writer, CHUNK_BYTES);
	writer_copy(writer, slice_of(go_on));
	status = writer_end(writer);
	http->continues = status != STATUS_OK;
	return status;
}

static enum status http_encode(struct session *session, void *state, const struct event *event,
			       struct writer *writer)
{
	struct http *http = state;
	if (event->kind == EVENT_OWED && !event->channel)
		return say_owed(http, writer);
	if (event->kind == EVENT_RESPONSE)
		return say_answer(session, http, event->exchange, writer);
	return STATUS_OK;
}

/* The role takes the time that it needs. Its answer is held until it is written: whoever reads nothing of it
 * between two looks is given up. */
static struct instant tick_asked(struct session *session, struct http *http)
{
	bool waits = session->says & 1u << EVENT_RESPONSE;
	if (waits && http->stuck && http->seen == http->answered) {
		session_end(session, REASON_TIMEOUT, "the answer was not read in time", false);
		return INSTANT_NEVER;
	}
	http->stuck = waits;
	http->seen = http->answered;
	return instant_after(session->hub->now, session->hub->limits->http_idle);
}

static struct instant http_tick(struct session *session, void *state, struct instant now)
{
	struct http *http = state;
	if (http->state == HTTP_ASKED)
		return tick_asked(session, http);
	bool between = http->state == HTTP_HEAD && !http->head;
	session_end(session, between ? REASON_OK : REASON_TIMEOUT,
		    between ? NULL : "the request did not come in time", false);
	return INSTANT_NEVER;
}

static void http_stop(struct session *session, void *state)
{
	struct http *http = state;
	kept_drop(&http->head);
	kept_drop(&http->body);
}

const struct wire wire_http = {
    .name = "http",
    .traits = TRAIT_CONN,
    .session_size = sizeof(struct http),
    .chunk_max = BODY_STEP,
    .start = http_start,
    .decode = http_decode,
    .encode = http_encode,
    .tick = http_tick,
    .stop = http_stop,
};
