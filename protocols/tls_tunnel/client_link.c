/* protocols/tls_tunnel/client_link.c - one link of a client, from the first try to its end; see client.h.
 *
 * Links know of each other by settings->links alone. The first one decides whether there are more: only a
 * gateway that shows FEATURE_LINKS gets them, and only once it has accepted what is published.
 */
#include <stdio.h>

#include "core/log.h"
#include "protocols/frontends/via.h"
#include "protocols/tls_tunnel/client_inside.h"

enum {
	DIAL_S = 10,
	STEADY_S = 10,
	AUTH_DELAY_S = 30,
	AUTH_DELAY_MAX_S = 300,
};

static const struct role role_client_link;

/* Which link a line is about, where there are several. */
#define LINK_FACT(link) TEXT((link)->client->settings->links->count > 1 ? "link" : NULL, (link)->fact)

static struct client_link *link_of(const struct session *session)
{
	return *(struct client_link **)session->role_state;
}

/* ---- connecting ---- */

/* A further link goes where the first one does. */
static uint32_t gateway_of_link(const struct client_link *link)
{
	const struct client_settings *settings = link->client->settings;
	return atomic_load_explicit(&settings->links->gateway, memory_order_relaxed) %
	       (uint32_t)settings->config->gateway_count;
}

static void dial(struct client_link *link)
{
	struct client *client = link->client;
	struct hub *hub = client->service.hub;
	const struct config_client *config = client->settings->config;
	const struct session_options options = {.wire = &wire_tls_tunnel,
						.carrier = client_carrier(config),
						.role = &role_client_link,
						.service = &client->service,
						.client = true};
	struct session *session = session_create(hub, &options);
	if (!session) {
		link->state = LINK_WAITING;
		timer_arm(&hub->wheel, &link->timer, instant_after(hub->now, DURATION_S(1)));
		return;
	}
	*(struct client_link **)session->role_state = link;
	link->state = LINK_DIALLING;
	link->session = session;
	link->gateway = gateway_of_link(link);
	client_opening_make(link);
	session->opening = &link->opening;
	link->spoken = client_gateway_speaks(&client->known[link->gateway], config->generation);
	tls_tunnel_speak(session, link->spoken);
	if (link->spoken == TUNNEL_14Y && config->generation == GENERATION_AUTO)
		tls_tunnel_guess(session);
	const struct config_endpoint *gateway = &config->gateways[link->gateway];
	snprintf(session->peer, sizeof session->peer, "%.80s:%u", gateway->host, gateway->port);
	log_at(link->said || link->number ? LOG_DEBUG : LOG_INFO, "connecting",
	       TEXT("gateway", session->peer), LINK_FACT(link));
	link->said = true;
	if (hub_dial(session, gateway->host, gateway->port, client->settings->tls, DURATION_S(DIAL_S)))
		via_dial(session->dial, &config->upstream_proxy);
}

static void link_due(struct timer *timer)
{
	struct client_link *link = OWNER(timer, struct client_link, timer);
	if (!link->client->draining && link->state == LINK_WAITING)
		dial(link);
}

void client_link_start(struct client_link *link)
{
	if (!link->client->draining && link->state == LINK_PARKED)
		dial(link);
}

static bool was_refused(enum reason why)
{
	return why == REASON_AUTH || why == REASON_CERTIFICATE || why == REASON_FORBIDDEN;
}

/* How long to wait after that end. */
static struct duration next_delay(struct client_link *link, enum reason why)
{
	struct hub *hub = link->client->service.hub;
	const struct config_reconnect *reconnect = &link->client->settings->config->reconnect;
	bool fixed = reconnect->min.ns == reconnect->max.ns;
	bool steady = instant_is_set(link->ready_at) &&
		      instant_since(hub->now, link->ready_at).ns >= DURATION_S(STEADY_S).ns;
	if (was_refused(why) && !reconnect->retry_auth)
		return retry_next_spread(&link->auth_delay, hub);
	if (steady && !fixed)
		return DURATION_MS(random_next(&hub->random) % 1000);
	return retry_next_spread(&link->delay, hub);
}

/* What a person should do about an end during the login; NULL: what is true at any time. */
static const char *login_advice(enum reason why)
{
	switch (why) {
	case REASON_FORBIDDEN: return "publish under another name or port";
	case REASON_LOST: case REASON_TRUNCATED:
		return "the gateway's log says why; an original gateway ends so when auth_key is wrong, or "
		       "when it takes nothing of what is published";
	case REASON_TIMEOUT: case REASON_PROTOCOL:
		return "is a TLS Tunnel gateway on that port, of that `transport` and "
		       "`generation`?";
	default: return NULL;
	}
}

