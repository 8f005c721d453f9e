/* tests/unit/websocket_head_test.c - the opening handshake of a WebSocket (RFC 6455, 4) in both roles, what
 * is answered to no handshake, and how a WebSocket ends.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/websocket_world.h"

static void assert_said(struct side *side, const char *text)
{
	bytes_add(&side->said, "", 1);
	assert_string_equal((const char *)side->said.at, text);
	side->said.size = 0;
}

/* The value of a field in a text that was said; "" when it is not there. */
static const char *field_of(const struct side *side, const char *name)
{
	static char value[200];
	char text[4096], pattern[64];
	snprintf(text, sizeof text, "%.*s", (int)side->said.size, (const char *)side->said.at);
	snprintf(pattern, sizeof pattern, "\r\n%s: ", name);
	const char *at = strstr(text, pattern);
	snprintf(value, sizeof value, "%.*s", at ? (int)strcspn(at + strlen(pattern), "\r") : 0,
		 at ? at + strlen(pattern) : "");
	return value;
}

/* ---- the server ---- */

static void a_request_becomes_a_head(void **state)
{
	static const char text[] = "GET /chat?token=x HTTP/1.1\r\nX-A: 1\r\n" REQUEST_FIELDS "X-B: 2\r\n\r\n";
	for (size_t split = 0; split < sizeof text - 1; split++) {
		world_init(split);
		struct side *server = world_open(false);
		side_hear(server, text, split, 0);
		assert_int_equal(server->notes_size, 0);
		side_hear(server, text + split, sizeof text - 1 - split, 0);
		assert_string_equal(server->notes, "head GET /chat?token=x X-A=1 X-B=2\n");
		world_close();
	}
	world_init(1);
	struct side *server = world_open(false);
	side_hear(server, text, sizeof text - 1, 1);
	assert_string_equal(server->notes, "head GET /chat?token=x X-A=1 X-B=2\n");
	world_close();
}

static void the_answer_has_three_fields(void **state)
{
	world_init(1);
	struct side *server = world_open(false);
	side_hear(server, REQUEST, strlen(REQUEST), 0);
	side_say_head(server, &(struct head){.status = 101});
	assert_said(server,
		    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
		    "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n");
	assert_false(server->shut);
	side_close(server);
	server = world_open(false);
	side_hear(server, REQUEST, strlen(REQUEST), 0);
	side_say_head(server, &(struct head){.status = 101,
					     .fields = {{slice_of("X-Tunnel-Features"), slice_of("credit")}},
					     .field_count = 1});
	assert_said(server,
		    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
		    "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
		    "X-Tunnel-Features: credit\r\n\r\n");
	world_close();
}

static void another_answer_has_a_body(void **state)
{
	static const char *const requests[] = {
	    REQUEST, "GET / HTTP/1.1\r\nHost: h\r\n\r\n",
	    "POST /api HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nbody"};
	for (size_t i = 0; i < COUNT_OF(requests); i++) {
		struct head head = {.status = 404,
				    .fields = {{slice_of("Content-Type"), slice_of("text/plain")}},
				    .field_count = 1};
		world_init(1);
		struct side *server = world_open(false);
		side_hear(server, requests[i], strlen(requests[i]), 9);
		side_hear(server, i ? "dropped" : "", i ? 7 : 0, 0);
		side_say_head(server, &head);
		side_say(server, CHUNK_BYTES, slice_of("404 page "));
		side_say(server, CHUNK_BYTES, slice_of("not found\n"));
		side_say(server, CHUNK_PING, slice_of("never"));
		side_hear(server, "dropped", 7, 0);
		side_say(server, CHUNK_END, slice_of(""));
		side_say(server, CHUNK_BYTES, slice_of("never"));
		assert_said(server,
			    "HTTP/1.1 404 Not Found\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n"
			    "404 page not found\n");
		assert_true(server->shut);
		assert_int_equal(server->session->state, SESSION_OPEN);
		assert_null(strstr(server->notes, "drop"));
		world_close();
	}
}

