/* tests/unit/tls_tunnel_wire_test.c - the wire of TLS Tunnel 1.5 byte for byte, one end at a time: what the
 * original's peers send and what they must hear.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/log.h"
#include "protocols/codecs/yamux.h"
#include "tests/unit/wire_lines.h"

static const char json_a[] =
    "{\"jsonrpc\":\"2.0\",\"method\":\"authenticate\",\"params\":{\"auth_key\":\"0123456789abcdef\","
    "\"protocol_version\":\"1.5.1\"},\"id\":1}";
static const char json_b[] =
    "{\"jsonrpc\":\"2.0\",\"result\":{\"client_id\":\"client_3f0e8a52-7c1b-4d7e-9a55-0c6d2b1e4f90\","
    "\"min_client_version\":\"1.4.0\",\"protocol_version\":\"1.5.1\"},\"id\":1}";
static const char json_c[] =
    "{\"jsonrpc\":\"2.0\",\"method\":\"submit_config\",\"params\":{\"proxies\":[{\"local_port\":3000,"
    "\"name\":\"web\",\"proxy_type\":\"tcp\",\"publish_addr\":\"0.0.0.0\",\"publish_port\":8080}],"
    "\"visitors\":[]},\"id\":2}";
static const char json_d[] = "{\"jsonrpc\":\"2.0\",\"result\":{\"rejected_proxies\":[]},\"id\":2}";
static const char json_e[] = "{\"jsonrpc\":\"2.0\",\"method\":\"heartbeat\",\"params\":null}";

static const struct publication mysql = {.name = "mysql",
					 .type = "tcp",
					 .publish_addr = "",
					 .publish_port = 3306,
					 .visitor = true,
					 .bind_addr = "127.0.0.1",
					 .bind_port = 3306};

/* One line: a header of 12 bytes as text, the message's length, the message in quotes. */
static const char *message(const char *header, const char *json)
{
	static char line[8192];
	size_t size = strlen(json);
	snprintf(line, sizeof line, "%s %02zx %02zx %02zx %02zx %02zx %02zx %02zx %02zx '%s'", header,
		 (size + 4) >> 24, (size + 4) >> 16 & 255, (size + 4) >> 8 & 255, (size + 4) & 255,
		 size >> 24, size >> 16 & 255, size >> 8 & 255, size & 255, json);
	return line;
}

static const char from_server_first[] = "00 00 00 02 00 00 00 01", on_control[] = "00 00 00 00 00 00 00 01",
		  from_client_first[] = "00 00 00 01 00 00 00 01";

static void begin_running(int side)
{
	begin(side);
	if (side == SERVER) {
		hear(message(from_client_first, json_a));
		hear(message(on_control, json_c));
		hear(message(on_control, json_e));
	} else {
		hear(message(from_server_first, json_b));
		hear(message(on_control, json_d));
	}
	forget();
	assert_true(world.link[side]->ready);
}

/* ---- handshakes ---- */

static void client_handshake(void **state)
{
	begin(CLIENT);
	expect("00 02 00 01 00 00 00 00 ?? ?? ?? ?? 00 00 00 01 00 00 00 01 00 00 00 78 00 00 00 74"
	       " 7b226a736f6e727063223a22322e30222c226d6574686f64223a2261757468656e746963617465222c2270617261"
	       "6d73223a7b22617574"
	       "685f6b6579223a2230313233343536373839616263646566222c2270726f746f636f6c5f76657273696f6e223a223"
	       "12e352e31227d2c22"
	       "6964223a317d");
	hear("00 02 00 01 00 00 00 00 11 22 33 44");
	expect("00 02 00 02 00 00 00 00 11 22 33 44");
	/* as the original sends it: length and text apart, the ACK on the first of them */
	hear("00 00 00 02 00 00 00 01 00 00 00 04 00 00 00 95");
	char line[1024];
	snprintf(line, sizeof line, "00 00 00 00 00 00 00 01 00 00 00 95 '%s'", json_b);
	hear(line);
	expect_heard("AUTHED\n");
	expect(message(on_control, json_c));
	hear("00 00 00 00 00 00 00 01 00 00 00 04 00 00 00 39 00 00 00 00 00 00 00 01 00 00 00 39"
	     " 7b226a736f6e727063223a22322e30222c22726573756c74223a7b2272656a65637465645f70726f78696573223a5b"
	     "5d7d2c226964223a327d");
	expect_heard("PUBLISHED\n");
	expect("00 00 00 00 00 00 00 01 00 00 00 38 00 00 00 34"
	       " 7b226a736f6e727063223a22322e30222c226d6574686f64223a22686561727462656174222c22706172616d7322"
	       "3a6e756c6c7d");
	assert_int_equal(world.link[CLIENT]->channels_max, CHANNELS_STOCK_MAX);
	assert_int_equal(tls_tunnel_features(world.link[CLIENT]), 0);
	world_close();
}

static void server_handshake(void **state)
{
	begin(SERVER);
	expect("");
	hear("00 02 00 01 00 00 00 00 aa bb cc dd");
	expect("00 02 00 01 00 00 00 00 ?? ?? ?? ?? 00 02 00 02 00 00 00 00 aa bb cc dd");
	hear("00 00 00 01 00 00 00 01 00 00 00 04 00 00 00 74");
	expect("00 01 00 02 00 00 00 01 00 00 00 00");
	char line[1024];
	snprintf(line, sizeof line, "00 00 00 00 00 00 00 01 00 00 00 74 '%s'", json_a);
	hear(line);
	expect_heard("AUTH 0123456789abcdef 00000000000000000000000000000000\n");
	expect("00 00 00 00 00 00 00 01 00 00 00 99 00 00 00 95 "
	       "'{\"jsonrpc\":\"2.0\",\"result\":{\"client_id\":\"client_'"
	       "?? ?? ?? ?? ?? ?? ?? ?? '-' ?? ?? ?? ?? '-4' ?? ?? ?? '-' ?? ?? ?? ?? '-' ?? ?? ?? ?? ?? ?? "
	       "?? ?? ?? ?? ?? ??"
	       "'\",\"min_client_version\":\"1.4.0\","
	       "\"protocol_version\":\"1.5.1\"},\"id\":1}'");
	hear(message(on_control, json_c));
	expect_heard("PUBLISH (0 web tcp 0.0.0.0:8080 3000 :0)\n");
	expect(message(on_control, json_d));
	hear(message(on_control, json_e));
	hear(message(on_control, json_e));
	expect_heard("READY\n");
	expect("");
	world_close();
}

