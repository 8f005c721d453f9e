/* tests/sim/forwards.c - see forwards.h. */
#include "tests/sim/forwards.h"

#include "tests/sim/world.h"

enum { CLIENT = 1, SERVICE_PORT = 7901, WAYS = FORWARDERS_COUNT / 2 };

static const char *const names[FORWARDERS_COUNT] = {"plain", "direct",	"asked",
						    "http",  "http-direct", "http-asked"};

static void routing_fill(struct config_forwarder *forwarder, struct cidr *range, bool direct)
{
	forwarder->routed = true;
	forwarder->routing = (struct config_routing){
		.default_strategy = direct ? STRATEGY_PROXY : STRATEGY_REJECT};
	*(direct ? &forwarder->routing.direct_ips : &forwarder->routing.proxy_ips) = range;
	*(direct ? &forwarder->routing.direct_ip_count : &forwarder->routing.proxy_ip_count) = 1;
}

void forwards_build(void)
{
	struct node *node = &world.nodes[CLIENT];
	struct forwards *forwards = &node->forwards;
	struct local_service *service =
	    service_create(&net.hosts[HOST_REMOTE], net_address(HOST_REMOTE, SERVICE_PORT));
	forwards->range = (struct cidr){.family = ADDRESS_IPV4, .prefix = 32};
	memcpy(forwards->range.bytes, service->address.bytes, 4);
	for (uint16_t i = 0; i < FORWARDERS_COUNT; i++) {
		struct config_forwarder *forwarder = &forwards->forwarders[i];
		*forwarder = (struct config_forwarder){
			.name = names[i],
			.type = i < WAYS ? FORWARDER_SOCKS5 : FORWARDER_HTTP,
			.bind = net_address(node->host->index, (uint16_t)(FORWARDER_PORT + i))};
		if (i % WAYS)
			routing_fill(forwarder, &forwards->range, i % WAYS == 1);
		struct port *port = port_add(HOST_USERS, forwarder->bind, 0, CLIENT, service);
		port->socks = i < WAYS;
		port->http = !port->socks;
		port->by_name = i % WAYS;
		port->target = service->address;
	}
	node->client_config.forwarders = forwards->forwarders;
	node->client_config.forwarder_count = FORWARDERS_COUNT;
	world.nodes[0].gateway_config.allow_forward = true;
}
