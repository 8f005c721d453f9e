/* tests/lib/bridge.c - see bridge.h. */
#include "tests/lib/bridge.h"

#include "protocols/linksocks/server_inside.h"
#include "protocols/tls_tunnel/gateway.h"

enum { TRIES_MAX = 8 };

static const struct bridge *bridge;

static const struct bridge_route *route_of(const struct target *target)
{
	for (size_t i = 0; i < bridge->route_count; i++)
		if (strcmp(bridge->routes[i].name, target->host) == 0)
			return &bridge->routes[i];
	return NULL;
}

/* One on another worker, if there is one. */
static struct registry_holder *provider_for(struct linksocks_server *server)
{
	struct token *token = tokens_find(&server->tokens, slice_of(bridge->token));
	struct registry_holder *holder = NULL;
	for (int tries = 0; token && tries < TRIES_MAX; tries++) {
		holder = relay_choose(server, token, false);
		if (!holder || holder->worker != server->service.hub->index)
			return holder;
	}
	return holder;
}

enum reason bridge_join(struct hub *hub, struct pair *pair, const struct target *target, bool *here)
{
	struct linksocks_server *server = server_at(hub, *bridge->service);
	struct registry_holder *holder = server ? provider_for(server) : NULL;
	if (!holder)
		return REASON_NOT_FOUND;
	*here = holder->worker == hub->index;
	struct session *to = *here ? holder->session : hub->ferries[holder->worker];
	struct target there = *target;
	there.service = server->service.index;
	there.link = *here ? 0 : holder->link_id;
	if (!to || !channel_open(to, pair, &there))
		return REASON_LIMIT;
	if (!*here)
		burden_announce(holder->burden, hub->now);
	return REASON_OK;
}

static enum reason join(struct session *session, struct channel *channel, const struct bridge_route *route)
{
	struct target target = {.port = route->port};
	bool here;
	text_copy(target.host, sizeof target.host, slice_of(route->host));
	enum reason reason = bridge_join(session->hub, channel->pair, &target, &here);
	if (reason == REASON_OK && bridge->told)
		bridge->told(here);
	return reason;
}

static void link_event(struct session *session, const struct event *event)
{
	const struct bridge_route *route = event->kind == EVENT_OPEN ? route_of(event->target) : NULL;
	if (!route) {
		role_gateway_link.event(session, event);
		return;
	}
	enum reason reason = join(session, event->channel, route);
	if (reason != REASON_OK)
		channel_refuse(event->channel, reason, NULL);
}

const struct role *bridge_role(const struct bridge *of)
{
	static struct role role;
	bridge = of;
	role = role_gateway_link;
	role.name = "bridged link";
	role.event = link_event;
	return &role;
}