/* One frame: SYN, length and text together; the ACK may then ride on the answer or go before it. */
static void server_hears_ours(void **state)
{
	begin(SERVER);
	hear(message(from_client_first,
		     "{\"jsonrpc\":\"2.0\",\"method\":\"authenticate\",\"params\":{\"auth_key\":"
		     "\"0123456789abcdef\",\"features\":"
		     "[\"half-close\",\"new\",7],\"instance\":\"000102030405060708090a0b0c0d0e0f\","
		     "\"protocol_version\":\"1.5.1\"},"
		     "\"id\":\"x\"}"));
	expect_heard("AUTH 0123456789abcdef features 1 000102030405060708090a0b0c0d0e0f\n");
	world_turns(2, false);
	struct bytes *said = &world.said[SERVER];
	bytes_add(said, "", 1);
	assert_non_null(memmem(said->at, said->size, "\"id\":\"x\"}", 9));
	assert_null(memmem(said->at, said->size, "features", 8)); /* the script's credentials show none */
	world_close();

	begin(SERVER);
	world.script[SERVER].credentials.features = FEATURE_OURS;
	hear(message(
	    from_client_first,
	    "{\"jsonrpc\":\"2.0\",\"method\":\"authenticate\",\"params\":{\"auth_key\":\"k\",\"features\":"
	    "[\"half-close\"]},\"id\":1}"));
	world_turns(2, false);
	assert_non_null(memmem(said->at, said->size, "\",\"features\":[\"half-close\"],\"min", 31));
	assert_int_equal(world.link[SERVER]->channels_max, world.limits.channels_per_session);
	assert_true(world.link[SERVER]->traits & TRAIT_HALF_CLOSE);
	world_close();
}

static void refused_login(void **state)
{
	begin(SERVER);
	world.script[SERVER].login = REASON_AUTH;
	hear("00 00 00 01 00 00 00 01 00 00 00 00");
	expect("00 02 00 01 00 00 00 00 ?? ?? ?? ?? 00 01 00 02 00 00 00 01 00 00 00 00");
	hear(message(on_control, json_a));
	expect("00 00 00 00 00 00 00 01 00 00 00 5b 00 00 00 57 "
	       "'{\"jsonrpc\":\"2.0\",\"error\":{\"code\":-32000,\"message\":"
	       "\"Invalid authentication key\"},\"id\":1}'");
	assert_true(world.link_gone[SERVER]);
	assert_int_equal(world.link_why[SERVER], REASON_AUTH);
	world_close();

	begin(CLIENT);
	hear(message(
	    from_server_first,
	    "{\"jsonrpc\":\"2.0\",\"error\":{\"code\":-32000,\"message\":\"Invalid authentication key\"},"
	    "\"id\":1}"));
	expect_heard("AUTHED auth 'Invalid authentication key'\n");
	assert_false(world.link[CLIENT]->ready);
	world_close();
}

static void refused_config(void **state)
{
	static const struct slice items[] = {{(const uint8_t *)"web:8080", 8}};
	static const char all[] =
	    "{\"jsonrpc\":\"2.0\",\"error\":{\"code\":-32001,\"message\":\"All proxies rejected: web:8080\","
	    "\"data\":{\"rejected_proxies\":[\"web:8080\"]}},\"id\":2}";
	static const char some[] =
	    "{\"jsonrpc\":\"2.0\",\"result\":{\"rejected_proxies\":[\"mysql:3306\"]},\"id\":2}";
	static const struct slice visitor[] = {{(const uint8_t *)"mysql:3306", 10}};
	begin(SERVER);
	world.script[SERVER].config = REASON_FORBIDDEN;
	world.script[SERVER].refused = items;
	world.script[SERVER].refused_count = 1;
	hear(message(from_client_first, json_a));
	world.said[SERVER].size = 0;
	hear(message(on_control, json_c));
	expect(message(on_control, all));
	assert_true(world.link_gone[SERVER]);
	world_close();

	begin(SERVER);
	world.script[SERVER].refused = visitor;
	world.script[SERVER].refused_count = 1;
	hear(message(from_client_first, json_a));
	world.said[SERVER].size = 0;
	hear(message(on_control, "{\"jsonrpc\":\"2.0\",\"method\":\"submit_config\",\"params\":{\"proxies\":["
				 "],\"visitors\":[{\"bind_addr\":"
				 "\"127.0.0.1\",\"bind_port\":3306,\"name\":\"mysql\",\"proxy_type\":\"tcp\","
				 "\"publish_port\":3306}]},"
				 "\"id\":2}"));
	expect(message(on_control, some));
	assert_non_null(strstr(world.script[SERVER].heard, "PUBLISH (1 mysql tcp :3306 0 127.0.0.1:3306)\n"));
	world_close();

	begin(CLIENT);
	world.script[CLIENT].publications = &mysql;
	hear(message(from_server_first, json_b));
	world.said[CLIENT].size = 0;
	hear(message(on_control, all));
	expect_heard("AUTHED\nPUBLISHED forbidden 'All proxies rejected: web:8080' -web:8080\n");
	world_close();

	begin(CLIENT);
	world.script[CLIENT].publications = &mysql;
	world_turn(false);
	world.said[CLIENT].size = 0;
	hear(message(from_server_first, json_b));
	expect(message(on_control, "{\"jsonrpc\":\"2.0\",\"method\":\"submit_config\",\"params\":{"
				   "\"proxies\":[],\"visitors\":[{\"bind_addr\":"
				   "\"127.0.0.1\",\"bind_port\":3306,\"name\":\"mysql\",\"proxy_type\":"
				   "\"tcp\",\"publish_port\":3306}]},"
				   "\"id\":2}"));
	hear(message(on_control, some));
	expect_heard("AUTHED\nPUBLISHED -mysql:3306\n");
	world_close();
}

