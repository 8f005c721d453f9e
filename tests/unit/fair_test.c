/* tests/unit/fair_test.c - who speaks next on a link of whole messages, and what blocks a source: the marks
 * of a channel, a session and the process.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/lump_world.h"

enum { KB = 1024, CHUNK = 512 * KB, SMALL = 100, CROWD = 100 };

/* The lump has opened so many channels, each to a connection of its own: conns[i] has the id i + 1. */
static void begin_crowd(int count, uint32_t traits)
{
	wire_lump.traits = traits;
	wire_lump.chunk_max = CHUNK;
	begin_lump();
	for (int i = 0; i < count; i++) {
		assert_true(lump_hears((uint8_t)(i + 1), 'O', 0));
		pump_conn(&world.conns[i]);
	}
	lump_says_all();
	lump_count = 0;
	world.hub.batching.enabled = false;
}

static const struct flow *flow_from(const struct conn *conn)
{
	return &session_only_channel(conn->session)->pair->flow[1];
}

/* What a busy one has to say never ends. */
static void refill(int i, size_t size)
{
	struct conn *conn = &world.conns[i];
	if (conn->in.size < size)
		say_many(conn, size);
	hear_conn(conn);
}

static size_t said_by(uint8_t id, uint32_t from)
{
	size_t sum = 0;
	for (uint32_t i = from; i < lump_count; i++)
		sum += lumps[i].id == id ? lumps[i].size : 0;
	return sum;
}

/* One bulk stream among a hundred that exchange small messages: each of those leaves before the bulk has said
 * more than one message, and within the quantum. */
static void bulk_lets_the_others_through(void **state)
{
	enum { ROUNDS = 8 };
	begin_crowd(CROWD + 1, TRAIT_WHOLE);
	size_t heard = 0;
	for (int round = 0; round < ROUNDS; round++) {
		refill(CROWD, CHUNK);
		lump_says(1); /* the bulk is at it */
		refill(CROWD, CHUNK);
		for (int i = 0; i < CROWD; i++)
			conn_says(&world.conns[i], SMALL);
		uint32_t from = lump_count;
		for (uint32_t left = CROWD; left;) {
			assert_int_equal(lump_says(1), 1);
			left -= lumps[lump_count - 1].id <= CROWD;
			refill(CROWD, CHUNK);
			assert_true(said_by(CROWD + 1, from) <= CHUNK);
		}
		heard += said_by(CROWD + 1, 0);
		lump_count = 0;
		pass_us(1000);
	}
	assert_true(heard >= (size_t)ROUNDS * CHANNEL_TURN); /* nor does the bulk starve */
	world_close();
}

/* One says messages of a quarter of a MiB, the other of 20 KB: in the long run they have said as much. */
static void long_messages_have_no_more_than_their_share(void **state)
{
	begin_crowd(2, TRAIT_WHOLE);
	for (int i = 0; i < 400; i++) {
		refill(0, 400000);
		if (!flow_from(&world.conns[1])->bytes)
			conn_says(&world.conns[1], 20000);
		assert_int_equal(lump_says(1), 1);
	}
	size_t large = said_by(1, 0), little = said_by(2, 0);
	assert_true(large > 8 * CHUNK);
	assert_true(large < little + CHUNK && little < large + CHUNK);
	world_close();
}

/* Alone, it does not wait for turns that nobody else wants. */
static void long_message_alone_goes_on(void **state)
{
	begin_crowd(1, TRAIT_WHOLE);
	for (int i = 0; i < 20; i++) {
		refill(0, 400000);
		assert_int_equal(lump_says(1), 1);
		assert_true(lumps[i].size >= 256 * KB);
	}
	world_close();
}

/* An end does not wait for turns either. */
static void end_follows_a_long_message(void **state)
{
	begin_crowd(2, TRAIT_WHOLE);
	conn_says(&world.conns[0], 256 * KB);
	session_end(world.conns[0].session, REASON_OK, NULL, false);
	settle();
	assert_int_equal(lump_says_all(), 2);
	assert_int_equal(lumps[1].kind, 'C');
	world_close();
}

