/* tests/sim/course.h - one run from its beginning to its end.
 *
 * Course: everything starts; users come while faults happen; faults end and everything must finish; a probe
 * for each port must come through; nothing may be left over; everything stops and gives back what it had.
 */
#ifndef TESTS_SIM_COURSE_H
#define TESTS_SIM_COURSE_H

/* The run of sim.seed and sim.scenario. Comes back only when there was no fault. */
void course_run(void);

#endif
