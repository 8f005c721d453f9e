/* tests/unit/vectors_test.c - sessions of TLS Tunnel 1.5 as the original's two ends write them: length and
 * text in frames of their own, the port in three. What is not here stands with its part: frame headers in
 * yamux_test.c, transports in websocket_bytes_test.c and http2_test.c, older generations in legacy_test.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/wire_lines.h"

#define A "{\"jsonrpc\":\"2.0\",\"method\":\"authenticate\",\"params\":{\"auth_key\":\"0123456789abcdef\"," \
	"\"protocol_version\":\"1.5.1\"},\"id\":1}"
#define B "{\"jsonrpc\":\"2.0\",\"result\":{\"client_id\":\"client_3f0e8a52-7c1b-4d7e-9a55-0c6d2b1e4f90\"," \
	"\"min_client_version\":\"1.4.0\",\"protocol_version\":\"1.5.1\"},\"id\":1}"
#define C "{\"jsonrpc\":\"2.0\",\"method\":\"submit_config\",\"params\":{\"proxies\":[{\"local_port\":3000," \
	"\"name\":\"web\",\"proxy_type\":\"tcp\",\"publish_addr\":\"0.0.0.0\",\"publish_port\":8080}]," \
	"\"visitors\":[]},\"id\":2}"
#define D "{\"jsonrpc\":\"2.0\",\"result\":{\"rejected_proxies\":[]},\"id\":2}"
#define E "{\"jsonrpc\":\"2.0\",\"method\":\"heartbeat\",\"params\":null}"
#define TEXT(json) "'" json "'"
#define NOT_FOUND "'Proxy ' 27 'mysql' 27 ' with publish_port 3306 not found or client not connected'"

static void begin_server(void)
{
	begin(SERVER);
	hear("00 02 00 01 00 00 00 00 aa bb cc dd");
	hear("00 00 00 01 00 00 00 01 00 00 00 04 00 00 00 74");
	hear("00 00 00 00 00 00 00 01 00 00 00 74" TEXT(A));
	hear("00 00 00 00 00 00 00 01 00 00 00 04 00 00 00 b7");
	hear("00 00 00 00 00 00 00 01 00 00 00 b7" TEXT(C));
	hear("00 00 00 00 00 00 00 01 00 00 00 04 00 00 00 34");
	hear("00 00 00 00 00 00 00 01 00 00 00 34" TEXT(E));
}

static void lengths(void **state)
{
	static const struct {
		const char *text;
		size_t size;
	} messages[] = {
		{A, 0x74}, {B, 0x95}, {C, 0xb7}, {D, 0x39}, {E, 0x34},
		{"{\"jsonrpc\":\"2.0\",\"error\":{\"code\":-32000,"
		 "\"message\":\"Invalid authentication key\"},\"id\":1}", 0x57},
		{"{\"jsonrpc\":\"2.0\",\"result\":{\"rejected_proxies\":[\"mysql:3306\"]},"
		 "\"id\":2}", 0x45},
		{"{\"jsonrpc\":\"2.0\",\"error\":{\"code\":-32001,"
		 "\"message\":\"All proxies rejected: web:8080\","
		 "\"data\":{\"rejected_proxies\":[\"web:8080\"]}},\"id\":2}", 0x84},
		{"{\"jsonrpc\":\"2.0\",\"method\":\"submit_config\",\"params\":{\"proxies\":[],"
		 "\"visitors\":[{\"bind_addr\":\"127.0.0.1\","
		 "\"bind_port\":3306,\"name\":\"mysql\",\"proxy_type\":\"tcp\","
		 "\"publish_port\":3306}]},\"id\":2}", 0xb7},
	};
	for (size_t i = 0; i < COUNT_OF(messages); i++)
		assert_int_equal(strlen(messages[i].text), messages[i].size);
}

/* It hears the original's client; its own answers are one frame each. */
static void a_session_of_the_server(void **state)
{
	begin_server();
	expect("00 02 00 01 00 00 00 00 ?? ?? ?? ?? 00 02 00 02 00 00 00 00 aa bb cc dd"
	       "00 01 00 02 00 00 00 01 00 00 00 00"
	       "00 00 00 00 00 00 00 01 00 00 00 99 00 00 00 95"
	       "'{\"jsonrpc\":\"2.0\",\"result\":{\"client_id\":\"client_'"
	       "?? ?? ?? ?? ?? ?? ?? ?? '-' ?? ?? ?? ?? '-4' ?? ?? ?? '-' ?? ?? ?? ?? '-'"
	       "?? ?? ?? ?? ?? ?? ?? ?? ?? ?? ?? ??"
	       "'\",\"min_client_version\":\"1.4.0\",\"protocol_version\":\"1.5.1\"},\"id\":1}'"
	       "00 00 00 00 00 00 00 01 00 00 00 3d 00 00 00 39" TEXT(D));
	expect_heard("AUTH 0123456789abcdef 00000000000000000000000000000000\n"
		     "PUBLISH (0 web tcp 0.0.0.0:8080 3000 :0)\nREADY\n");
	world_close();
}

