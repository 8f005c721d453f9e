/* protocols/carriers/websocket_bytes.c - a stream of bytes over WebSocket, both roles: TLS Tunnel's `wss`.
 *
 * Frames, masks, pings and closes are the WebSocket carrier's (websocket.h). Here is what it leaves to its
 * wires: the request and the answer, in the words of the original and with nothing else in them, because its
 * client refuses an answer that has more. Binary messages are the bytes, wherever they are cut; an empty one
 * is passed over and never said, because the original takes it for the end. Texts are passed over.
 */
#include <stdio.h>

#include "protocols/carriers/websocket.h"

enum {
	TEXT_MAX = 64 * 1024 * 1024,
	FRAME_HEADER_SIZE = 4 + WEBSOCKET_KEY_SIZE, /* of what is not small, masked */
};

struct websocket_bytes {
	struct websocket websocket;     /* first: the other carrier's functions take it for theirs */
	bool head_due;                  /* our request or our answer */
	bool says_http;                 /* what is being sealed is no frame */
};

static void bytes_start(struct session *session, void *state)
{
	struct websocket_bytes *bytes = state;
	bytes->websocket.early = true;
	bytes->websocket.text_max = TEXT_MAX;
	bytes->head_due = session->client;
	session_carrier_waits(session);
}

/* ---- hearing ---- */

static enum status take_request(struct session *session, struct websocket_bytes *bytes)
{
	struct websocket *websocket = &bytes->websocket;
	if (!websocket->accept[0])
		return websocket_refuse(session, websocket, 400, "asked for no WebSocket");
	websocket->phase = WEBSOCKET_FRAMES;
	if (session->head_answered) {
		session_carrier_agreed(session);
		return STATUS_OK;
	}
	bytes->head_due = true;
	session_owes(session);
	return STATUS_OK;
}

static enum status take_answer(struct session *session, struct websocket_bytes *bytes,
			       const struct head *head)
{
	char text[WHY_TEXT_SIZE];
	if (bytes->websocket.phase == WEBSOCKET_FRAMES) {
		session_carrier_agreed(session);
		return STATUS_OK;
	}
	snprintf(text, sizeof text, "the answer to the WebSocket request is %u %s", head->status,
		 http1_status_text(head->status));
	return session_fault(session, text);
}

static enum status bytes_decode(struct session *session, void *state, struct piece *input,
				struct chunk *chunk)
{
	struct websocket_bytes *bytes = state;
	struct websocket *websocket = &bytes->websocket;
	enum status status;
	while ((status = carrier_websocket.decode(session, websocket, input, chunk)) == STATUS_OK) {
		if (chunk->kind == CHUNK_END)
			return STATUS_OK;
		if (chunk->kind == CHUNK_BINARY && chunk->piece.bytes.size) {
			chunk->kind = CHUNK_BYTES;
			chunk->last = true;
			return STATUS_OK;
		}
		if (chunk->kind != CHUNK_HEAD)
			continue;
		status = session->client ? take_answer(session, bytes, chunk->head)
					 : take_request(session, bytes);
		if (status != STATUS_OK)
			return status;
	}
	return status;
}

/* ---- saying ---- */

static void say(struct writer *writer, const char *text) { writer_copy(writer, slice_of(text)); }

/* In this order, as TLS Tunnel says it. */
static enum status say_request(struct session *session, struct websocket_bytes *bytes, struct writer *writer)
{
	const struct opening *opening = session->opening;
	char key[WEBSOCKET_REQUEST_KEY_SIZE];
	if (!http1_is_target(slice_of(opening->path)) || !http1_is_value(slice_of(opening->host))) {
		session_end(session, REASON_PROTOCOL,
			    "the path or the host has characters that HTTP does not allow", false);
		return STATUS_IO;
	}
	websocket_draw_key(session, &bytes->websocket, key);
	writer_begin(writer, CHUNK_BYTES);
	say(writer, "GET ");
	say(writer, opening->path);
	say(writer, " HTTP/1.1\r\nHost: ");
	say(writer, opening->host);
	say(writer, "\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
		    "Sec-WebSocket-Key: ");
	say(writer, key);
	say(writer, "\r\n\r\n");
	return writer_end(writer);
}

static enum status say_answer(struct websocket_bytes *bytes, struct writer *writer)
{
	char text[WEBSOCKET_ANSWER_SIZE];
	websocket_answer(bytes->websocket.accept, text);
	writer_begin(writer, CHUNK_BYTES);
	say(writer, text);
	return writer_end(writer);
}

static enum status say_head(struct session *session, struct websocket_bytes *bytes, struct writer *writer)
{
	enum status status =
	    session->client ? say_request(session, bytes, writer) : say_answer(bytes, writer);
	if (status != STATUS_OK)
		return status;
	bytes->head_due = false;
	if (session->client)
		bytes->websocket.phase = WEBSOCKET_ANSWER;
	else
		session_carrier_agreed(session);
	return STATUS_OK;
}

static enum status bytes_owed(struct session *session, void *state, struct writer *writer)
{
	struct websocket_bytes *bytes = state;
	enum status status = STATUS_OK;
	bytes->says_http = true;
	if (bytes->head_due && !(session->client && session->state == SESSION_FLUSH))
		status = say_head(session, bytes, writer);
	if (status == STATUS_OK)
		status = carrier_websocket.owed(session, &bytes->websocket, writer);
	bytes->says_http = false;
	return status;
}

/* What the wire says before there is agreement is its last word, which nobody could read. */
static enum status bytes_seal(struct session *session, void *state, struct writer *writer)
{
	struct websocket_bytes *bytes = state;
	bool is_data = writer->kind == CHUNK_BYTES || writer->kind == CHUNK_BINARY;
	if (is_data && bytes->says_http) {
		writer_frame_end(writer, 0);
		return STATUS_OK;
	}
	bool may = bytes->websocket.phase == WEBSOCKET_FRAMES && !bytes->head_due;
	if (is_data && (!may || writer_message_size(writer) == 0)) {
		writer_drop(writer);
		return STATUS_OK;
	}
	if (is_data)
		writer->kind = CHUNK_BINARY;
	return carrier_websocket.seal(session, &bytes->websocket, writer);
}

static enum status bytes_finish(struct session *session, void *state, struct writer *writer)
{
	struct websocket_bytes *bytes = state;
	return bytes->head_due ? STATUS_OK
			       : carrier_websocket.finish(session, &bytes->websocket, writer);
}

static void bytes_stop(struct session *session, void *state)
{
	struct websocket_bytes *bytes = state;
	carrier_websocket.stop(session, &bytes->websocket);
}

const struct carrier carrier_websocket_bytes = {
    .name = "websocket_bytes",
    .state_size = sizeof(struct websocket_bytes),
    .overhead = FRAME_HEADER_SIZE,
    .frame_room = WEBSOCKET_HEADER_MAX,
    .start = bytes_start,
    .decode = bytes_decode,
    .seal = bytes_seal,
    .owed = bytes_owed,
    .finish = bytes_finish,
    .stop = bytes_stop,
};
