/* tests/seam/main.c - a visitor of TLS Tunnel reaches a provider of LinkSocks on another worker, with real
 * workers, threads and sockets, on both engines. The simulator has the same way, with all that can go wrong.
 */
#include <signal.h>

#include "tests/seam/talk.h"
#include "tests/seam/world.h"
#include "tests/unit/ring_world.h"

enum { USERS = 12 };

static const uint64_t endless = (uint64_t)1 << 40;
static int descriptors_before;

static void begin(void)
{
	descriptors_before = descriptors();
	uint16_t port = talks_begin();
	world_start(table, port);
}

static void end(void)
{
	world_stop();
	talks_end();
	assert_int_equal(descriptors(), descriptors_before);
}

static struct talk *start(uint64_t from_user, uint64_t from_service)
{
	return talk_start(&(struct talk_options){.port = world_port(WAY_SERVICE),
						 .size = {from_user, from_service}});
}

/* All that was said has crossed between workers. */
static void assert_ferried(uint32_t users, uint64_t bytes)
{
	assert_int_equal(world_bridged(false), users);
	assert_int_equal(world_bridged(true), 0);
	assert_true(world_ferried_bytes() >= bytes);
}

/* ---- in good order ---- */

static void both_ways(void **state)
{
	static const uint64_t size = 6 << 20;
	begin();
	start(size, size);
	talks_run(talk_is_whole);
	assert_ferried(1, 2 * size);
	end();
}

static void half_closes(void **state)
{
	static const uint64_t size = 1 << 20;
	begin();
	for (int answers = 0; answers < 2; answers++) {
		struct talk_options options = {.port = world_port(WAY_SERVICE), .size = {size, size}};
		options.waits[answers ? SERVICE : USER] = true;
		talk_start(&options);
	}
	talk_start(&(struct talk_options){.port = world_port(WAY_SERVICE)});
	talks_run(talk_is_whole);
	assert_ferried(3, 4 * size);
	end();
}

static void many_users(void **state)
{
	uint64_t sum = 0;
	begin();
	for (int i = 0; i < USERS; i++) {
		uint64_t up = below(1 << 20), down = below(1 << 20);
		start(up, down);
		sum += up + down;
	}
	talks_run(talk_is_whole);
	assert_ferried(USERS, sum);
	end();
}

/* ---- in no order ---- */

static bool has_flowed(const struct talk *talk)
{
	return talk->side[USER].heard > 100000 && talk->side[SERVICE].heard > 100000;
}

/* Every user, and the service, is told of the cut: an end that looks clean has failed the test already. */
static void assert_cut(const struct talk *talk)
{
	for (int at = 0; at < 2; at++) {
		const struct side *side = &talk->side[at];
		if (side->fd >= 0 && side->error != ECONNRESET && side->error != EPIPE)
			fail_msg("%s: %s", at ? "the service" : "a user", strerror(side->error));
	}
}

static bool is_refused(const struct talk *talk) { return talk->side[USER].error == ECONNRESET; }

static void refused(void **state)
{
	begin();
	for (int i = 0; i < 2; i++) {
		struct talk *talk = talk_start(&(struct talk_options){.port = world_port(WAY_REFUSED),
								      .size = {endless, 0}});
		talk->side[USER].waits = i;      /* one has said nothing but its name */
	}
	talks_run(is_refused);
	assert_ferried(2, 0);
	end();
}

static void under_load(struct talk *users[])
{
	for (int i = 0; i < USERS; i++)
		users[i] = start(endless, endless);
	talks_run(has_flowed);
}

static void all_are_cut(struct talk *users[])
{
	talks_run(talk_is_over);
	for (int i = 0; i < USERS; i++)
		assert_cut(users[i]);
}

static void one_side_resets(void **state)
{
	struct talk *users[USERS];
	begin();
	under_load(users);
	for (int i = 0; i < USERS; i++)
		talk_cut(users[i], i % 2 ? USER : SERVICE);
	all_are_cut(users);
	end();
}

static bool is_settled(const struct talk *talk) { return talk->side[USER].error || talk_is_whole(talk); }

/* With nobody to provide, a user is refused; with the next one all is well. */
static void provider_ends(void **state)
{
	struct talk *users[USERS];
	begin();
	under_load(users);
	provider_stop();
	all_are_cut(users);
	world_await_no_provider();
	struct talk *early = start(endless, 0);
	talks_run(talk_is_over);
	assert_true(is_refused(early));
	provider_start();
	struct talk *late = start(1 << 20, 1 << 20);
	talks_run(is_settled);
	assert_true(talk_is_whole(late));
	end();
}

static void gateway_ends(void **state)
{
	struct talk *users[USERS];
	begin();
	under_load(users);
	gateway_stop();
	all_are_cut(users);
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_ways),
		cmocka_unit_test(half_closes),
		cmocka_unit_test(many_users),
		cmocka_unit_test(refused),
		cmocka_unit_test(one_side_resets),
		cmocka_unit_test(provider_ends),
		cmocka_unit_test(gateway_ends),
	};
	signal(SIGPIPE, SIG_IGN);
	world_prepare();
	int failed = RUN_ON_BOTH(tests);
	world_forget();
	return failed;
}
