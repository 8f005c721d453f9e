/* protocols/linksocks/server.h - the server's policy: tokens, who provides, who connects, who may manage.
 *
 * One service per worker. Every worker has a replica of the tokens and of who provides for them (core/
 * registry.h); tokens change on worker 0 alone, which tells the others by mail. A reverse token's SOCKS port
 * is listened on by one worker; its users move to the worker of the provider that is their turn; a
 * connector's channels take a ferry there.
 */
#ifndef PROTOCOLS_LINKSOCKS_SERVER_H
#define PROTOCOLS_LINKSOCKS_SERVER_H

#include "core/config.h"
#include "core/request.h"

/* Immutable after start. */
struct linksocks_server_settings {
	const struct config_linksocks *config;
	const struct acl *access;
	const struct config_gateway *gateway;
	/* Of config->listen_addr: it asks linksocks_route with `own`. NULL: there is no own listener. */
	const struct detector *own_detector;
	uint32_t service;                      /* set by linksocks_server_create on worker 0 */
	/* Told once, on worker 0, about config->listen_addr: it listens (0), or why it does not (-errno). */
	void (*listens)(const struct address *address, int error);
};

/* This worker's service, on hub->services. NULL: no memory. */
struct service *linksocks_server_create(struct hub *hub, struct linksocks_server_settings *settings);

extern const struct role role_linksocks_link;  /* of links: forward clients, providers, connectors */
extern const struct role role_linksocks_user;  /* of SOCKS users of a reverse token */
extern const struct role role_linksocks_api;   /* of conns that speak wire_http */

/* What serves the HTTP paths of LinkSocks on a listener: `own` is the one in clear, where "/" answers too.
 * NULL: nothing does (404). Pure; for protocols/detect.c. */
const struct role *linksocks_route(const struct linksocks_server_settings *settings, struct slice path,
				   bool upgrade, bool own);

#endif
