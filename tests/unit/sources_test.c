/* tests/unit/sources_test.c - connections per source: exact, bounded when full, and true under threads. */
#include "ring/sources.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>

#include <cmocka.h>

static struct address ipv4(uint32_t number)
{
	struct address address = {.family = ADDRESS_IPV4, .port = (uint16_t)number};
	put32(address.bytes, number);
	return address;
}

static struct address ipv6(uint32_t high, uint32_t low, uint32_t rest)
{
	struct address address = {.family = ADDRESS_IPV6};
	put32(address.bytes, high);
	put32(address.bytes + 4, low);
	put32(address.bytes + 12, rest);
	return address;
}

static void counts(void **state)
{
	struct sources *sources = sources_create();
	struct address a = ipv4(0xc0000201), b = ipv4(0xc0000202);
	(void)state;
	for (int i = 0; i < 3; i++)
		assert_true(sources_enter(sources, &a, 3));
	assert_false(sources_enter(sources, &a, 3));
	assert_int_equal(sources_count(sources, &a), 3);
	assert_true(sources_enter(sources, &b, 3));
	assert_int_equal(sources_count(sources, &b), 1);
	sources_leave(sources, &a);
	a.port = 7;   /* the port is not part of the source */
	assert_true(sources_enter(sources, &a, 3));
	for (int i = 0; i < 3; i++)
		sources_leave(sources, &a);
	sources_leave(sources, &b);
	assert_int_equal(sources_count(sources, &a) + sources_count(sources, &b), 0);
	assert_false(sources_enter(sources, &a, 0));
	assert_int_equal(sources_count(sources, &a), 0);
	sources_destroy(sources);
}

static void keys(void **state)
{
	struct sources *sources = sources_create();
	struct address site = ipv6(0x20010db8, 1, 1), same = ipv6(0x20010db8, 1, 2);
	struct address next = ipv6(0x20010db8, 2, 1);
	struct address plain = ipv4(0xc0000201), mapped = ipv6(0, 0, 0xc0000201);
	struct address low = ipv6(1, 0xc0000201, 0);
	(void)state;
	mapped.bytes[10] = mapped.bytes[11] = 0xff;
	assert_true(sources_enter(sources, &site, 1));
	assert_false(sources_enter(sources, &same, 1));
	assert_true(sources_enter(sources, &next, 1));
	assert_true(sources_enter(sources, &mapped, 1));
	assert_false(sources_enter(sources, &plain, 1));
	assert_true(sources_enter(sources, &low, 1));
	sources_leave(sources, &plain);
	sources_leave(sources, &same);
	assert_true(sources_enter(sources, &site, 1));
	sources_destroy(sources);
}

static void exempt(void **state)
{
	struct sources *sources = sources_create();
	struct address mapped = ipv6(0, 0, 0x7f000001);
	struct address all[] = {
		ipv4(0x7f000001), ipv4(0x7f123456), ipv6(0, 0, 1), {.family = ADDRESS_UNIX}, mapped,
	};
	(void)state;
	all[4].bytes[10] = all[4].bytes[11] = 0xff;
	for (size_t i = 0; i < COUNT_OF(all); i++) {
		for (int n = 0; n < 10; n++)
			assert_true(sources_enter(sources, &all[i], 1));
		assert_int_equal(sources_count(sources, &all[i]), 0);
		sources_leave(sources, &all[i]);
	}
	sources_destroy(sources);
}

/* More sources than places: some share a counter. Nobody above the limit, and everything comes home. */
static void full(void **state)
{
	enum { COUNT = 2 * SOURCES_MAX, MAX = 40 };
	struct sources *sources = sources_create();
	uint8_t *entered = calloc(COUNT, 1);
	uint32_t refused = 0;
	(void)state;
	for (int round = 0; round < 3; round++) {
		for (uint32_t i = 0; i < COUNT; i++) {
			struct address address = ipv4(0x0a000000 + i);
			bool in = sources_enter(sources, &address, MAX);
			entered[i] = (uint8_t)(entered[i] + in);
			refused += !in;
		}
	}
	assert_true(refused < COUNT);
	uint32_t over = 0;
	for (uint32_t i = 0; i < COUNT; i++) {
		struct address address = ipv4(0x0a000000 + i);
		assert_true(sources_count(sources, &address) >= entered[i]);
		over += sources_count(sources, &address) > entered[i];
	}
	assert_true(over > 0);
	/* Half of them leave, the others come to the places that are free now. */
	for (uint32_t i = 0; i < COUNT; i += 2) {
		struct address address = ipv4(0x0a000000 + i);
		for (; entered[i]; entered[i]--)
			sources_leave(sources, &address);
	}
	for (uint32_t i = 1; i < COUNT; i += 2) {
		struct address address = ipv4(0x0a000000 + i);
		entered[i] = (uint8_t)(entered[i] + sources_enter(sources, &address, MAX));
	}
	for (uint32_t i = 1; i < COUNT; i += 2) {
		struct address address = ipv4(0x0a000000 + i);
		for (; entered[i]; entered[i]--)
			sources_leave(sources, &address);
	}
	for (uint32_t i = 0; i < COUNT; i++) {
		struct address address = ipv4(0x0a000000 + i);
		assert_int_equal(sources_count(sources, &address), 0);
	}
	free(entered);
	sources_destroy(sources);
}

