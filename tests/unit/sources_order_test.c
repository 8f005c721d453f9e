/* tests/unit/sources_order_test.c - the table of sources under every order of its steps that a seed can find.
 *
 * The threads are coroutines here: before each atomic access another one may go on, as the seed says. So rare
 * orders come often, and a failure is a seed. The file under test is compiled into this one, with its
 * accesses replaced.
 */
#include <stdatomic.h>
#include <stdint.h>

static void step(void);

#undef atomic_load
#undef atomic_store
#undef atomic_fetch_add
#undef atomic_fetch_sub
#undef atomic_compare_exchange_strong
#define atomic_load(at) (step(), atomic_load_explicit((at), memory_order_seq_cst))
#define atomic_store(at, value) (step(), atomic_store_explicit((at), (value), memory_order_seq_cst))
#define atomic_fetch_add(at, value) (step(), atomic_fetch_add_explicit((at), (value), memory_order_seq_cst))
#define atomic_fetch_sub(at, value) (step(), atomic_fetch_sub_explicit((at), (value), memory_order_seq_cst))
#define atomic_compare_exchange_strong(at, old, new) \
	(step(), atomic_compare_exchange_strong_explicit((at), (old), (new), memory_order_seq_cst, \
							 memory_order_seq_cst))

#include "ring/sources.c"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <ucontext.h>

#include <cmocka.h>

enum { ACTORS = 5, STACK_SIZE = 128 * 1024, MOVES = 20, KEYS = 4, HELD_MAX = 8, SEEDS = 5000 };

struct actor {
	ucontext_t place;
	bool finished;
	uint32_t held[HELD_MAX], count;
	_Alignas(16) char stack[STACK_SIZE];
};

static struct actor actors[ACTORS];
static ucontext_t outside;
static uint32_t running, admitted[KEYS], max, keys, patience;
static uint64_t seed_state;
static struct sources *table;
static struct address names[KEYS], others[SOURCES_PROBE];
static const char *broken;

static uint32_t draw(uint32_t below) { return (uint32_t)(random_next(&seed_state) >> 32) % below; }

static void step(void)
{
	if (running == ACTORS || draw(patience))
		return;
	uint32_t before = running, next = draw(ACTORS);
	if (next == before || actors[next].finished)
		return;
	running = next;
	swapcontext(&actors[before].place, &actors[next].place);
}

static void come(struct actor *actor, uint32_t key)
{
	if (!sources_enter(table, &names[key], max))
		return;
	if (++admitted[key] > max)
		broken = "admitted above the limit";
	actor->held[actor->count++] = key;
}

static void go(struct actor *actor, uint32_t at)
{
	uint32_t key = actor->held[at];
	actor->held[at] = actor->held[--actor->count];
	admitted[key]--;
	sources_leave(table, &names[key]);
}

static void act(void)
{
	struct actor *actor = &actors[running];
	for (uint32_t i = 0; i < MOVES; i++) {
		if (draw(2) && actor->count < HELD_MAX)
			come(actor, draw(keys));
		else if (actor->count)
			go(actor, draw(actor->count));
	}
	while (actor->count)
		go(actor, 0);
	actor->finished = true;
	uint32_t next = 0;
	while (next < ACTORS && actors[next].finished)
		next++;
	running = next;
	setcontext(next < ACTORS ? &actors[next].place : &outside);
}

/* Addresses that meet in one bucket; `number` is where the search goes on. */
static void meet(struct address *addresses, uint32_t count, uint32_t *number)
{
	for (uint32_t i = 0; i < count; i++) {
		addresses[i] = (struct address){.family = ADDRESS_IPV4};
		do
			put32(addresses[i].bytes, ++*number);
		while (bucket_of(table, key_of(&addresses[i])) != &table->buckets[0]);
	}
}

static void play(uint64_t seed, uint32_t places)
{
	running = ACTORS;
	seed_state = seed;
	max = 1 + draw(3);
	keys = 1 + draw(KEYS);
	patience = 1 + draw(40);   /* few changes of place let one go far while another stands still */
	memset(admitted, 0, sizeof admitted);
	for (uint32_t i = 0; i < SOURCES_PROBE - places; i++)
		if (!sources_enter(table, &others[i], UINT32_MAX))
			broken = "refused without a limit";
	for (uint32_t i = 0; i < ACTORS; i++) {
		actors[i].finished = false;
		getcontext(&actors[i].place);
		actors[i].place.uc_stack.ss_sp = actors[i].stack;
		actors[i].place.uc_stack.ss_size = STACK_SIZE;
		makecontext(&actors[i].place, act, 0);
	}
	running = 0;
	swapcontext(&outside, &actors[0].place);
	for (uint32_t i = 0; i < SOURCES_PROBE - places; i++) {
		if (sources_count(table, &others[i]) != 1)
			broken = "another source has lost or won a connection";
		sources_leave(table, &others[i]);
	}
	for (uint32_t i = 0; i < KEYS; i++)
		if (sources_count(table, &names[i]))
			broken = "something stayed behind";
}

/* With so many free places in their bucket; none: they share the counter from the start. */
static void play_all(uint32_t places)
{
	table = sources_create();
	assert_non_null(table);
	table->seed[0] = table->seed[1] = 1;
	running = ACTORS;
	broken = NULL;
	uint32_t number = 0x0a000000;
	meet(names, KEYS, &number);
	meet(others, SOURCES_PROBE, &number);
	for (uint64_t seed = 1; seed <= SEEDS && !broken; seed++) {
		play(seed, places);
		if (broken)
			print_error("seed %llu, %u places: %s\n", (unsigned long long)seed, places, broken);
	}
	assert_null(broken);
	sources_destroy(table);
}

static void roomy(void **state)
{
	(void)state;
	play_all(SOURCES_PROBE);
}

static void tight(void **state)
{
	(void)state;
	for (uint32_t places = 0; places <= 4; places++)
		play_all(places);
}

#if defined(__SANITIZE_THREAD__)
#define HAS_COROUTINES 0
#elif defined(__has_feature)
#define HAS_COROUTINES (!__has_feature(thread_sanitizer))
#else
#define HAS_COROUTINES 1
#endif

int main(void)
{
	if (!HAS_COROUTINES)
		return 77;   /* the thread sanitizer does not follow them */
	const struct CMUnitTest tests[] = {cmocka_unit_test(roomy), cmocka_unit_test(tight)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
