/* protocols/tls_tunnel/client_forwarder.c - local proxies whose targets leave at the gateway, or here; see
 * client.h.
 *
 * A user's target is routed (routing.h), where need be after its name was looked up; meanwhile the conn is
 * held. Success is told when the far end has agreed. Whoever runs the program may reach from here what the
 * machine can, but for our own listeners.
 */
#include "core/log.h"
#include "protocols/frontends/dial.h"
#include "protocols/frontends/http_proxy.h"
#include "protocols/frontends/socks5.h"
#include "protocols/tls_tunnel/client_inside.h"
#include "protocols/tls_tunnel/forward_name.h"
#include "protocols/tls_tunnel/routing.h"

enum { LOOKUP_S = 5, DIRECT_S = 10, ANSWER_S = 60 };

/* A conn's, on the worker where it is. */
struct forwarder_user {
	struct inquiry inquiry;
	struct session *session;
	char *name;                      /* HOST_SIZE; while it is asked for: the channel may go first */
	bool counted;                    /* one of the forwarder's FORWARDER_CONNS_MAX */
};

static struct forwarder_user *user_of(const struct session *session) { return session->role_state; }

static const struct config_forwarder *forwarder_of(const struct session *session)
{
	return &client_of(session->service)->settings->config->forwarders[session->tag];
}

/* ---- how many ---- */

static _Atomic uint32_t *count_of(const struct session *session)
{
	return &client_of(session->service)->settings->links->forwarding[session->tag];
}

/* False: there are so many already. */
static bool enter(struct session *session)
{
	_Atomic uint32_t *count = count_of(session);
	bool room = atomic_fetch_add_explicit(count, 1, memory_order_relaxed) < FORWARDER_CONNS_MAX;
	user_of(session)->counted = true;
	return room;
}

static void leave(struct session *session)
{
	if (user_of(session)->counted)
		atomic_fetch_sub_explicit(count_of(session), 1, memory_order_relaxed);
	user_of(session)->counted = false;
}

/* ---- where it goes ---- */

static void refuse(struct channel *channel, enum reason reason, const char *why)
{
	const struct session *session = channel->session;
	const struct target *target = &channel->target;
	hub_count(session->hub, COUNTER_forwards_refused, 1);
	if (hub_may_log(session->hub))
		log_info("forward refused", TEXT("name", forwarder_of(session)->name),
			 TEXT("peer", session->peer), TEXT("target", target->host),
			 NUMBER("port", target->port), TEXT("reason", why));
	channel_refuse(channel, reason, why);
}

static void go_gateway(struct session *session, struct channel *channel)
{
	char name[HOST_SIZE];
	if (!forward_name_write(name, &channel->target)) {
		refuse(channel, REASON_NAME, "the gateway takes no target that long");
		return;
	}
	enum reason reason;
	struct channel *joined = client_user_place(session, channel, &reason);
	if (joined) {
		client_count(session, PUBLISHED_FORWARDER, channel->pair);
		channel_open_within(joined, DURATION_S(ANSWER_S));
	} else if (reason == REASON_OK) {
		leave(session);                  /* it is counted again where it arrives */
	} else {
		refuse(channel, reason,
		       reason == REASON_LIMIT ? "too many channels" : "there is no link to the gateway now");
	}
}

/* `host`: its name, or the address that has decided. */
static void go_direct(struct channel *channel, const char *host)
{
	static const struct acl everything;      /* it denies our own listeners all the same */
	const struct dial_options options = {.acl = &everything, .timeout = DURATION_S(DIRECT_S)};
	if (pair_dial(channel->pair, host, channel->target.port, &options))
		client_count(channel->session, PUBLISHED_FORWARDER, channel->pair);
	else
		refuse(channel, REASON_LIMIT, reason_text(REASON_LIMIT));
}

static void name_drop(struct session *session)
{
	struct forwarder_user *user = user_of(session);
	memory_release(&session->hub->memory, user->name, HOST_SIZE);
	user->name = NULL;
}

static void looked_up(struct inquiry *inquiry, const struct address *addresses, uint32_t count)
{
	struct session *session = OWNER(inquiry, struct forwarder_user, inquiry)->session;
	struct channel *channel = session_only_channel(session);
	char text[ADDRESS_TEXT_SIZE];
	size_t which;
	name_drop(session);
	if (session->state != SESSION_OPEN || !channel || !session->held)
		return;
	switch (routing_by_addresses(&forwarder_of(session)->routing, addresses, count, &which)) {
	case WAY_DIRECT:
		go_direct(channel, count ? address_host(&addresses[which], text) : channel->target.host);
		break;
	case WAY_NOWHERE:
		refuse(channel, REASON_FORBIDDEN, "rejected by routing");
		break;
	default:
		go_gateway(session, channel);
		break;
	}
}

