/* tests/unit/http_test.c - exchanges over HTTP/1.1: whatever the pieces, what is refused, and who waits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/http_world.h"

#define OK_HEAD "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"

static void is_said(const char *text)
{
	if (strcmp((char *)http_world.said, text) != 0)
		fail_msg("said %s\nnot %s", (char *)http_world.said, text);
}

static void is_heard(const char *text)
{
	if (strcmp(http_world.heard, text) != 0)
		fail_msg("heard %s\nnot %s", http_world.heard, text);
}

static const struct talk {
	const char *in, *heard, *out;
	bool ends;
} talks[] = {
	{"GET /a?b=c HTTP/1.1\r\nHost: h\r\nX-API-Key: secret\r\n\r\n", "GET /a ?b=c ksecret b\n",
	 OK_HEAD "Content-Length: 0\r\n\r\n", false},
	{"POST /p HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello", "POST /p ? k bhello\n",
	 OK_HEAD "Content-Length: 5\r\n\r\nhello", false},
	{"HEAD / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nab", "HEAD / ? k bab\n",
	 OK_HEAD "Content-Length: 2\r\n\r\n", false},
	{"DELETE /api/token/a%2Fb HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
	 "DELETE /api/token/a%2Fb ? k b\n", OK_HEAD "Content-Length: 0\r\nConnection: close\r\n\r\n", true},
	{"GET / HTTP/1.0\r\n\r\n", "GET / ? k b\n",
	 OK_HEAD "Content-Length: 0\r\nConnection: close\r\n\r\n", true},
	{"GET http://h:8/x?y HTTP/1.1\r\nHost: h\r\n\r\n", "GET /x ?y k b\n",
	 OK_HEAD "Content-Length: 0\r\n\r\n", false},
	{"GET http://h HTTP/1.1\r\nHost: h\r\n\r\n", "GET / ? k b\n", OK_HEAD "Content-Length: 0\r\n\r\n",
	 false},
	{"POST /c HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
	 "3\r\nabc\r\n0A ;x=\"y z\"\r\n0123456789\r\n0\r\nField: v\r\n\r\n",
	 "POST /c ? k babc0123456789\n", OK_HEAD "Content-Length: 13\r\n\r\nabc0123456789", false},
	{"POST /c HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "POST /c ? k b\n",
	 OK_HEAD "Content-Length: 0\r\n\r\n", false},
	{"POST /1 HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\nAGET /2 HTTP/1.1\r\nHost: h\r\n\r\n"
	 "POST /3 HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nB\r\n0\r\n\r\n",
	 "POST /1 ? k bA\nGET /2 ? k b\nPOST /3 ? k bB\n",
	 OK_HEAD "Content-Length: 1\r\n\r\nA" OK_HEAD "Content-Length: 0\r\n\r\n" OK_HEAD
		 "Content-Length: 1\r\n\r\nB", false},
	/* what stands behind a request that closes is nobody's */
	{"GET /1 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\nGET /2 HTTP/1.1\r\nHost: h\r\n\r\n",
	 "GET /1 ? k b\n", OK_HEAD "Content-Length: 0\r\nConnection: close\r\n\r\n", true},
};

static void every_split(void **state)
{
	for (size_t i = 0; i < COUNT_OF(talks); i++) {
		const struct talk *talk = &talks[i];
		struct slice in = slice_of(talk->in);
		for (size_t cut = 0; cut <= in.size; cut++) {
			http_begin();
			http_feed((struct slice){in.at, cut}, SIZE_MAX);
			http_feed((struct slice){in.at + cut, in.size - cut}, SIZE_MAX);
			is_heard(talk->heard);
			is_said(talk->out);
			assert_int_equal(http_world.session == NULL, talk->ends);
			http_close();
		}
		http_begin();
		http_feed(in, 1);
		is_heard(talk->heard);
		is_said(talk->out);
		http_close();
	}
}

#define REFUSED(status) "HTTP/1.1 " status "\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
#define BAD REFUSED("400 Bad Request")
#define CHUNKED "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"

