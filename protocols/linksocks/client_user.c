/* protocols/linksocks/client_user.c - users of SOCKS5: each goes to the link whose turn it is; see client.h.
 *
 * They are accepted on the first link's worker and moved to the worker of the link that they got. Without a
 * link they wait for one, USER_WAIT_MS at a time, for ten seconds.
 */
#include <errno.h>
#include <stdio.h>

#include "core/constant.h"
#include "core/log.h"
#include "protocols/frontends/socks5.h"
#include "protocols/linksocks/client_inside.h"
#include "protocols/linksocks/exit.h"
#include "protocols/linksocks/wire.h"

enum { USER_WAIT_MS = 100, USER_WAITS_MAX = 100, LISTEN_RETRY_S = 10 };
/* The far end's own time to connect comes first. */
enum { USER_GRACE_S = LINKSOCKS_ANSWER_S - LINKSOCKS_CONNECT_S };

/* What the original answers: it knows no finer reasons. */
static uint8_t user_reply(enum reason reason)
{
	enum { SUCCEEDED = 0, NETWORK_UNREACHABLE = 3, HOST_UNREACHABLE = 4 };
	return reason == REASON_OK	    ? SUCCEEDED
	       : reason == REASON_NOT_FOUND ? NETWORK_UNREACHABLE
					    : HOST_UNREACHABLE;
}

static const struct socks5_policy open_policy = {.any_method = true, .udp = true, .reply = user_reply};
static const struct socks5_policy login_policy = {.password = true, .udp = true, .reply = user_reply};

static void user_start(struct session *session)
{
	const struct client *client = client_of(session->service);
	bool login = client->settings->config->linksocks.socks_user != NULL;
	socks5_set_policy(session, login ? &login_policy : &open_policy);
}

/* ---- who it is ---- */

static void user_auth(struct session *session, const struct event *event)
{
	const struct config_linksocks_client *config =
	    &client_of(session->service)->settings->config->linksocks;
	bool *welcome = session->role_state;
	bool same_user = secret_equal(slice_of(config->socks_user), event->credentials->user);
	bool same_password = secret_equal(secret_slice(&config->socks_password), event->credentials->secret);
	*welcome = same_user & same_password;
	if (!*welcome)
		hub_count(session->hub, COUNTER_logins_refused, 1);
	if (!*welcome && hub_may_log(session->hub))
		log_info("user refused", TEXT("peer", session->peer),
			 TEXT("reason", "wrong user name or password"));
	session_say(session, EVENT_AUTHED);
}

static void user_fill(struct session *session, struct event *event)
{
	const bool *welcome = session->role_state;
	if (event->kind == EVENT_AUTHED)
		event->reason = *welcome ? REASON_OK : REASON_AUTH;
}

/* ---- where it goes ---- */

static void refuse(struct channel *channel, enum reason reason, const char *why)
{
	const struct session *session = channel->session;
	if (hub_may_log(session->hub))
		log_info("user refused", TEXT("peer", session->peer), TEXT("target", channel->target.host),
			 NUMBER("port", channel->target.port), TEXT("reason", why));
	channel_refuse(channel, reason, NULL);
}

static void join(struct client_link *link, struct pair *pair)
{
	const struct config_linksocks_client *config = &link->client->settings->config->linksocks;
	struct channel *channel = channel_open(link->session, pair, &pair->side[0]->target);
	if (!channel) {
		refuse(pair->side[0], REASON_LIMIT, reason_text(REASON_LIMIT));
		return;
	}
	pair->seen = link->session->id;
	channel_open_within(channel, (struct duration){config->connect_timeout.ns +
						       DURATION_S(USER_GRACE_S).ns});
	if (config->fast_open)
		linksocks_open_fast(channel, link->connector);
}

/* The link that another worker has chosen, if it still is up. */
static struct client_link *link_chosen(const struct client *client, uint64_t chosen)
{
	struct client_link *link =
	    chosen ? linksocks_client_link_here(client, (uint32_t)chosen - 1) : NULL;
	if (!link)
		return NULL;
	burden_came(link->burden);
	return burden_is_open(link->burden) ? link : NULL;
}

static void wait_for_link(struct pair *pair)
{
	const struct client *client = client_of(pair->service);
	if (!client->draining && pair->tries++ < USER_WAITS_MAX)
		pair_retry_after(pair, DURATION_MS(USER_WAIT_MS));
	else
		refuse(pair->side[0], REASON_NOT_FOUND, "there is no link to the server now");
}

/* Whose turn it is. A user who had a link already, which has gone, is not held any more and cannot move. */
static uint32_t choose(struct client *client, const struct session *session)
{
	const struct linksocks_client_links *links = client->settings->links;
	for (uint32_t i = 0; i < links->count; i++) {
		uint32_t number = linksocks_client_next_link(links, &client->turn);
		bool here = linksocks_client_worker(client, number) == session->hub->index;
		if (number == links->count || here || session->held)
			return number;
	}
	return links->count;
}