static const struct {
	const char *text, *answer, *why;
} refused[] = {
    {"GET /\n\n", "400 Bad Request", "CR LF"},
    {"\x16\x03\x01\n", "400 Bad Request", "CR LF"},
    {"GET / HTTP/1.1\r\n\r\n", "400 Bad Request", "Host"},
    {"GET / HTTP/2.0\r\nHost: h\r\n\r\n", "505 HTTP Version Not Supported", "version"},
    {"GET / HTTP/1.1\r\nHost: h\r\nX: \x01\r\n\r\n", "400 Bad Request", "control"},
    {"HTTP/1.1 200 OK\r\n\r\n", "400 Bad Request", "answer instead"},
    {REQUEST "\x81\x80mask", "400 Bad Request", "before the answer"},
};

static void assert_refused(struct side *server, const char *answer, const char *why)
{
	char expected[512];
	const char *text = strchr(answer, ' ') + 1;
	assert_int_equal(server->session->state, SESSION_FLUSH);
	assert_int_equal(server->session->why, REASON_PROTOCOL);
	assert_non_null(strstr(server->session->why_text, why));
	side_pump(server);
	snprintf(expected, sizeof expected,
		 "HTTP/1.1 %s\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: %zu\r\n"
		 "Connection: close\r\n\r\n%s\n",
		 answer, strlen(text) + 1, text);
	assert_said(server, expected);
	assert_true(server->shut);
	assert_null(server->session);
}

static void no_request_is_refused(void **state)
{
	for (size_t i = 0; i < 2 * COUNT_OF(refused); i++) {
		world_init(1);
		struct side *server = world_open(false);
		side_hear(server, refused[i / 2].text, strlen(refused[i / 2].text), i % 2);
		assert_int_equal(server->notes_size > 0,
				 refused[i / 2].text == refused[COUNT_OF(refused) - 1].text && i % 2);
		assert_refused(server, refused[i / 2].answer, refused[i / 2].why);
		world_close();
	}
}

static void the_longest_request(void **state)
{
	static char text[HTTP1_HEAD_MAX + 64];
	static const char front[] = "GET / HTTP/1.1\r\nHost: h\r\nX: ";
	for (size_t i = 0; i < 6; i++) {
		size_t size = HTTP1_HEAD_MAX + i / 3;
		static const size_t pieces[] = {0, 1, 3000};
		memset(text, 'x', sizeof text);
		memcpy(text, front, sizeof front - 1);
		memcpy(text + size - 4, "\r\n\r\n", 4);
		world_init(i);
		struct side *server = world_open(false);
		side_hear(server, text, size, pieces[i % 3]);
		if (i < 3)
			assert_memory_equal(server->notes, "head GET / X=xxx", 16);
		else
			assert_refused(server, "431 Request Header Fields Too Large", "too long");
		world_close();
	}
}

/* A client that cannot wait is told so, even when its frame came by itself. */
static void frames_before_the_answer(void **state)
{
	world_init(1);
	struct side *server = world_open(false);
	side_hear(server, REQUEST, strlen(REQUEST), 0);
	side_hear(server, "\x89\x80mask", 6, 0);
	world_answers = true; /* too late */
	assert_refused(server, "400 Bad Request", "before the answer");
	assert_string_equal(server->notes, "head GET /chat\n");
	world_close();
}

/* ---- the client ---- */

static const char *accept_of(const struct side *client)
{
	return ((struct websocket *)client->session->carrier_state)->accept;
}

