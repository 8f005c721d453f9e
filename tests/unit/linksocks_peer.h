/* tests/unit/linksocks_peer.h - one end of a link of LinkSocks is real, the other is the test: what it says
 * is written by hand, what it hears is compared.
 *
 * Include it in one file of a program, after cmocka.
 */
#ifndef TESTS_UNIT_LINKSOCKS_PEER_H
#define TESTS_UNIT_LINKSOCKS_PEER_H

#include "tests/unit/linksocks_wire_world.h"

#define U1_HEX "00112233445566778899aabbccddeeff"
#define U2_HEX "6ba7b8109dad41d180b400c04fd430c8"
#define HASH "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
#define UPGRADE                                                                                              \
	"Host: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"              \
	"Sec-WebSocket-Key: AAECAwQFBgcICQoLDA0ODw==\r\n"

static const uint8_t u1[16] = {0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77,
			       0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff};

/* ---- the peer ---- */

static int here; /* which end is real */

static inline struct script *script(void) { return &world.script[here]; }
static inline struct session *the_link(void) { return world.link[here]; }

static inline void frame_add(struct bytes *bytes, enum chunk_kind kind, const void *at, size_t size)
{
	uint8_t head[PLAIN_HEAD] = {(uint8_t)kind, 1};
	put32(head + 2, (uint32_t)size);
	bytes_add(bytes, head, sizeof head);
	bytes_add(bytes, at, size);
}

static inline void from_hex(struct bytes *bytes, const char *hex)
{
	for (; *hex; hex += 2)
		bytes_add(bytes, &(uint8_t){(uint8_t)strtoul((char[]){hex[0], hex[1], 0}, NULL, 16)}, 1);
}

/* All of it is heard, but for what a link that is blocked leaves. */
static inline void hear_bytes(struct bytes *bytes)
{
	for (int i = 0; i < 50 && bytes->size && the_link(); i++) {
		world_feed(the_link(), bytes);
		world_turn(false);
	}
	world_turns(3, false);
	free(bytes->at);
	*bytes = (struct bytes){0};
}

static inline void hear(enum chunk_kind kind, const void *at, size_t size)
{
	struct bytes bytes = {0};
	frame_add(&bytes, kind, at, size);
	hear_bytes(&bytes);
}

static inline void hear_text(enum chunk_kind kind, const char *text) { hear(kind, text, strlen(text)); }

static inline void hear_hex(const char *hex)
{
	struct bytes message = {0};
	from_hex(&message, hex);
	hear(CHUNK_BINARY, message.at, message.size);
	free(message.at);
}

static inline void hear_data(const uint8_t id[16], uint8_t compression, const void *at, size_t size)
{
	struct linksocks_message message = {.type = LINKSOCKS_DATA,
					    .network = LINKSOCKS_TCP,
					    .compression = compression,
					    .payload = {at, size}};
	struct bytes bytes = {0};
	uint8_t head[LINKSOCKS_DATA_HEAD_SIZE];
	memcpy(message.id, id, 16);
	assert_int_equal(linksocks_write(&message, head, sizeof head), sizeof head);
	bytes_add(&bytes, head, sizeof head);
	bytes_add(&bytes, at, size);
	hear(CHUNK_BINARY, bytes.at, bytes.size);
	free(bytes.at);
}

/* The next thing that was said; its bytes are valid until the next call. False: nothing. */
static inline bool next_said(enum chunk_kind *kind, struct bytes *message)
{
	static struct bytes last;
	struct bytes *said = &world.said[here];
	last.size = 0;
	if (said->size < PLAIN_HEAD)
		return false;
	*kind = (enum chunk_kind)said->at[0];
	size_t size = get32(said->at + 2);
	bytes_add(&last, said->at + PLAIN_HEAD, size);
	bytes_add(&last, "", 1);
	bytes_cut(said, PLAIN_HEAD + size);
	*message = last;
	message->size--;
	return true;
}

static inline void expect_text(enum chunk_kind kind, const char *text)
{
	enum chunk_kind said;
	struct bytes message = {0};
	if (!next_said(&said, &message))
		fail_msg("nothing was said, expected %s", text);
	assert_int_equal(said, kind);
	assert_string_equal((const char *)message.at, text);
}

static inline void expect_hex(const char *hex)
{
	enum chunk_kind said;
	struct bytes message = {0}, expected = {0};
	from_hex(&expected, hex);
	if (!next_said(&said, &message))
		fail_msg("nothing was said, expected %s", hex);
	assert_int_equal(said, CHUNK_BINARY);
	if (message.size != expected.size || memcmp(message.at, expected.at, expected.size) != 0) {
		for (size_t i = 0; i < message.size; i++)
			fprintf(stderr, "%02x", message.at[i]);
		fail_msg(" was said, expected %s", hex);
	}
	free(expected.at);
}

static inline void expect_kind(enum chunk_kind kind)
{
	enum chunk_kind said;
	struct bytes message = {0};
	assert_true(next_said(&said, &message));
	assert_int_equal(said, kind);
}

static inline void expect_silence(void) { assert_int_equal(world.said[here].size, 0); }

static inline void expect_heard(const char *line)
{
	if (!strstr(script()->heard, line))
		fail_msg("heard '%s' instead of '%s'; link: %s", script()->heard, line,
			 world.link_text[here]);
}

/* ---- beginnings ---- */

static inline void begin_at(int side)
{
	linksocks_world(5);
	here = side;
}

/* A server with a forward client that has logged in. `features`: the value of the field, or NULL. */
static inline void begin_server_with(const char *features)
{
	char head[600];
	snprintf(head, sizeof head, "GET /socket?token=" HASH " HTTP/1.1\r\n" UPGRADE "%s%s%s\r\n",
		 features ? "X-Tunnel-Features: " : "", features ? features : "", features ? "\r\n" : "");
	world_open(SERVER);
	hear_text(CHUNK_HEAD, head);
	world_turns(4, false);
	expect_kind(CHUNK_HEAD);
	expect_hex("010201");
	expect_kind(CHUNK_PING);
	assert_true(the_link()->ready);
}

static inline void begin_server(void)
{
	begin_at(SERVER);
	begin_server_with(NULL);
}

static inline void begin_client_with(const char *features)
{
	char head[200];
	world.script[CLIENT].credentials =
	    (struct credentials){.host = slice_of("h"), .path = slice_of("/socket")};
	snprintf(
	    head, sizeof head,
	    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n%s%s%s\r\n",
	    features ? "X-Tunnel-Features: " : "", features ? features : "", features ? "\r\n" : "");
	world_open(CLIENT);
	world_turn(false);
	expect_kind(CHUNK_HEAD);
	hear_text(CHUNK_HEAD, head);
	hear_hex("010201");
	assert_true(the_link()->ready);
	expect_kind(CHUNK_PING);
}

static inline void begin_client(void)
{
	begin_at(CLIENT);
	begin_client_with(NULL);
}

static inline void connect_u1(void)
{
	hear_hex("010301" U1_HEX "093132372e302e302e310050");
	expect_heard("OPEN 127.0.0.1:80\n");
	expect_hex("010501" U1_HEX);
	assert_int_equal(world.conn_count, 1);
}

#endif
