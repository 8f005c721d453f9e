/* tests/unit/pace_test.c - batches towards a link of whole messages, and data that is held back.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/pace.h"
#include "tests/unit/lump_world.h"

enum { LOUD = 40000, MS = 1000, FIRST_US = 100 * MS };

static struct conn *source;
static struct flow *flow;
static struct channel *sink;

/* The lump has opened a channel to a local connection, which says what is batched. */
static void begin_batched(uint32_t traits)
{
	wire_lump.traits = TRAIT_WHOLE | traits;
	wire_lump.chunk_max = 512 * 1024;
	begin_lump();
	assert_true(lump_hears(1, 'O', 0));
	source = &world.conns[0];
	pump_conn(source);
	assert_int_equal(lump_says_all(), 1);
	assert_int_equal(lumps[0].kind, 'o');
	sink = session_only_channel(lump);
	flow = &sink->pair->flow[1];
	lump_count = 0;
}

/* As before, and the stream was so loud that it is batched: the delay is 20 ms. */
static void begin_loud(uint32_t traits)
{
	begin_batched(traits);
	conn_says(source, 10); /* the stream begins */
	assert_int_equal(lump_says_all(), 1);
	pass_us(FIRST_US);
	conn_says(source, LOUD);
	assert_int_equal(lump_says_all(), 1);
	assert_int_equal(lumps[1].size, LOUD);
	assert_int_equal(flow->pace->batcher.delay.ns, DURATION_MS(20).ns);
	lump_count = 0;
}

static void first_messages_leave_at_once(void **state)
{
	begin_batched(0);
	for (int i = 0; i < 5; i++) {
		conn_says(source, 100);
		assert_true(session_has_output(lump));
		assert_int_equal(lump_says_all(), 1);
		assert_int_equal(lumps[i].size, 100);
		pass_us(5 * MS);
	}
	assert_int_equal(world.hub.counters[COUNTER_batches], 5);
	assert_int_equal(world.hub.counters[COUNTER_batches_early], 0);
	world_close();
}

/* A source that falls silent for 2 ms. A message moves no timer: it expires, looks, and waits again. */
static void quiet_source_is_not_waited_for(void **state)
{
	begin_loud(0);
	conn_says(source, 100);
	struct instant armed = sink->pair->timer_at;
	assert_int_equal(armed.ns, world.hub.now.ns + DURATION_MS(2).ns);
	for (int i = 0; i < 3; i++) {
		pass_us(500);
		conn_says(source, 100);
		assert_int_equal(sink->pair->timer_at.ns, armed.ns);
	}
	pass_us(500); /* it expires: the last message is 0.5 ms old */
	assert_false(session_has_output(lump));
	assert_int_equal(sink->pair->timer_at.ns, armed.ns + 1500 * 1000);
	pass_us(2 * MS);
	assert_int_equal(lump_says_all(), 1);
	assert_int_equal(lumps[0].size, 400);
	assert_int_equal(world.hub.counters[COUNTER_batches_early], 1);
	world_close();
}

/* One that is never silent: the delay is over 20 ms after the first byte. */
static void delay_is_the_longest_wait(void **state)
{
	begin_loud(0);
	conn_says(source, 1000);
	for (int i = 0; i < 19; i++) {
		pass_us(1 * MS);
		conn_says(source, 1000);
		assert_false(session_has_output(lump));
	}
	pass_us(1 * MS);
	assert_int_equal(lump_says_all(), 1);
	assert_int_equal(lumps[0].size, 20000);
	assert_int_equal(world.hub.counters[COUNTER_batches_early], 0);
	assert_int_equal(flow->pace->batcher.delay.ns, DURATION_MS(68).ns);
	world_close();
}

static void full_buffer_leaves(void **state)
{
	begin_loud(0);
	world.hub.batching.buffer = 100000;
	conn_says(source, 99000);
	assert_false(session_has_output(lump));
	conn_says(source, 1000);
	assert_int_equal(lump_says_all(), 1);
	assert_int_equal(lumps[0].size, 100000);
	world_close();
}

static void blocked_source_leaves(void **state)
{
	begin_loud(0);
	world.hub.batching.buffer = 4 << 20;
	world.limits.channel_bytes = 60000;
	conn_says(source, 50000);
	assert_false(session_has_output(lump) || source->session->blocked);
	conn_says(source, 50000);
	assert_true(flow->source_blocked);
	assert_int_equal(lump_says(1 << 20), 1);
	assert_true(lumps[0].size >= 60000);
	assert_false(flow->source_blocked);
	world_close();
}

/* CLOSE follows the batch at once. */
static void end_leaves(void **state)
{
	begin_loud(0);
	conn_says(source, 3000);
	assert_false(session_has_output(lump));
	source->in_ended = true;
	session_input_end(source->session);
	settle();
	assert_int_equal(lump_says_all(), 2);
	assert_int_equal(lumps[0].size, 3000);
	assert_int_equal(lumps[1].kind, 'C');
	world_close();
}

