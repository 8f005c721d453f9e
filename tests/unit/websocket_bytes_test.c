/* tests/unit/websocket_bytes_test.c - a stream of bytes over WebSocket: how it opens, word for word, what it
 * takes from peers, and that the bytes come through however they are cut. Both roles.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/websocket_world.h"

#define KEY "dGhlIHNhbXBsZSBub25jZQ=="
#define ACCEPT "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
#define ANSWER "HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\n" \
	"sec-websocket-accept: " ACCEPT "\r\n\r\n"
/* TLS Tunnel's own request. */
#define OPENING "GET /tunnel/ HTTP/1.1\r\nHost: example.com\r\nConnection: Upgrade\r\n" \
	"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " KEY "\r\n\r\n"

/* yamux Ping deadbeef, as the two ends put it. */
static const uint8_t ping_masked[] = {0x82, 0x8c, 0x37, 0xfa, 0x21, 0x3d, 0x37, 0xf8, 0x21,
				      0x3c, 0x37, 0xfa, 0x21, 0x3d, 0xe9, 0x57, 0x9f, 0xd2};
static const uint8_t ping_plain[] = {0x82, 0x0c, 0, 2, 0, 1, 0, 0, 0, 0, 0xde, 0xad, 0xbe, 0xef};
static const uint8_t ping[] = {0, 2, 0, 1, 0, 0, 0, 0, 0xde, 0xad, 0xbe, 0xef};

/* ---- a wire of bytes ---- */

static bool wants_to_say; /* the wire owes "wire" to the peer */

static enum status stream_decode(struct session *session, void *state, const struct chunk *chunk,
				 size_t *used)
{
	struct side *end = &sides[session->client];
	*used = chunk->piece.bytes.size;
	if (chunk->kind == CHUNK_END) {
		note(end, "end %u\n", chunk->code);
		return chunk->code ? STATUS_OK : STATUS_IO;
	}
	assert_int_equal(chunk->kind, CHUNK_BYTES);
	assert_true(chunk->piece.bytes.size && chunk->piece.buf);
	bytes_add(&end->heard, chunk->piece.bytes.at, chunk->piece.bytes.size);
	return STATUS_OK;
}

static enum status stream_encode(struct session *session, void *state, const struct event *event,
				 struct writer *writer)
{
	if (!wants_to_say)
		return STATUS_OK;
	writer_begin(writer, CHUNK_BINARY);
	writer_copy(writer, slice_of("wire"));
	enum status status = writer_end(writer);
	wants_to_say = status != STATUS_OK;
	return status;
}

static void begin(uint64_t seed)
{
	world_init(seed);
	world_carrier = &carrier_websocket_bytes;
	world_wire.decode = stream_decode;
	world_wire.encode = stream_encode;
	wants_to_say = false;
}

static void heard(struct side *end, const void *at, size_t size)
{
	assert_int_equal(end->heard.size, size);
	if (size)
		assert_memory_equal(end->heard.at, at, size);
	end->heard.size = 0;
}

static void said(struct side *end, const void *at, size_t size)
{
	if (end->said.size != size || (size && memcmp(end->said.at, at, size) != 0))
		fail_msg("said %.*s", (int)end->said.size, (const char *)end->said.at);
	end->said.size = 0;
}

#define SAID(end, text) said(end, text, strlen(text))

/* Its end, whatever was said last. */
static void ends(struct side *end, enum reason why, const char *text)
{
	for (int i = 0; i < 3; i++)
		side_pump(end);
	world_bury();
	assert_null(end->session);
	assert_int_equal(end->why, why);
	if (!strstr(end->why_text, text))
		fail_msg("ended with: %s", end->why_text);
}

/* An answer with the accept that the client waits for. */
static const char *answer_for(const struct side *client, const char *format)
{
	static char text[1024];
	const struct websocket *websocket = client->session->carrier_state;
	snprintf(text, sizeof text, format, websocket->accept);
	return text;
}

#define GOOD_ANSWER "HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\n" \
	"sec-websocket-accept: %s\r\n\r\n"

static struct side *open_client(void)
{
	struct side *client = world_open(true);
	side_pump(client);
	const char *answer = answer_for(client, GOOD_ANSWER);
	side_hear(client, answer, strlen(answer), 0);
	client->said.size = 0;
	assert_false(client->session->carrier_waits);
	return client;
}

static struct side *open_server(void)
{
	struct side *server = world_open(false);
	side_hear(server, OPENING, strlen(OPENING), 0);
	side_pump(server);
	SAID(server, ANSWER);
	return server;
}

/* ---- openings ---- */