static void exceptions(void **state)
{
	static const char retry[] = "{\"jsonrpc\":\"2.0\",\"method\":\"push_exception\",\"params\":{\"code\":"
				    "\"PROXY_BIND_RETRY\",\"data\":{\"error\":"
				    "\"Port 8080 is already in use by another "
				    "process\",\"max_retries\":10,\"proxy_name\":\"web\",\"publish_addr\":"
				    "\"0.0.0.0\",\"publish_port\":8080,\"retry_count\":1,\"retry_delay_"
				    "secs\":2},\"level\":\"warning\",\"message\":"
				    "\"bind failed\"}}";
	static const char partial[] = "{\"jsonrpc\":\"2.0\",\"method\":\"push_exception\",\"params\":{"
				      "\"code\":\"PARTIAL_CONFIG_REJECTION\",\"data\":"
				      "{\"rejected_items\":[\"mysql:3306\"],\"rejected_proxies\":[],"
				      "\"rejected_visitors\":[\"mysql:3306\"]},\"level\":"
				      "\"warning\",\"message\":\"1 rejected\"}}";
	static const struct slice items[] = {{(const uint8_t *)"mysql:3306", 10}};
	begin_running(SERVER);
	world.script[SERVER].note =
	    (struct note){.kind = NOTE_BIND_RETRY,
			  .level = LOG_WARN,
			  .about = &web,
			  .retry = 1,
			  .retry_max = 10,
			  .delay_s = 2,
			  .text = slice_of("Port 8080 is already in use by another process")};
	session_say(world.link[SERVER], EVENT_NOTE);
	assert_int_equal(strlen(retry), 0x132);
	expect(message(on_control, retry));
	world.script[SERVER].note =
	    (struct note){.kind = NOTE_PARTIAL, .level = LOG_WARN, .text = slice_of("1 rejected")};
	world.script[SERVER].refused = items;
	world.script[SERVER].refused_count = 1;
	world.script[SERVER].publications = &mysql;
	world.script[SERVER].publication_count = 1;
	session_say(world.link[SERVER], EVENT_NOTE);
	assert_int_equal(strlen(partial), 0xe3);
	expect(message(on_control, partial));
	world_close();

	begin_running(CLIENT);
	hear(message(on_control, retry));
	expect_heard(
	    "NOTE 1 level 1 'Port 8080 is already in use by another process' 1/10 2 0 web 0.0.0.0:8080\n");
	hear(message(on_control, partial));
	expect_heard("NOTE -mysql:3306 3 level 1 '1 rejected' 0/0 0 0\n");
	hear(message(on_control, "{\"jsonrpc\":\"2.0\",\"method\":\"push_exception\",\"params\":{\"level\":"
				 "\"x\",\"message\":\"m\"}}"));
	expect_heard("NOTE 0 level 2 'm' 0/0 0 0\n");
	hear(message(on_control, "{\"jsonrpc\":\"2.0\",\"method\":\"push_exception\",\"params\":null}"));
	expect_heard("NOTE 0 level 2 '' 0/0 0 0\n");
	hear(message(on_control, "{\"jsonrpc\":\"2.0\",\"method\":\"push_stats\",\"params\":{},\"id\":9}"));
	hear(message(on_control, "{\"jsonrpc\":\"2.0\",\"result\":{},\"id\":9}"));
	hear(message(on_control, "{\"jsonrpc\":\"2.0\",\"result\":{},\"id\":1}"));
	expect_heard("");
	assert_non_null(world.link[CLIENT]);
	world_close();
}

/* ---- streams ---- */

static void conn_in(struct conn *conn, const char *text) { bytes_add(&conn->in, text, strlen(text)); }

static void assert_out(struct conn *conn, const char *text)
{
	assert_int_equal(conn->out.size, strlen(text));
	if (conn->out.size)
		assert_memory_equal(conn->out.at, text, conn->out.size);
	conn->out.size = 0;
}

static void proxy_stream_of_server(void **state)
{
	begin_running(SERVER);
	struct conn *user = world_ask(SERVER, "", 8080);
	conn_in(user, "GET / HTTP/1.1\r\n\r\n");
	expect("00 00 00 01 00 00 00 02 00 00 00 02 1f 90"
	       "00 00 00 00 00 00 00 02 00 00 00 12 47 45 54 20 2f 20 48 54 54 50 2f 31 2e 31 0d 0a 0d 0a");
	hear("00 00 00 02 00 00 00 02 00 00 00 11 48 54 54 50 2f 31 2e 31 20 32 30 30 20 4f 4b 0d 0a");
	assert_out(user, "HTTP/1.1 200 OK\r\n");
	hear("00 00 00 08 00 00 00 02 00 00 00 00"); /* the original's normal end */
	assert_true(user->gone);
	assert_int_equal(user->why, REASON_OK);
	expect("");
	world_close();
}

static void proxy_stream_of_client(void **state)
{
	begin_running(CLIENT);
	hear("00 00 00 01 00 00 00 02 00 00 00 02 1f 90");
	expect_heard("OPEN :8080\n");
	expect("00 01 00 02 00 00 00 02 00 00 00 00");
	hear("00 00 00 00 00 00 00 02 00 00 00 12 'GET / HTTP/1.1' 0d 0a 0d 0a");
	struct conn *service = &world.conns[0];
	assert_out(service, "GET / HTTP/1.1\r\n\r\n");
	conn_in(service, "HTTP/1.1 200 OK\r\n");
	expect("00 00 00 00 00 00 00 02 00 00 00 11 48 54 54 50 2f 31 2e 31 20 32 30 30 20 4f 4b 0d 0a");
	service->in_ended = true;
	expect("00 00 00 04 00 00 00 02 00 00 00 00");
	/* forgotten: what still comes is told so once */
	hear("00 00 00 00 00 00 00 02 00 00 00 03 'abc'");
	expect("00 00 00 08 00 00 00 02 00 00 00 00");
	hear("00 00 00 00 00 00 00 02 00 00 00 03 'abc'");
	expect("");
	world_close();
}

