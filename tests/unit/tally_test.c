/* tests/unit/tally_test.c - what pairs have carried, while they run and after. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/hub.h"
#include "core/tally.h"

static struct limits limits;
static struct hub hub;
static struct session *session;

static int begin(void **state)
{
	static const struct wire wire = {.name = "test"};
	limits = LIMITS_DEFAULT;
	hub_init(&hub, 0, 1, &limits, (struct instant){1000000000});
	session =
	    session_create(&hub, &(struct session_options){.wire = &wire, .carrier = &carrier_raw});
	assert_non_null(session);
	return 0;
}

static int end(void **state)
{
	struct link *link;
	session_end(session, REASON_STOPPING, NULL, false);
	while ((link = list_pull(&hub.ended)) != NULL)
		session_destroy(OWNER(link, struct session, ended_link));
	hub_fini(&hub);
	return 0;
}

static struct pair *carried(struct tally *tally, uint64_t from_0, uint64_t from_1)
{
	struct pair *pair = pair_create(session);
	assert_non_null(pair);
	tally_add(tally, pair);
	pair->flow[0].pushed = pair->flow[0].pulled = from_0;
	pair->flow[1].pushed = pair->flow[1].pulled = from_1;
	return pair;
}

static void is(const struct tally *tally, uint32_t active, uint64_t total, uint64_t from_0, uint64_t from_1)
{
	assert_int_equal(tally->active, active);
	assert_int_equal(tally->total, total);
	assert_int_equal(tally_bytes(tally, 0), from_0);
	assert_int_equal(tally_bytes(tally, 1), from_1);
}

static void runs_and_ends(void **state)
{
	struct tally *one = tally_create(), *other = tally_create();
	struct pair *first = carried(one, 10, 1), *second = carried(one, 20, 2);
	struct pair *third = carried(other, 400, 40), *nobodys = carried(NULL, 5000, 5000);
	is(one, 2, 2, 0, 0);
	tallies_look(&hub);
	is(one, 2, 2, 30, 3);
	is(other, 1, 1, 400, 40);
	pair_abandon(first);
	tallies_look(&hub);
	is(one, 1, 2, 30, 3);
	second->flow[0].pushed = second->flow[0].pulled = 25;
	tallies_look(&hub);
	is(one, 1, 2, 35, 3);
	pair_abandon(second);
	is(one, 0, 2, 35, 3);                    /* nobody runs: no look is needed */
	tallies_look(&hub);
	is(one, 0, 2, 35, 3);
	pair_abandon(third);
	pair_abandon(nobodys);
	is(other, 0, 1, 400, 40);
	tally_unref(one);
	tally_unref(other);
}

static void counts_once_and_outlives_its_owner(void **state)
{
	struct tally *tally = tally_create(), *other = tally_create();
	struct pair *pair = carried(tally, 7, 8);
	tally_add(tally, pair);
	tally_add(other, pair);
	is(tally, 1, 1, 0, 0);
	is(other, 0, 0, 0, 0);
	tally_unref(tally);
	tally_unref(other);
	tally_unref(NULL);
	pair_abandon(pair);                      /* the last reference */
}

static void pairs_have_names_of_their_own(void **state)
{
	struct pair *first = carried(NULL, 0, 0), *second = carried(NULL, 0, 0);
	assert_true(first->id && first->id != second->id && !(first->id & 1) && !(second->id & 1));
	assert_int_equal(first->since.ns, hub.now.ns);
	pair_abandon(first);
	pair_abandon(second);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(runs_and_ends, begin, end),
		cmocka_unit_test_setup_teardown(counts_once_and_outlives_its_owner, begin, end),
		cmocka_unit_test_setup_teardown(pairs_have_names_of_their_own, begin, end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
