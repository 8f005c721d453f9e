/* tests/unit/stall_test.c - how long what waits could not leave, by its cause, under a virtual clock.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/stall.h"
#include "tests/unit/lump_world.h"

static struct conn *conn;
static struct channel *link_end, *conn_end;

static void begin_stalls(uint32_t traits, uint32_t credit)
{
	wire_lump.traits = traits;
	wire_lump.chunk_max = 65536;
	lump_credit = credit;
	begin_lump();
	assert_true(lump_hears(1, 'O', 0));
	conn = &world.conns[0];
	pump_conn(conn);
	lump_says_all();
	link_end = session_only_channel(lump);
	conn_end = channel_partner(link_end);
	lump_count = 0;
}

static void assert_stalled(const struct channel *channel, int64_t peer, int64_t socket, int64_t link,
			   int64_t memory)
{
	assert_int_equal(channel_stalled(channel, STALL_NONE).ns, 0);
	assert_int_equal(duration_ms(channel_stalled(channel, STALL_PEER)), peer);
	assert_int_equal(duration_ms(channel_stalled(channel, STALL_SOCKET)), socket);
	assert_int_equal(duration_ms(channel_stalled(channel, STALL_LINK)), link);
	assert_int_equal(duration_ms(channel_stalled(channel, STALL_MEMORY)), memory);
}

/* Ends everything: what the channels have counted is summed. */
static void assert_summed(uint64_t peer, uint64_t socket, uint64_t link, uint64_t memory)
{
	session_end(lump, REASON_LOST, NULL, false);
	settle();
	turns(2);
	assert_int_equal(world.hub.pair_count, 0);
	assert_int_equal(world.hub.counters[COUNTER_stall_peer_ms], peer);
	assert_int_equal(world.hub.counters[COUNTER_stall_socket_ms], socket);
	assert_int_equal(world.hub.counters[COUNTER_stall_link_ms], link);
	assert_int_equal(world.hub.counters[COUNTER_stall_memory_ms], memory);
	world_close();
	lump_credit = 0;
}

static void what_leaves_at_once_counts_nothing(void **state)
{
	begin_stalls(0, 0);
	for (int i = 0; i < 3; i++) {
		conn_says(conn, 1000);
		assert_int_equal(lump_says_all(), 1);
		assert_true(lump_hears(1, 'D', 1000));
		pump_conn(conn);
		pass_us(1000);
	}
	assert_stalled(link_end, 0, 0, 0, 0);
	assert_stalled(conn_end, 0, 0, 0, 0);
	assert_null(link_end->pair->flow[0].pace);
	assert_null(link_end->pair->flow[1].pace);
	assert_summed(0, 0, 0, 0);
}

/* The link is sending what was said before. */
static void busy_link(void **state)
{
	begin_stalls(0, 0);
	conn_says(conn, 1000);
	pass_us(700);
	pass_us(700);
	assert_stalled(link_end, 0, 0, 1, 0);
	assert_int_equal(channel_stalled(link_end, STALL_LINK).ns, 1400000);
	assert_int_equal(lump_says_all(), 1);
	pass_us(50000);
	assert_int_equal(channel_stalled(link_end, STALL_LINK).ns, 1400000);
	conn_says(conn, 100000);
	pass_us(2000);
	assert_int_equal(lump_says(1), 1); /* one message; the rest waits for the link */
	pass_us(3000);
	assert_int_equal(lump_says_all(), 1);
	assert_int_equal(channel_stalled(link_end, STALL_LINK).ns, 6400000);
	assert_stalled(conn_end, 0, 0, 0, 0);
	assert_summed(0, 0, 6, 0);
}

static void slow_socket(void **state)
{
	begin_stalls(0, 0);
	assert_true(lump_hears(1, 'D', 1000));
	pass_us(5000);
	pump_conn(conn);
	pass_us(5000);
	assert_stalled(conn_end, 0, 5, 0, 0);
	assert_true(lump_hears(1, 'D', 1000));
	pass_us(2000);
	assert_stalled(conn_end, 0, 7, 0, 0); /* the one that lasts, too */
	assert_summed(0, 7, 0, 0);
}

/* Its window is used up, first with bytes left, then before any came. */
static void window_of_the_peer(void **state)
{
	struct event event = {.kind = EVENT_CREDIT};
	begin_stalls(TRAIT_CREDIT, 1000);
	event.channel = link_end;
	event.amount = 500;
	conn_says(conn, 1500);
	assert_int_equal(lump_says_all(), 1);
	pass_us(8000);
	assert_stalled(link_end, 8, 0, 0, 0);
	session_deliver(lump, &event);
	pass_us(1000); /* now it waits for the link */
	assert_int_equal(lump_says_all(), 1);
	assert_stalled(link_end, 8, 0, 1, 0);
	pass_us(4000); /* nothing waits */
	conn_says(conn, 100);
	pass_us(2000);
	conn_says(conn, 100);
	pass_us(1000);
	assert_stalled(link_end, 11, 0, 1, 0);
	session_deliver(lump, &event);
	assert_int_equal(lump_says_all(), 1);
	pass_us(1000);
	assert_stalled(link_end, 11, 0, 1, 0);
	assert_summed(11, 0, 1, 0);
}

static uint32_t always(void *state) { return 1; }

static void no_memory(void **state)
{
	begin_stalls(0, 0);
	conn_says(conn, 1000);
	world.hub.bufs.fail = always;
	assert_int_equal(lump_says(65536), 0);
	pass_us(9000);
	world.hub.bufs.fail = NULL;
	assert_int_equal(lump_says_all(), 1);
	pass_us(9000);
	assert_stalled(link_end, 0, 0, 0, 9);
	assert_summed(0, 0, 0, 9);
}

/* A batch waits because it is to. */
static void batch_is_no_stall(void **state)
{
	begin_stalls(TRAIT_WHOLE, 0);
	conn_says(conn, 10);
	lump_says_all();
	pass_us(100000);
	conn_says(conn, 60000);
	lump_says_all();
	conn_says(conn, 1000);
	assert_false(session_has_output(lump));
	pass_us(2000);
	assert_int_equal(lump_says_all(), 1);
	assert_stalled(link_end, 0, 0, 0, 0);
	assert_summed(0, 0, 0, 0);
}

/* What was dropped waits for nothing any more. */
static void reset_ends_a_stall(void **state)
{
	begin_stalls(TRAIT_CREDIT, 1000);
	conn_says(conn, 2000);
	lump_says_all();
	pass_us(3000);
	session_end(conn->session, REASON_LOST, NULL, false);
	settle();
	pass_us(50000);
	lump_says_all();
	assert_summed(3, 0, 0, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_leaves_at_once_counts_nothing),
	    cmocka_unit_test(busy_link),
	    cmocka_unit_test(slow_socket),
	    cmocka_unit_test(window_of_the_peer),
	    cmocka_unit_test(no_memory),
	    cmocka_unit_test(batch_is_no_stall),
	    cmocka_unit_test(reset_ends_a_stall),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
