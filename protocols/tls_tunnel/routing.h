/* protocols/tls_tunnel/routing.h - where a forwarder's target leaves: at the gateway, here, or nowhere.
 *
 * Pure: the lists of a forwarder and a host in, a decision out; the order is that of TLS Tunnel 1.5:
 * direct_domains, proxy_domains, then addresses (a literal's own, in brackets or not; a name's after
 * resolving it here, DIRECT as soon as one of them says so), then default_strategy. Domains are compared
 * without case and without a final dot, as DNS has them (the original minds case): "*.x" is a host that ends
 * in ".x" (the original also takes "notx"), ".x" that or "x" itself, else the whole name.
 */
#ifndef PROTOCOLS_TLS_TUNNEL_ROUTING_H
#define PROTOCOLS_TLS_TUNNEL_ROUTING_H

#include "core/config.h"

enum way { WAY_GATEWAY, WAY_DIRECT, WAY_NOWHERE, WAY_ASK /* routing_by_addresses decides */ };

/* NULL routing: WAY_GATEWAY. A name is ASK only where its addresses can make a difference. */
enum way routing_by_host(const struct config_routing *routing, const char *host);
/* What a name has been resolved to; none: default_strategy. Never ASK. DIRECT: by addresses[*which]. */
enum way routing_by_addresses(const struct config_routing *routing, const struct address *addresses,
			      size_t count, size_t *which);

#endif
