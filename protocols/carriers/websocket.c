/* protocols/carriers/websocket.c - WebSocket (RFC 6455): bytes <-> chunks, both roles; see websocket.h. */
#include "protocols/carriers/websocket.h"

#include <stdio.h>

#include "core/hub.h"

/* ---- hearing ---- */

/* The session ends; the peer hears why. */
static enum status fail(struct session *session, struct websocket *websocket, enum websocket_code code,
			const char *text)
{
	websocket->close_due = (uint16_t)code;
	session_owes(session);
	return session_fault(session, text);
}

static bool is_control(const struct websocket_frame *frame) { return frame->opcode >= WEBSOCKET_CLOSE; }

/* A data frame begins: is it what may come now, and is there room for so much? */
static enum status begin_data(struct session *session, struct websocket *websocket)
{
	const struct websocket_frame *frame = &websocket->frame;
	bool goes_on = frame->opcode == WEBSOCKET_CONTINUATION;
	if (goes_on && !websocket->in_message)
		return fail(session, websocket, WEBSOCKET_BROKEN, "sent a continuation of no message");
	if (!goes_on && websocket->in_message)
		return fail(session, websocket, WEBSOCKET_BROKEN, "began a message inside another one");
	if (!goes_on) {
		websocket->in_message = true;
		websocket->message_size = 0;
		websocket->kind = frame->opcode == WEBSOCKET_TEXT ? CHUNK_TEXT : CHUNK_BINARY;
	}
	size_t max = session->wire->message_max;
	if (!max && websocket->kind == CHUNK_TEXT)
		max = websocket->text_max;
	if (max && (frame->size > max || websocket->message_size > max - frame->size))
		return fail(session, websocket, WEBSOCKET_TOO_BIG, "sent a message that is too big");
	websocket->message_size += frame->size;
	return STATUS_OK;
}

static enum status begin_frame(struct session *session, struct websocket *websocket, struct slice *input)
{
	const char *why;
	enum status status =
	    websocket_read_header(&websocket->reader, input, !session->client, &websocket->frame, &why);
	if (status == STATUS_PROTOCOL)
		return fail(session, websocket, WEBSOCKET_BROKEN, why);
	if (status != STATUS_OK)
		return status;
	if (!is_control(&websocket->frame) && (status = begin_data(session, websocket)) != STATUS_OK)
		return status;
	websocket->in_frame = true;
	websocket->left = websocket->frame.size;
	websocket->mask_phase = 0;
	websocket->control_used = 0;
	return STATUS_OK;
}

/* What is there of the payload, without its mask. */
static struct slice take_payload(struct websocket *websocket, struct slice *input)
{
	struct slice payload = {input->at,
				(size_t)(websocket->left < input->size ? websocket->left : input->size)};
	if (websocket->frame.masked)
		websocket->mask_phase = websocket_mask((uint8_t *)(uintptr_t)payload.at, payload.size,
						       websocket->frame.key, websocket->mask_phase);
	input->at += payload.size;
	input->size -= payload.size;
	websocket->left -= payload.size;
	websocket->in_frame = websocket->left > 0;
	return payload;
}

/* MORE: there is nothing to tell. */
static enum status take_data(struct session *session, struct websocket *websocket, struct piece *input,
			     struct chunk *chunk)
{
	struct slice payload = take_payload(websocket, &input->bytes);
	bool last = websocket->frame.last && !websocket->in_frame;
	if (!payload.size && !last)
		return STATUS_MORE;
	if (websocket->kind == CHUNK_TEXT && !session->wire->any_text &&
	    (!utf8_take(&websocket->utf8, payload) || (last && !utf8_is_whole(&websocket->utf8))))
		return fail(session, websocket, WEBSOCKET_NO_TEXT, "sent a text that is not UTF-8");
	if (last)
		websocket->in_message = false;
	*chunk = (struct chunk){
	    .kind = (enum chunk_kind)websocket->kind, .last = last, .piece = {input->buf, payload}};
	return STATUS_OK;
}

/* For the log: most peers give a reason when they end what is not over. */
static void note_close(struct session *session, unsigned code, struct slice reason)
{
	char text[WHY_TEXT_SIZE];
	if (!reason.size && (code == WEBSOCKET_NORMAL || code == WEBSOCKET_AWAY || code == WEBSOCKET_NO_CODE))
		return;
	snprintf(text, sizeof text, "the peer closed the WebSocket: code %u%s%.*s", code,
		 reason.size ? ", " : "", (int)reason.size, (const char *)reason.at);
	(void)session_fault(session, text);
}

