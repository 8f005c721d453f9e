/* tests/unit/registry_test.c - who publishes what, and which of several links a user is given. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/registry.h"

enum { LINKS = 4 };

static struct registry registry;
static struct burden *burdens[LINKS];
static const struct instant now = {1000000000000};

static int begin(void **state)
{
	registry_init(&registry);
	for (int i = 0; i < LINKS; i++) {
		burdens[i] = burden_create();
		burden_open(burdens[i]);
	}
	return 0;
}

static int end(void **state)
{
	registry_fini(&registry);
	for (int i = 0; i < LINKS; i++) {
		assert_int_equal(atomic_load(&burdens[i]->refs), 1);
		burden_unref(burdens[i]);
	}
	return 0;
}

static struct registry_entry *web(void) { return registry_find(&registry, "web", 80); }

/* Link i (id 10 + i) holds web:80 on that worker. */
static void hold(int i, uint32_t worker)
{
	assert_non_null(registry_add(&registry, "web", 80, worker, (uint64_t)(10 + i), burdens[i]));
	registry_set_session(&registry, (uint64_t)(10 + i), (struct session *)(void *)&registry);
}

static void names_and_ports(void **state)
{
	assert_non_null(registry_add(&registry, "web", 80, 1, 11, burdens[0]));
	assert_non_null(registry_add(&registry, "web", 81, 1, 11, burdens[0]));
	assert_non_null(registry_add(&registry, "db", 80, 2, 12, burdens[1]));
	assert_null(registry_find(&registry, "db", 81));
	assert_null(registry_find(&registry, "we", 80));
	assert_string_equal(registry_name(registry_find(&registry, "db", 80)), "db");
	assert_int_equal(registry_holder_of(registry_find(&registry, "db", 80), 12)->worker, 2);
	struct session *session = (struct session *)(void *)&registry;
	registry_set_session(&registry, 11, session);
	assert_ptr_equal(registry_holder_of(registry_find(&registry, "web", 81), 11)->session, session);
	assert_null(registry_holder_of(registry_find(&registry, "db", 80), 12)->session);
	registry_remove_link(&registry, 11);
	assert_null(web());
	assert_non_null(registry_find(&registry, "db", 80));
}

static void several_holders(void **state)
{
	hold(0, 0);
	hold(1, 1);
	hold(1, 1); /* once more is once */
	assert_false(registry_let_go(&registry, web(), 12));
	assert_true(registry_let_go(&registry, web(), 10));
	assert_null(registry_holder_of(web(), 10));
	assert_true(registry_let_go(&registry, web(), 11));
	assert_null(web());
	hold(0, 0);
	web()->kept = true;
	registry_remove_link(&registry, 10);
	assert_true(list_is_empty(&web()->holders));
	registry_drop(&registry, web());
	assert_null(web());
}

static void the_least_burden(void **state)
{
	for (int i = 0; i < 3; i++)
		hold(i, (uint32_t)i);
	burden_show_channels(burdens[0], 5);
	burden_show_channels(burdens[1], 4);
	burden_show_channels(burdens[2], 6);
	assert_int_equal(registry_choose(web(), 0, now)->link_id, 11);
	burden_show_bytes(burdens[1], 2 * BURDEN_CHANNEL); /* it is clogged */
	assert_int_equal(registry_choose(web(), 2, now)->link_id, 10);
	burden_show_bytes(burdens[1], BURDEN_CHANNEL / 2);
	assert_int_equal(registry_choose(web(), 0, now)->link_id, 11);
	assert_int_equal(registry_choose_on(web(), 2, now)->link_id, 12);
	assert_null(registry_choose_on(web(), 3, now));
}

static void of_equals_the_nearest_then_the_oldest(void **state)
{
	for (int i = 0; i < 3; i++)
		hold(i, (uint32_t)i);
	assert_int_equal(registry_choose(web(), 2, now)->link_id, 12);
	assert_int_equal(registry_choose(web(), 7, now)->link_id, 10);
	burden_show_bytes(burdens[2], 1);
	assert_int_equal(registry_choose(web(), 2, now)->link_id, 10);
}

static void closed_ones_get_nobody(void **state)
{
	hold(0, 0);
	hold(1, 1);
	burden_close(burdens[0]);
	burden_show_channels(burdens[1], 1000);
	assert_int_equal(registry_choose(web(), 0, now)->link_id, 11);
	assert_null(registry_choose_on(web(), 0, now));
	burden_close(burdens[1]);
	assert_null(registry_choose(web(), 0, now));
}

/* On its own worker a holder without a session has just come, or is about to go. */
static void only_the_present_are_chosen(void **state)
{
	hold(0, 0);
	hold(1, 1);
	burden_show_channels(burdens[0], 1000);
	registry_set_session(&registry, 11, NULL);
	assert_int_equal(registry_choose(web(), 1, now)->link_id, 10);
	assert_null(registry_choose_on(web(), 1, now));
	assert_int_equal(registry_choose(web(), 0, now)->link_id, 11);
}

/* Users come faster than the links can tell that they are there: what was announced counts. */
static void equal_users_are_spread_evenly(void **state)
{
	for (int links = 2; links <= LINKS; links++) {
		uint32_t given[LINKS] = {0};
		hold(links - 1, (uint32_t)links - 1);
		if (links == 2)
			hold(0, 0);
		for (int i = 0; i < 16 * links; i++) {
			struct registry_holder *holder = registry_choose(web(), 0, now);
			burden_announce(holder->burden, now);
			given[holder->link_id - 10]++;
		}
		for (int i = 0; i < links; i++) {
			assert_int_equal(given[i], 16);
			while (given[i]--)
				burden_came(burdens[i]);
		}
	}
}

/* One that never arrives is forgotten, and nothing is counted below zero. */
static void announcements_end(void **state)
{
	struct instant later = instant_after(now, DURATION_MS(BURDEN_COMING_MS + 1));
	burden_announce(burdens[0], now);
	assert_int_equal(burden_weight(burdens[0], now), BURDEN_CHANNEL);
	assert_int_equal(burden_weight(burdens[0], later), 0);
	burden_announce(burdens[0], later);
	assert_int_equal(burden_weight(burdens[0], later), BURDEN_CHANNEL);
	for (int i = 0; i < 3; i++)
		burden_came(burdens[0]);
	assert_int_equal(burden_weight(burdens[0], later), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(names_and_ports, begin, end),
	    cmocka_unit_test_setup_teardown(several_holders, begin, end),
	    cmocka_unit_test_setup_teardown(the_least_burden, begin, end),
	    cmocka_unit_test_setup_teardown(of_equals_the_nearest_then_the_oldest, begin, end),
	    cmocka_unit_test_setup_teardown(closed_ones_get_nobody, begin, end),
	    cmocka_unit_test_setup_teardown(only_the_present_are_chosen, begin, end),
	    cmocka_unit_test_setup_teardown(equal_users_are_spread_evenly, begin, end),
	    cmocka_unit_test_setup_teardown(announcements_end, begin, end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
