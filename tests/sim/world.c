/* tests/sim/world.c - drawn, built, stepped; see world.h. */
#include "tests/sim/world.h"

#include <stdio.h>
#include <stdlib.h>

#include "protocols/codecs/proxy_header.h"
#include "protocols/frontends/http.h"
#include "protocols/tls_tunnel/wire.h"
#include "tests/sim/associations.h"
#include "tests/sim/kernel.h"
#include "tests/sim/ring_sim.h"

enum { STEPS_MAX = 6000000, STEP_NS_MAX = 20000, LINKS_DRAWN_MAX = 5 };

struct world world;
static struct tls_certificate certificate;
static uint8_t certificate_pin[PIN_SIZE];
static uint8_t key_bytes[] = "a shared key of the simulator";
static const struct slice auth_key = {key_bytes, sizeof key_bytes - 1};

static void fill_random(void *state, uint8_t *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++)
		bytes[i] = (uint8_t)(random_next(state) >> 24);
}

void world_prepare(void)
{
	static const char *const hosts[] = {"host1.example", "10.0.1.1"};
	char why[TLS_TEXT_SIZE];
	struct tls_library_options options = {.random = fill_random, .random_state = &sim.random};
	if (tls_library_start(&options, why) != STATUS_OK ||
	    tls_certificate_make(&certificate, hosts, COUNT_OF(hosts), 1900000000, 3650, why) != STATUS_OK)
		sim_fail("no TLS: %s", why);
	check(pin_parse(certificate.pin, certificate_pin));
}

void world_trust(struct tls_settings *tls)
{
	*tls = (struct tls_settings){.has_pin = true};
	memcpy(tls->pin, certificate_pin, sizeof certificate_pin);
}

/* ---- building ---- */

/* At most, those that are still counted after a cut included. */
static uint32_t links_of_a_host(void)
{
	uint32_t links = world.knobs.links ? LINKS_DRAWN_MAX : 1;
	uint32_t socks = world.knobs.socks ? SOCKS_CLIENTS_MAX * SOCKS_THREADS_MAX : 0;
	return 2 * (links > socks ? links : socks);
}

static void limits_draw(struct limits *limits)
{
	*limits = LIMITS_DEFAULT;
	limits->process_memory = (size_t)256 << 20;
	if (sim_below(2))
		limits->channel_bytes = (size_t)sim_log_uniform(4096, 262144);
	if (sim_below(4) == 0)
		limits->session_bytes = (size_t)sim_log_uniform(16384, 1 << 20);
	limits->http_idle = DURATION_S(300);
	limits->udp_idle = DURATION_S(5 + sim_below(50));
	if (sim_below(3) == 0)
		limits->http2_window = (uint32_t)sim_log_uniform(1024, 1 << 20);
	if (world.knobs.exchanges)
		limits->connections_per_source = NET_FDS_MAX;
	if (sim.scenario != SCENARIO_LIMITS)
		return;
	limits->channels_per_session = 1 + (uint32_t)sim_below(sim_below(2) ? 12 : 200);
	if (sim_below(2))
		limits->process_memory = (size_t)sim_log_uniform(4 << 20, 64 << 20);
	if (sim_below(2))
		limits->connections_per_source = links_of_a_host() + (uint32_t)sim_below(12);
}

/* All programs come through a proxy, which says whose they are; strangers do not. */
static const struct voucher *voucher_of_programs(void)
{
	static const struct cidr programs[] = {
	    {.family = ADDRESS_IPV4, .prefix = 23, .bytes = {10, 0, HOST_CLIENTS}},
	    {.family = ADDRESS_IPV4, .prefix = 23, .bytes = {10, 0, HOST_CLIENTS + 2}},
	    {.family = ADDRESS_IPV4, .prefix = 23, .bytes = {10, 0, HOST_PROVIDER}}};
	static const struct voucher voucher = {
	    .trusted = programs, .trusted_count = COUNT_OF(programs), .read = proxy_header_source};
	return net.introduces ? &voucher : NULL;
}

