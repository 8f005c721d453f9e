/* tests/unit/linksocks_wire_test.c - the wire of LinkSocks, byte by byte: one end here, the peer by hand.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "protocols/codecs/compress.h"
#include "tests/unit/linksocks_peer.h"

/* ---- the server's greeting ---- */

static void url_login(void **state)
{
	begin_at(SERVER);
	world_open(SERVER);
	world.script[SERVER].silent = true;
	hear_text(CHUNK_HEAD, "GET /socket?reverse=true&x=%7&token=" HASH
			      "&instance=6ba7b810-9dad-41d1-80b4-00c04fd430c8 HTTP/1.1\r\n" UPGRADE "\r\n");
	expect_heard("AUTH " HASH " " U2_HEX "\n");
	expect_text(CHUNK_HEAD, "HTTP/1.1 101 Switching Protocols\r\n\r\n");
	expect_silence(); /* until the role has answered */
	session_say(the_link(), EVENT_AUTHED);
	session_say(the_link(), EVENT_NOTE);
	world.script[SERVER].note = (struct note){.kind = NOTE_PARTNERS, .count = 2};
	world_turns(2, false);
	expect_hex("010201");
	expect_hex("010a0000000b7b22636f756e74223a327d");
	expect_kind(CHUNK_PING);
	world_close();
}

/* A role that wants to tell news at once has to wait. */
static void authed_comes_first(void **state)
{
	begin_at(SERVER);
	world_open(SERVER);
	world.script[SERVER].silent = true;
	world.script[SERVER].note = (struct note){.kind = NOTE_TEXT, .level = 2, .text = slice_of("hi")};
	session_say(the_link(), EVENT_NOTE);
	hear_text(CHUNK_HEAD, "GET /socket?token=" HASH " HTTP/1.1\r\n" UPGRADE "\r\n");
	expect_kind(CHUNK_HEAD);
	expect_silence();
	session_say(the_link(), EVENT_AUTHED);
	world_turns(2, false);
	expect_hex("010201");
	expect_hex("01090000001b7b226c6576656c223a22696e666f222c226d7367223a226869227d");
	world_close();
}

static struct credentials asked;
static char asked_secret[300], asked_source[100];

static void keep_credentials(struct session *session, const struct event *event)
{
	if (event->kind == EVENT_AUTH) {
		asked = *event->credentials;
		text_copy(asked_secret, sizeof asked_secret, asked.secret);
		text_copy(asked_source, sizeof asked_source, asked.source);
	}
	role_event(session, event);
}

static const struct role keeping_role = {
    .name = "keeping", .start = link_start, .event = keep_credentials, .fill = role_fill};

static void ask_with(const char *head)
{
	begin_at(SERVER);
	world.options.role = &keeping_role;
	memset(&asked, 0, sizeof asked);
	asked_secret[0] = asked_source[0] = 0;
	world_open(SERVER);
	hear_text(CHUNK_HEAD, head);
}

static void queries(void **state)
{
	static const struct {
		const char *query, *secret;
		enum direction direction;
	} cases[] = {
	    {"?token=abc", "abc", DIRECTION_UNSAID},
	    {"?token=abc&reverse=", "abc", DIRECTION_UNSAID},
	    {"?reverse=1&token=abc", "abc", DIRECTION_REVERSE},
	    {"?reverse=true&token=abc", "abc", DIRECTION_REVERSE},
	    {"?reverse=TRUE&token=abc", "abc", DIRECTION_FORWARD},
	    {"?reverse=0&token=abc", "abc", DIRECTION_FORWARD},
	    {"?reverse=false&token=%61b%63&token=second", "abc", DIRECTION_FORWARD},
	    {"?token=a+b%2", "a b%2", DIRECTION_UNSAID},
	    {"?&&=&token=%zz%", "%zz%", DIRECTION_UNSAID},
	    {"/more?token=x=y", "x=y", DIRECTION_UNSAID},
	};
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		char head[600];
		snprintf(head, sizeof head,
			 "GET /socket%s HTTP/1.1\r\n" UPGRADE
			 "X-Forwarded-For: 192.0.2.7 , 10.0.0.1\r\nX-Tunnel-Features: lz4, other\r\n\r\n",
			 cases[i].query);
		ask_with(head);
		assert_string_equal(asked_secret, cases[i].secret);
		assert_string_equal(asked_source, "192.0.2.7");
		assert_int_equal(asked.direction, cases[i].direction);
		assert_int_equal(asked.form, CREDENTIAL_SHA256);
		assert_int_equal(asked.features, FEATURE_OURS | FEATURE_LZ4);
		world_close();
	}
	ask_with("GET /socket?token=t HTTP/1.1\r\n" UPGRADE
		 "X-Forwarded-For: 192.0.2.7\r\nCF-Connecting-IP: 2001:db8::1\r\n\r\n");
	assert_string_equal(asked_source, "2001:db8::1");
	world_close();
	/* a client's own word in front of the proxy's: in the same list, or in one of its own */
	ask_with("GET /socket?token=t HTTP/1.1\r\n" UPGRADE
		 "X-Forwarded-For: 192.0.2.8, 192.0.2.9\r\nX-Forwarded-For: 192.0.2.7\r\n\r\n");
	assert_string_equal(asked_source, "192.0.2.8");
	assert_string_equal(asked_secret, "t");
	world_close();
}

