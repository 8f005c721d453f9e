/* protocols/linksocks/reverse_port.c - where a reverse token's users come in: a listener on its home worker.
 *
 * Opens when the first provider has logged in and stays when all have gone. A port that is in use is tried
 * again; where it was ours to choose, worker 0 chooses another one.
 */
#include <errno.h>
#include <stdlib.h>

#include "core/log.h"
#include "core/retry.h"
#include "protocols/frontends/socks5.h"
#include "protocols/linksocks/ledger.h"

enum { FIRST_DELAY_MS = 200, LAST_DELAY_MS = 10000, CHOICES_MAX = 32 };

struct reverse_port {
	struct link server_link;
	struct linksocks_server *server;
	struct listening listening;
	struct timer retry;
	struct retry delay;
	uint64_t serial;                         /* of the token */
	uint32_t tries;
	bool closing;                            /* its token is gone */
};

static struct reverse_port *port_find(struct linksocks_server *server, uint64_t serial)
{
	for (struct link *link = server->ports.next; link != &server->ports; link = link->next) {
		struct reverse_port *port = OWNER(link, struct reverse_port, server_link);
		if (port->serial == serial && !port->closing)
			return port;
	}
	return NULL;
}

static void port_free(struct reverse_port *port)
{
	timer_disarm(&port->retry);
	link_remove(&port->server_link);
	link_remove(&port->listening.request.link);
	free(port);
}

static void opened(struct listening *listening, int error);

static void closed(struct listening *listening)
{
	struct reverse_port *port = OWNER(listening, struct reverse_port, listening);
	if (port->closing)
		port_free(port);
}

static void port_listen(struct reverse_port *port)
{
	struct linksocks_server *server = port->server;
	const struct token *token = tokens_find_serial(&server->tokens, port->serial);
	if (!token || server->service.hub->draining || port->listening.asked)
		return;
	port->listening = (struct listening){.address = token->socks_addr,
					     .service = &server->service,
					     .wire = &wire_socks5,
					     .carrier = &carrier_raw,
					     .role = &role_linksocks_user,
					     .guarded = true,
					     .tag = token->serial,
					     .opened = opened,
					     .closed = closed};
	hub_listen(server->service.hub, &port->listening);
}

static void retry(struct timer *timer) { port_listen(OWNER(timer, struct reverse_port, retry)); }

static void failed(struct reverse_port *port, const struct token *token, int error)
{
	struct hub *hub = port->server->service.hub;
	char where[ADDRESS_TEXT_SIZE];
	bool other = token->any_port && error == -EADDRINUSE && ++port->tries < CHOICES_MAX;
	if (hub_may_log(hub))
		log_warn(other ? "cannot open a SOCKS port, takes another" : "cannot open a SOCKS port",
			 TEXT("address", address_format(&token->socks_addr, where)),
			 TEXT("reason", error == -EADDRINUSE ? "somebody else has the port"
							     : reason_text(reason_of_errno(error))));
	if (other) {
		ledger_port_taken(port->server, token);
		return;
	}
	timer_arm(&hub->wheel, &port->retry, instant_after(hub->now, retry_next(&port->delay)));
}

static void opened(struct listening *listening, int error)
{
	struct reverse_port *port = OWNER(listening, struct reverse_port, listening);
	const struct token *token = tokens_find_serial(&port->server->tokens, port->serial);
	char where[ADDRESS_TEXT_SIZE];
	if (!token || port->closing)
		return;
	if (error) {
		failed(port, token, error);
		return;
	}
	port->tries = 0;
	retry_reset(&port->delay);
	log_info("SOCKS port open", TEXT("address", address_format(&listening->address, where)));
}

void reverse_port_open(struct linksocks_server *server, const struct token *token)
{
	struct hub *hub = server->service.hub;
	bool home = token->serial % hub->worker_count == hub->index;
	if (!home || token->socks_addr.family == ADDRESS_NONE || port_find(server, token->serial))
		return;
	struct reverse_port *port = calloc(1, sizeof *port);
	check(port);
	port->server = server;
	port->serial = token->serial;
	port->retry.expired = retry;
	port->delay = retry_of(DURATION_MS(FIRST_DELAY_MS), DURATION_MS(LAST_DELAY_MS), RETRY_TWICE);
	list_push(&server->ports, &port->server_link);
	port_listen(port);
}

void reverse_port_move(struct linksocks_server *server, const struct token *token)
{
	struct reverse_port *port = port_find(server, token->serial);
	if (port)
		port_listen(port);
}

void reverse_port_close(struct linksocks_server *server, uint64_t serial)
{
	struct reverse_port *port = port_find(server, serial);
	if (!port)
		return;
	port->closing = true;
	timer_disarm(&port->retry);
	if (port->listening.asked)
		hub_unlisten(server->service.hub, &port->listening);
	else
		port_free(port);
}

void reverse_ports_drain(struct linksocks_server *server)
{
	for (struct link *link = server->ports.next; link != &server->ports; link = link->next) {
		struct reverse_port *port = OWNER(link, struct reverse_port, server_link);
		timer_disarm(&port->retry);
		if (port->listening.asked)
			hub_unlisten(server->service.hub, &port->listening);
	}
}

void reverse_ports_fini(struct linksocks_server *server)
{
	while (!list_is_empty(&server->ports))
		port_free(OWNER(server->ports.next, struct reverse_port, server_link));
}
