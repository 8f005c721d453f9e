/* protocols/tls_tunnel/port.c - a published address: its listener, and the retries of one that is in use.
 *
 * One for each entry of the registry, on the worker of its first holder, for as long as anybody holds it: a
 * link that is cut does not close what others serve. The accept alone is this worker's; who comes in is
 * moved, before a byte was read, to the link that carries the least.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/log.h"
#include "protocols/frontends/plain.h"
#include "protocols/tls_tunnel/inside.h"

struct port {
	struct link gateway_link;
	struct gateway *gateway;
	struct listening listening;
	struct timer retry;
	char name[HOST_SIZE], addr[ADDRESS_PATH_SIZE], peer[PEER_TEXT_SIZE];
	uint16_t port;
	uint8_t tries;
	bool closing;                            /* told to close: it goes, and says so */
};

static void port_opened(struct listening *listening, int error);
static void port_closed(struct listening *listening);

static struct port *port_find(struct gateway *gateway, const char *name, uint16_t number)
{
	for (struct link *link = gateway->ports.next; link != &gateway->ports; link = link->next) {
		struct port *port = OWNER(link, struct port, gateway_link);
		if (port->port == number && strcmp(port->name, name) == 0)
			return port;
	}
	return NULL;
}

static void port_free(struct port *port)
{
	timer_disarm(&port->retry);
	link_remove(&port->gateway_link);
	link_remove(&port->listening.request.link); /* told to close in the turn in which the worker stops */
	free(port);
}

static void port_failed(struct port *port, int error)
{
	struct hub *hub = port->gateway->service.hub;
	uint32_t delay_s = bind_delay_s(++port->tries);
	if (hub_may_log(hub))
		log_warn(delay_s ? "cannot publish, will try again" : "cannot publish",
			 TEXT("name", port->name), NUMBER("port", port->port),
			 TEXT("reason", error == -EADDRINUSE ? "another process or client has the port"
							     : reason_text(reason_of_errno(error))),
			 NUMBER("retry_s", delay_s));
	if (delay_s)
		timer_arm(&hub->wheel, &port->retry, instant_after(hub->now, DURATION_S(delay_s)));
	offering_bind_failed(port->gateway, port->name, port->port, port->tries, error);
}

/* Address and port are put together as they are, so an IPv6 address may come with brackets or without. */
static bool make_address(const struct port *port, struct address *address)
{
	char text[ADDRESS_PATH_SIZE + 16];
	if (address_of_literal(address, port->addr, port->port))
		return true;
	snprintf(text, sizeof text, "%s:%u", port->addr, port->port);
	return address_parse(address, text) && address->family != ADDRESS_UNIX;
}

static void port_listen(struct port *port)
{
	struct service *service = &port->gateway->service;
	struct address address;
	if (!make_address(port, &address)) {
		port_failed(port, -EADDRNOTAVAIL);
		return;
	}
	port->listening = (struct listening){
	    .address = address,
	    .service = service,
	    .wire = &wire_plain,
	    .carrier = &carrier_raw,
	    .role = &role_gateway_user,
	    .target = {.published = true, .port = port->port, .service = service->index},
	    .opened = port_opened,
	    .closed = port_closed};
	text_copy(port->listening.target.host, HOST_SIZE, slice_of(port->name));
	hub_listen(service->hub, &port->listening);
}

static void port_retry(struct timer *timer) { port_listen(OWNER(timer, struct port, retry)); }

static void port_opened(struct listening *listening, int error)
{
	struct port *port = OWNER(listening, struct port, listening);
	char where[ADDRESS_TEXT_SIZE];
	if (error == 0)
		log_info("published", TEXT("name", port->name),
			 TEXT("address", address_format(&listening->address, where)),
			 TEXT("peer", port->peer));
	else
		port_failed(port, error);
}

static void port_end(struct port *port)
{
	claim_port_closed(port->gateway, port->name, port->port);
	port_free(port);
}

/* Told to close, or the worker drains or stops: then it stays, without a listener, until it is told. */
static void port_closed(struct listening *listening)
{
	struct port *port = OWNER(listening, struct port, listening);
	if (port->closing)
		port_end(port);
}

void port_open(struct gateway *gateway, const char *name, const char *addr, uint16_t number, const char *peer)
{
	struct port *port = calloc(1, sizeof *port);
	check(port);
	port->gateway = gateway;
	port->retry.expired = port_retry;
	port->port = number;
	text_copy(port->name, sizeof port->name, slice_of(name));
	text_copy(port->addr, sizeof port->addr, slice_of(addr));
	text_copy(port->peer, sizeof port->peer, slice_of(peer));
	list_push(&gateway->ports, &port->gateway_link);
	if (!gateway->service.hub->draining)
		port_listen(port);
}

static void port_unlisten(struct port *port)
{
	timer_disarm(&port->retry);
	if (port->listening.asked)
		hub_unlisten(port->gateway->service.hub, &port->listening);
}

void port_close(struct gateway *gateway, const char *name, uint16_t number)
{
	struct port *port = port_find(gateway, name, number);
	check(port);
	port->closing = true;
	if (port->listening.asked)
		port_unlisten(port);
	else
		port_end(port);
}

void ports_drain(struct gateway *gateway)
{
	for (struct link *link = gateway->ports.next; link != &gateway->ports; link = link->next)
		port_unlisten(OWNER(link, struct port, gateway_link));
}

void ports_fini(struct gateway *gateway)
{
	while (!list_is_empty(&gateway->ports))
		port_free(OWNER(gateway->ports.next, struct port, gateway_link));
}
