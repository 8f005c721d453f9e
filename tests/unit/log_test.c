/* tests/unit/log_test.c - log lines: their shape, hostile values, and a reader that has gone or is asleep. */
#include <setjmp.h>
#include <stdarg.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "tools/tunnel/log_output.c"

static char seen[LOG_LINE_SIZE + 1];
static size_t seen_size;
static int seen_count;

static void sink(enum log_level level, enum log_format format, const char *line, size_t size)
{
	assert_true(size <= LOG_LINE_SIZE);
	memcpy(seen, line, size);
	seen[size] = 0;
	seen_size = size;
	seen_count++;
}

static void text_lines(void **state)
{
	log_start(LOG_INFO, LOG_TEXT, sink);
	log_info("link up", TEXT("peer", "1.2.3.4:5"), NUMBER("channels", -3), TEXT("name", "a b"),
		 TEXT("none", ""));
	assert_string_equal(seen, "info: link up peer=1.2.3.4:5 channels=-3 name=\"a b\" none=\"\"");
	log_error("plain");
	assert_string_equal(seen, "error: plain");
	log_warn("hostile", TEXT("text", "a\nb\x1b[31m\"\\\x7f\xff" "\xe2\x80\xae" "z\xc3\xa4"));
	assert_string_equal(
	    seen, "warn: hostile text=\"a\\x0ab\\x1b[31m\\\"\\\\\\x7f\\xff\\xe2\\x80\\xaez\xc3\xa4\"");
	log_info("bytes", BYTES("b", ((struct slice){(const uint8_t *)"a\0b", 3})));
	assert_string_equal(seen, "info: bytes b=\"a\\x00b\"");
}

static void json_lines(void **state)
{
	log_start(LOG_TRACE, LOG_JSON, sink);
	log_trace("link up", TEXT("peer", "a\"b\n\xff"), NUMBER("n", 7));
	assert_string_equal(
	    seen, "\"level\":\"trace\",\"msg\":\"link up\",\"peer\":\"a\\\"b\\u000a\\u00ff\",\"n\":7}");
}

static void levels(void **state)
{
	enum log_level level;
	log_start(LOG_WARN, LOG_TEXT, sink);
	seen_count = 0;
	log_info("no");
	log_debug("no");
	log_warn("yes");
	log_error("yes");
	assert_int_equal(seen_count, 2);
	assert_true(log_level_parse("debug", &level));
	assert_int_equal(level, LOG_DEBUG);
	assert_false(log_level_parse("loud", &level));
	assert_string_equal(log_level_name(LOG_TRACE), "trace");
	log_start(LOG_TRACE, LOG_TEXT, NULL);
	assert_false(log_enabled(LOG_ERROR));
}

static void long_lines_are_cut(void **state)
{
	static char text[2 * LOG_LINE_SIZE];
	for (size_t size = LOG_LINE_SIZE - 80; size < sizeof text - 1; size += 7) {
		memset(text, size % 2 ? '\n' : 'x', size);
		text[size] = 0;
		log_start(LOG_INFO, LOG_TEXT, sink);
		log_info("long", TEXT("text", text), NUMBER("behind", 1));
		assert_true(seen_size <= LOG_LINE_SIZE);
		log_start(LOG_INFO, LOG_JSON, sink);
		log_info("long", TEXT("text", text), NUMBER("behind", 1));
		assert_int_equal(seen[seen_size - 1], '}');
		assert_int_equal(seen[seen_size - 2] == '"' || seen[seen_size - 2] == '1', true);
	}
}

static int real_stderr;

static void redirect(int fds[2])
{
	assert_int_equal(pipe(fds), 0);
	fcntl(fds[1], F_SETPIPE_SZ, 16384);
	fflush(stderr);
	dup2(fds[1], STDERR_FILENO);
	close(fds[1]);
}

static void restore(void) { dup2(real_stderr, STDERR_FILENO); }

static void the_sink_adds_the_time(void **state)
{
	int fds[2];
	char text[512];
	redirect(fds);
	log_start(LOG_INFO, LOG_TEXT, log_output);
	log_info("one", NUMBER("n", 1));
	log_start(LOG_INFO, LOG_JSON, log_output);
	log_info("two");
	restore();
	ssize_t size = read(fds[0], text, sizeof text - 1);
	assert_true(size > 0);
	text[size] = 0;
	assert_non_null(strstr(text, "Z info: one n=1\n{\"time\":\"20"));
	assert_non_null(strstr(text, "Z\",\"level\":\"info\",\"msg\":\"two\"}\n"));
	close(fds[0]);
}

static void a_sleeping_reader_costs_lines_not_time(void **state)
{
	int fds[2];
	static char text[65536];
	struct timespec start, end;
	uint64_t before = log_output_lost();
	redirect(fds);
	log_start(LOG_INFO, LOG_TEXT, log_output);
	clock_gettime(CLOCK_MONOTONIC, &start);
	for (int i = 0; i < 1000; i++)
		log_info("a line that somebody should read", NUMBER("number", i));
	clock_gettime(CLOCK_MONOTONIC, &end);
	assert_true(log_output_lost() > before + 700);
	assert_true(end.tv_sec - start.tv_sec < 2);
	assert_true(read(fds[0], text, sizeof text) > 0);
	log_info("again");
	restore();
	ssize_t size = read(fds[0], text, sizeof text - 1);
	assert_true(size > 0);
	text[size] = 0;
	assert_non_null(strstr(text, "info: again\n"));
	assert_non_null(strstr(text, "log lines were lost count="));
	close(fds[0]);
}

static void a_closed_pipe_is_survived(void **state)
{
	int fds[2];
	uint64_t before = log_output_lost();
	redirect(fds);
	close(fds[0]);
	log_output_start();
	log_start(LOG_INFO, LOG_TEXT, log_output);
	log_info("nobody reads this");
	log_info("nor this");
	restore();
	assert_int_equal(log_output_lost(), before + 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_lines),
		cmocka_unit_test(json_lines),
		cmocka_unit_test(levels),
		cmocka_unit_test(long_lines_are_cut),
		cmocka_unit_test(the_sink_adds_the_time),
		cmocka_unit_test(a_sleeping_reader_costs_lines_not_time),
		cmocka_unit_test(a_closed_pipe_is_survived),
	};
	real_stderr = dup(STDERR_FILENO);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
