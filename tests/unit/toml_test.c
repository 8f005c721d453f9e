/* tests/unit/toml_test.c - the TOML reader: what it takes, as a tree, and what it refuses, with the place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "tools/tunnel/toml.h"

/* The tree as one line: {a="x" b=[1 2] c={d=true}}. */
static void write_node(const struct toml_node *node, char *text, size_t size)
{
	size_t used = strlen(text);
	if (node->kind == TOML_STRING) {
		snprintf(text + used, size - used, "\"%s\"", node->text ? node->text : "?");
	} else if (node->kind == TOML_INTEGER) {
		snprintf(text + used, size - used, "%lld", (long long)node->integer);
	} else if (node->kind == TOML_BOOLEAN) {
		snprintf(text + used, size - used, "%s", node->boolean ? "true" : "false");
	} else {
		snprintf(text + used, size - used, "%s", node->kind == TOML_TABLE ? "{" : "[");
		for (const struct toml_node *child = node->first; child; child = child->next) {
			used = strlen(text);
			snprintf(text + used, size - used, "%s%s%s", child == node->first ? "" : " ",
				 child->key ? child->key : "", child->key ? "=" : "");
			write_node(child, text, size);
		}
		used = strlen(text);
		snprintf(text + used, size - used, "%s", node->kind == TOML_TABLE ? "}" : "]");
	}
}

static const struct {
	const char *text, *tree;
} good[] = {
    {"", "{}"},
    {"# only a comment", "{}"},
    {"\xef\xbb\xbf"
     "a = 1",
     "{a=1}"},
    {"a = 1\r\n\r\nb = 2 # two\r\n", "{a=1 b=2}"},
    {"a = 0\nb = -17\nc = +99\nd = 1_000\ne = -0", "{a=0 b=-17 c=99 d=1000 e=0}"},
    {"a = 0xDEAD_beef\nb = 0o755\nc = 0b11_01", "{a=3735928559 b=493 c=13}"},
    {"a = 9223372036854775807\nb = -9223372036854775808", "{a=9223372036854775807 b=-9223372036854775808}"},
    {"a = true\nb=false", "{a=true b=false}"},
    {"a = \"\"\nb = ''", "{a=\"\" b=\"\"}"},
    {"a = \"\\\"\\\\\\t\\n\\u00e9\\U0001F600\"", "{a=\"\"\\\t\n\xc3\xa9\xf0\x9f\x98\x80\"}"},
    {"a = 'C:\\x\"y'", "{a=\"C:\\x\"y\"}"},
    {"a = \"\"\"\nx\ny\"\"\"", "{a=\"x\ny\"}"},
    {"a = \"\"\"\r\nx\r\ny\"\"\"\nb = 1", "{a=\"x\ny\" b=1}"},
    {"a = \"\"\"x \\\n\n   y\\\"\"\"\"", "{a=\"x y\"\"}"},
    {"a = \"\"\"\"\"x\"\"\"\"\"", "{a=\"\"\"x\"\"\"}"},
    {"a = '''\nx\\n'''''", "{a=\"x\\n''\"}"},
    {"a = '''''''", "{a=\"'\"}"},
    {"a = ''''''\nb = \"\"\"\"\"\"", "{a=\"\" b=\"\"}"},
    {"a = []\nb = [ ]\nc = [1, 2,]\nd = [\n  'x', # one\n\n  [true],\n]",
     "{a=[] b=[] c=[1 2] d=[\"x\" [true]]}"},
    {"a = {}\nb = { x = 1, y.z = 'q' }", "{a={} b={x=1 y={z=\"q\"}}}"},
    {"\"a b\" = 1\n'c.d' = 2\n1-_x = 3\n\"\" = 4", "{a b=1 c.d=2 1-_x=3 =4}"},
    {"a.b = 1\na . \"c\" = 2", "{a={b=1 c=2}}"},
    {"[a]\nx = 1\n[a.b]\ny = 2\n[c.d]\n[c]\nz = 3", "{a={x=1 b={y=2}} c={d={} z=3}}"},
    {"[[a]]\nx = 1\n[[a]]\n[a.b]\ny = 2\n[[a.c]]\n[[a.c]]", "{a=[{x=1} {b={y=2} c=[{} {}]}]}"},
    {" [ a . b ] # c\n\tx = 1", "{a={b={x=1}}}"},
    {"[a]\nb.c = 1\n[a.b.d]\ne = 2", "{a={b={c=1 d={e=2}}}}"},
};

