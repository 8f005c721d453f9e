/* tests/sim/spread.c - see spread.h. */
#include "tests/sim/spread.h"

#include "protocols/tls_tunnel/inside.h"
#include "tests/sim/world.h"

enum { USERS_PER_LINK = 4 };

/* A port of the gateway that leads to that client and asks its users nothing. NULL: there is none. */
static const struct port *port_of(uint32_t client)
{
	const struct port *found = NULL;
	uint64_t seen = 0;
	for (uint32_t i = 0; i < world.port_count; i++) {
		const struct port *port = &world.ports[i];
		if (port->client == client && !port->visitor && !port->greets && sim_below(++seen) == 0)
			found = port;
	}
	return found;
}

static void users_come(const struct port *port, uint32_t count)
{
	uint64_t width_ns = sim_below(2) ? 1000 : (uint64_t)DURATION_S(3).ns;
	for (uint32_t i = 0; i < count; i++) {
		struct talk *talk = talk_create(port->host, port->address, USER_DEAD, ORIGIN_DEAD,
						sim.now_ns + (int64_t)sim_below(width_ns));
		check(talk);
		talk->up = talk->down = 0;
		talk->strict = false;
	}
}

/* What the gateway's links of that client carry: the least, the most, and all of them together. */
static uint32_t count_channels(const struct node *client, uint32_t *least, uint32_t *most)
{
	struct node *gateway = &world.nodes[0];
	uint32_t sum = 0;
	*least = UINT32_MAX;
	*most = 0;
	for (uint32_t i = 0; i < gateway->worker_count; i++) {
		struct hub *hub = &gateway->process.workers[i].hub;
		struct gateway *service = gateway_at(hub, gateway->gateway.detector.tls_tunnel_service);
		for (struct link *link = service->offerings.next; link != &service->offerings;
		     link = link->next) {
			const struct offering *offering = OWNER(link, struct offering, gateway_link);
			uint32_t count = offering->session->channel_count;
			if (memcmp(offering->party.instance, client->client.instance, INSTANCE_SIZE) != 0)
				continue;
			sum += count;
			*least = count < *least ? count : *least;
			*most = count > *most ? count : *most;
		}
	}
	return sum;
}

void spread_try(void)
{
	for (uint32_t i = 1; i < world.node_count; i++) {
		const struct node *client = &world.nodes[i];
		const struct port *port = port_of(i);
		uint32_t least, most, count = USERS_PER_LINK * client->link_count + (uint32_t)sim_below(4);
		if (client->link_count < 2 || client->is_intruder || client->is_stock || !port)
			continue;
		users_come(port, count);
		world_run(NULL, DURATION_S(10));
		uint32_t sum = count_channels(client, &least, &most);
		if (sum != count)
			sim_fail("of %u users of client %u %u were given a link", count, i, sum);
		if (most - least > 1)
			sim_fail("the %u links of client %u have %u to %u of %u users", client->link_count, i,
				 least, most, count);
	}
}
