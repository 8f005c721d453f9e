/* tests/fuzz/websocket_pieces.h - the target of a fuzzer that hears the same bytes twice, at once and in
 * pieces: what comes of it must be the same. Byte 0 says how (the file that includes it knows the bits),
 * byte 1 the pieces.
 *
 * Include it in one file of a program, which defines outcome_of.
 */
#ifndef TESTS_FUZZ_WEBSOCKET_PIECES_H
#define TESTS_FUZZ_WEBSOCKET_PIECES_H

#include "tests/unit/websocket_world.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

struct outcome {
	char notes[SIDE_NOTES_SIZE], why[WHY_TEXT_SIZE];
	enum reason reason;
	bool shut;
};

/* A world of its own, from its beginning to its end. */
static void outcome_of(struct outcome *outcome, uint8_t how, size_t seed, size_t piece_max,
		       struct slice bytes);

/* What has become of that end by now. */
static inline void outcome_take(struct outcome *outcome, const struct side *side)
{
	const struct session *session = side->session;
	memcpy(outcome->notes, side->notes, sizeof outcome->notes);
	text_copy(outcome->why, sizeof outcome->why, slice_of(session ? session->why_text : side->why_text));
	outcome->reason = session ? session->why : side->why;
	outcome->shut = side->shut;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	static struct outcome whole, pieces;
	if (size < 2)
		return 0;
	size_t seed = bytes[1];
	const struct slice input = {bytes + 2, size - 2};
	outcome_of(&whole, bytes[0], seed, 0, input);
	outcome_of(&pieces, bytes[0], seed, 1 + seed % 32, input);
	check(strcmp(whole.notes, pieces.notes) == 0);
	check(strcmp(whole.why, pieces.why) == 0);
	check(whole.reason == pieces.reason && whole.shut == pieces.shut);
	return 0;
}

#endif
