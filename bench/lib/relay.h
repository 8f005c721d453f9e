/* bench/lib/relay.h - the floor: a relay that only copies, 256 KiB at a time, without TLS.
 *
 * A process of its own (`throughput --relay LISTEN TARGET`), one thread, epoll. Two of them make the peer
 * `copy`: what any pair of copying programs costs at least on this machine.
 */
#ifndef BENCH_LIB_RELAY_H
#define BENCH_LIB_RELAY_H

#include "core/base.h"

/* Relays from one port of 127.0.0.1 to another until the process is killed. Returns 1 when it cannot. */
int relay_run(uint16_t listen_port, uint16_t target_port);

#endif
