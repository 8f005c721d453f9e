/* protocols/linksocks/relay.c - from a connector to a provider, here or over a ferry, perhaps after a wait.
 *
 * What was chosen travels along as target.link. Where that link has ended by then, or ends before it answers,
 * another one is chosen, as long as the wait lasts.
 */
#include "protocols/linksocks/server_inside.h"

enum { AGAIN_MS = 10 };

static const char nobody[] = "no available reverse clients";

struct registry_holder *relay_choose(struct linksocks_server *server, struct token *token, bool here)
{
	char name[PROVIDER_NAME_SIZE];
	struct token *reverse = token->kind == TOKEN_IS_CONNECTOR
				    ? tokens_find_serial(&server->tokens, token->reverse_serial)
				    : token;
	if (!reverse)
		return NULL;
	bool autonomy = reverse->kind == TOKEN_IS_AUTONOMY;
	provider_name(name, autonomy, autonomy ? token->owner : reverse->serial);
	const struct registry_entry *entry = registry_find(&server->providers, name, 0);
	return entry ? provider_next(entry, &reverse->turn, server->service.hub, here) : NULL;
}

/* Joins it to a provider's link on this worker. */
static enum reason join_here(struct session *session, struct pair *pair, const struct target *target)
{
	struct target there = *target;
	there.link = 0;
	struct channel *channel = channel_open(session, pair, &there);
	if (!channel)
		return REASON_LIMIT;
	channel_open_within(channel, DURATION_S(LINKSOCKS_ANSWER_S));
	return REASON_OK;
}

static enum reason join_elsewhere(struct linksocks_server *server, struct pair *pair,
				  const struct registry_holder *holder)
{
	struct hub *hub = server->service.hub;
	struct session *ferry = hub->ferries[holder->worker];
	struct target target = pair->side[0]->target;
	target.service = server->service.index;
	target.link = holder->link_id;
	if (!ferry || !channel_open(ferry, pair, &target))
		return REASON_LIMIT;
	burden_announce(holder->burden, hub->now);
	return REASON_OK;
}

/* NOT_FOUND: nobody provides at the moment. */
static enum reason try(struct linksocks_server *server, struct pair *pair)
{
	struct channel *asker = pair->side[0];
	const struct server_link *link = server_link_of(asker->session);
	struct token *token = tokens_find_serial(&server->tokens, link->member.serial);
	struct registry_holder *holder = token ? relay_choose(server, token, false) : NULL;
	if (!holder)
		return REASON_NOT_FOUND;
	asker->target.link = holder->link_id;
	bool here = holder->worker == server->service.hub->index;
	return here ? join_here(holder->session, pair, &asker->target)
		    : join_elsewhere(server, pair, holder);
}

static struct instant deadline_of(struct linksocks_server *server, struct pair *pair)
{
	struct duration span = server->settings->config->connector_wait_provider;
	if (!pair->seen)
		pair->seen = (uint64_t)instant_after(server->service.hub->now, span).ns;
	return (struct instant){(int64_t)pair->seen};
}

static void try_or_wait(struct linksocks_server *server, struct pair *pair)
{
	struct hub *hub = server->service.hub;
	enum reason reason = hub->draining ? REASON_LIMIT : try(server, pair);
	if (reason == REASON_OK)
		return;
	if (reason == REASON_NOT_FOUND && instant_before(hub->now, deadline_of(server, pair)))
		pair_retry_after(pair, DURATION_MS(POLL_MS));
	else
		channel_refuse(pair->side[0], reason, reason == REASON_NOT_FOUND ? nobody : NULL);
}

void relay_open(struct linksocks_server *server, const struct event *event)
{
	try_or_wait(server, event->channel->pair);
}

void relay_retry(struct pair *pair)
{
	if (pair->side[0])
		try_or_wait(server_of(pair->service), pair);
}

/* Of a link of another worker the reason must do: no provider's answer is one of these. */
bool relay_has_lost(const struct pair *pair, enum reason reason)
{
	struct linksocks_server *server = server_of(pair->service);
	uint64_t link_id = pair->side[0]->target.link;
	const struct server_link *link = server_link_find(server, link_id);
	if (link_id >> 48 == server->service.hub->index)
		return !link || !server_link_is_alive(link);
	return reason == REASON_GOAWAY || reason == REASON_LOST || reason == REASON_SILENT;
}

/* Not at once: the news that the link has gone may be on its way still. */
bool relay_refused(struct pair *pair, enum reason reason)
{
	struct linksocks_server *server = server_of(pair->service);
	const struct server_link *link = server_link_of(pair->side[0]->session);
	if (link->member.party != PARTY_CONNECTOR || !relay_has_lost(pair, reason) ||
	    !instant_before(server->service.hub->now, deadline_of(server, pair)))
		return false;
	pair_retry_after(pair, DURATION_MS(AGAIN_MS));
	return true;
}

void relay_ferried(struct linksocks_server *server, const struct event *event)
{
	struct server_link *link = server_link_find(server, event->target->link);
	if (link && link->session->burden)
		burden_came(link->session->burden);
	bool alive = link && server_link_is_alive(link) && link->member.party == PARTY_PROVIDER;
	enum reason reason =
	    alive ? join_here(link->session, event->channel->pair, event->target) : REASON_GOAWAY;
	if (reason != REASON_OK)
		channel_refuse(event->channel, reason, alive ? NULL : nobody);
}
