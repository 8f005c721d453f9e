/* tests/fuzz/websocket_bytes_fuzz.c - a stream of bytes over WebSocket hears anything, in either role: frames
 * behind an opening, or instead of one. It may end, nothing else may happen, and neither the bytes that come
 * through nor what is said depends on the pieces.
 *
 * Byte 0: the role, whether the opening is behind us or was answered before there was a session; byte 1: the
 * pieces.
 */
#include "tests/fuzz/websocket_pieces.h"

enum { CLIENT = 1, FRAMES = 2, ANSWERED = 4 };

static struct side *listener;

static enum status stream_decode(struct session *session, void *state, const struct chunk *chunk,
				 size_t *used)
{
	*used = chunk->piece.bytes.size;
	if (chunk->kind == CHUNK_END)
		return STATUS_IO;
	check(chunk->kind == CHUNK_BYTES && chunk->piece.bytes.size && chunk->piece.buf);
	bytes_add(&listener->heard, chunk->piece.bytes.at, chunk->piece.bytes.size);
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

static void outcome_of(struct outcome *outcome, uint8_t how, size_t seed, size_t piece_max,
		       struct slice bytes)
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
	side_hear(side, bytes.at, bytes.size, piece_max);
	for (int i = 0; i < 4; i++)
		side_pump(side);
	world_bury();
	note_bytes(side, side->heard.at, side->heard.size);
	note_bytes(side, side->said.at, side->said.size);
	outcome_take(outcome, side);
	world_close();
}
