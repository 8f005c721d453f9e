/* tests/unit/websocket_test.c - frames of a WebSocket (RFC 6455, 5 to 8) as tables, heard by both roles:
 * whole, byte by byte, cut at every place and at random ones. Each way must come to the same.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/websocket_world.h"

enum { FRAMES_MAX = 12, MESSAGE_MAX = 1000 };

struct raw {
	uint8_t first;
	const char *payload;
	size_t size;
	int extended;	 /* bytes of the length; 0: as many as it takes */
	bool other_mask; /* masked where it must not be, or the opposite */
};

struct vector {
	const char *name;
	struct raw frames[FRAMES_MAX];
	const char *heard, *said, *fault;
};

#define F(first, text)                                                                                       \
	{                                                                                                    \
		first, text, sizeof(text) - 1, 0, false                                                      \
	}
#define FIN 0x80
#define S8 "12345678"
#define S40 S8 S8 S8 S8 S8
#define S125 S40 S40 S40 "12345"

/* `said`: without "say " and "masked", which depends on the role. */
static const struct vector vectors[] = {
    /* framing */
    {"text, empty", {F(0x81, "")}, "text ''\n", "", ""},
    {"text", {F(0x81, "Hello")}, "text 'Hello'\n", "", ""},
    {"text of 125", {F(0x81, S125)}, "text '" S125 "'\n", "", ""},
    {"text of 126", {F(0x81, S125 "6")}, "text '" S125 "6'\n", "", ""},
    {"text of 128", {F(0x81, S125 "678")}, "text '" S125 "678'\n", "", ""},
    {"binary, empty", {F(0x82, "")}, "binary ''\n", "", ""},
    {"binary", {F(0x82, "\xff\x00\xfe")}, "binary '\\ff\\00\\fe'\n", "", ""},
    {"two", {F(0x82, "a"), F(0x81, "b")}, "binary 'a'\ntext 'b'\n", "", ""},
    /* pings and pongs */
    {"ping, empty", {F(0x89, "")}, "ping ''\n", "8a ''\n", ""},
    {"ping", {F(0x89, "Hello")}, "ping 'Hello'\n", "8a 'Hello'\n", ""},
    {"ping, binary",
     {F(0x89, "\x00\xff\xfe\xfd")},
     "ping '\\00\\ff\\fe\\fd'\n",
     "8a '\\00\\ff\\fe\\fd'\n",
     ""},
    {"ping of 125", {F(0x89, S125)}, "ping '" S125 "'\n", "8a '" S125 "'\n", ""},
    {"ping of 126", {F(0x89, S125 "6")}, "", "88 1002 ''\n", "too long"},
    {"pong, not asked for", {F(0x8a, "")}, "pong ''\n", "", ""},
    {"pong with payload", {F(0x8a, "unasked"), F(0x89, "p")}, "pong 'unasked'\nping 'p'\n", "8a 'p'\n", ""},
    {"pings: the newest is answered",
     {F(0x89, "1"), F(0x89, "22"), F(0x89, "3")},
     "ping '1'\nping '22'\nping '3'\n",
     "8a '3'\n",
     ""},
    /* reserved bits */
    {"RSV3", {F(0x91, "x")}, "", "88 1002 ''\n", "reserved bit"},
    {"RSV2", {F(0x81, "a"), F(0xa1, "x"), F(0x89, "")}, "text 'a'\n", "88 1002 ''\n", "reserved bit"},
    {"RSV1", {F(0xc1, "")}, "", "88 1002 ''\n", "reserved bit"},
    {"RSV of a ping", {F(0xd9, "")}, "", "88 1002 ''\n", "reserved bit"},
    {"RSV of a close", {F(0xf8, "\x03\xe8")}, "", "88 1002 ''\n", "reserved bit"},
    {"RSV inside a message", {F(0x01, "a"), F(0xa0, "x")}, "", "88 1002 ''\n", "reserved bit"},
    /* opcodes */
    {"opcode 3", {F(0x83, "")}, "", "88 1002 ''\n", "reserved opcode"},
    {"opcode 4", {F(0x84, "x")}, "", "88 1002 ''\n", "reserved opcode"},
    {"opcode 5", {F(0x81, "a"), F(0x85, "")}, "text 'a'\n", "88 1002 ''\n", "reserved opcode"},
    {"opcode 6", {F(0x86, "x")}, "", "88 1002 ''\n", "reserved opcode"},
    {"opcode 7", {F(0x87, "x")}, "", "88 1002 ''\n", "reserved opcode"},
    {"opcode 11", {F(0x8b, "")}, "", "88 1002 ''\n", "reserved opcode"},
    {"opcode 12", {F(0x8c, "x")}, "", "88 1002 ''\n", "reserved opcode"},
    {"opcode 13", {F(0x89, "p"), F(0x8d, "")}, "ping 'p'\n", "8a 'p'\n88 1002 ''\n", "reserved opcode"},
    {"opcode 14", {F(0x8e, "x")}, "", "88 1002 ''\n", "reserved opcode"},
    {"opcode 15", {F(0x8f, "x")}, "", "88 1002 ''\n", "reserved opcode"},
    /* fragments */
    {"two fragments", {F(0x01, "frag"), F(0x80, "ment")}, "text 'fragment'\n", "", ""},
    {"many",
     {F(0x02, "a"), F(0x00, "b"), F(0x00, "c"), F(0x00, "d"), F(0x80, "e")},
     "binary 'abcde'\n",
     "",
     ""},
    {"empty ones", {F(0x01, ""), F(0x00, ""), F(0x80, "")}, "text ''\n", "", ""},
    {"empty first and last", {F(0x02, ""), F(0x00, "middle"), F(0x80, "")}, "binary 'middle'\n", "", ""},
    {"a ping between",
     {F(0x01, "a"), F(0x89, "ping"), F(0x80, "b")},
     "ping 'ping'\ntext 'ab'\n",
     "8a 'ping'\n",
     ""},
    {"pings and pongs between",
     {F(0x01, "a"), F(0x89, "1"), F(0x00, "b"), F(0x8a, "2"), F(0x89, "3"), F(0x80, "c")},
     "ping '1'\npong '2'\nping '3'\ntext 'abc'\n",
     "8a '3'\n",
     ""},
    {"a ping in fragments", {F(0x09, "a"), F(0x80, "b")}, "", "88 1002 ''\n", "in fragments"},
    {"a pong in fragments", {F(0x0a, "a"), F(0x80, "b")}, "", "88 1002 ''\n", "in fragments"},
    {"a close in fragments", {F(0x08, "\x03\xe8")}, "", "88 1002 ''\n", "in fragments"},
    {"continuation of nothing", {F(0x80, "x")}, "", "88 1002 ''\n", "continuation of no message"},
    {"open continuation of nothing", {F(0x00, "x")}, "", "88 1002 ''\n", "continuation of no message"},
    {"continuation behind a message",
     {F(0x01, "a"), F(0x80, "b"), F(0x80, "c")},
     "text 'ab'\n",
     "88 1002 ''\n",
     "continuation of no message"},
    {"text inside text", {F(0x01, "a"), F(0x81, "b")}, "", "88 1002 ''\n", "inside another"},
    {"binary inside text", {F(0x01, "a"), F(0x00, "b"), F(0x02, "c")}, "", "88 1002 ''\n", "inside another"},
    {"a ping, then a text inside",
     {F(0x01, "a"), F(0x89, ""), F(0x81, "b")},
     "ping ''\n",
     "8a ''\n88 1002 ''\n",
     "inside another"},
    /* lengths */
    {"16 bits for 125", {{0x82, S125, 125, 2, false}}, "", "88 1002 ''\n", "more bytes than it needs"},
    {"16 bits for 0", {{0x82, "", 0, 2, false}}, "", "88 1002 ''\n", "more bytes than it needs"},
    {"64 bits for 126", {{0x82, S125 "6", 126, 8, false}}, "", "88 1002 ''\n", "more bytes than it needs"},
    {"64 bits for 0", {{0x81, "", 0, 8, false}}, "", "88 1002 ''\n", "more bytes than it needs"},
    {"16 bits of a ping", {{0x89, "a", 1, 2, false}}, "", "88 1002 ''\n", "too long"},
    /* masks */
    {"the other mask", {F(0x81, "a"), {0x81, "b", 1, 0, true}}, "text 'a'\n", "88 1002 ''\n", "masked"},
    {"the other mask, control", {{0x88, "", 0, 0, true}}, "", "88 1002 ''\n", "masked"},
    /* UTF-8 */
    {"text of other tongues",
     {F(0x81, "\xc3\xa9\xe5\x90\x8d\xf0\x9f\x98\x80\xce\xba\xe1\xbd\xb9")},
     "text '\\c3\\a9\\e5\\90\\8d\\f0\\9f\\98\\80\\ce\\ba\\e1\\bd\\b9'\n",
     "",
     ""},
    {"a character in fragments",
     {F(0x01, "\xf0\x9f"), F(0x00, ""), F(0x89, ""), F(0x00, "\x98"), F(0x80, "\x80")},
     "ping ''\ntext '\\f0\\9f\\98\\80'\n",
     "8a ''\n",
     ""},
    {"half a character", {F(0x81, "a\xc3")}, "", "88 1007 ''\n", "not UTF-8"},
    {"half a character, then nothing", {F(0x01, "a\xe5\x90"), F(0x80, "")}, "", "88 1007 ''\n", "not UTF-8"},
    {"bad in a fragment that goes on",
     {F(0x01, "abc"), F(0x00, "\xff"), F(0x80, "d")},
     "",
     "88 1007 ''\n",
     "not UTF-8"},
    {"each message for itself",
     {F(0x81, "\xc3\xa9"), F(0x82, "\xc3"), F(0x81, "\xc3\xa9")},
     "text '\\c3\\a9'\nbinary '\\c3'\ntext '\\c3\\a9'\n",
     "",
     ""},
    {"no UTF-8 in binary", {F(0x02, "\xff\xfe"), F(0x80, "\xc0\x80")}, "binary '\\ff\\fe\\c0\\80'\n", "", ""},
    {"no UTF-8 in a ping", {F(0x89, "\xff")}, "ping '\\ff'\n", "8a '\\ff'\n", ""},
    /* the end */
    {"close, empty", {F(0x88, "")}, "end 1005\n", "88 ''\n", ""},
    {"close 1000", {F(0x88, "\x03\xe8")}, "end 1000\n", "88 1000 ''\n", ""},
    {"close with reason",
     {F(0x88, "\x03\xe8"
	      "Bye \xe2\x82\xac")},
     "end 1000\n",
     "88 1000 ''\n",
     "code 1000, Bye \xe2\x82\xac"},
    {"close 1008",
     {F(0x88, "\x03\xf0"
	      "no")},
     "end 1008\n",
     "88 1008 ''\n",
     "code 1008, no"},
    {"close of 125",
     {F(0x88, "\x03\xe8" S40 S40 S40 "123")},
     "end 1000\n",
     "88 1000 ''\n",
     "code 1000, 12345"},
    {"close of 126", {F(0x88, "\x03\xe8" S40 S40 S40 "1234")}, "", "88 1002 ''\n", "too long"},
    {"close of one byte", {F(0x88, "a")}, "", "88 1002 ''\n", "invalid code"},
    {"close of one byte behind a ping of two",
     {F(0x89, "\x03\xe8"), F(0x88, "\x03")},
     "ping '\\03\\e8'\n",
     "8a '\\03\\e8'\n88 1002 ''\n",
     "invalid code"},
    {"close, bad reason", {F(0x88, "\x03\xe8\xce\xba\xed\xa0\x80")}, "", "88 1007 ''\n", "reason"},
    {"close, half a reason", {F(0x88, "\x03\xe8\xce")}, "", "88 1007 ''\n", "reason"},
    {"nothing behind a close",
     {F(0x88, "\x03\xe8"), F(0x81, "x"), F(0x89, "y"), F(0x88, "\x03\xe9"), F(0xff, "")},
     "end 1000\n",
     "88 1000 ''\n",
     ""},
    {"a ping before a close",
     {F(0x89, "p"), F(0x88, "\x03\xe8")},
     "ping 'p'\nend 1000\n",
     "8a 'p'\n88 1000 ''\n",
     ""},
    {"a close inside a message", {F(0x01, "a"), F(0x88, ""), F(0x80, "b")}, "end 1005\n", "88 ''\n", ""},
    /* the largest message is 1000 */
    {"600 and 600",
     {F(0x02, S125 S125 S125 S125 S40 S40 "12345678901234567890"), F(0x80, ""),
      F(0x82, S125 S125 S125 S125 S40 S40 "12345678901234567890")},
     "binary 600 #",
     "",
     ""},
    {"1000 in two", {F(0x02, S125 S125 S125 S125), F(0x80, S125 S125 S125 S125)}, "binary 1000 #", "", ""},
    {"1001", {F(0x82, S125 S125 S125 S125 S125 S125 S125 S125 "6")}, "", "88 1009 ''\n", "too big"},
    {"1001 in three",
     {F(0x02, S125 S125 S125 S125), F(0x00, S125 S125 S125 S125), F(0x89, "p"), F(0x80, "6")},
     "ping 'p'\n",
     "8a 'p'\n88 1009 ''\n",
     "too big"},
};