static void good_files(void **state)
{
	for (size_t i = 0; i < COUNT_OF(good); i++) {
		struct toml toml;
		char tree[512] = "";
		if (!toml_parse(&toml, slice_of(good[i].text)))
			fail_msg("%s\n-> %u:%u: %s", good[i].text, toml.problems.items[0].line,
				 toml.problems.items[0].column, toml.problems.items[0].text);
		write_node(toml.root, tree, sizeof tree);
		assert_string_equal(tree, good[i].tree);
		toml_fini(&toml);
	}
}

/* The problems, with bars between. */
static const struct {
	const char *text, *problems;
} bad[] = {
    {"a", "1:2 = should stand here"},
    {"a =", "1:4 a value is missing"},
    {"a = # b", "1:5 a value is missing"},
    {"= 1", "1:1 a key should stand here"},
    {"a. = 1", "1:4 a key should stand here"},
    {".a = 1", "1:1 a key should stand here"},
    {"a = 1 b = 2", "1:7 the line should end here"},
    {"a = x\nb = 1\nc = 'y",
     "1:5 this is no value: a string needs quotes|3:7 the string does not end on its line"},
    {"a = True", "1:5 this is no value"},
    {"a = 1.5", "1:5 this is no integer, and floats"},
    {"a = 1e3", "1:5 this is no integer"},
    {"a = inf\nb = +nan", "1:5 this is no value|2:5 this is no integer"},
    {"a = 1979-05-27 07:32:00", "1:5 this is no integer, and floats and dates"},
    {"a = 07:32:00", "1:5 this is no integer"},
    {"a = 012", "1:5 this is no integer"},
    {"a = 1__0\nb = _1\nc = 1_\nd = 0x\ne = 0x_1\nf = +0x1\ng = 0b2\nh = 0o8\ni = +\nj = --1",
     "1:5 this|2:5 this|3:5 this|4:5 this|5:5 this|6:5 this|7:5 this|8:5 this|9:5 this|10:5 this"},
    {"a = 9223372036854775808\nb = -9223372036854775809", "1:5 this is no integer|2:5 this is no integer"},
    {"a = 0xffffffffffffffff", "1:5 this is no integer"},
    {"a = \"x\nb = 1", "1:7 the string does not end on its line"},
    {"a = \"\\q\"", "1:7 there is no such escape"},
    {"a = \"\\u12\"", "1:10 the escape needs 4 hex digits"},
    {"a = \"\\u0000\"\nb = \"\\uD800\"\nc = \"\\U00110000\"",
     "1:12 the escape is no character|2:12 the escape is no character|3:16 the escape is no character"},
    {"a = 1\nb = \"\"\"x\n\"\"\nc = 1", "2:8 the string does not end"},
    {"a = \"\"\"\"\"\"\"\"\"", "1:13 the line should end here"},
    {"a = [1, 2", "1:1 the array does not end"},
    {"a = [1 2]", "1:8 a comma or ] should stand here"},
    {"a = [,]", "1:6 a value is missing"},
    {"a = [1,\n  x]\nb = y", "2:3 this is no value"},
    {"a = {x = 1,}", "1:12 a key should stand here"},
    {"a = {x = 1\n}", "1:11 a comma or } should stand here"},
    {"a = {x = 1, x = 2}", "1:13 x is given twice: also on line 1"},
    {"a = [[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]", "1:22 nested too deep"},
    {"a = {a={a={a={a={a={a={a={a={a={a={a={a={a={a={a={a={}}}}}}}}}}}}}}}}}", "nested too deep"},
    {"a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a = 1", "1:33 the key has more than 16 parts"},
    {"a = 1\n\na = 2\nb = x", "3:1 a is given twice: also on line 1|4:5 this is no value"},
    {"[a]\nx = 1\n[a]\nx = 2\nx = 3\n[b]",
     "3:2 a is given twice: also on line 1|5:1 x is given twice: also on line 4"},
    {"a = 1\n[a]", "2:2 a is given twice: also on line 1"},
    {"a = 1\n[a.b]", "2:2 a cannot be added to: it is whole since line 1"},
    {"a = {}\n[a.b]", "2:2 a cannot be added to"},
    {"a = {}\na.b = 1", "2:1 a cannot be added to"},
    {"[a.b]\nx = 1\n[a]\nb.y = 2", "4:1 b cannot be added to: it is whole since line 1"},
    {"[a]\nb.c = 1\n[a.b]", "3:4 b is given twice"},
    {"a = []\n[[a]]", "2:3 a is no list of tables: see line 1"},
    {"[a]\n[[a]]", "2:3 a is no list of tables: see line 1"},
    {"[[a]]\n[a]", "2:2 a is given twice: also on line 1"},
    {"[a", "1:3 ] should stand here"},
    {"[[a]\nx = 1\nx = 2", "1:5 ]] should stand here|3:1 x is given twice"},
    {"[]", "1:2 a key should stand here"},
    {"[a] x = 1", "1:5 the line should end here"},
    {"[a]]", "1:4 the line should end here"},
    {"a = \"\x01\"", "1:6 a control character"},
    {"# \x7f", "1:3 a control character"},
    {"a = 1\rb = 2", "1:6 a control character"},
    {"a = '\r'", "1:6 a control character"},
    {"\na = \"\xff\"", "2:6 not UTF-8"},
    {"a = \"\xc3", "1:7 not UTF-8"},
};

