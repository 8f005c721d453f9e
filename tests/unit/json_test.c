/* tests/unit/json_test.c - what JSON is taken and what is refused, each decided once; and text as it is
 * written. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "protocols/codecs/json.h"

struct vector {
	const char *text;
	size_t size;
};

#define VECTOR(text_)                                                                                        \
	{                                                                                                    \
		(text_), sizeof(text_) - 1                                                                   \
	}

static const struct vector taken[] = {
    VECTOR("{}"),
    VECTOR("[]"),
    VECTOR(" {\"a\" : [1, -2, 3.5, true, null]} \n"),
    VECTOR("{\"a\":\"\\u00e9\\ud83d\\ude00\\\"[[[\"}"),
    VECTOR("{\"a\":9223372036854775807}"),
    VECTOR("{\"a\":{\"a\":1}}"),
    VECTOR("{\"\":0}"),
    VECTOR("{\"a\":1e308}"),
};

static const struct vector refused[] = {
    VECTOR(""),
    VECTOR(" "),
    VECTOR("7"),
    VECTOR("\"a\""),
    VECTOR("{"),
    VECTOR("}"),
    VECTOR("{}}"),
    VECTOR("{}{}"),
    VECTOR("{'a':1}"),
    VECTOR("{\"a\":1,\"a\":2}"),
    VECTOR("{\"a\":1,\"\\u0061\":2}"),
    VECTOR("{\"a\":\"\\u0000\"}"),
    VECTOR("{\"a\":\"\\ud800\"}"),
    VECTOR("{\"a\":\"\\udc00\\ud800\"}"),
    VECTOR("{\"a\":9223372036854775808}"),
    VECTOR("{\"a\":1e999}"),
    VECTOR("{\"a\":01}"),
    VECTOR("\xef\xbb\xbf{}"),
    VECTOR("{\"a\":\"\xff\"}"),
    VECTOR("{\"a\":\"\xc0\x80\"}"),
    VECTOR("{\"a\":\"\xed\xa0\x80\"}"),
    VECTOR("{\"a\":\"\n\"}"),
    VECTOR("{\"a\":1,}"),
    VECTOR("[1,]"),
    VECTOR("{\"a\":NaN}"),
    VECTOR("{\"a\":1}\0"),
    VECTOR("{\"a\":\"\0\"}"),
    VECTOR("{\"a\":\"b\\"),
    VECTOR("{\"a\":\"b"),
};

static void decisions(void **state)
{
	const char *fault;
	for (size_t i = 0; i < COUNT_OF(taken); i++) {
		json_t *value =
		    json_parse((struct slice){(const uint8_t *)taken[i].text, taken[i].size}, 1000, &fault);
		if (!value)
			fail_msg("refused: %s", taken[i].text);
		json_decref(value);
	}
	for (size_t i = 0; i < COUNT_OF(refused); i++) {
		json_t *value = json_parse((struct slice){(const uint8_t *)refused[i].text, refused[i].size},
					   1000, &fault);
		if (value)
			fail_msg("taken: %s", refused[i].text);
		assert_non_null(fault);
	}
}

static void limits(void **state)
{
	char text[2 * JSON_DEPTH_MAX + 3];
	const char *fault;
	for (int depth = 1; depth <= JSON_DEPTH_MAX + 1; depth++) {
		memset(text, '[', (size_t)depth);
		memset(text + depth, ']', (size_t)depth);
		json_t *value =
		    json_parse((struct slice){(const uint8_t *)text, (size_t)depth * 2}, 1000, &fault);
		assert_int_equal(value != NULL, depth <= JSON_DEPTH_MAX);
		json_decref(value);
	}
	assert_null(json_survey(slice_of("[\"[[[[\",\"\\\"[[[[\"]"), 100, 1));
	assert_non_null(json_survey(slice_of("[[]]"), 100, 1));
	assert_non_null(json_survey(slice_of("[]"), 1, 1));
	size_t size = 2 * (size_t)JSON_VALUES_MAX + 3;
	char *many = malloc(size);
	assert_non_null(many);
	many[0] = '[';
	for (size_t i = 1; i < size; i++)
		many[i] = i & 1 ? '1' : ',';
	assert_non_null(json_survey((struct slice){(const uint8_t *)many, size}, size, 1));
	assert_null(json_survey((struct slice){(const uint8_t *)many, size / 2}, size, 1));
	free(many);
}

static void getters(void **state)
{
	const char *fault;
	int64_t number = 0;
	json_t *value = json_parse(slice_of("{\"o\":{},\"a\":[],\"s\":\"x\",\"i\":80,\"r\":80.0,\"n\":null}"),
				   1000, &fault);
	assert_non_null(json_member_object(value, "o"));
	assert_non_null(json_member_array(value, "a"));
	assert_string_equal(json_member_text(value, "s"), "x");
	assert_true(json_member_integer(value, "i", 0, 80, &number) && number == 80);
	assert_false(json_member_integer(value, "i", 0, 79, &number));
	assert_false(json_member_integer(value, "i", 81, 90, &number));
	assert_false(json_member_integer(value, "r", 0, 100, &number));
	assert_false(json_has(value, "n") || json_has(value, "zz"));
	assert_true(json_has(value, "i"));
	assert_null(json_member_object(value, "a"));
	assert_null(json_member_array(value, "o"));
	assert_null(json_member_text(value, "i"));
	assert_null(json_member_text(NULL, "i"));
	assert_false(json_member_integer(NULL, "i", 0, 1, &number));
	json_wipe_text(json_object_get(value, "s"));
	assert_int_equal(json_member_text(value, "s")[0], 0);
	json_wipe_text(NULL);
	json_decref(value);
}

static void writing(void **state)
{
	struct bufpool pool;
	struct json_text text;
	const char *fault;
	bufpool_init(&pool, 1, 1 << 24);
	json_text_init(&text, &pool);
	json_put(&text, "{\"a\":");
	json_put_text(&text, slice_of("q\" b\\ n\n t\t \x01 \x7f é名😀 \xff\xc3"));
	json_put(&text, ",\"b\":");
	json_put_number(&text, INT64_MIN);
	json_put(&text, ",\"c\":");
	json_put_value(&text, NULL);
	json_put(&text, "}");
	static const char expected[] = "{\"a\":\"q\\\" b\\\\ n\\n t\\t \\u0001 \x7f é名😀 "
				       "\xef\xbf\xbd\xef\xbf\xbd\",\"b\":-9223372036854775808,"
				       "\"c\":null}";
	assert_false(text.failed);
	assert_int_equal(text.buf->used, sizeof expected - 1);
	assert_memory_equal(text.buf->bytes, expected, sizeof expected - 1);
	json_t *value = json_parse((struct slice){text.buf->bytes, text.buf->used}, 1000, &fault);
	assert_non_null(value);
	json_text_fini(&text);
	for (int i = 0; i < 1000; i++)
		json_put_value(&text, value);
	assert_in_range(text.buf->used, 1000, 1 << 20);
	json_decref(value);
	json_text_fini(&text);
	assert_int_equal(pool.used, 0);
	bufpool_fini(&pool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(decisions),
	    cmocka_unit_test(limits),
	    cmocka_unit_test(getters),
	    cmocka_unit_test(writing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
