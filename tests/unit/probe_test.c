/* tests/unit/probe_test.c - who gives no sign of life after it was asked is over; who gives one goes on. */
#include <setjmp.h>
#include <stdarg.h>

#include "core/hub.h"
#include "core/probe.h"
#include "core/session.h"

#include <cmocka.h>

static enum status swallow(struct session *session, void *state, const struct chunk *chunk, size_t *used)
{
	*used = chunk->piece.bytes.size;
	return STATUS_OK;
}

static enum status say_nothing(struct session *session, void *state, const struct event *event,
			       struct writer *writer)
{
	return STATUS_OK;
}

static const struct wire quiet_wire = {
    .name = "quiet", .chunk_max = 1 << 14, .decode = swallow, .encode = say_nothing};

struct world {
	struct limits limits;
	struct hub hub;
	struct session *session;
	struct probe probe;
};

static void world_init(struct world *world)
{
	memset(world, 0, sizeof *world);
	world->limits = LIMITS_DEFAULT;
	hub_init(&world->hub, 0, 1, &world->limits, (struct instant){1000000000});
	const struct session_options options = {.wire = &quiet_wire, .carrier = &carrier_raw};
	world->session = session_create(&world->hub, &options);
	assert_non_null(world->session);
	session_open(world->session);
}

static void world_pass(struct world *world, struct duration span)
{
	world->hub.now = instant_after(world->hub.now, span);
	wheel_expire(&world->hub.wheel, world->hub.now);
}

static void world_hear(struct world *world)
{
	struct buf *buf = buf_receive(&world->hub.bufs);
	assert_non_null(buf);
	buf->used = 1;
	session_input(world->session, (struct piece){buf, {buf->bytes, 1}});
}

static void world_fini(struct world *world)
{
	if (world->session->state != SESSION_DEAD)
		session_end(world->session, REASON_STOPPING, NULL, false);
	list_pull(&world->hub.ended);
	session_destroy(world->session);
	assert_int_equal(world->hub.wheel.count, 0);
	hub_fini(&world->hub);
}

static void silence_ends_it(void **state)
{
	struct world world;
	world_init(&world);
	world_hear(&world);
	world_pass(&world, DURATION_S(1));
	assert_true(probe_arm(&world.probe, world.session));
	world_pass(&world, DURATION_MS(PROBE_S * 1000 - 1));
	assert_int_equal(world.session->state, SESSION_OPEN);
	world_pass(&world, DURATION_MS(2));
	assert_int_equal(world.session->state, SESSION_DEAD);
	assert_int_equal(world.session->why, REASON_SILENT);
	world_fini(&world);
}

static void sign_of_life_is_enough(void **state)
{
	struct world world;
	world_init(&world);
	for (int round = 0; round < 2; round++) {
		assert_true(probe_arm(&world.probe, world.session));
		world_pass(&world, DURATION_MS(1));
		world_hear(&world);
		world_pass(&world, DURATION_S(PROBE_S));
		assert_int_equal(world.session->state, SESSION_OPEN);
	}
	world_fini(&world);
}

/* A network that changes all the time does not put it off. */
static void second_question_waits(void **state)
{
	struct world world;
	world_init(&world);
	assert_true(probe_arm(&world.probe, world.session));
	world_pass(&world, DURATION_S(PROBE_S - 1));
	assert_false(probe_arm(&world.probe, world.session));
	world_pass(&world, DURATION_MS(1001));
	assert_int_equal(world.session->why, REASON_SILENT);
	world_fini(&world);
}

static void disarmed_is_silent(void **state)
{
	struct world world;
	world_init(&world);
	probe_disarm(&world.probe); /* it was never armed */
	assert_true(probe_arm(&world.probe, world.session));
	probe_disarm(&world.probe);
	world_pass(&world, DURATION_S(2 * PROBE_S));
	assert_int_equal(world.session->state, SESSION_OPEN);
	world_fini(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(silence_ends_it),
	    cmocka_unit_test(sign_of_life_is_enough),
	    cmocka_unit_test(second_question_waits),
	    cmocka_unit_test(disarmed_is_silent),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