static void put_frames(struct bytes *bytes, const struct raw *frames, bool client)
{
	for (size_t i = 0; i < FRAMES_MAX && frames[i].payload; i++) {
		const struct raw *raw = &frames[i];
		bool masked = !client != raw->other_mask;
		if (raw->extended)
			put_frame_as(bytes, raw->first, masked, raw->payload, raw->size, raw->extended);
		else
			put_frame(bytes, raw->first, masked, raw->payload, raw->size);
	}
}

/* All that came of it, in one text. */
static char *transcript(bool client, const struct bytes *bytes, size_t split, size_t piece_max)
{
	static char text[SIDE_NOTES_SIZE + WHY_TEXT_SIZE + 64];
	world_init(split * 100 + piece_max + 7);
	world_wire.message_max = MESSAGE_MAX;
	struct side *end = world_frames(client);
	side_hear(end, bytes->at, split, piece_max);
	side_hear(end, bytes->at + split, bytes->size - split, piece_max);
	char why[WHY_TEXT_SIZE] = "";
	if (end->session)
		text_copy(why, sizeof why, slice_of(end->session->why_text));
	side_pump(end);
	note(end, "--\n");
	note_said(end);
	snprintf(text, sizeof text, "%s--\n%s%s", end->notes, why, end->session ? "" : " (over)");
	world_close();
	return text;
}