static void gateway_build(struct node *node)
{
	node->is_gateway = true;
	node->host = &net.hosts[HOST_GATEWAY];
	node->worker_count = 1 + (uint32_t)sim_below(NODE_WORKERS_MAX);
	node->gateway_config = (struct config_gateway){
	    .enabled = true, .legacy = true, .listen_addr = {.family = ADDRESS_ANY, .port = GATEWAY_PORT}};
	check(secret_set(&node->gateway_config.auth_key, auth_key));
	node->tls = (struct tls_settings){.server = true,
					  .certificate = slice_of(certificate.certificate),
					  .key = slice_of(certificate.key),
					  .alpn = {"http/1.1", "h2"}};
	node->gateway = (struct gateway_settings){.config = &node->gateway_config,
						  .listens = gateway_listens,
						  .voucher = voucher_of_programs(),
						  .tls = world.knobs.tls ? &node->tls : NULL,
						  .detector = {.detector = {.detect = gateway_detect},
							       .tls_tunnel_wire = &wire_tls_tunnel,
							       .transports = (1u << TRANSPORT_COUNT) - 1,
							       .tls_tunnel_role = &role_gateway_link,
							       .http_wire = &wire_http,
							       .not_found_role = &role_http_not_found}};
}

struct local_service *service_create(struct net_host *host, struct address address)
{
	struct local_service *service = &world.services[world.service_count++];
	*service = (struct local_service){.host = host, .address = address};
	service_up(service);
	return service;
}

struct port *port_add(uint32_t host, struct address address, uint32_t client, uint32_t visitor,
		      struct local_service *service)
{
	check(world.port_count < PORTS_MAX);
	struct port *port = &world.ports[world.port_count++];
	*port = (struct port){.host = &net.hosts[host],
			      .address = address,
			      .client = client,
			      .visitor = visitor,
			      .service = service};
	return port;
}

/* One proxy of a client: its service, its users at the gateway, and those who come to any worker. */
static void proxy_build(struct node *node, uint32_t index, uint32_t at)
{
	struct config_client *config = &node->client_config;
	struct config_proxy *proxy = &node->proxies[at];
	struct node *gateway = &world.nodes[0];
	bool shared = world.knobs.contest && at == 0;
	bool remote = sim_below(4) == 0;
	uint16_t local_port = (uint16_t)(7000 + 10 * index + at);
	snprintf(node->names[at], NAME_SIZE, shared ? "shared" : "c%u-p%u", index, at);
	*proxy = (struct config_proxy){.name = node->names[at],
				       .type = "tcp",
				       .publish_addr = sim_below(2) ? "0.0.0.0" : "10.0.1.1",
				       .publish_port = (uint16_t)(shared ? 21000 : 20000 + 10 * index + at)};
	proxy->proxy_protocol = sim_below(4) ? PROXY_HEADER_OFF : (enum config_proxy_header)sim_below(3);
	proxy->local = (struct config_endpoint){remote ? "host9.example" : "127.0.0.1", local_port};
	struct net_host *host = remote ? &net.hosts[HOST_REMOTE] : node->host;
	struct local_service *service = service_create(host, net_address(host->index, local_port));
	config->proxy_count = at + 1;
	if (shared && index != 1)
		return;
	port_add(HOST_USERS, net_address(HOST_GATEWAY, proxy->publish_port), index, 0, service);
	struct mover *mover = &gateway->movers[gateway->mover_count];
	*mover = (struct mover){.port = proxy->publish_port,
				.listen_port = (uint16_t)(25000 + gateway->mover_count)};
	memcpy(mover->name, node->names[at], NAME_SIZE);
	mover->greets = sim_below(2);
	gateway->mover_count++;
	for (uint32_t worker = 0; worker < gateway->worker_count; worker++)
		port_add(HOST_USERS, net_address(HOST_GATEWAY, (uint16_t)(mover->listen_port + 100 * worker)),
			 index, 0, service)
		    ->greets = mover->greets;
}

/* One in three by WebSocket, one by HTTP/2; old ones where nothing is asked that they cannot do. */
static void transport_draw(struct config_client *config, struct tls_settings *tls)
{
	static const enum config_generation old[] = {GENERATION_14, GENERATION_14Y, GENERATION_10};
	config->transport = (enum config_transport)sim_below(TRANSPORT_COUNT);
	config->path = "/tunnel";
	config->plaintext = !world.knobs.tls;
	if (config->transport == TRANSPORT_HTTP2)
		tls->alpn[0] = "h2";
	if (world.knobs.stock && !world.knobs.links && sim_below(3) == 0)
		config->generation = old[sim_below(COUNT_OF(old))];
	else if (sim_below(2))
		config->generation = GENERATION_15;
}

