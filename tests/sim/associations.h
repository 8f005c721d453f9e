/* tests/sim/associations.h - users of datagrams: what they say comes back from who it was for, or is counted.
 *
 * Owner:  the run. The gateway's workers have front ends of their own for them: a conn on a datagram socket
 *         that asks for an association, whose exit is on the same worker or over a ferry on another one.
 * Oracle: a datagram is never merged, split, cut, changed, or given to another association; in a run in which
 *         none is doubled, every one that did not come back was counted once, where it was lost.
 */
#ifndef TESTS_SIM_ASSOCIATIONS_H
#define TESTS_SIM_ASSOCIATIONS_H

#include "ring/process.h"

void associations_start(void);
/* The gateway's part on one worker. */
void associations_serve(struct hub *hub);
/* The gateway has stopped: what it counted, and what it left between its workers. */
void associations_stopped(const struct process *process);
/* Everything has stopped. */
void associations_check(void);

#endif
