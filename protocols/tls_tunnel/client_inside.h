/* protocols/tls_tunnel/client_inside.h - what the files of the client role share. Not for others.
 *
 * client.c has the service and the visitors, client_link.c the life of one link, client_opening.c its
 * transport, client_gateway.c its generation, client_local.c the published services, client_forwarder.c the
 * forwarders, client_port.c where local users come, client_user.c the way of all of them to a link.
 */
#ifndef PROTOCOLS_TLS_TUNNEL_CLIENT_INSIDE_H
#define PROTOCOLS_TLS_TUNNEL_CLIENT_INSIDE_H

#include "core/probe.h"
#include "core/published.h"
#include "core/retry.h"
#include "protocols/tls_tunnel/client.h"
#include "protocols/tls_tunnel/client_gateway.h"
#include "protocols/tls_tunnel/wire.h"

enum link_state { LINK_PARKED, LINK_WAITING, LINK_DIALLING, LINK_LOGIN, LINK_READY };

enum { LINK_FACT_SIZE = 16 };

struct client_link {
	struct client *client;
	uint32_t number;                     /* of settings->links->count */
	enum link_state state;
	struct session *session;
	struct burden *burden;
	struct timer timer;                  /* the next try */
	struct probe probe;                  /* the network has changed: is the gateway still there? */
	struct instant ready_at;
	uint32_t features;                   /* that both ends have shown */
	struct retry delay, auth_delay;      /* before the try after a failure, after a refusal */
	uint32_t gateway;                    /* index of the one that it has tried last */
	enum tunnel_generation spoken;       /* to it */
	bool said;                           /* that it connects */
	char fact[LINK_FACT_SIZE];           /* for logs: "2/4" */
	struct opening opening;              /* of its transport; `host` is its own, below */
	char host[HOST_SIZE + 2];
};

/* Where users come who belong to a visitor or to a forwarder. */
struct client_port {
	struct client *client;
	const char *name;
	const char *speaks;                  /* a forwarder's; NULL: a visitor's */
	struct listening listening;
	struct timer retry;
};

struct client {
	struct service service;
	const struct client_settings *settings;
	struct client_link *links;           /* those that live here */
	uint32_t link_count;
	struct credentials credentials;
	struct publication *publications;
	uint32_t publication_count, port_count;
	struct client_gateway *known;        /* by index of config->gateways */
	bool draining, listening;
	bool alone;                          /* the gateway takes one link, and that was said */
	struct client_port *ports;
	struct tally **tallies;              /* client_tally */
	struct instant since;                /* it was made */
};

static inline struct client *client_of(struct service *service)
{
	return OWNER(service, struct client, service);
}

/* ---- client.c ---- */
/* The gateway takes several links: parked ones on all workers begin. */
void client_links_start(struct client *client);
/* Where the link of that number lives; it, if that is here. */
uint32_t client_link_worker(const struct client *client, uint32_t number);
struct client_link *client_link_here(const struct client *client, uint32_t number);

/* ---- client_user.c ---- */
/* A held conn's OPEN: its channel is joined to one of a link here, which is returned. NULL and REASON_OK: the
 * conn moves to a link's worker, or has ended for lack of memory; else why neither: UNREACHABLE (no link is
 * up), LIMIT. */
struct channel *client_user_place(struct session *session, struct channel *channel, enum reason *reason);

/* ---- client_forwarder.c ---- */
void client_forwarders_init(struct client *client);

/* ---- client_port.c ---- */
/* One more, of what `listening` tells of it: address, wire, role, tag, target. */
struct client_port *client_port_add(struct client *client, const char *name,
				    const struct listening *listening);
/* The first link is up: they are opened, once. */
void client_ports_start(struct client *client);
void client_ports_stop(struct client *client);
void client_ports_fini(struct client *client);

/* ---- client_opening.c ---- */
const struct carrier *client_carrier(const struct config_client *config);
/* link->opening, for the gateway that it is about to dial. */
void client_opening_make(struct client_link *link);
/* The connection was there, but not the transport. */
const char *client_opening_advice(const struct config_client *config);

/* ---- client_link.c ---- */
void client_link_init(struct client_link *link, struct client *client, uint32_t number);
void client_link_fini(struct client_link *link);
/* Dials, if it is not at it already. */
void client_link_start(struct client_link *link);
void client_link_drain(struct client_link *link);
/* The old path may be dead without anybody having said so. */
void client_link_network_changed(struct client_link *link);

/* ---- client_local.c ---- */
/* The gateway asks for something that is published here; `refused` and `retry` are the role's. */
void client_local_open(struct session *session, const struct event *event);
bool client_local_refused(struct pair *pair, enum reason reason);
void client_local_retry(struct pair *pair);

/* ---- client_published.c ---- */
bool client_tallies_create(struct client *client);
void client_tallies_destroy(struct client *client);
/* Somebody uses that entry of the configuration's list: its pair counts there. */
void client_count_for(const struct client *client, enum published_kind kind, size_t index, struct pair *pair);
/* The same for a conn whose tag is the index. */
void client_count(const struct session *session, enum published_kind kind, struct pair *pair);
void client_published(struct service *service, struct published_sink *sink);

#endif