static void message_login(void **state)
{
	ask_with("GET /socket HTTP/1.1\r\n" UPGRADE "X-Forwarded-For: 192.0.2.7\r\n\r\n");
	expect_kind(CHUNK_HEAD);
	expect_silence();
	hear_hex("01010d6578616d706c655f746f6b656e01" U2_HEX);
	assert_string_equal(asked_secret, "example_token");
	assert_string_equal(asked_source, "192.0.2.7");
	assert_int_equal(asked.direction, DIRECTION_REVERSE);
	assert_int_equal(asked.form, CREDENTIAL_PLAIN);
	assert_int_equal(asked.instance[0], 0x6b);
	expect_hex("010201");
	world_close();
}

static void refused_logins(void **state)
{
	static const struct {
		const char *first, *text;
	} cases[] = {
	    {"010302" U1_HEX, "invalid auth message"},
	    {"01", "invalid auth message: message too short"},
	    {"010104746573", "invalid auth message: message too short"},
	    {"1101", "invalid auth message: unsupported protocol major version: peer=0x11 (major=1 minor=1) "
		     "local=0x01 (major=0 minor=1)"},
	};
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		enum chunk_kind kind;
		struct bytes message;
		ask_with("GET /socket?token=&reverse=1 HTTP/1.1\r\n" UPGRADE "\r\n");
		hear_hex(cases[i].first);
		expect_kind(CHUNK_HEAD);
		assert_true(next_said(&kind, &message));
		assert_memory_equal(message.at, "\x01\x02\x00", 3);
		assert_int_equal(message.at[3], strlen(cases[i].text));
		assert_string_equal((const char *)message.at + 4, cases[i].text);
		expect_silence();
		assert_true(world.link_gone[SERVER]);
		assert_int_equal(world.link_why[SERVER], REASON_PROTOCOL);
		world_close();
	}
	begin_at(SERVER);
	world.script[SERVER].login = REASON_AUTH;
	world.script[SERVER].text = slice_of("invalid token");
	world_open(SERVER);
	hear_text(CHUNK_HEAD, "GET /socket?token=" HASH " HTTP/1.1\r\n" UPGRADE "\r\n");
	expect_kind(CHUNK_HEAD);
	expect_hex("0102000d696e76616c696420746f6b656e");
	expect_silence();
	assert_true(world.link_gone[SERVER]);
	world_close();
}

static void no_upgrade(void **state)
{
	begin_at(SERVER);
	world_open(SERVER);
	hear_text(CHUNK_HEAD, "GET /socket?token=" HASH " HTTP/1.1\r\nHost: h\r\n\r\n");
	expect_text(CHUNK_HEAD, "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\n"
				"Sec-Websocket-Version: 13\r\nContent-Length: 12\r\n\r\n");
	expect_text(CHUNK_BYTES, "Bad Request\n");
	assert_true(world.link_gone[SERVER]);
	world_close();
}

/* ---- the client's ---- */

static void client_login(void **state)
{
	begin_at(CLIENT);
	link_options[CLIENT].features = FEATURE_OURS | FEATURE_CREDIT | FEATURE_HALF_CLOSE;
	script()->credentials = (struct credentials){.host = slice_of("relay.example:8443"),
						     .path = slice_of("/ws?a=b"),
						     .secret = slice_of("test"),
						     .direction = DIRECTION_REVERSE};
	memcpy(script()->credentials.instance, u1, 16);
	world_open(CLIENT);
	world_turns(4, false);
	expect_text(CHUNK_HEAD, "GET /ws?a=b HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
				"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAECAwQFBgcICQoLDA0ODw==\r\n"
				"Host: relay.example:8443\r\nX-Tunnel-Features: credit,half-close\r\n\r\n");
	expect_silence(); /* nothing before 101 */
	hear_text(CHUNK_HEAD, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n");
	expect_hex("0101047465737401" U1_HEX);
	hear_hex("010201"
		 "0774686520766974");
	expect_heard("AUTHED\n");
	assert_true(the_link()->ready);
	assert_int_equal(linksocks_features(the_link()), 0);
	assert_int_equal(the_link()->traits & (TRAIT_CREDIT | TRAIT_HALF_CLOSE), 0);
	world_close();
}

static void client_refused(void **state)
{
	static const struct {
		const char *head, *heard;
	} cases[] = {
	    {"HTTP/1.1 403 Forbidden\r\n\r\n", "AUTHED refused 'HTTP/1.1 403 Forbidden'\n"},
	    {"HTTP/1.1 302 Found\r\n\r\n", "AUTHED refused 'HTTP/1.1 302 Found'\n"},
	    {"HTTP/1.1 301 Moved Permanently\r\nLocation: wss://other/socket?x\r\n\r\n",
	     "GOAWAY goaway 'wss://other/socket?x'\n"},
	};
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		begin_at(CLIENT);
		script()->credentials =
		    (struct credentials){.host = slice_of("h"), .path = slice_of("/socket")};
		world_open(CLIENT);
		world_turn(false);
		hear_text(CHUNK_HEAD, cases[i].head);
		hear_text(CHUNK_BYTES, "a body");
		expect_heard(cases[i].heard);
		assert_false(the_link()->ready);
		world_close();
	}
	begin_at(CLIENT);
	script()->credentials = (struct credentials){.host = slice_of("h"), .path = slice_of("/socket")};
	world_open(CLIENT);
	world_turn(false);
	hear_text(CHUNK_HEAD, "HTTP/1.1 101 Switching Protocols\r\n\r\n");
	hear_hex("0102000d696e76616c696420746f6b656e");
	expect_heard("AUTHED auth 'invalid token'\n");
	hear_hex("010a0000000b7b22636f756e74223a327d");
	assert_null(strstr(script()->heard, "NOTE"));
	world_close();
}