static enum status take_close(struct session *session, struct websocket *websocket, struct chunk *chunk)
{
	struct slice reason = {websocket->control, websocket->control_used};
	struct utf8 utf8 = {0};
	unsigned code = WEBSOCKET_NO_CODE;
	if (reason.size) {
		code = reason.size == 1 ? 0 : get16(reason.at);
		if (!websocket_code_is_valid(code))
			return fail(session, websocket, WEBSOCKET_BROKEN,
				    "closed the WebSocket with an invalid code");
		reason = (struct slice){reason.at + 2, reason.size - 2};
	}
	if (!utf8_take(&utf8, reason) || !utf8_is_whole(&utf8))
		return fail(session, websocket, WEBSOCKET_NO_TEXT, "gave a reason that is not UTF-8");
	note_close(session, code, reason);
	websocket->closed = true;
	websocket->close_due = (uint16_t)code;
	session_owes(session);
	*chunk = (struct chunk){.kind = CHUNK_END, .last = true, .code = (uint16_t)code};
	return STATUS_OK;
}

static enum status take_control(struct session *session, struct websocket *websocket, struct piece *input,
				struct chunk *chunk)
{
	struct slice payload = take_payload(websocket, &input->bytes);
	if (payload.size)
		memcpy(websocket->control + websocket->control_used, payload.at, payload.size);
	websocket->control_used += (uint8_t)payload.size;
	if (websocket->in_frame)
		return STATUS_MORE;
	if (websocket->frame.opcode == WEBSOCKET_CLOSE)
		return take_close(session, websocket, chunk);
	bool is_ping = websocket->frame.opcode == WEBSOCKET_PING;
	*chunk = (struct chunk){.kind = is_ping ? CHUNK_PING : CHUNK_PONG,
				.last = true,
				.piece = {NULL, {websocket->control, websocket->control_used}}};
	if (!is_ping)
		return STATUS_OK;
	memcpy(websocket->pong, websocket->control, websocket->control_used);
	websocket->pong_size = websocket->control_used;
	websocket->pong_due = true;
	session_owes(session);
	return STATUS_OK;
}

/* The next chunk of the frames in the input. An empty frame is over as soon as its header is there. */
static enum status take_frames(struct session *session, struct websocket *websocket, struct piece *input,
			       struct chunk *chunk)
{
	enum status status = STATUS_MORE;
	while (status == STATUS_MORE) {
		if (websocket->in_frame && !input->bytes.size)
			return STATUS_MORE;
		if (!websocket->in_frame) {
			status = begin_frame(session, websocket, &input->bytes);
			if (status != STATUS_OK)
				return status;
		}
		status = is_control(&websocket->frame) ? take_control(session, websocket, input, chunk)
						       : take_data(session, websocket, input, chunk);
	}
	return status;
}

static enum status take_head(struct session *session, struct websocket *websocket, struct piece *input,
			     struct chunk *chunk)
{
	enum status status = websocket_read_head(session, websocket, input);
	if (status == STATUS_OK)
		*chunk = (struct chunk){.kind = CHUNK_HEAD, .last = true, .head = &websocket->head->head};
	return status;
}

static enum status websocket_decode(struct session *session, void *state, struct piece *input,
				    struct chunk *chunk)
{
	struct websocket *websocket = state;
	bool reads_head = websocket->phase == (session->client ? WEBSOCKET_ANSWER : WEBSOCKET_START);
	if (reads_head)
		return take_head(session, websocket, input, chunk);
	websocket_drop_head(session, websocket);
	if (websocket->phase == WEBSOCKET_FRAMES && !websocket->closed)
		return take_frames(session, websocket, input, chunk);
	if (websocket->phase == WEBSOCKET_START)
		return session_fault(session, "the server spoke before it was asked");
	if (websocket->phase == WEBSOCKET_ANSWER && websocket->accept[0])
		return websocket_refuse(session, websocket, 400,
					"sent more than its request before the answer");
	input->bytes.size = 0;
	return STATUS_MORE;
}

/* ---- saying ---- */

static void draw_key(struct session *session, struct websocket *websocket, uint8_t key[WEBSOCKET_KEY_SIZE])
{
	if (!websocket->keys_left) {
		hub_secret_bytes(session->hub, websocket->keys, sizeof websocket->keys);
		websocket->keys_left = WEBSOCKET_KEYS;
	}
	memcpy(key, websocket->keys + WEBSOCKET_KEY_SIZE * --websocket->keys_left, WEBSOCKET_KEY_SIZE);
}

static void say_frame(struct session *session, struct websocket *websocket, struct writer *writer,
		      enum websocket_opcode opcode)
{
	struct websocket_frame frame = {.size = writer_message_size(writer),
					.opcode = (uint8_t)opcode,
					.last = true,
					.masked = session->client};
	unsigned phase = 0;
	check(websocket->phase == WEBSOCKET_FRAMES);
	check(opcode < WEBSOCKET_CLOSE || frame.size <= WEBSOCKET_CONTROL_MAX);
	if (frame.masked)
		draw_key(session, websocket, frame.key);
	for (uint32_t i = writer->mark_count + 1; frame.masked && i < writer->count; i++) {
		struct slice bytes = writer->parts[i].piece.bytes;
		phase = websocket_mask((uint8_t *)(uintptr_t)bytes.at, bytes.size, frame.key, phase);
	}
	writer_frame_end(writer, websocket_put_header(writer->frame, &frame));
}

