/* protocols/tls_tunnel/gateway.c - the gateway's service on one worker; see gateway.h. */
#include <stdlib.h>

#include "protocols/tls_tunnel/claims.h"
#include "protocols/tls_tunnel/wire.h"

static void public_opened(struct listening *listening, int error)
{
	struct gateway *gateway = OWNER(listening, struct gateway, public);
	if (gateway->settings->listens)
		gateway->settings->listens(&listening->address, error);
}

static void public_closed(struct listening *listening) {}

static void gateway_start(struct service *service)
{
	struct gateway *gateway = gateway_of(service);
	if (service->hub->index != 0)
		return;
	const struct config_gateway *config = gateway->settings->config;
	gateway->public = (struct listening){.address = config->listen_addr,
					     .service = service,
					     .detector = &gateway->settings->detector.detector,
					     .tls = gateway->settings->tls,
					     .voucher = gateway->settings->voucher,
					     .spread = true,
					     .guarded = true,
					     .sources = {.allow = config->sources_allow,
							 .allow_count = config->sources_allow_count,
							 .deny = config->sources_deny,
							 .deny_count = config->sources_deny_count},
					     .opened = public_opened,
					     .closed = public_closed};
	hub_listen(service->hub, &gateway->public);
}

/* Links go on until their channels have ended; nobody new is taken. */
static void gateway_drain(struct service *service)
{
	struct gateway *gateway = gateway_of(service);
	if (gateway->public.asked)
		hub_unlisten(service->hub, &gateway->public);
	ports_drain(gateway);
	for (struct link *link = gateway->offerings.next; link != &gateway->offerings; link = link->next) {
		struct offering *offering = OWNER(link, struct offering, gateway_link);
		session_say(offering->session, EVENT_GOAWAY);
		session_drain(offering->session);
	}
}

static void gateway_destroy(struct service *service)
{
	struct gateway *gateway = gateway_of(service);
	check(list_is_empty(&gateway->offerings));       /* they end with their links */
	ports_fini(gateway);
	claims_fini(gateway);
	registry_fini(&gateway->registry);
	free(gateway);
}

static void gateway_ferried(struct service *service, const struct event *event)
{
	user_ferried(gateway_of(service), event);
}

static const struct service_table table = {.name = "tls_tunnel gateway",
					   .start = gateway_start,
					   .ferried = gateway_ferried,
					   .published = gateway_published,
					   .drain = gateway_drain,
					   .destroy = gateway_destroy};

struct service *gateway_create(struct hub *hub, struct gateway_settings *settings)
{
	struct gateway *gateway = calloc(1, sizeof *gateway);
	if (!gateway)
		return NULL;
	gateway->service = (struct service){.table = &table, .hub = hub, .index = hub->service_count};
	gateway->settings = settings;
	registry_init(&gateway->registry);
	list_init(&gateway->offerings);
	list_init(&gateway->ports);
	list_init(&gateway->claims);
	list_init(&gateway->parties);
	hub_add_service(hub, &gateway->service);
	return &gateway->service;
}
