/* protocols/carriers/websocket_head.c - the opening handshake (RFC 6455, 4), both roles; see websocket.h. */
#include "protocols/carriers/websocket.h"

#include <stdio.h>

#include "core/digest.h"
#include "core/hub.h"
#include "core/secret.h"

enum { HEAD_FIRST = 1024, NONCE_SIZE = 16, SWITCHING_PROTOCOLS = 101, BAD_REQUEST = 400 };

/* ---- reading ---- */

/* A request may carry a token, or what is as good as one. */
static void let_go(struct buf *buf)
{
	if (buf)
		secret_wipe(buf->bytes, buf->used);
	buf_unref(buf);
}

void websocket_drop_head(struct session *session, struct websocket *websocket)
{
	struct websocket_head *head = websocket->head;
	if (!head)
		return;
	let_go(head->buf);
	memory_release(&session->hub->memory, head, sizeof *head);
	websocket->head = NULL;
}

enum status websocket_refuse(struct session *session, struct websocket *websocket, unsigned status,
			     const char *why)
{
	websocket->refusal = (uint16_t)status;
	session_owes(session);
	return session_fault(session, why);
}

/* Room for more bytes: grows with what has arrived. */
static bool grow(struct session *session, struct websocket_head *head)
{
	struct buf *old = head->buf;
	if (old && old->used < old->size)
		return true;
	struct buf *buf = buf_acquire(&session->hub->bufs, old ? 4 * (size_t)old->size : HEAD_FIRST);
	if (!buf)
		return false;
	if (old) {
		memcpy(buf->bytes, old->bytes, old->used);
		buf->used = old->used;
	}
	let_go(old);
	head->buf = buf;
	return true;
}

void websocket_accept(struct slice key, char accept[WEBSOCKET_ACCEPT_SIZE])
{
	static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
	uint8_t text[BASE64_SIZE(NONCE_SIZE) + sizeof guid - 1], digest[SHA1_SIZE];
	check(key.size == BASE64_SIZE(NONCE_SIZE));
	memcpy(text, key.at, key.size);
	memcpy(text + key.size, guid, sizeof guid - 1);
	digest_sha1((struct slice){text, sizeof text}, digest);
	base64_encode((struct slice){digest, sizeof digest}, accept);
}

/* A client says nothing behind its request before it has the answer. */
static enum status take_request(struct session *session, struct websocket *websocket, size_t behind)
{
	const struct head *head = &websocket->head->head;
	if (head->status)
		return websocket_refuse(session, websocket, BAD_REQUEST,
					"sent an answer instead of a request");
	websocket->phase = session->head_answered ? WEBSOCKET_FRAMES : WEBSOCKET_ANSWER;
	if (!http1_is_websocket_upgrade(head))
		return STATUS_OK;
	if (behind && !session->head_answered && !websocket->early)
		return websocket_refuse(session, websocket, BAD_REQUEST,
					"sent more than its request before the answer");
	websocket_accept(http1_field(head, "sec-websocket-key"), websocket->accept);
	return STATUS_OK;
}

/* What is wrong with an answer that claims to switch; NULL: nothing. */
static const char *fault_of(const struct websocket *websocket, const struct head *head)
{
	if (!http1_has_token(head, "upgrade", "websocket"))
		return "the server switched protocols, but not to WebSocket (no Upgrade: websocket)";
	if (!http1_has_token(head, "connection", "upgrade"))
		return "the server's answer lacks Connection: Upgrade: a proxy on the way may have removed "
		       "it";
	if (!slice_is(http1_field(head, "sec-websocket-accept"), websocket->accept))
		return "the server's Sec-WebSocket-Accept does not fit the request: an answer from a cache, "
		       "or no "
		       "WebSocket server";
	if (http1_field(head, "sec-websocket-extensions").at)
		return "the server chose a WebSocket extension that was not offered";
	if (http1_field(head, "sec-websocket-protocol").at && !websocket->asked_protocol)
		return "the server chose a WebSocket subprotocol that was not offered";
	return NULL;
}

/* MORE: it is only an interim one. */
static enum status take_answer(struct session *session, struct websocket *websocket)
{
	struct websocket_head *head = websocket->head;
	unsigned status = head->head.status;
	if (!status)
		return session_fault(session, "the server sent a request instead of an answer");
	if (status < 200 && status != SWITCHING_PROTOCOLS) {
		if (++head->interim_count > WEBSOCKET_INTERIM_MAX)
			return session_fault(session, "the server only sends interim answers");
		head->buf->used = 0;
		return STATUS_MORE;
	}
	const char *why = status == SWITCHING_PROTOCOLS ? fault_of(websocket, &head->head) : NULL;
	if (why)
		return session_fault(session, why);
	websocket->phase = status == SWITCHING_PROTOCOLS ? WEBSOCKET_FRAMES : WEBSOCKET_BODY;
	return STATUS_OK;
}

/* Takes what may belong to the head; what is behind it stays in the input. */
static enum status parse(struct session *session, struct websocket *websocket, struct slice *input)
{
	struct websocket_head *head = websocket->head;
	struct buf *buf = head->buf;
	size_t before = buf->used, size = size_min(input->size, buf->size - before), used;
	unsigned status;
	const char *why;
	bool has_line = memchr(input->at, '\n', size) != NULL;
	memcpy(buf->bytes + before, input->at, size);
	buf->used += (uint32_t)size;
	input->at += size;
	input->size -= size;
	if (!has_line && buf->used < HTTP1_HEAD_MAX) /* no byte is looked at for each that arrives */
		return STATUS_MORE;
	enum status answer =
	    http1_parse_head((struct slice){buf->bytes, buf->used}, &head->head, &used, &status, &why);
	if (answer == STATUS_MORE)
		return STATUS_MORE;
	if (answer != STATUS_OK)
		return session->client ? session_fault(session, why)
				       : websocket_refuse(session, websocket, status, why);
	size_t behind = buf->used - used;
	input->at -= behind;
	input->size += behind;
	return session->client ? take_answer(session, websocket)
			       : take_request(session, websocket, input->size);
}