static void the_request_is_the_original_one(void **state)
{
	begin(1);
	wants_to_say = true;
	struct side *client = world_open(true);
	assert_true(session_has_output(client->session));
	side_pump(client);
	assert_true(client->session->carrier_waits);
	assert_false(session_has_output(client->session));
	char *text = (char *)client->said.at, *key = memmem(text, client->said.size, "Key: ", 5);
	assert_non_null(key);
	memcpy(key + 5, KEY, sizeof KEY - 1);    /* it is random */
	SAID(client, OPENING);
	session_owes(client->session);           /* a tick of the wire's */
	side_pump(client);
	SAID(client, "");
	const char *answer = answer_for(client, GOOD_ANSWER);
	side_hear(client, answer, strlen(answer), 3);
	assert_true(session_has_output(client->session));
	side_pump(client);
	note_said(client);
	assert_string_equal(client->notes, "say masked 82 'wire'\n");
	world_close();
}

static void the_answer_is_the_original_one(void **state)
{
	for (size_t piece = 0; piece < 4; piece++) {
		begin(piece);
		wants_to_say = true;
		struct side *server = world_open(false);
		side_pump(server);
		SAID(server, "");
		side_hear(server, OPENING, strlen(OPENING), piece);
		side_pump(server);
		side_pump(server);
		assert_memory_equal(server->said.at, ANSWER, strlen(ANSWER));
		assert_memory_equal(server->said.at + strlen(ANSWER), "\x82\x04wire", 6);
		assert_int_equal(server->said.size, strlen(ANSWER) + 6);
		world_close();
	}
}

static void vectors(void **state)
{
	begin(1);
	struct side *server = open_server(), *client = open_client();
	side_hear(server, ping_masked, sizeof ping_masked, 0);
	heard(server, ping, sizeof ping);
	side_hear(client, ping_plain, sizeof ping_plain, 1);
	heard(client, ping, sizeof ping);
	assert_int_equal(side_say(server, CHUNK_BINARY, (struct slice){ping, sizeof ping}), STATUS_OK);
	said(server, ping_plain, sizeof ping_plain);
	world_close();
}

/* Not as it should be, but the bytes are there. */
static void bytes_before_the_answer_are_taken(void **state)
{
	for (size_t piece = 0; piece < 8; piece++) {
		begin(piece);
		struct bytes all = {0};
		struct side *server = world_open(false);
		wants_to_say = true;
		bytes_add(&all, OPENING, strlen(OPENING));
		bytes_add(&all, ping_masked, sizeof ping_masked);
		side_hear(server, all.at, all.size, piece);
		heard(server, ping, sizeof ping);
		side_pump(server);
		assert_memory_equal(server->said.at, ANSWER, strlen(ANSWER));
		free(all.at);
		world_close();
	}
}

static void an_answered_head_is_not_answered_again(void **state)
{
	begin(1);
	world_head_answered = wants_to_say = true;
	struct side *server = world_open(false);
	side_hear(server, OPENING, strlen(OPENING), 0);
	side_hear(server, ping_masked, sizeof ping_masked, 0);
	heard(server, ping, sizeof ping);
	side_pump(server);
	said(server, "\x82\x04wire", 6);
	world_close();
}

static void bad_requests(void **state)
{
	static const char *const requests[] = {
	    "GET / HTTP/1.1\r\nHost: h\r\n\r\n",
	    "POST / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
	    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " KEY "\r\n\r\n",
	    "GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
	    "Sec-WebSocket-Version: 8\r\nSec-WebSocket-Key: " KEY "\r\n\r\n",
	    "GET / HTTP/1.1\nHost: h\n\n",
	    "HTTP/1.1 200 OK\r\n\r\n",
	};
	for (size_t i = 0; i < COUNT_OF(requests); i++) {
		begin(i);
		wants_to_say = true;
		struct side *server = world_open(false);
		side_hear(server, requests[i], strlen(requests[i]), 5);
		assert_int_equal(server->session->state, SESSION_FLUSH);
		side_pump(server);
		assert_memory_equal(server->said.at, "HTTP/1.1 400 ", 13);
		assert_null(memmem(server->said.at, server->said.size, "wire", 4));
		ends(server, REASON_PROTOCOL, "");
		world_close();
	}
}

