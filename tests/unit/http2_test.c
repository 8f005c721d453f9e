/* tests/unit/http2_test.c - one HTTP/2 stream as a carrier (RFC 9113): its opening, its ends, the peer's
 * windows, and what a peer may not do; both roles, whole and in pieces.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/http2_world.h"

static const uint8_t yamux_ping[] = {0, 2, 0, 1, 0, 0, 0, 0, 0xde, 0xad, 0xbe, 0xef};

static void assert_said(struct side *end, size_t offset, const void *bytes, size_t size)
{
	assert_true(end->said.size >= offset + size);
	assert_memory_equal(end->said.at + offset, bytes, size);
}

/* ---- the opening ---- */

static void the_vectors_of_a_server(void **state)
{
	static const uint8_t ack[] = {0, 0, 0, 4, 1, 0, 0, 0, 0};
	static const uint8_t ok[] = {0, 0, 1, 1, 4, 0, 0, 0, 1, 0x88};
	static const uint8_t frame[] = {0, 0, 12, 0, 0, 0, 0,	 0,    1,    0,	  2,
					0, 1, 0,  0, 0, 0, 0xde, 0xad, 0xbe, 0xef};
	for (int plain = 0; plain < 2; plain++)
		for (size_t piece = 0; piece < 3; piece++) {
			struct bytes bytes = {0};
			world_init(piece);
			struct side *server = world_open(false);
			bytes_add(&bytes, PREFACE, 24);
			put_frame(&bytes, FRAME_SETTINGS, 0, 0, NULL, 0);
			if (plain)
				put_frame(&bytes, FRAME_HEADERS, END_HEADERS, 1, CONNECT_PLAIN, 22);
			else
				put_frame(&bytes, FRAME_HEADERS, END_HEADERS, 1, connect_indexed,
					  sizeof connect_indexed);
			assert_true(server->session->carrier_waits);
			side_hear(server, bytes.at, bytes.size, piece);
			assert_false(server->session->carrier_waits);
			side_pump(server);
			assert_said(server, server->said.size - sizeof ok, ok, sizeof ok);
			assert_memory_equal(server->said.at, "\0\0\x0c\4\0\0\0\0\0", 9);
			assert_non_null(memmem(server->said.at, server->said.size, ack, sizeof ack));
			assert_string_equal(frames_said(server), "SETTINGS SETTINGS+1 HEADERS+4");
			side_hear(server, frame, sizeof frame, piece);
			assert_int_equal(server->heard.size, 12);
			assert_memory_equal(server->heard.at, yamux_ping, 12);
			assert_int_equal(side_say(server, (struct slice){yamux_ping, 12}, slice_of("")),
					 STATUS_OK);
			assert_said(server, 0, frame, sizeof frame);
			assert_int_equal(server->said.size, sizeof frame);
			free(bytes.at);
			world_close();
		}
}

static void the_vectors_of_a_client(void **state)
{
	/* a code of Huffman's for CONNECT would be as long as it is */
	static const uint8_t ask[] = {0,    0,	  0x13, 1,    4,    0,	  0,	0,   1,	   0x42,
				      7,    'C',  'O',	'N',  'N',  'E',  'C',	'T', 0x41, 0x88,
				      0x2f, 0x91, 0xd3, 0x5d, 0x05, 0x5c, 0x87, 0xa7};
	world_init(1);
	struct side *client = world_open(true);
	assert_true(client->session->carrier_waits);
	side_pump(client);
	assert_said(client, 0, PREFACE, 24);
	assert_said(client, client->said.size - sizeof ask, ask, sizeof ask);
	assert_string_equal(frames_said(client), "PREFACE SETTINGS HEADERS+4");
	struct bytes bytes = {0};
	put_opening(&bytes, true, NULL, 0);
	side_hear(client, bytes.at, bytes.size - 10, 1);
	assert_true(client->session->carrier_waits);
	side_hear(client, bytes.at + bytes.size - 10, 10, 1);
	assert_false(client->session->carrier_waits);
	side_pump(client);
	assert_string_equal(frames_said(client), "SETTINGS+1");
	free(bytes.at);
	world_close();
}

static void nothing_is_said_before_there_is_agreement(void **state)
{
	world_init(1);
	struct side *client = world_open(true);
	assert_int_equal(side_say(client, (struct slice){yamux_ping, 12}, slice_of("body")), STATUS_OK);
	side_pump(client);
	assert_string_equal(frames_said(client), "PREFACE SETTINGS HEADERS+4");
	world_close();
}

/* An answer of several heads, and of one that came in pieces. */
static void answers_before_the_one_that_counts(void **state)
{
	struct bytes bytes = {0};
	world_init(1);
	struct side *client = world_open(true);
	side_pump(client);
	put_frame(&bytes, FRAME_SETTINGS, 0, 0, NULL, 0);
	put_frame(&bytes, FRAME_HEADERS, END_HEADERS, 1,
		  "\x08\x03"
		  "103",
		  5);
	put_frame(&bytes, FRAME_HEADERS, 0, 1, "\x08", 1);
	put_frame(&bytes, FRAME_CONTINUATION, END_HEADERS, 1,
		  "\x03"
		  "200",
		  4);
	side_hear(client, bytes.at, bytes.size - 13, 1);
	assert_true(client->session->carrier_waits);
	side_hear(client, bytes.at + bytes.size - 13, 13, 0);
	assert_false(client->session->carrier_waits);
	free(bytes.at);
	world_close();
}

/* ---- refusals ---- */

struct refusal {
	const char *head;
	size_t size;
	uint8_t flags;
	const char *said, *why;
};

