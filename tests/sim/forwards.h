/* tests/sim/forwards.h - forwarders in the world: one client has six, which lead to one remote service.
 *
 * Owner: world.c. Ways: an address that the gateway dials; a name that the client looks up and dials itself;
 * a name that it looks up, and that the gateway looks up again and dials. Each by SOCKS5 (socks.h) and by
 * HTTP, with CONNECT or a whole URL (words.h).
 */
#ifndef TESTS_SIM_FORWARDS_H
#define TESTS_SIM_FORWARDS_H

#include "core/config.h"

enum { FORWARDERS_COUNT = 6, FORWARDER_PORT = 27000 };

/* What a node has of it. */
struct forwards {
	struct cidr range;           /* where the service is */
	struct config_forwarder forwarders[FORWARDERS_COUNT];
};

/* The world has it: gateway and first client, and a port for each. */
void forwards_build(void);

#endif
