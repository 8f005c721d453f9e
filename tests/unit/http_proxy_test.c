/* tests/unit/http_proxy_test.c - the HTTP proxy without a kernel: every request at every split, what goes on
 * to the target byte by byte, what is refused and how, logins, users that are moved in between.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "protocols/codecs/http1.h"
#include "protocols/frontends/http_proxy.h"
#include "tests/unit/user_world.h"

/* ---- the role ---- */

static void user_event(struct session *session, const struct event *event)
{
	if (event->kind == EVENT_AUTH) {
		const struct credentials *credentials = event->credentials;
		note("%.*s/%.*s ", (int)credentials->user.size, (const char *)credentials->user.at,
		     (int)credentials->secret.size, (const char *)credentials->secret.at);
		user_logs_in(session, credentials);
		return;
	}
	note("%s:%u", event->target->host, event->target->port);
	user_opens(event);
}

static const struct role user_role = {.name = "user", .event = user_event, .fill = user_fill};

/* ---- one user ---- */

static unsigned always_418(enum reason reason) { return 418; }

static const struct http_proxy_policy password_policy = {.password = true},
				      connect_policy = {.connect_only = true},
				      status_policy = {.status = always_418};

static void begin(const struct http_proxy_policy *policy)
{
	user_begin(&wire_http_proxy, &user_role);
	if (policy)
		http_proxy_set_policy(user->session, policy);
}

static void hear(struct conn *conn, const char *bytes)
{
	bytes_add(&conn->in, bytes, strlen(bytes));
	world_turns(4, false);
}

static const char *said(struct conn *conn)
{
	bytes_add(&conn->out, "", 1);
	conn->out.size--;
	return (const char *)conn->out.at;
}

static const char *running;

static int name_running(void **state)
{
	if (running)
		print_message("case: %s\n", running);
	running = NULL;
	return 0;
}

/* ---- what goes on ---- */

#define DONE "HTTP/1.1 200 Connection Established\r\n\r\n"
#define END "Connection: close\r\n\r\n"

