/* protocols/linksocks/server.c - the server's service on one worker; see server.h. */
#include "protocols/linksocks/server.h"

#include <stdlib.h>

#include "core/log.h"
#include "protocols/linksocks/autonomy.h"
#include "protocols/linksocks/ledger.h"

/* ---- the own listener ---- */

static void own_opened(struct listening *listening, int error)
{
	struct linksocks_server *server = OWNER(listening, struct linksocks_server, own);
	if (server->settings->listens)
		server->settings->listens(&listening->address, error);
}

static void own_closed(struct listening *listening) {}

static void own_listen(struct linksocks_server *server)
{
	const struct linksocks_server_settings *settings = server->settings;
	const struct config_gateway *gateway = settings->gateway;
	if (!settings->config->listens || !settings->own_detector)
		return;
	server->own = (struct listening){.address = settings->config->listen_addr,
					 .service = &server->service,
					 .detector = settings->own_detector,
					 .spread = true,
					 .guarded = true,
					 .tag = OWN_LISTENER_TAG,
					 .opened = own_opened,
					 .closed = own_closed};
	if (gateway)
		server->own.sources = (struct source_rules){.allow = gateway->sources_allow,
							    .allow_count = gateway->sources_allow_count,
							    .deny = gateway->sources_deny,
							    .deny_count = gateway->sources_deny_count};
	hub_listen(server->service.hub, &server->own);
}

/* ---- the service ---- */

static void server_start(struct service *service)
{
	struct linksocks_server *server = server_of(service);
	if (service->hub->index != 0)
		return;
	ledger_choose_ports(server);
	autonomy_start(server);
	own_listen(server);
}

/* Links go on until their channels have ended; nobody new is taken. */
static void server_drain(struct service *service)
{
	struct linksocks_server *server = server_of(service);
	if (server->own.asked)
		hub_unlisten(service->hub, &server->own);
	reverse_ports_drain(server);
	for (struct link *at = server->links.next, *next; at != &server->links; at = next) {
		next = at->next;
		session_drain(OWNER(at, struct server_link, server_link)->session);
	}
}

static void server_destroy(struct service *service)
{
	struct linksocks_server *server = server_of(service);
	check(list_is_empty(&server->links));    /* they end with their sessions */
	timer_disarm(&server->sweep);
	reverse_ports_fini(server);
	members_fini(server);
	idtable_fini(&server->links_by_id);
	idtable_fini(&server->api_conns);
	tokens_fini(&server->tokens);
	free(server);
}

static void server_ferried(struct service *service, const struct event *event)
{
	relay_ferried(server_of(service), event);
}

static const struct service_table table = {.name = "linksocks server",
					   .start = server_start,
					   .ferried = server_ferried,
					   .drain = server_drain,
					   .destroy = server_destroy};

static uint32_t seed_of(struct hub *hub)
{
	uint8_t bytes[4];
	hub_secret_bytes(hub, bytes, sizeof bytes);
	return get32(bytes);
}

struct service *linksocks_server_create(struct hub *hub, struct linksocks_server_settings *settings)
{
	struct linksocks_server *server = calloc(1, sizeof *server);
	if (!server)
		return NULL;
	server->service = (struct service){.table = &table, .hub = hub, .index = hub->service_count};
	server->settings = settings;
	server->exit = (struct linksocks_exit){.access = settings->access,
					       .via = &settings->config->target_proxy,
					       .timeout = DURATION_S(LINKSOCKS_CONNECT_S)};
	tokens_init(&server->tokens, seed_of(hub));
	server->links_by_id.seed = server->api_conns.seed = server->logins.seed = seed_of(hub);
	list_init(&server->links);
	list_init(&server->ports);
	members_init(server);
	if (!ledger_load(server)) {
		server_destroy(&server->service);
		return NULL;
	}
	if (hub->index == 0)                     /* each worker makes its own, on its own thread */
		settings->service = server->service.index;
	hub_add_service(hub, &server->service);
	return &server->service;
}

/* ---- whose path it is ---- */

static bool is_below(struct slice path, const char *folder)
{
	size_t size = strlen(folder);
	return path.size >= size && memcmp(path.at, folder, size) == 0 &&
	       (path.size == size || path.at[size] == '/');
}

const struct role *linksocks_route(const struct linksocks_server_settings *settings, struct slice path,
				   bool upgrade, bool own)
{
	if (!settings || !settings->config->enabled)
		return NULL;
	const uint8_t *query = path.size ? memchr(path.at, '?', path.size) : NULL;
	if (query)
		path.size = (size_t)(query - path.at);
	if (is_below(path, "/socket"))
		return &role_linksocks_link;     /* also without an upgrade: its wire answers 400 */
	bool api = secret_is_set(&settings->config->api_key);
	if (api && (is_below(path, "/api/token") || slice_is(path, "/api/status")))
		return &role_linksocks_api;
	return own && slice_is(path, "/") ? &role_linksocks_api : NULL;
}
