/* protocols/tls_tunnel/client_user.c - which link carries a local user, of a visitor or of a forwarder.
 *
 * Of the links that are up the one that carries the least; the user's conn moves to its worker, where its
 * OPEN is delivered again with the link's number.
 */
#include "protocols/tls_tunnel/client_inside.h"

/* Its number, or the count of links: none is up. Of equals one that lives here. */
static uint32_t choose_link(const struct client *client)
{
	const struct client_links *links = client->settings->links;
	const struct hub *hub = client->service.hub;
	uint32_t best = links->count;
	uint64_t least = 0;
	for (uint32_t number = 0; number < links->count; number++) {
		const struct burden *burden = &links->burdens[number];
		uint64_t weight = burden_weight(burden, hub->now);
		if (!burden_is_open(burden))
			continue;
		bool nearer = client_link_worker(client, number) == hub->index &&
			      client_link_worker(client, best) != hub->index;
		if (best < links->count && (weight > least || (weight == least && !nearer)))
			continue;
		best = number;
		least = weight;
	}
	return best;
}

/* The link that another worker has chosen, if it still is up. */
static struct session *link_chosen(const struct client *client, uint64_t chosen)
{
	const struct client_link *link = chosen ? client_link_here(client, (uint32_t)chosen - 1) : NULL;
	if (!link)
		return NULL;
	burden_came(link->burden);
	return link->state == LINK_READY ? link->session : NULL;
}

struct channel *client_user_place(struct session *session, struct channel *channel, enum reason *reason)
{
	struct client *client = client_of(session->service);
	struct client_links *links = client->settings->links;
	struct session *link = link_chosen(client, channel->target.link);
	uint32_t number = link ? links->count : choose_link(client);
	if (number < links->count && client_link_worker(client, number) != session->hub->index) {
		channel->target.link = number + 1;
		burden_announce(&links->burdens[number], session->hub->now);
		session_move(session, client_link_worker(client, number));
		*reason = REASON_OK;
		return NULL;
	}
	if (number < links->count)
		link = client_link_here(client, number)->session;
	struct channel *joined = link ? channel_open(link, channel->pair, &channel->target) : NULL;
	*reason = joined ? REASON_OK : link ? REASON_LIMIT : REASON_UNREACHABLE;
	return joined;
}
