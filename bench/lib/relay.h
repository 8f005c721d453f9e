/* bench/lib/relay.h - the floor: a relay that only copies, 256 KiB at a time; or copies and seals.
 *
 * A process of its own, one thread, epoll, two connections a user. Two of them make the peer `copy`: what any
 * pair of copying programs costs at least on this machine. One that seals towards its target and one that
 * opens what it accepts make the peer `sealed`: the same with AES-128-GCM records in between.
 */
#ifndef BENCH_LIB_RELAY_H
#define BENCH_LIB_RELAY_H

#include "core/base.h"

/* What follows --relay:
 *   copy|seal|open LISTEN TARGET   from one port of 127.0.0.1 to another, until the process is killed
 *   cipher                         prints what seals
 * Returns 1 when it cannot. */
int relay_run(int count, char **arguments);

#endif
