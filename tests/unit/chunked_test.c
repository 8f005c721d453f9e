/* tests/unit/chunked_test.c - chunked bodies at every split: what they carry, their end, what is none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "protocols/codecs/chunked.h"

static struct chunked chunked;
static char carried[256];

static void begin(uint64_t max)
{
	chunked = (struct chunked){.max = max};
	carried[0] = 0;
}

/* All of it; what stands behind the end stays in *bytes. */
static enum status take(struct slice *bytes)
{
	enum status status = STATUS_MORE;
	while (status == STATUS_MORE && bytes->size) {
		struct slice payload;
		size_t used = strlen(carried);
		status = chunked_take(&chunked, bytes, &payload);
		assert_true(used + payload.size < sizeof carried);
		memcpy(carried + used, payload.at, payload.size);
		carried[used + payload.size] = 0;
	}
	return status;
}

static enum status take_pieces(struct slice bytes, size_t piece)
{
	enum status status = STATUS_MORE;
	for (size_t at = 0; at < bytes.size && status == STATUS_MORE; at += piece) {
		struct slice part = {bytes.at + at, size_min(piece, bytes.size - at)};
		status = take(&part);
	}
	return status;
}

static const struct { const char *text, *carries; } good[] = {
	{"0\r\n\r\n", ""},
	{"5\r\nhello\r\n0\r\n\r\n", "hello"},
	{"0A\r\n0123456789\r\n000b;a=b\r\n0123456789\r\r\n0\r\n\r\n", "01234567890123456789\r"},
	{"1;a=\"b c\";d\r\nx\r\n2 ; e \r\nyz\r\n0;last\r\n\r\n", "xyz"},
	{"1\r\nx\r\n0\r\nA: b\r\n!#$:\r\nC:\t\x80\r\n\r\n", "x"},
};

static void good_bodies(void **state)
{
	for (size_t i = 0; i < COUNT_OF(good); i++) {
		struct slice text = slice_of(good[i].text);
		for (size_t piece = 1; piece <= text.size; piece++) {
			begin(CHUNKED_MAX);
			assert_int_equal(take_pieces(text, piece), STATUS_OK);
			assert_string_equal(carried, good[i].carries);
			assert_int_equal(chunked.step, CHUNKED_OVER);
		}
		/* nothing behind the end is taken, and no prefix is an end */
		char behind[128];
		snprintf(behind, sizeof behind, "%sbehind", good[i].text);
		struct slice all = slice_of(behind);
		begin(CHUNKED_MAX);
		assert_int_equal(take(&all), STATUS_OK);
		assert_true(slice_is(all, "behind"));
		assert_int_equal(take(&all), STATUS_OK);
		assert_int_equal(all.size, 6);
		begin(CHUNKED_MAX);
		text.size--;
		assert_int_equal(take(&text), STATUS_MORE);
	}
}

static const char *const bad[] = {
	"\r", "\n", "x", ";", " ", "-", "+", "0x", "1\n", "1\r\r", "1 \r", "1\t\r", "1 1", "1,", "1;a\n",
	"1;a\rb", "1;\x01", "1;\x7f", "1\r\nxy", "1\r\nx\n", "1\r\nx\rx", "0\r\n\n", "0\r\nA\r", "0\r\n:",
	"0\r\nA ", "0\r\n ", "0\r\nA: b\n", "0\r\nA: b\rc", "0\r\nA: \x01", "0\r\nA: b\r\n ", "0\r\n\r\r",
	"0\r\nA: b\r\n\n",
};

static void bad_bodies(void **state)
{
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		struct slice text = slice_of(bad[i]);
		for (size_t piece = 1; piece <= text.size; piece++) {
			begin(CHUNKED_MAX);
			if (take_pieces(text, piece) != STATUS_PROTOCOL)
				fail_msg("taken: %s", bad[i]);
		}
		text.size--;                     /* the last byte is what is wrong */
		begin(CHUNKED_MAX);
		assert_int_equal(take_pieces(text, SIZE_MAX / 2), STATUS_MORE);
	}
}

static void zeros(void **state)
{
	static const char text[] = "1;a\r\nx\r\n0\r\nA: b\r\n\r\n";
	char copy[sizeof text];
	for (size_t at = 0; at < sizeof text - 1; at++) {
		memcpy(copy, text, sizeof copy);
		copy[at] = 0;
		begin(CHUNKED_MAX);
		enum status status =
			take_pieces((struct slice){(uint8_t *)copy, sizeof copy - 1}, SIZE_MAX / 2);
		assert_int_equal(status, copy[5] ? STATUS_PROTOCOL : STATUS_OK);
	}
}

static void limits(void **state)
{
	static const struct { const char *text; uint64_t max; enum status status; } sizes[] = {
		{"800000000000000\r\n", CHUNKED_MAX, STATUS_MORE},
		{"800000000000001", CHUNKED_MAX, STATUS_FULL},
		{"ffffffffffffffff", CHUNKED_MAX, STATUS_FULL},
		{"8000000000000000", CHUNKED_MAX, STATUS_FULL},
		{"10000000000000000", CHUNKED_MAX, STATUS_FULL},
		{"10\r\n", 16, STATUS_MORE},
		{"11", 16, STATUS_FULL},
	};
	char text[CHUNKED_TRAILER_MAX + 64];
	for (size_t i = 0; i < COUNT_OF(sizes); i++) {
		begin(sizes[i].max);
		assert_int_equal(take_pieces(slice_of(sizes[i].text), 3), sizes[i].status);
		bool full = sizes[i].status == STATUS_FULL;
		assert_int_equal(chunked.step, full ? CHUNKED_SIZE : CHUNKED_PAYLOAD);
	}
	for (size_t more = 0; more < 2; more++) {
		memset(text, '0', sizeof text);
		memcpy(text + CHUNKED_LINE_MAX - 3 + more, "1\r\n", 4);
		begin(CHUNKED_MAX);
		assert_int_equal(take_pieces(slice_of(text), SIZE_MAX / 2),
				 more ? STATUS_PROTOCOL : STATUS_MORE);
		memset(text, 'a', sizeof text);
		memcpy(text, "0\r\nA:", 5);
		memcpy(text + 3 + CHUNKED_TRAILER_MAX - 4 + more, "\r\n\r\n", 5);
		begin(CHUNKED_MAX);
		assert_int_equal(take_pieces(slice_of(text), SIZE_MAX / 2), more ? STATUS_FULL : STATUS_OK);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_bodies),
		cmocka_unit_test(bad_bodies),
		cmocka_unit_test(zeros),
		cmocka_unit_test(limits),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