static void requests_that_are_refused(void **state)
{
	static const struct refusal refusals[] = {
	    /* :method GET, :scheme https, :path /, :authority a */
	    {"\x82\x87\x84\x01\x01"
	     "a",
	     6, END_HEADERS | END_STREAM, "HEADERS+4 DATA:10+1 GOAWAY=0",
	     "asked for a page over HTTP/2 instead of a tunnel"},
	    {"\x02\x04HEAD\x87\x84\x01\x01"
	     "a",
	     11, END_HEADERS | END_STREAM, "HEADERS+5 GOAWAY=0",
	     "asked for a page over HTTP/2 instead of a tunnel"},
	    {"\x83\x87\x84\x01\x01"
	     "a",
	     6, END_HEADERS, "HEADERS+5 GOAWAY=0", "asked over HTTP/2 with another method than CONNECT"},
	    {"\x02\x07OPTIONS\x87\x84\x01\x01"
	     "a",
	     14, END_HEADERS, "HEADERS+5 GOAWAY=0", "asked over HTTP/2 with another method than CONNECT"},
	    /* CONNECT with :scheme, with :path, without :authority */
	    {"\x02\x07"
	     "CONNECT\x87\x01\x01"
	     "a",
	     13, END_HEADERS, "RST1=1 GOAWAY=1", "broke HTTP/2"},
	    {"\x02\x07"
	     "CONNECT\x84\x01\x01"
	     "a",
	     13, END_HEADERS, "RST1=1 GOAWAY=1", "broke HTTP/2"},
	    {"\x02\x07"
	     "CONNECT",
	     9, END_HEADERS, "RST1=1 GOAWAY=1", "broke HTTP/2"},
	    /* no method, a head that is no HPACK, an upper-case name */
	    {"\x01\x01"
	     "a",
	     3, END_HEADERS, "RST1=1 GOAWAY=1", "broke HTTP/2"},
	    {"\xff\xff\xff\xff\xff", 5, END_HEADERS, "GOAWAY=9", "broke HTTP/2"},
	    {"\x02\x07"
	     "CONNECT\x01\x01"
	     "a\x10\x01"
	     "X\x01"
	     "y",
	     17, END_HEADERS, "RST1=1 GOAWAY=1", "broke HTTP/2"},
	};
	for (size_t i = 0; i < COUNT_OF(refusals); i++) {
		const struct refusal *refusal = &refusals[i];
		struct bytes bytes = {0};
		world_init(i);
		struct side *server = world_open(false);
		side_pump(server);
		server->said.size = 0;
		bytes_add(&bytes, PREFACE, 24);
		put_frame(&bytes, FRAME_SETTINGS, 0, 0, NULL, 0);
		put_frame(&bytes, FRAME_HEADERS, refusal->flags, 1, refusal->head, refusal->size);
		put_frame(&bytes, FRAME_SETTINGS, ACK, 0, NULL, 0); /* what comes behind changes nothing */
		put_number(&bytes, FRAME_WINDOW, 0, 1 << 20);
		side_hear(server, bytes.at, bytes.size, i % 3);
		assert_true(!server->session || server->session->carrier_waits);
		while (server->session)
			side_pump(server);
		const char *said = frames_said(server);
		said += strncmp(said, "SETTINGS+1 ", 11) == 0 ? 11 : 0;
		if (strcmp(said, refusal->said) != 0 ||
		    strncmp(server->why_text, refusal->why, strlen(refusal->why)) != 0)
			fail_msg("%zu: %s, %s", i, said, server->why_text);
		assert_int_equal(server->why, REASON_PROTOCOL);
		free(bytes.at);
		world_close();
	}
}

static void answers_that_refuse(void **state)
{
	static const struct {
		uint8_t type, flags;
		const char *payload;
		size_t size;
		const char *why;
		bool ends; /* by what the wire is told, else at once */
	} answers[] = {
	    {FRAME_HEADERS, END_HEADERS, "\x8d", 1, "the gateway answered CONNECT with status 404", false},
	    {FRAME_HEADERS, END_HEADERS | END_STREAM,
	     "\x08\x03"
	     "405",
	     5, "the gateway answered CONNECT with status 405", false},
	    {FRAME_HEADERS, END_HEADERS, "\x89", 1, "the gateway answered CONNECT with status 204", false},
	    {FRAME_RST, 0, "\0\0\0\7", 4, "the stream was reset: REFUSED_STREAM", true},
	    {FRAME_GOAWAY, 0, "\0\0\0\0\0\0\0\x0b", 8, "the peer ended HTTP/2: ENHANCE_YOUR_CALM", true},
	    {FRAME_DATA, 0, "early", 5, "broke HTTP/2", false},
	    {FRAME_PUSH, END_HEADERS, "\0\0\0\2\x82", 5, "broke HTTP/2", false},
	};
	for (size_t i = 0; i < COUNT_OF(answers); i++) {
		struct bytes bytes = {0};
		world_init(i);
		struct side *client = world_open(true);
		side_pump(client);
		put_frame(&bytes, FRAME_SETTINGS, 0, 0, NULL, 0);
		put_frame(&bytes, FRAME_SETTINGS, ACK, 0, NULL, 0);
		put_frame(&bytes, answers[i].type, answers[i].flags, answers[i].type != FRAME_GOAWAY,
			  answers[i].payload, answers[i].size);
		side_hear(client, bytes.at, bytes.size, i % 3);
		side_pump(client);
		assert_int_equal(client->ends, answers[i].ends);
		if (answers[i].ends)
			session_end(client->session, REASON_LOST, NULL, true);
		for (int turn = 0; turn < 5; turn++)
			side_pump(client);
		assert_null(client->session);
		if (strncmp(client->why_text, answers[i].why, strlen(answers[i].why)) != 0)
			fail_msg("%zu: %s", i, client->why_text);
		free(bytes.at);
		world_close();
	}
}

static void later_streams_are_refused(void **state)
{
	struct bytes bytes = {0};
	world_init(1);
	struct side *server = world_agreed(false);
	put_frame(&bytes, FRAME_HEADERS, END_HEADERS, 3, CONNECT_PLAIN, 22);
	put_frame(&bytes, FRAME_HEADERS, END_HEADERS | END_STREAM, 5,
		  "\x82\x87\x84\x01\x01"
		  "a",
		  6);
	put_frame(&bytes, FRAME_DATA, 0, 3, "lost", 4);
	put_frame(&bytes, FRAME_DATA, 0, 1, "heard", 5);
	side_hear(server, bytes.at, bytes.size, 3);
	side_pump(server);
	assert_string_equal(frames_said(server), "RST3=7 RST5=7");
	assert_int_equal(server->heard.size, 5);
	assert_int_equal(server->session->state, SESSION_OPEN);
	free(bytes.at);
	world_close();
}

