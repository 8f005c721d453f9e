/* tests/fuzz/websocket_bytes_fuzz.c - a stream of bytes over WebSocket hears anything, in either role: frames
 * behind an opening, or instead of one. It may end, nothing else may happen, and neither the bytes that come
 * through nor what is said depends on the pieces.
 *
 * Byte 0: the role, whether the opening is behind us or was answered before there was a session; byte 1: the
 * pieces.
 */
#include "tests/unit/websocket_world.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

enum { CLIENT = 1, FRAMES = 2, ANSWERED = 4 };

struct outcome {
	char heard[HEARD_SIZE], why[WHY_TEXT_SIZE];
	enum reason reason;
	bool shut;
};

static struct side *listener;

static enum status stream_decode(struct session *session, void *state, const struct chunk *chunk,
				 size_t *used)
{
	*used = chunk->piece.bytes.size;
	if (chunk->kind == CHUNK_END)
		return STATUS_IO;
	check(chunk->kind == CHUNK_BYTES && chunk->piece.bytes.size && chunk->piece.buf);
	bytes_add(&listener->message, chunk->piece.bytes.at, chunk->piece.bytes.size);
	return STATUS_OK;
}

static enum status stream_encode(struct session *session, void *state, const struct event *event,
				 struct writer *writer)
{
	return STATUS_OK;
}

static void open_by_itself(struct side *side)
{
	char answer[WEBSOCKET_ANSWER_SIZE];
	const struct websocket *websocket = side->session->carrier_state;
	side_pump(side);
	if (side->session->client) {
		websocket_answer(websocket->accept, answer);
		side_hear(side, answer, strlen(answer), 0);
	} else {
		side_hear(side, REQUEST, strlen(REQUEST), 0);
		side_pump(side);
	}
	check(!side->session->carrier_waits);
}

static void hear(uint8_t how, size_t seed, size_t piece_max, const uint8_t *bytes, size_t size,
		 struct outcome *outcome)
{
	world_init(seed);
	world_carrier = &carrier_websocket_bytes;
	world_wire.decode = stream_decode;
	world_wire.encode = stream_encode;
	world_head_answered = how & ANSWERED && !(how & CLIENT);
	struct side *side = listener = world_open(how & CLIENT);
	if (how & FRAMES)
		open_by_itself(side);
	else if (how & CLIENT)
		side_pump(side);
	side->said.size = 0;
	side_hear(side, bytes, size, piece_max);
	for (int i = 0; i < 4; i++)
		side_pump(side);
	world_bury();
	note_bytes(side, side->message.at, side->message.size);
	note_bytes(side, side->said.at, side->said.size);
	memcpy(outcome->heard, side->heard, sizeof outcome->heard);
	memcpy(outcome->why, side->why_text, sizeof outcome->why);
	outcome->reason = side->why;
	outcome->shut = side->shut;
	world_close();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	static struct outcome whole, pieces;
	if (size < 2)
		return 0;
	size_t seed = bytes[1];
	hear(bytes[0], seed, 0, bytes + 2, size - 2, &whole);
	hear(bytes[0], seed, 1 + seed % 32, bytes + 2, size - 2, &pieces);
	check(strcmp(whole.heard, pieces.heard) == 0);
	check(strcmp(whole.why, pieces.why) == 0);
	check(whole.reason == pieces.reason && whole.shut == pieces.shut);
	return 0;
}