/* ---- marks ---- */

/* 256 KiB high, 128 KiB low. */
static void marks_of_a_channel(void **state)
{
	begin_crowd(1, 0);
	wire_lump.chunk_max = 10000;
	struct conn *conn = &world.conns[0];
	const struct flow *flow = flow_from(conn);
	say_many(conn, 600000);
	hear_conn(conn);
	assert_true(flow->source_blocked && conn->session->blocked);
	assert_in_range(flow->bytes, 256 * KB, 256 * KB + 20000);
	while (flow->source_blocked) {
		assert_true(flow->bytes > 128 * KB);
		assert_int_equal(lump_says(1), 1);
	}
	assert_in_range(flow->bytes, 128 * KB - 10000, 128 * KB + 20000); /* what it had in hand is read */
	assert_false(conn->session->blocked);
	while (conn->in.size || flow->bytes) {
		hear_conn(conn);
		lump_says(65536);
	}
	assert_int_equal(said_by(1, 0), 600000);
	world_close();
}

/* The link's queue: sources are held back above it, and let in again at half of it. */
static void marks_of_a_session(void **state)
{
	enum { COUNT = 6 };
	size_t sum = 0;
	begin_crowd(COUNT, 0);
	world.limits.session_bytes = 600000;
	for (int i = 0; i < COUNT; i++)
		say_many(&world.conns[i], 250000);
	for (int i = 0; i < COUNT; i++)
		hear_conn(&world.conns[i]);
	assert_true(lump->pushes_back);
	assert_in_range(lump->queued_bytes, 600000, 600000 + COUNT * 20000);
	while (lump->pushes_back) {
		assert_true(lump->queued_bytes > 300000);
		assert_int_equal(lump_says(1), 1);
	}
	assert_true(lump->queued_bytes <= 300000);
	for (int i = 0; i < COUNT; i++)
		assert_false(world.conns[i].session->blocked);
	for (int round = 0; round < 40; round++) {
		for (int i = 0; i < COUNT; i++)
			hear_conn(&world.conns[i]);
		lump_says_all();
	}
	for (int i = 0; i < COUNT; i++)
		sum += said_by((uint8_t)(i + 1), 0);
	assert_int_equal(sum, COUNT * 250000);
	world_close();
}

/* The budget of the process: what has no buffer is not read, and nobody loses a byte. */
static void marks_of_the_process(void **state)
{
	enum { COUNT = 40 };
	size_t sum = 0;
	begin_crowd(COUNT, 0);
	world.hub.budget.max = world.hub.budget.used + 3 * 1024 * KB;
	for (int i = 0; i < COUNT; i++)
		say_many(&world.conns[i], 250000);
	for (int i = 0; i < COUNT; i++)
		hear_conn(&world.conns[i]);
	assert_true(world.hub.bufs.refused > 0);
	assert_true(world.hub.budget.used <= world.hub.budget.max);
	for (int round = 0; round < 400; round++) {
		for (int i = 0; i < COUNT; i++)
			hear_conn(&world.conns[i]);
		lump_says(65536);
		assert_true(world.hub.budget.used <= world.hub.budget.max);
		assert_int_equal(world.hub.counters[COUNTER_channels_memory], 0);
	}
	for (int i = 0; i < COUNT; i++)
		sum += said_by((uint8_t)(i + 1), 0);
	assert_int_equal(sum, COUNT * 250000);
	world_close();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(bulk_lets_the_others_through),
	    cmocka_unit_test(long_messages_have_no_more_than_their_share),
	    cmocka_unit_test(long_message_alone_goes_on),
	    cmocka_unit_test(end_follows_a_long_message),
	    cmocka_unit_test(marks_of_a_channel),
	    cmocka_unit_test(marks_of_a_session),
	    cmocka_unit_test(marks_of_the_process),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
