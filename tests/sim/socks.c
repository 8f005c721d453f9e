/* tests/sim/socks.c - see socks.h. */
#include "tests/sim/socks.h"

#include <stdio.h>

#include "protocols/linksocks/wire.h"
#include "tests/lib/bridge.h"
#include "tests/sim/tally.h"
#include "tests/sim/world.h"

enum { ANSWER_SIZE = 12, IPV4 = 1, NAME = 3 };

/* ---- users ---- */

static bool agrees(const uint8_t *answer)
{
	return answer[0] == 5 && answer[1] == 0 && answer[2] == 5 && answer[3] == 0;
}

/* Greeting and request at once, as many clients do. */
void socks_greet(struct talk *talk, struct address target, bool by_name)
{
	static const uint8_t begin[] = {5, 1, 0, 5, 1, 0};
	struct words *front = &talk->user.front;
	uint8_t *at = front->bytes;
	char name[NAME_SIZE];
	memcpy(at, begin, sizeof begin);
	at += sizeof begin;
	if (by_name) {
		*at++ = NAME;
		*at++ = (uint8_t)snprintf(name, sizeof name, "host%u.example", target.bytes[2]);
		memcpy(at, name, strlen(name));
		at += strlen(name);
	} else {
		*at++ = IPV4;
		memcpy(at, target.bytes, 4);
		at += 4;
	}
	put16(at, target.port);
	front->size = (uint16_t)(at + 2 - front->bytes);
	talk->user.answer.size = ANSWER_SIZE;
	talk->agrees = agrees;
}

/* ---- the server ---- */

static void listens(const struct address *address, int error) { gateway_listens(address, error); }

static void bridged(bool here) { tally(here ? TALLY_bridged_here : TALLY_bridged_over); }

static void bridge_fill(struct node *node)
{
	static struct bridge_route route;
	static struct bridge bridge = {
	    .token = "reverse", .routes = &route, .route_count = 1, .told = bridged};
	route = (struct bridge_route){BRIDGE_NAME, world.bridge_host, world.bridge_port};
	bridge.service = &node->socks.server.service;
	node->gateway.detector.tls_tunnel_role = bridge_role(&bridge);
}

/* The gateway's port has it too; the own one has nothing else. */
static void detectors_fill(struct node *node)
{
	struct gateway_detector *detector = &node->gateway.detector;
	detector->linksocks = &node->socks.server;
	detector->linksocks_wire = &wire_linksocks;
	detector->linksocks_role = &role_linksocks_link;
	detector->linksocks_route = linksocks_route;
	detector->linksocks_service = &node->socks.server.service;
	node->socks.own_detector = *detector;
	node->socks.own_detector.own = true;
	node->socks.own_detector.tls_tunnel_wire = NULL;
}

static void server_build(struct node *node)
{
	struct socks *socks = &node->socks;
	static struct secret connector;
	socks->serves = true;
	socks->server_config = (struct config_linksocks){
	    .enabled = true,
	    .listens = true,
	    .listen_addr = {.family = ADDRESS_ANY, .port = SOCKS_PORT},
	    .tokens = socks->tokens,
	    .token_count = COUNT_OF(socks->tokens),
	    .connector_wait_provider = DURATION_S(5)};
	socks->tokens[0] = (struct config_token){.type = TOKEN_FORWARD};
	socks->tokens[1] =
	    (struct config_token){.type = TOKEN_REVERSE,
				  .socks = true,
				  .socks_addr = {.family = ADDRESS_ANY, .port = SOCKS_USERS_PORT},
				  .connector_tokens = &connector,
				  .connector_count = 1};
	check(secret_set(&socks->tokens[0].token, slice_of("forward")) &&
	      secret_set(&socks->tokens[1].token, slice_of("reverse")) &&
	      secret_set(&connector, slice_of("connector")));
	socks->server = (struct linksocks_server_settings){.config = &socks->server_config,
							   .gateway = &node->gateway_config,
							   .own_detector = &socks->own_detector.detector,
							   .listens = listens};
	detectors_fill(node);
	bridge_fill(node);
}

/* ---- clients ---- */

static void gives_up(const struct linksocks_client_settings *settings, const char *why)
{
	for (uint32_t i = 0; i < world.node_count; i++)
		for (uint32_t at = 0; at < world.nodes[i].socks.client_count; at++)
			if (&world.nodes[i].socks.clients[at] == settings)
				node_gives_up(&world.nodes[i]);
}

static void is_up(const struct linksocks_client_settings *settings)
{
	if (settings->tls)
		tally(TALLY_socks_over_tls);
}

/* A login is in the path of "/socket", and elsewhere a message. The own port has nothing beside "/socket". */
static const char *path_draw(void)
{
	return sim_below(2) ? "/socket" : world.knobs.socks_public ? "/" : "/socket/here";
}