static void answers(void **state)
{
	static const struct { const char *text, *fault; } cases[] = {
	    {GOOD_ANSWER, NULL},
	    {"HTTP/1.1 101 x\r\nConnection: keep-alive, UPGRADE\r\nUpgrade: WebSocket\r\nX-More: 1\r\n"
	     "Sec-WebSocket-Accept: %s\r\n\r\n", NULL},
	    {"HTTP/1.1 103 Early Hints\r\n\r\n" GOOD_ANSWER, NULL},
	    {"HTTP/1.1 101 x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
	     "Sec-WebSocket-Protocol: chat\r\nSec-WebSocket-Accept: %s\r\n\r\n", "subprotocol"},
	    {"HTTP/1.1 101 x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
	     "Sec-WebSocket-Protocol:\r\nSec-WebSocket-Accept: %s\r\n\r\n", "subprotocol"},
	    {"HTTP/1.1 101 x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
	     "Sec-WebSocket-Extensions: permessage-deflate\r\nSec-WebSocket-Accept: %s\r\n\r\n", "extension"},
	    {"HTTP/1.1 101 x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
	     "Sec-WebSocket-Accept: " ACCEPT "\r\n\r\n", "Accept"},
	    {"HTTP/1.1 101 x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", "Accept"},
	    {"HTTP/1.1 101 x\r\nConnection: close\r\nUpgrade: websocket\r\n"
	     "Sec-WebSocket-Accept: %s\r\n\r\n", "Connection: Upgrade"},
	    {"HTTP/1.1 101 x\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n", "no Upgrade"},
	    {"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "404 Not Found"},
	    {"HTTP/1.1 200 OK\r\n\r\n", "200 OK"},
	    {"HTTP/1.1 302 Found\r\nLocation: /x\r\n\r\n", "302"},
	    {"HTTP/1.1 502 Bad Gateway\r\n\r\n", "502"},
	    {"GET / HTTP/1.1\r\nHost: h\r\n\r\n", "a request instead"},
	    {"\x82\x0c\r\n\r\n", ""},
	};
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		begin(i);
		struct side *client = world_open(true);
		side_pump(client);
		client->said.size = 0;
		const char *answer = answer_for(client, cases[i].text);
		side_hear(client, answer, strlen(answer), i % 4);
		if (cases[i].fault) {
			wants_to_say = true;     /* a last word that cannot be said */
			ends(client, REASON_PROTOCOL, cases[i].fault);
			SAID(client, "");
		} else {
			assert_true(client->session && !client->session->carrier_waits);
		}
		world_close();
	}
}

/* Told to stop before there is agreement, it does not wait for it. */
static void drained_while_it_opens(void **state)
{
	begin(1);
	struct side *client = world_open(true);
	session_say(client->session, EVENT_AUTH);
	side_pump(client);
	session_drain(client->session);
	assert_true(session_has_output(client->session));
	ends(client, REASON_STOPPING, "");
	world_close();
}

static void ends_before_the_answer(void **state)
{
	begin(1);
	struct side *client = world_open(true);
	side_pump(client);
	session_input_end(client->session);
	ends(client, REASON_LOST, "");
	assert_string_equal(client->notes, "end 0\n");
	world_close();
}

static void odd_openings_are_not_said(void **state)
{
	begin(1);
	static const struct opening odd[] = {{"h", "/a b"}, {"h\r\nX: y", "/"}, {"h", ""}};
	for (size_t i = 0; i < COUNT_OF(odd); i++) {
		struct side *client = world_open(true);
		client->session->opening = &odd[i];
		ends(client, REASON_PROTOCOL, "characters");
		SAID(client, "");
	}
	world_close();
}

/* ---- messages ---- */

struct vector {
	const char *name, *heard, *said; /* bytes that were heard; frames that were said to it */
	struct { uint8_t first; const char *payload; } frames[8];
};

static const struct vector messages[] = {
    {"binary", "abcd", "", {{0x82, "ab"}, {0x82, "cd"}}},
    {"fragments", "abcd", "", {{0x02, "a"}, {0x00, "bc"}, {0x80, "d"}}},
    {"empty ones", "ab", "", {{0x82, ""}, {0x82, "a"}, {0x02, ""}, {0x00, ""}, {0x80, "b"}, {0x82, ""}}},
    {"texts are passed over", "ab", "", {{0x82, "a"}, {0x81, "no"}, {0x01, "n"}, {0x80, "o"}, {0x82, "b"}}},
    {"ping", "ab", "8a 'p'\n", {{0x02, "a"}, {0x89, "p"}, {0x80, "b"}}},
    {"pong", "ab", "", {{0x82, "a"}, {0x8a, "p"}, {0x82, "b"}}},
    {"close", "a", "88 1000 ''\nend 1000\n", {{0x82, "a"}, {0x88, "\x03\xe8"}}},
    {"close without a code", "", "88 ''\nend 1005\n", {{0x88, ""}}},
    {"no UTF-8", "a", "88 1007 ''\n", {{0x82, "a"}, {0x81, "\xff"}, {0x82, "b"}}},
    {"a reserved opcode", "a", "88 1002 ''\n", {{0x82, "a"}, {0x83, ""}}},
    {"a continuation of nothing", "", "88 1002 ''\n", {{0x80, "a"}}},
};