static void lost_source_resets(void **state)
{
	begin_loud(0);
	conn_says(source, 3000);
	session_end(source->session, REASON_LOST, NULL, false);
	settle();
	assert_int_equal(lump_says_all(), 1);
	assert_int_equal(lumps[0].kind, 'R');
	world_close();
}

static void credit_that_is_used_up_leaves(void **state)
{
	lump_credit = LOUD + 10 + 5000;
	begin_loud(TRAIT_CREDIT);
	sink->credit = 5000;
	conn_says(source, 4999);
	assert_false(session_has_output(lump));
	conn_says(source, 2001);
	assert_int_equal(lump_says_all(), 1);
	assert_int_equal(lumps[0].size, 5000);
	assert_false(session_has_output(lump));
	struct event event = {.kind = EVENT_CREDIT, .channel = sink, .amount = 100000};
	session_deliver(lump, &event); /* the rest of a batch that is on its way waits for nothing else */
	assert_int_equal(lump_says_all(), 1);
	assert_int_equal(lumps[1].size, 2000);
	world_close();
	lump_credit = 0;
}

/* Due because that was all the credit, and then there is more before it was said: it waits for its time. */
static void credit_that_comes_makes_it_wait(void **state)
{
	lump_credit = LOUD + 10 + 5000;
	begin_loud(TRAIT_CREDIT);
	sink->credit = 5000;
	conn_says(source, 6000);
	assert_true(session_has_output(lump));
	struct event event = {.kind = EVENT_CREDIT, .channel = sink, .amount = 100000};
	session_deliver(lump, &event);
	assert_int_equal(lump_says(65536), 0);
	assert_false(session_has_output(lump));
	pass_us(2 * MS);
	assert_int_equal(lump_says_all(), 1);
	assert_int_equal(lumps[0].size, 6000);
	world_close();
	lump_credit = 0;
}

/* A batch of more than one message: the second follows at once. */
static void batch_leaves_as_a_whole(void **state)
{
	begin_loud(0);
	wire_lump.chunk_max = 4096;
	conn_says(source, 10000);
	pass_us(3 * MS);
	assert_int_equal(lump_says_all(), 3);
	assert_int_equal(lumps[2].size, 10000 - 2 * 4096);
	assert_int_equal(world.hub.counters[COUNTER_batches_early], 1);
	conn_says(source, 100);
	assert_false(session_has_output(lump));
	world_close();
}

static void batching_can_be_off(void **state)
{
	begin_loud(0);
	world.hub.batching.enabled = false;
	conn_says(source, 3000);
	assert_int_equal(lump_says_all(), 1);
	world_close();
}

/* Small pieces of a batch share slabs, so a batch is few pieces. */
static void batch_of_many_pieces_is_one_message(void **state)
{
	begin_loud(0);
	for (int i = 0; i < 300; i++)
		conn_says(source, 700);
	assert_true(flow->count < 8);
	pass_us(3 * MS);
	assert_int_equal(lump_says_all(), 1);
	assert_int_equal(lumps[0].size, 300 * 700);
	world_close();
}

/* ---- holds ---- */

static void held_channel_waits_for_its_instant(void **state)
{
	begin_batched(0);
	channel_hold(sink, instant_after(world.hub.now, DURATION_MS(20)));
	conn_says(source, 500);
	source->in_ended = true;
	session_input_end(source->session);
	settle();
	assert_false(session_has_output(lump));
	pass_us(19 * MS);
	assert_false(session_has_output(lump));
	pass_us(1 * MS);
	assert_int_equal(lump_says_all(), 2);
	assert_int_equal(lumps[0].size, 500);
	assert_int_equal(lumps[1].kind, 'C');
	world_close();
}

static void held_channel_is_released(void **state)
{
	begin_batched(0);
	conn_says(source, 500);
	assert_true(session_has_output(lump));
	channel_hold(sink, INSTANT_NEVER); /* it was about to speak */
	assert_false(session_has_output(lump));
	pass_us(100000 * MS);
	assert_false(session_has_output(lump));
	channel_hold(sink, world.hub.now);
	assert_int_equal(lump_says_all(), 1);
	conn_says(source, 400);
	assert_int_equal(lump_says_all(), 1);
	world_close();
}

/* What drops the data says so at once. */
static void held_channel_says_a_reset(void **state)
{
	begin_batched(0);
	channel_hold(sink, INSTANT_NEVER);
	conn_says(source, 500);
	session_end(source->session, REASON_LOST, NULL, false);
	settle();
	assert_int_equal(lump_says_all(), 1);
	assert_int_equal(lumps[0].kind, 'R');
	assert_int_equal(world.hub.pair_count, 0);
	world_close();
}

/* ---- anything, in any order ---- */

enum { STREAMS = 4 };

static size_t said_so_far[STREAMS];

