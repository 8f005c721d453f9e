/* tests/unit/top_test.c - what runs, as people see it: amounts, rates of two looks, order, lines, keys. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include <math.h>

#include "tools/tunnel/amount.h"
#include "tools/tunnel/top.h"

static void amounts(void **state)
{
	static const struct {
		double bytes;
		const char *text;
	} bytes[] = {{0, "0 B"},
		     {1023, "1023 B"},
		     {1024, "1.00 KB"},
		     {1536, "1.50 KB"},
		     {1048576, "1.00 MB"},
		     {5.5 * (1 << 30), "5.50 GB"},
		     {1099511627776.0, "1.00 TB"},
		     {1e18, "909494.70 TB"},
		     {(double)NAN, "-"}};
	static const struct {
		double seconds;
		const char *text;
	} spans[] = {{0, "0s"},		 {59.9, "59s"},	     {60, "1m 00s"},	{3599, "59m 59s"},
		     {3600, "1h 00m"},	 {86399, "23h 59m"}, {86400, "1d 00h"}, {1e6, "11d 13h"},
		     {(double)NAN, "-"}, {-5, "-"}};
	char text[AMOUNT_SIZE];
	for (size_t i = 0; i < COUNT_OF(bytes); i++)
		assert_string_equal(amount_bytes(bytes[i].bytes, text), bytes[i].text);
	for (size_t i = 0; i < COUNT_OF(spans); i++)
		assert_string_equal(amount_span(spans[i].seconds, text), spans[i].text);
	assert_string_equal(amount_rate(2048, text), "2.00 KB/s");
	assert_string_equal(amount_rate((double)NAN, text), "-");
}

static const char *put(const char *text, size_t width, bool right)
{
	static char line[64];
	line[0] = 0;
	text_put(line, sizeof line, 0, text, width, right);
	return line;
}

static void texts_fill_their_columns(void **state)
{
	assert_string_equal(put("abc", 5, false), "abc  ");
	assert_string_equal(put("abc", 5, true), "  abc");
	assert_string_equal(put("abcdef", 5, false), "abcd~");
	assert_string_equal(put("abcdef", 5, true), "abcd~");
	assert_string_equal(put("abcde", 5, true), "abcde");
	assert_string_equal(put("", 2, false), "  ");
	assert_string_equal(put("abc", 0, false), "");
	assert_string_equal(put("abc", 1, false), "~");
	assert_string_equal(put("\xc3\xa9t\xc3\xa9", 4, false), "\xc3\xa9t\xc3\xa9 ");
	assert_int_equal(text_width("\xe4\xb8\xad\xe6\x96\x87"), 4);
	assert_string_equal(put("\xe4\xb8\xad\xe6\x96\x87", 4, false), "\xe4\xb8\xad\xe6\x96\x87");
	assert_string_equal(put("\xe4\xb8\xad\xe6\x96\x87", 3, false), "\xe4\xb8\xad~");
	/* what moves the cursor, turns the writing, or is no text */
	assert_string_equal(put("a\x1b[2Jb", 9, false), "a?[2Jb   ");
	assert_string_equal(put("a\xc2\x9b"
				"b\n\x7f",
				6, false),
			    "a?b?? ");
	assert_string_equal(put("a\xe2\x80\xae"
				"b",
				4, false),
			    "a?b ");
	assert_string_equal(put("a\xff\xc3", 4, false), "a?? ");
	/* never more than there is room for */
	char line[4] = "";
	text_put(line, sizeof line, 0, "abcdefgh", 8, false);
	assert_string_equal(line, "abc");
}

/* ---- tables ---- */

static const struct view_column columns[] = {
    {"NAME", VIEW_TEXT, 'n', 0, {0, 0}},   {"IN", VIEW_BYTES, 0, 3, {0, 0}},
    {"OUT", VIEW_BYTES, 0, 2, {0, 0}},	   {"RATE", VIEW_RATE, 'R', 4, {1, 2}},
    {"STALLED", VIEW_STALL, 0, 1, {0, 0}},
};

static struct view_row *add(struct view *view, const char *name, double in, double out)
{
	struct view_row *row = view_add(view, name);
	view_set_text(view, row, 0, name);
	row->numbers[1] = in;
	row->numbers[2] = out;
	return row;
}

static const char *order(const struct view *view)
{
	static char text[64];
	text[0] = 0;
	for (size_t i = 0; i < view->count; i++)
		snprintf(text + strlen(text), sizeof text - strlen(text), "%s ", view->rows[i].key);
	return text;
}