static void the_request_has_what_is_needed(void **state)
{
	struct head head = head_of_request();
	char first[64];
	world_init(1);
	struct side *client = world_open(true);
	assert_int_equal(side_say_head(client, &head), STATUS_OK);
	assert_memory_equal(client->said.at, "GET /chat HTTP/1.1\r\nHost: h\r\n", 28);
	assert_string_equal(field_of(client, "Upgrade"), "websocket");
	assert_string_equal(field_of(client, "Connection"), "Upgrade");
	assert_string_equal(field_of(client, "Sec-WebSocket-Version"), "13");
	assert_string_equal(field_of(client, "User-Agent"), "tunnel/" TUNNEL_VERSION);
	assert_int_equal(strlen(field_of(client, "Sec-WebSocket-Key")), 24);
	struct head parsed;
	size_t used;
	unsigned status;
	const char *why;
	assert_int_equal(http1_parse_head((struct slice){client->said.at, client->said.size}, &parsed, &used,
					  &status, &why),
			 STATUS_OK);
	assert_int_equal(used, client->said.size);
	assert_true(http1_is_websocket_upgrade(&parsed));
	text_copy(first, sizeof first, slice_of(field_of(client, "Sec-WebSocket-Key")));
	side_close(client);
	client = world_open(true);
	head.fields[head.field_count].name = slice_of("user-agent");
	head.fields[head.field_count++].value = slice_of("other");
	side_say_head(client, &head);
	assert_string_equal(field_of(client, "User-Agent"), "");
	assert_string_equal(field_of(client, "user-agent"), "other");
	assert_string_not_equal(field_of(client, "Sec-WebSocket-Key"), first);
	world_close();
}

/* A redirection may bring anything. */
static void what_http_forbids_is_not_said(void **state)
{
	static const char *const paths[] = {"", "/a b", "/a\r\nX: y", "/a\x7f", "/#x", "/\xc3\xa9"};
	for (size_t i = 0; i <= COUNT_OF(paths); i++) {
		struct head head = head_of_request();
		world_init(1);
		struct side *client = world_open(true);
		if (i < COUNT_OF(paths))
			head.path = slice_of(paths[i]);
		else
			head.fields[0].value = slice_of("h\r\nX: y");
		assert_int_equal(side_say_head(client, &head), STATUS_OK);
		assert_null(client->session);
		assert_int_equal(client->said.size, 0);
		assert_non_null(strstr(client->why_text, "HTTP does not allow"));
		world_close();
	}
}

#define SWITCHED "HTTP/1.1 101 Switching Protocols\r\n"
#define UPGRADE "upgrade: WebSocket\r\n"
#define CONNECTION "Connection: keep-alive, upgrade\r\n"
#define ACCEPT "Sec-WebSocket-Accept: %s\r\n"

static const struct {
	const char *text; /* %s: the right Sec-WebSocket-Accept */
	const char *heard, *why;
} answers[] = {
    {SWITCHED UPGRADE CONNECTION ACCEPT "\r\n", "head 101\n", ""},
    {SWITCHED UPGRADE CONNECTION ACCEPT "X-Tunnel-Features: lz4\r\n\r\n", "head 101 X-Tunnel-Features=lz4\n",
     ""},
    {SWITCHED UPGRADE CONNECTION ACCEPT "\r\n\x81\x02hi", "head 101\ntext 'hi'\n", ""},
    {SWITCHED UPGRADE CONNECTION ACCEPT "\r\n\x82", "head 101\n", ""},
    {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nX-A: b\r\n\r\n" SWITCHED UPGRADE CONNECTION
	 ACCEPT "\r\n\x81\x01x",
     "head 101\ntext 'x'\n", ""},
    {SWITCHED CONNECTION ACCEPT "\r\n", "", "no Upgrade: websocket"},
    {SWITCHED "Upgrade: h2c\r\n" CONNECTION ACCEPT "\r\n", "", "no Upgrade: websocket"},
    {SWITCHED UPGRADE ACCEPT "\r\n", "", "Connection: Upgrade"},
    {SWITCHED UPGRADE CONNECTION "\r\n", "", "Sec-WebSocket-Accept"},
    {SWITCHED UPGRADE CONNECTION "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n", "",
     "Sec-WebSocket-Accept"},
    {SWITCHED UPGRADE CONNECTION "Sec-WebSocket-Accept: %s=\r\n\r\n", "", "Sec-WebSocket-Accept"},
    {SWITCHED UPGRADE CONNECTION ACCEPT "Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n", "",
     "extension"},
    {SWITCHED UPGRADE CONNECTION ACCEPT "Sec-WebSocket-Protocol: chat\r\n\r\n", "", "subprotocol"},
    {"HTTP/1.1 401 Unauthorized\r\nX-Why: no\r\nContent-Length: 4\r\n\r\nbody\x81\x02hi",
     "head 401 X-Why=no\n", ""},
    {"HTTP/1.1 302 Found\r\nX-To: /there\r\n\r\n", "head 302 X-To=/there\n", ""},
    {"HTTP/1.1 200 OK\r\n\r\n", "head 200\n", ""},
    {"HTTP/1.1 101\n\n", "", "CR LF"},
    {"GET / HTTP/1.1\r\nHost: h\r\n\r\n", "", "request instead"},
    {"\x81\x02hi\n", "", "CR LF"},
    {"SSH-2.0-x\r\n", "", "first line"},
};