static void bad_files(void **state)
{
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		struct toml toml;
		char all[2048] = "", wanted[1024];
		size_t parts = 0;
		toml_parse(&toml, slice_of(bad[i].text));
		const struct problem *found = toml.problems.items;
		for (size_t j = 0; j < toml.problems.count; j++)
			snprintf(all + strlen(all), sizeof all - strlen(all), "%u:%u %s\n", found[j].line,
				 found[j].column, found[j].text);
		snprintf(wanted, sizeof wanted, "%s", bad[i].problems);
		for (char *save, *part = strtok_r(wanted, "|", &save); part;
		     part = strtok_r(NULL, "|", &save)) {
			parts++;
			if (!strstr(all, part))
				fail_msg("%s\n-> %s, not: %s", bad[i].text, all, part);
		}
		if (parts != toml.problems.error_count)
			fail_msg("%s\n-> %s", bad[i].text, all);
		toml_fini(&toml);
	}
}

static void a_zero_byte_is_refused(void **state)
{
	struct toml toml;
	assert_false(toml_parse(&toml, (struct slice){(const uint8_t *)"a = '\0'", 8}));
	assert_string_equal(toml.problems.items[0].text, "a control character");
	toml_fini(&toml);
}

static void problems_are_bounded(void **state)
{
	static char text[8192];
	struct toml toml;
	size_t size = 0;
	for (int i = 0; i < 200; i++)
		size += (size_t)snprintf(text + size, sizeof text - size, "a%d = x\n", i);
	assert_false(toml_parse(&toml, slice_of(text)));
	assert_int_equal(toml.problems.count, PROBLEMS_MAX);
	assert_int_equal(toml.problems.error_count, 200);
	toml_fini(&toml);
}

static void nodes_are_bounded(void **state)
{
	size_t size = 5 + 2 * (size_t)TOML_NODES_MAX;
	uint8_t *text = malloc(size);
	struct toml toml;
	memcpy(text, "a = [", 5);
	for (size_t i = 5; i + 1 < size; i += 2) {
		text[i] = '1';
		text[i + 1] = ',';
	}
	assert_false(toml_parse(&toml, (struct slice){text, size}));
	assert_non_null(strstr(toml.problems.items[0].text, "more than 40000 keys and values"));
	assert_int_equal(toml.problems.error_count, 1);
	toml_fini(&toml);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(good_files),
	    cmocka_unit_test(bad_files),
	    cmocka_unit_test(a_zero_byte_is_refused),
	    cmocka_unit_test(problems_are_bounded),
	    cmocka_unit_test(nodes_are_bounded),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
