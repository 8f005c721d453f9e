/* tests/unit/relay_end_test.c - pairs of channels: withheld ends, lost and idle ones, and what they leave. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/burden.h"
#include "tests/unit/relay_world.h"

/* Where the wire has no half-close, the question's end waits for the answer's. */
static void eof_is_withheld(void **state)
{
	begin_joined(false);
	say(ends[ASKER], "question");
	ends[ASKER]->in_ended = true;
	turns(4);
	assert_out(ends[ANSWERER], "question");
	assert_false(ends[ANSWERER]->shut);
	sleep_s(200);
	say(ends[ANSWERER], "answer, ");
	turns(4);
	sleep_s(200);
	assert_false(ends[ASKER]->gone || ends[ANSWERER]->shut);
	say(ends[ANSWERER], "late");
	ends[ANSWERER]->in_ended = true;
	turns(6);
	assert_out(ends[ASKER], "answer, late");
	for (int i = 0; i < 2; i++)
		assert_true(ends[i]->gone && ends[i]->why == REASON_OK);
	world_close();
}

static void answer_ends_all(void **state)
{
	begin_joined(false);
	say(ends[ANSWERER], "answer");
	ends[ANSWERER]->in_ended = true;
	turns(6);
	assert_out(ends[ASKER], "answer");
	assert_true(ends[ASKER]->shut && !ends[ASKER]->gone); /* it may half-close, its peer has no more */
	ends[ASKER]->in_ended = true;
	turns(6);
	for (int i = 0; i < 2; i++)
		assert_true(ends[i]->gone && ends[i]->why == REASON_OK);
	world_close();
}

static void silent_answer_times_out(void **state)
{
	begin_joined(false);
	say(ends[ASKER], "question");
	ends[ASKER]->in_ended = true;
	turns(4);
	sleep_s(290);
	assert_false(ends[ASKER]->gone || ends[ANSWERER]->gone);
	sleep_s(30);
	assert_true(ends[ASKER]->gone && ends[ASKER]->why == REASON_TIMEOUT);
	assert_true(ends[ANSWERER]->shut && !ends[ANSWERER]->gone);
	say(ends[ANSWERER], "too late"); /* answered with a reset */
	turns(6);
	assert_true(ends[ANSWERER]->gone);
	assert_int_equal(world.hub.channel_count, 0);
	world_close();
}

static void lost_link_resets_both(void **state)
{
	begin_joined(true);
	say(ends[ASKER], "question");
	turns(4);
	session_end(world.link[SERVER], REASON_LOST, NULL, false);
	session_end(world.link[CLIENT], REASON_LOST, NULL, false);
	turns(4);
	for (int i = 0; i < 2; i++)
		assert_true(ends[i]->gone && ends[i]->why == REASON_LOST && !ends[i]->shut);
	world_close();
}

static void lost_user_aborts_target(void **state)
{
	begin_joined(true);
	session_end(ends[ASKER]->session, REASON_LOST, NULL, false);
	turns(6);
	assert_true(ends[ANSWERER]->gone && ends[ANSWERER]->why != REASON_OK && !ends[ANSWERER]->shut);
	assert_int_equal(world.link[SERVER]->channel_count, 0);
	world_close();
}

static void idle_channel_ends(void **state)
{
	begin_linked(true);
	world.limits.channel_idle = DURATION_S(60);
	ends[ASKER] = ask();
	turns(3);
	ends[ANSWERER] = &world.conns[1];
	say(ends[ASKER], "question");
	turns(3);
	sleep_s(50);
	say(ends[ASKER], "question");
	turns(3);
	sleep_s(50);
	assert_false(ends[ASKER]->gone || ends[ANSWERER]->gone);
	sleep_s(20);
	assert_true(ends[ASKER]->gone && ends[ASKER]->why == REASON_TIMEOUT);
	assert_true(ends[ANSWERER]->gone && ends[ANSWERER]->why != REASON_OK);
	world_close();
}

/* What a closed reader leaves behind is granted again, or its sender would wait for ever. */
static void unread_bytes_are_granted_again(void **state)
{
	begin_joined(true);
	struct session *link = world.link[CLIENT];
	struct channel *channel = session_only_channel(link);
	say_many(ends[ASKER], 200000);
	for (int i = 0; i < 12; i++) { /* only the links: the target takes nothing */
		bool shut = false;
		feed(ends[ASKER]->session, &ends[ASKER]->in);
		settle();
		pump(world.link[SERVER], &world.said[SERVER], &shut);
		feed(link, &world.said[SERVER]);
		settle();
	}
	assert_true(channel->pair->flow[0].bytes > 190000);
	assert_true(channel->granted < channel->window / 2);
	struct event close = {.kind = EVENT_CLOSE, .channel = channel_partner(channel)};
	session_deliver(close.channel->session, &close);
	assert_true(channel->granted + channel->consumed == channel->window);
	turns(10);
	assert_true(ends[ASKER]->gone && ends[ANSWERER]->gone);
	world_close();
}

/* Users that closed before any answer hold the last channels: the quiet ones make room. */
static void quiet_askers_make_room(void **state)
{
	begin_joined(false);
	world.link[SERVER]->channels_max = 1;
	ends[ASKER]->in_ended = true;
	turns(4);
	struct conn *early = ask();
	turns(4);
	assert_true(early->gone && !ends[ASKER]->gone); /* it has closed just now */
	sleep_s(6);
	struct conn *second = ask();
	turns(4);
	assert_true(second->gone && ends[ASKER]->gone);
	struct conn *third = ask();
	say(third, "question");
	turns(4);
	assert_false(third->gone);
	assert_out(&world.conns[world.conn_count - 1], "question");
	world_close();
}

static void lost_target_resets_user(void **state)
{
	begin_joined(true);
	say_many(ends[ASKER], 300000);
	say(ends[ANSWERER], "part of an answer");
	turns(2);
	session_end(ends[ANSWERER]->session, REASON_LOST, NULL, false);
	turns(6);
	assert_true(ends[ASKER]->gone && ends[ASKER]->why != REASON_OK && !ends[ASKER]->shut);
	assert_int_equal(world.hub.pair_count, 0);
	world_close();
}

/* While its last words leave, and when it takes no more: others serve the name. */
static void ended_link_is_not_chosen(void **state)
{
	begin_linked(true);
	static struct burden burden;
	burden_open(&burden);
	world.link[SERVER]->burden = &burden;
	session_drain(world.link[SERVER]);
	assert_false(burden_is_open(&burden));
	burden_open(&burden);
	session_end(world.link[SERVER], REASON_PROTOCOL, NULL, true);
	assert_false(burden_is_open(&burden));
	world.link[SERVER]->burden = NULL;
	world_close();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(eof_is_withheld),
	    cmocka_unit_test(answer_ends_all),
	    cmocka_unit_test(silent_answer_times_out),
	    cmocka_unit_test(lost_link_resets_both),
	    cmocka_unit_test(lost_user_aborts_target),
	    cmocka_unit_test(idle_channel_ends),
	    cmocka_unit_test(unread_bytes_are_granted_again),
	    cmocka_unit_test(quiet_askers_make_room),
	    cmocka_unit_test(ended_link_is_not_chosen),
	    cmocka_unit_test(lost_target_resets_user),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