/* ---- messages ---- */

static uint8_t payload[1 << 15];

static void fill_payload(void)
{
	for (size_t i = 0; i < sizeof payload; i++)
		payload[i] = (uint8_t)(i * 31 + i / 256);
}

/* A header is a frame, a body is a frame, whatever parts it is made of. */
static void one_unit_one_frame(void **state)
{
	fill_payload();
	for (uint64_t seed = 0; seed < 300; seed++) {
		char expected[64];
		world_init(seed);
		struct side *end = world_agreed(seed % 2);
		size_t size = seed < 20 ? seed : chance(16354) + 1;
		assert_int_equal(side_say(end, (struct slice){payload, 12}, (struct slice){payload, size}),
				 STATUS_OK);
		side_pump(end);
		if (size)
			snprintf(expected, sizeof expected, "DATA:12 DATA:%zu", size);
		const char *said = frames_said(end);
		/* very many pieces are two frames, but no frame is of two units */
		if (strcmp(said, size ? expected : "DATA:12") != 0 && strncmp(said, "DATA:12 DATA:", 13) != 0)
			fail_msg("%s", said);
		world_close();
	}
}

/* Both ends say messages of all sizes in any order; all that was said is heard, whatever the pieces are. */
static void said_is_heard(void **state)
{
	static const size_t pieces[] = {0, 1, 7, 100, 5000, 60000};
	fill_payload();
	for (uint64_t seed = 0; seed < 60; seed++) {
		struct bytes said[2] = {{0}};
		world_init(seed);
		world_open(false);
		world_open(true);
		size_t piece = pieces[seed % COUNT_OF(pieces)];
		for (int turn = 0; turn < (piece == 1 ? 30 : 150); turn++) {
			int from = (int)chance(2);
			size_t size = chance(3) ? chance(200) : chance(16354);
			struct slice header = {payload + chance(100), 1 + chance(12)};
			struct slice body = {payload + chance(10000), size};
			if (!sides[from].session->carrier_waits &&
			    side_say(&sides[from], header, body) == STATUS_OK) {
				bytes_add(&said[from], header.at, header.size);
				bytes_add(&said[from], body.at, body.size);
			}
			if (chance(4) == 0)
				world_settle(piece);
		}
		world_settle(piece);
		for (int from = 0; from < 2; from++) {
			assert_int_equal(said[from].size, sides[!from].heard.size);
			assert_memory_equal(said[from].at, sides[!from].heard.at, said[from].size);
			free(said[from].at);
		}
		world_close();
	}
}

/* Padding is not payload, but counts for the window. */
static void padding_is_dropped(void **state)
{
	struct bytes bytes = {0};
	world_init(1);
	struct side *server = world_agreed(false);
	put_frame(&bytes, FRAME_DATA, PADDED, 1, "\3abc\0\0\0", 7);
	put_frame(&bytes, FRAME_DATA, PADDED, 1, "\3\0\0\0", 4);
	put_frame(&bytes, FRAME_DATA, 0, 1, "def", 3);
	put_frame(&bytes, FRAME_PING, 0, 0, "12345678", 8);
	put_frame(&bytes, 0xee, 0xff, 77, "unknown", 7);
	put_frame(&bytes, FRAME_DATA, 0, 1, "g", 1);
	for (size_t piece = 0; piece < 4; piece++) {
		server->heard.size = 0;
		side_hear(server, bytes.at, bytes.size, piece);
		assert_int_equal(server->heard.size, 7);
		assert_memory_equal(server->heard.at, "abcdefg", 7);
		side_pump(server);
		assert_string_equal(frames_said(server), "PING+1");
	}
	free(bytes.at);
	world_close();
}

/* ---- ends ---- */

static void every_end_is_told_once(void **state)
{
	static const struct {
		uint8_t type, flags;
		const char *payload;
		size_t size, heard;
		const char *why;
	} ends[] = {
	    {FRAME_DATA, END_STREAM, "", 0, 5, ""},
	    {FRAME_DATA, END_STREAM, "bye", 3, 8, ""},
	    {FRAME_DATA, END_STREAM, "x", 1, 6, ""},
	    {FRAME_DATA, END_STREAM | PADDED, "\2bye\0\0", 6, 8, ""},
	    {FRAME_HEADERS, END_STREAM | END_HEADERS, "\x10\x01t\x01v", 5, 5, ""},
	    {FRAME_RST, 0, "\0\0\0\x08", 4, 5, ""},
	    {FRAME_RST, 0, "\0\0\0\x02", 4, 5, "the stream was reset: INTERNAL_ERROR"},
	    {FRAME_GOAWAY, 0, "\0\0\0\0\0\0\0\0", 8, 5, ""},
	    {FRAME_GOAWAY, 0, "\0\0\0\0\0\0\0\2bad", 11, 5, "the peer ended HTTP/2: INTERNAL_ERROR"},
	};
	for (size_t i = 0; i < COUNT_OF(ends) * 2 * 4; i++) {
		size_t end = i / 8, piece = i % 4;
		bool client = i / 4 % 2, goaway = ends[end].type == FRAME_GOAWAY;
		uint8_t text[16];
		struct bytes bytes = {0};
		world_init(i);
		struct side *side = world_agreed(client);
		memcpy(text, ends[end].payload, ends[end].size);
		text[3] = goaway && client ? 1 : text[3]; /* the last of our streams that it serves */
		put_frame(&bytes, FRAME_DATA, 0, 1, "hello", 5);
		put_frame(&bytes, ends[end].type, ends[end].flags, !goaway, text, ends[end].size);
		if (piece == 3) /* whatever comes behind is not heard */
			put_frame(&bytes, FRAME_PING, 0, 0, "12345678", 8);
		side_hear(side, bytes.at, bytes.size, piece);
		assert_int_equal(side->heard.size, ends[end].heard);
		if (side->ends != 1)
			fail_msg("end %zu in pieces of %zu: %u", end, piece, side->ends);
		assert_string_equal(side->session->why_text, ends[end].why);
		free(bytes.at);
		world_close();
	}
}