enum status websocket_read_head(struct session *session, struct websocket *websocket, struct piece *input)
{
	if (!websocket->head)
		websocket->head = memory_acquire(&session->hub->memory, sizeof *websocket->head);
	if (!websocket->head)
		return STATUS_IO;
	enum status status = STATUS_MORE;
	while (status == STATUS_MORE && input->bytes.size) {
		if (!grow(session, websocket->head))
			return STATUS_IO;
		status = parse(session, websocket, &input->bytes);
	}
	return status;
}

/* ---- saying ---- */

static void say(struct writer *writer, const char *text) { writer_copy(writer, slice_of(text)); }

static void say_field(struct writer *writer, struct slice name, struct slice value)
{
	writer_copy(writer, name);
	say(writer, ": ");
	writer_copy(writer, value);
	say(writer, "\r\n");
}

static void say_fields(struct writer *writer, const struct head *head)
{
	for (uint32_t i = 0; i < head->field_count; i++)
		say_field(writer, head->fields[i].name, head->fields[i].value);
}

void websocket_answer(const char *accept, char text[WEBSOCKET_ANSWER_SIZE])
{
	snprintf(text, WEBSOCKET_ANSWER_SIZE,
		 "HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\n"
		 "sec-websocket-accept: %s\r\n\r\n",
		 accept);
}

void websocket_draw_key(struct session *session, struct websocket *websocket,
			char key[WEBSOCKET_REQUEST_KEY_SIZE])
{
	uint8_t nonce[NONCE_SIZE];
	hub_secret_bytes(session->hub, nonce, sizeof nonce);
	base64_encode((struct slice){nonce, sizeof nonce}, key);
	websocket_accept(slice_of(key), websocket->accept);
}

static void say_request(struct session *session, struct websocket *websocket, struct writer *writer)
{
	const struct head *head = writer->head;
	char key[WEBSOCKET_REQUEST_KEY_SIZE];
	websocket_draw_key(session, websocket, key);
	websocket->asked_protocol = http1_field(head, "sec-websocket-protocol").at;
	writer_copy(writer, head->method);
	say(writer, " ");
	writer_copy(writer, head->path);
	say(writer, " HTTP/1.1\r\n");
	say_fields(writer, head);
	if (!http1_field(head, "user-agent").at)
		say(writer, "User-Agent: tunnel/" TUNNEL_VERSION "\r\n");
	say(writer, "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n");
	say_field(writer, slice_of("Sec-WebSocket-Key"), slice_of(key));
	say(writer, "\r\n");
}

static void say_status(struct writer *writer, unsigned status)
{
	char line[32];
	snprintf(line, sizeof line, "HTTP/1.1 %u ", status);
	say(writer, line);
	say(writer, http1_status_text(status));
	say(writer, "\r\n");
}

static void say_answer(struct websocket *websocket, struct writer *writer)
{
	const struct head *head = writer->head;
	bool switches = head->status == SWITCHING_PROTOCOLS;
	say_status(writer, head->status);
	if (switches) {
		check(websocket->accept[0]);
		say(writer, "Upgrade: websocket\r\nConnection: Upgrade\r\n");
		say_field(writer, slice_of("Sec-WebSocket-Accept"), slice_of(websocket->accept));
	}
	say_fields(writer, head);
	say(writer, switches ? "\r\n" : "Connection: close\r\n\r\n");
}

/* Some of it may have come from a peer, a redirection for example. */
static bool may_be_said(const struct session *session, const struct head *head)
{
	if (session->client && !http1_is_target(head->path))
		return false;
	for (uint32_t i = 0; i < head->field_count; i++)
		if (!http1_is_value(head->fields[i].value))
			return false;
	return true;
}

enum status websocket_say_head(struct session *session, struct websocket *websocket, struct writer *writer)
{
	const struct head *head = writer->head;
	if (session->head_answered) {
		writer_drop(writer);
		return STATUS_OK;
	}
	check(websocket->phase == (session->client ? WEBSOCKET_START : WEBSOCKET_ANSWER));
	check(writer_message_size(writer) == 0);
	if (!may_be_said(session, head)) {
		writer_drop(writer);
		session_end(session, REASON_PROTOCOL,
			    "the path or a field of the request has characters "
			    "that HTTP does not allow",
			    false);
		return STATUS_OK;
	}
	writer_frame_end(writer, 0);
	if (session->client)
		say_request(session, websocket, writer);
	else
		say_answer(websocket, writer);
	if (writer->overflow)
		return STATUS_FULL;
	websocket->phase = session->client			 ? WEBSOCKET_ANSWER
			   : head->status == SWITCHING_PROTOCOLS ? WEBSOCKET_FRAMES
								 : WEBSOCKET_BODY;
	return STATUS_OK;
}

enum status websocket_say_refusal(struct websocket *websocket, struct writer *writer)
{
	const char *text = http1_status_text(websocket->refusal);
	char length[64];
	snprintf(length, sizeof length, "Content-Length: %zu\r\nConnection: close\r\n\r\n", strlen(text) + 1);
	writer_begin(writer, CHUNK_BYTES);
	say_status(writer, websocket->refusal);
	say(writer, "Content-Type: text/plain; charset=utf-8\r\n");
	say(writer, length);
	say(writer, text);
	say(writer, "\n");
	return writer_end(writer);
}