/* A stock server may send all this before its AuthResponse. */
static void early_messages(void **state)
{
	for (uint64_t seed = 0; seed < 20; seed++) {
		begin_at(CLIENT);
		world.random = seed;
		world.chop = seed > 0;
		script()->credentials =
		    (struct credentials){.host = slice_of("h"), .path = slice_of("/socket")};
		world_open(CLIENT);
		world_turns(10, false);
		struct bytes bytes = {0};
		const char *head = "HTTP/1.1 101 Switching Protocols\r\n\r\n";
		const char *hexes[] = {"010a0000000b7b22636f756e74223a327d",
				       "010301" U1_HEX "093132372e302e302e310050",
				       "010401" U1_HEX "000000000568656c6c6f",
				       "01090000001b7b226c6576656c223a22696e666f222c226d7367223a226869227d",
				       "010301" U2_HEX "093132372e302e302e310051",
				       "010201"};
		frame_add(&bytes, CHUNK_HEAD, head, strlen(head));
		for (size_t i = 0; i < COUNT_OF(hexes); i++) {
			struct bytes message = {0};
			from_hex(&message, hexes[i]);
			frame_add(&bytes, CHUNK_BINARY, message.at, message.size);
			free(message.at);
		}
		hear_bytes(&bytes);
		world.chop = false;
		world_turns(10, false);
		assert_string_equal(script()->heard, "AUTHED\nNOTE 5 level 3 '' 0/0 0 2\nOPEN 127.0.0.1:80\n"
						     "NOTE 0 level 2 'hi' 0/0 0 0\nOPEN 127.0.0.1:81\n");
		assert_int_equal(world.conn_count, 2);
		assert_int_equal(world.conns[0].out.size, 5);
		world_close();
	}
	/* more than is held is passed over */
	begin_at(CLIENT);
	script()->credentials = (struct credentials){.host = slice_of("h"), .path = slice_of("/socket")};
	world_open(CLIENT);
	world_turn(false);
	hear_text(CHUNK_HEAD, "HTTP/1.1 101 Switching Protocols\r\n\r\n");
	for (int i = 0; i < 40; i++) {
		char hex[100];
		snprintf(hex, sizeof hex, "010301%02x112233445566778899aabbccddeeff093132372e302e302e310050",
			 i);
		hear_hex(hex);
	}
	hear_hex("010201");
	world_turns(20, false);
	assert_int_equal(world.conn_count, 16);
	world_close();
}

/* ---- channels: the exit's side ---- */

static void an_exchange(void **state)
{
	begin_server();
	connect_u1();
	struct conn *conn = &world.conns[0];
	hear_hex("010401" U1_HEX "000000000568656c6c6f");
	assert_int_equal(conn->out.size, 5);
	assert_memory_equal(conn->out.at, "hello", 5);
	bytes_add(&conn->in, "answer", 6);
	world_turns(3, false);
	expect_hex("010401" U1_HEX "0000000006616e73776572");
	conn->in_ended = true;
	world_turns(3, false);
	expect_hex("010600112233445566778899aabbccddeeff03454f46");
	assert_int_equal(the_link()->channel_count, 0);
	hear_hex("010600112233445566778899aabbccddeeff"); /* late, and for nobody */
	hear_hex("010401" U1_HEX "000000000568656c6c6f");
	hear_hex("010500" U1_HEX "00");
	expect_silence();
	assert_non_null(the_link());
	world_close();
}

static void ends_heard(void **state)
{
	begin_server();
	connect_u1();
	hear_hex("010401" U1_HEX "000000000568656c6c6f");
	hear_hex("0106" U1_HEX);
	assert_true(world.conns[0].gone);
	assert_int_equal(world.conns[0].why, REASON_OK);
	assert_int_equal(world.conns[0].out.size, 5);
	expect_silence();
	world_close();
	begin_server();
	connect_u1();
	hear_hex("0106" U1_HEX "03454f46");
	assert_int_equal(world.conns[0].why, REASON_OK);
	world_close();
	begin_server();
	connect_u1();
	hear_hex("0106" U1_HEX "0d72657365742062792070656572");
	assert_true(world.conns[0].gone);
	assert_int_equal(world.conns[0].why, REASON_LOST);
	world_close();
}

static void a_reset_is_told(void **state)
{
	begin_server();
	connect_u1();
	session_end(world.conns[0].session, REASON_STALLED, NULL, false);
	world_turns(3, false);
	expect_hex("0106" U1_HEX "0e7374616c6c656420726561646572");
	world_close();
}

static void what_is_refused(void **state)
{
	begin_server();
	connect_u1();
	hear_hex("010301" U1_HEX "093132372e302e302e310050");
	expect_hex("010500" U1_HEX "166368616e6e656c20616c726561647920696e20757365");
	assert_non_null(session_find(the_link(), u1, 16));
	hear_hex("010300" U2_HEX);
	expect_hex("010500" U2_HEX "10756e6b6e6f776e2070726f746f636f6c");
	hear_hex("0106" U1_HEX);
	the_link()->channels_max = 0;
	hear_hex("010301" U2_HEX "093132372e302e302e310050");
	expect_hex("010500" U2_HEX "11746f6f206d616e79206368616e6e656c73");
	world.refuse_odd = true;
	the_link()->channels_max = 10;
	hear_hex("010301" U2_HEX "093132372e302e302e310051");
	expect_hex("010500" U2_HEX "216e6f7420666f756e64206f7220636c69656e74206e6f7420636f6e6e6563746564");
	world_close();
}