static void answers_are_verified(void **state)
{
	for (size_t i = 0; i < 3 * COUNT_OF(answers); i++) {
		static const size_t pieces[] = {0, 1, 30};
		char text[512];
		struct head head = head_of_request();
		world_init(i);
		struct side *client = world_open(true);
		assert_int_equal(side_say_head(client, &head), STATUS_OK);
		client->said.size = 0;
		snprintf(text, sizeof text, answers[i / 3].text, accept_of(client));
		side_hear(client, text, strlen(text), pieces[i % 3]);
		assert_string_equal(client->notes, answers[i / 3].heard);
		assert_non_null(strstr(client->session->why_text, answers[i / 3].why));
		assert_int_equal(client->session->state,
				 answers[i / 3].why[0] ? SESSION_FLUSH : SESSION_OPEN);
		side_pump(client);
		assert_int_equal(client->said.size, 0); /* nothing is owed to what is no WebSocket */
		world_close();
	}
}

static void a_subprotocol_that_was_asked_for(void **state)
{
	char text[512];
	struct head head = head_of_request();
	world_init(1);
	struct side *client = world_open(true);
	head.fields[head.field_count].name = slice_of("Sec-WebSocket-Protocol");
	head.fields[head.field_count++].value = slice_of("chat");
	side_say_head(client, &head);
	snprintf(text, sizeof text, SWITCHED UPGRADE CONNECTION ACCEPT "Sec-WebSocket-Protocol: chat\r\n\r\n",
		 accept_of(client));
	side_hear(client, text, strlen(text), 0);
	assert_string_equal(client->notes, "head 101\n");
	world_close();
}

static void interim_answers_are_counted(void **state)
{
	static const char text[] = "HTTP/1.1 102 Processing\r\n\r\n";
	struct head head = head_of_request();
	world_init(1);
	struct side *client = world_open(true);
	side_say_head(client, &head);
	for (int i = 0; i < WEBSOCKET_INTERIM_MAX; i++)
		side_hear(client, text, sizeof text - 1, 0);
	assert_int_equal(client->session->state, SESSION_OPEN);
	side_hear(client, text, sizeof text - 1, 0);
	assert_non_null(strstr(client->session->why_text, "interim"));
	world_close();
}

static void a_server_waits_to_be_asked(void **state)
{
	world_init(1);
	struct side *client = world_open(true);
	side_hear(client, "220 hello\r\n", 11, 0);
	assert_non_null(strstr(client->session->why_text, "before it was asked"));
	world_close();
}

/* ---- both ---- */

static void a_client_and_a_server_agree(void **state)
{
	for (size_t i = 0; i < 200; i++) {
		struct head head = head_of_request();
		world_init(i);
		size_t piece = i % 2 ? 1 + chance(50) : 0;
		struct side *server = world_open(false), *client = world_open(true);
		assert_int_equal(side_say_head(client, &head), STATUS_OK);
		side_pass(client, server, piece);
		assert_int_equal(side_say_head(server, &(struct head){.status = 101}), STATUS_OK);
		side_say(server, CHUNK_BINARY, slice_of("first"));
		side_pass(server, client, piece);
		side_say(client, CHUNK_TEXT, slice_of("second"));
		side_say(client, CHUNK_PING, slice_of("third"));
		side_pass(client, server, piece);
		side_pump(server);
		side_pass(server, client, piece);
		side_say(i % 4 < 2 ? client : server, CHUNK_END, slice_of(""));
		side_pass(client, server, piece);
		side_pass(server, client, piece);
		side_pump(server);
		side_pump(client);
		side_pass(client, server, piece);
		side_pass(server, client, piece);
		assert_true(server->shut && client->shut);
		assert_string_equal(server->notes, "head GET /chat\ntext 'second'\nping 'third'\nend 1000\n");
		assert_string_equal(client->notes, "head 101\nbinary 'first'\npong 'third'\nend 1000\n");
		world_close();
	}
}