/* It hears the original's server; its own requests are one frame each. */
static void a_session_of_the_client(void **state)
{
	begin(CLIENT);
	expect("00 02 00 01 00 00 00 00 ?? ?? ?? ?? 00 00 00 01 00 00 00 01 00 00 00 78 00 00 00 74" TEXT(A));
	hear("00 02 00 01 00 00 00 00 11 22 33 44");
	expect("00 02 00 02 00 00 00 00 11 22 33 44");
	hear("00 00 00 02 00 00 00 01 00 00 00 04 00 00 00 95");
	hear("00 00 00 00 00 00 00 01 00 00 00 95" TEXT(B));
	expect("00 00 00 00 00 00 00 01 00 00 00 bb 00 00 00 b7" TEXT(C));
	hear("00 00 00 00 00 00 00 01 00 00 00 04 00 00 00 39");
	hear("00 00 00 00 00 00 00 01 00 00 00 39" TEXT(D));
	expect("00 00 00 00 00 00 00 01 00 00 00 38 00 00 00 34" TEXT(E));
	expect_heard("AUTHED\nPUBLISHED\n");
	world_close();
}

/* The original says its refusal in three frames, ours in one. */
static void a_visitor_that_is_refused(void **state)
{
	begin_server();
	forget();
	world.refuse_odd = true;
	hear("00 00 00 01 00 00 00 03 00 00 00 02 00 05");
	hear("00 00 00 00 00 00 00 03 00 00 00 05 6d 79 73 71 6c");
	hear("00 00 00 00 00 00 00 03 00 00 00 02 0c eb");
	expect("00 01 00 02 00 00 00 03 00 00 00 00 00 00 00 00 00 00 00 03 00 00 00 24 00 00 21"
	       "'not found or client not connected' 00 00 00 08 00 00 00 03 00 00 00 00");
	world_close();

	begin(CLIENT);
	hear("00 00 00 02 00 00 00 01 00 00 00 99 00 00 00 95" TEXT(B));
	hear("00 00 00 00 00 00 00 01 00 00 00 3d 00 00 00 39" TEXT(D));
	forget();
	struct conn *user = world_ask(CLIENT, "mysql", 3306);
	expect("00 00 00 01 00 00 00 03 00 00 00 09 00 05 6d 79 73 71 6c 0c ea");
	hear("00 00 00 02 00 00 00 03 00 00 00 01 00");
	hear("00 00 00 00 00 00 00 03 00 00 00 02 00 46");
	assert_false(user->gone);
	hear("00 00 00 00 00 00 00 03 00 00 00 46" NOT_FOUND);
	hear("00 00 00 08 00 00 00 03 00 00 00 00");
	assert_true(user->gone);
	assert_int_equal(user->why, REASON_NOT_FOUND);
	expect("");
	world_close();
}

/* What the owner of a proxy is told when somebody visits it: an even id, the port, no name. */
static void the_owner_of_what_is_visited(void **state)
{
	begin_server();
	forget();
	world_ask(SERVER, "", 8080);
	expect("00 00 00 01 00 00 00 02 00 00 00 02 1f 90");
	world_ask(SERVER, "", 3306);
	expect("00 00 00 01 00 00 00 04 00 00 00 02 0c ea");
	world_close();
}

/* What Go's library says in a short life, heard by ours: open, data, echo, both ends, a ping, its end. */
static void a_session_of_go(void **state)
{
	begin_server();
	forget();
	hear("00 01 00 01 00 00 00 03 00 00 00 00");
	expect("00 01 00 02 00 00 00 03 00 00 00 00");
	hear("00 00 00 00 00 00 00 03 00 00 00 09 00 05 6d 79 73 71 6c 0c ea");
	expect_heard("OPEN mysql:3306\n");
	expect("00 00 00 00 00 00 00 03 00 00 00 01 01");
	hear("00 00 00 00 00 00 00 03 00 00 00 02 68 69");
	struct conn *service = &world.conns[0];
	assert_int_equal(service->out.size, 2);
	bytes_add(&service->in, "hi", 2);
	expect("00 00 00 00 00 00 00 03 00 00 00 02 68 69");
	hear("00 01 00 04 00 00 00 03 00 00 00 00");
	service->in_ended = true;
	expect("00 00 00 04 00 00 00 03 00 00 00 00");
	hear("00 02 00 01 00 00 00 00 00 00 00 00");
	expect("00 02 00 02 00 00 00 00 00 00 00 00");
	hear("00 03 00 00 00 00 00 00 00 00 00 00");
	expect_heard("GOAWAY goaway\n");
	expect("");
	world_close();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(lengths),
	    cmocka_unit_test(a_session_of_the_server),
	    cmocka_unit_test(a_session_of_the_client),
	    cmocka_unit_test(a_visitor_that_is_refused),
	    cmocka_unit_test(the_owner_of_what_is_visited),
	    cmocka_unit_test(a_session_of_go),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
