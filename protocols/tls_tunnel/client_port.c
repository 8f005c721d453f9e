/* protocols/tls_tunnel/client_port.c - where users of visitors and forwarders come; see client_inside.h.
 *
 * Ports listen from the first ready link on; without a link they refuse. One that cannot be had is asked for
 * again.
 */
#include <errno.h>

#include "core/log.h"
#include "protocols/tls_tunnel/client_inside.h"

enum { LISTEN_RETRY_S = 10 };

static void port_opened(struct listening *listening, int error)
{
	struct client_port *port = OWNER(listening, struct client_port, listening);
	struct hub *hub = port->client->service.hub;
	const char *speaks = port->speaks;
	char at[ADDRESS_TEXT_SIZE];
	address_format(&listening->address, at);
	if (error == 0) {
		log_info(speaks ? "forwarding" : "visiting", TEXT("name", port->name), TEXT("at", at),
			 TEXT(speaks ? "speaks" : NULL, speaks));
		return;
	}
	log_warn(speaks ? "cannot listen for a forwarder" : "cannot listen for a visitor",
		 TEXT("name", port->name), TEXT("at", at),
		 TEXT("reason", error == -EADDRINUSE ? "the port is in use by another process"
						     : reason_text(reason_of_errno(error))),
		 NUMBER("retry_s", LISTEN_RETRY_S));
	timer_arm(&hub->wheel, &port->retry, instant_after(hub->now, DURATION_S(LISTEN_RETRY_S)));
}

static void port_closed(struct listening *listening) {}

static void port_retry(struct timer *timer)
{
	struct client_port *port = OWNER(timer, struct client_port, retry);
	if (!port->client->draining)
		hub_listen(port->client->service.hub, &port->listening);
}

struct client_port *client_port_add(struct client *client, const char *name,
				    const struct listening *listening)
{
	struct client_port *port = &client->ports[client->port_count++];
	*port = (struct client_port){
		.client = client, .name = name, .listening = *listening, .retry = {.expired = port_retry}};
	port->listening.service = &client->service;
	port->listening.carrier = &carrier_raw;
	port->listening.opened = port_opened;
	port->listening.closed = port_closed;
	return port;
}

void client_ports_start(struct client *client)
{
	if (client->listening)
		return;
	client->listening = true;
	for (uint32_t i = 0; i < client->port_count; i++)
		hub_listen(client->service.hub, &client->ports[i].listening);
}

void client_ports_stop(struct client *client)
{
	for (uint32_t i = 0; i < client->port_count; i++) {
		timer_disarm(&client->ports[i].retry);
		if (client->ports[i].listening.asked)
			hub_unlisten(client->service.hub, &client->ports[i].listening);
	}
}

void client_ports_fini(struct client *client)
{
	for (uint32_t i = 0; i < client->port_count; i++)
		timer_disarm(&client->ports[i].retry);
}
