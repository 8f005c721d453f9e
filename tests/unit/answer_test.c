/* tests/unit/answer_test.c - a channel that is asked for and not answered, or whose asker leaves: the peer
 * hears of it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/lump_world.h"

static struct conn *user;
static struct channel *asked;

/* A user asks for a channel of the lump. `said`: the lump has told its peer. */
static void begin_asked(bool said)
{
	wire_lump.traits = 0;
	wire_lump.chunk_max = 65536;
	begin_lump();
	user = ask();
	settle();
	asked = session_only_channel(lump);
	assert_non_null(asked);
	assert_int_equal(asked->state, CHANNEL_OPENING);
	if (!said)
		return;
	assert_int_equal(lump_says_all(), 1);
	assert_int_equal(lumps[0].kind, 'O');
	lump_count = 0;
}

static void assert_says_reset(void)
{
	assert_int_equal(lump_says_all(), 1);
	assert_int_equal(lumps[0].kind, 'R');
	assert_int_equal(lumps[0].id, LUMP_SERIAL);
	assert_int_equal(lump->channel_count, 0);
	assert_false(session_has_output(lump));
}

static void silent_peer_is_given_up(void **state)
{
	begin_asked(true);
	channel_open_within(asked, DURATION_S(15));
	say(user, "question");
	hear_conn(user);
	pass_us(14999000);
	assert_int_equal(asked->state, CHANNEL_OPENING);
	pass_us(1000);
	pump_conn(user);
	assert_true(user->gone && user->why == REASON_TIMEOUT);
	/* what the peer says before it has heard is for nobody */
	assert_true(lump_hears(LUMP_SERIAL, 'A', 0) && lump_hears(LUMP_SERIAL, 'D', 100));
	assert_true(lump_hears(LUMP_SERIAL, 'C', 0));
	assert_says_reset();
	world_close();
}

/* It has said so much before its answer that the link is not read. */
static void one_that_holds_the_link_back_is_given_up(void **state)
{
	begin_asked(true);
	channel_open_within(asked, DURATION_S(1));
	while (lump_hears(LUMP_SERIAL, 'D', 10000))
		;
	assert_true(lump->blocked);
	pass_us(1000000);
	assert_false(lump->blocked);
	assert_says_reset();
	world_close();
}

static void nothing_is_said_of_what_was_not_asked(void **state)
{
	begin_asked(false);
	channel_open_within(asked, DURATION_S(15));
	pass_us(15000000);
	pump_conn(user);
	assert_true(user->gone);
	assert_int_equal(lump->channel_count, 0);
	assert_int_equal(lump_says_all(), 0);
	world_close();
}

static void answer_in_time_is_no_concern(void **state)
{
	begin_asked(true);
	channel_open_within(asked, DURATION_S(15));
	assert_true(lump_hears(LUMP_SERIAL, 'A', 0));
	pass_us(30000000);
	assert_int_equal(asked->state, CHANNEL_OPEN);
	say(user, "question");
	hear_conn(user);
	assert_int_equal(lump_says_all(), 1);
	assert_int_equal(lumps[0].size, 8);
	world_close();
}

/* The link goes while the RESET of a channel that was given up still waits. */
static void link_ends_before_it_said_so(void **state)
{
	begin_asked(true);
	channel_open_within(asked, DURATION_S(15));
	pass_us(15000000);
	assert_int_equal(lump->channel_count, 1);
	session_end(lump, REASON_LOST, NULL, false);
	settle();
	assert_true(world.link_gone[SERVER]);
	world_close();
}

/* Opened on trust, its data held until the answer, which never comes. */
static void trust_ends(void **state)
{
	begin_asked(true);
	channel_open_within(asked, DURATION_S(15));
	channel_trust(asked);
	channel_opened(asked, REASON_OK, slice_of(""));
	channel_hold(asked, INSTANT_NEVER);
	say(user, "question");
	turns(2);
	assert_false(user->gone);
	pass_us(15000000);
	pump_conn(user);
	assert_true(user->gone && user->why == REASON_TIMEOUT);
	assert_says_reset();
	world_close();
}

static bool again;

static bool once_more(struct pair *pair, enum reason reason)
{
	assert_int_equal(reason, REASON_TIMEOUT);
	if (!again)
		return false;
	again = false;
	struct target target = {.port = 81};
	return channel_open(lump, pair, &target) != NULL;
}

