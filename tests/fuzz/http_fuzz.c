/* tests/fuzz/http_fuzz.c - any bytes as HTTP requests: the pieces change nothing, and nothing is left over.
 *
 * The first byte says how large the pieces are.
 */
#include "tests/unit/http_world.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void talk(struct slice bytes, size_t step)
{
	http_begin();
	http_said((struct slice){(const uint8_t *)"", 0});
	http_feed(bytes, step);
	http_end();
	http_close();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	static char heard[sizeof http_world.heard];
	if (!size)
		return 0;
	struct slice rest = {bytes + 1, size - 1};
	talk(rest, SIZE_MAX);
	enum reason why = http_world.why;
	memcpy(heard, http_world.heard, sizeof heard);
	talk(rest, 1 + bytes[0]);
	check(strcmp(heard, http_world.heard) == 0 && why == http_world.why);
	return 0;
}