static void refusals_overflow(void **state)
{
	begin_server();
	the_link()->channels_max = 0;
	struct bytes bytes = {0};
	for (int i = 0; i < REFUSALS_MAX + 1; i++) {
		struct bytes message = {0};
		char hex[100];
		snprintf(hex, sizeof hex, "010301%02x112233445566778899aabbccddeeff093132372e302e302e310050",
			 i);
		from_hex(&message, hex);
		frame_add(&bytes, CHUNK_BINARY, message.at, message.size);
		free(message.at);
	}
	world_feed(the_link(), &bytes);
	world_turns(2, false);
	assert_true(world.link_gone[SERVER]);
	assert_string_equal(world.link_text[SERVER],
			    "opens channels faster than it hears that they are refused");
	free(bytes.at);
	world_close();
}

static void broken_messages(void **state)
{
	static const char *const hexes[] = {
	    "01",
	    "",
	    "1103",
	    "010301" U1_HEX,
	    "010401" U1_HEX "000000000561",
	    "010401" U1_HEX "010000000161",
	    "010401" U1_HEX "0000",
	    "010402" U1_HEX "000000000161",
	    "0107" U1_HEX "016103",
	    "0109000000027b7b",
	};
	for (size_t i = 0; i < COUNT_OF(hexes); i++) {
		begin_server();
		connect_u1();
		hear_hex(hexes[i]);
		if (!world.link_gone[SERVER])
			fail_msg("%s was accepted", hexes[i]);
		assert_int_equal(world.link_why[SERVER], REASON_PROTOCOL);
		assert_true(world.link_text[SERVER][0]);
		world_close();
	}
}

static void what_is_passed_over(void **state)
{
	static const char *const hexes[] = {"01fe",
					    "0141" U1_HEX,
					    "0140" U1_HEX "00000001",
					    "010b000000027b7b",
					    "010c",
					    "010d00",
					    "010201",
					    "010104746573740000112233445566778899aabbccddeeff",
					    "0106" U2_HEX,
					    "010501" U2_HEX,
					    "010401" U2_HEX "010000000161",
					    "010402" U2_HEX "000000000161000000000000",
					    "0109000000437b226c6576656c223a226465627567222c226d7367223a226c69"
					    "6e6b736f636b735f636c69656e745f6865"
					    "6c6c6f3a6469726563745f7369676e616c696e673d31227d"};
	begin_server();
	connect_u1();
	script_forget(script());
	for (size_t i = 0; i < COUNT_OF(hexes); i++)
		hear_hex(hexes[i]);
	/* a Log that is too long to be of use, in pieces and at once */
	static char text[100000] = "\x01\x09\x00\x01\x86\x9a";
	hear(CHUNK_BINARY, text, sizeof text);
	/* a datagram that no socket can send */
	struct bytes bytes = {0};
	from_hex(&bytes, "010402" U1_HEX "0000010000");
	bytes_add(&bytes, text, 65536);
	hear(CHUNK_BINARY, bytes.at, bytes.size);
	free(bytes.at);
	assert_non_null(the_link());
	assert_string_equal(script()->heard, "");
	expect_silence();
	/* all of it in between: the channel is as it was */
	hear(CHUNK_TEXT,
	     "\x01\x04\x01\x00\x11\x22\x33\x44\x55\x66\x77\x88\x99\xaa\xbb\xcc\xdd\xee\xff\x02\x00\x00"
	     "\x00\x01"
	     "asurplus",
	     33);
	assert_int_equal(world.conns[0].out.size, 1);
	world_close();
}

static void news(void **state)
{
	begin_client();
	hear_hex("0109000000147b224d5347223a22783c79222c2278223a5b5d7d");
	expect_heard("NOTE 0 level 3 'x<y' 0/0 0 0\n");
	hear_hex("01090000001b7b226c6576656c223a227761726e222c226d7367223a226869227d");
	expect_heard("NOTE 0 level 1 'hi' 0/0 0 0\n");
	hear_hex("010a0000000b7b22636f756e74223a327d");
	expect_heard("NOTE 5 level 3 '' 0/0 0 2\n");
	hear_hex("010700112233445566778899aabbccddeeff09434f4e4e4543544f5201");
	expect_heard("REQUEST 0 'CONNECTOR' " U1_HEX "\n");
	hear_hex("0107" U2_HEX "09434f4e4e4543544f5202");
	expect_heard("REQUEST 1 'CONNECTOR' " U2_HEX "\n");
	hear_hex("010800112233445566778899aabbccddeeff0109434f4e4e4543544f52");
	expect_heard("RESPONSE 0 'CONNECTOR' " U1_HEX "\n");
	hear_hex("0108" U2_HEX "00056f74686572");
	expect_heard("RESPONSE other 'other' 0 '' " U2_HEX "\n");
	world_close();
}

/* ---- channels: the side that asks ---- */

static uint8_t asked_id[16];

/* A user comes; its Connect is said. */
static struct conn *ask(void)
{
	enum chunk_kind kind;
	struct bytes message;
	struct linksocks_message parsed;
	const char *why;
	struct conn *conn = world_ask(here, "example.com", 443);
	world_turns(3, false);
	assert_true(next_said(&kind, &message));
	assert_int_equal(linksocks_parse((struct slice){message.at, message.size}, &parsed, &why), STATUS_OK);
	assert_int_equal(parsed.type, LINKSOCKS_CONNECT);
	assert_true(slice_is(parsed.text, "example.com"));
	assert_int_equal(parsed.port, 443);
	assert_int_equal(parsed.id[6] >> 4, 4);
	assert_int_equal(parsed.id[8] >> 6, 2);
	memcpy(asked_id, parsed.id, 16);
	return conn;
}

