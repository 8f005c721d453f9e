/* tests/unit/relay_limit_test.c - pairs of channels: queues that are full, readers that are slow or stall,
 * and who speaks next.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/log.h"
#include "core/window.h"
#include "tests/unit/lump_world.h"

/* ---- a source without flow control ---- */

static void slow_reader_slows_its_link(void **state)
{
	size_t fed = 0;
	begin_lump();
	assert_true(lump_hears(1, 'O', 0) && lump_hears(2, 'O', 0));
	pump_conn(&world.conns[0]);
	pump_conn(&world.conns[1]);
	while (lump_hears(1, 'D', 10000))
		fed += 10000;
	assert_true(lump->blocked && fed >= 100000 && fed < 120000 + 10000);
	for (int i = 0; i < 8; i++) { /* 3 s each, with some progress: slow, not stalled */
		world.hub.now = instant_after(world.hub.now, DURATION_S(3));
		pump_conn(&world.conns[0]);
		while (lump_hears(1, 'D', 20000))
			fed += 20000;
		wheel_expire(&world.hub.wheel, world.hub.now);
		settle();
	}
	assert_int_equal(world.hub.counters[COUNTER_channels_stalled], 0);
	for (int i = 0; i < 20; i++)
		pump_conn(&world.conns[0]);
	assert_false(lump->blocked);
	assert_true(lump_hears(2, 'D', 100));
	pump_conn(&world.conns[1]);
	assert_int_equal(world.conns[1].out.size, 100);
	assert_int_equal(world.conns[0].out.size, fed);
	world_close();
}

static char logged[LOG_LINE_SIZE];

static void log_sink(enum log_level level, enum log_format format, const char *line, size_t size)
{
	snprintf(logged, sizeof logged, "%.*s", (int)size, line);
}

static void stalled_reader_is_reset(void **state)
{
	log_start(LOG_WARN, LOG_TEXT, log_sink);
	begin_lump();
	text_copy(lump->peer, sizeof lump->peer, slice_of("192.0.2.1:4000"));
	assert_true(lump_hears(1, 'O', 0) && lump_hears(2, 'O', 0));
	pump_conn(&world.conns[0]);
	pump_conn(&world.conns[1]);
	while (lump_hears(1, 'D', 10000))
		;
	world.hub.now = instant_after(world.hub.now, DURATION_S(3));
	wheel_expire(&world.hub.wheel, world.hub.now);
	settle();
	assert_int_equal(world.hub.counters[COUNTER_channels_stalled], 1);
	assert_false(lump->blocked);
	assert_non_null(strstr(logged, "stalled reader"));
	assert_non_null(strstr(logged, "192.0.2.1:4000"));
	assert_non_null(strstr(logged, "64 KiB in 2 s"));
	log_start(LOG_ERROR, LOG_TEXT, NULL);
	pump_conn(&world.conns[0]);
	assert_true(world.conns[0].gone && world.conns[0].why == REASON_STALLED && !world.conns[0].shut);
	bool shut = false;
	pump(lump, &world.said[SERVER], &shut);
	assert_int_equal(lump->channel_count, 1);
	assert_true(lump_hears(2, 'D', 100));
	pump_conn(&world.conns[1]);
	assert_int_equal(world.conns[1].out.size, 100);
	world_close();
}

/* What became full while there was nobody to take it is judged like the rest once there is. */
static void stalled_reader_of_another_try_is_reset(void **state)
{
	begin_lump();
	refuse_dials = retries = 1;
	assert_true(lump_hears(1, 'O', 0));
	while (lump_hears(1, 'D', 10000))
		;
	assert_true(lump->blocked);
	pass_us(1100000);
	assert_int_equal(world.conn_count, 1);
	assert_true(lump->blocked);
	assert_int_equal(world.hub.counters[COUNTER_channels_stalled], 0);
	pass_us(2000000);
	assert_int_equal(world.hub.counters[COUNTER_channels_stalled], 1);
	assert_false(lump->blocked);
	pump_conn(&world.conns[0]);
	world_close();
}

