/* ring/route.h - what this machine can reach, as its routing table says now.
 *
 * Owner: nobody, no state. Thread: any but a worker's: each question is some system calls. Nothing is sent.
 */
#ifndef RING_ROUTE_H
#define RING_ROUTE_H

#include "core/address.h"

/* The families for which the machine has an address that is neither loopback nor link-local: ADDRESS_IPV4,
 * ADDRESS_IPV6, or ADDRESS_ANY for both. Where it has none at all, or cannot tell: ADDRESS_ANY. */
enum address_family route_families(void);
/* A datagram to this address would find a way out. */
bool route_exists(const struct address *address);
/* Puts addresses (best first) in the order to try: each once, without those that have no route unless none
 * has one, and the families alternating from the best one's on. Returns how many are left. */
uint32_t route_order(struct address *addresses, uint32_t count);

#endif