static void answer(bool success, const char *text)
{
	struct linksocks_message message = {
	    .type = LINKSOCKS_CONNECT_RESPONSE, .success = success, .text = slice_of(text)};
	uint8_t bytes[400];
	memcpy(message.id, asked_id, 16);
	hear(CHUNK_BINARY, bytes, linksocks_write(&message, bytes, sizeof bytes));
}

static void asked_and_answered(void **state)
{
	begin_client();
	struct conn *conn = ask();
	bytes_add(&conn->in, "early", 5);
	world_turns(3, false);
	expect_silence(); /* nothing before the answer */
	answer(true, "");
	enum chunk_kind kind;
	struct bytes message;
	assert_true(next_said(&kind, &message));
	assert_memory_equal(message.at + LINKSOCKS_DATA_HEAD_SIZE, "early", 5);
	hear_data(asked_id, 0, "answer", 6);
	assert_int_equal(conn->out.size, 6);
	answer(true, "");
	answer(false, "twice"); /* an answer counts once */
	assert_non_null(conn->session);
	world_close();
}

static void asked_and_refused(void **state)
{
	static const struct {
		const char *text;
		enum reason reason;
	} cases[] = {
	    {"dial tcp 127.0.0.1:1: connect: connection refused", REASON_REFUSED},
	    {"dial tcp: lookup x: no such host", REASON_NAME},
	    {"dial tcp 10.0.0.1:80: i/o timeout", REASON_TIMEOUT},
	    {"dial tcp: connect: network is unreachable", REASON_UNREACHABLE},
	    {"no available reverse clients", REASON_UNREACHABLE},
	    {"not allowed", REASON_FORBIDDEN},
	    {"not permitted by access.allow and access.deny: h", REASON_FORBIDDEN},
	    {"h.example: name does not resolve", REASON_NAME},
	    {"", REASON_OTHER},
	};
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		begin_client();
		struct conn *conn = ask();
		answer(false, cases[i].text);
		assert_true(conn->gone);
		assert_int_equal(conn->why, cases[i].reason);
		assert_int_equal(the_link()->channel_count, 0);
		expect_silence();
		world_close();
	}
}

static void data_is_an_answer(void **state)
{
	begin_client();
	struct conn *conn = ask();
	hear_data(asked_id, 0, "first", 5);
	assert_int_equal(conn->out.size, 5);
	answer(true, "");
	hear_data(asked_id, 0, "second", 6);
	assert_int_equal(conn->out.size, 11);
	world_close();
	begin_client();
	conn = ask();
	hear_data(asked_id, 0, "first", 5);
	answer(false, "no");
	assert_true(conn->gone);
	assert_int_not_equal(conn->why, REASON_OK);
	world_close();
}

static void asker_leaves_early(void **state)
{
	begin_client();
	struct conn *conn = ask();
	session_end(conn->session, REASON_LOST, NULL, false);
	world_turns(3, false);
	enum chunk_kind kind;
	struct bytes message;
	assert_true(next_said(&kind, &message));
	assert_int_equal(message.at[1], LINKSOCKS_DISCONNECT);
	assert_memory_equal(message.at + 2, asked_id, 16);
	answer(true, ""); /* too late */
	expect_silence();
	world_close();
}

static void expect_disconnect(const char *text)
{
	enum chunk_kind kind;
	struct bytes message;
	assert_true(next_said(&kind, &message));
	assert_int_equal(message.at[1], LINKSOCKS_DISCONNECT);
	assert_memory_equal(message.at + 2, asked_id, 16);
	assert_int_equal(message.size, 18 + 1 + strlen(text));
	assert_memory_equal(message.at + 19, text, strlen(text));
}

/* Whoever ends well before its target is reached does not keep the far end busy, unless it has spoken. */
static void asker_ends_early(void **state)
{
	for (int spoke = 0; spoke < 2; spoke++) {
		begin_client();
		struct conn *conn = ask();
		if (spoke)
			bytes_add(&conn->in, "early", 5);
		world_turns(3, false);
		struct event end = {.kind = EVENT_CLOSE, .channel = session_only_channel(conn->session)};
		session_deliver(conn->session, &end);
		world_turns(3, false);
		if (spoke) {
			expect_silence();
			answer(true, "");
			expect_kind(CHUNK_BINARY);
			expect_disconnect("EOF");
		} else {
			expect_disconnect("connection lost");
			answer(true, "");
		}
		expect_silence();
		assert_int_equal(the_link()->channel_count, 0);
		assert_true(conn->gone);
		world_close();
	}
}

static bool fast_holds;

static void fast_event(struct session *session, const struct event *event)
{
	struct channel *channel = channel_open(world.link[here], event->channel->pair, event->target);
	check(channel);
	channel_open_within(channel, DURATION_S(15));
	linksocks_open_fast(channel, fast_holds);
}

static const struct role fast_role = {.name = "fast", .event = fast_event};

static struct conn *ask_fast(bool holds)
{
	fast_holds = holds;
	struct conn *conn =
	    conn_create(here, true, &fast_role, &(struct target){.port = 443, .host = "example.com"});
	session_open(conn->session);
	world_turns(3, false);
	enum chunk_kind kind;
	struct bytes message;
	assert_true(next_said(&kind, &message));
	memcpy(asked_id, message.at + 3, 16);
	return conn;
}