/* After a try in an older generation, which the gateway has asked for or was guessed to speak. 1.0 is not
 * tried: its gateways take the key as 1.4 does, but listen where they like and not at publish_addr. */
static const char *older_advice(const struct session *session)
{
	const struct client_link *link = link_of(session);
	if (link->client->settings->config->generation != GENERATION_AUTO || link->spoken == TUNNEL_15)
		return NULL;
	if (link->spoken == TUNNEL_14Y && session->why != REASON_AUTH)
		return "neither 1.5 nor an older generation is answered: check auth_key; a gateway of "
		       "TLS Tunnel 1.0 needs generation: \"1.0\"";
	if (link->spoken != TUNNEL_14 || !session->ready)
		return NULL;
	if (session->why == REASON_FORBIDDEN)
		return "publish under another name or port; a gateway of TLS Tunnel 1.0 needs "
		       "generation: \"1.0\"";
	return "it took the key, and not what is published: the gateway's log says why; a gateway of "
	       "TLS Tunnel 1.0 ends so, and needs generation: \"1.0\"";
}

static const char *login_or_older_advice(const struct session *session)
{
	const char *older = older_advice(session);
	return older ? older : login_advice(session->why);
}

static const char *advice(const struct session *session, enum link_state was)
{
	const struct config_client *config = link_of(session)->client->settings->config;
	const char *special = was != LINK_LOGIN	       ? NULL
			      : session->carrier_waits ? client_opening_advice(config)
						       : login_or_older_advice(session);
	bool by_proxy = config->upstream_proxy.kind != VIA_NOTHING && session->why != REASON_CERTIFICATE &&
			session->why != REASON_TLS;
	if (special)
		return special;
	if (was == LINK_DIALLING && by_proxy)
		return "check upstream_proxy, or https_proxy of the environment";
	switch (session->why) {
	case REASON_REFUSED: return "is the gateway running, and is this its port?";
	case REASON_NAME: return "check the gateway's name and this machine's DNS";
	case REASON_UNREACHABLE: return "check this machine's network and routes";
	case REASON_TIMEOUT: return "nothing answers there: check address, port and firewalls";
	case REASON_FORBIDDEN: return "a firewall of this machine refuses it";
	case REASON_AUTH: return "check auth_key: it must be the gateway's";
	case REASON_CERTIFICATE:
		return "check gateway_tls_pin or gateway_tls_cert, client_cert, and this machine's clock";
	case REASON_LOST: return was == LINK_DIALLING ? "closed at once: the gateway's log says why" : "";
	case REASON_TLS: case REASON_PLAINTEXT: return "does a tunnel gateway listen on that port?";
	default: return "";
	}
}

/* ---- up and down ---- */

static void link_up(struct client_link *link)
{
	link->state = LINK_READY;
	client_gateway_up(&link->client->known[link->gateway], link->spoken);
	link->ready_at = link->client->service.hub->now;
	retry_reset(&link->delay);
	retry_reset(&link->auth_delay);
	session_show(link->session, link->burden);
}

/* The session, which may live on, is not this link's any more. */
static void link_down(struct client_link *link, enum link_state next)
{
	if (link->state == LINK_READY)
		atomic_fetch_sub_explicit(&link->client->settings->links->ready_count, 1,
					  memory_order_relaxed);
	probe_disarm(&link->probe);
	burden_close(link->burden);
	link->session->burden = NULL;
	link->session = NULL;
	link->state = next;
}

/* True: the gateway has said which generation it speaks, and it can be tried at once. */
static bool learn_generation(struct client_link *link, const struct session *session, enum link_state was)
{
	bool closed = session->why == REASON_LOST || session->why == REASON_TRUNCATED;
	const struct client_attempt attempt = {
	    .spoken = link->spoken,
	    .shown = tls_tunnel_generation(session),
	    .closed_at_login = was == LINK_LOGIN && closed && !session->carrier_waits};
	return was != LINK_READY && link->client->settings->config->generation == GENERATION_AUTO &&
	       client_gateway_failed(&link->client->known[link->gateway], &attempt);
}

static void dial_again(struct client_link *link, const struct session *session)
{
	struct hub *hub = session->hub;
	log_info("the gateway is older, connecting again", TEXT("gateway", session->peer),
		 TEXT("generation", tls_tunnel_generation_name(TUNNEL_14)));
	timer_arm(&hub->wheel, &link->timer, hub->now);
}

static void next_gateway(struct client_link *link)
{
	if (link->number == 0)
		atomic_fetch_add_explicit(&link->client->settings->links->gateway, 1, memory_order_relaxed);
}

