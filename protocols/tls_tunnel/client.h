/* protocols/tls_tunnel/client.h - the client's policy: keep links to the gateway, publish local services,
 * visit others', forward what local users ask for.
 *
 * One service on every worker per mapping of the configuration; the mapping's own worker has its first link
 * and the listeners of its visitors and forwarders, the further links (client.links) live on the workers
 * behind it, in turn.
 * A link: PARKED (a further one, until a gateway that takes several is known) -> WAITING (for the next try)
 * -> DIALLING -> LOGIN (authenticate, submit_config) -> READY -> WAITING. Reconnects, each link by itself:
 * reconnect.min doubling to reconnect.max, +-20 %; at once (within a second) after a link that had been ready
 * for a while; 30 s doubling to 300 s after a refused login or certificate.
 */
#ifndef PROTOCOLS_TLS_TUNNEL_CLIENT_H
#define PROTOCOLS_TLS_TUNNEL_CLIENT_H

#include "core/config.h"
#include "core/request.h"

enum { FORWARDER_CONNS_MAX = 1000 }; /* of one forwarder; TLS Tunnel 1.5 has the same */

/* What the links of one client know of each other. Shared by its workers, all of it atomic. */
struct client_links {
	uint32_t count;
	_Atomic uint32_t ready_count;        /* links that are up */
	_Atomic uint32_t gateway;            /* index of the one to try; the first link goes on to the next */
	struct burden *burdens;              /* by number; open: it is up */
	_Atomic uint32_t *forwarding;        /* by forwarder: connections that it has */
};

/* Immutable after start. */
struct client_settings {
	const struct config_client *config;
	const struct tls_settings *tls;
	uint8_t instance[INSTANCE_SIZE];     /* random, of this process */
	uint32_t worker;                     /* where its first link lives */
	struct client_links *links;
	/* Told on that worker when a link becomes ready (and again after every reconnect). May be NULL. */
	void (*ready)(const struct client_settings *settings);
};

/* Before the workers start, and after they have stopped. NULL: no memory. */
struct client_links *client_links_create(uint32_t count, size_t forwarder_count);
void client_links_destroy(struct client_links *links);

/* NULL: no memory. */
struct service *client_create(struct hub *hub, const struct client_settings *settings);

#endif
