/* tests/seam/world.h - a gateway that bridges, a client of TLS Tunnel with visitors, a provider of LinkSocks.
 *
 * Owner:  the test, one world at a time. Thread: main; each of the three is a process of its own with two
 *         workers on threads, put together as tools/tunnel/run.c does it. All links are under TLS and come to
 *         the gateway's one port.
 * Placed: the gateway spreads links over its workers; a world has started when each of them has a provider,
 *         so that for a visitor on either there is one behind a ferry.
 */
#ifndef TESTS_SEAM_WORLD_H
#define TESTS_SEAM_WORLD_H

#include "ring/process.h"

enum { WORLD_WORKERS = 2, WORLD_PATIENCE_S = 60 };

/* Visitors, by what they lead to. */
enum way { WAY_SERVICE, WAY_REFUSED, WAY_COUNT };

/* Once for the program, and at its end. */
void world_prepare(void);
void world_forget(void);
/* `service_port`: of 127.0.0.1, what WAY_SERVICE leads to. */
void world_start(const struct ring_table *engine, uint16_t service_port);
/* At once, in the midst of whatever is going on. */
void world_stop(void);
/* Where the users of that visitor connect, at 127.0.0.1. */
uint16_t world_port(enum way way);

/* The provider alone; no_provider waits until the gateway knows that it has gone. */
void provider_start(void);
void provider_stop(void);
void world_await_no_provider(void);
/* The gateway alone, and for good. */
void gateway_stop(void);

uint64_t world_ferried_bytes(void);
/* Visitors who were given to a provider over a ferry, and on their own worker. */
uint32_t world_bridged(bool here);

#endif