/* END_STREAM comes before GOAWAY, and what had been said before both. */
static void our_own_end(void **state)
{
	for (int client = 0; client < 2; client++) {
		world_init(1);
		struct side *end = world_agreed(client);
		side_say(end, slice_of("last words"), slice_of(""));
		session_end(end->session, REASON_STOPPING, NULL, true);
		for (int turn = 0; turn < 3; turn++)
			side_pump(end);
		assert_null(end->session);
		assert_string_equal(frames_said(end), "DATA:10 DATA:0+1 GOAWAY=0");
		world_close();
	}
}

/* The windows are used up and will not be heard of: the stream is reset, and it ends at once. */
static void our_own_end_when_the_peer_does_not_read(void **state)
{
	static const uint8_t small[] = {0, 4, 0, 0, 0, 3};
	world_init(1);
	struct side *end = world_agreed_with(true, small, sizeof small);
	side_say(end, slice_of("last words"), slice_of(""));
	session_end(end->session, REASON_STOPPING, NULL, true);
	for (int turn = 0; turn < 3; turn++)
		side_pump(end);
	assert_null(end->session);
	assert_string_equal(frames_said(end), "DATA:3 RST1=8 GOAWAY=0");
	world_close();
}

/* ---- windows ---- */

/* All DATA that was said, and how much it is; everything else is forgotten. */
static size_t take_payload(struct side *end, struct bytes *heard)
{
	struct slice bytes = {end->said.at, end->said.size};
	struct frame frame;
	size_t size = 0;
	while (frame_read(&bytes, &frame)) {
		assert_true(frame.type != FRAME_DATA || frame.size);
		if (frame.type != FRAME_DATA)
			continue;
		size += frame.size;
		bytes_add(heard, frame.payload, frame.size);
	}
	assert_int_equal(bytes.size, 0);
	end->said.size = 0;
	return size;
}

static void grant(struct side *end, uint32_t stream, uint32_t size)
{
	struct bytes bytes = {0};
	put_number(&bytes, FRAME_WINDOW, stream, size);
	side_hear(end, bytes.at, bytes.size, 0);
	free(bytes.at);
}

/* The world has reason to ask again. */
static bool is_touched(const struct side *end) { return link_is_linked(&end->session->writable_link); }

static void a_window_of_one_byte(void **state)
{
	static const uint8_t one[] = {0, 4, 0, 0, 0, 1};
	fill_payload();
	for (int client = 0; client < 2; client++) {
		struct bytes heard = {0};
		world_init(1);
		struct side *end = world_agreed_with(client, one, sizeof one);
		assert_int_equal(side_say(end, (struct slice){payload, 12}, (struct slice){payload, 1000}),
				 STATUS_OK);
		assert_int_equal(take_payload(end, &heard), 1);
		assert_int_equal(side_say(end, slice_of("another"), slice_of("")), STATUS_FULL);
		for (int i = 1; i < 1012; i++) {
			side_pump(end);
			assert_int_equal(end->said.size, 0); /* nothing spins */
			assert_false(is_touched(end));
			grant(end, 1, 1);
			assert_true(is_touched(end));
			side_pump(end);
			assert_int_equal(take_payload(end, &heard), 1);
		}
		assert_memory_equal(heard.at + 12, payload, 1000);
		assert_null(http2_of(end->session)->backlog);
		grant(end, 1, 100);
		assert_int_equal(side_say(end, slice_of("another"), slice_of("")), STATUS_OK);
		assert_int_equal(take_payload(end, &heard), 7);
		free(heard.at);
		world_close();
	}
}

static void a_window_of_nothing_that_is_raised(void **state)
{
	static const uint8_t none[] = {0, 4, 0, 0, 0, 0};
	struct bytes bytes = {0}, heard = {0};
	world_init(1);
	struct side *end = world_agreed_with(true, none, sizeof none);
	assert_int_equal(side_say(end, slice_of("head"), slice_of("body")), STATUS_OK);
	side_pump(end);
	assert_int_equal(take_payload(end, &heard), 0);
	put_setting(&bytes, 4, 6);
	side_hear(end, bytes.at, bytes.size, 0);
	assert_true(is_touched(end));
	side_pump(end);
	assert_string_equal(frames_said(end), "SETTINGS+1 DATA:4 DATA:2");
	free(bytes.at);
	free(heard.at);
	world_close();
}

/* 65,535 have been said of a window that is then made so small that it is negative. */
static void a_window_that_becomes_negative(void **state)
{
	struct bytes bytes = {0}, heard = {0};
	fill_payload();
	world_init(1);
	struct side *end = world_agreed(false);
	size_t said = 0;
	grant(end, 0, 1 << 20);
	while (side_say(end, (struct slice){payload, 12}, (struct slice){payload, 16000}) == STATUS_OK)
		said += 16012;
	assert_int_equal(take_payload(end, &heard), 65535);
	put_setting(&bytes, 4, 100);
	side_hear(end, bytes.at, bytes.size, 0);
	side_pump(end);
	grant(end, 1, 65535 - 100);
	side_pump(end);
	assert_int_equal(take_payload(end, &heard), 0);
	grant(end, 1, 1);
	side_pump(end);
	assert_int_equal(take_payload(end, &heard), 1);
	grant(end, 1, 1 << 20);
	side_pump(end);
	take_payload(end, &heard);
	assert_int_equal(heard.size, said);
	free(bytes.at);
	free(heard.at);
	world_close();
}

/* The connection's window alone stops it, and starts it again. */
static void the_window_of_the_connection(void **state)
{
	static const uint8_t large[] = {0, 4, 0x7f, 0xff, 0xff, 0xff};
	struct bytes heard = {0};
	fill_payload();
	world_init(1);
	struct side *end = world_agreed_with(true, large, sizeof large);
	enum status status;
	do
		status = side_say(end, (struct slice){payload, 12}, (struct slice){payload, 16000});
	while (status == STATUS_OK);
	assert_int_equal(take_payload(end, &heard), 65535);
	grant(end, 1, 0x7ffff); /* too much for the stream */
	side_pump(end);
	assert_non_null(strstr(frames_said(end), "RST1=3"));
	while (end->session)
		side_pump(end);
	assert_int_equal(end->why, REASON_PROTOCOL);
	free(heard.at);
	world_close();
}