static const struct { const char *in, *out; } refusals[] = {
	{"GET / HTTP/1.1\r\n\r\n", BAD},
	{"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", BAD},
	{"GET / HTTP/1.1\nHost: a\n\n", BAD},
	{"GET / HTTP/1.1\r\nHost: a\r\n b\r\n\r\n", BAD},
	{"GET / HTTP/1.1\r\nHost : a\r\n\r\n", BAD},
	{"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx", BAD},
	{"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1, 1\r\n\r\nx", BAD},
	{"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\nx", BAD},
	{"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
	 BAD},
	{"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", BAD},
	{"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", BAD},
	{"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", BAD},
	{"\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n", BAD},
	{"GET / HTTP/2.0\r\nHost: a\r\n\r\n", REFUSED("505 HTTP Version Not Supported")},
	{"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 65537\r\n\r\n", REFUSED("413 Content Too Large")},
	{"POST / HTTP/1.1\r\nHost: a\r\nExpect: wonders\r\nContent-Length: 1\r\n\r\n", REFUSED("417 ")},
	{CHUNKED "\r\n", BAD},
	{CHUNKED "x\r\n", BAD},
	{CHUNKED ";a\r\n", BAD},
	{CHUNKED "-1\r\n", BAD},
	{CHUNKED "0x1\r\n", BAD},
	{CHUNKED "1\nA", BAD},
	{CHUNKED "1\r\rA", BAD},
	{CHUNKED "1\r\nAB\r\n", BAD},
	{CHUNKED "1\r\nA\n0\r\n", BAD},
	{CHUNKED "1 1\r\nA", BAD},
	{CHUNKED "10001\r\n", REFUSED("413 Content Too Large")},
	{CHUNKED "ffffffffffffffffffff\r\n", REFUSED("413 Content Too Large")},
	{CHUNKED "0\r\nA: b\n", BAD},
	{CHUNKED "0\r\nA: b\rc", BAD},
};

static void refused_requests(void **state)
{
	for (size_t i = 0; i < COUNT_OF(refusals); i++) {
		const char *out = refusals[i].out;
		for (size_t step = 1; step < 400; step += 399) {
			http_begin();
			http_feed(slice_of(refusals[i].in), step);
			if (http_world.session || strcmp((char *)http_world.said, out) != 0) {
				fail_msg("%s\n-> %s", refusals[i].in, (char *)http_world.said);
			} else {
				assert_int_equal(http_world.why, REASON_PROTOCOL);
				is_heard("");
			}
			http_close();
		}
	}
}

static void long_requests(void **state)
{
	static char text[HTTP_BODY_MAX + 20000];
	size_t used = (size_t)sprintf(text, "GET / HTTP/1.1\r\nHost: h\r\nX: ");
	memset(text + used, 'a', 17000);
	http_begin();
	http_feed((struct slice){(uint8_t *)text, 17000}, 1000);
	is_said(REFUSED("431 Request Header Fields Too Large"));
	http_close();
	/* The largest head that fits, and the largest body behind it. */
	used = (size_t)sprintf(text, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\nX: ",
			       HTTP_BODY_MAX);
	memset(text + used, 'a', 16384 - used - 4);
	memcpy(text + 16384 - 4, "\r\n\r\n", 4);
	memset(text + 16384, 'b', HTTP_BODY_MAX);
	http_world.answer.status = 0;
	http_begin();
	http_world.answer = (struct http_exchange){.status = 204};
	http_feed((struct slice){(uint8_t *)text, 16384 + HTTP_BODY_MAX}, 777);
	is_said("HTTP/1.1 204 No Content\r\n\r\n");
	assert_int_equal(http_world.asked.body.size, HTTP_BODY_MAX);
	assert_non_null(http_world.session);
	http_close();
	/* Chunks of one byte up to the limit, and one too many. */
	http_begin();
	http_world.answer = (struct http_exchange){.status = 204};
	http_feed(slice_of(CHUNKED), SIZE_MAX);
	for (int i = 0; i < HTTP_BODY_MAX; i++)
		http_feed(slice_of("1\r\nx\r\n"), SIZE_MAX);
	assert_non_null(http_world.session);
	http_feed(slice_of("1\r\nx\r\n"), SIZE_MAX);
	is_said(REFUSED("413 Content Too Large"));
	http_close();
}