static void rates_of_two_looks(void **state)
{
	struct view before, view;
	view_init(&before, "t", columns, COUNT_OF(columns));
	view_init(&view, "t", columns, COUNT_OF(columns));
	add(&before, "c", 0, 0);
	add(&before, "b", 1000, 500);
	add(&before, "a", 5000, 0)->stalls[1] = 10;
	add(&view, "a", 4000, 0)->stalls[1] = 11;
	add(&view, "b", 3000, 1500)->stalls[3] = 0.5;
	add(&view, "new", 9000, 9000);
	add(&view, "c", (double)NAN, 4);
	add(&before, "d", 0, 0);
	add(&view, "d", (double)NAN, 4)->stalls[2] = 2.1;
	view_compare(&view, &before, 2);
	assert_true(isnan(view.rows[0].numbers[3])); /* begun anew */
	assert_true(view.rows[0].numbers[4] == 0.5);
	assert_int_equal(view.rows[0].cause, 1);
	assert_true(view.rows[1].numbers[3] == 1500);
	assert_true(view.rows[1].numbers[4] == 0.25);
	assert_int_equal(view.rows[1].cause, 3);
	assert_true(isnan(view.rows[2].numbers[3]));
	assert_true(isnan(view.rows[3].numbers[3]));
	view_sort(&view, 3, false);
	assert_string_equal(order(&view), "b a c d new ");
	view_sort(&view, 4, false);
	assert_string_equal(order(&view), "d a b c new ");
	assert_true(view.rows[0].numbers[4] == 1); /* of all the time, and not of more */
	view_fini(&before);
	view_init(&before, "t", columns, COUNT_OF(columns));
	view_compare(&view, &before, 2);
	view_compare(&view, &before, 0);
	view_fini(&before);
	view_fini(&view);
}

static void rows_in_order(void **state)
{
	struct view view;
	view_init(&view, "t", columns, COUNT_OF(columns));
	view_sort(&view, 0, false);
	add(&view, "b", 5, 1);
	add(&view, "d", (double)NAN, 1);
	add(&view, "a", 7, 1);
	add(&view, "c", 5, 1);
	view_sort(&view, 0, false);
	assert_string_equal(order(&view), "a b c d ");
	view_sort(&view, 0, true);
	assert_string_equal(order(&view), "d c b a ");
	view_sort(&view, 1, false);
	assert_string_equal(order(&view), "a b c d ");
	view_sort(&view, 1, true);
	assert_string_equal(order(&view), "b c a d ");
	view_fini(&view);
}

static void lines_of_a_table(void **state)
{
	struct view view;
	struct view_layout layout;
	char line[VIEW_LINE_SIZE];
	view_init(&view, "t", columns, COUNT_OF(columns));
	struct view_row *row = add(&view, "a-long-name", 2048, (double)NAN);
	view_layout(&view, 0, 1, &layout);
	view_head(&view, &layout, 0, line);
	assert_string_equal(line, "NAME*                IN         OUT");
	view_line(&view, &layout, 0, line);
	assert_string_equal(line, "a-long-name     2.00 KB           -");
	row->numbers[3] = 10;
	row->numbers[4] = 0.4;
	row->cause = 2;
	view_layout(&view, 0, 2, &layout);
	view_head(&view, &layout, 3, line);
	assert_string_equal(line, "NAME                 IN         OUT         RATE*  STALLED");
	view_line(&view, &layout, 0, line);
	assert_string_equal(line, "a-long-name     2.00 KB           -        10 B/s  link 40%");
	/* the least wanted go first, then the name is cut */
	view_layout(&view, 40, 2, &layout);
	view_head(&view, &layout, -1, line);
	assert_string_equal(line, "NAME                 IN          RATE");
	view_layout(&view, 20, 2, &layout);
	view_line(&view, &layout, 0, line);
	assert_string_equal(line, "a-long-name");
	view_layout(&view, 6, 2, &layout);
	view_line(&view, &layout, 0, line);
	assert_string_equal(line, "a-lon~");
	view_fini(&view);
}

static void rows_are_bounded(void **state)
{
	struct view view;
	view_init(&view, "t", columns, COUNT_OF(columns));
	for (int i = 0; i < VIEW_ROWS_MAX; i++)
		assert_non_null(view_add(&view, "x"));
	assert_false(view.no_memory);
	assert_null(view_add(&view, "x"));
	assert_true(view.no_memory);
	view_fini(&view);
}

/* ---- what others tell ---- */