static void place(struct pair *pair)
{
	struct channel *asker = pair->side[0];
	struct session *session = asker->session;
	struct client *client = client_of(session->service);
	struct linksocks_client_links *links = client->settings->links;
	struct client_link *link = link_chosen(client, asker->target.link);
	asker->target.link = 0;
	if (link) {
		join(link, pair);
		return;
	}
	uint32_t number = choose(client, session);
	uint32_t worker = linksocks_client_worker(client, number);
	if (number == links->count) {
		wait_for_link(pair);
	} else if (worker == session->hub->index) {
		join(linksocks_client_link_here(client, number), pair);
	} else {
		asker->target.link = number + 1;
		burden_announce(&links->burdens[number], session->hub->now);
		session_move(session, worker);
	}
}

static void user_event(struct session *session, const struct event *event)
{
	if (event->kind == EVENT_AUTH)
		user_auth(session, event);
	if (event->kind == EVENT_OPEN)
		place(event->channel->pair);
}

static void user_retry(struct pair *pair)
{
	if (pair->side[0] && !pair->side[1])
		place(pair);
}

/* Has the link gone that was asked? Then nobody has refused. */
static bool link_is_gone(const struct pair *pair)
{
	const struct client *client = client_of(pair->service);
	for (uint32_t i = 0; i < client->link_count; i++) {
		const struct session *session = client->links[i].session;
		if (session && session->id == pair->seen)
			return session->state != SESSION_OPEN;
	}
	return true;
}

static bool user_refused(struct pair *pair, enum reason reason)
{
	const struct channel *asker = pair->side[0];
	if (link_is_gone(pair) && asker->session->state == SESSION_OPEN) {
		wait_for_link(pair);
		return true;
	}
	if (hub_may_log(pair->hub))
		log_info("user refused", TEXT("peer", asker->session->peer),
			 TEXT("target", asker->target.host), NUMBER("port", asker->target.port),
			 TEXT("reason", reason_text(reason)));
	return false;
}

static const struct role role_client_user = {
    .name = "linksocks user",
    .session_size = sizeof(bool),
    .start = user_start,
    .event = user_event,
    .fill = user_fill,
    .refused = user_refused,
    .retry = user_retry,
};

/* ---- the listener ---- */

static void users_opened(struct listening *listening, int error)
{
	struct client *client = OWNER(listening, struct client, listening);
	char at[ADDRESS_TEXT_SIZE], why[ADDRESS_TEXT_SIZE + 128];
	address_format(&listening->address, at);
	if (error == 0) {
		log_info("SOCKS5 server started", TEXT("address", at));
		if (client->settings->listens)
			client->settings->listens(client->settings, &listening->address);
		return;
	}
	const char *reason =
	    error == -EADDRINUSE
		? "another process listens there; stop it or choose another (--socks-port, --socks, "
		  "listen_addr)"
	    : error == -EADDRNOTAVAIL ? "that is no address of this machine"
				      : reason_text(reason_of_errno(error));
	if (client->settings->needs_port) {
		snprintf(why, sizeof why, "cannot listen for SOCKS5 at %s: %s", at, reason);
		linksocks_client_give_up(client, why);
		return;
	}
	struct hub *hub = client->service.hub;
	log_error("cannot listen for SOCKS5", TEXT("address", at), TEXT("reason", reason),
		  NUMBER("retry_s", LISTEN_RETRY_S));
	timer_arm(&hub->wheel, &client->listen_again, instant_after(hub->now, DURATION_S(LISTEN_RETRY_S)));
}

static void users_again(struct timer *timer)
{
	linksocks_users_start(OWNER(timer, struct client, listen_again));
}

static void users_closed(struct listening *listening) {}

void linksocks_users_init(struct client *client)
{
	client->listening = (struct listening){.address = client->settings->config->linksocks.socks_addr,
					       .wire = &wire_socks5,
					       .carrier = &carrier_raw,
					       .role = &role_client_user,
					       .service = &client->service,
					       .guarded = true,
					       .opened = users_opened,
					       .closed = users_closed};
	client->listen_again.expired = users_again;
}

void linksocks_users_start(struct client *client)
{
	bool wanted = !client->settings->config->linksocks.reverse && !client->draining;
	if (wanted && !client->listening.asked && !timer_is_armed(&client->listen_again))
		hub_listen(client->service.hub, &client->listening);
}

void linksocks_users_stop(struct client *client)
{
	timer_disarm(&client->listen_again);
	if (client->listening.asked)
		hub_unlisten(client->service.hub, &client->listening);
}

void linksocks_users_fini(struct client *client) { timer_disarm(&client->listen_again); }
