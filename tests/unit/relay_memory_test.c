/* tests/unit/relay_memory_test.c - pairs of channels while memory runs out at each single allocation: nothing
 * leaks, nothing aborts, and nobody is told an end that is none.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/relay_world.h"

/* ---- memory fails ---- */

static uint32_t allocations, fail_first, fail_count;

static uint32_t fails(void *state)
{
	allocations++;
	return allocations >= fail_first && allocations < fail_first + fail_count;
}

/* Of what the other end was given, a beginning. */
static void assert_beginning(const struct conn *conn, size_t size, bool ours)
{
	static uint8_t block[1 << 16];
	for (size_t i = 0; i < sizeof block; i++)
		block[i] = (uint8_t)(i * 131 >> 3);
	assert_true(conn->out.size <= size);
	for (size_t at = 0; at < conn->out.size; at += sizeof block)
		assert_memory_equal(conn->out.at + at, block, size_min(sizeof block, conn->out.size - at));
	/* a peer that is not ours cannot tell an abort from an end */
	if (ours && conn->shut && conn->gone && conn->why == REASON_OK)
		assert_int_equal(conn->out.size, size);
}

/* Everybody says as much, those that were dialled late too; then all of one kind, or all, have said it. */
static void conns_say(uint32_t *told)
{
	for (; *told < world.conn_count; (*told)++)
		say_many(&world.conns[*told], 90000);
}

static void conns_end(bool asks, bool answers)
{
	for (uint32_t i = 0; i < world.conn_count; i++)
		if (world.conns[i].asks ? asks : answers)
			world.conns[i].in_ended = true;
}

static void scenario(bool ours, bool answer_first)
{
	struct conn *users[3];
	uint32_t told = 0;
	begin(ours);
	retries = 1;
	world.hub.memory.fail = world.hub.bufs.fail = fails;
	open_link(SERVER);
	open_link(CLIENT);
	turns(12);
	for (int i = 0; i < 3; i++)
		users[i] = ask();
	turns(4);
	conns_say(&told);
	turns(4);
	conns_say(&told);
	conns_end(!answer_first, answer_first);
	turns(18);
	sleep_s(10);
	conns_say(&told);
	conns_end(true, true);
	turns(12);
	sleep_s(10);
	for (uint32_t i = 0; i < world.conn_count; i++)
		assert_beginning(&world.conns[i], 90000, ours);
	for (int i = 0; i < 3 && !fail_count; i++)
		assert_true(users[i]->gone && users[i]->why == REASON_OK);
	world.hub.memory.fail = world.hub.bufs.fail = NULL;
	world_close();
}

static void allocations_fail(void **state)
{
	static const uint32_t lengths[] = {1, 2, 7, 60};
	for (int variant = 0; variant < 4; variant++) {
		allocations = fail_first = fail_count = 0;
		scenario(variant & 1, variant & 2);
		uint32_t all = allocations;
		for (size_t i = 0; i < COUNT_OF(lengths); i++) {
			for (uint32_t at = 1; at <= all; at++) {
				allocations = 0;
				fail_first = at;
				fail_count = lengths[i];
				scenario(variant & 1, variant & 2);
			}
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(allocations_fail),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