static void take(struct look *look, enum look_table table, const char *json)
{
	const char *fault = "";
	if (!look_read(look, table, slice_of(json), 1000, &fault))
		fail_msg("%s: %s", json, fault);
}

/* Each column of a row, with bars between; what is not known as '-'. */
static const char *told(const struct look *look, enum look_table table, size_t row)
{
	static char text[512];
	const struct view *view = &look->views[table];
	text[0] = 0;
	for (int i = 0; i < view->column_count; i++) {
		size_t used = strlen(text);
		double number = view->rows[row].numbers[i];
		if (view->columns[i].kind == VIEW_TEXT)
			snprintf(text + used, sizeof text - used, "%s|", view->rows[row].texts[i]);
		else if (isnan(number))
			snprintf(text + used, sizeof text - used, "-|");
		else
			snprintf(text + used, sizeof text - used, "%g|", number);
	}
	return text;
}

static void the_originals_statistics(void **state)
{
	struct look look;
	look_init(&look);
	take(
	    &look, LOOK_PUBLISHED,
	    "[{\"name\": \"web\", \"publish_addr\": \"0.0.0.0\", \"publish_port\": 8080, \"local_port\": "
	    "3000,"
	    "\"total_connections\": 7, \"active_connections\": 2, \"bytes_sent\": 10, \"bytes_received\": 20,"
	    "\"start_time\": 900}, {\"name\": \"bare\"}, 5]");
	assert_int_equal(look.views[LOOK_PUBLISHED].count, 2);
	assert_string_equal(told(&look, LOOK_PUBLISHED, 0), "web||0.0.0.0:8080|3000||2|7|10|20|-|-|100|");
	assert_string_equal(told(&look, LOOK_PUBLISHED, 1), "bare|||-||-|-|-|-|-|-|-|");
	look_fini(&look);
	look_init(&look);
	take(
	    &look, LOOK_PUBLISHED,
	    "[{\"name\": \"web\", \"proxy_type\": \"Tcp\", \"bind_addr\": \"127.0.0.1\", \"bind_port\": 3000,"
	    "\"target_addr\": \"gw.example\", \"target_port\": 8080, \"active_connections\": 1,"
	    "\"total_connections\": 1, \"bytes_sent\": 1, \"bytes_received\": 2, \"start_time\": 999,"
	    "\"status\": \"Idle\"}]");
	assert_string_equal(told(&look, LOOK_PUBLISHED, 0),
			    "web|Tcp|127.0.0.1:3000|-|gw.example:8080|1|1|1|2|-|-|1|");
	look_fini(&look);
}

static const char ours[] =
    "[{\"name\": \"web\", \"publish_addr\": \"::\", \"publish_port\": 8080, \"local_port\": 3000,"
    "\"total_connections\": 7, \"active_connections\": 2, \"bytes_sent\": 10, \"bytes_received\": 20,"
    "\"start_time\": 900, \"kind\": \"proxy\", \"identity\": \"edge\", \"peer\": \"10.0.0.1:5\", \"links\": "
    "1,"
    "\"visitor_total_connections\": 1, \"visitor_active_connections\": 1, \"visitor_bytes_sent\": 5,"
    "\"visitor_bytes_received\": 6}]";
static const char links[] =
    "[{\"id\": \"2\", \"protocol\": \"tls-tunnel\", \"role\": \"gateway\", \"peer\": \"10.0.0.1:5\","
    "\"identity\": \"edge\", \"since\": 990.5, \"channels\": 1, \"bytes_in\": 100, \"bytes_out\": 200,"
    "\"rtt_ms\": 1.5, \"state\": \"open\"}]";

static void channel(struct look *look, double socket, int bytes)
{
	char text[512];
	snprintf(text, sizeof text,
		 "[{\"id\": \"5\", \"session\": \"2\", \"kind\": \"published\", \"source\": \"u:1\","
		 "\"target\": \"web:8080\", \"state\": \"open\", \"since\": 999, \"bytes_in\": %d,"
		 "\"bytes_out\": 0, \"queued_bytes\": 3, \"stalled_seconds\": {\"peer\": 0, \"socket\": %g,"
		 "\"link\": 0, \"memory\": 0}}]",
		 bytes, socket);
	take(look, LOOK_CHANNELS, text);
}