/* What the user says, what the role is asked, what the target hears. CONNECT is told by its answer. */
static const struct {
	const char *says, *role, *on;
} talks[] = {
	/* CONNECT */
	{"CONNECT a.test:443 HTTP/1.1\r\nHost: a.test:443\r\n\r\n", "a.test:443", ""},
	{"CONNECT a.test:443 HTTP/1.1\r\nHost: a.test:443\r\n\r\nearly\0", "a.test:443", "early"},
	{"CONNECT a.test:443 HTTP/1.0\r\n\r\n\x16\x03\x01", "a.test:443", "\x16\x03\x01"},
	{"CONNECT a.test:443 HTTP/1.1\r\nHost: A.Test\r\n\r\n", "a.test:443", ""},
	{"CONNECT 192.0.2.1:1 HTTP/1.1\r\nHost: 192.0.2.1:1\r\n\r\n", "192.0.2.1:1", ""},
	{"CONNECT [2001:DB8:0::1]:65535 HTTP/1.1\r\nHost: [2001:db8::1]:65535\r\n\r\n", "2001:db8::1:65535",
	 ""},
	{"CONNECT [::ffff:127.0.0.1]:80 HTTP/1.1\r\nHost: [::ffff:127.0.0.1]\r\n\r\n", "127.0.0.1:80", ""},
	{"CONNECT a_b-c.d.:22 HTTP/1.1\r\nHost: a_b-c.d.:22\r\nProxy-Connection: Keep-Alive\r\n"
	 "Proxy-Authorization: Basic eDp5\r\nContent-Length: 0\r\n\r\nSSH-2.0", "a_b-c.d.:22", "SSH-2.0"},
	{"CONNECT a:00080 HTTP/1.1\r\nHost: a:80\r\n\r\nGET / HTTP/1.1\r\n\r\n", "a:80",
	 "GET / HTTP/1.1\r\n\r\n"},
	/* the absolute form */
	{"GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n", "a.test:80",
	 "GET / HTTP/1.1\r\nHost: a.test\r\n" END},
	{"GET http://a.test HTTP/1.1\r\nHost: a.test\r\n\r\n", "a.test:80",
	 "GET / HTTP/1.1\r\nHost: a.test\r\n" END},
	{"GET HTTP://A.test?b=//c HTTP/1.1\r\nhost:a.test:80\r\n\r\n", "A.test:80",
	 "GET /?b=//c HTTP/1.1\r\nhost:a.test:80\r\n" END},
	{"GET http://a.test:8080/x/y?z=http://q HTTP/1.0\r\n\r\n", "a.test:8080",
	 "GET /x/y?z=http://q HTTP/1.0\r\nHost: a.test:8080\r\n" END},
	{"GET http://[::1]:81/ HTTP/1.1\r\nHost: [0::1]:81\r\n\r\n", "::1:81",
	 "GET / HTTP/1.1\r\nHost: [0::1]:81\r\n" END},
	{"OPTIONS http://a.test HTTP/1.1\r\nHost: a.test\r\n\r\n", "a.test:80",
	 "OPTIONS * HTTP/1.1\r\nHost: a.test\r\n" END},
	{"OPTIONS http://a.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n", "a.test:80",
	 "OPTIONS / HTTP/1.1\r\nHost: a.test\r\n" END},
	{"X-ODD http://a/%20b HTTP/1.1\r\nX: 1\r\nHOST: a\r\nx: 2\r\nX: 1\r\nY:\r\nZ: a  b \t\r\n\r\n",
	 "a:80",
	 "X-ODD /%20b HTTP/1.1\r\nX: 1\r\nHOST: a\r\nx: 2\r\nX: 1\r\nY:\r\nZ: a  b\r\n" END},
	{"GET http://a/ HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, X-Hop,,\tUpgrade\r\nX-HOP: 1\r\n"
	 "Keep-Alive: timeout=5\r\nProxy-Connection: keep-alive\r\nTE: trailers\r\nUpgrade: h2c\r\n"
	 "connection: other\r\nOther: 2\r\nX-Hops: 3\r\nProxy-Authorization: Basic eDp5\r\n"
	 "Proxy-Authenticate: no\r\nTrailer: T\r\nExpect: 100-continue\r\nAuthorization: Basic eDp5\r\n\r\n",
	 "a:80",
	 "GET / HTTP/1.1\r\nHost: a\r\nX-Hops: 3\r\nTrailer: T\r\nExpect: 100-continue\r\n"
	 "Authorization: Basic eDp5\r\n" END},
	/* bodies: up to their end, and nothing behind it */
	{"POST http://a/ HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhelloGET http://b/ HTTP/1.1\r\n",
	 "a:80", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n" END "hello"},
	{"POST http://a/ HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\nGET http://b/ HTTP/1.1\r\n", "a:80",
	 "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n" END},
	{"GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\nGET http://b/ HTTP/1.1\r\nHost: b\r\n\r\n", "a:80",
	 "GET / HTTP/1.1\r\nHost: a\r\n" END},
#define CHUNKS "POST http://a/ HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n"
#define CHUNKS_ON "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n" END
#define CHUNKED(body) {CHUNKS body "behind", "a:80", CHUNKS_ON body}
	CHUNKED("0\r\n\r\n"),
	CHUNKED("5\r\nhello\r\n0\r\n\r\n"),
	CHUNKED("00A\r\n0123456789\r\n1\r\n\r\r\n000\r\n\r\n"),
	CHUNKED("a;b=\"c d\";e\r\n\r\n0\r\n\r\nabc\r\n0;last\r\n\r\n"),
	CHUNKED("3 \t; x = y \r\nabc\r\n0\r\n\r\n"),
	CHUNKED("1\r\nx\r\n0\r\nA: b\r\nC-d:\r\nE:  f\tg \r\n\r\n"),
};

static void every_talk(void **state)
{
	for (size_t i = 0; i < COUNT_OF(talks); i++) {
		struct slice says = slice_of(talks[i].says);
		running = talks[i].says;
		for (size_t piece = 1; piece <= says.size; piece++) {
			begin(NULL);
			say_in_pieces(says, piece);
			assert_string_equal(heard, talks[i].role);
			assert_string_equal(said(user), memcmp(says.at, "CONNECT", 7) ? "" : DONE);
			assert_non_null(far);
			assert_string_equal(said(far), talks[i].on);
			assert_false(user->gone || far->shut);
			world_close();
		}
		/* in two pieces, wherever they are cut; and its target is placed later */
		for (size_t cut = 1; cut < says.size; cut++) {
			begin(NULL);
			never_answers = true;
			say_in_pieces((struct slice){says.at, cut}, SIZE_MAX);
			say_in_pieces((struct slice){says.at + cut, says.size - cut}, SIZE_MAX);
			assert_string_equal(heard, talks[i].role);
			struct channel *channel = session_only_channel(user->session);
			join(channel->pair, &channel->target);
			world_turns(4, false);
			assert_string_equal(said(far), talks[i].on);
			world_close();
		}
	}
	running = NULL;
}

/* ---- what is refused ---- */

#define GET "GET http://a/ HTTP/1.1\r\n"
#define CONNECT "CONNECT a:1 HTTP/1.1\r\n"
#define HOST "Host: a\r\n"

static const struct {
	unsigned status;
	const char *says;
} bad[] = {
	/* for a server, not for a proxy */
	{400, "GET / HTTP/1.1\r\nHost: a\r\n\r\n"},
	{400, "GET /http://a/ HTTP/1.1\r\nHost: a\r\n\r\n"},
	{400, "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n"},
	{400, "GET https://a/ HTTP/1.1\r\nHost: a\r\n\r\n"},
	{400, "GET HTTPS://a/ HTTP/1.1\r\nHost: a\r\n\r\n"},
	{400, "GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n"},
	{400, "GET a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n"},
	{400, "GET http:/a/ HTTP/1.1\r\nHost: a\r\n\r\n"},
	{400, "GET http:a HTTP/1.1\r\nHost: a\r\n\r\n"},
	{400, "HTTP/1.1 200 OK\r\n\r\n"},
	/* targets of CONNECT */
	{400, "CONNECT a HTTP/1.1\r\nHost: a\r\n\r\n"},
	{400, "CONNECT a: HTTP/1.1\r\nHost: a:\r\n\r\n"},
	{400, "CONNECT a:0 HTTP/1.1\r\nHost: a:0\r\n\r\n"},
	{400, "CONNECT a:65536 HTTP/1.1\r\nHost: a:65536\r\n\r\n"},
	{400, "CONNECT a:000080 HTTP/1.1\r\nHost: a:000080\r\n\r\n"},
	{400, "CONNECT a:+1 HTTP/1.1\r\nHost: a:1\r\n\r\n"},
	{400, "CONNECT a:1x HTTP/1.1\r\nHost: a:1\r\n\r\n"},
	{400, "CONNECT a:1:2 HTTP/1.1\r\nHost: a:1\r\n\r\n"},
	{400, "CONNECT :1 HTTP/1.1\r\nHost: :1\r\n\r\n"},
	{400, "CONNECT ::1:1 HTTP/1.1\r\nHost: ::1:1\r\n\r\n"},
	{400, "CONNECT [::1] HTTP/1.1\r\nHost: [::1]\r\n\r\n"},
	{400, "CONNECT [::1:1 HTTP/1.1\r\nHost: [::1:1\r\n\r\n"},
	{400, "CONNECT [::1]1 HTTP/1.1\r\nHost: [::1]1\r\n\r\n"},
	{400, "CONNECT [] HTTP/1.1\r\nHost: a\r\n\r\n"},
	{400, "CONNECT []:1 HTTP/1.1\r\nHost: []:1\r\n\r\n"},
	{400, "CONNECT [a]:1 HTTP/1.1\r\nHost: [a]:1\r\n\r\n"},
	{400, "CONNECT [1.2.3.4]:1 HTTP/1.1\r\nHost: [1.2.3.4]:1\r\n\r\n"},
	{400, "CONNECT [fe80::1%eth0]:1 HTTP/1.1\r\nHost: [fe80::1%eth0]:1\r\n\r\n"},
	{400, "CONNECT u@a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n"},
	{400, "CONNECT a/b:1 HTTP/1.1\r\nHost: a:1\r\n\r\n"},
	{400, "CONNECT a..b:1 HTTP/1.1\r\nHost: a..b:1\r\n\r\n"},
	{400, "CONNECT .a:1 HTTP/1.1\r\nHost: .a:1\r\n\r\n"},
	{400, "CONNECT %61:1 HTTP/1.1\r\nHost: %61:1\r\n\r\n"},
	{400, "CONNECT http://a:1/ HTTP/1.1\r\nHost: a:1\r\n\r\n"},
	{400, "CONNECT / HTTP/1.1\r\nHost: a\r\n\r\n"},
	{400, "connect a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n"},
	/* of URLs */
	{400, "GET http:// HTTP/1.1\r\nHost: a\r\n\r\n"},
	{400, "GET http:/// HTTP/1.1\r\nHost: a\r\n\r\n"},
	{400, "GET http://?a HTTP/1.1\r\nHost: a\r\n\r\n"},
	{400, "GET http://u@a/ HTTP/1.1\r\nHost: a\r\n\r\n"},
	{400, "GET http://u:p@a/ HTTP/1.1\r\nHost: a\r\n\r\n"},
	{400, "GET http://a:/ HTTP/1.1\r\nHost: a\r\n\r\n"},
	{400, "GET http://a:x/ HTTP/1.1\r\nHost: a\r\n\r\n"},
	{400, "GET http://a\\b/ HTTP/1.1\r\nHost: a\r\n\r\n"},
	{400, "GET http://a/#b HTTP/1.1\r\nHost: a\r\n\r\n"},
	{400, "GET http://[::1]x/ HTTP/1.1\r\nHost: [::1]\r\n\r\n"},
	/* whom it is for */
	{400, GET "\r\n"},
	{400, GET "Host: \r\n\r\n"},
	{400, GET HOST HOST "\r\n"},
	{400, GET "Host: b\r\n\r\n"},
	{400, GET "Host: a:81\r\n\r\n"},
	{400, GET "Host: a, a\r\n\r\n"},
	{400, GET "Host: u@a\r\n\r\n"},
	{400, GET "Host: a.\r\n\r\n"},
	{400, "GET http://a:81/ HTTP/1.1\r\nHost: a\r\n\r\n"},
	{400, "GET http://a/ HTTP/1.0\r\nHost: b\r\n\r\n"},
	{400, CONNECT "Host: b:1\r\n\r\n"},
	{400, CONNECT "Host: a:2\r\n\r\n"},
	{400, CONNECT "Host:\r\n\r\n"},
	{400, CONNECT "\r\n"},
	/* how it is framed */
	{400, GET HOST "Content-Length: 1\r\nContent-Length: 1\r\n\r\nx"},
	{400, GET HOST "Content-Length: 1, 1\r\n\r\nx"},
	{400, GET HOST "Content-Length: -1\r\n\r\n"},
	{400, GET HOST "Content-Length: 0x1\r\n\r\nx"},
	{400, GET HOST "Content-Length: 9999999999999999999\r\n\r\n"},
	{400, GET HOST "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},
	{400, GET HOST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},
	{400, GET HOST "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"},
	{400, GET HOST "Transfer-Encoding: identity\r\n\r\n"},
	{400, GET HOST "Transfer-Encoding: \x0b"
		       "chunked\r\n\r\n0\r\n\r\n"},
	{400, "GET http://a/ HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},
	{400, CONNECT "Host: a:1\r\nContent-Length: 1\r\n\r\nx"},
	{400, CONNECT "Host: a:1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},
	{400, GET HOST "Connection: close, Content-Length\r\nContent-Length: 1\r\n\r\nx"},
	{400, GET HOST "Connection: transfer-encoding\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},
	{400, GET HOST "Connection: HOST\r\n\r\n"},
	{400, GET HOST "Proxy-Authorization: Basic eDp5\r\nProxy-Authorization: Basic eDp5\r\n\r\n"},
	/* lines */
	{400, "GET http://a/ HTTP/1.1\nHost: a\n\n"},
	{400, GET "Host: a\n\r\n"},
	{400, GET HOST "\n"},
	{400, GET HOST "X: a\rb\r\n\r\n"},
	{400, GET HOST "X: a\r\n b\r\n\r\n"},
	{400, GET HOST "X: a\r\n\tContent-Length: 5\r\n\r\n"},
	{400, GET HOST "X: a\x01\r\n\r\n"},
	{400, GET HOST "X : a\r\n\r\n"},
	{400, GET "Host : a\r\n\r\n"},
	{400, GET " Host: a\r\n\r\n"},
	{400, GET HOST "X\r\n\r\n"},
	{400, GET HOST ": a\r\n\r\n"},
	{400, "\r\n" GET HOST "\r\n"},
	{400, "GET  http://a/ HTTP/1.1\r\nHost: a\r\n\r\n"},
	{400, "GET http://a/ HTTP/1.1 \r\nHost: a\r\n\r\n"},
	{400, "GET http://a/ b HTTP/1.1\r\nHost: a\r\n\r\n"},
	{400, "GET\thttp://a/ HTTP/1.1\r\nHost: a\r\n\r\n"},
	{400, "GET http://a/\r\n\r\n"},
	{400, "GET http://a/\x80 HTTP/1.1\r\nHost: a\r\n\r\n"},
	{505, "GET http://a/ HTTP/2.0\r\nHost: a\r\n\r\n"},
	{505, "GET http://a/ HTTP/1.2\r\nHost: a\r\n\r\n"},
	{400, "PRI * HTTP/1.1\r\n\r\nSM\r\n\r\n"},
};

static void is_refused(unsigned status)
{
	char begin_with[32];
	snprintf(begin_with, sizeof begin_with, "HTTP/1.1 %u ", status);
	assert_memory_equal(said(user), begin_with, strlen(begin_with));
	assert_non_null(strstr(said(user), "Connection: close\r\n"));
	const char *length = strstr(said(user), "Content-Length: "), *body = strstr(said(user), "\r\n\r\n");
	assert_non_null(length);
	assert_int_equal(atoi(length + 16), strlen(body + 4));
	assert_true(strlen(body + 4) > 10);
	assert_true(user->gone);
}

static void every_bad_head(void **state)
{
	assert_true(COUNT_OF(bad) >= 60);
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		struct slice says = slice_of(bad[i].says);
		running = bad[i].says;
		for (size_t piece = 1; piece <= says.size; piece += 1 + piece / 8) {
			begin(NULL);
			say_in_pieces(says, piece);
			is_refused(bad[i].status);
			assert_int_equal(user->why, REASON_PROTOCOL);
			assert_string_equal(heard, "");
			assert_null(far);
			world_close();
		}
	}
	running = NULL;
}

static void a_zero_is_refused_anywhere(void **state)
{
	static const char head[] = GET HOST "X-Y: z\r\n\r\n";
	char copy[sizeof head];
	for (size_t at = 0; at < sizeof head - 2; at++) {
		memcpy(copy, head, sizeof copy);
		copy[at] = 0;
		begin(NULL);
		say_in_pieces((struct slice){(uint8_t *)copy, sizeof copy - 1}, SIZE_MAX);
		is_refused(400);
		assert_string_equal(heard, "");
		world_close();
	}
}

static void heads_that_are_too_long(void **state)
{
	static char long_head[HTTP1_HEAD_MAX + 16];
	for (size_t more = 0; more < 2; more++) {
		size_t size = HTTP1_HEAD_MAX + more;
		memset(long_head, 'x', sizeof long_head);
		memcpy(long_head, GET HOST "X: ", strlen(GET HOST "X: "));
		memcpy(long_head + size - 4, "\r\n\r\n", 5);
		for (size_t piece = 100; piece < 40000; piece *= 3) {
			begin(NULL);
			say_in_pieces((struct slice){(uint8_t *)long_head, size}, piece);
			if (more)
				is_refused(431);
			else
				assert_int_equal(far->out.size, size - strlen("http://a") + strlen(END) - 2);
			world_close();
		}
	}
	begin(NULL);
	hear(user, GET HOST);
	for (int i = 0; i < HEAD_FIELDS_MAX && !user->gone; i++)
		hear(user, "X: y\r\n");
	is_refused(431);
	world_close();
}

static void strangers(void **state)
{
	static const char *const firsts[] = {"\x16\x03\x01\x02", "\x05\x01", "\x04\x01"};
	for (size_t i = 0; i < COUNT_OF(firsts); i++) {
		begin(NULL);
		hear(user, firsts[i]);
		assert_true(user->gone);
		assert_int_equal(user->why, REASON_PROTOCOL);
		assert_string_equal(said(user), "");
		world_close();
	}
}

static void connect_only(void **state)
{
	begin(&connect_policy);
	hear(user, GET HOST "\r\n");
	is_refused(405);
	assert_non_null(strstr(said(user), "\r\nAllow: CONNECT\r\n"));
	world_close();
	begin(&connect_policy);
	hear(user, CONNECT "Host: a:1\r\n\r\n");
	assert_string_equal(said(user), DONE);
	world_close();
}

static void refused_targets(void **state)
{
	static const struct { enum reason reason; unsigned status; } cases[] = {
		{REASON_REFUSED, 502},	 {REASON_UNREACHABLE, 502}, {REASON_NAME, 502},
		{REASON_NOT_FOUND, 502}, {REASON_FORBIDDEN, 403},   {REASON_TIMEOUT, 504},
		{REASON_LIMIT, 503},	 {REASON_MEMORY, 503},	    {REASON_STOPPING, 503},
		{REASON_LOST, 502},	 {REASON_OTHER, 502},
	};
	static const char *const says[] = {CONNECT "Host: a:1\r\n\r\nearly", GET HOST "\r\n",
					   GET HOST "Content-Length: 9\r\n\r\nhalf"};
	for (size_t i = 0; i < COUNT_OF(cases) * COUNT_OF(says); i++) {
		begin(NULL);
		answer = cases[i / COUNT_OF(says)].reason;
		answer_text = i & 1 ? "the far end\r\nsays: <no>\xff" : NULL;
		hear(user, says[i % COUNT_OF(says)]);
		is_refused(cases[i / COUNT_OF(says)].status);
		const char *told = answer_text ? "(the far end??says: <no>?)\n" : reason_text(answer);
		assert_non_null(strstr(said(user), told));
		assert_int_equal(user->why, REASON_OK);
		world_close();
	}
	begin(&status_policy);
	answer = REASON_NAME;
	hear(user, GET HOST "\r\n");
	is_refused(418);
	world_close();
	begin(NULL);                            /* to HEAD, the head alone */
	answer = REASON_NAME;
	hear(user, "HEAD http://a/ HTTP/1.1\r\nHost: a\r\n\r\n");
	assert_memory_equal(said(user), "HTTP/1.1 502 ", 13);
	assert_string_equal(strstr(said(user), "\r\n\r\n"), "\r\n\r\n");
	world_close();
}

/* A session that takes no channel any more. */
static void no_channel(void **state)
{
	begin(NULL);
	session_drain(user->session);
	struct buf *buf = buf_receive(&world.hub.bufs);
	static const char head[] = GET HOST "\r\n";
	memcpy(buf->bytes, head, sizeof head - 1);
	buf->used = sizeof head - 1;
	session_input(user->session, (struct piece){buf, {buf->bytes, buf->used}});
	world_turns(3, false);
	is_refused(503);
	world_close();
}

/* ---- bodies that are none ---- */

static void bad_chunks(void **state)
{
	static const char *const bodies[] = {
		"\r\n", "x\r\n", ";a\r\n", " 1\r\nx\r\n", "-1\r\n", "+1\r\n", "0x1\r\nx\r\n", "1\nx\r\n",
		"1\r\rx",
		"1 \r\nx\r\n", "1 1\r\nx", "1;a\nx\r\n", "1;a\rb\r\nx\r\n", "1;\x01\r\nx\r\n", "1\r\nxy\r\n",
		"1\r\nx\n0\r\n\r\n", "1\r\nx0\r\n\r\n", "fffffffffffffffff\r\n", "10000000000000000\r\n",
		"8000000000000000\r\n", "0\r\nA: b\n\r\n", "0\r\nA: b\rc\r\n\r\n", "0\r\nA\r\n\r\n",
		"0\r\n: b\r\n\r\n", "0\r\nA : b\r\n\r\n", "0\r\n A: b\r\n\r\n", "0\r\nA: \x01\r\n\r\n",
		"0\r\n\n",
		"0\r\nA: b\r\n c\r\n\r\n", "5\r\nhello\r\nG"};
	for (size_t i = 0; i < COUNT_OF(bodies); i++) {
		struct slice says = slice_of(bodies[i]);
		running = bodies[i];
		for (size_t piece = 1; piece <= says.size; piece++) {
			begin(NULL);
			hear(user, CHUNKS);
			say_in_pieces(says, piece);
			is_refused(400);
			assert_int_equal(user->why, REASON_PROTOCOL);
			assert_true(far->gone && far->why);   /* a reset, so that it is not taken for all */
			world_close();
			begin(NULL);
			hear(user, CHUNKS);
			hear(far, "HTTP/1.1 200 OK\r\n\r\nhalf");
			say_in_pieces(says, piece);
			assert_string_equal(said(user), "HTTP/1.1 200 OK\r\n" END "half");
			assert_true(user->gone && !user->shut && user->why == REASON_PROTOCOL && far->gone);
			world_close();
		}
	}
	running = NULL;
	begin(NULL);                            /* lines that never end */
	hear(user, CHUNKS "1;");
	for (int i = 0; i < 300 && !user->gone; i++)
		hear(user, "x");
	is_refused(400);
	world_close();
	begin(NULL);
	hear(user, CHUNKS "0\r\n");
	for (int i = 0; i < 1000 && !user->gone; i++)
		hear(user, "A: b\r\n");
	is_refused(400);
	world_close();
}

/* ---- logins ---- */

#define USER_PASS "Proxy-Authorization: Basic dXNlcjpwYXNz\r\n"
#define ASK_LOGIN "\r\nProxy-Authenticate: Basic realm=\"tunnel\"\r\n"

static void good_logins(void **state)
{
	static const char *const says[] = {
		CONNECT "Host: a:1\r\n" USER_PASS "\r\nx",
		GET HOST "proxy-authorization:  bAsIc   dXNlcjpwYXNz \r\n\r\n",
		GET HOST "Content-Length: 3\r\n" USER_PASS "\r\nabcd",
	};
	static const char *const role[] = {"user/pass a:1", "user/pass a:80", "user/pass a:80"};
	static const char *const on[] = {
		"x", "GET / HTTP/1.1\r\nHost: a\r\n" END,
		"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n" END "abc"};
	for (size_t i = 0; i < COUNT_OF(says); i++) {
		for (size_t piece = 1; piece <= strlen(says[i]); piece++) {
			begin(&password_policy);
			say_in_pieces(slice_of(says[i]), piece);
			assert_string_equal(heard, role[i]);
			assert_non_null(far);
			assert_string_equal(said(far), on[i]);
			assert_string_equal(said(user), i ? "" : DONE);
			world_close();
		}
	}
}

static void bad_logins(void **state)
{
	begin(&password_policy);
	hear(user, GET HOST "Proxy-Authorization: Basic dXNlcjo6\r\n\r\n" GET);
	assert_string_equal(heard, "user/: ");
	is_refused(407);
	assert_non_null(strstr(said(user), ASK_LOGIN));
	assert_int_equal(user->why, REASON_AUTH);
	world_close();
	begin(&password_policy);
	hear(user, "HEAD http://a/ HTTP/1.1\r\nHost: a\r\nProxy-Authorization: Basic Og==\r\n\r\n");
	assert_string_equal(heard, "/ ");
	assert_string_equal(strstr(said(user), "\r\n\r\n"), "\r\n\r\n");
	world_close();
	/* who does not keep the connection, or has sent a body, has to come again */
	static const char *const once[] = {
		"GET http://a/ HTTP/1.0\r\n\r\n",
		GET HOST "Connection: close\r\n\r\n",
		CONNECT "Host: a:1\r\nProxy-Connection: x, Close\r\n\r\n",
		GET HOST "Content-Length: 1\r\n\r\nx",
		CHUNKS "0\r\n\r\n",
	};
	for (size_t i = 0; i < COUNT_OF(once); i++) {
		begin(&password_policy);
		hear(user, once[i]);
		is_refused(407);
		assert_non_null(strstr(said(user), ASK_LOGIN));
		assert_string_equal(heard, "");
		assert_int_equal(user->why, REASON_AUTH);
		world_close();
	}
}

/* A client such as curl says its password when it is asked for one. */
static void asked_once(void **state)
{
	static const char *const none[] = {
		"", "Proxy-Authorization: Bearer x\r\n", "Proxy-Authorization: Basic\r\n",
		"Proxy-Authorization: Basic !\r\n", "Proxy-Authorization: Basic dXNlcg==\r\n",
		"Proxy-Authorization: Basic dXMBcjpw\r\n", "Authorization: Basic dXNlcjpwYXNz\r\n"};
	static const char second[] = GET HOST USER_PASS "\r\n";
	char says[1024];
	for (size_t i = 0; i < COUNT_OF(none); i++) {
		size_t first = (size_t)snprintf(says, sizeof says, CONNECT "Host: a:1\r\n%s\r\n", none[i]);
		strcpy(says + first, second);
		for (size_t piece = 1; piece <= strlen(says); piece += 1 + piece / 4) {
			begin(&password_policy);
			say_in_pieces(slice_of(says), piece);
			assert_memory_equal(said(user), "HTTP/1.1 407 ", 13);
			assert_non_null(strstr(said(user), ASK_LOGIN));
			assert_null(strstr(said(user), "Connection: close"));
			assert_string_equal(heard, "user/pass a:80");
			assert_non_null(far);
			assert_string_equal(said(far), "GET / HTTP/1.1\r\nHost: a\r\n" END);
			world_close();
		}
	}
	begin(&password_policy);                /* but not twice */
	hear(user, GET HOST "\r\n");
	assert_false(user->gone);
	user->out.size = 0;
	hear(user, GET HOST "\r\n");
	is_refused(407);
	world_close();
}

static void long_logins(void **state)
{
	static char says[4096], token[2800];
	for (size_t size = 1364; size <= 1372; size += 4) {
		memset(token, 'e', sizeof token);
		memcpy(token, "dTpw", 4);
		token[size] = 0;
		begin(&password_policy);
		snprintf(says, sizeof says, GET HOST "Proxy-Authorization: Basic %s\r\n\r\n", token);
		hear(user, says);
		assert_int_equal(heard[0] != 0, size / 4 * 3 <= 1024);
		assert_non_null(strstr(said(user), " 407 "));
		world_close();
	}
}

/* ---- the rest of its life ---- */

static void tunnels(void **state)
{
	begin(NULL);
	hear(user, CONNECT "Host: a:1\r\n\r\n");
	assert_string_equal(said(user), DONE);
	user->out.size = 0;
	hear(user, "ask");
	hear(far, "banner");
	assert_string_equal(said(far), "ask");
	assert_string_equal(said(user), "banner");
	user->in_ended = true;                 /* half-close */
	world_turns(3, false);
	assert_true(far->shut && !user->shut && !user->gone);
	far->in_ended = true;
	hear(far, "late");
	assert_string_equal(said(user), "bannerlate");
	assert_true(user->gone && far->gone && user->shut && !user->why && !far->why);
	world_close();
}

static void not_before_opened(void **state)
{
	begin(NULL);
	never_answers = true;
	hear(user, CONNECT "Host: a:1\r\n\r\nearly");
	wait_s(60);
	assert_string_equal(said(user), "");
	assert_false(user->gone);
	world_close();
}

static void exchanges(void **state)
{
	static const char response[] =
		"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nX: y\r\n\r\nbody";
	begin(NULL);
	hear(user, "POST http://a/ HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n");
	wait_s(30);                            /* nobody is hurried */
	hear(far, response);
	assert_string_equal(said(user), "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n"
					"Connection: close\r\nX: y\r\n\r\nbody");
	hear(user, "bo");
	wait_s(30);
	hear(user, "dy and more");
	wait_s(5);
	assert_non_null(strstr(said(far), "\r\n\r\nbody"));
	assert_int_equal(strlen(strstr(said(far), "\r\n\r\n")), 8);
	assert_false(user->gone);
	far->in_ended = true;
	world_turns(3, false);
	assert_true(user->shut && !user->gone);
	user->in_ended = true;
	world_turns(3, false);
	assert_true(user->gone && far->gone && !user->why && !far->why);
	world_close();
}

#define CLOSE "Connection: close\r\n"

/* An answer passes, whatever it is; its user hears that it is the last. */
static void answers(void **state)
{
	static const struct { const char *says, *hears; } cases[] = {
		{"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n\r\n\r\n",
		 "HTTP/1.0 200 OK\r\n" CLOSE "Connection: keep-alive\r\n\r\n\r\n"},
		{"HTTP/1.1 404\r\n\r\nHTTP/1.1 200 OK\r\n", "HTTP/1.1 404\r\n" CLOSE
								 "\r\nHTTP/1.1 200 OK\r\n"},
		{"HTTP/1.1 204 None\nX: y\n\n", "HTTP/1.1 204 None\n" CLOSE "X: y\n\n"},
		{"HTTP/1.1 103 Early\r\nLink: x\r\n\r\nHTTP/1.1 100\n\nHTTP/1.1 200 \r\n\r\n",
		 "HTTP/1.1 103 Early\r\nLink: x\r\n\r\nHTTP/1.1 100\n\nHTTP/1.1 200 \r\n" CLOSE "\r\n"},
		{"HTTP/1.1 101 Now\r\n\r\nHTTP/1.1 200\r\n", "HTTP/1.1 101 Now\r\n\r\nHTTP/1.1 200\r\n"},
		{"HTTP/2.0 200 OK\r\n\r\n", "HTTP/2.0 200 OK\r\n\r\n"},
		{"HTTP/1.1 2x0 OK\r\n\r\n", "HTTP/1.1 2x0 OK\r\n\r\n"},
		{"<p>\r\nHTTP/1.1 200 OK\r\n", "<p>\r\nHTTP/1.1 200 OK\r\n"},
		{"\r\nHTTP/1.1 200 OK\r\n", "\r\nHTTP/1.1 200 OK\r\n"},
	};
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct slice says = slice_of(cases[i].says);
		for (size_t piece = 1; piece <= says.size; piece++) {
			begin(NULL);
			hear(user, GET HOST "\r\n");
			for (size_t at = 0; at < says.size; at += piece) {
				bytes_add(&far->in, says.at + at, size_min(piece, says.size - at));
				world_turns(3, false);
			}
			assert_string_equal(said(user), cases[i].hears);
			world_close();
		}
	}
}

/* Who does not close behind the end of an answer is not waited for. */
static void closes_in_the_end(void **state)
{
	begin(NULL);
	hear(user, GET HOST "\r\n");
	far->in_ended = true;
	hear(far, "HTTP/1.1 200 OK\r\n\r\n");
	assert_true(user->shut && !user->gone);
	wait_s(11);
	assert_true(user->gone && far->gone && !user->why && !far->why);
	world_close();
	/* nor is a target that does not close, by who asks again */
	begin(NULL);
	hear(user, GET HOST "\r\n");
	wait_s(60);
	hear(far, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx");
	wait_s(60);
	assert_false(user->gone);
	hear(user, GET HOST "\r\n");
	wait_s(9);
	hear(far, "more");                     /* it was not at its end */
	wait_s(9);
	assert_false(user->gone);
	wait_s(11);
	assert_true(user->gone && far->gone);
	assert_int_equal(user->why, REASON_TIMEOUT); /* not as if that were all */
	world_close();
}

static void no_answer(void **state)
{
	begin(NULL);
	hear(user, GET HOST "\r\n");
	far->in_ended = true;
	world_turns(3, false);
	assert_memory_equal(said(user), "HTTP/1.1 502 ", 13);
	assert_true(user->shut);
	world_close();
	begin(NULL);                           /* a tunnel's end is its own */
	hear(user, CONNECT "Host: a:1\r\n\r\n");
	far->in_ended = true;
	world_turns(3, false);
	assert_string_equal(said(user), DONE);
	world_close();
	begin(NULL);
	hear(user, GET HOST "\r\n");
	session_end(far->session, REASON_LOST, NULL, false);
	world_turns(3, false);
	assert_true(user->gone && user->why == REASON_LOST);
	world_close();
}

static void leaves_early(void **state)
{
	static const struct { const char *says; enum reason why; } parts[] = {
		{"", REASON_OK},
		{"G", REASON_LOST},
		{GET HOST, REASON_LOST},
		{GET HOST "Content-Length: 2\r\n\r\nx", REASON_LOST},
		{CHUNKS "1\r\nx\r\n0\r\n", REASON_LOST},
	};
	for (size_t i = 0; i < COUNT_OF(parts); i++) {
		begin(NULL);
		hear(user, parts[i].says);
		user->in_ended = true;
		world_turns(3, false);
		assert_true(user->gone);
		assert_int_equal(user->why, parts[i].why);
		assert_true(!far || (far->gone && far->why));
		world_close();
	}
	begin(&password_policy);               /* asked for a password, it has none */
	hear(user, GET HOST "\r\n");
	user->in_ended = true;
	world_turns(3, false);
	assert_true(user->gone && !user->why);
	world_close();
	begin(NULL);                           /* while its target is dialled */
	never_answers = true;
	hear(user, CONNECT "Host: a:1\r\n\r\n");
	user->in_ended = true;
	world_turns(3, false);
	assert_false(user->gone);
	struct channel *channel = session_only_channel(user->session);
	join(channel->pair, &channel->target);
	world_turns(4, false);
	assert_true(user->gone && far->gone && user->why == REASON_LOST);
	world_close();
	begin(NULL);                           /* but who has asked may have said all that it had to say */
	hear(user, GET HOST "\r\n");
	user->in_ended = true;
	world_turns(4, false);
	assert_true(far->shut && !user->gone);
	world_close();
}

static void time_limits(void **state)
{
	static const char *const parts[] = {"", "G", GET, GET HOST};
	for (size_t i = 0; i < COUNT_OF(parts); i++) {
		begin(NULL);
		wait_s(9);
		assert_false(user->gone);
		hear(user, parts[i]);
		wait_s(2);
		assert_true(user->gone && user->why == REASON_TIMEOUT);
		world_close();
	}
	begin(&password_policy);
	hear(user, GET HOST "\r\n");
	wait_s(9);
	assert_false(user->gone);
	wait_s(2);
	assert_true(user->gone && !user->why);
	world_close();
}

/* A user who has found the wrong worker takes along its request, and what it said behind it. */
static void moved(void **state)
{
	for (size_t i = 0; i < COUNT_OF(talks); i++) {
		struct slice says = slice_of(talks[i].says);
		running = talks[i].says;
		for (size_t piece = 1; piece <= says.size; piece++) {
			begin(NULL);
			never_answers = true;
			say_in_pieces(says, piece);
			assert_true(user->session->held);
			conn_move(user);
			never_answers = false;
			world_turns(4, false);
			assert_int_equal(strlen(heard), 2 * strlen(talks[i].role));
			assert_string_equal(heard + strlen(talks[i].role), talks[i].role);
			assert_non_null(far);
			assert_string_equal(said(far), talks[i].on);
			world_close();
		}
	}
	running = NULL;
}

/* Everything at once in random pieces, with slabs that fail now and then: no byte is lost or doubled. */
static void random_pieces(void **state)
{
	for (uint64_t seed = 1; seed <= 300; seed++) {
		size_t one = seed % COUNT_OF(talks);
		running = talks[one].says;
		begin(seed & 1 ? &password_policy : NULL);
		const char *end = strstr(talks[one].says, "\r\n") + 2;
		bool has_login = strstr(talks[one].says, "Proxy-Authorization") != NULL;
		bool asks = seed & 1 && !has_login;
		bytes_add(&user->in, talks[one].says, (size_t)(end - talks[one].says));
		if (asks)
			bytes_add(&user->in, USER_PASS, strlen(USER_PASS));
		bytes_add(&user->in, end, strlen(end));
		world.random = seed;
		world.chop = true;
		world_turns(400, false);
		if (seed & 1 && has_login) {
			assert_null(far);
			assert_true(user->gone);
		} else {
			assert_non_null(far);
			assert_string_equal(said(far), talks[one].on);
		}
		world.chop = false;
		world_close();
	}
	running = NULL;
}

/* A body that is larger than what waits in the pair: the user is not read on, and nothing is lost. */
static void large_bodies(void **state)
{
	enum { SIZE = 1 << 20 };
	static uint8_t body[SIZE];
	char head[128];
	uint64_t random = 3;
	for (size_t i = 0; i < SIZE; i++)
		body[i] = (uint8_t)random_next(&random);
	for (int chunked = 0; chunked < 2; chunked++) {
		begin(NULL);
		never_answers = true;
		snprintf(head, sizeof head, "PUT http://a/ HTTP/1.1\r\nHost: a\r\n%s\r\n\r\n%s",
			 chunked ? "Transfer-Encoding: chunked" : "Content-Length: 1048576",
			 chunked ? "100000\r\n" : "");
		bytes_add(&user->in, head, strlen(head));
		bytes_add(&user->in, body, SIZE);
		if (chunked)
			bytes_add(&user->in, "\r\n0\r\n\r\n", 7);
		bytes_add(&user->in, "behind", 6);
		world_turns(3, false);
		assert_true(user->in.size > SIZE / 2);
		struct channel *channel = session_only_channel(user->session);
		join(channel->pair, &channel->target);
		world_turns(100, false);
		assert_int_equal(user->in.size, 0);
		uint8_t *at = memmem(far->out.at, far->out.size, "\r\n\r\n", 4);
		assert_non_null(at);
		at += 4 + (chunked ? strlen("100000\r\n") : 0);
		assert_int_equal(far->out.at + far->out.size - at, SIZE + (chunked ? 7 : 0));
		assert_memory_equal(at, body, SIZE);
		world_close();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(every_talk, name_running),
		cmocka_unit_test_teardown(every_bad_head, name_running),
		cmocka_unit_test(a_zero_is_refused_anywhere),
		cmocka_unit_test(heads_that_are_too_long),
		cmocka_unit_test(strangers),
		cmocka_unit_test(connect_only),
		cmocka_unit_test(refused_targets),
		cmocka_unit_test(no_channel),
		cmocka_unit_test_teardown(bad_chunks, name_running),
		cmocka_unit_test(good_logins),
		cmocka_unit_test(bad_logins),
		cmocka_unit_test(asked_once),
		cmocka_unit_test(long_logins),
		cmocka_unit_test(tunnels),
		cmocka_unit_test(not_before_opened),
		cmocka_unit_test(exchanges),
		cmocka_unit_test(answers),
		cmocka_unit_test(closes_in_the_end),
		cmocka_unit_test(no_answer),
		cmocka_unit_test(leaves_early),
		cmocka_unit_test(time_limits),
		cmocka_unit_test_teardown(moved, name_running),
		cmocka_unit_test_teardown(random_pieces, name_running),
		cmocka_unit_test(large_bodies),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