/* What may leave is on a list of those that speak, or a timer looks at it soon enough. */
static void assert_nobody_forgotten(void)
{
	struct instant now = world.hub.now;
	for (struct link *at = lump->channels.next; at != &lump->channels; at = at->next) {
		const struct channel *channel = OWNER(at, struct channel, session_link);
		const struct pair *pair = channel->pair;
		const struct flow *waits = &pair->flow[!channel->side];
		bool may = !(channel->traits & TRAIT_CREDIT) || channel->credit;
		if (!waits->bytes || !may || link_is_linked(&channel->active_link))
			continue;
		assert_true(timer_is_armed(&pair->timer));
		if (!instant_before(now, pair->timer_at))
			continue; /* it is due, and late by less than a tick */
		if (instant_before(now, channel->not_before))
			assert_true(channel->not_before.ns == INSTANT_NEVER.ns ||
				    pair->timer_at.ns <= channel->not_before.ns);
		else
			assert_true(pair->timer_at.ns <=
				    waits->pace->batcher.last_at.ns + DURATION_MS(BATCH_QUIET_MS).ns);
	}
}

static struct channel *channel_of(int stream)
{
	uint8_t id = (uint8_t)(stream + 1);
	return session_find(lump, &id, 1);
}

static uint32_t sometimes(void *state) { return chance(5) == 0; }

static void act(int stream)
{
	struct channel *channel = channel_of(stream);
	struct event credit = {.kind = EVENT_CREDIT, .channel = channel, .amount = 1 + chance(50000)};
	size_t size = 1 + chance(chance(2) ? 300 : 90000);
	switch (chance(8)) {
	case 0:
		session_deliver(lump, &credit);
		break;
	case 1:
		channel_hold(channel, instant_after(world.hub.now, DURATION_MS(chance(30))));
		break;
	case 2:
		channel_hold(channel, chance(3) ? world.hub.now : INSTANT_NEVER);
		break;
	case 3:
		pass_us((int64_t)chance(chance(2) ? 3000 : 100000));
		break;
	case 4:
		lump_says(1 + chance(200000));
		break;
	default:
		said_so_far[stream] += size;
		conn_says(&world.conns[stream], size);
	}
}

static void anything_in_any_order(void **state)
{
	for (int seed = 0; seed < 60; seed++) {
		size_t heard[STREAMS] = {0};
		memset(said_so_far, 0, sizeof said_so_far);
		wire_lump.traits = TRAIT_WHOLE | (seed % 3 ? 0 : TRAIT_CREDIT);
		wire_lump.chunk_max = seed % 2 ? 512 * 1024 : 20000;
		lump_credit = 100000;
		begin_lump();
		world.random = (uint64_t)seed;
		for (int i = 0; i < STREAMS; i++) {
			assert_true(lump_hears((uint8_t)(i + 1), 'O', 0));
			pump_conn(&world.conns[i]);
		}
		lump_says_all();
		world.hub.memory.fail = seed % 5 ? NULL : sometimes;
		for (int step = 0; step < 400; step++) {
			for (int i = 0; i < STREAMS; i++)
				if (!channel_of(i))
					goto over; /* memory ran out for a message: the pair was reset */
			act((int)chance(STREAMS));
			assert_nobody_forgotten();
		}
		for (int round = 0; round < 200; round++) {
			for (int i = 0; i < STREAMS && channel_of(i); i++) {
				struct event credit = {
				    .kind = EVENT_CREDIT, .channel = channel_of(i), .amount = 1000000};
				session_deliver(lump, &credit);
				channel_hold(channel_of(i), world.hub.now);
				hear_conn(&world.conns[i]);
			}
			pass_us(500000);
			lump_says_all();
		}
		for (uint32_t i = 0; i < lump_count; i++)
			if (lumps[i].kind == 'D')
				heard[lumps[i].id - 1] += lumps[i].size;
		for (int i = 0; i < STREAMS && !world.hub.memory.fail; i++)
			assert_int_equal(heard[i], said_so_far[i]);
	over:
		world.hub.memory.fail = NULL;
		world_close();
	}
	lump_credit = 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(first_messages_leave_at_once),
	    cmocka_unit_test(quiet_source_is_not_waited_for),
	    cmocka_unit_test(delay_is_the_longest_wait),
	    cmocka_unit_test(full_buffer_leaves),
	    cmocka_unit_test(blocked_source_leaves),
	    cmocka_unit_test(end_leaves),
	    cmocka_unit_test(lost_source_resets),
	    cmocka_unit_test(credit_that_is_used_up_leaves),
	    cmocka_unit_test(credit_that_comes_makes_it_wait),
	    cmocka_unit_test(batch_leaves_as_a_whole),
	    cmocka_unit_test(batching_can_be_off),
	    cmocka_unit_test(batch_of_many_pieces_is_one_message),
	    cmocka_unit_test(held_channel_waits_for_its_instant),
	    cmocka_unit_test(held_channel_is_released),
	    cmocka_unit_test(held_channel_says_a_reset),
	    cmocka_unit_test(anything_in_any_order),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