static void the_trailer_is_bounded(void **state)
{
	http_begin();
	http_feed(slice_of(CHUNKED "0\r\n"), SIZE_MAX);
	for (int i = 0; i < 1000 && http_world.session; i++)
		http_feed(slice_of("A: b\r\n"), SIZE_MAX);
	is_said(REFUSED("431 Request Header Fields Too Large"));
	http_close();
	http_begin();
	http_feed(slice_of(CHUNKED "1;"), SIZE_MAX);
	for (int i = 0; i < 1000 && http_world.session; i++)
		http_feed(slice_of("x"), SIZE_MAX);
	is_said(BAD);
	http_close();
}

static void who_expects_to_go_on_is_told(void **state)
{
#define EXPECTS "POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-Continue\r\nContent-Length: 2\r\n\r\n"
	http_begin();
	http_feed(slice_of(EXPECTS), SIZE_MAX);
	is_said("HTTP/1.1 100 Continue\r\n\r\n");
	http_feed(slice_of("ab"), 1);
	is_said("HTTP/1.1 100 Continue\r\n\r\n" OK_HEAD "Content-Length: 2\r\n\r\nab");
	http_close();
	http_begin();                    /* it did not wait */
	http_feed(slice_of(EXPECTS "ab"), SIZE_MAX);
	is_said(OK_HEAD "Content-Length: 2\r\n\r\nab");
	http_close();
	http_begin();                    /* there is nothing to wait for */
	http_feed(slice_of("GET / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\n\r\n"), SIZE_MAX);
	is_said(OK_HEAD "Content-Length: 0\r\n\r\n");
	http_close();
}

static void pipelined_requests_wait(void **state)
{
	http_begin();
	http_world.silent = true;
	http_feed(slice_of("GET /1 HTTP/1.1\r\nHost: h\r\n\r\nGET /2 HTTP/1.1\r\nHost: h\r\n\r\n"), SIZE_MAX);
	is_heard("GET /1 ? k b\n");
	assert_false(session_wants_input(http_world.session));
	/* The answer takes longer than any limit of ours. */
	http_world.hub.now = instant_after(http_world.hub.now, DURATION_S(3600));
	wheel_expire(&http_world.hub.wheel, http_world.hub.now);
	http_turn(65536);
	assert_non_null(http_world.session);
	session_say(http_world.session, EVENT_RESPONSE);
	http_turn(65536);
	is_heard("GET /1 ? k b\nGET /2 ? k b\n");
	is_said(OK_HEAD "Content-Length: 0\r\n\r\n");
	session_say(http_world.session, EVENT_RESPONSE);
	http_turn(65536);
	is_said(OK_HEAD "Content-Length: 0\r\n\r\n" OK_HEAD "Content-Length: 0\r\n\r\n");
	assert_true(session_wants_input(http_world.session));
	http_close();
}

static void large_answers_go_in_parts(void **state)
{
	static uint8_t body[3000000];
	uint64_t random = 7;
	for (size_t i = 0; i < sizeof body; i++)
		body[i] = (uint8_t)random_next(&random);
	http_begin();
	http_world.answer =
	    (struct http_exchange){.status = 200, .content_type = "x/y", .body = {body, sizeof body}};
	http_feed(slice_of("GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"), SIZE_MAX);
	assert_null(http_world.session);
	assert_true(http_world.said_size > sizeof body);
	assert_memory_equal(http_world.said + http_world.said_size - sizeof body, body, sizeof body);
	static const char head[] = "HTTP/1.1 200 OK\r\nContent-Type: x/y\r\nContent-Length: 3000000\r\n";
	assert_memory_equal(http_world.said, head, strlen(head));
	http_close();
}