static void visitor_of_client(void **state)
{
	begin_running(CLIENT);
	struct conn *user = world_ask(CLIENT, "mysql", 3306);
	expect("00 00 00 01 00 00 00 03 00 00 00 09 00 05 6d 79 73 71 6c 0c ea");
	conn_in(user, "early");
	expect("");
	hear("00 00 00 02 00 00 00 03 00 00 00 01 01");
	expect("00 00 00 00 00 00 00 03 00 00 00 05 'early'");
	hear("00 00 00 00 00 00 00 03 00 00 00 02 'hi' 00 00 00 04 00 00 00 03 00 00 00 00");
	assert_out(user, "hi");
	assert_true(user->shut);
	struct conn *other = world_ask(CLIENT, "mysql", 3306);
	expect("00 00 00 01 00 00 00 05 00 00 00 09 00 05 6d 79 73 71 6c 0c ea");
	hear("00 00 00 02 00 00 00 05 00 00 00 01 00");
	hear("00 00 00 00 00 00 00 05 00 00 00 02 00 46");
	hear("00 00 00 00 00 00 00 05 00 00 00 46 'Proxy ' 27 'mysql' 27"
	     "' with publish_port 3306 not found or client not connected' 00 00 00 08 00 00 00 05 00 00 00 "
	     "00");
	assert_true(other->gone);
	assert_int_equal(other->why, REASON_NOT_FOUND);
	expect("");
	world_close();
}

/* One stream's nonsense is the end of that stream, and of nothing else. */
static void verdict_that_is_none(void **state)
{
	begin_running(CLIENT);
	struct conn *other = world_ask(CLIENT, "mysql", 3306);
	expect("00 00 00 01 00 00 00 03 00 00 00 09 00 05 6d 79 73 71 6c 0c ea");
	struct conn *user = world_ask(CLIENT, "mysql", 3306);
	expect("00 00 00 01 00 00 00 05 00 00 00 09 00 05 6d 79 73 71 6c 0c ea");
	conn_in(user, "early");
	hear("00 00 00 02 00 00 00 05 00 00 00 03 02 'hi'");
	expect("00 00 00 08 00 00 00 05 00 00 00 00");
	assert_true(user->gone);
	assert_int_equal(user->why, REASON_PROTOCOL);
	assert_out(user, "");
	/* what was under way */
	hear("00 00 00 00 00 00 00 05 00 00 00 02 'ho' 00 00 00 04 00 00 00 05 00 00 00 00");
	expect("");
	hear("00 00 00 02 00 00 00 03 00 00 00 03 01 'hi'");
	assert_out(other, "hi");
	assert_int_equal(world.link[CLIENT]->state, SESSION_OPEN);
	world_close();
}

static void visitor_of_server(void **state)
{
	begin_running(SERVER);
	/* as the original: three frames */
	hear("00 00 00 01 00 00 00 03 00 00 00 02 00 05");
	expect("00 01 00 02 00 00 00 03 00 00 00 00");
	hear("00 00 00 00 00 00 00 03 00 00 00 05 6d 79 73 71 6c");
	expect_heard("");
	hear("00 00 00 00 00 00 00 03 00 00 00 02 0c ea");
	expect_heard("OPEN mysql:3306\n");
	expect("00 00 00 00 00 00 00 03 00 00 00 01 01");
	/* one frame, with the user's first bytes behind */
	hear("00 00 00 01 00 00 00 05 00 00 00 0b 00 05 6d 79 73 71 6c 0c ea 'hi'");
	expect("00 01 00 02 00 00 00 05 00 00 00 00 00 00 00 00 00 00 00 05 00 00 00 01 01");
	assert_out(&world.conns[1], "hi");
	world.refuse_odd = true;
	hear("00 00 00 01 00 00 00 07 00 00 00 09 00 05 6d 79 73 71 6c 0c eb");
	expect("00 01 00 02 00 00 00 07 00 00 00 00 00 00 00 00 00 00 00 07 00 00 00 24 00 00 21"
	       "'not found or client not connected' 00 00 00 08 00 00 00 07 00 00 00 00");
	/* opened by a window update, as Go does; a forward */
	hear("00 01 00 01 00 00 00 09 00 0c 00 00 00 00 00 00 00 00 00 09 00 00 00 1c"
	     "00 18 40 66 6f 72 77 61 72 64 3a 65 78 61 6d 70 6c 65 2e 63 6f 6d 3a 34 34 33 00 00");
	assert_non_null(strstr(world.script[SERVER].heard, "OPEN example.com:443\n"));
	world_close();
}

/* A user of that end asks for a target that the far end dials. */
static struct conn *ask_forward(const char *host, uint16_t port)
{
	struct target target = {.port = port};
	text_copy(target.host, sizeof target.host, slice_of(host));
	struct conn *user = conn_create(us, true, &world_role, &target);
	session_open(user->session);
	return user;
}