/* The code is behind the header, in the room of the frame; there is no more in it. */
static void say_close(struct session *session, struct websocket *websocket, struct writer *writer)
{
	unsigned code = websocket->close_due ? websocket->close_due : WEBSOCKET_NORMAL;
	struct websocket_frame frame = {.size = code == WEBSOCKET_NO_CODE ? 0 : 2,
					.opcode = WEBSOCKET_CLOSE,
					.last = true,
					.masked = session->client};
	uint8_t room[WEBSOCKET_HEADER_MAX], payload[2];
	if (frame.masked)
		draw_key(session, websocket, frame.key);
	size_t size = websocket_put_header(room, &frame), payload_size = (size_t)frame.size;
	put16(payload, (uint16_t)code);
	if (frame.masked)
		websocket_mask(payload, sizeof payload, frame.key, 0);
	uint8_t *at = writer->frame + sizeof room - size - payload_size;
	memcpy(at, room + sizeof room - size, size);
	memcpy(at + size, payload, payload_size);
	writer_frame_end(writer, size + payload_size);
}

static void say_end(struct session *session, struct websocket *websocket, struct writer *writer)
{
	check(writer_message_size(writer) == 0);
	if (websocket->phase == WEBSOCKET_FRAMES)
		say_close(session, websocket, writer);
	else
		writer_frame_end(writer, 0);
	websocket->ended = true;
	writer->shut = true;
}

static enum status websocket_seal(struct session *session, void *state, struct writer *writer)
{
	struct websocket *websocket = state;
	bool is_body = writer->kind == CHUNK_BYTES || writer->kind == CHUNK_END;
	if (websocket->ended || (websocket->phase == WEBSOCKET_BODY && !is_body)) {
		writer_drop(writer);
		return STATUS_OK;
	}
	switch (writer->kind) {
	case CHUNK_HEAD:
		return websocket_say_head(session, websocket, writer);
	case CHUNK_BYTES:
		check(websocket->phase != WEBSOCKET_FRAMES);
		writer_frame_end(writer, 0);
		break;
	case CHUNK_TEXT:
		say_frame(session, websocket, writer, WEBSOCKET_TEXT);
		break;
	case CHUNK_BINARY:
		say_frame(session, websocket, writer, WEBSOCKET_BINARY);
		break;
	case CHUNK_PING:
		say_frame(session, websocket, writer, WEBSOCKET_PING);
		break;
	case CHUNK_PONG:
		say_frame(session, websocket, writer, WEBSOCKET_PONG);
		break;
	case CHUNK_END:
		say_end(session, websocket, writer);
	}
	return STATUS_OK;
}

static enum status say_pong(struct websocket *websocket, struct writer *writer)
{
	writer_begin(writer, CHUNK_PONG);
	writer_copy(writer, (struct slice){websocket->pong, websocket->pong_size});
	enum status status = writer_end(writer);
	if (status == STATUS_OK)
		websocket->pong_due = false;
	return status;
}

static enum status websocket_owed(struct session *session, void *state, struct writer *writer)
{
	struct websocket *websocket = state;
	enum status status = STATUS_OK;
	if (websocket->ended)
		return STATUS_OK;
	if (websocket->refusal) {
		if ((status = websocket_say_refusal(websocket, writer)) != STATUS_OK)
			return status;
		websocket->ended = writer->shut = true;
		return STATUS_OK;
	}
	if (websocket->pong_due)
		status = say_pong(websocket, writer);
	if (status != STATUS_OK || !websocket->close_due)
		return status;
	writer_begin(writer, CHUNK_END);
	return writer_end(writer);
}

/* What the peer is told of our reasons; those of its Close and of its faults are owed before. */
static enum websocket_code code_of(enum reason why)
{
	switch (why) {
	case REASON_OK:
		return WEBSOCKET_NORMAL;
	case REASON_STOPPING:
	case REASON_ADMINISTRATOR:
	case REASON_GOAWAY:
	case REASON_REPLACED:
		return WEBSOCKET_AWAY;
	case REASON_AUTH:
	case REASON_FORBIDDEN:
	case REASON_LIMIT:
		return WEBSOCKET_POLICY;
	case REASON_PROTOCOL:
		return WEBSOCKET_BROKEN;
	default:
		return WEBSOCKET_INTERNAL;
	}
}

static enum status websocket_finish(struct session *session, void *state, struct writer *writer)
{
	struct websocket *websocket = state;
	if (websocket->ended || websocket->phase != WEBSOCKET_FRAMES)
		return STATUS_OK;
	websocket->close_due = (uint16_t)code_of(session->why);
	writer_begin(writer, CHUNK_END);
	return writer_end(writer);
}

static void websocket_stop(struct session *session, void *state) { websocket_drop_head(session, state); }

const struct carrier carrier_websocket = {
    .name = "websocket",
    .has_head = true,
    .state_size = sizeof(struct websocket),
    .frame_room = WEBSOCKET_HEADER_MAX,
    .decode = websocket_decode,
    .seal = websocket_seal,
    .owed = websocket_owed,
    .finish = websocket_finish,
    .stop = websocket_stop,
};