static void fast_open(void **state)
{
	begin_client();
	struct conn *conn = ask_fast(false);
	bytes_add(&conn->in, "early", 5);
	world_turns(3, false);
	expect_kind(CHUNK_BINARY);
	answer(true, "");
	hear_data(asked_id, 0, "answer", 6);
	assert_int_equal(conn->out.size, 6);
	world_close();
	begin_client();
	conn = ask_fast(true);
	bytes_add(&conn->in, "early", 5);
	world_turns(3, false);
	expect_silence();
	answer(true, "");
	expect_kind(CHUNK_BINARY);
	world_close();
	begin_client();
	conn = ask_fast(true);
	bytes_add(&conn->in, "early", 5);
	hear_data(asked_id, 0, "answer", 6); /* as good as an answer */
	expect_kind(CHUNK_BINARY);
	world_close();
	begin_client();
	conn = ask_fast(false);
	answer(false, "connection refused");
	assert_true(conn->gone);
	assert_int_equal(conn->why, REASON_REFUSED);
	world_close();
}

/* Who never answers Connect is given up as if nothing was taken on trust; an answer of any kind will do. */
static void fast_unanswered(void **state)
{
	for (int what = 0; what < 4; what++) {
		begin_client();
		struct conn *conn = ask_fast(what == 1);
		if (what == 2)
			answer(true, "");
		if (what == 3)
			hear_data(asked_id, 0, "answer", 6);
		world_sleep(DURATION_S(14), false);
		assert_false(conn->gone);
		world_sleep(DURATION_S(2), false);
		assert_int_equal(conn->gone, what < 2);
		if (what < 2) {
			assert_int_equal(conn->why, REASON_TIMEOUT);
			expect_disconnect("timed out");
			answer(true, ""); /* too late */
		}
		expect_silence();
		world_close();
	}
}

/* ---- packed data ---- */

enum { TEXT_SIZE = 700000 };

static uint8_t long_text[TEXT_SIZE], packed[TEXT_SIZE];

static void fill_long_text(void)
{
	for (size_t i = 0; i < TEXT_SIZE; i++)
		long_text[i] = (uint8_t)("0123456789abcdef"[random_next(&world.random) % 16]);
}

static size_t gzip(size_t size)
{
	struct piece piece = {.bytes = {long_text, size}};
	size_t used = 0;
	assert_int_equal(gzip_pack(&world.hub.bufs, &piece, 1, packed, sizeof packed, &used), STATUS_OK);
	return used;
}

static void gzip_heard(void **state)
{
	for (uint64_t seed = 0; seed < 12; seed++) {
		begin_server();
		connect_u1();
		fill_long_text();
		world.random = seed;
		world.chop = seed > 3;
		world.limits.channel_bytes_no_credit = seed & 1 ? 16 << 20 : 100000;
		size_t size = gzip(TEXT_SIZE);
		hear_data(u1, LINKSOCKS_GZIP, packed, size);
		hear_data(u1, 0, "end", 3);
		world_turns(200, false);
		struct conn *conn = &world.conns[0];
		assert_int_equal(conn->out.size, TEXT_SIZE + 3);
		assert_memory_equal(conn->out.at, long_text, TEXT_SIZE);
		world_close();
	}
}

static void gzip_broken(void **state)
{
	for (int what = 0; what < 3; what++) {
		begin_server();
		connect_u1();
		fill_long_text();
		size_t size = gzip(5000);
		if (what == 0)
			packed[size / 2] ^= 0x55;
		hear_data(u1, LINKSOCKS_GZIP, packed, what == 1 ? size - 1 : what == 2 ? 0 : size);
		assert_true(world.link_gone[SERVER]);
		assert_string_equal(world.link_text[SERVER], "invalid gzip data");
		world_close();
	}
}

static void packed_when_said(void **state)
{
	for (int lz4 = 0; lz4 < 2; lz4++) {
		begin_at(SERVER);
		link_options[SERVER] = (struct linksocks_options){
		    .features = FEATURE_OURS | (lz4 ? FEATURE_LZ4 : 0), .compression_threshold = 1000};
		begin_server_with(lz4 ? "lz4" : NULL);
		connect_u1();
		fill_long_text();
		if (lz4)
			memset(long_text, 'x', TEXT_SIZE);
		struct conn *conn = &world.conns[0];
		bytes_add(&conn->in, long_text, TEXT_SIZE);
		world_turns(20, false);
		bytes_add(&conn->in, "short", 5);
		world_turns(20, false);
		size_t got = 0, on_wire = 0;
		enum chunk_kind kind;
		struct bytes message;
		static uint8_t out[LINKSOCKS_MESSAGE_MAX / 8];
		while (next_said(&kind, &message)) {
			struct linksocks_message parsed;
			const char *why;
			size_t size = 0;
			assert_int_equal(
			    linksocks_parse((struct slice){message.at, message.size}, &parsed, &why),
			    STATUS_OK);
			bool last = parsed.payload.size == 5;
			assert_int_equal(parsed.compression, last  ? LINKSOCKS_PLAIN
							     : lz4 ? LINKSOCKS_LZ4
								   : LINKSOCKS_GZIP);
			if (last)
				break;
			enum status status =
			    lz4 ? lz4_unpack(parsed.payload, out, sizeof out, &size)
				: gzip_unpack(&world.hub.bufs, parsed.payload, out, sizeof out, &size);
			assert_int_equal(status, STATUS_OK);
			assert_memory_equal(out, long_text + got, size);
			got += size;
			on_wire += message.size;
		}
		assert_int_equal(got, TEXT_SIZE);
		assert_true(on_wire < TEXT_SIZE * 2 / 3);
		world_close();
	}
	/* random bytes stay as they are */
	begin_at(SERVER);
	link_options[SERVER].compression_threshold = 1000;
	begin_server_with(NULL);
	connect_u1();
	for (size_t i = 0; i < TEXT_SIZE; i++)
		long_text[i] = (uint8_t)(random_next(&world.random) >> 20);
	bytes_add(&world.conns[0].in, long_text, 50000);
	world_turns(20, false);
	enum chunk_kind kind;
	struct bytes message;
	assert_true(next_said(&kind, &message));
	assert_int_equal(message.at[19], LINKSOCKS_PLAIN);
	assert_int_equal(message.size, LINKSOCKS_DATA_HEAD_SIZE + 50000);
	world_close();
}