static void forward_of_client(void **state)
{
	begin_running(CLIENT);
	struct conn *user = ask_forward("mysql", 0);
	expect(""); /* no port: refused here */
	assert_true(user->gone);
	assert_int_equal(user->why, REASON_NAME);
	char host[HOST_SIZE];
	memset(host, 'a', sizeof host);
	host[243] = 0;
	user = ask_forward(host, 443); /* 247 bytes of target */
	expect("");
	assert_int_equal(user->why, REASON_NAME);
	user = world_ask(CLIENT, "mysql", 3306); /* id 3, as in the vector */
	expect("00 00 00 01 00 00 00 03 00 00 00 09 00 05 6d 79 73 71 6c 0c ea");
	user = ask_forward("example.com", 443);
	expect("00 00 00 01 00 00 00 05 00 00 00 1c"
	       "00 18 40 66 6f 72 77 61 72 64 3a 65 78 61 6d 70 6c 65 2e 63 6f 6d 3a 34 34 33 00 00");
	conn_in(user, "early");
	expect("");
	hear("00 00 00 02 00 00 00 05 00 00 00 01 01");
	expect("00 00 00 00 00 00 00 05 00 00 00 05 'early'");
	user = ask_forward("2001:db8::1", 80);
	expect("00 00 00 01 00 00 00 07 00 00 00 1d 00 19 '@forward:[2001:db8::1]:80' 00 00");
	hear("00 00 00 02 00 00 00 07 00 00 00 01 00 00 00 00 00 00 00 00 07 00 00 00 02 00 28");
	hear("00 00 00 00 00 00 00 07 00 00 00 28 'Forward feature is not enabled on server'"
	     "00 00 00 08 00 00 00 07 00 00 00 00");
	assert_int_equal(user->why, REASON_FORBIDDEN);
	expect("");
	world_close();
}

static void forward_of_server(void **state)
{
	begin_running(SERVER);
	/* three frames, as the original; eight groups without brackets, as its SOCKS5 */
	hear("00 00 00 01 00 00 00 03 00 00 00 02 00 33");
	hear("00 00 00 00 00 00 00 03 00 00 00 33 '@forward:2001:0db8:0000:0000:0000:0000:0000:0001:80'");
	hear("00 00 00 00 00 00 00 03 00 00 00 02 00 00");
	expect_heard("OPEN 2001:0db8:0000:0000:0000:0000:0000:0001:80\n");
	world.said[SERVER].size = 0;
	/* with a port it is a name like any other */
	hear("00 00 00 01 00 00 00 05 00 00 00 0f 00 0b '@forward:a:' 00 01");
	expect_heard("OPEN @forward:a::1\n");
	/* no target: left to the role as it came */
	hear("00 00 00 01 00 00 00 07 00 00 00 0e 00 0a '@forward:a' 00 00");
	expect_heard("OPEN a:0\n");
	world_close();
}

static void bad_headers_of_streams(void **state)
{
	begin_running(SERVER);
	hear("00 00 00 01 00 00 00 03 00 00 00 02 00 00");
	expect("00 01 00 02 00 00 00 03 00 00 00 00 00 00 00 00 00 00 00 03 00 00 00 32 00 00 2f"
	       "'Invalid proxy name length (must be 1-255 bytes)' 00 00 00 08 00 00 00 03 00 00 00 00");
	hear("00 00 00 01 00 00 00 05 00 00 00 06 00 02 ff fe 00 01"); /* not UTF-8: no message */
	expect("00 01 00 02 00 00 00 05 00 00 00 00 00 00 00 08 00 00 00 05 00 00 00 00");
	hear("00 00 00 01 00 00 00 07 00 00 00 03 00 05 6d");
	expect("00 01 00 02 00 00 00 07 00 00 00 00");
	hear("00 00 00 04 00 00 00 07 00 00 00 00"); /* it ends before it has said what it wants */
	expect("00 00 00 08 00 00 00 07 00 00 00 00");
	hear("00 00 00 01 00 00 00 09 00 00 00 03 00 05 6d");
	expect("00 01 00 02 00 00 00 09 00 00 00 00");
	world_sleep(DURATION_S(29), false);
	hear("00 02 00 02 00 00 00 00 00 00 00 00"); /* an answer to no ping: ignored, but a sign of life */
	expect("");
	world_sleep(DURATION_S(3), false);
	expect("00 02 00 01 00 00 00 00 ?? ?? ?? ?? 00 00 00 08 00 00 00 09 00 00 00 00");
	expect_heard("");
	assert_int_equal(world.link[SERVER]->channel_count, 0);
	world_close();
}

/* ---- a Go session: window updates carry everything ---- */

static void go_ends(void **state)
{
	begin_running(SERVER);
	struct conn *user = world_ask(SERVER, "", 8080);
	conn_in(user, "hi");
	expect("00 00 00 01 00 00 00 02 00 00 00 02 1f 90 00 00 00 00 00 00 00 02 00 00 00 02 'hi'");
	hear("00 01 00 02 00 00 00 02 00 00 00 00 00 00 00 00 00 00 00 02 00 00 00 02 'hi' 00 01 00 04 00 00 "
	     "00 02 00 00 00 00");
	assert_out(user, "hi");
	assert_true(user->shut);
	user->in_ended = true;
	expect("00 00 00 04 00 00 00 02 00 00 00 00");
	user = world_ask(SERVER, "", 8080);
	expect("00 00 00 01 00 00 00 04 00 00 00 02 1f 90");
	hear("00 01 00 08 00 00 00 04 00 00 00 00");
	assert_true(user->gone);
	hear("00 02 00 01 00 00 00 00 00 00 00 00");
	expect("00 02 00 02 00 00 00 00 00 00 00 00");
	hear("00 03 00 00 00 00 00 00 00 00 00 00");
	expect_heard("GOAWAY goaway\n");
	hear("00 03 00 00 00 00 00 00 00 00 00 01 00 03 00 00 00 00 00 00 00 00 00 02");
	expect_heard("GOAWAY protocol\nGOAWAY other\n");
	session_say(world.link[SERVER], EVENT_GOAWAY);
	expect(""); /* the original would drop everything */
	world_close();
}

/* ---- what is wrong ends the session, with GoAway 1 and a reason ---- */