static void link_ended(struct session *session)
{
	struct client_link *link = link_of(session);
	struct hub *hub = session->hub;
	if (!link || link->session != session)
		return;                      /* an older one that drained */
	const struct config_client *config = link->client->settings->config;
	enum link_state was = link->state;
	bool was_ready = was == LINK_READY;
	link_down(link, LINK_WAITING);
	bool again = learn_generation(link, session, was);
	if (!again)
		hub_count(hub, was_ready ? COUNTER_links_closed : COUNTER_links_failed, 1);
	if (link->client->draining || session->why == REASON_STOPPING)
		return;
	if (again) {
		dial_again(link, session);
		return;
	}
	struct duration delay = next_delay(link, session->why);
	link->ready_at = (struct instant){0};
	if (!was_ready && !was_refused(session->why))
		next_gateway(link);
	if (!config->reconnect.enabled) {
		log_error("link ended and reconnect is off", TEXT("gateway", session->peer), LINK_FACT(link),
			  TEXT("reason", reason_text(session->why)), TEXT("detail", session->why_text));
		return;
	}
	log_warn(was_ready ? "link lost" : "no link", TEXT("gateway", session->peer), LINK_FACT(link),
		 TEXT("reason", reason_text(session->why)), TEXT("detail", session->why_text),
		 TEXT("advice", advice(session, was)), NUMBER("retry_ms", duration_ms(delay)));
	timer_arm(&hub->wheel, &link->timer, instant_after(hub->now, delay));
}

/* ---- login ---- */

static void link_start(struct session *session)
{
	link_of(session)->state = LINK_LOGIN;
	session_say(session, EVENT_AUTH);
}

/* A gateway without the feature takes one link: a further one must not publish, it would be fighting the
 * first. */
static void link_authed(struct session *session, const struct event *event)
{
	struct client_link *link = link_of(session);
	struct client *client = link->client;
	bool several = event->credentials->features & FEATURE_LINKS;
	if (event->reason != REASON_OK) {
		session_end(session, REASON_AUTH, "the gateway refused the auth_key", false);
		return;
	}
	if (link->number && !several) {
		link_down(link, LINK_PARKED);
		session_end(session, REASON_OK, NULL, true);
		return;
	}
	if (client->settings->links->count > 1 && !several && !client->alone)
		log_warn("this gateway takes one link of a client, so there is one",
			 TEXT("gateway", session->peer), NUMBER("links", client->settings->links->count));
	client->alone = !several;
	link->features = event->credentials->features & (FEATURE_OURS | FEATURE_LINKS);
	session_say(session, EVENT_PUBLISH);
}

static void log_published(const struct client_link *link, const struct config_proxy *proxy,
			  const struct event *event)
{
	const struct config_client *config = link->client->settings->config;
	char local[HOST_SIZE + 8], at[HOST_SIZE + 8];
	snprintf(at, sizeof at, "%s:%u", proxy->name, proxy->publish_port);
	for (uint32_t i = 0; i < event->refused_count; i++)
		if (slice_is(event->refused[i], at))
			return;
	snprintf(local, sizeof local, "%s:%u", proxy->local.host, proxy->local.port);
	snprintf(at, sizeof at, "%s:%u", config->gateways[link->gateway].host, proxy->publish_port);
	log_info("published", TEXT("name", proxy->name), TEXT("at", at), TEXT("local", local));
}

/* What is published is told once, not once a link. */
static void log_service(const struct client_link *link, const struct event *event)
{
	const struct config_client *config = link->client->settings->config;
	for (uint32_t i = 0; i < event->refused_count; i++)
		log_warn("not published: another client holds it, or nobody publishes it yet",
			 BYTES("item", event->refused[i]));
	for (size_t i = 0; i < config->proxy_count; i++)
		log_published(link, &config->proxies[i], event);
}

static void link_published(struct session *session, const struct event *event)
{
	struct client_link *link = link_of(session);
	struct client *client = link->client;
	if (event->reason != REASON_OK) {
		char text[WHY_TEXT_SIZE];
		snprintf(text, sizeof text, "%.*s", (int)size_min(event->text.size, sizeof text - 1),
			 (const char *)event->text.at);
		session_end(session, REASON_FORBIDDEN, text, false);
		return;
	}
	link_up(link);
	hub_count(session->hub, COUNTER_links_opened, 1);
	session_say(session, EVENT_READY);
	log_info("link up", TEXT("gateway", session->peer), LINK_FACT(link),
		 TEXT("transport", tls_tunnel_transport_name(session)),
		 TEXT("generation", tls_tunnel_generation_name(tls_tunnel_generation(session))),
		 TEXT("tls", session->tls),
		 NUMBER("worker", session->hub->index));
	if (atomic_fetch_add_explicit(&client->settings->links->ready_count, 1, memory_order_relaxed) == 0)
		log_service(link, event);
	if (link->number == 0) {
		client_ports_start(client);
		if (!client->alone)
			client_links_start(client);
	}
	if (client->settings->ready)
		client->settings->ready(client->settings);
}