static void the_end_is_said_once(void **state)
{
	for (int client = 0; client < 2; client++) {
		world_init(1);
		struct side *side = world_frames(client);
		struct bytes bytes = {0};
		side_say(side, CHUNK_BINARY, slice_of("last"));
		side_say(side, CHUNK_END, slice_of(""));
		assert_true(side->shut);
		assert_int_equal(side_say(side, CHUNK_END, slice_of("")), STATUS_OK);
		assert_int_equal(side_say(side, CHUNK_BINARY, slice_of("never")), STATUS_OK);
		put_frame(&bytes, 0x89, !client, "ping", 4); /* no Pong behind a Close */
		put_frame(&bytes, 0x82, !client, "rest", 4); /* but what was on its way is heard */
		put_frame(&bytes, 0x88, !client, "\x03\xe8", 2);
		side_hear(side, bytes.at, bytes.size, 0);
		side_pump(side);
		note_said(side);
		assert_string_equal(
		    side->notes,
		    client ? "ping 'ping'\nbinary 'rest'\nend 1000\nsay masked 82 'last'\nsay masked 88 1000 "
			     "''\n"
			   : "ping 'ping'\nbinary 'rest'\nend 1000\nsay 82 'last'\nsay 88 1000 ''\n");
		free(bytes.at);
		world_close();
	}
}

/* A session that ends by itself says why, behind the wire's last word, and nothing instead of a WebSocket. */
static void an_end_is_told(void **state)
{
	static const struct {
		enum reason why;
		unsigned code;
	} ends[] = {
	    {REASON_OK, 1000},	  {REASON_STOPPING, 1001}, {REASON_REPLACED, 1001}, {REASON_AUTH, 1008},
	    {REASON_LIMIT, 1008}, {REASON_PROTOCOL, 1002}, {REASON_MEMORY, 1011},   {REASON_LOST, 1011},
	};
	for (size_t i = 0; i < 2 * COUNT_OF(ends); i++) {
		char expected[200];
		bool client = i % 2;
		world_init(i);
		struct side *side = world_frames(client);
		world_last_word = true;
		session_end(side->session, ends[i / 2].why, NULL, true);
		side_pump(side);
		assert_true(side->shut);
		assert_null(side->session);
		note_said(side);
		snprintf(expected, sizeof expected, "say%s 82 'last'\nsay%s 88 %u ''\n",
			 client ? " masked" : "", client ? " masked" : "", ends[i / 2].code);
		assert_string_equal(side->notes, expected);
		world_close();
	}
	for (int client = 0; client < 2; client++) {
		struct head head = head_of_request();
		world_init(1);
		struct side *side = world_open(client);
		if (client)
			side_say_head(side, &head);
		else
			side_hear(side, REQUEST, strlen(REQUEST), 0);
		side->said.size = 0;
		session_end(side->session, REASON_STOPPING, NULL, true);
		side_pump(side);
		assert_int_equal(side->said.size, 0);
		assert_null(side->session);
		world_close();
	}
}

/* What cannot be said for want of memory is said later, and whole. */
static uint32_t fails(void *state) { return chance(2) == 0; }

