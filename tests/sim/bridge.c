/* tests/sim/bridge.c - a visitor of TLS Tunnel reaches a provider of LinkSocks; see socks.h.
 *
 * Neither wire knows of the other: the visitor's OPEN is joined to a channel of the provider's link, here or
 * over a ferry, where the server of LinkSocks takes it as it takes those of its connectors.
 */
#include "core/hub.h"
#include "protocols/linksocks/server_inside.h"
#include "protocols/tls_tunnel/gateway.h"
#include "tests/sim/node.h"
#include "tests/sim/tally.h"
#include "tests/sim/world.h"

static struct linksocks_server *server_here(struct hub *hub)
{
	return server_at(hub, world.nodes[0].socks.server.service);
}

/* One on another worker, if there is one. */
static struct registry_holder *provider_for(struct linksocks_server *server)
{
	struct token *token = tokens_find(&server->tokens, slice_of("reverse"));
	struct registry_holder *holder = NULL;
	for (int tries = 0; token && tries < 4; tries++) {
		holder = relay_choose(server, token, false);
		if (holder && holder->worker != server->service.hub->index)
			return holder;
	}
	return holder;
}

static enum reason bridge(struct session *session, struct channel *channel)
{
	struct hub *hub = session->hub;
	struct linksocks_server *server = server_here(hub);
	struct registry_holder *holder = provider_for(server);
	if (!holder)
		return REASON_NOT_FOUND;
	bool here = holder->worker == hub->index;
	struct target target = {.port = world.bridge_port, .service = server->service.index};
	struct session *to = here ? holder->session : hub->ferries[holder->worker];
	text_copy(target.host, sizeof target.host, slice_of(world.bridge_host));
	target.link = here ? 0 : holder->link_id;
	tally(here ? TALLY_bridged_here : TALLY_bridged_over);
	return to && channel_open(to, channel->pair, &target) ? REASON_OK : REASON_LIMIT;
}

static void bridge_event(struct session *session, const struct event *event)
{
	bool ours = event->kind == EVENT_OPEN && strcmp(event->target->host, BRIDGE_NAME) == 0;
	if (!ours) {
		role_gateway_link.event(session, event);
		return;
	}
	enum reason reason = bridge(session, event->channel);
	if (reason != REASON_OK)
		channel_refuse(event->channel, reason, NULL);
}

const struct role *bridge_role(void)
{
	static struct role role;
	role = role_gateway_link;
	role.name = "bridged link";
	role.event = bridge_event;
	return &role;
}