static void link_goaway(struct session *session, const struct event *event)
{
	struct client_link *link = link_of(session);
	struct hub *hub = session->hub;
	if (session->draining)
		return;
	session_drain(session);
	if (link->session != session)
		return;
	log_info("the gateway is going away", TEXT("gateway", session->peer), LINK_FACT(link),
		 TEXT("reason", reason_text(event->reason)));
	if (link->client->draining)
		return;
	link_down(link, LINK_WAITING);       /* what runs over it goes on; a new link is made beside it */
	timer_arm(&hub->wheel, &link->timer,
		  instant_after(hub->now, DURATION_MS(random_next(&hub->random) % 1000)));
}

static void link_event(struct session *session, const struct event *event)
{
	switch (event->kind) {
	case EVENT_AUTHED:
		link_authed(session, event);
		break;
	case EVENT_PUBLISHED:
		link_published(session, event);
		break;
	case EVENT_OPEN:
		client_local_open(session, event);
		break;
	case EVENT_NOTE:
		if (hub_may_log(session->hub))
			log_at(event->note->level <= LOG_INFO ? event->note->level : LOG_INFO,
			       "the gateway says", BYTES("code", event->note->code),
			       TEXT("name", event->note->about ? event->note->about->name : ""),
			       BYTES("text", event->note->text));
		break;
	case EVENT_GOAWAY:
		link_goaway(session, event);
		break;
	default:
		break;
	}
}

static void link_fill(struct session *session, struct event *event)
{
	struct client *client = client_of(session->service);
	if (event->kind == EVENT_AUTH) {
		client->credentials.link = link_of(session)->number;
		event->credentials = &client->credentials;
	}
	if (event->kind == EVENT_PUBLISH) {
		event->publications = client->publications;
		event->publication_count = client->publication_count;
	}
}

static void link_describe(const struct session *session, struct session_facts *facts)
{
	const struct client_link *link = link_of(session);
	*facts = (struct session_facts){
	    .protocol = "tls-tunnel",
	    .role = "client",
	    .peer_role = "gateway",
	    .features = link ? link->features : 0,
	    .transport = tls_tunnel_transport_name(session),
	    .generation = tls_tunnel_generation_name(tls_tunnel_generation(session))};
}

static const struct role role_client_link = {
	.name = "tls_tunnel client",
	.session_size = sizeof(struct client_link *),
	.start = link_start,
	.event = link_event,
	.fill = link_fill,
	.refused = client_local_refused,
	.retry = client_local_retry,
	.describe = link_describe,
	.ended = link_ended,
};

/* ---- by the service ---- */

void client_link_drain(struct client_link *link)
{
	timer_disarm(&link->timer);
	probe_disarm(&link->probe);
	if (!link->session)
		return;
	session_say(link->session, EVENT_GOAWAY);
	session_drain(link->session);
}

/* Tries now, or asks the gateway for a sign of life. */
void client_link_network_changed(struct client_link *link)
{
	struct hub *hub = link->client->service.hub;
	if (link->state == LINK_WAITING && timer_is_armed(&link->timer)) {
		timer_arm(&hub->wheel, &link->timer,
			  instant_after(hub->now, DURATION_MS(random_next(&hub->random) % 500)));
	} else if (link->state == LINK_READY && probe_arm(&link->probe, link->session)) {
		log_info("the network has changed, asking the gateway for a sign of life",
			 TEXT("gateway", link->session->peer), LINK_FACT(link));
		tls_tunnel_probe(link->session);
	}
}

void client_link_init(struct client_link *link, struct client *client, uint32_t number)
{
	const struct client_settings *settings = client->settings;
	const struct config_reconnect *reconnect = &settings->config->reconnect;
	*link = (struct client_link){.client = client,
				     .number = number,
				     .burden = &settings->links->burdens[number],
				     .timer = {.expired = link_due},
				     .delay = retry_of(reconnect->min, reconnect->max, RETRY_TWICE),
				     .auth_delay = retry_of(DURATION_S(AUTH_DELAY_S),
							    DURATION_S(AUTH_DELAY_MAX_S), RETRY_TWICE)};
	snprintf(link->fact, sizeof link->fact, "%u/%u", number + 1, settings->links->count);
}

void client_link_fini(struct client_link *link)
{
	timer_disarm(&link->timer);
	probe_disarm(&link->probe);
}
