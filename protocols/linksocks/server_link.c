/* protocols/linksocks/server_link.c - the server's side of one link: its login, and what it may do then. */
#include "core/log.h"
#include "protocols/linksocks/autonomy.h"
#include "protocols/linksocks/wire.h"

enum { COMPRESS_FROM = 512 * 1024 };

static void delay_over(struct timer *timer);

struct server_link *server_link_find(struct linksocks_server *server, uint64_t link_id)
{
	struct idtable_link *link = idtable_find(&server->links_by_id, &link_id, sizeof link_id);
	return link ? OWNER(link, struct server_link, id_link) : NULL;
}

bool server_link_is_alive(const struct server_link *link)
{
	return link->joined && link->session->state == SESSION_OPEN && !link->session->draining;
}

void server_links_end(struct linksocks_server *server, uint64_t serial)
{
	for (struct link *at = server->links.next, *next; at != &server->links; at = next) {
		struct server_link *link = OWNER(at, struct server_link, server_link);
		next = at->next;
		if (link->member.serial == serial)
			session_end(link->session, REASON_FORBIDDEN, "its token was removed", false);
	}
}

static void link_start(struct session *session)
{
	struct server_link *link = server_link_of(session);
	link->session = session;
	link->delay.expired = delay_over;
	list_init(&link->answers);
	linksocks_configure(
	    session, &(struct linksocks_options){.features = LINKSOCKS_FEATURES,
						 .compression_threshold = COMPRESS_FROM});
}

/* ---- login ---- */

static void delay_over(struct timer *timer)
{
	struct server_link *link = OWNER(timer, struct server_link, delay);
	struct linksocks_server *server = server_of(link->session->service);
	link->delayed = false;
	server->logins.delayed--;
	session_say(link->session, EVENT_AUTHED);
}

static void refuse(struct server_link *link, const char *refusal)
{
	struct session *session = link->session;
	struct hub *hub = session->hub;
	struct linksocks_server *server = server_of(session->service);
	bool often = logins_failed(&server->logins, &link->key, hub->now);
	link->refusal = refusal;
	hub_count(hub, COUNTER_logins_refused, 1);
	if (hub_may_log(hub))
		log_info("login refused", TEXT("peer", session->peer),
			 TEXT(link->source[0] ? "source" : NULL, link->source), TEXT("reason", refusal),
			 TEXT(often ? "limited" : NULL, "too many failures from there"));
	if (!often) {
		session_say(session, EVENT_AUTHED);
		return;
	}
	hub_count(hub, COUNTER_logins_limited, 1);
	if (server->logins.delayed >= LOGINS_DELAYED_MAX) {
		session_end(session, REASON_AUTH, refusal, false);
		return;
	}
	link->delayed = true;
	server->logins.delayed++;
	timer_arm(&hub->wheel, &link->delay, instant_after(hub->now, DURATION_S(LOGIN_DELAY_S)));
}

/* Who it is, as all workers will hear when it has been told so itself. False: no memory. */
static bool make_member(struct server_link *link, const struct login *login, const struct credentials *shown)
{
	struct session *session = link->session;
	const struct linksocks_server *server = server_of(session->service);
	const struct token *token = login->token;
	bool leads = token->kind == TOKEN_IS_CONNECTOR;
	const struct token *reverse =
	    leads ? tokens_find_serial(&server->tokens, token->reverse_serial) : token;
	link->member = (struct member){.link_id = session->id,
				       .worker = session->hub->index,
				       .party = login->party,
				       .autonomy = reverse && reverse->kind == TOKEN_IS_AUTONOMY,
				       .serial = token->serial,
				       .reverse_serial = leads ? token->reverse_serial : token->serial,
				       .owner = token->owner};
	memcpy(link->member.instance, shown->instance, INSTANCE_SIZE);
	return login->party != PARTY_PROVIDER || (link->member.burden = burden_create());
}

static void link_auth(struct session *session, const struct credentials *shown)
{
	struct server_link *link = server_link_of(session);
	struct linksocks_server *server = server_of(session->service);
	struct login login = login_decide(&server->tokens, shown);
	text_copy(link->source, sizeof link->source, shown->source);
	link->key = login_key_of(session->peer);
	link->features = shown->features;
	if (link_is_linked(&link->server_link) || link->refusal) {
		session_end(session, REASON_PROTOCOL, "a second login", false);
	} else if (login.party == PARTY_NOBODY) {
		refuse(link, login.refusal);
	} else if (!make_member(link, &login, shown)) {
		session_end(session, REASON_MEMORY, NULL, false);
	} else {
		list_push(&server->links, &link->server_link);
		idtable_insert(&server->links_by_id, &link->id_link, &session->id, sizeof session->id);
		session_say(session, EVENT_AUTHED);
	}
}

