/* protocols/tls_tunnel/client.h - the client's policy: keep a link to the gateway, publish local services,
 * visit others'.
 *
 * One service on every worker per mapping of the configuration; only the one on the mapping's own worker
 * acts. States: WAITING (for the next try) -> DIALLING -> LOGIN (authenticate, submit_config) -> READY ->
 * WAITING. Reconnects: reconnect.min doubling to reconnect.max, +-20 %; at once (within a second) after a
 * link that had been ready for a while; 30 s doubling to 300 s after a refused login or certificate.
 */
#ifndef PROTOCOLS_TLS_TUNNEL_CLIENT_H
#define PROTOCOLS_TLS_TUNNEL_CLIENT_H

#include "core/config.h"
#include "core/request.h"

/* Immutable after start. */
struct client_settings {
	const struct config_client *config;
	const struct tls_settings *tls;
	uint8_t instance[INSTANCE_SIZE];     /* random, of this process */
	uint32_t worker;                     /* where it lives */
	/* Told on that worker when the link becomes ready (and again after every reconnect). May be NULL. */
	void (*ready)(const struct client_settings *settings);
};

/* NULL: no memory. */
struct service *client_create(struct hub *hub, const struct client_settings *settings);

#endif