static void client_build(struct node *node, uint32_t index)
{
	struct config_client *config = &node->client_config;
	node->host = &net.hosts[HOST_CLIENTS + index - 1];
	node->worker_count = 1 + (uint32_t)sim_below(2);
	node->link_count = world.knobs.links ? 1 + (uint32_t)sim_below(LINKS_DRAWN_MAX) : 1;
	node->endpoint = (struct config_endpoint){sim_below(2) ? "host1.example" : "10.0.1.1", GATEWAY_PORT};
	*config = (struct config_client){
	    .gateways = &node->endpoint,
	    .gateway_count = 1,
	    .has_pin = true,
	    .local_retries = 3,
	    .local_retry_delay = DURATION_S(1),
	    .reconnect = {.enabled = true, .min = DURATION_S(1), .max = DURATION_S(20)},
	    .proxies = node->proxies,
	    .visitors = node->visitors};
	check(secret_set(&config->auth_key, auth_key));
	world_trust(&node->tls);
	transport_draw(config, &node->tls);
	node->client = (struct client_settings){.config = config, .tls = world.knobs.tls ? &node->tls : NULL};
	node->is_stock = world.knobs.stock;
	uint32_t proxies = 1 + (uint32_t)sim_below(3);
	if (world.knobs.contest && index < 3 && proxies == 1)
		proxies = 2;                 /* so that not all of them are refused */
	for (uint32_t at = 0; at < proxies; at++)
		proxy_build(node, index, at);
}

/* Some of what is published, by whomever. */
static void visitors_build(struct node *node, uint32_t index)
{
	struct config_client *config = &node->client_config;
	uint32_t published = config->generation == GENERATION_10 ? 0 : world.port_count;
	for (uint32_t at = 0; at < published && config->visitor_count < NODE_VISITORS_MAX; at++) {
		const struct port *port = &world.ports[at];
		if (port->visitor || port->address.port >= 25000 || sim_below(3) == 0)
			continue;
		struct node *publisher = &world.nodes[port->client];
		uint32_t slot = (uint32_t)config->visitor_count++;
		uint16_t bind_port = (uint16_t)(26000 + slot);
		for (size_t i = 0; i < publisher->client_config.proxy_count; i++)
			if (publisher->proxies[i].publish_port == port->address.port)
				memcpy(node->visited[slot], publisher->names[i], NAME_SIZE);
		node->visitors[slot] =
		    (struct config_visitor){.name = node->visited[slot],
					    .type = "tcp",
					    .publish_port = port->address.port,
					    .bind = net_address(node->host->index, bind_port)};
		port_add(node->host->index, node->visitors[slot].bind, port->client, index, port->service);
	}
}

/* And one visitor of what LinkSocks provides. */
static void bridge_visitor_build(struct node *node, uint32_t index)
{
	struct config_client *config = &node->client_config;
	if (config->visitor_count == NODE_VISITORS_MAX || config->generation == GENERATION_10)
		return;
	uint32_t slot = (uint32_t)config->visitor_count++;
	uint16_t bind_port = (uint16_t)(26000 + NODE_VISITORS_MAX);
	node->visitors[slot] = (struct config_visitor){.name = BRIDGE_NAME,
						       .type = "tcp",
						       .publish_port = BRIDGE_PORT,
						       .bind = net_address(node->host->index, bind_port)};
	port_add(node->host->index, node->visitors[slot].bind, 0, index, world.bridge_service);
}

/* Tries to log in with another key, for ever. */
static void intruder_build(struct node *node)
{
	static uint8_t wrong[] = "a key of somebody else";
	client_build(node, world.node_count);
	node->is_intruder = true;
	node->client_config.proxy_count = 0;
	check(secret_set(&node->client_config.auth_key, (struct slice){wrong, sizeof wrong - 1}));
}