static void lz4_heard(void **state)
{
	for (uint64_t seed = 0; seed < 12; seed++) {
		begin_at(SERVER);
		link_options[SERVER].features = FEATURE_OURS | FEATURE_LZ4;
		begin_server_with("lz4,half-close");
		assert_int_equal(linksocks_features(the_link()), FEATURE_OURS | FEATURE_LZ4);
		connect_u1();
		memset(long_text, 'x', TEXT_SIZE);
		world.random = seed;
		world.chop = seed > 3;
		world.limits.channel_bytes_no_credit = seed & 1 ? 16 << 20 : 100000;
		size_t size = 0;
		assert_int_equal(lz4_pack((struct slice){long_text, TEXT_SIZE}, packed, sizeof packed, &size),
				 STATUS_OK);
		hear_data(u1, LINKSOCKS_LZ4, packed, size);
		hear_data(u1, LINKSOCKS_LZ4, packed, size);
		hear_data(u1, 0, "end", 3);
		world_turns(200, false);
		assert_int_equal(world.conns[0].out.size, 2 * TEXT_SIZE + 3);
		world_close();
	}
	begin_at(SERVER);
	link_options[SERVER].features = FEATURE_OURS | FEATURE_LZ4;
	begin_server_with("lz4");
	connect_u1();
	hear_hex("010401" U1_HEX "0200000005ffffffff00");
	assert_true(world.link_gone[SERVER]);
	assert_string_equal(world.link_text[SERVER], "invalid lz4 data");
	world_close();
	/* nobody makes us hold more than our own end would ever say */
	for (int packed_too = 0; packed_too < 2; packed_too++) {
		begin_at(SERVER);
		link_options[SERVER].features = FEATURE_OURS | FEATURE_LZ4;
		begin_server_with("lz4");
		connect_u1();
		size_t large = 5 << 20;
		uint8_t *message = calloc(1, large);
		put32(message, packed_too ? 100 : 5 << 20);
		hear_data(u1, LINKSOCKS_LZ4, message, packed_too ? large : 40000);
		assert_true(world.link_gone[SERVER]);
		assert_string_equal(world.link_text[SERVER],
				    packed_too ? "message too short" : "data unpacks to too much");
		free(message);
		world_close();
	}
	/* not agreed: bytes as they are */
	begin_server();
	connect_u1();
	hear_hex("010401" U1_HEX "0200000005ffffffff00");
	assert_int_equal(world.conns[0].out.size, 5);
	world_close();
}

/* ---- between our own ends ---- */

static void windows_and_halves(void **state)
{
	begin_at(SERVER);
	link_options[SERVER].features = FEATURE_OURS | FEATURE_CREDIT | FEATURE_HALF_CLOSE;
	begin_server_with("credit,half-close,lz4");
	connect_u1();
	struct conn *conn = &world.conns[0];
	hear_hex("0141" U1_HEX);
	assert_true(conn->shut);
	assert_false(conn->gone);
	fill_long_text();
	bytes_add(&conn->in, long_text, TEXT_SIZE);
	world_turns(30, false);
	size_t got = 0;
	enum chunk_kind kind;
	struct bytes message;
	while (next_said(&kind, &message))
		got += message.size - LINKSOCKS_DATA_HEAD_SIZE;
	assert_int_equal(got, LINK_WINDOW);
	hear_hex("0140" U1_HEX "000f0000");
	conn->in_ended = true;
	world_turns(30, false);
	while (next_said(&kind, &message) && message.at[1] == LINKSOCKS_DATA)
		got += message.size - LINKSOCKS_DATA_HEAD_SIZE;
	assert_int_equal(got, TEXT_SIZE);
	assert_int_equal(message.at[1], LINKSOCKS_EOF);
	assert_true(conn->gone);
	assert_int_equal(the_link()->channel_count, 0);
	world_close();
	/* what we take is granted again; more than the window ends the link */
	begin_at(SERVER);
	link_options[SERVER].features = FEATURE_OURS | FEATURE_CREDIT;
	begin_server_with("credit");
	connect_u1();
	hear_data(u1, 0, long_text, LINK_WINDOW / 2);
	world_turns(10, false);
	assert_true(next_said(&kind, &message));
	assert_int_equal(message.at[1], LINKSOCKS_CREDIT);
	assert_int_equal(get32(message.at + 18), LINK_WINDOW / 2);
	world_close();
	begin_at(SERVER);
	link_options[SERVER].features = FEATURE_OURS | FEATURE_CREDIT;
	begin_server_with("credit");
	connect_u1();
	hear_data(u1, 0, long_text, LINK_WINDOW + 1);
	assert_true(world.link_gone[SERVER]);
	assert_string_equal(world.link_text[SERVER], "sent more data than its window allows");
	world_close();
}