static void looks_of_ours(void **state)
{
	struct look first, second;
	look_init(&first);
	look_init(&second);
	take(&first, LOOK_PUBLISHED, ours);
	take(&first, LOOK_LINKS, links);
	channel(&first, 0, 0);
	take(&second, LOOK_PUBLISHED, ours);
	take(&second, LOOK_LINKS, links);
	channel(&second, 1, 4096);
	first.at = 10;
	second.at = 12;
	assert_string_equal(told(&second, LOOK_PUBLISHED, 0),
			    "web|proxy|[::]:8080|3000|edge|3|8|15|26|-|-|100|");
	assert_string_equal(told(&second, LOOK_LINKS, 0),
			    "10.0.0.1:5|tls-tunnel|gateway|edge|open|1|100|200|-|1.5|-|9.5|");
	assert_string_equal(told(&second, LOOK_CHANNELS, 0),
			    "u:1|web:8080|published|open|10.0.0.1:5|3|4096|0|-|-|1|");
	look_compare(&second, &first);
	/* half of the time, on the channel and on what it belongs to */
	assert_string_equal(told(&second, LOOK_PUBLISHED, 0),
			    "web|proxy|[::]:8080|3000|edge|3|8|15|26|0|0.5|100|");
	assert_string_equal(told(&second, LOOK_LINKS, 0),
			    "10.0.0.1:5|tls-tunnel|gateway|edge|open|1|100|200|0|1.5|0.5|9.5|");
	assert_string_equal(told(&second, LOOK_CHANNELS, 0),
			    "u:1|web:8080|published|open|10.0.0.1:5|3|4096|0|2048|0.5|1|");
	assert_int_equal(second.views[LOOK_PUBLISHED].rows[0].cause, 1);
	look_fini(&first);
	look_fini(&second);
}

static void what_is_no_statistics(void **state)
{
	static const char *const texts[] = {"", "{}", "[", "<html>", "[]]", "\"x\"", "null"};
	for (size_t i = 0; i < COUNT_OF(texts); i++) {
		struct look look;
		const char *fault = NULL;
		look_init(&look);
		assert_false(look_read(&look, LOOK_PUBLISHED, slice_of(texts[i]), 1000, &fault));
		assert_non_null(fault);
		look_fini(&look);
	}
}

/* ---- keys ---- */

static void keys_in_bytes(void **state)
{
	static const struct {
		const char *bytes;
		bool alone;
		size_t used;
		int keys[4];
	} cases[] = {
	    {"q", false, 1, {'q'}},
	    {"ab", false, 2, {'a', 'b'}},
	    {"\x1b", false, 0, {0}},
	    {"\x1b", true, 1, {TOP_KEY_ESCAPE}},
	    {"\x1b[", false, 0, {0}},
	    {"\x1b[", true, 2, {0}},
	    {"\x1b[A\x1b[B", false, 6, {TOP_KEY_UP, TOP_KEY_DOWN}},
	    {"\x1bOC", false, 3, {TOP_KEY_RIGHT}},
	    {"\x1b[5~\x1b[6~", false, 8, {TOP_KEY_PAGE_UP, TOP_KEY_PAGE_DOWN}},
	    {"\x1b[5", false, 0, {0}},
	    {"\x1b[1;5Cx", false, 7, {'x'}},
	    {"\x1b[Z", false, 3, {TOP_KEY_TAB_BACK}},
	    {"\x1bq", false, 2, {TOP_KEY_ESCAPE, 'q'}},
	    {"\xc3\xa9", false, 2, {0xc3, 0xa9}},
	};
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		int keys[TOP_KEYS_MAX] = {0};
		size_t count, wanted = 0;
		size_t used =
		    top_read_keys(cases[i].bytes, strlen(cases[i].bytes), cases[i].alone, keys, &count);
		while (wanted < 4 && cases[i].keys[wanted])
			wanted++;
		if (used != cases[i].used || count != wanted)
			fail_msg("case %zu: %zu bytes, %zu keys", i, used, count);
		for (size_t j = 0; j < count; j++)
			assert_int_equal(keys[j], cases[i].keys[j]);
	}
}

