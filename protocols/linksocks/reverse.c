/* protocols/linksocks/reverse.c - SOCKS users of a reverse token: who they are, whose provider's turn it is.
 *
 * A user is held until it has a provider. One of another worker: the user goes there, with target.link saying
 * to whom; if that link has ended meanwhile, it is chosen again from there.
 */
#include "core/constant.h"
#include "core/log.h"
#include "protocols/frontends/socks5.h"
#include "protocols/linksocks/server_inside.h"
#include "protocols/linksocks/wire.h"

struct user {
	bool known;                      /* the password was right */
};

/* As the original: it tells only "no provider" apart. */
static uint8_t reply_of(enum reason reason)
{
	return reason == REASON_OK ? 0 : reason == REASON_NOT_FOUND ? 3 : 4;
}

static const struct socks5_policy open_policy = {.any_method = true, .udp = true, .reply = reply_of};
static const struct socks5_policy password_policy = {.password = true, .udp = true, .reply = reply_of};

static struct token *token_of(const struct session *session)
{
	return tokens_find_serial(&server_of(session->service)->tokens, session->tag);
}

static bool wants_password(const struct token *token)
{
	return secret_is_set(&token->username) && secret_is_set(&token->password);
}

static void user_start(struct session *session)
{
	const struct token *token = token_of(session);
	if (token)
		socks5_set_policy(session, wants_password(token) ? &password_policy : &open_policy);
	else
		session_end(session, REASON_FORBIDDEN, "its token was removed", false);
}

static void user_auth(struct session *session, const struct credentials *shown)
{
	struct user *user = session->role_state;
	const struct token *token = token_of(session);
	bool same_name = token && secret_is_equal(&token->username, shown->user);
	bool same_password = token && secret_is_equal(&token->password, shown->secret);
	user->known = same_name & same_password;
	if (!user->known) {
		hub_count(session->hub, COUNTER_logins_refused, 1);
		if (hub_may_log(session->hub))
			log_info("SOCKS user refused", TEXT("peer", session->peer),
				 TEXT("reason", "wrong user name or password"));
	}
	session_say(session, EVENT_AUTHED);
}

/* ---- whose turn it is ---- */

static void join(struct session *session, struct pair *pair, struct session *provider)
{
	const struct linksocks_server *server = server_of(session->service);
	struct target target = pair->side[0]->target;
	pair->side[0]->target.link = provider->id;
	target.link = 0;
	struct channel *channel = channel_open(provider, pair, &target);
	if (!channel) {
		channel_refuse(pair->side[0], REASON_LIMIT, NULL);
		return;
	}
	if (server->settings->config->fast_open)
		linksocks_open_fast(channel, false);
	channel_open_within(channel, DURATION_S(LINKSOCKS_ANSWER_S));
}

static void wait(struct session *session, struct pair *pair)
{
	struct instant now = session->hub->now;
	if (!pair->seen)
		pair->seen = (uint64_t)instant_after(now, DURATION_S(USER_WAIT_S)).ns;
	if (instant_before(now, (struct instant){(int64_t)pair->seen}))
		pair_retry_after(pair, DURATION_MS(POLL_MS));
	else
		channel_refuse(pair->side[0], REASON_NOT_FOUND, NULL);
}

static void place(struct session *session, struct pair *pair)
{
	struct linksocks_server *server = server_of(session->service);
	struct hub *hub = session->hub;
	struct channel *channel = pair->side[0];
	struct token *token = token_of(session);
	struct registry_holder *holder =
	    token && !hub->draining ? relay_choose(server, token, !session->held) : NULL;
	if (!token || hub->draining) {
		channel_refuse(channel, REASON_NOT_FOUND, NULL);
	} else if (!holder) {
		wait(session, pair);
	} else if (holder->worker == hub->index) {
		join(session, pair, holder->session);
	} else {
		channel->target.link = holder->link_id;
		burden_announce(holder->burden, hub->now);
		session_move(session, holder->worker);
	}
}

/* It comes from its port's worker, or has been sent here to a certain link. */
static void user_open(struct session *session, const struct event *event)
{
	struct linksocks_server *server = server_of(session->service);
	struct server_link *link =
	    event->target->link ? server_link_find(server, event->target->link) : NULL;
	if (link && link->session->burden)
		burden_came(link->session->burden);
	if (link && server_link_is_alive(link))
		join(session, event->channel->pair, link->session);
	else
		place(session, event->channel->pair);
}

static void user_event(struct session *session, const struct event *event)
{
	if (event->kind == EVENT_AUTH)
		user_auth(session, event->credentials);
	else if (event->kind == EVENT_OPEN)
		user_open(session, event);
}

static void user_fill(struct session *session, struct event *event)
{
	const struct user *user = session->role_state;
	if (event->kind == EVENT_AUTHED)
		event->reason = user->known ? REASON_OK : REASON_AUTH;
}

/* The provider's link has ended before it answered: another one gets the user, of this worker, since one that
 * has been placed cannot move. */
static bool user_refused(struct pair *pair, enum reason reason)
{
	if (!relay_has_lost(pair, reason) || pair->side[0]->session->state != SESSION_OPEN)
		return false;
	pair_retry_after(pair, DURATION_MS(POLL_MS));
	return true;
}

static void user_retry(struct pair *pair)
{
	if (pair->side[0])
		place(pair->side[0]->session, pair);
}

const struct role role_linksocks_user = {
	.name = "linksocks user",
	.session_size = sizeof(struct user),
	.start = user_start,
	.event = user_event,
	.fill = user_fill,
	.refused = user_refused,
	.retry = user_retry,
};