static void queue_holds_a_thousand_messages(void **state)
{
	uint32_t count = 0;
	begin_lump();
	world.limits.channel_bytes_no_credit = world.limits.session_bytes = 1 << 30;
	assert_true(lump_hears(1, 'O', 0));
	while (lump_hears(1, 'D', 33000)) /* two never fit in one slab */
		count++;
	assert_int_equal(count, CHANNEL_QUEUE_MAX + 1); /* the last one waits undecoded */
	while (lump->blocked)
		pump_conn(&world.conns[0]);
	while (session_has_output(world.conns[0].session))
		pump_conn(&world.conns[0]);
	assert_int_equal(world.conns[0].out.size, 33000 * count);
	world_close();
}

/* Fragments as an original client sends them: the channel is full by its bytes, not by their number. */
static void fragments_share_slabs(void **state)
{
	static const size_t sizes[] = {100, 1400, 4096, 5000};
	for (size_t i = 0; i < COUNT_OF(sizes); i++) {
		size_t fed = 0;
		begin_lump();
		world.limits.channel_bytes_no_credit = LIMITS_DEFAULT.channel_bytes_no_credit;
		assert_true(lump_hears(1, 'O', 0));
		const struct flow *flow = &session_only_channel(lump)->pair->flow[0];
		while (lump_hears(1, 'D', sizes[i]))
			fed += sizes[i];
		assert_true(flow->bytes >= world.limits.channel_bytes_no_credit);
		assert_true(flow->count < CHANNEL_QUEUE_MAX);
		assert_true(world.hub.bufs.receive_used <= HUB_RECEIVE_MAX / 8 + 1); /* and what is in hand */
		assert_true(world.hub.bufs.bytes < 2 * fed + HUB_RECEIVE_MAX / 8 * BUF_RECEIVE_SIZE);
		world_close();
	}
}

/* A link is read again long before the queue of a slow reader is empty: the others wait for it. */
static void slow_reader_lets_others_through(void **state)
{
	begin_lump();
	world.limits.channel_bytes_no_credit = 2 << 20;
	assert_true(lump_hears(1, 'O', 0) && lump_hears(2, 'O', 0));
	pump_conn(&world.conns[0]);
	pump_conn(&world.conns[1]);
	while (lump_hears(1, 'D', 60000))
		;
	for (int i = 0; i < 3; i++)
		pump_conn(&world.conns[0]); /* 64 KiB each */
	assert_false(lump->blocked);
	assert_int_equal(lump->heard_at.ns, world.hub.now.ns);
	assert_true(lump_hears(2, 'D', 100));
	world_close();
}

static void keep_alive_resets_the_fullest(void **state)
{
	begin_lump();
	assert_true(lump_hears(1, 'O', 0) && lump_hears(2, 'O', 0));
	pump_conn(&world.conns[0]);
	pump_conn(&world.conns[1]);
	assert_true(lump_hears(2, 'D', 60000) && lump_hears(2, 'D', 30000));
	assert_false(session_is_held_back(lump) || session_reset_fullest(lump, DURATION_S(0)));
	while (lump_hears(1, 'D', 10000))
		;
	assert_true(session_is_held_back(lump));
	assert_false(session_reset_fullest(lump, DURATION_S(10)));
	world.hub.now = instant_after(world.hub.now, DURATION_S(10));
	assert_true(session_reset_fullest(lump, DURATION_S(10)));
	assert_false(session_is_held_back(lump));
	assert_int_equal(world.hub.counters[COUNTER_channels_fullest], 1);
	settle();
	pump_conn(&world.conns[0]);
	assert_true(world.conns[0].gone && world.conns[0].why == REASON_STALLED);
	pump_conn(&world.conns[1]);
	pump_conn(&world.conns[1]);
	assert_int_equal(world.conns[1].out.size, 90000);
	world_close();
}

/* A link's queue is full: the conns that fill it wait, and all go on when it drains. */
static void session_bytes_block_sources(void **state)
{
	begin_linked(true);
	world.limits.session_bytes = 200000;
	struct conn *users[8];
	for (int i = 0; i < 8; i++)
		users[i] = ask();
	turns(4);
	for (int i = 0; i < 8; i++)
		say_many(users[i], 300000);
	for (int i = 0; i < 20; i++) {
		for (int k = 0; k < 8; k++)
			feed(users[k]->session, &users[k]->in);
		settle();
	}
	assert_true(world.link[SERVER]->queued_bytes < 200000 + 9 * 20000);
	assert_true(world.link[SERVER]->pushes_back);
	turns(100);
	size_t sum = 0;
	for (uint32_t i = 8; i < 16; i++)
		sum += world.conns[i].out.size;
	assert_int_equal(sum, 8 * 300000);
	world_close();
}

