/* tools/tunnel/run_news.c - what workers tell the main thread; see run_inside.h. */
#include <stdio.h>
#include <unistd.h>

#include "core/log.h"
#include "tools/tunnel/run_inside.h"

static struct run *running; /* there is one at a time */

void run_news_to(struct run *run) { running = run; }

static void tell_main(void)
{
	uint64_t one = 1;
	if (write(running->news, &one, sizeof one) != sizeof one)
		log_error("cannot wake the main thread");
}

static void port_told(struct run_port *port, const struct address *address, int error)
{
	port->address = *address;
	atomic_store(&port->state, error ? error : 1);
	tell_main();
}

void run_gateway_listens(const struct address *address, int error)
{
	port_told(&running->public, address, error);
}

void run_linksocks_listens(const struct address *address, int error)
{
	port_told(&running->own, address, error);
}

void run_stats_listen(const struct address *address, int error)
{
	port_told(&running->stats, address, error);
}

static bool a_client_is_up(const struct run *run)
{
	for (size_t i = 0; i < run->config->client_count; i++)
		if (run->config->clients[i].protocol == PROTOCOL_LINKSOCKS
			? linksocks_client_links_up(run->linksocks_clients[i].links)
			: atomic_load(&run->clients[i].links->ready_count) > 0)
			return true;
	return false;
}

/* Called by worker 0. */
const char *run_unready(void)
{
	const struct config *config = running->config;
	const struct config_gateway *gateway = &config->gateway;
	bool public = gateway->enabled && gateway->public;
	bool own = gateway->enabled && gateway->linksocks.enabled && gateway->linksocks.listens;
	if (atomic_load(&running->draining))
		return "the program is stopping";
	if ((public && atomic_load(&running->public.state) != 1) ||
	    (own && atomic_load(&running->own.state) != 1))
		return "the gateway does not listen yet";
	if (config->client_count && !a_client_is_up(running))
		return "no link to a gateway is up";
	return NULL;
}

void run_client_ready(const struct client_settings *settings)
{
	atomic_fetch_add(&running->clients_ready, 1);
	tell_main();
}

void run_linksocks_client_ready(const struct linksocks_client_settings *settings)
{
	atomic_fetch_add(&running->clients_ready, 1);
	tell_main();
}

void run_linksocks_client_listens(const struct linksocks_client_settings *settings,
				     const struct address *address)
{
	atomic_store(&running->users_listen, true);
	tell_main();
}

/* The first one that gives up ends the program. */
void run_linksocks_client_failed(const struct linksocks_client_settings *settings, const char *why)
{
	if (atomic_exchange(&running->failing, true))
		return;
	snprintf(running->failure, sizeof running->failure, "%s", why);
	atomic_store(&running->failed, true);
	tell_main();
}
