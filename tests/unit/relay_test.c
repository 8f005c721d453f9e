/* tests/unit/relay_test.c - pairs of channels: half-close, refusals and retries, and streams that a peer ends
 * in the frame that completes their header.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/relay_world.h"

/* ---- ends ---- */

static void half_close(int first)
{
	begin_joined(true);
	say(ends[first], "first");
	ends[first]->in_ended = true;
	turns(4);
	assert_out(ends[!first], "first");
	assert_true(ends[!first]->shut && !ends[!first]->gone && !ends[first]->gone);
	say(ends[!first], "second");
	turns(4);
	ends[!first]->in_ended = true;
	turns(6);
	assert_out(ends[first], "second");
	for (int i = 0; i < 2; i++)
		assert_true(ends[i]->shut && ends[i]->gone && ends[i]->why == REASON_OK);
	world_close();
}

static void half_close_asker_first(void **state) { half_close(ASKER); }
static void half_close_answerer_first(void **state) { half_close(ANSWERER); }

/* ---- refusals ---- */

static void refused_target_is_tried_again(void **state)
{
	begin_linked(true);
	refuse_dials = 2;
	retries = 2;
	struct conn *user = ask();
	say(user, "question");
	turns(4);
	assert_int_equal(world.conn_count, 1);
	sleep_s(1);
	assert_int_equal(world.conn_count, 1);
	sleep_s(1);
	assert_int_equal(world.conn_count, 2);
	turns(4);
	assert_out(&world.conns[1], "question");
	say(&world.conns[1], "answer");
	world.conns[1].in_ended = user->in_ended = true;
	turns(6);
	assert_out(user, "answer");
	assert_true(user->gone && user->why == REASON_OK);
	world_close();
}

static void refused_target_resets_user(void **state)
{
	begin_linked(true);
	refuse_dials = 9;
	struct conn *user = ask();
	turns(6);
	assert_true(user->gone && user->why != REASON_OK);
	assert_int_equal(world.link[CLIENT]->channel_count, 0);
	assert_int_equal(world.link[SERVER]->channel_count, 0);
	world_close();
}

/* The asker goes while its target is dialled, and while a retry waits. */
static void asker_leaves_early(void **state)
{
	for (int retry = 0; retry < 2; retry++) {
		begin_linked(true);
		hold_dials = !retry;
		refuse_dials = retry;
		retries = 1;
		struct conn *user = ask();
		say(user, "question");
		turns(4);
		session_end(user->session, REASON_LOST, NULL, false);
		turns(4);
		hold_dials = false;
		turns(4);
		sleep_s(5);
		assert_int_equal(world.link[CLIENT]->channel_count, 0);
		assert_int_equal(world.hub.pair_count, 0);
		world_close();
	}
}

/* What a first target said before it was taken for refused must not reach the user before the second's. */
static void refused_target_leaves_nothing(void **state)
{
	begin_linked(true);
	retries = 1;
	hold_dials = true;
	ask();
	turns(4);
	struct channel *asker = session_only_channel(world.link[CLIENT]);
	struct channel *channel = channel_partner(asker);
	struct buf *buf = buf_acquire(&world.hub.bufs, 100);
	memset(buf->bytes, 'x', 100);
	struct piece piece = {buf, {buf->bytes, 100}};
	struct event banner = {
	    .kind = EVENT_DATA, .channel = channel, .pieces = &piece, .piece_count = 1, .size = 100};
	struct event eof = {.kind = EVENT_EOF, .channel = channel};
	assert_int_equal(session_deliver(channel->session, &banner), STATUS_OK);
	assert_int_equal(session_deliver(channel->session, &eof), STATUS_OK);
	buf_unref(buf);
	session_end(channel->session, REASON_LOST, NULL, false);
	assert_null(asker->pair->side[1]);
	assert_int_equal(asker->pair->flow[1].bytes, 0);
	assert_int_equal(asker->pair->flow[1].end, END_NONE);
	hold_dials = false;
	settle();
	world_close();
}

/* ---- a peer that ends a stream in the frame that completes its header ---- */

static void frame(struct bytes *bytes, enum yamux_type type, unsigned flags, uint32_t id, const void *body,
		  uint32_t size)
{
	uint8_t header[YAMUX_HEADER_SIZE];
	yamux_encode(header, type, flags, id, size);
	bytes_add(bytes, header, sizeof header);
	bytes_add(bytes, body, size);
}

static void reset_with_header(int side, bool ours, unsigned flags)
{
	static const uint8_t visit[] = {0, 1, 'x', 0, 80};
	const uint8_t *header = side == SERVER ? visit : visit + 3;
	uint32_t id = side == SERVER ? 101 : 102, size = side == SERVER ? 5 : 2;
	struct bytes bytes = {0};
	begin_linked(ours);
	frame(&bytes, YAMUX_WINDOW_UPDATE, YAMUX_SYN, id, "", 0);
	frame(&bytes, YAMUX_DATA, flags, id, header, size);
	frame(&bytes, YAMUX_PING, YAMUX_SYN, 0, "", 0);
	feed(world.link[side], &bytes);
	turns(6);
	assert_non_null(world.link[side]);
	if (flags & YAMUX_RST)
		assert_int_equal(world.link[side]->channel_count, 0);
	free(bytes.at);
	world_close();
}

static void stream_ends_with_its_header(void **state)
{
	for (int ours = 0; ours < 2; ours++) {
		for (int side = 0; side < 2; side++) {
			reset_with_header(side, ours, YAMUX_RST);
			reset_with_header(side, ours, YAMUX_RST | YAMUX_FIN);
			reset_with_header(side, ours, YAMUX_FIN);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(half_close_asker_first),
	    cmocka_unit_test(half_close_answerer_first),
	    cmocka_unit_test(refused_target_is_tried_again),
	    cmocka_unit_test(refused_target_resets_user),
	    cmocka_unit_test(asker_leaves_early),
	    cmocka_unit_test(refused_target_leaves_nothing),
	    cmocka_unit_test(stream_ends_with_its_header),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
