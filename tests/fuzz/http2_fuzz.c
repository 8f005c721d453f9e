/* tests/fuzz/http2_fuzz.c - an HTTP/2 link hears anything, in either role: frames behind the opening, or
 * instead of one. It may end, nothing else may happen: what it says are whole frames, none of them empty, and
 * no payload beyond the peer's windows.
 *
 * Byte 0: the role, whether the opening is behind us, whether we speak between the pieces; byte 1: the
 * pieces. Where nothing is said between, what was heard does not depend on them.
 */
#include "tests/unit/http2_world.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

enum { CLIENT = 1, AGREED = 2, SPEAKS = 4 };

static void hear(uint8_t how, size_t seed, size_t piece_max, const uint8_t *bytes, size_t size,
		 struct bytes *heard)
{
	static const uint8_t body[2000];
	bool client = how & CLIENT;
	world_init(seed);
	struct side *side = how & AGREED ? world_agreed(client) : world_open(client);
	for (size_t taken; size; bytes += taken, size -= taken) {
		taken = how & SPEAKS ? 1 + chance(size) : size;
		side_hear(side, bytes, taken, piece_max);
		if (how & SPEAKS && side->session && !side->session->carrier_waits)
			(void)side_say(side, slice_of("123456789012"),
				       (struct slice){body, chance(sizeof body)});
		if (how & SPEAKS)
			side_pump(side);
	}
	heard->size = 0;
	bytes_add(heard, side->heard.at, side->heard.size);
	for (int turn = 0; turn < 4; turn++)
		side_pump(side);
	frames_said(side);
	world_close();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	static struct bytes whole, pieces;
	if (size < 2)
		return 0;
	size_t seed = bytes[1];
	hear(bytes[0], seed, 0, bytes + 2, size - 2, &whole);
	hear(bytes[0], seed, 1 + seed % 32, bytes + 2, size - 2, &pieces);
	/* nghttp2 counts the reads of a CONTINUATION: it may end sooner */
	check(bytes[0] & SPEAKS ||
	      (pieces.size <= whole.size && (!pieces.size || memcmp(whole.at, pieces.at, pieces.size) == 0)));
	return 0;
}