/* ---- who speaks next ---- */

/* The frames of `said` whose body or flags count: the id of each, up to `max`. */
static uint32_t frame_ids(const struct bytes *said, uint8_t type, unsigned flags, uint32_t *ids, uint32_t max)
{
	uint32_t count = 0;
	for (size_t at = 0; at + YAMUX_HEADER_SIZE <= said->size && count < max;) {
		struct yamux_header header = yamux_decode(said->at + at);
		if (header.type == type && (header.flags & flags) == flags)
			ids[count++] = header.id;
		at += YAMUX_HEADER_SIZE + (header.type == YAMUX_DATA ? header.length : 0);
	}
	return count;
}

static void begin_users(int count, size_t size)
{
	struct conn *users[64];
	begin_linked(true);
	for (int i = 0; i < count; i++)
		users[i] = ask();
	turns(4);
	assert_int_equal(world.said[SERVER].size, 0);
	for (int i = 0; i < count; i++)
		say_many(users[i], size);
	for (int i = 0; i < count; i++) {
		feed(users[i]->session, &users[i]->in);
		settle();
	}
}

/* A turn is four frames of the largest size. */
static void channels_take_turns(void **state)
{
	uint32_t ids[16];
	bool shut = false;
	begin_users(2, 150000);
	pump_some(world.link[SERVER], &world.said[SERVER], &shut, 1 << 20);
	assert_int_equal(frame_ids(&world.said[SERVER], YAMUX_DATA, 0, ids, 16), 16);
	for (uint32_t i = 0; i < 16; i++)
		assert_int_equal(ids[i], ids[i / 4 % 2 * 4]);
	assert_int_not_equal(ids[0], ids[4]);
	turns(20);
	for (uint32_t i = 2; i < 4; i++)
		assert_int_equal(world.conns[i].out.size, 150000);
	world_close();
}

/* Two have said a turn's worth each and have more to say; whoever has not goes first. */
static void quiet_ones_go_first(void **state)
{
	uint32_t ids[1];
	bool shut = false;
	struct bytes *said = &world.said[SERVER];
	begin_users(2, 150000);
	pump_some(world.link[SERVER], said, &shut, 8 * 16384);
	for (int i = 0; i < 2; i++) {
		struct conn *quiet = ask();
		turns(1); /* the busy ones take another turn */
		size_t before = said->size;
		say_many(quiet, 100);
		feed(quiet->session, &quiet->in);
		settle();
		pump_some(world.link[SERVER], said, &shut, 1);
		struct bytes rest = {said->at + before, said->size - before, 0};
		assert_int_equal(frame_ids(&rest, YAMUX_DATA, 0, ids, 1), 1);
		assert_int_equal(yamux_decode(rest.at).length, 100);
	}
	turns(20);
	world_close();
}

/* However many fresh ones there are, a busy one has its turn behind four of theirs. */
static void fresh_ones_do_not_starve_the_rest(void **state)
{
	enum { FRAMES = 64 };
	uint32_t ids[FRAMES], busy = 0;
	bool shut = false;
	struct bytes *said = &world.said[SERVER];
	begin_users(9, 0);
	for (int i = 0; i < 9; i++) {
		say_many(&world.conns[i], i == 0 ? 150000 : 60000);
		feed(world.conns[i].session, &world.conns[i].in);
		if (i == 0)
			pump_some(world.link[SERVER], said, &shut, 4 * 16384);
	}
	settle();
	size_t before = said->size;
	assert_int_equal(frame_ids(said, YAMUX_DATA, 0, &busy, 1), 1);
	for (int i = 0; i < 4; i++)
		pump_some(world.link[SERVER], said, &shut, 8 * 16384);
	struct bytes rest = {said->at + before, said->size - before, 0};
	uint32_t count = frame_ids(&rest, YAMUX_DATA, 0, ids, FRAMES), first = 0;
	while (first < count && ids[first] != busy)
		first++;
	assert_in_range(first, 4 * 4, 5 * 4);
	turns(40);
	world_close();
}

