/* tests/fuzz/linksocks_wire_fuzz.c - a whole link hears anything: messages of any kind in any frames, before
 * and after its login, with users that come and go meanwhile. It may end, nothing else may happen.
 *
 * Byte 0: the side, whether it is logged in first, and features. Then records: a size byte n and n bytes that
 * are heard as (a piece of) a message; n = 255 is an action of our own end, n = 254 makes the next piece the
 * last of its message or not.
 */
#include "tests/unit/linksocks_wire_world.h"

#include "tests/fuzz/wire_acts.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

enum { ACTION = 255, LAST = 254, SPECIAL = 253 };

static const char request[] = "GET /socket?token=abc&reverse=1 HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\n"
			      "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
			      "Sec-WebSocket-Key: AAECAwQFBgcICQoLDA0ODw==\r\n"
			      "X-Tunnel-Features: credit,lz4,half-close\r\n\r\n";
static const char answer[] = "HTTP/1.1 101 Switching Protocols\r\nX-Tunnel-Features: credit,lz4,"
			     "half-close\r\n\r\n";

static int side;
static bool is_last;

static void hear(enum chunk_kind kind, bool last, const void *at, size_t size)
{
	struct bytes input = {0};
	uint8_t head[PLAIN_HEAD] = {(uint8_t)kind, last};
	put32(head + 2, (uint32_t)size);
	bytes_add(&input, head, sizeof head);
	bytes_add(&input, at, size);
	for (int i = 0; i < 300 && input.size && world.link[side] && world.conn_count < CONNS_MAX - 40; i++) {
		world_feed(world.link[side], &input);
		world_turn(false);
	}
	/* what a blocked link did not take is lost: the carrier would be out of step */
	if (input.size && world.link[side])
		session_end(world.link[side], REASON_STOPPING, NULL, false);
	free(input.at);
	world_turn(false);
}

static void log_in(void)
{
	if (side == SERVER)
		hear(CHUNK_HEAD, true, request, sizeof request - 1);
	else
		hear(CHUNK_HEAD, true, answer, sizeof answer - 1);
	if (side == CLIENT)
		hear(CHUNK_BINARY, true, "\x01\x02\x01", 3);
}

/* About a channel that is there: its id takes the place of the bytes from the third on, or the fourth. */
static void aim(uint8_t *message, size_t size)
{
	struct channel *channel = session_only_channel(world.link[side]);
	size_t at = size > 1 && (message[1] == LINKSOCKS_DATA || message[1] == LINKSOCKS_CONNECT ||
				 message[1] == LINKSOCKS_CONNECT_RESPONSE)
			? 3
			: 2;
	if (channel && channel->id_link.size == 16 && size >= at + 16)
		memcpy(message + at, channel->id_link.id, 16);
}

static void act(uint8_t what)
{
	if (act_of_users(side, what))
		return;
	if (what % 8 == 2)
		session_say(world.link[side], what & 8 ? EVENT_NOTE : EVENT_PING);
	else if (what % 8 != 6)
		users_say(what, what & 16 ? 500 : 1);
	else if (what & 8)
		hear(CHUNK_END, true, "", 0);
	else
		hear(what & 16 ? CHUNK_PONG : CHUNK_PING, true, "abcd", 4);
}

static void begin(uint8_t flags, size_t size)
{
	linksocks_world(size);
	side = flags & 1;
	is_last = true;
	link_options[side] = (struct linksocks_options){
	    .features = flags & 4 ? FEATURE_OURS | FEATURE_LZ4 : 0,
	    .compression_threshold = flags & 32 ? 100 : 0,
	    .provider = flags & 16,
	};
	if (flags & 8)
		link_options[side].features |= FEATURE_OURS | FEATURE_CREDIT | FEATURE_HALF_CLOSE;
	if (flags & 64)
		world.limits.channel_bytes_no_credit = 1000;
	world.script[side].credentials = (struct credentials){
	    .host = slice_of("h"), .path = slice_of("/socket"), .secret = slice_of(flags & 128 ? "key" : "")};
	world_open(side);
	world_turn(false);
	if (flags & 2)
		log_in();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	if (!size)
		return 0;
	begin(bytes[0], size);
	for (size_t at = 1; at < size && world.link[side] && world.conn_count < CONNS_MAX - 40;) {
		size_t piece = bytes[at++];
		if (piece == ACTION && at < size) {
			act(bytes[at++]);
		} else if (piece == LAST) {
			is_last = !is_last;
		} else if (piece == SPECIAL) {
			static uint8_t zeros[70000];
			hear(CHUNK_BINARY, is_last, zeros, sizeof zeros);
		} else {
			uint8_t message[256];
			piece = size_min(piece, size - at);
			memcpy(message, bytes + at, piece);
			if (world.link[side] && is_last)
				aim(message, piece);
			hear(CHUNK_BINARY, is_last, message, piece);
			at += piece;
		}
		world_turn(false);
		world.said[side].size = 0;
	}
	world_close();
	return 0;
}