static void assert_fault(const char *bytes, const char *word)
{
	world.said[us].size = 0;
	hear(bytes);
	assert_true(world.link_gone[us]);
	assert_int_equal(world.link_why[us], REASON_PROTOCOL);
	if (!strstr(world.link_text[us], word))
		fail_msg("'%s' and not '%s'", world.link_text[us], word);
	struct bytes *said = &world.said[us];
	static const uint8_t goaway[] = {0, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
	assert_true(said->size >= sizeof goaway);
	assert_memory_equal(said->at + said->size - sizeof goaway, goaway, sizeof goaway);
	world_close();
}

static void faults(void **state)
{
	static const struct {
		int side;
		bool opened;
		const char *bytes, *word;
	} table[] = {
	    {SERVER, false, "01 00 00 00 00 00 00 01 00 00 00 00", "version"},
	    {SERVER, false, "00 04 00 00 00 00 00 01 00 00 00 00", "type"},
	    {SERVER, false, "00 00 00 01 00 00 00 00 00 00 00 00", "stream 0"},
	    {SERVER, false, "00 01 00 01 00 00 00 00 00 00 00 00", "stream 0"},
	    {SERVER, false, "00 00 00 01 00 00 00 04 00 00 00 00", "not its own"},
	    {CLIENT, false, "00 00 00 01 00 00 00 05 00 00 00 02", "not its own"},
	    {CLIENT, false, "00 00 00 01 00 00 00 01 00 00 00 02", "not its own"},
	    {SERVER, false, "00 00 00 01 00 00 00 01 00 00 00 00", "in use"},
	    {CLIENT, true, "00 00 00 01 00 00 00 02 00 00 00 00", "in use"},
	    {SERVER, false, "00 00 00 01 00 00 00 03 00 04 00 01", "more data"},
	    {SERVER, false, "00 01 00 01 00 00 00 03 ff fc 00 00", "2^32"},
	    {CLIENT, true, "00 01 00 00 00 00 00 02 ff fc 00 00", "2^32"},
	    {CLIENT, true, "00 00 00 00 00 00 00 02 00 03 ff ff", "more data"},
	    {CLIENT, false, "00 00 00 00 00 00 00 08 01 00 00 01", "larger than any"},
	    {CLIENT, false, "00 01 00 00 00 00 00 01 ff ff ff ff", "2^32"},
	    {CLIENT, false, "00 00 00 00 00 00 00 01 00 04 00 00", "control stream"},
	    {SERVER, false, "00 00 00 00 00 00 00 01 00 00 00 04 00 00 00 00", "empty or too large"},
	    {SERVER, false, "00 00 00 00 00 00 00 01 00 00 00 04 00 a0 00 01", "empty or too large"},
	    {SERVER, false, "00 00 00 00 00 00 00 01 00 00 00 08 00 00 00 04 'nope'", "not JSON"},
	    {SERVER, false, "00 00 00 00 00 00 00 01 00 00 00 06 00 00 00 02 '[]'", "JSON-RPC"},
	    {SERVER, false, "00 00 00 00 00 00 00 01 00 00 00 06 00 00 00 02 '{}'", "JSON-RPC"},
	};
	for (size_t i = 0; i < COUNT_OF(table); i++) {
		begin_running(table[i].side);
		if (table[i].opened)
			hear("00 00 00 01 00 00 00 02 00 00 00 02 1f 90");
		assert_fault(table[i].bytes, table[i].word);
	}
	begin(CLIENT);
	assert_fault("00 00 2c 'Authentication key too long (max 1024 bytes)'", "1.4 or older");
}

static void faults_of_messages(void **state)
{
	static const struct {
		const char *json, *word;
	} table[] = {
	    {"{\"jsonrpc\":\"2.0\",\"method\":\"ping\",\"id\":1}", "does not have"},
	    {"{\"jsonrpc\":\"2.0\",\"id\":1}", "without a method"},
	    {"{\"jsonrpc\":2,\"method\":\"heartbeat\"}", "JSON-RPC"},
	    {"{\"jsonrpc\":\"2.0\",\"method\":\"submit_config\",\"params\":{\"proxies\":[]},\"id\":2}",
	     "before authenticate"},
	    {"{\"jsonrpc\":\"2.0\",\"method\":\"authenticate\",\"params\":null,\"id\":1}", "auth_key"},
	    {"{\"jsonrpc\":\"2.0\",\"method\":\"authenticate\",\"params\":{\"auth_key\":7},\"id\":1}",
	     "auth_key"},
	    {"{\"jsonrpc\":\"2.0\",\"method\":\"authenticate\",\"params\":{\"auth_key\":\"a\",\"auth_key\":"
	     "\"b\"},\"id\":1}",
	     "refused"},
	    {"{\"jsonrpc\":\"2.0\",\"method\":\"authenticate\",\"params\":{\"auth_key\":\"\\u0000\"},\"id\":"
	     "1}",
	     "refused"},
	};
	for (size_t i = 0; i < COUNT_OF(table); i++) {
		begin(SERVER);
		assert_fault(message(from_client_first, table[i].json), table[i].word);
	}
	static const struct {
		const char *json, *word;
	} configs[] = {
	    {"{\"jsonrpc\":\"2.0\",\"method\":\"submit_config\",\"params\":{\"visitors\":[]},\"id\":2}",
	     "without a list"},
	    {"{\"jsonrpc\":\"2.0\",\"method\":\"submit_config\",\"params\":{\"proxies\":[{}]},\"id\":2}",
	     "not valid"},
	    {"{\"jsonrpc\":\"2.0\",\"method\":\"submit_config\",\"params\":{\"proxies\":[{\"name\":\"a\","
	     "\"publish_port\":65536,"
	     "\"local_port\":1}]},\"id\":2}",
	     "not valid"},
	    {"{\"jsonrpc\":\"2.0\",\"method\":\"submit_config\",\"params\":{\"proxies\":[{\"name\":\"a\","
	     "\"publish_port\":1,"
	     "\"local_port\":\"1\"}]},\"id\":2}",
	     "not valid"},
	    {"{\"jsonrpc\":\"2.0\",\"method\":\"submit_config\",\"params\":{\"proxies\":[],\"visitors\":{}},"
	     "\"id\":2}",
	     "without a list"},
	    {"{\"jsonrpc\":\"2.0\",\"method\":\"authenticate\",\"params\":{\"auth_key\":\"a\"},\"id\":1}",
	     "twice"},
	};
	for (size_t i = 0; i < COUNT_OF(configs); i++) {
		begin(SERVER);
		hear(message(from_client_first, json_a));
		assert_fault(message(on_control, configs[i].json), configs[i].word);
	}
	begin_running(SERVER);
	assert_fault(message(on_control, json_c), "twice");
}

/* Nesting is counted before the library recurses. */
static void deep_json(void **state)
{
	char json[8000] = "{\"jsonrpc\":\"2.0\",\"method\":\"heartbeat\",\"params\":";
	memset(json + strlen(json), '[', 3000);
	begin(SERVER);
	assert_fault(message(from_client_first, json), "too deeply");
}

/* The original forgets a stream when it has said FIN: what we send is thrown away and never granted again. */
static void forgotten_stream(void **state)
{
	begin_running(CLIENT);
	struct conn *user = world_ask(CLIENT, "mysql", 3306);
	world_turns(2, false);
	hear("00 00 00 02 00 00 00 03 00 00 00 01 01 00 00 00 04 00 00 00 03 00 00 00 00");
	static uint8_t upload[300000];
	bytes_add(&user->in, upload, sizeof upload);
	world_sleep(DURATION_S(5), false);
	assert_false(user->gone);
	assert_int_equal(world.link[CLIENT]->channel_count, 1);
	world.said[CLIENT].size = 0;
	for (int i = 0; i < 3; i++)              /* it is looked at every ten seconds */
		world_sleep(DURATION_S(10), false);
	assert_true(user->gone);
	assert_int_equal(world.link[CLIENT]->channel_count, 0);
	static const uint8_t reset[] = {0, 0, 0, 8, 0, 0, 0, 3, 0, 0, 0, 0};
	assert_non_null(memmem(world.said[CLIENT].at, world.said[CLIENT].size, reset, sizeof reset));
	world_close();
}

/* ---- limits ---- */

static void strays_and_refusals(void **state)
{
	begin_running(SERVER);
	hear("00 00 00 04 00 00 00 0b 00 00 00 00 00 00 00 08 00 00 00 0d 00 00 00 00 00 01 00 00 00 00 00 "
	     "0f 00 00 00 05"
	     "00 00 00 09 00 00 00 11 00 00 00 00"); /* ends and credit of streams never seen; opened and
							reset */
	expect("");
	hear("00 00 00 00 00 00 00 0b 00 00 00 01 'x' 00 00 00 00 00 00 00 0b 00 00 00 02 'yz'");
	expect("00 00 00 08 00 00 00 0b 00 00 00 00");
	world.link[SERVER]->channels_max = 0;
	hear("00 00 00 01 00 00 00 13 00 00 00 02 00 05 00 00 00 00 00 00 00 13 00 00 00 01 'm'");
	expect("00 00 00 08 00 00 00 13 00 00 00 00");
	world_close();

	/* before it is configured nobody may open; 64 may wait for their refusal */
	begin(SERVER);
	hear("00 00 00 01 00 00 00 01 00 00 00 00");
	world.said[SERVER].size = 0;
	struct bytes flood = {0};
	for (uint32_t i = 0; i < REFUSALS_MAX + 1; i++) {
		uint8_t frame[12] = {0, 1, 0, 1, 0, 0, 0, (uint8_t)(3 + 2 * i)};
		bytes_add(&flood, frame, sizeof frame);
	}
	struct session *link = world.link[SERVER];
	flood.size -= 12;
	world_feed(link, &flood);
	assert_int_equal(link->state, SESSION_OPEN);
	world_turns(2, false);
	assert_int_equal(world.said[SERVER].size, REFUSALS_MAX * 12);
	for (uint32_t i = 0; i < REFUSALS_MAX + 1; i++) {
		uint8_t frame[12] = {0, 1, 0, 1, 0, 0, 1, (uint8_t)(1 + 2 * i)};
		bytes_add(&flood, frame, sizeof frame);
	}
	world_feed(link, &flood);
	assert_int_not_equal(link->state, SESSION_OPEN);
	assert_non_null(strstr(link->why_text, "faster than it hears"));
	free(flood.at);
	world_close();
}

static void ping_storm(void **state)
{
	begin_running(CLIENT);
	hear("00 02 00 01 00 00 00 00 00 00 00 01 00 02 00 01 00 00 00 00 00 00 00 02 00 02 00 00 00 00 00 "
	     "00 00 00 00 03");
	struct bytes *said = &world.said[CLIENT];
	assert_true(said->size <= 36);
	assert_memory_equal(said->at + said->size - 4, "\0\0\0\3", 4);
	said->size = 0;
	/* our own, answered 5 ms later */
	tls_tunnel_probe(world.link[CLIENT]);
	world_turn(false);
	uint8_t frame[12];
	assert_int_equal(said->size, 12);
	memcpy(frame, said->at, 12);
	frame[3] = 2;
	struct bytes answer = {0};
	bytes_add(&answer, frame, 12);
	said->size = 0;
	world_sleep(DURATION_MS(5), false);
	world_feed(world.link[CLIENT], &answer);
	assert_int_equal(duration_ms(world.link[CLIENT]->rtt), 5);
	free(answer.at);
	world_close();
}

static void control_grants(void **state)
{
	char json[60000];
	begin_running(SERVER);
	int used = snprintf(json, sizeof json, "{\"jsonrpc\":\"2.0\",\"method\":\"heartbeat\",\"params\":\"");
	memset(json + used, 'x', 50000);
	strcpy(json + used + 50000, "\"}");
	struct bytes bytes = {0};
	size_t size = strlen(json), granted = 0;
	for (int i = 0; i < 20; i++) {
		uint8_t head[16] = {0, 0, 0, 0, 0, 0, 0, 1};
		put32(head + 8, (uint32_t)size + 4);
		put32(head + 12, (uint32_t)size);
		bytes_add(&bytes, head, 16);
		bytes_add(&bytes, json, size);
		while (bytes.size && world.link[SERVER]) {
			world_feed(world.link[SERVER], &bytes);
			world_turn(false);
		}
		struct bytes *said = &world.said[SERVER];
		for (size_t at = 0; at + 12 <= said->size; at += 12)
			granted += get32(said->at + at + 8);
		said->size = 0;
	}
	assert_non_null(world.link[SERVER]);
	assert_in_range(granted, 20 * (size + 4) - YAMUX_WINDOW / 2, 20 * (size + 4));
	free(bytes.at);
	world_close();
}

/* A list that no single frame can carry leaves in pieces, as the server grants. */
static void large_config(void **state)
{
	enum { COUNT = 4000 };
	static struct publication many[COUNT];
	static char names[COUNT][16];
	for (size_t i = 0; i < COUNT; i++) {
		snprintf(names[i], sizeof names[i], "proxy-%zu", i);
		many[i] = web;
		many[i].name = names[i];
		many[i].publish_port = (uint16_t)(1 + i);
	}
	world_init(3);
	world.script[CLIENT].credentials.secret = slice_of("0123456789abcdef");
	world.script[CLIENT].publications = many;
	world.script[CLIENT].publication_count = COUNT;
	world_open(SERVER);
	world_open(CLIENT);
	world_turns(200, true);
	assert_non_null(strstr(world.script[SERVER].heard, " (0 proxy-3999 tcp 0.0.0.0:4000 3000 :0)\n"));
	assert_non_null(strstr(world.script[SERVER].heard, "READY\n"));
	assert_non_null(strstr(world.script[CLIENT].heard, "PUBLISHED\n"));
	world_close();
}

/* ---- time ---- */

static void server_waits_for_readiness(void **state)
{
	begin(SERVER);
	hear(message(from_client_first, json_a));
	hear(message(on_control, json_c));
	world.said[SERVER].size = 0;
	world_ask(SERVER, "", 8080);
	expect("");
	world_sleep(DURATION_MS(900), false);
	expect("");
	world_sleep(DURATION_MS(200), false);
	expect("00 00 00 01 00 00 00 02 00 00 00 02 1f 90");
	world_close();

	begin(SERVER);
	hear(message(from_client_first, json_a));
	hear(message(on_control, json_c));
	world.said[SERVER].size = 0;
	world_ask(SERVER, "", 8080);
	expect("");
	hear(message(on_control, json_e));
	expect("00 00 00 01 00 00 00 02 00 00 00 02 1f 90");
	world_close();
}

static void heartbeats_and_silence(void **state)
{
	begin_running(CLIENT);
	world_sleep(DURATION_MS(30100), false);
	expect("00 02 00 01 00 00 00 00 ?? ?? ?? ?? 00 00 00 00 00 00 00 01 00 00 00 38 00 00 00 34"
	       "'{\"jsonrpc\":\"2.0\",\"method\":\"heartbeat\",\"params\":null}'");
	hear("00 02 00 01 00 00 00 00 00 00 00 01");
	world.said[CLIENT].size = 0;
	world_sleep(DURATION_MS(89900), false);
	assert_non_null(world.link[CLIENT]);
	world_sleep(DURATION_MS(200), false);
	assert_true(world.link_gone[CLIENT]);
	assert_int_equal(world.link_why[CLIENT], REASON_SILENT);
	assert_string_equal(world.link_text[CLIENT], "nothing heard for 90 s");
	world_close();
}

static void no_answer(void **state)
{
	begin(CLIENT);
	hear(message(from_server_first, json_b));
	world_sleep(DURATION_MS(9900), false);
	assert_non_null(world.link[CLIENT]);
	world_sleep(DURATION_MS(200), false);
	assert_int_equal(world.link_why[CLIENT], REASON_TIMEOUT);
	assert_non_null(strstr(world.link_text[CLIENT], "submit_config"));
	world_close();
}

static void closed_early(void **state)
{
	begin(CLIENT);
	world_turn(false);
	session_input_end(world.link[CLIENT]);
	world_drain();
	assert_int_equal(world.link_why[CLIENT], REASON_LOST);
	assert_string_equal(world.link_text[CLIENT], "closed during authentication (wrong key?)");
	world_close();
	begin(CLIENT);
	hear(message(from_server_first, json_b));
	session_input_end(world.link[CLIENT]);
	world_drain();
	assert_int_equal(world.link_why[CLIENT], REASON_LOST);
	assert_string_equal(world.link_text[CLIENT],
			    "closed during configuration (all proxies rejected or invalid?)");
	world_close();
	begin_running(CLIENT);
	hear("00 00 00 08 00 00 00 01 00 00 00 00");
	assert_int_equal(world.link_why[CLIENT], REASON_LOST);
	assert_non_null(strstr(world.link_text[CLIENT], "control stream"));
	world_close();
	begin_running(SERVER);
	session_input_end(world.link[SERVER]);
	world_drain();
	assert_int_equal(world.link_why[SERVER], REASON_LOST);
	world_close();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(client_handshake),
	    cmocka_unit_test(server_handshake),
	    cmocka_unit_test(server_hears_ours),
	    cmocka_unit_test(refused_login),
	    cmocka_unit_test(refused_config),
	    cmocka_unit_test(exceptions),
	    cmocka_unit_test(proxy_stream_of_server),
	    cmocka_unit_test(proxy_stream_of_client),
	    cmocka_unit_test(visitor_of_client),
	    cmocka_unit_test(verdict_that_is_none),
	    cmocka_unit_test(visitor_of_server),
	    cmocka_unit_test(forward_of_client),
	    cmocka_unit_test(forward_of_server),
	    cmocka_unit_test(bad_headers_of_streams),
	    cmocka_unit_test(go_ends),
	    cmocka_unit_test(faults),
	    cmocka_unit_test(faults_of_messages),
	    cmocka_unit_test(deep_json),
	    cmocka_unit_test(forgotten_stream),
	    cmocka_unit_test(strays_and_refusals),
	    cmocka_unit_test(ping_storm),
	    cmocka_unit_test(control_grants),
	    cmocka_unit_test(large_config),
	    cmocka_unit_test(server_waits_for_readiness),
	    cmocka_unit_test(heartbeats_and_silence),
	    cmocka_unit_test(no_answer),
	    cmocka_unit_test(closed_early),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