/* Windows that change at random: what may be said is said, no byte is lost, and no frame is of two units. */
static void windows_at_random(void **state)
{
	fill_payload();
	for (uint64_t seed = 0; seed < 100; seed++) {
		struct bytes heard = {0}, said = {0}, bytes = {0};
		int64_t stream = 65535, connection = 65535, initial = 65535;
		world_init(seed);
		struct side *end = world_agreed(seed % 2);
		for (int turn = 0; turn < 400; turn++) {
			struct slice body = {payload, chance(2) ? chance(16000) : chance(50)};
			if (side_say(end, slice_of("123456789012"), body) == STATUS_OK) {
				bytes_add(&said, "123456789012", 12);
				bytes_add(&said, body.at, body.size);
			}
			side_pump(end);
			size_t size = take_payload(end, &heard);
			stream -= (int64_t)size;
			connection -= (int64_t)size;
			assert_true(!size || (stream >= 0 && connection >= 0));
			assert_true(heard.size == said.size || stream <= 0 || connection <= 0);
			bytes.size = 0;
			uint32_t more = (uint32_t)chance(3000) + 1;
			if (chance(3) == 0) {
				put_setting(&bytes, 4, more * 10);
				stream += (int64_t)more * 10 - initial;
				initial = (int64_t)more * 10;
			} else if (chance(2)) {
				put_number(&bytes, FRAME_WINDOW, 1, more);
				stream += more;
			} else {
				put_number(&bytes, FRAME_WINDOW, 0, more * 4);
				connection += more * 4;
			}
			side_hear(end, bytes.at, bytes.size, 5);
			assert_non_null(end->session);
			hub.now = instant_after(hub.now, DURATION_MS(20));
		}
		assert_memory_equal(heard.at, said.at, heard.size);
		free(heard.at);
		free(said.at);
		free(bytes.at);
		world_close();
	}
}

/* A receiver that asks for twelve bytes, then for as many as those announce, and that releases of each frame
 * only what its first read took: the rest of a frame of two units is lost to both windows. */
struct leaker {
	uint8_t header[12];
	uint32_t have, wanted; /* of the unit that it reads */
	bool in_body;
	uint32_t released; /* not told yet */
	uint64_t leaked, units;
};

static void leaker_reads(struct leaker *leaker, const uint8_t *at, size_t size)
{
	for (bool first = true; size; first = false) {
		uint32_t read = (uint32_t)size_min(size, leaker->wanted - leaker->have);
		if (!leaker->in_body)
			memcpy(leaker->header + leaker->have, at, read);
		if (first)
			leaker->released += read;
		else
			leaker->leaked += read;
		leaker->have += read;
		at += read;
		size -= read;
		if (leaker->have < leaker->wanted)
			continue;
		uint32_t body = leaker->in_body ? 0 : get32(leaker->header + 8);
		leaker->units++;
		leaker->in_body = body > 0;
		leaker->wanted = body ? body : 12;
		leaker->have = 0;
	}
}

/* All that was said, and what it grants then. */
static void leaker_turn(struct leaker *leaker, struct side *end)
{
	struct bytes heard = {0}, bytes = {0};
	struct slice said = {end->said.at, end->said.size};
	struct frame frame;
	while (frame_read(&said, &frame))
		if (frame.type == FRAME_DATA)
			leaker_reads(leaker, frame.payload, frame.size);
	take_payload(end, &heard);
	if (leaker->released > 32767) {
		put_number(&bytes, FRAME_WINDOW, 0, leaker->released);
		put_number(&bytes, FRAME_WINDOW, 1, leaker->released);
		leaker->released = 0;
		side_hear(end, bytes.at, bytes.size, 0);
		side_pump(end);
	}
	free(heard.at);
	free(bytes.at);
}

static void a_receiver_that_releases_the_first_read_only(void **state)
{
	struct leaker leaker = {.wanted = 12};
	uint64_t units = 0;
	fill_payload();
	world_init(1);
	struct side *end = world_agreed(true);
	for (uint32_t message = 0; message < 100000; message++) {
		uint8_t header[12] = {0};
		uint32_t size = message % 7 == 0 ? 0 : 1 + (uint32_t)chance(message % 100 ? 60 : 16000),
			 turns = 0;
		put32(header + 8, size);
		while (side_say(end, (struct slice){header, 12}, (struct slice){payload, size}) !=
		       STATUS_OK) {
			leaker_turn(&leaker, end);
			assert_true(++turns < 10);
		}
		leaker_turn(&leaker, end);
		units += size ? 2 : 1;
	}
	for (int turn = 0; turn < 10; turn++)
		leaker_turn(&leaker, end);
	assert_int_equal(leaker.leaked, 0);
	assert_int_equal(leaker.units, units);
	world_close();
}

/* A limit makes the window smaller, and it is granted again all the same. */
static void our_small_window(void **state)
{
	static const uint8_t value[] = {0, NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 0, 0, 0x10, 0};
	for (int client = 0; client < 2; client++) {
		struct bytes bytes = {0};
		struct frame frame;
		uint64_t granted = 4096, said = 0;
		fill_payload();
		world_init(1);
		limits.http2_window = 4096;
		struct side *end = world_open(client);
		side_pump(end);
		assert_non_null(memmem(end->said.at, end->said.size, value, sizeof value));
		end->said.size = 0;
		put_opening(&bytes, client, NULL, 0);
		side_hear(end, bytes.at, bytes.size, 0);
		for (int i = 0; i < 1000; i++) {
			bytes.size = 0;
			put_frame(&bytes, FRAME_DATA, 0, 1, payload, 1024);
			side_hear(end, bytes.at, bytes.size, 0);
			said += 1024;
			side_pump(end);
			struct slice answer = {end->said.at, end->said.size};
			while (frame_read(&answer, &frame))
				if (frame.type == FRAME_WINDOW && frame.stream == 1)
					granted += get32(frame.payload);
			end->said.size = end->heard.size = 0;
			assert_true(granted - said >= 1024 && granted - said <= 4096);
		}
		free(bytes.at);
		world_close();
	}
}

