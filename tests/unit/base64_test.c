/* tests/unit/base64_test.c - base64 both ways: the vectors of RFC 4648, every size, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "protocols/codecs/base64.h"

static void vectors_both_ways(void **state)
{
	static const char *const vectors[][2] = {
	    {"", ""},
	    {"f", "Zg=="},
	    {"fo", "Zm8="},
	    {"foo", "Zm9v"},
	    {"foob", "Zm9vYg=="},
	    {"fooba", "Zm9vYmE="},
	    {"foobar", "Zm9vYmFy"},
	    {"\xfb\xff\xbf", "+/+/"},
	};
	for (size_t i = 0; i < COUNT_OF(vectors); i++) {
		char text[16];
		uint8_t bytes[16];
		size_t size;
		base64_encode(slice_of(vectors[i][0]), text);
		assert_string_equal(text, vectors[i][1]);
		assert_true(base64_decode(slice_of(text), bytes, sizeof bytes, &size));
		assert_int_equal(size, strlen(vectors[i][0]));
		assert_memory_equal(bytes, vectors[i][0], size);
	}
}

static void every_size_comes_back(void **state)
{
	uint8_t bytes[300], again[300];
	char text[BASE64_SIZE(sizeof bytes) + 1];
	uint64_t random = 1;
	for (size_t size = 0; size <= sizeof bytes; size++) {
		for (size_t i = 0; i < size; i++)
			bytes[i] = (uint8_t)random_next(&random);
		memset(text, 'x', sizeof text);
		base64_encode((struct slice){bytes, size}, text);
		assert_int_equal(strlen(text), BASE64_SIZE(size));
		size_t decoded;
		assert_true(base64_decode(slice_of(text), again, size, &decoded));
		assert_int_equal(decoded, size);
		assert_memory_equal(again, bytes, size);
		if (size)
			assert_false(base64_decode(slice_of(text), again, size - 1, &decoded));
	}
}

static void every_letter_is_judged(void **state)
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	for (unsigned byte = 0; byte < 256; byte++) {
		for (size_t at = 0; at < 8; at++) {
			char text[9] = "AAAAAAAA";
			uint8_t bytes[6];
			size_t size;
			text[at] = (char)byte;
			bool is_letter = byte && strchr(letters, (int)byte);
			bool is_padding = byte == '=' && at == 7;
			assert_int_equal(
			    base64_decode((struct slice){(uint8_t *)text, 8}, bytes, sizeof bytes, &size),
			    is_letter || is_padding);
		}
	}
}

static void what_is_not_canonical_is_refused(void **state)
{
	static const char *const texts[] = {
	    "Z",	"Zg",	    "Zg=",	 "Zg===",     "Zh==",  "Zm9=",	   "====", "Z===", "=Zg=",
	    "Zg==Zg==", "Zm8=Zm8=", "Zm9v\n",	 "Zm9v Zm9v", " Zm9v", "Zm9v====", "Zm9-", "Zm9_", "A=B=",
	    "AA=A",	"Zm9vYg=",  "Zm9vYg==A", "Zm 8=",     "AAAB=", "AAA=====", "A===",
	};
	for (size_t i = 0; i < COUNT_OF(texts); i++) {
		uint8_t bytes[16];
		size_t size;
		assert_false(base64_decode(slice_of(texts[i]), bytes, sizeof bytes, &size));
		assert_int_equal(size, 0);
	}
}

/* Of all texts of one group exactly those decode that an encoding has made. */
static void decoding_is_the_inverse(void **state)
{
	static const char some[] = "AQgw/+z=";
	char text[5] = "", again[5];
	for (unsigned i = 0; i < 8 * 8 * 8 * 8; i++) {
		for (size_t at = 0; at < 4; at++)
			text[at] = some[i >> (3 * at) & 7];
		uint8_t bytes[3];
		size_t size;
		if (!base64_decode(slice_of(text), bytes, sizeof bytes, &size))
			continue;
		base64_encode((struct slice){bytes, size}, again);
		assert_string_equal(text, again);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(vectors_both_ways),       cmocka_unit_test(every_size_comes_back),
	    cmocka_unit_test(every_letter_is_judged),  cmocka_unit_test(what_is_not_canonical_is_refused),
	    cmocka_unit_test(decoding_is_the_inverse),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