static void expect(const struct vector *vector, bool client, const char *text)
{
	char said[1024] = "";
	for (const char *at = vector->said; *at; at = strchr(at, '\n') + 1)
		snprintf(said + strlen(said), sizeof said - strlen(said), "say%s %.*s",
			 client ? " masked" : "", (int)(strchr(at, '\n') - at + 1), at);
	const char *middle = strstr(text, "--\n"), *last = strstr(middle + 3, "--\n");
	size_t heard_size = (size_t)(middle - text), said_size = (size_t)(last - middle - 3);
	bool is_sum = strchr(vector->heard, '#');
	bool right = strncmp(text, vector->heard, strlen(vector->heard)) == 0 &&
		     (is_sum || heard_size == strlen(vector->heard)) && said_size == strlen(said) &&
		     strncmp(middle + 3, said, said_size) == 0 && strstr(last, vector->fault) &&
		     (vector->fault[0] || !last[3]);
	if (!right)
		fail_msg("%s, %s: heard\n%s", vector->name, client ? "client" : "server", text);
}

static void tables_in_any_pieces(void **state)
{
	for (size_t i = 0; i < 2 * COUNT_OF(vectors); i++) {
		const struct vector *vector = &vectors[i / 2];
		bool client = i % 2;
		struct bytes bytes = {0};
		put_frames(&bytes, vector->frames, client);
		char *whole = strdup(transcript(client, &bytes, 0, 0));
		expect(vector, client, whole);
		for (size_t split = 1; split < bytes.size; split++)
			assert_string_equal(transcript(client, &bytes, split, 0), whole);
		assert_string_equal(transcript(client, &bytes, 0, 1), whole);
		for (size_t piece = 2; piece < 40; piece += 3)
			assert_string_equal(transcript(client, &bytes, 0, piece), whole);
		free(whole);
		free(bytes.at);
	}
}

