/* tests/sim/sim.h - one seeded run: its random numbers, its clock, its events, and how a fault is told.
 *
 * Owner:  main.c, one run at a time in one thread. Everything that may differ between two runs is drawn from
 *         the seed, so that the same seed gives the same bytes on the fake wire; `hash` is over all of them.
 * Time:   virtual, in `now_ns`; it moves when nobody has work, to the next event, and a little with every
 *         step. clock.c shows it to the libraries. The machine's clock on the wall is `now_ns` + `wall_ns`.
 * Never:  sleeps; reads a real clock (but for the figures in the last line).
 */
#ifndef TESTS_SIM_SIM_H
#define TESTS_SIM_SIM_H

#include "core/instant.h"

/* What a run may draw; SCENARIO_ANY lets the seed choose everything. */
enum sim_scenario {
	SCENARIO_ANY,        /* the seed draws one of the others */
	SCENARIO_CALM,       /* no fault but delays and pieces: everything must arrive */
	SCENARIO_SWARM,      /* every class of faults by its own coin */
	SCENARIO_TLS,        /* as swarm, links under TLS */
	SCENARIO_CONTEST,    /* two clients that want the same ports, killed and restarted */
	SCENARIO_LIMITS,     /* few channels, few buffers, many users */
	SCENARIO_SERVICE,    /* a local service that is down for a while: three tries */
	SCENARIO_DRAIN,      /* the gateway drains with channels running */
	SCENARIO_STOP,       /* everything is stopped at a random point */
	SCENARIO_EXCHANGES,  /* many short talks, most of them by forwarders; programs that sleep */
	SCENARIO_COUNT,
};

typedef void event_fire_fn(void *object);

struct sim {
	uint64_t seed, random, hash;
	enum sim_scenario scenario;
	int64_t now_ns, wall_ns;
	uint64_t steps, bytes;           /* of the run; bytes on the fake wire */
	uint64_t moved; /* grows with everything that happens on the network: what is not busy is working */
	bool verbose;
	struct event_entry *events;      /* a heap by time, then by order of asking */
	uint32_t event_count, event_max;
	uint64_t event_serial;
};

extern struct sim sim;

void sim_start(uint64_t seed, enum sim_scenario scenario);
void sim_end(void);

/* 0 .. count-1; 0 for a count of 0. */
uint64_t sim_below(uint64_t count);
/* True in `permille` of a thousand cases. */
bool sim_chance(uint32_t permille);
/* Between min and max, each power of two as likely as the next. */
uint64_t sim_log_uniform(uint64_t min, uint64_t max);
/* Bytes, time and place on the wire: into the hash. */
void sim_hash(const void *bytes, size_t size, uint64_t salt);

static inline struct instant sim_now(void) { return (struct instant){sim.now_ns}; }
/* `fire(object)` runs at that time or, when it is past, before the next step. It cannot be called off: the
 * object lives until the run ends and looks whether it still applies. */
void sim_at(int64_t at_ns, event_fire_fn *fire, void *object);
static inline void sim_after(struct duration delay, event_fire_fn *fire, void *object)
{
	sim_at(sim.now_ns + delay.ns, fire, object);
}
/* Runs what is due. */
void sim_fire_due(void);
/* When the next event is; INT64_MAX: there is none. */
int64_t sim_next_event(void);

/* A line on stderr with --verbose. */
__attribute__((format(printf, 1, 2))) void sim_trace(const char *format, ...);
/* The run has shown a fault: tells it, the seed and how to replay it; exits with 1. */
__attribute__((format(printf, 1, 2))) _Noreturn void sim_fail(const char *format, ...);

#endif
