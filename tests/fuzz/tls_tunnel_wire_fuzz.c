/* tests/fuzz/tls_tunnel_wire_fuzz.c - a whole link hears anything: in any pieces, before and after its login,
 * with users that come and go meanwhile. It may end, nothing else may happen.
 *
 * Byte 0: the side, whether it is logged in first, what is shown, the generation. Then records: a size byte
 * n, and n bytes that are heard at once; n = 255 is an action of our own end.
 */
#include "tests/unit/wire_world.h"

#include "tests/fuzz/wire_acts.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void hear_text(int side, uint32_t flags, const char *json)
{
	struct bytes bytes = {0};
	uint8_t head[16] = {0, 0, 0, (uint8_t)flags, 0, 0, 0, 1};
	put32(head + 8, (uint32_t)strlen(json) + 4);
	put32(head + 12, (uint32_t)strlen(json));
	bytes_add(&bytes, head, sizeof head);
	bytes_add(&bytes, json, strlen(json));
	for (int i = 0; i < 8 && world.link[side]; i++) {
		world_feed(world.link[side], &bytes);
		world_turn(false);
	}
	free(bytes.at);
}

static void hear(int side, const char *raw, size_t size)
{
	struct bytes bytes = {0};
	bytes_add(&bytes, raw, size);
	for (int i = 0; i < 8 && world.link[side]; i++) {
		world_feed(world.link[side], &bytes);
		world_turn(false);
	}
	free(bytes.at);
}

#define HEAR(side, raw) hear(side, raw, sizeof(raw) - 1)

static void log_in_older(int side, enum tunnel_generation generation)
{
	bool y = generation == TUNNEL_14Y;
	if (side == SERVER && y)
		HEAR(side, "\0\0\0\x1f{\"auth_key\":\"0123456789abcdef\"}");
	else if (side == SERVER)
		HEAR(side, "\0\0\0\x10"
			   "0123456789abcdef");
	else if (y)
		HEAR(side,
		     "\0\0\0\x10{\"success\":true}\0\0\0\x0e{\"valid\":true}\0\0\0\x11{\"accepted\":true}");
	else
		HEAR(side, "\1\1");
	if (side == SERVER && generation == TUNNEL_10)
		HEAR(side, "\0\1\0\1a\0\1\0\2");
	else if (side == SERVER)
		HEAR(side, "\0\0\0\x36{\"version\":1,\"proxies\":[],\"features\":[\"visitor-port\"]}");
}

static void log_in(int side)
{
	if (side == CLIENT) {
		hear_text(side, 2,
			  "{\"jsonrpc\":\"2.0\",\"result\":{\"features\":[\"half-close\",\"source\"]},"
			  "\"id\":1}");
		hear_text(side, 0, "{\"jsonrpc\":\"2.0\",\"result\":{\"rejected_proxies\":[]},\"id\":2}");
		return;
	}
	hear_text(side, 1,
		  "{\"jsonrpc\":\"2.0\",\"method\":\"authenticate\",\"params\":{\"auth_key\":\"k\","
		  "\"features\":[\"half-close\",\"source\"]}}");
	hear_text(side, 0, "{\"jsonrpc\":\"2.0\",\"method\":\"submit_config\",\"params\":{\"proxies\":[]}}");
}

static void act(int side, uint8_t what)
{
	if (what % 8 == 0)
		world.source.family = what & 64 ? 4 : what & 128 ? 6 : 0;
	if (act_of_users(side, what))
		return;
	if (what % 8 == 2)
		session_say(world.link[side], what & 8 ? EVENT_GOAWAY : EVENT_PING);
	else
		users_say(what, 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	if (!size)
		return 0;
	int side = bytes[0] & 1;
	world_init(size);
	world.script[side].credentials = (struct credentials){
	    .secret = slice_of("key"), .features = bytes[0] & 4 ? FEATURE_OURS | FEATURE_SOURCE : 0};
	enum tunnel_generation generation = (enum tunnel_generation)((bytes[0] >> 3 & 7) % 5);
	world.speaks = generation;
	world_open(side);
	world_turn(false);
	if (bytes[0] & 2 && generation > TUNNEL_15)
		log_in_older(side, generation);
	else if (bytes[0] & 2)
		log_in(side);
	for (size_t at = 1; at < size && world.link[side] && world.conn_count < CONNS_MAX - 40;) {
		size_t piece = bytes[at++];
		if (piece == 255 && at < size) {
			act(side, bytes[at++]);
		} else {
			struct bytes input = {0};
			piece = size_min(piece, size - at);
			bytes_add(&input, bytes + at, piece);
			at += piece;
			for (int i = 0; i < 300 && input.size && world.link[side]; i++) {
				world_feed(world.link[side], &input);
				world_drain();
				if (world.conn_count >= CONNS_MAX - 40)
					break;
			}
			free(input.at);
		}
		world_turn(false);
		world.said[side].size = 0;
	}
	world_close();
	return 0;
}