static void without_memory(void **state)
{
	static char text[2 * WRITER_SLAB];
	memset(text, 'x', sizeof text - 1);
	for (size_t seed = 0; seed < 300; seed++) {
		struct head head = head_of_request(), answer = {.status = 101};
		world_init(seed);
		if (seed % 2) {
			head.fields[1].name = answer.fields[0].name = slice_of("A");
			head.fields[1].value = answer.fields[0].value = slice_of(text);
			head.field_count = 2;
			answer.field_count = 1;
		}
		struct side *server = world_open(false), *client = world_open(true);
		hub.bufs.fail = fails;
		while (side_say_head(client, &head) == STATUS_FULL)
			;
		hub.bufs.fail = NULL;
		side_pass(client, server, 0);
		assert_string_equal(server->notes, "head GET /chat\n");
		hub.bufs.fail = fails;
		while (side_say_head(server, &answer) == STATUS_FULL)
			;
		hub.bufs.fail = NULL;
		side_pass(server, client, 0);
		side_say(client, CHUNK_PING, slice_of("p"));
		side_pass(client, server, 0);
		hub.bufs.fail = fails;
		while (!server->said.size)
			side_pump(server);
		hub.bufs.fail = NULL;
		side_pass(server, client, 0);
		assert_string_equal(client->notes, "head 101\npong 'p'\n");
		world_close();
	}
}

/* A head for which there is no memory ends the session, and nothing is left over. */
static void a_head_without_memory(void **state)
{
	for (int i = 0; i < 2; i++) {
		world_init(1);
		struct side *server = world_open(false);
		hub.bufs.fail = i ? fails : NULL;
		hub.memory.fail = i ? NULL : fails;
		side_hear(server, REQUEST, 60, 0);
		hub.bufs.fail = NULL;
		hub.memory.fail = NULL;
		world_bury();
		assert_true(server->session || server->why == REASON_LOST);
		world_close();
	}
}

/* The token of a request is nowhere once the request is done with, also where the head had to grow. */
static void what_was_asked_is_wiped(void **state)
{
	static const char start[] = "GET /socket?token=canary HTTP/1.1\r\nX-Long: ";
	static const char field[] = "\r\nHost: h\r\n";
	static const char rest[] =
	    "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
	    "Sec-WebSocket-Key: AAECAwQFBgcICQoLDA0ODw==\r\n\r\n";
	const struct head answer = {.status = 101};
	char filling[1500];
	memset(filling, 'x', sizeof filling);
	world_init(1);
	struct side *server = world_open(false);
	const struct websocket *websocket = server->session->carrier_state;
	side_hear(server, start, sizeof start - 1, 0);
	struct buf *first = buf_ref(websocket->head->buf);
	assert_non_null(memmem(first->bytes, first->used, "canary", 6));
	side_hear(server, filling, sizeof filling, 0);
	side_hear(server, field, sizeof field - 1, 0);
	struct buf *second = buf_ref(websocket->head->buf);
	assert_ptr_not_equal(first, second);
	assert_null(memmem(first->bytes, first->used, "canary", 6));
	assert_non_null(memmem(second->bytes, second->used, "canary", 6));
	side_hear(server, rest, sizeof rest - 1, 0);
	assert_int_equal(side_say_head(server, &answer), STATUS_OK);
	side_hear(server, "", 0, 0);
	side_close(server);
	assert_null(memmem(second->bytes, second->used, "canary", 6));
	buf_unref(first);
	buf_unref(second);
	world_close();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_request_becomes_a_head),
	    cmocka_unit_test(the_answer_has_three_fields),
	    cmocka_unit_test(another_answer_has_a_body),
	    cmocka_unit_test(no_request_is_refused),
	    cmocka_unit_test(the_longest_request),
	    cmocka_unit_test(frames_before_the_answer),
	    cmocka_unit_test(the_request_has_what_is_needed),
	    cmocka_unit_test(what_http_forbids_is_not_said),
	    cmocka_unit_test(answers_are_verified),
	    cmocka_unit_test(a_subprotocol_that_was_asked_for),
	    cmocka_unit_test(interim_answers_are_counted),
	    cmocka_unit_test(a_server_waits_to_be_asked),
	    cmocka_unit_test(a_client_and_a_server_agree),
	    cmocka_unit_test(the_end_is_said_once),
	    cmocka_unit_test(an_end_is_told),
	    cmocka_unit_test(without_memory),
	    cmocka_unit_test(a_head_without_memory),
	    cmocka_unit_test(what_was_asked_is_wiped),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
