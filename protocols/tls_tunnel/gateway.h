/* protocols/tls_tunnel/gateway.h - the gateway's policy: who may log in, who publishes what, who reaches
 * whom.
 *
 * One service per worker. Links log in, publish and visit on the worker where they live; which (name, port)
 * belongs to which links is decided on worker 0 alone (claims.c) and known everywhere by replicas. A
 * published port is listened on by the worker of the first link that holds it (port.c). Its users go to the
 * link that carries the least: those of a port move to its worker, a visitor takes a ferry there (user.c).
 * A forwarder's target is dialled by the worker of its link (forward.c).
 */
#ifndef PROTOCOLS_TLS_TUNNEL_GATEWAY_H
#define PROTOCOLS_TLS_TUNNEL_GATEWAY_H

#include "core/config.h"
#include "core/rate_sources.h"
#include "core/registry.h"
#include "core/request.h"
#include "protocols/detect.h"

enum { FORWARD_RULES_MAX = 32 };

/* What clients' forwarders may reach: `access`, or while the file has no such section all but what is private
 * or this machine's. The acl may point into it: it is not copied. */
struct forward_access {
	struct acl acl;
	struct acl_rule rules[FORWARD_RULES_MAX];
};

/* Immutable after start, but for the rate. */
struct gateway_settings {
	const struct config_gateway *config;
	struct forward_access forward;           /* forward_access_init; asked while allow_forward is on */
	const struct tls_settings *tls;
	const struct voucher *voucher;           /* NULL: no PROXY headers */
	struct rate_shared link_rate;            /* new links, of all workers */
	struct rate_sources *source_rates;       /* the same of each source; NULL: no limit */
	struct gateway_detector detector;        /* .tls_tunnel_service: set by the first gateway_create */
	/* Told once, on worker 0: the gateway listens (0), or why it does not (-errno). */
	void (*listens)(const struct address *address, int error);
};

/* This worker's service, on hub->services. NULL: no memory. */
struct service *gateway_create(struct hub *hub, struct gateway_settings *settings);

void forward_access_init(struct forward_access *access, const struct config *config);

extern const struct role role_gateway_link;      /* of links */
extern const struct role role_gateway_user;      /* of a published port's users */

#endif
