/* ring/network.h - tells when this machine's addresses or routes have changed (netlink).
 *
 * Owner: main, which polls the descriptor. A laptop that has changed networks must not wait for a keep-alive
 * to find out. Never: needs privileges; where netlink is not to be had there is no descriptor and nothing is
 * told.
 */
#ifndef RING_NETWORK_H
#define RING_NETWORK_H

#include "core/base.h"

/* A non-blocking descriptor to poll for reading, or -1. Close it with close(2). */
int network_watch(void);
/* Empties it. True: an address or a default route came or went. */
bool network_changed(int fd);

#endif