static void keys_at_work(void **state)
{
	struct top top;
	struct look look;
	look_init(&look);
	take(&look, LOOK_PUBLISHED, ours);
	top_init(&top);
	top_press(&top, &look, '\t');
	assert_int_equal(top.table, LOOK_PUBLISHED); /* nothing else is told */
	take(&look, LOOK_LINKS, links);
	channel(&look, 0, 0);
	top_press(&top, &look, '\t');
	assert_int_equal(top.table, LOOK_LINKS);
	top_press(&top, &look, 'c');
	assert_string_equal(look.views[LOOK_LINKS].columns[top.sorted[LOOK_LINKS]].title, "CHANNELS");
	top_press(&top, &look, '<');
	assert_string_equal(look.views[LOOK_LINKS].columns[top.sorted[LOOK_LINKS]].title, "STATE");
	top_press(&top, &look, TOP_KEY_TAB_BACK);
	assert_int_equal(top.table, LOOK_PUBLISHED);
	assert_int_equal(top.sorted[LOOK_PUBLISHED], 0);
	top_press(&top, &look, '<');
	assert_int_equal(top.sorted[LOOK_PUBLISHED], PUBLISHED_UPTIME);
	top_press(&top, &look, '>');
	assert_int_equal(top.sorted[LOOK_PUBLISHED], PUBLISHED_NAME);
	top_press(&top, &look, 'R');
	assert_int_equal(top.sorted[LOOK_PUBLISHED], PUBLISHED_RATE);
	assert_false(top.reverse[LOOK_PUBLISHED]);
	top_press(&top, &look, 'R');
	assert_true(top.reverse[LOOK_PUBLISHED]);
	assert_false(top.ask_now);
	top_press(&top, &look, 'r');
	assert_true(top.ask_now);
	assert_false(top.quit);
	top_press(&top, &look, TOP_KEY_ESCAPE);
	assert_true(top.quit);
	look_fini(&look);
}

/* ---- frames ---- */

static char lines[40][VIEW_LINE_SIZE];

static void draw(struct top *top, struct look *look)
{
	struct frame frame = {lines, top->height};
	top_draw(top, look, &frame);
	for (size_t i = 0; i < frame.count && !top->color; i++)
		assert_true(text_width(lines[i]) <= top->width);
}

static void frames(void **state)
{
	struct top top;
	struct look look;
	look_init(&look);
	take(&look, LOOK_PUBLISHED, ours);
	take(&look, LOOK_LINKS, links);
	channel(&look, 0, 0);
	top_init(&top);
	top.url = "http://h:1";
	top.looks = 1;
	top.height = 8;
	draw(&top, &look);
	assert_string_equal(lines[0], "tunnel top   http://h:1   published 1   links 1   channels 1   -");
	assert_string_equal(lines[1], "[proxies]   links    channels   ");
	assert_memory_equal(lines[2], "NAME*  KIND   PUBLISHED", 23);
	assert_memory_equal(lines[3], "web    proxy  [::]:8080", 23);
	assert_string_equal(lines[4], "");
	assert_memory_equal(lines[7], "q quit  r refresh", 17);
	top.looks = 2;
	snprintf(top.trouble, sizeof top.trouble, "nobody listens");
	draw(&top, &look);
	assert_string_equal(lines[7], "nobody listens");
	assert_non_null(strstr(lines[0], "0 B/s"));
	assert_null(strchr(lines[2], '\x1b'));
	top.color = true;
	draw(&top, &look);
	assert_memory_equal(lines[2], "\x1b[7mNAME*", 9);
	top.color = false;
	for (top.height = 1; top.height < 40; top.height += 3)
		for (top.width = 1; top.width < 300; top.width += 7)
			draw(&top, &look);
	look_fini(&look);
}

static void long_tables_scroll(void **state)
{
	struct top top;
	struct look look;
	look_init(&look);
	look.told[LOOK_PUBLISHED] = true;
	for (int i = 0; i < 30; i++) {
		char name[8];
		snprintf(name, sizeof name, "p%02d", i);
		struct view_row *row = view_add(&look.views[LOOK_PUBLISHED], name);
		view_set_text(&look.views[LOOK_PUBLISHED], row, PUBLISHED_NAME, name);
	}
	top_init(&top);
	top.height = 14;
	draw(&top, &look);
	assert_memory_equal(lines[3], "p00", 3);
	assert_memory_equal(lines[12], "p09", 3);
	top_press(&top, &look, TOP_KEY_PAGE_DOWN);
	draw(&top, &look);
	assert_memory_equal(lines[3], "p10", 3);
	top_press(&top, &look, TOP_KEY_END);
	top_press(&top, &look, TOP_KEY_DOWN);
	draw(&top, &look);
	assert_memory_equal(lines[3], "p20", 3);
	assert_memory_equal(lines[12], "p29", 3);
	top_press(&top, &look, TOP_KEY_UP);
	draw(&top, &look);
	assert_memory_equal(lines[3], "p19", 3);
	top.height = 40;
	draw(&top, &look);
	assert_memory_equal(lines[3], "p00", 3);
	top_press(&top, &look, 'n');
	draw(&top, &look);
	assert_memory_equal(lines[3], "p29", 3);
	look_fini(&look);
}

