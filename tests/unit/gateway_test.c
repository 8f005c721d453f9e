/* tests/unit/gateway_test.c - the gateway's role against one client, without a kernel: what it offers and
 * lets go, what it answers to a wrong key, and ends after a drain.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "protocols/tls_tunnel/inside.h"
#include "tests/unit/mails.h"
#include "tests/unit/wire_world.h"

static struct config_gateway config;
static struct gateway_settings settings;
static struct gateway *gateway;
static int listen_error;

/* ---- the worker's part ---- */

static void take_requests(void)
{
	struct link *link;
	while ((link = list_pull(&world.hub.requests)) != NULL) {
		struct request *request = OWNER(link, struct request, link);
		struct listening *listening = OWNER(request, struct listening, request);
		bool opens = request->kind == REQUEST_LISTEN;
		if (!opens || listen_error)
			listening->asked = false;
		if (opens)
			listening->opened(listening, listen_error);
		else
			listening->closed(listening);
	}
}

static void take_mails(void) { mails_deliver(&world.hub, 0); }

static void turns(int count)
{
	while (count--) {
		world_turn(true);
		take_mails();
		take_requests();
	}
}

static void sleep_s(uint32_t seconds)
{
	world.hub.now = instant_after(world.hub.now, DURATION_S(seconds));
	wheel_expire(&world.hub.wheel, world.hub.now);
	turns(4);
}

static void begin(const char *key, const struct publication *publications, uint32_t count)
{
	world_init(5);
	listen_error = 0;
	secret_set(&config.auth_key, slice_of("the right key"));
	settings = (struct gateway_settings){.config = &config};
	gateway = gateway_of(gateway_create(&world.hub, &settings));
	struct script *script = &world.script[CLIENT];
	script->credentials = (struct credentials){.secret = slice_of(key), .features = FEATURE_OURS};
	script->publications = publications;
	script->publication_count = count;
	world.link[SERVER] =
	    session_create(&world.hub, &(struct session_options){.wire = &wire_tls_tunnel,
								 .carrier = &carrier_raw,
								 .role = &role_gateway_link,
								 .service = &gateway->service});
	session_open(world.link[SERVER]);
	world_open(CLIENT);
}

static void end(void)
{
	for (int side = 0; side < 2; side++)
		if (world.link[side])
			session_end(world.link[side], REASON_STOPPING, NULL, false);
	world_bury();
	take_mails();
	take_requests();
	take_mails();
	assert_true(list_is_empty(&gateway->offerings) && list_is_empty(&gateway->ports) &&
		    list_is_empty(&gateway->parties));
	gateway->service.table->destroy(&gateway->service);
	secret_fini(&config.auth_key);
	world_close();
}

static const struct publication good = {
    .name = "good", .type = "tcp", .publish_addr = "127.0.0.1", .publish_port = 80, .local_port = 1};
static const struct publication bad = {
    .name = "bad", .type = "tcp", .publish_addr = "no address", .publish_port = 81, .local_port = 1};

/* ---- offers ---- */

static void offer_is_let_go(void **state)
{
	begin("the right key", &good, 1);
	turns(8);
	assert_true(world.link[SERVER]->ready);
	assert_non_null(registry_find(&gateway->registry, "good", 80));
	session_end(world.link[SERVER], REASON_LOST, NULL, false);
	world_bury();
	assert_false(list_is_empty(&gateway->ports)); /* its listener is not closed yet */
	turns(4);
	assert_true(list_is_empty(&gateway->ports));
	assert_null(registry_find(&gateway->registry, "good", 80));
	end();
}

/* One that can never listen must not count for one that does. */
static void bad_address_beside_a_good_one(void **state)
{
	const struct publication both[2] = {good, bad};
	for (int first = 0; first < 2; first++) {
		const struct publication list[2] = {both[first], both[!first]};
		begin("the right key", list, 2);
		turns(8);
		sleep_s(3); /* the bad one is tried again */
		session_end(world.link[SERVER], REASON_LOST, NULL, false);
		world_bury();
		assert_false(list_is_empty(&gateway->ports));
		end();
	}
}

static void link_ends_before_its_listener_opens(void **state)
{
	for (int fails = 0; fails < 2; fails++) {
		begin("the right key", &good, 1);
		for (int i = 0; i < 8; i++) {
			world_turn(true);
			take_mails();
		}
		assert_false(list_is_empty(&world.hub.requests));
		session_end(world.link[SERVER], REASON_LOST, NULL, false);
		world_bury();
		listen_error = fails ? -EADDRINUSE : 0;
		turns(3);
		assert_true(list_is_empty(&gateway->ports));
		end();
	}
}

/* ---- login and leave ---- */

/* A peer that does not wait for the answer still gets it. */
static void wrong_key_with_config_behind_it(void **state)
{
	begin("a wrong key", &good, 1);
	session_say(world.link[CLIENT], EVENT_PUBLISH);
	turns(6);
	assert_non_null(strstr(world.script[CLIENT].heard, "AUTHED auth"));
	assert_true(world.link_gone[SERVER]);
	assert_int_equal(world.link_why[SERVER], REASON_AUTH);
	end();
}

static void client_drains(void **state)
{
	begin("the right key", &good, 1);
	turns(8);
	session_say(world.link[CLIENT], EVENT_GOAWAY);
	session_drain(world.link[CLIENT]);
	turns(6);
	assert_int_equal(world.link_why[CLIENT], REASON_STOPPING);
	assert_int_equal(world.link_why[SERVER], REASON_STOPPING);
	end();
}

/* It goes while a user is connected, and its end comes first. */
static void draining_client_is_gone(void **state)
{
	begin("the right key", &good, 1);
	turns(8);
	session_say(world.link[CLIENT], EVENT_GOAWAY);
	world_pump(world.link[CLIENT], &world.said[CLIENT], &(bool){false});
	world_feed(world.link[SERVER], &world.said[CLIENT]);
	session_answer(world.link[SERVER]);
	session_input_end(world.link[SERVER]);
	world_drain();
	assert_int_equal(world.link_why[SERVER], REASON_STOPPING);
	end();
}

/* The one above the rate ends before a word is said; a second later there is room for one more. */
static void links_above_the_rate(void **state)
{
	begin("the right key", &good, 1);
	rate_shared_init(&settings.link_rate, 1, 1);
	const struct session_options options = {.wire = &wire_tls_tunnel,
						.carrier = &carrier_raw,
						.role = &role_gateway_link,
						.service = &gateway->service};
	for (uint64_t i = 0; i < 4; i++) {
		struct session *link = session_create(&world.hub, &options);
		session_open(link);
		assert_int_equal(link->state, i % 2 ? SESSION_DEAD : SESSION_OPEN);
		assert_int_equal(link->why, i % 2 ? REASON_LIMIT : REASON_OK);
		assert_int_equal(world.hub.counters[COUNTER_logins_limited], (i + 1) / 2);
		session_end(link, REASON_STOPPING, NULL, false);
		world_bury();
		if (i % 2)
			sleep_s(1);
	}
	turns(8);
	assert_true(world.link[SERVER]->ready);  /* it was there before */
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(offer_is_let_go),
	    cmocka_unit_test(bad_address_beside_a_good_one),
	    cmocka_unit_test(link_ends_before_its_listener_opens),
	    cmocka_unit_test(wrong_key_with_config_behind_it),
	    cmocka_unit_test(client_drains),
	    cmocka_unit_test(draining_client_is_gone),
	    cmocka_unit_test(links_above_the_rate),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
