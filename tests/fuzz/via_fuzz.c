/* tests/fuzz/via_fuzz.c - a proxy answers anything: whatever the pieces, the outcome is the same.
 *
 * Byte 0: the kind of proxy, and whether there is a password; the rest is all that it says.
 */
#include "protocols/frontends/via_dialogue.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

struct outcome {
	enum status status;
	enum reason reason;
	size_t taken;
	char text[VIA_TEXT_SIZE];
};

static void run(struct outcome *outcome, const struct config_via *via, struct slice bytes, size_t piece)
{
	struct via_dialogue dialogue = {0};
	static uint8_t said[VIA_SAY_MAX];
	*outcome = (struct outcome){.status = STATUS_MORE};
	via_say(&dialogue, via, "a.test", 80, said);
	while (outcome->status == STATUS_MORE && outcome->taken < bytes.size) {
		/* a proxy that answers before it is asked is refused where the pieces happen to fall */
		size_t used, part = size_min(piece, bytes.size - outcome->taken);
		struct slice heard = {bytes.at + outcome->taken, part};
		outcome->status = via_hear(&dialogue, via, heard, &used, &outcome->reason, outcome->text);
		check(used <= part && (outcome->status != STATUS_MORE || used == part));
		outcome->taken += used;
		size_t size = via_say(&dialogue, via, "a.test", 80, said);
		check(size < sizeof said && (!size || outcome->status == STATUS_MORE));
	}
	check((outcome->status == STATUS_PROTOCOL) == (outcome->reason != REASON_OK));
	check((outcome->status == STATUS_PROTOCOL) == (outcome->text[0] != 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	static uint8_t password[] = "pass";
	if (!size)
		return 0;
	struct config_via via = {.kind = bytes[0] & 1 ? VIA_HTTP : VIA_SOCKS5, .at = {"proxy", 1080}};
	if (bytes[0] & 2) {
		via.user = "user";
		via.password = (struct secret){password, sizeof password - 1};
	}
	struct slice answer = {bytes + 1, size - 1};
	struct outcome whole, split;
	run(&whole, &via, answer, 1);
	run(&split, &via, answer, 1 + bytes[0] / 4u);
	if (via.kind == VIA_HTTP)
		check(split.status == whole.status && split.taken == whole.taken &&
		      split.reason == whole.reason && strcmp(split.text, whole.text) == 0);
	return 0;
}