static void knobs_draw(struct knobs *knobs)
{
	bool limits = sim.scenario == SCENARIO_LIMITS;
	*knobs =
	    (struct knobs){.tls = sim.scenario == SCENARIO_TLS, .contest = sim.scenario == SCENARIO_CONTEST};
	knobs->strict = sim.scenario == SCENARIO_CALM || sim.scenario == SCENARIO_DRAIN ||
			sim.scenario == SCENARIO_SERVICE || sim.scenario == SCENARIO_EXCHANGES;
	knobs->stock =
	    sim_below(6) == 0 && sim.scenario != SCENARIO_CONTEST && sim.scenario != SCENARIO_DRAIN;
	knobs->rude = sim.scenario != SCENARIO_DRAIN && sim.scenario != SCENARIO_SERVICE && sim_below(3);
	knobs->links = sim_below(3) == 0;
	knobs->socks = sim_below(2) && sim.scenario != SCENARIO_SERVICE;
	knobs->socks_public = knobs->socks && sim_below(2);
	knobs->tls = knobs->tls || knobs->socks_public;
	knobs->forwards = sim_below(3) == 0 && sim.scenario != SCENARIO_SERVICE;
	knobs->exchanges = sim.scenario == SCENARIO_EXCHANGES;
	knobs->forwards = knobs->forwards || knobs->exchanges;
	knobs->crowd = sim_below(sim.scenario == SCENARIO_STOP || limits ? 2 : 4) == 0;
	bool many = limits || knobs->crowd;
	knobs->users =
	    many ? 40 + (uint32_t)sim_below(knobs->crowd ? 200 : 120) : 2 + (uint32_t)sim_below(30);
	knobs->span_ns = DURATION_S(5 + sim_below(sim_below(5) ? 55 : 300)).ns;
	if (knobs->exchanges) {
		knobs->users = 100 + (uint32_t)sim_below(300);
		knobs->span_ns = DURATION_S(2 + sim_below(20)).ns;
	}
	knobs->pause = sim_below(2) ? (uint32_t)sim_below(100) : 0;
	knobs->pause_ns = DURATION_MS(1 + sim_below(50)).ns;
	peers.size_max = sim_log_uniform(256, sim_below(8) ? 65536 : 1 << 20);
	if (knobs->exchanges)
		peers.size_max = sim_log_uniform(1, 4096);
	peers.late_ns = sim_below(3) ? 0 : (int64_t)sim_log_uniform(1000000, 5000000000);
	peers.strict = knobs->strict;
	net.faults = (struct net_faults){.kernel_notices = sim_below(2),
					 .latency_ns = (int64_t)sim_log_uniform(1000, 100000000),
					 .jitter_ns = (int64_t)sim_log_uniform(1000, 30000000)};
	if (sim_below(3))
		net.faults.partial = (uint32_t)sim_below(700);
	if (sim_below(3) == 0)
		net.faults.tiny = (uint32_t)sim_below(500);
	if (sim_below(4) == 0 && peers.size_max < 20000)
		net.faults.pipe_small = (uint32_t)sim_below(1000);
	ring_sim_faults = (struct ring_sim_faults){.late = sim_below(2) ? (uint32_t)sim_below(300) : 0,
						   .lost_race = (uint32_t)sim_below(500),
						   .ends = sim_below(2) ? (uint32_t)sim_below(100) : 0};
	ring_sim_faults.eager = sim_below(2) ? (uint32_t)sim_below(900) : 0;
	ring_sim_faults.fails = sim_below(2) ? (uint32_t)sim_below(8) : 0;
	knobs->associations = sim_below(3) == 0;
	knobs->epoll = !knobs->associations && sim_below(2);
	net.whole_reads = knobs->epoll;
	net.introduces = sim_below(4) == 0;
	net.faults.datagrams_lost = sim_below(2) ? (uint32_t)sim_below(200) : 0;
	net.faults.datagrams_twice = sim_below(2) && !knobs->strict ? (uint32_t)sim_below(200) : 0;
	net.faults.datagrams_stuck = sim_below(2) ? (uint32_t)sim_below(300) : 0;
	net.faults.datagrams_icmp = knobs->strict ? 0 : (uint32_t)sim_below(1000);
}

void world_build(void)
{
	memset(&world, 0, sizeof world);
	net_start();
	peers_start();
	associations_start();
	resolve_start();
	knobs_draw(&world.knobs);
	uint32_t clients =
	    world.knobs.contest ? 2 + (uint32_t)sim_below(2) : 1 + (uint32_t)sim_below(CLIENTS_MAX);
	world.node_count = 1 + clients;
	gateway_build(&world.nodes[0]);
	for (uint32_t i = 1; i <= clients; i++)
		client_build(&world.nodes[i], i);
	for (uint32_t i = 1; i <= clients; i++)
		visitors_build(&world.nodes[i], i);
	if (sim_below(4) == 0) {
		uint32_t ports = world.port_count, movers = world.nodes[0].mover_count;
		intruder_build(&world.nodes[world.node_count++]);
		world.port_count = ports;
		world.nodes[0].mover_count = movers;
	}
	if (world.knobs.socks) {
		socks_build();
		bridge_visitor_build(&world.nodes[1], 1);
	}
	if (world.knobs.forwards && world.nodes[1].client_config.generation != GENERATION_10)
		forwards_build();
	bool few = sim.scenario == SCENARIO_LIMITS || sim_below(4) == 0;
	for (uint32_t i = 0; i < world.node_count; i++) {
		limits_draw(&world.nodes[i].limits);
		world.nodes[i].engine = world.knobs.epoll ? &ring_epoll : &ring_sim;
		world.nodes[i].receive_max = few ? 8 + (uint32_t)sim_below(24) : 0;
	}
}

