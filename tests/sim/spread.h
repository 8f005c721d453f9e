/* tests/sim/spread.h - are users spread evenly over the links of one client?
 *
 * For worlds in which nothing strikes yet: all links are up, nobody talks. Users come to one port of each
 * client, stay and say nothing; then every link must have as many as the others, or one more. They leave when
 * peers_wake_all says so.
 */
#ifndef TESTS_SIM_SPREAD_H
#define TESTS_SIM_SPREAD_H

void spread_try(void);

#endif
