/* tests/sim/sim.c - see sim.h. */
#include "tests/sim/sim.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct event_entry {
	int64_t at_ns;
	uint64_t serial;
	event_fire_fn *fire;
	void *object;
};

struct sim sim;

void sim_start(uint64_t seed, enum sim_scenario scenario)
{
	bool verbose = sim.verbose;
	sim = (struct sim){.seed = seed,
			   .scenario = scenario,
			   .verbose = verbose,
			   .now_ns = DURATION_S(100000).ns,
			   .random = seed * 0x9e3779b97f4a7c15u + (uint64_t)scenario,
			   .hash = 0xcbf29ce484222325u};
}

void sim_end(void)
{
	free(sim.events);
	sim.events = NULL;
	sim.event_count = sim.event_max = 0;
}

uint64_t sim_below(uint64_t count) { return count ? random_next(&sim.random) % count : 0; }
bool sim_chance(uint32_t permille) { return permille && sim_below(1000) < permille; }

uint64_t sim_log_uniform(uint64_t min, uint64_t max)
{
	unsigned low = min ? 63u - (unsigned)__builtin_clzll(min) : 0,
		 high = 63u - (unsigned)__builtin_clzll(max | 1);
	uint64_t top = (uint64_t)1 << (low + sim_below(high - low + 1));
	uint64_t value = top + sim_below(top);
	return value < min ? min : value > max ? max : value;
}

void sim_hash(const void *bytes, size_t size, uint64_t salt)
{
	const uint8_t *at = bytes;
	uint64_t hash = sim.hash ^ salt ^ (uint64_t)sim.now_ns << 8, word;
	for (; size >= 8; size -= 8, at += 8) {
		memcpy(&word, at, 8);
		hash = (hash ^ word) * 0x9fb21c651e98df25u;
		hash ^= hash >> 29;
	}
	for (; size; size--, at++)
		hash = (hash ^ *at) * 0x100000001b3u;
	sim.hash = hash ^ hash >> 32;
}

/* ---- events ---- */

static bool is_sooner(const struct event_entry *a, const struct event_entry *b)
{
	return a->at_ns != b->at_ns ? a->at_ns < b->at_ns : a->serial < b->serial;
}

static void swap(struct event_entry *a, struct event_entry *b)
{
	struct event_entry other = *a;
	*a = *b;
	*b = other;
}

void sim_at(int64_t at_ns, event_fire_fn *fire, void *object)
{
	if (sim.event_count == sim.event_max) {
		sim.event_max = sim.event_max ? sim.event_max * 2 : 256;
		sim.events = realloc(sim.events, sim.event_max * sizeof *sim.events);
		check(sim.events);
	}
	uint32_t at = sim.event_count++;
	sim.events[at] = (struct event_entry){at_ns, sim.event_serial++, fire, object};
	for (; at && is_sooner(&sim.events[at], &sim.events[(at - 1) / 2]); at = (at - 1) / 2)
		swap(&sim.events[at], &sim.events[(at - 1) / 2]);
}

static struct event_entry pull(void)
{
	struct event_entry first = sim.events[0];
	sim.events[0] = sim.events[--sim.event_count];
	for (uint32_t at = 0;;) {
		uint32_t least = at, left = 2 * at + 1, right = left + 1;
		if (left < sim.event_count && is_sooner(&sim.events[left], &sim.events[least]))
			least = left;
		if (right < sim.event_count && is_sooner(&sim.events[right], &sim.events[least]))
			least = right;
		if (least == at)
			return first;
		swap(&sim.events[at], &sim.events[least]);
		at = least;
	}
}

void sim_fire_due(void)
{
	while (sim.event_count && sim.events[0].at_ns <= sim.now_ns) {
		struct event_entry event = pull();
		event.fire(event.object);
	}
}

int64_t sim_next_event(void) { return sim.event_count ? sim.events[0].at_ns : INT64_MAX; }

/* ---- telling ---- */

static double seconds(void) { return (double)(sim.now_ns - DURATION_S(100000).ns) / 1e9; }

void sim_trace(const char *format, ...)
{
	if (!sim.verbose)
		return;
	va_list list;
	va_start(list, format);
	fprintf(stderr, "%12.6f  ", seconds());
	vfprintf(stderr, format, list);
	fputc('\n', stderr);
	va_end(list);
}

void sim_fail(const char *format, ...)
{
	va_list list;
	va_start(list, format);
	fflush(stdout);
	fprintf(stderr,
		"seed %llu scenario %d, at %.6f s of its time, step %llu: ", (unsigned long long)sim.seed,
		(int)sim.scenario, seconds(), (unsigned long long)sim.steps);
	vfprintf(stderr, format, list);
	fprintf(stderr, "\nreplay: sim_test %llu --scenario %d --verbose\n", (unsigned long long)sim.seed,
		(int)sim.scenario);
	va_end(list);
	_exit(1);
}