static void client_add(struct node *node, const char *token, bool reverse, uint16_t users_port)
{
	struct socks *socks = &node->socks;
	uint32_t at = socks->client_count++;
	struct config_client *config = &socks->configs[at];
	bool public = world.knobs.socks_public;
	socks->endpoint = (struct config_endpoint){"10.0.1.1", public ? GATEWAY_PORT : SOCKS_PORT};
	world_trust(&node->tls);
	node->tls.alpn[0] = "http/1.1";
	*config = (struct config_client){
	    .protocol = PROTOCOL_LINKSOCKS,
	    .plaintext = !public,
	    .has_pin = public,
	    .gateways = &socks->endpoint,
	    .gateway_count = 1,
	    .reconnect = {.enabled = true, .min = DURATION_S(1), .max = DURATION_S(20), .retry_auth = true},
	    .linksocks = {.path = path_draw(),
			  .reverse = reverse,
			  .threads = 1 + (uint32_t)sim_below(SOCKS_THREADS_MAX),
			  .socks_addr = {.family = ADDRESS_ANY, .port = users_port},
			  .compression_threshold = sim_below(2) ? 512 * 1024 : 0,
			  .connect_timeout = DURATION_S(10)}};
	check(secret_set(&config->linksocks.token, slice_of(token)));
	socks->clients[at] = (struct linksocks_client_settings){
	    .config = config,
	    .tls = public ? &node->tls : NULL,
	    .ready = is_up,
	    .failed = gives_up,
	    .plays_original = world.knobs.stock};
	node->link_count += config->linksocks.threads;
}

static struct node *node_add(uint32_t host)
{
	struct node *node = &world.nodes[world.node_count++];
	node->host = &net.hosts[host];
	node->worker_count = 1 + (uint32_t)sim_below(2);
	node->is_socks = true;
	return node;
}

static void way_add(uint32_t host, uint16_t port, const struct local_service *service)
{
	struct port *way = port_add(HOST_USERS, net_address(host, port), 0, 0, NULL);
	way->socks = true;
	way->target = service->address;
}

void socks_build(void)
{
	struct node *provider = node_add(HOST_PROVIDER), *users = node_add(HOST_SOCKS);
	client_add(provider, "reverse", true, 0);
	client_add(users, "connector", false, SOCKS_USERS_PORT);
	client_add(users, "forward", false, SOCKS_USERS_PORT + 1);
	struct local_service *service =
	    service_create(&net.hosts[HOST_REMOTE], net_address(HOST_REMOTE, 7900));
	way_add(HOST_GATEWAY, SOCKS_USERS_PORT, service);
	way_add(HOST_SOCKS, SOCKS_USERS_PORT, service);
	way_add(HOST_SOCKS, SOCKS_USERS_PORT + 1, service);
	char text[ADDRESS_TEXT_SIZE];
	snprintf(world.bridge_host, sizeof world.bridge_host, "10.0.%u.1", HOST_REMOTE);
	check(strncmp(address_format(&service->address, text), world.bridge_host,
		      strlen(world.bridge_host)) == 0);
	world.bridge_port = service->address.port;
	world.bridge_service = service;
	server_build(&world.nodes[0]);
}

/* ---- a node's life ---- */

void socks_populate(struct node *node, struct hub *hub)
{
	struct socks *socks = &node->socks;
	if (socks->serves)
		check(linksocks_server_create(hub, &socks->server));
	for (uint32_t i = 0; i < socks->client_count; i++)
		check(linksocks_client_create(hub, &socks->clients[i]));
}

void socks_start(struct node *node)
{
	struct socks *socks = &node->socks;
	for (uint32_t i = 0; i < socks->client_count; i++) {
		struct linksocks_client_settings *client = &socks->clients[i];
		client->worker = (uint32_t)sim_below(node->worker_count);
		client->links = linksocks_client_links_create(client->config->linksocks.threads);
		check(client->links);
		for (size_t at = 0; at < INSTANCE_SIZE; at++)
			client->instance[at] = (uint8_t)sim_below(256);
	}
}

void socks_finish(struct node *node)
{
	struct socks *socks = &node->socks;
	for (uint32_t i = 0; i < socks->client_count; i++) {
		linksocks_client_links_destroy(socks->clients[i].links);
		socks->clients[i].links = NULL;
	}
}

void socks_free(struct node *node)
{
	struct socks *socks = &node->socks;
	for (uint32_t i = 0; i < socks->client_count; i++)
		secret_fini(&socks->configs[i].linksocks.token);
	for (size_t i = 0; socks->serves && i < COUNT_OF(socks->tokens); i++) {
		for (size_t at = 0; at < socks->tokens[i].connector_count; at++)
			secret_fini(&socks->tokens[i].connector_tokens[at]);
		secret_fini(&socks->tokens[i].token);
	}
}