/* What we let the peer say: a large window, released as it is heard. */
static void our_windows(void **state)
{
	for (int client = 0; client < 2; client++) {
		struct bytes bytes = {0};
		uint64_t granted = 65535, said = 0;
		fill_payload();
		world_init(1);
		struct side *end = world_open(client);
		side_pump(end);
		put_opening(&bytes, client, NULL, 0);
		side_hear(end, bytes.at, bytes.size, 0);
		for (int i = 0; i < 10000; i++) {
			struct frame frame;
			side_pump(end);
			size_t preface = i == 0 && client ? 24 : 0;
			struct slice answer = {end->said.at + preface, end->said.size - preface};
			while (frame_read(&answer, &frame))
				if (frame.type == FRAME_WINDOW && frame.stream == 0)
					granted += get32(frame.payload);
			end->said.size = 0;
			bytes.size = 0;
			put_frame(&bytes, FRAME_DATA, 0, 1, payload, 16384);
			side_hear(end, bytes.at, bytes.size, 0);
			said += 16384;
			assert_true(granted - said >= HTTP2_WINDOW / 2 - 16384);
			assert_true(granted - said <= HTTP2_WINDOW);
			end->heard.size = 0;
		}
		free(bytes.at);
		world_close();
	}
}

/* ---- what a peer may not do ---- */

struct flood {
	const char *name;
	uint8_t type, flags;
	uint32_t stream;
	const char *payload;
	size_t size;
	const char *why;
	uint32_t goaway;
};

static void floods(void **state)
{
	static const struct flood floods[] = {
	    {"PING", FRAME_PING, 0, 0, "12345678", 8, "floods", 11},
	    {"PING ACK", FRAME_PING, ACK, 0, "12345678", 8, "floods", 11},
	    {"SETTINGS", FRAME_SETTINGS, 0, 0, "", 0, "floods", 11},
	    {"PRIORITY", FRAME_PRIORITY, 0, 9, "\0\0\0\0\7", 5, "floods", 11},
	    {"WINDOW_UPDATE", FRAME_WINDOW, 0, 0, "\0\0\0\1", 4, "floods", 11},
	    {"RST_STREAM", FRAME_RST, 0, 3, "\0\0\0\x08", 4, "", 0},
	    {"empty DATA", FRAME_DATA, 0, 1, "", 0, "floods", 11},
	    {"DATA of padding", FRAME_DATA, PADDED, 1, "\0", 1, "floods", 11},
	};
	for (size_t i = 0; i < 2 * COUNT_OF(floods); i++) {
		const struct flood *flood = &floods[i / 2];
		struct bytes bytes = {0};
		world_init(i);
		struct side *end = world_agreed(i % 2);
		uint32_t count = 0;
		put_frame(&bytes, flood->type, flood->flags, flood->stream, flood->payload, flood->size);
		while (end->session && end->session->state == SESSION_OPEN && count < 5000) {
			side_hear(end, bytes.at, bytes.size, 0);
			side_pump(end);
			count++;
		}
		assert_true(count < 1100);
		for (int turn = 0; turn < 5; turn++)
			side_pump(end);
		assert_null(end->session);
		assert_int_equal(end->why, REASON_PROTOCOL);
		if (!strstr(end->why_text, flood->why))
			fail_msg("%s: %s", flood->name, end->why_text);
		assert_non_null(strstr(frames_said(end), "GOAWAY"));
		free(bytes.at);
		world_close();
	}
}

/* Who pads what it sends, to hide its size, is no flood. */
static void padded_payload_is_no_flood(void **state)
{
	struct bytes bytes = {0};
	world_init(1);
	struct side *server = world_agreed(false);
	put_frame(&bytes, FRAME_DATA, PADDED, 1, "\3a\0\0\0", 5);
	for (int i = 0; i < 5000; i++)
		side_hear(server, bytes.at, bytes.size, 0);
	assert_int_equal(server->session->state, SESSION_OPEN);
	assert_int_equal(server->heard.size, 5000);
	free(bytes.at);
	world_close();
}

/* A thousand streams that are opened and given up at once. */
static void rapid_resets(void **state)
{
	struct bytes bytes = {0};
	world_init(1);
	struct side *server = world_agreed(false);
	uint32_t stream = 3;
	for (; server->session && server->session->state == SESSION_OPEN && stream < 10000; stream += 2) {
		bytes.size = 0;
		put_frame(&bytes, FRAME_HEADERS, END_HEADERS, stream, CONNECT_PLAIN, 22);
		put_number(&bytes, FRAME_RST, stream, 8);
		side_hear(server, bytes.at, bytes.size, 0);
		if (stream % 100 == 1)
			side_pump(server);
	}
	assert_true(stream < 3000);
	while (server->session)
		side_pump(server);
	assert_int_equal(server->why, REASON_PROTOCOL);
	free(bytes.at);
	world_close();
}

/* Answers pile up at one who does not read. */
static void who_does_not_read_ends(void **state)
{
	struct bytes bytes = {0};
	world_init(1);
	struct side *server = world_agreed(false);
	for (int i = 0; i < 200000 && server->session && server->session->state == SESSION_OPEN; i++) {
		bytes.size = 0;
		put_frame(&bytes, FRAME_PING, 0, 0, "12345678", 8);
		side_hear(server, bytes.at, bytes.size, 0);
		hub.now = instant_after(hub.now, DURATION_S(1));
	}
	assert_int_not_equal(server->session->state, SESSION_OPEN);
	free(bytes.at);
	world_close();
}