/* A wire whose peers send whatever they like as text. */
static void text_of_any_bytes(void **state)
{
	for (int client = 0; client < 2; client++) {
		world_init(5);
		world_wire.any_text = true;
		struct side *end = world_frames(client);
		struct bytes bytes = {0};
		const struct raw frames[FRAMES_MAX] = {F(0x01, "a\xff\xc3"), F(0x80, "\xc0\x80")};
		put_frames(&bytes, frames, client);
		side_hear(end, bytes.at, bytes.size, 1);
		assert_string_equal(end->notes, "text 'a\\ff\\c3\\c0\\80'\n");
		assert_non_null(end->session);
		free(bytes.at);
		world_close();
	}
}

/* ---- codes ---- */

static bool is_valid(unsigned code)
{
	static const uint16_t valid[] = {1000, 1001, 1002, 1003, 1007, 1008,
					 1009, 1010, 1011, 1012, 1013, 1014};
	for (size_t i = 0; i < COUNT_OF(valid); i++)
		if (valid[i] == code)
			return true;
	return code >= 3000 && code <= 4999;
}

static void every_code_of_a_close(void **state)
{
	for (unsigned code = 0; code <= 0xffff; code += code < 6000 ? 1 : 997) {
		struct bytes bytes = {0};
		char expected[200];
		bool client = code & 1;
		put_frame(&bytes, 0x88, !client, (uint8_t[]){(uint8_t)(code >> 8), (uint8_t)code}, 2);
		const char *text = transcript(client, &bytes, 0, 0);
		snprintf(expected, sizeof expected, "end %u\n--\nsay%s 88 %u ''\n--\n", code,
			 client ? " masked" : "", code);
		if (!is_valid(code))
			snprintf(expected, sizeof expected, "--\nsay%s 88 1002 ''\n--\n",
				 client ? " masked" : "");
		assert_memory_equal(text, expected, strlen(expected));
		free(bytes.at);
	}
}