static void look_up(struct session *session, struct channel *channel)
{
	struct forwarder_user *user = user_of(session);
	user->name = memory_acquire(&session->hub->memory, HOST_SIZE);
	if (!user->name) {
		refuse(channel, REASON_MEMORY, reason_text(REASON_MEMORY));
		return;
	}
	text_copy(user->name, HOST_SIZE, slice_of(channel->target.host));
	user->session = session;
	user->inquiry = (struct inquiry){
		.host = user->name, .timeout = DURATION_S(LOOKUP_S), .answered = looked_up};
	hub_resolve(session->hub, &user->inquiry);
}

static void user_open(struct session *session, struct channel *channel)
{
	const struct config_forwarder *forwarder = forwarder_of(session);
	const char *host = channel->target.host;
	if (channel->target.link) {              /* routed where it came from */
		enter(session);
		go_gateway(session, channel);
		return;
	}
	switch (routing_by_host(forwarder->routed ? &forwarder->routing : NULL, host)) {
	case WAY_DIRECT:
		go_direct(channel, host);
		break;
	case WAY_NOWHERE:
		refuse(channel, REASON_FORBIDDEN, "rejected by routing");
		break;
	case WAY_ASK:
		look_up(session, channel);
		break;
	default:
		go_gateway(session, channel);
		break;
	}
}

/* ---- the role ---- */

static const struct socks5_policy socks5_policy = {.any_method = true};

static void user_start(struct session *session)
{
	if (forwarder_of(session)->type == FORWARDER_SOCKS5)
		socks5_set_policy(session, &socks5_policy);
	if (enter(session))
		return;
	hub_count(session->hub, COUNTER_forwarders_full, 1);
	if (hub_may_log(session->hub))
		log_warn("a forwarder has too many connections",
			 TEXT("name", forwarder_of(session)->name), TEXT("peer", session->peer),
			 NUMBER("max", FORWARDER_CONNS_MAX));
	session_end(session, REASON_LIMIT, NULL, false);
}

static void user_event(struct session *session, const struct event *event)
{
	if (event->kind == EVENT_OPEN)
		user_open(session, event->channel);
}

static bool user_refused(struct pair *pair, enum reason reason)
{
	const char *words = reason == REASON_FORBIDDEN
				? "not allowed; at the gateway tls_tunnel.allow_forward and access decide"
				: reason_text(reason);
	const struct channel *asker = pair->side[0];
	hub_count(pair->hub, COUNTER_forwards_refused, 1);
	if (hub_may_log(pair->hub))
		log_info("forward refused", TEXT("name", forwarder_of(asker->session)->name),
			 TEXT("peer", asker->session->peer), TEXT("target", asker->target.host),
			 NUMBER("port", asker->target.port), TEXT("reason", words));
	return false;
}

/* What went wrong in its dialogue; what becomes of a relay is the pair's to tell. */
static void tell(const struct session *session)
{
	if (reason_is_error(session->why) && session->why_text[0] && hub_may_log(session->hub))
		log_info("forwarder user refused", TEXT("name", forwarder_of(session)->name),
			 TEXT("peer", session->peer), TEXT("reason", reason_text(session->why)),
			 TEXT("detail", session->why_text));
}

static void user_ended(struct session *session)
{
	tell(session);
	hub_resolve_cancel(&user_of(session)->inquiry);
	name_drop(session);
	leave(session);
}

static const struct role role_client_forwarder = {
	.name = "forwarder",
	.session_size = sizeof(struct forwarder_user),
	.start = user_start,
	.event = user_event,
	.refused = user_refused,
	.ended = user_ended,
};

void client_forwarders_init(struct client *client)
{
	const struct config_client *config = client->settings->config;
	for (uint32_t i = 0; i < config->forwarder_count; i++) {
		const struct config_forwarder *forwarder = &config->forwarders[i];
		bool http = forwarder->type == FORWARDER_HTTP;
		const struct listening listening = {.address = forwarder->bind,
						    .wire = http ? &wire_http_proxy : &wire_socks5,
						    .role = &role_client_forwarder,
						    .tag = i,
						    .guarded = true};
		client_port_add(client, forwarder->name, &listening)->speaks = http ? "HTTP" : "SOCKS5";
	}
}