/* The role asks for another channel meanwhile: the first one's peer hears RESET all the same, and the time
 * of the first does not count for the second. */
static void another_is_asked(void **state)
{
	static struct role patient;
	begin_asked(true);
	patient = world_role;
	patient.refused = once_more;
	again = true;
	asked->pair->role = &patient;
	channel_open_within(asked, DURATION_S(15));
	pass_us(15000000);
	assert_int_equal(lump->channel_count, 2);
	assert_int_equal(lump_says_all(), 2);
	assert_int_equal(lumps[0].kind, 'R');
	assert_int_equal(lumps[0].id, LUMP_SERIAL);
	assert_int_equal(lumps[1].kind, 'O');
	assert_true(lump_hears(LUMP_SERIAL + 1, 'A', 0));
	pass_us(60000000);
	say(user, "question");
	hear_conn(user);
	assert_int_equal(lump_says_all(), 1);
	assert_int_equal(lumps[2].id, LUMP_SERIAL + 1);
	assert_false(user->gone);
	world_close();
}

/* A connection that nobody makes: its dial ends with it. */
static void dial_is_given_up(void **state)
{
	wire_lump.traits = 0;
	begin_lump();
	hold_dials = true;
	assert_true(lump_hears(1, 'O', 0));
	struct channel *asker = session_only_channel(lump);
	channel_open_within(channel_partner(asker), DURATION_S(3));
	pass_us(3000000);
	assert_int_equal(world.hub.session_count, 1);
	assert_int_equal(lump_says_all(), 1);
	assert_int_equal(lumps[0].kind, 'o'); /* the refusal */
	assert_int_equal(lump->channel_count, 0);
	hold_dials = false;
	settle();
	world_close();
}

static void asker_leaves(void **state)
{
	begin_asked(true);
	say(user, "question");
	hear_conn(user);
	session_end(user->session, REASON_LOST, NULL, false);
	settle();
	assert_says_reset();
	assert_int_equal(world.hub.pair_count, 0);
	world_close();
}

static void asker_leaves_before_it_was_said(void **state)
{
	begin_asked(false);
	session_end(user->session, REASON_LOST, NULL, false);
	settle();
	assert_int_equal(lump_says_all(), 0);
	assert_int_equal(lump->channel_count, 0);
	assert_int_equal(world.hub.pair_count, 0);
	world_close();
}

/* One that ended well may have asked for what needs no answer: it waits, and then everything is delivered. */
static void asker_ends_well(void **state)
{
	begin_asked(true);
	say(user, "question");
	hear_conn(user);
	channel_open_within(asked, DURATION_S(15));
	session_end(user->session, REASON_OK, NULL, false);
	settle();
	assert_int_equal(lump_says_all(), 0);
	assert_true(lump_hears(LUMP_SERIAL, 'A', 0));
	assert_int_equal(lump_says_all(), 2);
	assert_int_equal(lumps[0].size, 8);
	assert_int_equal(lumps[1].kind, 'C');
	assert_int_equal(world.hub.pair_count, 0);
	world_close();
}

static void asker_ends_well_and_nobody_answers(void **state)
{
	begin_asked(true);
	say(user, "question");
	hear_conn(user);
	channel_open_within(asked, DURATION_S(15));
	session_end(user->session, REASON_OK, NULL, false);
	settle();
	pass_us(15000000);
	assert_says_reset();
	assert_int_equal(world.hub.pair_count, 0);
	world_close();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(silent_peer_is_given_up),
	    cmocka_unit_test(one_that_holds_the_link_back_is_given_up),
	    cmocka_unit_test(nothing_is_said_of_what_was_not_asked),
	    cmocka_unit_test(answer_in_time_is_no_concern),
	    cmocka_unit_test(link_ends_before_it_said_so),
	    cmocka_unit_test(trust_ends),
	    cmocka_unit_test(another_is_asked),
	    cmocka_unit_test(dial_is_given_up),
	    cmocka_unit_test(asker_leaves),
	    cmocka_unit_test(asker_leaves_before_it_was_said),
	    cmocka_unit_test(asker_ends_well),
	    cmocka_unit_test(asker_ends_well_and_nobody_answers),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