/* ---- threads ---- */

enum { THREADS = 4, HELD_MAX = 64 };

struct crowd {
	struct sources *sources;
	uint32_t keys, max, rounds;
	uint32_t spread;                   /* sources that only fill places */
	_Atomic uint32_t admitted[256];    /* raised after enter, lowered before leave */
	_Atomic uint32_t broken, seed;
};

static void come(struct crowd *crowd, uint32_t *held, uint32_t *count, uint32_t key)
{
	struct address address = ipv4(0x0b000000 + key);
	if (!sources_enter(crowd->sources, &address, crowd->max))
		return;
	if (atomic_fetch_add(&crowd->admitted[key], 1) + 1 > crowd->max)
		atomic_fetch_add(&crowd->broken, 1);
	held[(*count)++] = key;
}

static void go(struct crowd *crowd, uint32_t *held, uint32_t *count, uint32_t at)
{
	struct address address = ipv4(0x0b000000 + held[at]);
	atomic_fetch_sub(&crowd->admitted[held[at]], 1);
	sources_leave(crowd->sources, &address);
	held[at] = held[--*count];
}

static void *mill(void *state)
{
	struct crowd *crowd = state;
	uint64_t random = atomic_fetch_add(&crowd->seed, 1);
	uint32_t held[HELD_MAX], count = 0;
	for (uint32_t i = 0; i < crowd->rounds; i++) {
		uint64_t draw = random_next(&random);
		if (count < HELD_MAX && (draw & 1))
			come(crowd, held, &count, (uint32_t)(draw >> 8) % crowd->keys);
		else if (count)
			go(crowd, held, &count, (uint32_t)(draw >> 8) % count);
	}
	while (count)
		go(crowd, held, &count, 0);
	return NULL;
}

static void run_crowd(struct crowd *crowd)
{
	pthread_t threads[THREADS];
	crowd->sources = sources_create();
	for (uint32_t i = 0; i < crowd->spread; i++) {
		struct address address = ipv4(0x0a000000 + i);
		assert_true(sources_enter(crowd->sources, &address, UINT32_MAX));
	}
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, mill, crowd), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(crowd->broken, 0);
	for (uint32_t i = 0; i < crowd->spread; i++) {
		struct address address = ipv4(0x0a000000 + i);
		sources_leave(crowd->sources, &address);
	}
	for (uint32_t i = 0; i < crowd->keys; i++) {
		struct address address = ipv4(0x0b000000 + i);
		assert_int_equal(sources_count(crowd->sources, &address), 0);
		for (uint32_t n = 0; n < crowd->max; n++)
			assert_true(sources_enter(crowd->sources, &address, crowd->max));
		assert_false(sources_enter(crowd->sources, &address, crowd->max));
	}
	sources_destroy(crowd->sources);
}

static void one_source(void **state)
{
	static struct crowd crowd = {.keys = 1, .max = 3, .rounds = 100000};
	(void)state;
	run_crowd(&crowd);
}

static void few_sources(void **state)
{
	static struct crowd crowd = {.keys = 7, .max = 2, .rounds = 100000};
	(void)state;
	run_crowd(&crowd);
}

static void many_sources(void **state)
{
	static struct crowd crowd = {.keys = 256, .max = 5, .rounds = 100000};
	(void)state;
	run_crowd(&crowd);
}

/* Three quarters full: buckets overflow and recover while threads come and go. */
static void crowded(void **state)
{
	static struct crowd crowd = {.keys = 256, .max = 60, .rounds = 100000, .spread = 65000};
	(void)state;
	run_crowd(&crowd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(counts),       cmocka_unit_test(keys),        cmocka_unit_test(exempt),
		cmocka_unit_test(full),         cmocka_unit_test(one_source),  cmocka_unit_test(few_sources),
		cmocka_unit_test(many_sources), cmocka_unit_test(crowded),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