static void hear_messages(const struct vector *vector, bool client, size_t piece)
{
	begin(piece);
	struct side *end = client ? open_client() : open_server();
	struct bytes input = {0};
	for (size_t i = 0; i < COUNT_OF(vector->frames) && vector->frames[i].payload; i++)
		put_frame(&input, vector->frames[i].first, !client, vector->frames[i].payload,
			  strlen(vector->frames[i].payload));
	end->notes_size = 0;
	memset(end->notes, 0, sizeof end->notes);
	side_hear(end, input.at, input.size, piece);
	heard(end, vector->heard, strlen(vector->heard));
	side_pump(end);
	note_said(end);
	const char *at = vector->said;
	char wanted[256] = "";
	for (size_t used = 0; *at; at = strchr(at, '\n') + 1) {
		bool is_frame = strncmp(at, "end", 3) != 0;
		used += (size_t)snprintf(wanted + used, sizeof wanted - used, "%s%.*s\n",
					 !is_frame ? "" : client ? "say masked " : "say ",
					 (int)strcspn(at, "\n"), at);
	}
	/* an end is heard before the Close is said: the order of lines is not what is asked here */
	for (char *line = wanted; *line; line = strchr(line, '\n') + 1)
		if (!memmem(end->notes, end->notes_size, line, strcspn(line, "\n")))
			fail_msg("%s: %s, not %s", vector->name, end->notes, wanted);
	if (!*vector->said)
		assert_int_equal(end->notes_size, 0);
	free(input.at);
	world_close();
}

static void what_is_heard(void **state)
{
	for (size_t i = 0; i < COUNT_OF(messages); i++)
		for (size_t piece = 0; piece < 20; piece++) {
			hear_messages(&messages[i], true, piece);
			hear_messages(&messages[i], false, piece);
		}
}

static void texts_have_a_limit(void **state)
{
	begin(1);
	struct side *server = open_server();
	static const uint8_t head[] = {0x81, 0xff, 0, 0, 0, 0, 4, 0, 0, 1, 0, 0, 0, 0, 'x'};
	side_hear(server, head, sizeof head, 0);
	side_pump(server);
	note_said(server);
	assert_non_null(strstr(server->notes, "say 88 1009"));
	ends(server, REASON_PROTOCOL, "too big");
	world_close();
}

static void nothing_empty_is_said(void **state)
{
	begin(1);
	struct side *server = open_server();
	assert_int_equal(side_say(server, CHUNK_BYTES, slice_of("")), STATUS_OK);
	SAID(server, "");
	session_end(server->session, REASON_OK, NULL, true);
	side_pump(server);
	note_said(server);
	assert_string_equal(server->notes, "say 88 1000 ''\n");
	world_close();
}

/* ---- both ends ---- */

static void random_streams(void **state)
{
	for (uint64_t seed = 0; seed < 200; seed++) {
		begin(seed);
		struct bytes sent[2] = {{0}};
		struct side *client = world_open(true), *server = world_open(false);
		for (int i = 0; i < 4; i++) {
			side_pump(client);
			side_pass(client, server, chance(2) ? 0 : 1 + chance(100));
			side_pump(server);
			side_pass(server, client, chance(2) ? 0 : 1 + chance(100));
		}
		assert_false(client->session->carrier_waits || server->session->carrier_waits);
		for (int i = 0; i < 30; i++) {
			bool from = chance(2);
			static uint8_t text[70000];
			size_t size = 1 + chance(chance(8) ? 300 : sizeof text);
			for (size_t k = 0; k < size; k++)
				text[k] = (uint8_t)random_next(&random_state);
			bytes_add(&sent[from], text, size);
			while (side_say(&sides[from], chance(2) ? CHUNK_BYTES : CHUNK_BINARY,
					(struct slice){text, size}) != STATUS_OK)
				;
			if (chance(3) == 0)
				side_pass(&sides[from], &sides[!from], chance(2) ? 0 : 1 + chance(20000));
		}
		for (int from = 0; from < 2; from++) {
			side_pass(&sides[from], &sides[!from], 0);
			heard(&sides[!from], sent[from].at, sent[from].size);
			free(sent[from].at);
		}
		world_close();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_request_is_the_original_one),
	    cmocka_unit_test(the_answer_is_the_original_one),
	    cmocka_unit_test(vectors),
	    cmocka_unit_test(bytes_before_the_answer_are_taken),
	    cmocka_unit_test(an_answered_head_is_not_answered_again),
	    cmocka_unit_test(bad_requests),
	    cmocka_unit_test(answers),
	    cmocka_unit_test(drained_while_it_opens),
	    cmocka_unit_test(ends_before_the_answer),
	    cmocka_unit_test(odd_openings_are_not_said),
	    cmocka_unit_test(what_is_heard),
	    cmocka_unit_test(texts_have_a_limit),
	    cmocka_unit_test(nothing_empty_is_said),
	    cmocka_unit_test(random_streams),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