static void after(struct duration span)
{
	http_world.hub.now = instant_after(http_world.hub.now, span);
	wheel_expire(&http_world.hub.wheel, http_world.hub.now);
	http_turn(65536);
}

/* The socket takes nothing more, or a little now and then: an answer is not held for ever. */
static void answers_that_nobody_reads(void **state)
{
	static uint8_t large[1 << 20];
	for (int reads = 0; reads < 2; reads++) {
		http_begin();
		http_world.silent = true;
		http_world.answer =
		    (struct http_exchange){.status = 200, .body = {large, sizeof large}};
		http_feed(slice_of("GET / HTTP/1.1\r\nHost: h\r\n\r\n"), SIZE_MAX);
		session_say(http_world.session, EVENT_RESPONSE);
		for (int i = 0; i < 12 && http_world.session->state == SESSION_OPEN; i++) {
			if (reads || !i)
				http_pump(40000);
			http_world.hub.now = instant_after(http_world.hub.now, DURATION_S(200));
			wheel_expire(&http_world.hub.wheel, http_world.hub.now);
		}
		assert_int_equal(http_world.session->state, reads ? SESSION_OPEN : SESSION_DEAD);
		assert_int_equal(http_world.session->why, reads ? REASON_OK : REASON_TIMEOUT);
		http_close();
	}
}

static void slow_peers(void **state)
{
	static const struct { const char *in; int64_t waits_s; enum reason why; } cases[] = {
	    {"", 10, REASON_OK},
	    {"GET / HTTP/1.1\r\n", 10, REASON_TIMEOUT},
	    {"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\n", 300, REASON_TIMEOUT},
	    {"GET / HTTP/1.1\r\nHost: h\r\n\r\n", 300, REASON_OK},
	    {"GET / HTTP/1.1\r\nHost: h\r\n\r\nG", 10, REASON_TIMEOUT},
	};
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		http_begin();
		http_feed(slice_of(cases[i].in), SIZE_MAX);
		after(DURATION_MS(cases[i].waits_s * 1000 - 100));
		assert_non_null(http_world.session);
		after(DURATION_S(1));
		assert_null(http_world.session);
		assert_int_equal(http_world.why, cases[i].why);
		http_close();
	}
}

/* A byte now and then does not make a head live longer. */
static void a_head_has_one_limit(void **state)
{
	http_begin();
	for (int i = 0; i < 12 && http_world.session; i++) {
		http_feed(slice_of("G"), 1);
		after(DURATION_S(1));
	}
	assert_null(http_world.session);
	http_close();
}

static void ends(void **state)
{
	static const struct { const char *in; enum reason why; } cases[] = {
	    {"", REASON_OK},
	    {"GET / HTTP/1.1\r\n", REASON_LOST},
	    {"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\n1234", REASON_LOST},
	    {"GET / HTTP/1.1\r\nHost: h\r\n\r\n", REASON_OK},
	};
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		http_begin();
		http_feed(slice_of(cases[i].in), SIZE_MAX);
		http_end();
		assert_null(http_world.session);
		assert_int_equal(http_world.why, cases[i].why);
		http_close();
	}
}

static int all_gone(void **state)
{
	free(http_world.said);
	return 0;
}

static int fresh(void **state)
{
	http_said((struct slice){(uint8_t *)"", 0});
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_split),
		cmocka_unit_test(refused_requests),
		cmocka_unit_test(long_requests),
		cmocka_unit_test(the_trailer_is_bounded),
		cmocka_unit_test(who_expects_to_go_on_is_told),
		cmocka_unit_test(pipelined_requests_wait),
		cmocka_unit_test(large_answers_go_in_parts),
		cmocka_unit_test(answers_that_nobody_reads),
		cmocka_unit_test(slow_peers),
		cmocka_unit_test(a_head_has_one_limit),
		cmocka_unit_test(ends),
	};
	return cmocka_run_group_tests(tests, fresh, all_gone);
}
