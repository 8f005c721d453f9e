/* tests/unit/client_gateway_test.c - which generation is tried next, after each kind of end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include "protocols/tls_tunnel/client_gateway.h"

#include <cmocka.h>

static void every_end_leads_on(void **state)
{
	static const struct {
		struct client_attempt attempt;
		enum tunnel_generation next;
		bool at_once;
	} ends[] = {
	    {{TUNNEL_15, TUNNEL_UNKNOWN, false}, TUNNEL_15, false}, /* not there */
	    {{TUNNEL_15, TUNNEL_UNKNOWN, true}, TUNNEL_14Y, false},
	    {{TUNNEL_15, TUNNEL_14, false}, TUNNEL_14, true},
	    {{TUNNEL_15, TUNNEL_14, true}, TUNNEL_14, true},
	    {{TUNNEL_15, TUNNEL_15, true}, TUNNEL_15, false}, /* a refused key */
	    {{TUNNEL_14, TUNNEL_14, true}, TUNNEL_15, false}, /* it may have been upgraded */
	    {{TUNNEL_14Y, TUNNEL_UNKNOWN, true}, TUNNEL_15, false},
	};
	for (size_t i = 0; i < COUNT_OF(ends); i++) {
		struct client_gateway gateway;
		client_gateway_init(&gateway);
		assert_int_equal(client_gateway_failed(&gateway, &ends[i].attempt), ends[i].at_once);
		assert_int_equal(client_gateway_speaks(&gateway, GENERATION_AUTO), ends[i].next);
	}
}

static void one_that_speaks_1_5_is_not_guessed_at(void **state)
{
	const struct client_attempt closed = {TUNNEL_15, TUNNEL_UNKNOWN, true};
	struct client_gateway gateway;
	client_gateway_init(&gateway);
	client_gateway_up(&gateway, TUNNEL_14);
	client_gateway_failed(&gateway, &closed);
	assert_int_equal(client_gateway_speaks(&gateway, GENERATION_AUTO), TUNNEL_14Y);
	client_gateway_init(&gateway);
	client_gateway_up(&gateway, TUNNEL_15);
	client_gateway_failed(&gateway, &closed);
	assert_int_equal(client_gateway_speaks(&gateway, GENERATION_AUTO), TUNNEL_15);
}

static void configured_one_is_spoken(void **state)
{
	static const struct {
		enum config_generation configured;
		enum tunnel_generation spoken;
	} all[] = {
	    {GENERATION_15, TUNNEL_15},
	    {GENERATION_14, TUNNEL_14},
	    {GENERATION_14Y, TUNNEL_14Y},
	    {GENERATION_10, TUNNEL_10},
	};
	struct client_gateway gateway;
	client_gateway_init(&gateway);
	for (size_t i = 0; i < COUNT_OF(all); i++)
		assert_int_equal(client_gateway_speaks(&gateway, all[i].configured), all[i].spoken);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_end_leads_on),
	    cmocka_unit_test(one_that_speaks_1_5_is_not_guessed_at),
	    cmocka_unit_test(configured_one_is_spoken),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
