/* tests/fuzz/websocket_fuzz.c - a WebSocket hears anything, in either role: frames behind a handshake, or
 * instead of one. It may end, nothing else may happen, and what comes of it does not depend on the pieces.
 *
 * Byte 0: the role, whether the handshake is behind us, whether messages are limited; byte 1: the pieces.
 */
#include "tests/fuzz/websocket_pieces.h"

enum { CLIENT = 1, FRAMES = 2, LIMITED = 4 };

static void outcome_of(struct outcome *outcome, uint8_t how, size_t seed, size_t piece_max,
		       struct slice bytes)
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
	side_hear(side, bytes.at, bytes.size, piece_max);
	if (!(how & FRAMES)) /* a head may be told before the bytes that spoil it have come */
		side->notes_size = 0;
	side_pump(side);
	if (how & FRAMES)
		note_said(side);
	else
		note_bytes(side, side->said.at, side->said.size);
	outcome_take(outcome, side);
	world_close();
}