/* A keep-alive every second for weeks is no flood. */
static void a_patient_peer_goes_on(void **state)
{
	struct bytes bytes = {0};
	world_init(1);
	struct side *server = world_agreed(false);
	put_frame(&bytes, FRAME_PING, 0, 0, "12345678", 8);
	put_number(&bytes, FRAME_WINDOW, 0, 1);
	for (int i = 0; i < 100000; i++) {
		side_hear(server, bytes.at, bytes.size, 0);
		side_pump(server);
		server->said.size = 0;
		hub.now = instant_after(hub.now, DURATION_S(1));
	}
	assert_int_equal(server->session->state, SESSION_OPEN);
	free(bytes.at);
	world_close();
}

static void heads_that_are_too_big(void **state)
{
	struct bytes head = {0}, bytes = {0};
	world_init(1);
	struct side *server = world_open(false);
	bytes_add(&head,
		  "\x40\x01"
		  "a\x7f\x81\x1e",
		  6); /* a literal of 4,000 bytes, then indexed */
	for (int i = 0; i < 4000; i++)
		bytes_add(&head, "v", 1);
	for (int i = 0; i < 2000; i++)
		bytes_add(&head, "\xbe", 1);
	bytes_add(&bytes, PREFACE, 24);
	put_frame(&bytes, FRAME_SETTINGS, 0, 0, NULL, 0);
	put_frame(&bytes, FRAME_HEADERS, END_HEADERS, 1, head.at, head.size);
	side_hear(server, bytes.at, bytes.size, 0);
	for (int turn = 0; turn < 5; turn++)
		side_pump(server);
	assert_null(server->session);
	assert_string_equal(server->why_text, "sent an HTTP/2 head that is too big");
	assert_string_equal(frames_said(server), "SETTINGS GOAWAY=11");
	free(head.at);
	free(bytes.at);
	world_close();
}

static void continuations_without_end(void **state)
{
	struct bytes bytes = {0};
	world_init(1);
	struct side *server = world_open(false);
	bytes_add(&bytes, PREFACE, 24);
	put_frame(&bytes, FRAME_SETTINGS, 0, 0, NULL, 0);
	put_frame(&bytes, FRAME_HEADERS, 0, 1, "", 0);
	for (int i = 0; i < 2000; i++)
		put_frame(&bytes, FRAME_CONTINUATION, 0, 1, "", 0);
	side_hear(server, bytes.at, bytes.size, 0);
	for (int turn = 0; turn < 5; turn++)
		side_pump(server);
	assert_null(server->session);
	assert_int_equal(server->why, REASON_PROTOCOL);
	free(bytes.at);
	world_close();
}

/* What breaks the rules of framing, once there was agreement: one frame is enough. */
static void broken_frames(void **state)
{
	static const struct flood frames[] = {
	    {"DATA of stream 0", FRAME_DATA, 0, 0, "x", 1, "broke HTTP/2", 1},
	    {"DATA of an idle stream", FRAME_DATA, 0, 7, "x", 1, "broke HTTP/2", 1},
	    {"too much padding", FRAME_DATA, PADDED, 1, "\5x", 2, "broke HTTP/2", 1},
	    {"PING of 7", FRAME_PING, 0, 0, "1234567", 7, "broke HTTP/2", 6},
	    {"PING of a stream", FRAME_PING, 0, 1, "12345678", 8, "broke HTTP/2", 1},
	    {"SETTINGS of 5", FRAME_SETTINGS, 0, 0, "12345", 5, "broke HTTP/2", 6},
	    {"SETTINGS ACK with payload", FRAME_SETTINGS, ACK, 0, "123456", 6, "broke HTTP/2", 6},
	    {"a window above all", FRAME_SETTINGS, 0, 0, "\0\4\xff\xff\xff\xff", 6, "broke HTTP/2", 3},
	    {"a frame size below all", FRAME_SETTINGS, 0, 0, "\0\5\0\0\0\1", 6, "broke HTTP/2", 1},
	    {"WINDOW_UPDATE of nothing", FRAME_WINDOW, 0, 0, "\0\0\0\0", 4, "broke HTTP/2", 1},
	    {"WINDOW_UPDATE above all", FRAME_WINDOW, 0, 0, "\x7f\xff\xff\xff", 4, "broke HTTP/2", 3},
	    {"WINDOW_UPDATE of an idle stream", FRAME_WINDOW, 0, 9, "\0\0\0\1", 4, "broke HTTP/2", 1},
	    {"CONTINUATION of nothing", FRAME_CONTINUATION, END_HEADERS, 1, "", 0, "broke HTTP/2", 1},
	    {"RST_STREAM of stream 0", FRAME_RST, 0, 0, "\0\0\0\0", 4, "broke HTTP/2", 1},
	    {"GOAWAY of a stream", FRAME_GOAWAY, 0, 1, "\0\0\0\0\0\0\0\0", 8, "broke HTTP/2", 1},
	    {"PUSH_PROMISE", FRAME_PUSH, END_HEADERS, 1, "\0\0\0\2\x82", 5, "broke HTTP/2", 1},
	};
	for (size_t i = 0; i < 2 * COUNT_OF(frames); i++) {
		const struct flood *bad = &frames[i / 2];
		struct bytes bytes = {0};
		world_init(i);
		struct side *end = world_agreed(i % 2);
		put_frame(&bytes, bad->type, bad->flags, bad->stream, bad->payload, bad->size);
		side_hear(end, bytes.at, bytes.size, i % 3);
		for (int turn = 0; turn < 5; turn++)
			side_pump(end);
		if (end->session)
			fail_msg("%s goes on", bad->name);
		assert_int_equal(end->why, REASON_PROTOCOL);
		char goaway[20];
		snprintf(goaway, sizeof goaway, "GOAWAY=%u", bad->goaway);
		const char *said = frames_said(end);
		if (!strstr(said, goaway) || !strstr(end->why_text, bad->why))
			fail_msg("%s: %s, %s", bad->name, said, end->why_text);
		free(bytes.at);
		world_close();
	}
}

/* A frame that is longer than we let the peer say is refused by its header. */
static void a_frame_that_is_too_long(void **state)
{
	static const uint8_t header[] = {0, 0x40, 1, 0, 0, 0, 0, 0, 1};
	world_init(1);
	struct side *end = world_agreed(false);
	side_hear(end, header, sizeof header, 0);
	for (int turn = 0; turn < 5; turn++)
		side_pump(end);
	assert_null(end->session);
	assert_string_equal(frames_said(end), "GOAWAY=6");
	world_close();
}

