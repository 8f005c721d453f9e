/* tests/fuzz/websocket_fuzz.c - a WebSocket hears anything, in either role: frames behind a handshake, or
 * instead of one. It may end, nothing else may happen, and what comes of it does not depend on the pieces.
 *
 * Byte 0: the role, whether the handshake is behind us, whether messages are limited; byte 1: the pieces.
 */
#include "tests/unit/websocket_world.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

enum { CLIENT = 1, FRAMES = 2, LIMITED = 4 };

struct outcome {
	char heard[HEARD_SIZE];
	char why[WHY_TEXT_SIZE];
	bool shut;
};

static void hear(uint8_t how, size_t seed, size_t piece_max, const uint8_t *bytes, size_t size,
		 struct outcome *outcome)
{
	bool client = how & CLIENT;
	struct head head = head_of_request();
	world_init(seed);
	world_wire.message_max = how & LIMITED ? 100 : 0;
	struct side *side = how & FRAMES ? world_frames(client) : world_open(client);
	if (!(how & FRAMES) && client) {
		check(side_say_head(side, &head) == STATUS_OK);
		side->said.size = 0;
	}
	side_hear(side, bytes, size, piece_max);
	outcome->why[0] = 0;
	if (side->session)
		text_copy(outcome->why, sizeof outcome->why, slice_of(side->session->why_text));
	if (!(how & FRAMES)) /* a head may be told before the bytes that spoil it have come */
		side->heard_size = 0;
	side_pump(side);
	outcome->shut = side->shut;
	if (how & FRAMES)
		note_said(side);
	else
		note_bytes(side, side->said.at, side->said.size);
	memcpy(outcome->heard, side->heard, sizeof outcome->heard);
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
	check(whole.shut == pieces.shut);
	return 0;
}