/* It has been told that it is in: nobody else was to say anything to it before that. */
static void joined(struct session *session)
{
	struct server_link *link = server_link_of(session);
	struct linksocks_server *server = server_of(session->service);
	char features[64];
	link->joined = true;
	if (link->member.burden)
		session_show(session, link->member.burden);
	hub_count(session->hub, COUNTER_links_opened, 1);
	log_info("logged in", TEXT("peer", session->peer), TEXT("protocol", "linksocks"),
		 TEXT("kind", party_name(link->member.party)),
		 TEXT("features", linksocks_features_text(linksocks_features(session), features)),
		 TEXT("tls", session->tls[0] ? session->tls : "none"),
		 TEXT(link->source[0] ? "source" : NULL, link->source),
		 NUMBER("worker", session->hub->index));
	member_join(server, &link->member);
	if (link->member.party == PARTY_CONNECTOR)
		session_say(session, EVENT_NOTE);
}

/* ---- what it may do ---- */

static void link_open(struct session *session, const struct event *event)
{
	struct linksocks_server *server = server_of(session->service);
	struct hub *hub = session->hub;
	switch (server_link_of(session)->member.party) {
	case PARTY_FORWARD:
		if (hub->draining)
			channel_refuse(event->channel, REASON_LIMIT, NULL);
		else
			linksocks_exit_open(&server->exit, event);
		break;
	case PARTY_CONNECTOR:
		relay_open(server, event);
		break;
	case PARTY_PROVIDER:
	case PARTY_NOBODY:
		if (hub_may_log(hub))
			log_info("channel refused: a provider opens none", TEXT("peer", session->peer));
		channel_refuse(event->channel, REASON_FORBIDDEN, reason_text(REASON_FORBIDDEN));
		break;
	}
}

static void link_event(struct session *session, const struct event *event)
{
	switch (event->kind) {
	case EVENT_AUTH:
		link_auth(session, event->credentials);
		break;
	case EVENT_OPEN:
		link_open(session, event);
		break;
	case EVENT_REQUEST:
		if (event->token)
			autonomy_ask(server_link_of(session), event->token);
		break;
	case EVENT_GOAWAY:
		session_drain(session);
		break;
	default:
		break;
	}
}

/* ---- what it is told ---- */

static const struct note *partners_of(struct server_link *link)
{
	const struct linksocks_server *server = server_of(link->session->service);
	const struct token *reverse = tokens_find_serial(&server->tokens, link->member.reverse_serial);
	uint32_t count = link->member.party == PARTY_CONNECTOR ? server->provider_count
			 : link->member.autonomy	       ? link->connector_count
			 : reverse			       ? reverse->connector_clients
							       : 0;
	link->note = (struct note){.kind = NOTE_PARTNERS, .count = count};
	return &link->note;
}

static void link_fill(struct session *session, struct event *event)
{
	struct server_link *link = server_link_of(session);
	switch (event->kind) {
	case EVENT_AUTHED:
		event->reason = link->refusal ? REASON_AUTH : REASON_OK;
		event->text = slice_of(link->refusal ? link->refusal : "");
		break;
	case EVENT_NOTE:
		event->note = link->joined ? partners_of(link) : NULL;
		break;
	case EVENT_RESPONSE:
		event->token = autonomy_answer(link, &event->reason, &event->text);
		break;
	default:
		break;
	}
}

static void link_said(struct session *session, enum event_kind kind)
{
	struct server_link *link = server_link_of(session);
	if (kind == EVENT_RESPONSE)
		autonomy_answered(link);
	if (kind != EVENT_AUTHED)
		return;
	if (link->refusal)
		session_end(session, REASON_AUTH, link->refusal, true);
	else if (session->state == SESSION_OPEN)
		joined(session);
}

static void link_ended(struct session *session)
{
	struct server_link *link = server_link_of(session);
	struct linksocks_server *server = server_of(session->service);
	link_remove(&link->server_link);
	idtable_remove(&server->links_by_id, &link->id_link);
	timer_disarm(&link->delay);
	if (link->delayed)
		server->logins.delayed--;
	session->burden = NULL;
	if (link->joined)
		member_leave(server, &link->member);
	burden_unref(link->member.burden);
	autonomy_forget(link);
	hub_count(session->hub, link->joined ? COUNTER_links_closed : COUNTER_links_failed, 1);
	if (!link->joined && !hub_may_log(session->hub))
		return;                  /* a stranger can do that as often as it likes */
	if (link->refusal)
		return;                  /* said when it was refused */
	bool usual = session->why == REASON_LOST || session->why == REASON_FORBIDDEN;
	log_at(reason_is_error(session->why) && !usual ? LOG_WARN : LOG_INFO, "link ended",
	       TEXT("peer", session->peer), TEXT("reason", reason_text(session->why)),
	       TEXT("detail", session->why_text));
}

static void link_describe(const struct session *session, struct session_facts *facts)
{
	const struct server_link *link = server_link_of(session);
	*facts = (struct session_facts){.protocol = "linksocks",
					.role = "server",
					.peer_role = link->joined ? party_name(link->member.party) : NULL,
					.features = linksocks_features(session)};
}

const struct role role_linksocks_link = {
	.name = "linksocks link",
	.session_size = sizeof(struct server_link),
	.start = link_start,
	.event = link_event,
	.fill = link_fill,
	.said = link_said,
	.refused = relay_refused,
	.retry = relay_retry,
	.describe = link_describe,
	.ended = link_ended,
};