/* A link for which many speak reads a turn's worth ahead of each, and nobody is forgotten. */
static void crowd_is_read_in_turns(void **state)
{
	enum { USERS = 5 * SESSION_CROWD };
	begin_users(USERS, 250000);
	for (int i = SESSION_CROWD; i < USERS; i++) {
		assert_true(world.conns[i].session->blocked);
		assert_true(world.conns[i].in.size >= 250000 - CHANNEL_TURN - 20000);
	}
	turns(300);
	for (int i = USERS; i < 2 * USERS; i++)
		assert_int_equal(world.conns[i].out.size, 250000);
	assert_true(list_is_empty(&world.link[SERVER]->sources));
	assert_int_equal(world.link[SERVER]->speakers, 0);
	world_close();
}

static void control_goes_first(void **state)
{
	uint32_t ids[2];
	bool shut = false;
	struct bytes *said = &world.said[SERVER];
	begin_users(2, 60000);
	pump_some(world.link[SERVER], said, &shut, 1);
	assert_int_equal(frame_ids(said, YAMUX_DATA, 0, ids, 2), 1); /* one chunk */
	size_t before = said->size;
	ask();
	settle();
	pump_some(world.link[SERVER], said, &shut, 1);
	assert_int_equal(yamux_decode(said->at + before).flags & YAMUX_SYN, YAMUX_SYN);
	turns(8);
	world_close();
}

/* The largest window in pieces of any size is no more messages than a queue may hold. */
static void window_fits_in_a_queue(void **state)
{
	static const size_t sizes[] = {1, 300, 4000, 16372, 17000, 40000, 0};
	for (size_t i = 0; i < COUNT_OF(sizes); i++) {
		begin_joined(true);
		struct session *session = ends[ASKER]->session;
		struct channel *asker = OWNER(session->channels.next, struct channel, session_link);
		struct channel *source = asker->pair->side[1];
		struct flow *flow = &asker->pair->flow[1];
		uint64_t total = sizes[i] == 1 ? 1 << 20 : WINDOW_MAX, at = 0;
		source->window = total;
		while (at < total) {
			size_t size = sizes[i] ? sizes[i] : 1 + chance(20000);
			struct buf *buf = buf_acquire(&world.hub.bufs, 65472);
			memset(buf->bytes, (int)at, size);
			buf->used = (uint32_t)size_min(size, total - at);
			struct piece piece = {buf, {buf->bytes, buf->used}};
			at += buf->used;
			assert_int_equal(flow_push(asker->pair, 1, piece), STATUS_OK);
			buf_unref(buf);
			assert_int_equal(flow->end, END_NONE);
			assert_true(flow->count < CHANNEL_QUEUE_MAX);
		}
		assert_int_equal(flow->bytes, total);
		flow_drop(asker->pair, 1);
		world_close();
	}
}

/* Without memory a pump must not ask to be pumped again at once: a worker would turn for ever. */
static uint32_t always(void *state) { return 1; }

static void starved_pump_waits(void **state)
{
	bool shut = false;
	begin_users(2, 60000);
	struct session *link = world.link[SERVER];
	link_remove(&link->writable_link);
	world.hub.bufs.fail = always;
	pump(link, &world.said[SERVER], &shut);
	assert_int_equal(world.said[SERVER].size, 0);
	assert_false(link_is_linked(&link->writable_link));
	assert_true(session_has_output(link));
	world.hub.bufs.fail = NULL;
	turns(8);
	for (uint32_t i = 2; i < 4; i++)
		assert_int_equal(world.conns[i].out.size, 60000);
	world_close();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(slow_reader_slows_its_link),
	    cmocka_unit_test(stalled_reader_is_reset),
	    cmocka_unit_test(stalled_reader_of_another_try_is_reset),
	    cmocka_unit_test(queue_holds_a_thousand_messages),
	    cmocka_unit_test(fragments_share_slabs),
	    cmocka_unit_test(slow_reader_lets_others_through),
	    cmocka_unit_test(keep_alive_resets_the_fullest),
	    cmocka_unit_test(session_bytes_block_sources),
	    cmocka_unit_test(channels_take_turns),
	    cmocka_unit_test(quiet_ones_go_first),
	    cmocka_unit_test(fresh_ones_do_not_starve_the_rest),
	    cmocka_unit_test(crowd_is_read_in_turns),
	    cmocka_unit_test(control_goes_first),
	    cmocka_unit_test(window_fits_in_a_queue),
	    cmocka_unit_test(starved_pump_waits),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