static void features_as_text(void **state)
{
	char text[64];
	assert_string_equal(linksocks_features_text(0, text), "stock");
	assert_string_equal(linksocks_features_text(FEATURE_OURS, text), "stock");
	assert_string_equal(
	    linksocks_features_text(FEATURE_OURS | FEATURE_CREDIT | FEATURE_LZ4 | FEATURE_HALF_CLOSE, text),
	    "credit,lz4,half-close");
}

/* ---- time ---- */

static void pings(void **state)
{
	begin_server();
	world_sleep(DURATION_S(LINKSOCKS_PING_S), false);
	enum chunk_kind kind;
	struct bytes message;
	assert_true(next_said(&kind, &message));
	assert_int_equal(kind, CHUNK_PING);
	assert_int_equal(message.size, 4);
	hear(CHUNK_PONG, "", 0); /* nobody's */
	assert_int_equal(the_link()->rtt.ns, 0);
	uint8_t nonce[4];
	memcpy(nonce, message.at, 4);
	world.hub.now = instant_after(world.hub.now, DURATION_MS(7));
	hear(CHUNK_PONG, nonce, 4);
	assert_int_equal(duration_ms(the_link()->rtt), 7);
	expect_heard("PONG\n");
	world_close();
}

static void silence(void **state)
{
	begin_server();
	for (int s = 0; s < 70; s += 5)
		world_sleep(DURATION_S(5), false);
	assert_non_null(the_link());
	hear(CHUNK_PONG, "", 0); /* any byte counts */
	for (int s = 0; s < 70; s += 5)
		world_sleep(DURATION_S(5), false);
	assert_non_null(the_link());
	world_sleep(DURATION_S(5), false);
	assert_true(world.link_gone[SERVER]);
	assert_int_equal(world.link_why[SERVER], REASON_SILENT);
	world_close();
}

/* While a full channel keeps us from reading, the peer is not silent; when a keep-alive falls due the channel
 * goes, so that the peer is heard. */
static void full_channel_goes_with_the_ping(void **state)
{
	static uint8_t whole[LINKSOCKS_DATA_HEAD_SIZE + 60000];
	struct linksocks_message message = {
	    .type = LINKSOCKS_DATA, .network = LINKSOCKS_TCP, .payload = {whole, 60000}};
	struct bytes frames = {0};
	begin_server();
	world.limits.channel_bytes_no_credit = 100000;
	connect_u1();
	memcpy(message.id, u1, sizeof message.id);
	linksocks_write(&message, whole, LINKSOCKS_DATA_HEAD_SIZE);
	for (int i = 0; i < 4; i++)
		frame_add(&frames, CHUNK_BINARY, whole, sizeof whole);
	world_feed(the_link(), &frames); /* and nobody takes it */
	assert_true(session_is_held_back(the_link()));
	world.hub.now = instant_after(world.hub.now, DURATION_S(LINKSOCKS_SILENT_S + 1));
	the_link()->wire->tick(the_link(), the_link()->wire_state, world.hub.now);
	assert_int_equal(the_link()->state, SESSION_OPEN);
	assert_int_equal(world.hub.counters[COUNTER_channels_fullest], 1);
	assert_false(session_is_held_back(the_link()));
	free(frames.at);
	world_close();
}

/* A provider of a stock server is cut off after a minute unless it sends Pongs that nobody asked for, and
 * holds data back that would overtake its answer. */
static void a_provider(void **state)
{
	begin_at(CLIENT);
	link_options[CLIENT].provider = true;
	begin_client_with(NULL);
	world_sleep(DURATION_S(26), false);
	expect_kind(CHUNK_PONG);
	hear(CHUNK_PING, "", 0);
	world_sleep(DURATION_S(26), false);
	expect_kind(CHUNK_PING);
	expect_kind(CHUNK_PONG);
	connect_u1();
	bytes_add(&world.conns[0].in, "SSH-2.0", 7);
	world_turns(3, false);
	expect_silence();
	world_sleep(DURATION_MS(LINKSOCKS_HOLD_MS + 1), false);
	expect_hex("010401" U1_HEX "00000000075353482d322e30");
	world_close();
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(url_login),
					   cmocka_unit_test(authed_comes_first),
					   cmocka_unit_test(queries),
					   cmocka_unit_test(message_login),
					   cmocka_unit_test(refused_logins),
					   cmocka_unit_test(no_upgrade),
					   cmocka_unit_test(client_login),
					   cmocka_unit_test(client_refused),
					   cmocka_unit_test(early_messages),
					   cmocka_unit_test(an_exchange),
					   cmocka_unit_test(ends_heard),
					   cmocka_unit_test(a_reset_is_told),
					   cmocka_unit_test(what_is_refused),
					   cmocka_unit_test(refusals_overflow),
					   cmocka_unit_test(broken_messages),
					   cmocka_unit_test(what_is_passed_over),
					   cmocka_unit_test(news),
					   cmocka_unit_test(asked_and_answered),
					   cmocka_unit_test(asked_and_refused),
					   cmocka_unit_test(data_is_an_answer),
					   cmocka_unit_test(asker_leaves_early),
					   cmocka_unit_test(asker_ends_early),
					   cmocka_unit_test(fast_open),
					   cmocka_unit_test(fast_unanswered),
					   cmocka_unit_test(gzip_heard),
					   cmocka_unit_test(gzip_broken),
					   cmocka_unit_test(packed_when_said),
					   cmocka_unit_test(lz4_heard),
					   cmocka_unit_test(windows_and_halves),
					   cmocka_unit_test(features_as_text),
					   cmocka_unit_test(pings),
					   cmocka_unit_test(silence),
					   cmocka_unit_test(full_channel_goes_with_the_ping),
					   cmocka_unit_test(a_provider)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
