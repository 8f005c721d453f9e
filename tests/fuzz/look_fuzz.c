/* tests/fuzz/look_fuzz.c - any bytes as answers of a management listener, and as keys: frames stay frames. */
#include <stdlib.h>

#include "tools/tunnel/top.h"

enum { ROWS = 12, COLUMNS = 90 };

static char lines[ROWS][VIEW_LINE_SIZE];

/* One byte for the table and for how much of the rest is its JSON. */
static struct slice take(struct slice *rest, size_t *choice)
{
	if (!rest->size)
		return *rest;
	*choice = rest->at[0];
	size_t size = size_min(rest->size - 1, (*choice >> 2) * 64);
	struct slice piece = {rest->at + 1, size};
	*rest = (struct slice){piece.at + size, rest->size - 1 - size};
	return piece;
}

static void draw(struct top *top, struct look *look)
{
	struct frame frame = {lines, ROWS};
	top_draw(top, look, &frame);
	for (size_t i = 0; i < ROWS; i++)
		for (const char *at = lines[i]; *at; at++)
			check((uint8_t)*at >= 0x20 && *at != 0x7f);
}

static void press(struct top *top, const struct look *look, struct slice bytes)
{
	int keys[TOP_KEYS_MAX];
	size_t count;
	size_t used = top_read_keys((const char *)bytes.at, bytes.size, true, keys, &count);
	check(used <= bytes.size && (used || !bytes.size));
	for (size_t i = 0; i < count; i++)
		top_press(top, look, keys[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct slice rest = {bytes, size};
	struct look looks[2];
	struct top top;
	top_init(&top);
	top.width = COLUMNS;
	top.height = ROWS;
	for (int i = 0; i < 2; i++) {
		look_init(&looks[i]);
		looks[i].at = i;
	}
	for (int i = 0; i < 4; i++) {
		const char *fault;
		size_t choice = 0;
		struct slice json = take(&rest, &choice);
		enum look_table table = (enum look_table)(choice % LOOK_COUNT);
		if (!looks[i / 2].told[table])
			look_read(&looks[i / 2], table, json, 1e9, &fault);
	}
	top.looks = 1;
	draw(&top, &looks[1]);
	look_compare(&looks[1], &looks[0]);
	top.looks = 2;
	press(&top, &looks[1], rest);
	draw(&top, &looks[1]);
	look_fini(&looks[0]);
	look_fini(&looks[1]);
	return 0;
}