void world_free(void)
{
	for (uint32_t i = 0; i < world.node_count; i++) {
		secret_fini(&world.nodes[i].gateway_config.auth_key);
		secret_fini(&world.nodes[i].client_config.auth_key);
		socks_free(&world.nodes[i]);
	}
	peers_end();
	net_end();
	ring_sim_end();
	kernel_end();
}

void service_up(struct local_service *service)
{
	int error;
	if (service->listener)
		return;
	service->listener = net_listen(service->host, &service->address, 512, false, &error);
	check(service->listener);
	origin_accepts(service->listener);
}

void service_down(struct local_service *service)
{
	if (service->listener)
		net_close(service->listener, true);
	service->listener = NULL;
}

struct talk *world_talk(const struct port *port, bool rude, int64_t at_ns)
{
	struct talk *talk = talk_draw(port->host, port->address, rude, at_ns);
	if (!talk)
		return NULL;
	talk->stock = world.knobs.stock;
	if (port->socks)
		socks_greet(talk, port->target, port->by_name);
	if (port->greets) {
		talk->user.front.bytes[0] = (uint8_t)sim_below(32);
		talk->user.front.size = (uint16_t)(1 + talk->user.front.bytes[0]);
	}
	if (talk->stock && talk->origin_kind == ORIGIN_ANSWERS)
		talk->origin_kind = sim_below(4) ? ORIGIN_POLITE : ORIGIN_ANSWERS;
	if (port->http)
		(sim_below(3) ? http_ask : http_tunnel)(talk, port->target, port->by_name);
	return talk;
}

/* ---- stepping ---- */

/* Nobody has work: on to whatever is next. */
static void sleep_until(int64_t limit_ns)
{
	int64_t next = sim_next_event();
	for (uint32_t i = 0; i < world.node_count; i++)
		if (node_next(&world.nodes[i]) < next)
			next = node_next(&world.nodes[i]);
	if (next > limit_ns)
		next = limit_ns;
	if (next > sim.now_ns)
		sim.now_ns = next;
	else
		sim.now_ns++; /* a timer that is due to a worker which is not: it has stopped */
}

static void step(int64_t limit_ns)
{
	struct { struct node *node; uint32_t worker; } able[NODES_MAX * NODE_WORKERS_MAX];
	uint32_t count = 0;
	sim_fire_due();
	for (uint32_t i = 0; i < world.node_count; i++) {
		struct node *node = &world.nodes[i];
		for (uint32_t k = 0; node->state != NODE_OFF && k < node->worker_count; k++) {
			if (!node_is_runnable(node, k))
				continue;
			able[count].node = node;
			able[count++].worker = k;
		}
	}
	uint64_t peers_share = peers_are_due() ? 1 + count : 0;
	if (!count && !peers_share) {
		sleep_until(limit_ns);
		return;
	}
	uint64_t at = sim_below(count + peers_share);
	if (at >= count) {
		peers_step();
	} else {
		node_turn(able[at].node, able[at].worker);
		if (!world.over && sim_chance(world.knobs.pause))
			able[at].node->paused_until_ns[able[at].worker] =
			    sim.now_ns + (int64_t)sim_below((uint64_t)world.knobs.pause_ns);
	}
	sim.now_ns += (int64_t)sim_below(STEP_NS_MAX);
	if (++sim.steps > STEPS_MAX)
		sim_fail("no end after so many steps");
}

bool world_run(bool (*is_so)(void), struct duration limit)
{
	int64_t until = sim.now_ns + limit.ns;
	while (sim.now_ns < until) {
		if (is_so && is_so())
			return true;
		step(until);
	}
	return is_so ? is_so() : true;
}

bool world_may_be_refused(const struct node *node)
{
	return node->is_intruder || (world.knobs.contest && node->client_config.proxy_count == 1);
}

bool world_is_ready(void)
{
	for (uint32_t i = 1; i < world.node_count; i++) {
		if (!world_may_be_refused(&world.nodes[i]) && !node_is_ready(&world.nodes[i]))
			return false;
	}
	return true;
}

bool world_talks_are_over(void) { return peers.open_count == 0; }

bool world_has_stopped(void)
{
	for (uint32_t i = 0; i < world.node_count; i++) {
		struct node *node = &world.nodes[i];
		if (node->state == NODE_STOPPING)
			node_finish(node);
		if (node->state != NODE_OFF)
			return false;
	}
	return true;
}