/* ---- UTF-8 ---- */

/* Judged a second way: decoded, and encoded again. */
static bool is_utf8(const uint8_t *at, size_t size)
{
	while (size) {
		size_t count = at[0] < 0x80	  ? 1
			       : at[0] >> 5 == 6  ? 2
			       : at[0] >> 4 == 14 ? 3
			       : at[0] >> 3 == 30 ? 4
						  : 0;
		static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
		if (!count || count > size)
			return false;
		uint32_t code = count == 1 ? at[0] : at[0] & (0x7fu >> count);
		for (size_t i = 1; i < count; i++) {
			if (at[i] >> 6 != 2)
				return false;
			code = code << 6 | (at[i] & 0x3f);
		}
		if (code < least[count] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
			return false;
		at += count;
		size -= count;
	}
	return true;
}

static void utf8_by_the_table(void **state)
{
	static const char *const texts[] = {
	    "\x80",
	    "\xbf",
	    "\xc0\x80",
	    "\xc0\xaf",
	    "\xc1\xbf",
	    "\xc2\x80",
	    "\xc2\x7f",
	    "\xc2\xc0",
	    "\xdf\xbf",
	    "\xe0\x80\x80",
	    "\xe0\x9f\xbf",
	    "\xe0\xa0\x80",
	    "\xed\x9f\xbf",
	    "\xed\xa0\x80",
	    "\xed\xbf\xbf",
	    "\xed\xa0\x80\xed\xb0\x80",
	    "\xee\x80\x80",
	    "\xef\xbf\xbd",
	    "\xef\xbf\xbf",
	    "\xf0\x80\x80\x80",
	    "\xf0\x8f\xbf\xbf",
	    "\xf0\x90\x80\x80",
	    "\xf4\x8f\xbf\xbf",
	    "\xf4\x90\x80\x80",
	    "\xf5\x80\x80\x80",
	    "\xf7\xbf\xbf\xbf",
	    "\xf8\x88\x80\x80\x80",
	    "\xfc\x84\x80\x80\x80\x80",
	    "\xfe",
	    "\xff",
	    "\xfe\xfe\xff\xff",
	    "\xe2\x82",
	    "\xf0\x9f\x98",
	    "\xc3",
	    "\xe2\x28\xa1",
	    "\xf0\x28\x8c\xbc",
	    "\xf0\x9f\x28\x80",
	    "\xf0\x9f\x98\x28",
	    "\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80-edited",
	};
	for (size_t i = 0; i < COUNT_OF(texts); i++) {
		/* with what may stand around it, at every distance from where whole words begin */
		for (size_t pad = 0; pad < 40; pad++) {
			uint8_t text[100];
			size_t size = pad + strlen(texts[i]) + pad % 5;
			memset(text, 'x', sizeof text);
			memcpy(text + pad, texts[i], strlen(texts[i]));
			for (size_t split = 0; split <= size; split++) {
				struct utf8 utf8 = {0};
				bool right = utf8_take(&utf8, (struct slice){text, split}) &&
					     utf8_take(&utf8, (struct slice){text + split, size - split}) &&
					     utf8_is_whole(&utf8);
				assert_int_equal(right, is_utf8(text, size));
			}
		}
	}
}

/* Every text of up to three bytes, and those of four that begin as characters of four do. */
static void utf8_exhaustively(void **state)
{
	for (uint32_t i = 0; i < 1u << 24; i++) {
		uint8_t text[3] = {(uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i};
		struct utf8 utf8 = {0};
		bool right = utf8_take(&utf8, (struct slice){text, 3}) && utf8_is_whole(&utf8);
		if (right != is_utf8(text, 3))
			fail_msg("%06x", i);
	}
	for (uint32_t i = 0; i < 1u << 20; i++) {
		uint8_t text[4] = {(uint8_t)(0xf0 | i >> 16), (uint8_t)(i >> 8), (uint8_t)(0x40 | i),
				   (uint8_t)(0x80 | i >> 2)};
		struct utf8 utf8 = {0};
		bool right = utf8_take(&utf8, (struct slice){text, 4}) && utf8_is_whole(&utf8);
		if (right != is_utf8(text, 4))
			fail_msg("%02x%02x%02x%02x", text[0], text[1], text[2], text[3]);
	}
}

/* Told at the first byte that cannot be right, before the frame is there. */
static void a_bad_text_fails_at_once(void **state)
{
	for (int client = 0; client < 2; client++) {
		struct bytes bytes = {0};
		world_init(1);
		struct side *end = world_frames(client);
		put_frame(&bytes, 0x01, !client,
			  "good\xf4\x90"
			  "never heard",
			  17);
		side_hear(end, bytes.at, bytes.size - 11 - 1, 1);
		assert_int_equal(end->session->state, SESSION_OPEN);
		side_hear(end, bytes.at + bytes.size - 12, 1, 0);
		assert_int_equal(end->session->state, SESSION_FLUSH);
		free(bytes.at);
		world_close();
	}
}

/* ---- sizes and masks ---- */

static void masks_as_byte_by_byte(void **state)
{
	static uint8_t bytes[4000], slow[4000];
	uint64_t random = 5;
	for (size_t size = 0; size < 3900; size += size < 300 || (size > 1000 && size < 1200) ? 1 : 97) {
		for (size_t at = 0; at < 40; at += 1 + size % 3) {
			uint8_t key[4];
			unsigned phase = (unsigned)(random_next(&random) % 4), behind = phase;
			for (size_t i = 0; i < sizeof bytes; i++)
				slow[i] = bytes[i] = (uint8_t)random_next(&random);
			for (size_t i = 0; i < 4; i++)
				key[i] = (uint8_t)random_next(&random);
			for (size_t i = 0; i < size; i++)
				slow[at + i] ^= key[behind++ % 4];
			assert_int_equal(websocket_mask(bytes + at, size, key, phase), behind % 4);
			assert_memory_equal(bytes, slow, sizeof bytes);
		}
	}
}

/* RFC 6455, 5.7. */
static void the_examples_of_the_standard(void **state)
{
	static const uint8_t masked[] = {0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58};
	static const uint8_t fragments[] = {0x01, 0x03, 0x48, 0x65, 0x6c, 0x80, 0x02, 0x6c, 0x6f};
	static const uint8_t ping[] = {0x89, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f};
	world_init(1);
	struct side *server = world_frames(false), *client = world_frames(true);
	side_hear(server, masked, sizeof masked, 0);
	assert_string_equal(server->notes, "text 'Hello'\n");
	side_hear(client, fragments, sizeof fragments, 0);
	side_hear(client, ping, sizeof ping, 0);
	assert_string_equal(client->notes, "text 'Hello'\nping 'Hello'\n");
	side_say(server, CHUNK_TEXT, slice_of("Hello"));
	assert_int_equal(server->said.size, 7);
	assert_memory_equal(server->said.at, ((uint8_t[]){0x81, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f}), 7);
	world_close();
}

static const size_t sizes[] = {0,    1,	   2,	  3,	 4,	7,     8,     31,    32,     33,     63,
			       64,   124,  125,	  126,	 127,	128,   129,   255,   512,    1000,   4095,
			       4096, 4097, 16384, 65472, 65534, 65535, 65536, 65537, 131072, 1 << 20};

/* What is said is heard by the other role, whatever its size, its parts and its pieces. */
static void said_is_heard(void **state)
{
	static uint8_t payload[1 << 20];
	uint64_t random = 3;
	for (size_t i = 0; i < sizeof payload; i++)
		payload[i] = (uint8_t)random_next(&random);
	for (size_t i = 0; i < 2 * COUNT_OF(sizes) * 3; i++) {
		bool client = i % 2;
		size_t size = sizes[i / 2 % COUNT_OF(sizes)];
		static const size_t pieces[] = {0, 100, 20000};
		world_init(i);
		struct side *from = world_frames(client), *to = world_frames(!client);
		note(from, "%s", size ? "binary" : "");
		if (size)
			note_bytes(from, payload, size);
		note(from, "ping 'p'\npong ''\n");
		assert_int_equal(side_say(from, CHUNK_BINARY, (struct slice){payload, size}), STATUS_OK);
		assert_int_equal(side_say(from, CHUNK_PING, slice_of("p")), STATUS_OK);
		assert_int_equal(side_say(from, CHUNK_PONG, slice_of("")), STATUS_OK);
		side_pass(from, to, pieces[i / (2 * COUNT_OF(sizes))]);
		assert_string_equal(to->notes, from->notes);
		world_close();
	}
}

/* 256 KiB in fragments of one size with a ping behind each. */
static void fragments_of_every_size(void **state)
{
	static uint8_t payload[1 << 18];
	for (size_t i = 0; i < sizeof payload; i++)
		payload[i] = (uint8_t)(i * 7 + i / 256);
	static const size_t fragments[] = {64, 256, 1000, 4096, 65536, 1 << 18};
	for (size_t i = 0; i < 2 * COUNT_OF(fragments); i++) {
		bool client = i % 2;
		size_t fragment = fragments[i / 2];
		struct bytes bytes = {0};
		world_init(i);
		struct side *end = world_frames(client);
		for (size_t at = 0; at < sizeof payload; at += fragment) {
			size_t size = size_min(fragment, sizeof payload - at);
			bool last = at + size == sizeof payload;
			put_frame(&bytes, (uint8_t)((last ? FIN : 0) | (at ? 0 : 2)), !client, payload + at,
				  size);
			if (!last && fragment > 900)
				put_frame(&bytes, 0x8a, !client, "x", 1);
		}
		side_hear(end, bytes.at, bytes.size, i % 3 ? 5000 : 0);
		char expected[64];
		snprintf(expected, sizeof expected, "binary %zu #%016llx\n", sizeof payload,
			 (unsigned long long)sum_of(payload, sizeof payload));
		assert_non_null(strstr(end->notes, expected));
		free(bytes.at);
		world_close();
	}
}

/* A key is used once. */
static void keys_differ(void **state)
{
	uint32_t keys[3 * WEBSOCKET_KEYS];
	world_init(1);
	struct side *client = world_frames(true);
	for (size_t i = 0; i < COUNT_OF(keys); i++) {
		side_say(client, CHUNK_BINARY, slice_of("x"));
		assert_int_equal(client->said.size, 7);
		keys[i] = get32(client->said.at + 2);
		client->said.size = 0;
		for (size_t j = 0; j < i; j++)
			assert_int_not_equal(keys[i], keys[j]);
	}
	world_close();
}

/* A length is refused as soon as it is announced, with nothing behind it. */
static void announced_lengths_are_judged(void **state)
{
	static const struct {
		uint8_t bytes[10];
		uint16_t code;
	} heads[] = {
	    {{0x82, 0x7f, 0, 0, 0, 0, 0, 0, 0xff, 0xff}, 1002},
	    {{0x82, 0x7f, 0x80, 0, 0, 0, 0, 0, 0, 0}, 1002},
	    {{0x82, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, 1002},
	    {{0x82, 0x7f, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, 1009},
	    {{0x82, 0x7f, 0, 0, 0, 1, 0, 0, 0, 0}, 1009},
	    {{0x82, 0x7e, 0x03, 0xe9}, 1009},
	};
	for (size_t i = 0; i < COUNT_OF(heads); i++) {
		struct bytes bytes = {0};
		char expected[64];
		bytes_add(&bytes, heads[i].bytes, heads[i].bytes[1] == 0x7e ? 4 : 10);
		snprintf(expected, sizeof expected, "--\nsay masked 88 %u ''\n--\n", heads[i].code);
		assert_memory_equal(transcript(true, &bytes, 0, 0), expected, strlen(expected));
		bytes.at[1] |= 0x80;
		bytes_add(&bytes, "mask", 4);
		snprintf(expected, sizeof expected, "--\nsay 88 %u ''\n--\n", heads[i].code);
		assert_memory_equal(transcript(false, &bytes, 0, 1), expected, strlen(expected));
		free(bytes.at);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(tables_in_any_pieces), cmocka_unit_test(text_of_any_bytes),
	    cmocka_unit_test(every_code_of_a_close),
	    cmocka_unit_test(utf8_by_the_table),
	    cmocka_unit_test(utf8_exhaustively),
	    cmocka_unit_test(a_bad_text_fails_at_once),
	    cmocka_unit_test(masks_as_byte_by_byte),
	    cmocka_unit_test(keys_differ),
	    cmocka_unit_test(the_examples_of_the_standard),
	    cmocka_unit_test(said_is_heard),
	    cmocka_unit_test(fragments_of_every_size),
	    cmocka_unit_test(announced_lengths_are_judged),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
