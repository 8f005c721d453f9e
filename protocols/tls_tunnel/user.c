/* protocols/tls_tunnel/user.c - users of published ports, visitors among them: which link takes them.
 *
 * The link that carries the least. Where it lives on another worker the connection goes there, not its bytes;
 * only what comes over a visitor's link takes a ferry. What was chosen travels along as target.link, so that
 * nobody is sent on once more, unless that link has ended meanwhile.
 */
#include <stdio.h>

#include "protocols/tls_tunnel/inside.h"

static struct registry_entry *entry_of(struct gateway *gateway, const struct target *target)
{
	return registry_find(&gateway->registry, target->host, target->port);
}

/* The link that another worker has chosen, here; or any other one here when that one is gone. */
static struct registry_holder *chosen_elsewhere(struct gateway *gateway, const struct registry_entry *entry,
						uint64_t link_id)
{
	struct hub *hub = gateway->service.hub;
	struct registry_holder *holder = registry_holder_of(entry, link_id);
	if (holder && holder->worker == hub->index)
		burden_came(holder->burden);
	if (holder && holder->session && burden_is_open(holder->burden))
		return holder;
	return registry_choose_on(entry, hub->index, hub->now);
}

static struct registry_holder *choose(struct gateway *gateway, const struct event *event)
{
	struct hub *hub = gateway->service.hub;
	const struct registry_entry *entry = entry_of(gateway, event->target);
	struct registry_holder *holder =
	    entry && event->target->link ? chosen_elsewhere(gateway, entry, event->target->link) : NULL;
	return holder || !entry ? holder : registry_choose(entry, hub->index, hub->now);
}

static void go_elsewhere(struct session *session, struct channel *channel,
			 const struct registry_holder *holder)
{
	channel->target.link = holder->link_id;
	burden_announce(holder->burden, session->hub->now);
	session_move(session, holder->worker);
}

/* The chosen link is here, or there is none. */
static void join(struct gateway *gateway, const struct registry_holder *holder, const struct event *event,
		 bool visitor)
{
	struct session *link = holder ? holder->session : NULL;
	if (link && channel_open(link, event->channel->pair, event->target))
		published_count(gateway, event->target, event->channel->pair, visitor);
	else
		channel_refuse(event->channel, link ? REASON_LIMIT : REASON_NOT_FOUND, NULL);
}

static void user_event(struct session *session, const struct event *event)
{
	struct hub *hub = session->hub;
	struct gateway *gateway = gateway_of(session->service);
	if (event->kind != EVENT_OPEN)
		return;
	struct registry_holder *holder = choose(gateway, event);
	if (holder && holder->worker != hub->index) {
		go_elsewhere(session, event->channel, holder);
		return;
	}
	join(gateway, holder, event, false);
}

const struct role role_gateway_user = {.name = "published port", .event = user_event};

enum reason user_visit(struct gateway *gateway, const struct event *event)
{
	struct hub *hub = gateway->service.hub;
	struct registry_holder *holder = choose(gateway, event);
	struct target target = *event->target;
	if (!holder)
		return REASON_NOT_FOUND;
	bool here = holder->worker == hub->index;
	struct session *to = here ? holder->session : hub->ferries[holder->worker];
	target.service = gateway->service.index;
	target.link = here ? 0 : holder->link_id;
	if (!to || !channel_open(to, event->channel->pair, &target))
		return REASON_LIMIT;
	if (here)
		published_count(gateway, event->target, event->channel->pair, true);
	else
		burden_announce(holder->burden, hub->now);
	return REASON_OK;
}

void user_ferried(struct gateway *gateway, const struct event *event)
{
	const struct registry_entry *entry = entry_of(gateway, event->target);
	struct registry_holder *holder =
	    entry ? chosen_elsewhere(gateway, entry, event->target->link) : NULL;
	join(gateway, holder, event, true);
}