/* ---- where to ask ---- */

/* Whom a URL trusts. */
static void trust(void **state)
{
	static const char digits[] = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
	char why[ASK_WHY_SIZE], url[5000];
	struct ask ask;
	assert_true(ask_parse(&ask, "https://h:1", why));
	assert_true(!ask.has_pin && !ask.ca[0]);
	assert_true(ask_parse(&ask, "https://h:1/?ca=/a%20b&", why));
	assert_string_equal(ask.ca, "/a b");
	assert_false(ask.has_pin);
	snprintf(url, sizeof url, "https://h:1/p?&pin=sha256:%s&ca=c", digits);
	assert_true(ask_parse(&ask, url, why));
	assert_string_equal(ask.url, "https://h:1/p");
	assert_string_equal(ask.ca, "c");
	assert_true(ask.has_pin && ask.pin[0] == 0xaa && ask.pin[31] == 0xaa);
	snprintf(url, sizeof url, "https://h:1?pin=sha256:%sa", digits);
	assert_false(ask_parse(&ask, url, why));
	snprintf(url, sizeof url, "https://h:1?ca=%04900d", 0);
	assert_false(ask_parse(&ask, url, why));
	snprintf(url, sizeof url, "https://%0256d:1", 0);
	assert_false(ask_parse(&ask, url, why));
}

static void urls(void **state)
{
	static const struct {
		const char *url, *host;
		uint16_t port;
		const char *path, *prefix;
	} good[] = {
	    {NULL, "127.0.0.1", 9090, "", ""},	    {"http://127.0.0.1:1", "127.0.0.1", 1, "", ""},
	    {"http://h", "h", 9090, "", ""},	    {"h:2", "h", 2, "", ""},
	    {"http://[::1]/", "::1", 9090, "", ""}, {"http://[::1]:3/a/b/", "::1", 3, "", "/a/b"},
	    {"unix:/run/s", "", 0, "/run/s", ""},   {"http://unix:/run/s", "", 0, "/run/s", ""},
	    {"https://h", "h", 9090, "", ""},	    {"https://[::1]:1/a/", "::1", 1, "", "/a"},
	    {"https://h:1?", "h", 1, "", ""},	    {"https://h:1/p?ca=f", "h", 1, "", "/p"},
	};
	static const char *const bad[] = {
	    "",	   "https://", "ftp://h",	    "http://",	      "unix:s",	  "http://u:p@h:1",
	    "h:0", "h:1?x",	  "http://h:1/a b", "http://h:99999", "http://h:",
	    "unix:",	   "https://h?ca=",   "https://h?ca",	"https://h?pin=sha256:xx", "https://h?cb=1",
	    "https://u@h", "https://h?ca=%0", "https://h/#",	"https://unix:/s",	   "http://h?ca=f"};
	char why[ASK_WHY_SIZE];
	for (size_t i = 0; i < COUNT_OF(good); i++) {
		struct ask ask;
		if (!ask_parse(&ask, good[i].url, why))
			fail_msg("%s", why);
		assert_string_equal(ask.host, good[i].host);
		assert_string_equal(ask.path, good[i].path);
		assert_string_equal(ask.prefix, good[i].prefix);
		assert_int_equal(ask.port, good[i].port);
		assert_int_equal(ask.https, good[i].url && strncmp(good[i].url, "https", 5) == 0);
		assert_null(strchr(ask.url, '?'));
	}
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		struct ask ask;
		if (ask_parse(&ask, bad[i], why))
			fail_msg("%s was taken", bad[i]);
		assert_memory_equal(why, "--url ", 6);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(amounts),
	    cmocka_unit_test(texts_fill_their_columns),
	    cmocka_unit_test(rates_of_two_looks),
	    cmocka_unit_test(rows_in_order),
	    cmocka_unit_test(lines_of_a_table),
	    cmocka_unit_test(rows_are_bounded),
	    cmocka_unit_test(the_originals_statistics),
	    cmocka_unit_test(looks_of_ours),
	    cmocka_unit_test(what_is_no_statistics),
	    cmocka_unit_test(keys_in_bytes),
	    cmocka_unit_test(keys_at_work),
	    cmocka_unit_test(frames),
	    cmocka_unit_test(long_tables_scroll),
	    cmocka_unit_test(urls),
	    cmocka_unit_test(trust),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
