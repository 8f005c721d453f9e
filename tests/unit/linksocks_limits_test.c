/* tests/unit/linksocks_limits_test.c - a link of LinkSocks without memory, a link that is not read, and what
 * an idle one holds.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "protocols/codecs/compress.h"
#include "tests/unit/linksocks_peer.h"

enum { TEXT_SIZE = 300000 };

static uint8_t text[TEXT_SIZE], packed[2][TEXT_SIZE];
static size_t packed_size[2];

static void fill(void)
{
	struct piece piece = {.bytes = {text, TEXT_SIZE}};
	struct bufpool pool;
	for (size_t i = 0; i < TEXT_SIZE; i++)
		text[i] = (uint8_t)(i / 100);
	bufpool_init(&pool, 4, 16 << 20);
	assert_int_equal(gzip_pack(&pool, &piece, 1, packed[0], TEXT_SIZE, &packed_size[0]), STATUS_OK);
	assert_int_equal(lz4_pack(piece.bytes, packed[1], TEXT_SIZE, &packed_size[1]), STATUS_OK);
	bufpool_fini(&pool);
}

/* ---- no memory ---- */

static uint32_t countdown;

static uint32_t fails_then(void *state) { return countdown && --countdown == 0; }

/* In pieces of that size. Memory fails only while they are heard. */
static void hear_failing(struct bytes *bytes, size_t piece)
{
	while (bytes->size && the_link()) {
		struct session *session = the_link();
		size_t size = size_min(bytes->size, piece);
		struct buf *buf = session_wants_input(session) ? buf_receive(&world.hub.bufs) : NULL;
		if (buf) {
			memcpy(buf->bytes, bytes->at, size);
			bytes_cut(bytes, size);
			world.hub.bufs.fail = fails_then;
			session_input(session, (struct piece){buf, {buf->bytes, size}});
			world.hub.bufs.fail = NULL;
		}
		world_turn(false);
	}
}

/* Every allocation in turn fails: the link may end for that, and nothing else may happen. */
static void allocations_fail(void **state)
{
	uint32_t ended = 0, lived = 0;
	fill();
	for (uint32_t failing = 1; failing < 80; failing++) {
		struct bytes bytes = {0}, message = {0};
		begin_at(SERVER);
		link_options[SERVER].features = FEATURE_OURS | FEATURE_LZ4;
		begin_server_with("lz4");
		connect_u1();
		from_hex(&message, "01090000001b7b226c6576656c223a22696e666f222c226d7367223a226869227d");
		frame_add(&bytes, CHUNK_BINARY, message.at, message.size);
		for (size_t i = 0; i < 2; i++) {
			message.size = 0;
			from_hex(&message, i ? "010401" U1_HEX "02" : "010401" U1_HEX "01");
			bytes_add(&message, (uint8_t[]){0, 0, 0, 0}, 4);
			put32(message.at + message.size - 4, (uint32_t)packed_size[i]);
			bytes_add(&message, packed[i], packed_size[i]);
			frame_add(&bytes, CHUNK_BINARY, message.at, message.size);
		}
		message.size = 0;
		from_hex(&message, "010300" U2_HEX "093132372e302e302e310051");
		frame_add(&bytes, CHUNK_BINARY, message.at, message.size);
		countdown = failing;
		hear_failing(&bytes, failing & 1 ? 20 : 5000);
		world_turns(20, false);
		*(the_link() ? &lived : &ended) += 1;
		if (!the_link())
			assert_int_equal(world.link_why[SERVER], REASON_MEMORY);
		free(bytes.at);
		free(message.at);
		world_close();
	}
	assert_true(ended && lived);
}

/* ---- not read ---- */

/* A link that is not read, because a user does not take what it brings, is not silent. */
static void deaf_is_not_silent(void **state)
{
	begin_server();
	the_link()->blocked = true;
	for (int s = 0; s < 300; s += 5)
		world_sleep(DURATION_S(5), false);
	assert_non_null(the_link());
	the_link()->blocked = false;
	for (int s = 0; s < 40; s += 5)
		world_sleep(DURATION_S(5), false);
	assert_non_null(the_link());
	for (int s = 0; s < 45; s += 5)
		world_sleep(DURATION_S(5), false);
	assert_true(world.link_gone[SERVER]);
	assert_int_equal(world.link_why[SERVER], REASON_SILENT);
	world_close();
}

/* ---- at rest ---- */

static void holds_nothing(void **state)
{
	begin_at(SERVER);
	link_options[SERVER].features = FEATURE_OURS | FEATURE_LZ4 | FEATURE_CREDIT;
	begin_server_with("lz4");
	connect_u1();
	fill();
	hear_data(u1, LINKSOCKS_GZIP, packed[0], packed_size[0]);
	hear_data(u1, LINKSOCKS_LZ4, packed[1], packed_size[1]);
	the_link()->channels_max = 0;
	hear_hex("010301" U2_HEX "093132372e302e302e310051");
	hear_hex("01090000001b7b226c6576656c223a22696e666f222c226d7367223a226869227d");
	hear(CHUNK_PING, "", 0);
	world_turns(30, false);
	assert_int_equal(world.conns[0].out.size, 2 * TEXT_SIZE);
	assert_int_equal(world.hub.bufs.used, 0);
	assert_true(wire_linksocks.session_size <= 512);
	assert_true(wire_linksocks.channel_size <= 8);
	world_close();
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(allocations_fail),
					   cmocka_unit_test(deaf_is_not_silent),
					   cmocka_unit_test(holds_nothing)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
