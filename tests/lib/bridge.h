/* tests/lib/bridge.h - a visitor of TLS Tunnel reaches a provider of LinkSocks: the proof that wires meet.
 *
 * Neither wire knows of the other: the visitor's OPEN is joined to a channel of a provider's link, here or
 * over a ferry, where the server of LinkSocks takes it as it takes those of its connectors.
 * Owner: the world that runs the gateway, one at a time. Thread: told() comes from the visitor's worker.
 */
#ifndef TESTS_LIB_BRIDGE_H
#define TESTS_LIB_BRIDGE_H

#include "core/hub.h"
#include "core/role.h"

/* What a visitor asks for, and what the provider is to reach. */
struct bridge_route {
	const char *name;
	const char *host;
	uint16_t port;
};

struct bridge {
	const uint32_t *service;     /* the LinkSocks server's: linksocks_server_settings.service */
	const char *token;           /* a reverse one */
	const struct bridge_route *routes;
	size_t route_count;
	void (*told)(bool here);     /* a provider was found: on this worker, or over a ferry; may be NULL */
};

/* Of the gateway's links of TLS Tunnel, instead of role_gateway_link. One on another worker is preferred. The
 * struct is borrowed. */
const struct role *bridge_role(const struct bridge *bridge);
/* Any pair of the gateway's: its asker reaches that target, or has an association, by a provider. */
enum reason bridge_join(struct hub *hub, struct pair *pair, const struct target *target, bool *here);

#endif
