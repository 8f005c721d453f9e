/* tests/sim/ring_sim.h - the third engine of ring/ring.h: the fake network under the rules of completions.
 *
 * Owner:  the worker. Thread: the one there is. Never sleeps: a turn does what can be done now.
 * Strict: what the engines only promise is checked here: one op each way, nothing submitted on a closed or
 *         forgotten descriptor, no descriptor left behind.
 * Faults: ops run in a random order, in the turn that submits them or in a later one; a cancel may lose its
 *         race; a multishot op may end without a reason and with a result.
 */
#ifndef TESTS_SIM_RING_SIM_H
#define TESTS_SIM_RING_SIM_H

#include "ring/ring.h"
#include "tests/sim/net.h"

struct ring_sim_faults {
	uint32_t late;               /* permille: an op that could go on waits for a later turn */
	uint32_t lost_race;          /* permille: a cancel that is not heard at once */
	uint32_t ends;               /* permille: a multishot op ends with a result */
	uint32_t eager;              /* permille: what was submitted in a turn may be tried in the same one */
	uint32_t fails;              /* permille: receiving datagrams fails for good, after one of them */
};

extern struct ring_sim_faults ring_sim_faults;
/* Whose sockets the next ring makes. */
extern struct net_host *ring_sim_host;
extern const struct ring_table ring_sim;

/* Would run() do anything now? */
bool ring_sim_is_ready(struct ring *ring);
/* The run is over. */
void ring_sim_end(void);

#endif