/* Whatever begins otherwise. */
static void bad_prefaces(void **state)
{
	static const char *const texts[] = {
	    "GET / HTTP/1.1\r\nHost: a\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n",
	    "\x16\x03\x01\x02\x05\x01\xff\x01\xfc\x03\x03 and so on, as TLS begins"};
	for (size_t i = 0; i < COUNT_OF(texts) * 2; i++) {
		world_init(i);
		struct side *end = world_open(i % 2);
		side_pump(end);
		end->said.size = 0;
		side_hear(end, texts[i / 2], strlen(texts[i / 2]), i % 3);
		for (int turn = 0; turn < 5; turn++)
			side_pump(end);
		if (end->session)
			fail_msg("%zu goes on", i);
		assert_int_equal(end->why, REASON_PROTOCOL);
		if (!(i % 2))
			assert_string_equal(end->why_text, "did not begin as HTTP/2 does");
		world_close();
	}
}

/* ---- memory ---- */

static void an_idle_session_is_small(void **state)
{
	for (int client = 0; client < 2; client++) {
		world_init(1);
		struct side *end = world_agreed(client);
		print_message("%s: %zu bytes, of them %zu the session's\n", client ? "client" : "server",
			      hub.memory.bytes, sizeof(struct session) + sizeof(struct http2));
		assert_true(hub.memory.bytes < 30000);
		size_t before = hub.memory.bytes;
		for (int i = 0; i < 100; i++) {
			struct bytes heard = {0};
			assert_int_equal(side_say(end, slice_of("head"), slice_of("body")), STATUS_OK);
			take_payload(end, &heard);
			free(heard.at);
		}
		assert_int_equal(hub.memory.bytes, before);
		assert_non_null(end->session);
		world_close();
	}
}

static uint32_t until_failure, failures;

static uint32_t fails(void *state)
{
	if (until_failure && --until_failure)
		return 0;
	failures++;
	return chance(3) == 0;
}

/* Allocations fail at random: nothing is said twice or left out while the session lives, and nothing leaks.
 */
static void without_memory(void **state)
{
	fill_payload();
	for (uint64_t seed = 0; seed < 400; seed++) {
		struct bytes said = {0};
		world_init(seed);
		until_failure = (uint32_t)(1 + chance(120));
		struct side *server = world_open(false), *client = world_open(true);
		hub.memory.fail = hub.bufs.fail = fails;
		for (int turn = 0; turn < 60 && server->session && client->session; turn++) {
			struct slice body = {payload, chance(4000)};
			if (turn % 20 == 19)
				until_failure = (uint32_t)(1 + chance(50));
			if (!client->session->carrier_waits) {
				hub.bufs.fail = NULL; /* the test's own */
				static struct writer writer;
				struct buf *buf = buf_acquire(&hub.bufs, 4000);
				memcpy(buf->bytes, payload, 4000);
				hub.bufs.fail = fails;
				writer_init(&writer, client->session, &hub.bufs, 65536);
				writer_begin(&writer, CHUNK_BINARY);
				writer_copy(&writer, slice_of("header"));
				writer_cut(&writer);
				writer_piece(&writer, (struct piece){buf, {buf->bytes, body.size}});
				if (writer_end(&writer) == STATUS_OK) {
					bytes_add(&said, "header", 6);
					bytes_add(&said, body.at, body.size);
				}
				side_take(client, &writer);
				buf_unref(buf);
			}
			side_pump(client);
			side_pump(server);
			hub.bufs.fail = NULL;
			side_pass(client, server, 0);
			side_pass(server, client, 0);
			hub.bufs.fail = fails;
		}
		hub.memory.fail = hub.bufs.fail = NULL;
		if (server->session && client->session) {
			world_settle(0);
			assert_int_equal(said.size, server->heard.size);
		}
		assert_true(server->heard.size <= said.size);
		if (server->heard.size)
			assert_memory_equal(said.at, server->heard.at, server->heard.size);
		free(said.at);
		world_close();
	}
	assert_true(failures > 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_vectors_of_a_server),
	    cmocka_unit_test(the_vectors_of_a_client),
	    cmocka_unit_test(nothing_is_said_before_there_is_agreement),
	    cmocka_unit_test(answers_before_the_one_that_counts),
	    cmocka_unit_test(requests_that_are_refused),
	    cmocka_unit_test(answers_that_refuse),
	    cmocka_unit_test(later_streams_are_refused),
	    cmocka_unit_test(one_unit_one_frame),
	    cmocka_unit_test(said_is_heard),
	    cmocka_unit_test(padding_is_dropped),
	    cmocka_unit_test(every_end_is_told_once),
	    cmocka_unit_test(our_own_end),
	    cmocka_unit_test(our_own_end_when_the_peer_does_not_read),
	    cmocka_unit_test(a_window_of_one_byte),
	    cmocka_unit_test(a_window_of_nothing_that_is_raised),
	    cmocka_unit_test(a_window_that_becomes_negative),
	    cmocka_unit_test(the_window_of_the_connection),
	    cmocka_unit_test(windows_at_random),
	    cmocka_unit_test(a_receiver_that_releases_the_first_read_only),
	    cmocka_unit_test(our_windows),
	    cmocka_unit_test(our_small_window),
	    cmocka_unit_test(floods),
	    cmocka_unit_test(padded_payload_is_no_flood),
	    cmocka_unit_test(rapid_resets),
	    cmocka_unit_test(who_does_not_read_ends),
	    cmocka_unit_test(a_patient_peer_goes_on),
	    cmocka_unit_test(heads_that_are_too_big),
	    cmocka_unit_test(continuations_without_end),
	    cmocka_unit_test(broken_frames),
	    cmocka_unit_test(a_frame_that_is_too_long),
	    cmocka_unit_test(bad_prefaces),
	    cmocka_unit_test(an_idle_session_is_small),
	    cmocka_unit_test(without_memory),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
