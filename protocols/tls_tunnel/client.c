/* protocols/tls_tunnel/client.c - see client.h. */
#include "protocols/tls_tunnel/client.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/log.h"
#include "protocols/frontends/dial.h"
#include "protocols/frontends/plain.h"
#include "protocols/tls_tunnel/wire.h"

enum {
	DIAL_S = 10,
	STEADY_S = 10,
	AUTH_DELAY_S = 30,
	AUTH_DELAY_MAX_S = 300,
	LOCAL_DIAL_S = 10,
	LISTEN_RETRY_S = 10,
	PROBE_S = 5,
};

enum client_state { CLIENT_WAITING, CLIENT_DIALLING, CLIENT_LOGIN, CLIENT_READY };

struct visiting {
	struct client *client;
	const struct config_visitor *config;
	struct listening listening;
	struct timer retry;
};

struct client {
	struct service service;
	const struct client_settings *settings;
	enum client_state state;
	struct session *link;
	struct timer timer;                  /* the next try */
	struct timer probe;                  /* the network has changed: is the gateway still there? */
	struct instant probed_at;
	struct duration delay, auth_delay;
	struct instant ready_at;
	size_t gateway;                      /* index of the one that is tried */
	struct credentials credentials;
	struct publication *publications;
	uint32_t publication_count, visiting_count;
	bool draining, listening, said;      /* said: that it connects */
	struct visiting *visiting;
};

static struct client *client_of(struct service *service) { return OWNER(service, struct client, service); }
static const struct role role_client_link, role_client_visitor;

/* ---- connecting ---- */

static void client_dial(struct client *client)
{
	struct hub *hub = client->service.hub;
	const struct config_client *config = client->settings->config;
	const struct config_endpoint *gateway = &config->gateways[client->gateway];
	struct session *session = session_create(hub, &(struct session_options){.wire = &wire_tls_tunnel,
										.carrier = &carrier_raw,
										.role = &role_client_link,
										.service = &client->service,
										.client = true});
	if (!session) {
		timer_arm(&hub->wheel, &client->timer, instant_after(hub->now, DURATION_S(1)));
		return;
	}
	client->state = CLIENT_DIALLING;
	client->link = session;
	snprintf(session->peer, sizeof session->peer, "%.80s:%u", gateway->host, gateway->port);
	log_at(client->said ? LOG_DEBUG : LOG_INFO, "connecting", TEXT("gateway", session->peer));
	client->said = true;
	hub_dial(session, gateway->host, gateway->port, client->settings->tls, DURATION_S(DIAL_S));
}

static void client_retry(struct timer *timer)
{
	struct client *client = OWNER(timer, struct client, timer);
	if (!client->draining && client->state == CLIENT_WAITING)
		client_dial(client);
}

/* +-20 % */
static struct duration jitter(struct hub *hub, struct duration delay)
{
	int64_t fifth = delay.ns / 5;
	return (struct duration){delay.ns - fifth +
				 (int64_t)(random_next(&hub->random) % (uint64_t)(2 * fifth + 1))};
}

static struct duration doubled(struct duration delay, struct duration max)
{
	return delay.ns * 2 < max.ns ? (struct duration){delay.ns * 2} : max;
}

static bool was_refused(enum reason why)
{
	return why == REASON_AUTH || why == REASON_CERTIFICATE || why == REASON_FORBIDDEN;
}

/* How long to wait after that end. */
static struct duration next_delay(struct client *client, enum reason why)
{
	struct hub *hub = client->service.hub;
	const struct config_reconnect *reconnect = &client->settings->config->reconnect;
	bool fixed = reconnect->min.ns == reconnect->max.ns;
	bool steady = instant_is_set(client->ready_at) &&
		      instant_since(hub->now, client->ready_at).ns >= DURATION_S(STEADY_S).ns;
	if (was_refused(why) && !reconnect->retry_auth) {
		struct duration delay = client->auth_delay;
		client->auth_delay = doubled(delay, DURATION_S(AUTH_DELAY_MAX_S));
		return jitter(hub, delay);
	}
	if (fixed)
		return reconnect->min;
	if (steady)
		return DURATION_MS(random_next(&hub->random) % 1000);
	struct duration delay = client->delay;
	client->delay = doubled(delay, reconnect->max);
	return jitter(hub, delay);
}

/* What a person should do about an end during the login; NULL: what is true at any time. */
static const char *login_advice(enum reason why)
{
	switch (why) {
	case REASON_FORBIDDEN: return "publish under another name or port";
	case REASON_LOST: case REASON_TRUNCATED:
		return "the gateway's log says why; an original gateway ends so when auth_key is wrong";
	case REASON_TIMEOUT: case REASON_PROTOCOL: return "is a TLS Tunnel 1.5 gateway on that port?";
	default: return NULL;
	}
}

static const char *advice(const struct session *session, enum client_state was)
{
	const char *special = was == CLIENT_LOGIN ? login_advice(session->why) : NULL;
	if (special)
		return special;
	switch (session->why) {
	case REASON_REFUSED: return "is the gateway running, and is this its port?";
	case REASON_NAME: return "check the gateway's name and this machine's DNS";
	case REASON_UNREACHABLE: return "check this machine's network and routes";
	case REASON_TIMEOUT: return "nothing answers there: check address, port and firewalls";
	case REASON_FORBIDDEN: return "a firewall of this machine refuses it";
	case REASON_AUTH: return "check auth_key: it must be the gateway's";
	case REASON_CERTIFICATE:
		return "check gateway_tls_pin or gateway_tls_cert, client_cert, and this machine's clock";
	case REASON_LOST: return was == CLIENT_DIALLING ? "closed at once: the gateway's log says why" : "";
	case REASON_TLS: case REASON_PLAINTEXT: return "does a tunnel gateway listen on that port?";
	default: return "";
	}
}

static void link_ended(struct session *session)
{
	struct client *client = client_of(session->service);
	struct hub *hub = session->hub;
	if (client->link != session)
		return;                      /* an older one that drained */
	const struct config_client *config = client->settings->config;
	enum client_state was = client->state;
	bool was_ready = was == CLIENT_READY;
	client->link = NULL;
	client->state = CLIENT_WAITING;
	hub_count(hub, was_ready ? COUNTER_links_closed : COUNTER_links_failed, 1);
	if (client->draining || session->why == REASON_STOPPING)
		return;
	struct duration delay = next_delay(client, session->why);
	client->ready_at = (struct instant){0};
	if (!was_ready && !was_refused(session->why))
		client->gateway = (client->gateway + 1) % config->gateway_count;
	if (!config->reconnect.enabled) {
		log_error("link ended and reconnect is off", TEXT("gateway", session->peer),
			  TEXT("reason", reason_text(session->why)), TEXT("detail", session->why_text));
		return;
	}
	log_warn(was_ready ? "link lost" : "no link", TEXT("gateway", session->peer),
		 TEXT("reason", reason_text(session->why)), TEXT("detail", session->why_text),
		 TEXT("advice", advice(session, was)), NUMBER("retry_ms", duration_ms(delay)));
	timer_arm(&hub->wheel, &client->timer, instant_after(hub->now, delay));
}

/* ---- login ---- */

static void visitors_start(struct client *client);

static void link_start(struct session *session)
{
	struct client *client = client_of(session->service);
	client->state = CLIENT_LOGIN;
	session_say(session, EVENT_AUTH);
}

static void log_published(const struct client *client, const struct config_proxy *proxy,
			  const struct event *event)
{
	const struct config_client *config = client->settings->config;
	char local[HOST_SIZE + 8], at[HOST_SIZE + 8];
	snprintf(at, sizeof at, "%s:%u", proxy->name, proxy->publish_port);
	for (uint32_t i = 0; i < event->refused_count; i++)
		if (slice_is(event->refused[i], at))
			return;
	snprintf(local, sizeof local, "%s:%u", proxy->local.host, proxy->local.port);
	snprintf(at, sizeof at, "%s:%u", config->gateways[client->gateway].host, proxy->publish_port);
	log_info("published", TEXT("name", proxy->name), TEXT("at", at), TEXT("local", local));
}

static void link_published(struct session *session, const struct event *event)
{
	struct client *client = client_of(session->service);
	const struct config_client *config = client->settings->config;
	if (event->reason != REASON_OK) {
		char text[WHY_TEXT_SIZE];
		snprintf(text, sizeof text, "%.*s", (int)size_min(event->text.size, sizeof text - 1),
			 (const char *)event->text.at);
		session_end(session, REASON_FORBIDDEN, text, false);
		return;
	}
	for (uint32_t i = 0; i < event->refused_count; i++)
		log_warn("not published: another client holds it, or nobody publishes it yet",
			 BYTES("item", event->refused[i]));
	client->state = CLIENT_READY;
	client->ready_at = session->hub->now;
	client->delay = config->reconnect.min;
	client->auth_delay = DURATION_S(AUTH_DELAY_S);
	hub_count(session->hub, COUNTER_links_opened, 1);
	session_say(session, EVENT_READY);
	log_info("link up", TEXT("gateway", session->peer), TEXT("tls", session->tls),
		 NUMBER("worker", session->hub->index));
	for (size_t i = 0; i < config->proxy_count; i++)
		log_published(client, &config->proxies[i], event);
	visitors_start(client);
	if (client->settings->ready)
		client->settings->ready(client->settings);
}

/* The gateway wants a stream to something that we publish: by its published port, or, from servers of the
 * first generations, by the local one. */
static const struct config_proxy *proxy_find(const struct config_client *config, uint16_t port)
{
	for (size_t i = 0; i < config->proxy_count; i++)
		if (config->proxies[i].publish_port == port)
			return &config->proxies[i];
	for (size_t i = 0; i < config->proxy_count; i++)
		if (config->proxies[i].local.port == port)
			return &config->proxies[i];
	return NULL;
}

static bool local_dial(struct client *client, struct pair *pair)
{
	const struct config_proxy *proxy = proxy_find(client->settings->config, pair->side[0]->target.port);
	pair->tries++;
	return proxy && pair_dial(pair, proxy->local.host, proxy->local.port, DURATION_S(LOCAL_DIAL_S));
}

static void link_open(struct session *session, const struct event *event)
{
	struct client *client = client_of(session->service);
	if (local_dial(client, event->channel->pair))
		return;
	if (hub_may_log(session->hub))
		log_warn("the gateway asked for a port that is not published here",
			 NUMBER("port", event->target->port));
	channel_refuse(event->channel, REASON_NOT_FOUND, NULL);
}

static bool link_refused(struct pair *pair, enum reason reason)
{
	struct client *client = client_of(pair->service);
	const struct config_client *config = client->settings->config;
	if (pair->tries < config->local_retries) {
		pair_retry_after(pair, config->local_retry_delay);
		return true;
	}
	const struct config_proxy *proxy = proxy_find(config, pair->side[0]->target.port);
	char local[HOST_SIZE + 8] = "";
	if (proxy)
		snprintf(local, sizeof local, "%s:%u", proxy->local.host, proxy->local.port);
	if (hub_may_log(pair->hub))
		log_warn("local service does not answer", TEXT("name", proxy ? proxy->name : ""),
			 TEXT("local", local), TEXT("reason", reason_text(reason)),
			 NUMBER("tries", pair->tries));
	return false;
}

static void link_retry(struct pair *pair)
{
	struct client *client = client_of(pair->service);
	if (!pair->side[0] || pair->side[1])
		return;
	if (!local_dial(client, pair))
		channel_refuse(pair->side[0], REASON_LIMIT, NULL);
}

static void link_goaway(struct session *session, const struct event *event)
{
	struct client *client = client_of(session->service);
	if (session->draining)
		return;
	log_info("the gateway is going away", TEXT("gateway", session->peer),
		 TEXT("reason", reason_text(event->reason)));
	session_drain(session);
	if (client->link != session || client->draining)
		return;
	client->link = NULL;                 /* what runs over it goes on; a new link is made beside it */
	client->state = CLIENT_WAITING;
	struct hub *hub = session->hub;
	timer_arm(&hub->wheel, &client->timer,
		  instant_after(hub->now, DURATION_MS(random_next(&hub->random) % 1000)));
}

static void link_event(struct session *session, const struct event *event)
{
	switch (event->kind) {
	case EVENT_AUTHED:
		if (event->reason == REASON_OK)
			session_say(session, EVENT_PUBLISH);
		else
			session_end(session, REASON_AUTH, "the gateway refused the auth_key", false);
		break;
	case EVENT_PUBLISHED:
		link_published(session, event);
		break;
	case EVENT_OPEN:
		link_open(session, event);
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
	if (event->kind == EVENT_AUTH)
		event->credentials = &client->credentials;
	if (event->kind == EVENT_PUBLISH) {
		event->publications = client->publications;
		event->publication_count = client->publication_count;
	}
}

static const struct role role_client_link = {
	.name = "tls_tunnel client",
	.start = link_start,
	.event = link_event,
	.fill = link_fill,
	.refused = link_refused,
	.retry = link_retry,
	.ended = link_ended,
};

/* ---- visiting ---- */

static void visitor_event(struct session *session, const struct event *event)
{
	struct client *client = client_of(session->service);
	if (event->kind != EVENT_OPEN)
		return;
	bool ready = client->link && client->state == CLIENT_READY;
	if (ready && channel_open(client->link, event->channel->pair, event->target))
		return;
	if (hub_may_log(session->hub))
		log_info("visitor refused", TEXT("peer", session->peer), TEXT("name", event->target->host),
			 TEXT("reason", ready ? "too many channels" : "there is no link to the gateway now"));
	channel_refuse(event->channel, ready ? REASON_LIMIT : REASON_UNREACHABLE, NULL);
}

/* The far end's refusal reaches the user as an abort; the log says why. */
static bool visitor_refused(struct pair *pair, enum reason reason)
{
	if (hub_may_log(pair->hub))
		log_info("visitor refused", TEXT("peer", pair->side[0]->session->peer),
			 TEXT("name", pair->side[0]->target.host), TEXT("reason", reason_text(reason)));
	return false;
}

static const struct role role_client_visitor = {
    .name = "visitor", .event = visitor_event, .refused = visitor_refused};

static void visiting_opened(struct listening *listening, int error)
{
	struct visiting *visiting = OWNER(listening, struct visiting, listening);
	struct hub *hub = visiting->client->service.hub;
	char at[ADDRESS_TEXT_SIZE];
	address_format(&listening->address, at);
	if (error == 0) {
		log_info("visiting", TEXT("name", visiting->config->name), TEXT("at", at));
		return;
	}
	log_warn("cannot listen for a visitor", TEXT("name", visiting->config->name), TEXT("at", at),
		 TEXT("reason", error == -EADDRINUSE ? "the port is in use by another process"
						     : reason_text(reason_of_errno(error))),
		 NUMBER("retry_s", LISTEN_RETRY_S));
	timer_arm(&hub->wheel, &visiting->retry, instant_after(hub->now, DURATION_S(LISTEN_RETRY_S)));
}

static void visiting_closed(struct listening *listening) {}

static void visiting_retry(struct timer *timer)
{
	struct visiting *visiting = OWNER(timer, struct visiting, retry);
	if (!visiting->client->draining)
		hub_listen(visiting->client->service.hub, &visiting->listening);
}

/* Visitors listen from the first ready link on; without a link they refuse. */
static void visitors_start(struct client *client)
{
	if (client->listening)
		return;
	client->listening = true;
	for (uint32_t i = 0; i < client->visiting_count; i++)
		hub_listen(client->service.hub, &client->visiting[i].listening);
}

/* ---- the service ---- */

static void client_start(struct service *service)
{
	struct client *client = client_of(service);
	if (service->hub->index == client->settings->worker)
		client_dial(client);
}

static void client_drain(struct service *service)
{
	struct client *client = client_of(service);
	client->draining = true;
	timer_disarm(&client->timer);
	for (uint32_t i = 0; i < client->visiting_count; i++) {
		timer_disarm(&client->visiting[i].retry);
		if (client->visiting[i].listening.asked)
			hub_unlisten(service->hub, &client->visiting[i].listening);
	}
	if (!client->link)
		return;
	session_say(client->link, EVENT_GOAWAY);
	session_drain(client->link);
}

/* The old path may be dead without anybody having said so: try now, or ask the gateway for a sign of life. */
static void client_network_changed(struct service *service)
{
	struct client *client = client_of(service);
	struct hub *hub = service->hub;
	if (client->draining || hub->index != client->settings->worker)
		return;
	if (client->state == CLIENT_WAITING && timer_is_armed(&client->timer)) {
		timer_arm(&hub->wheel, &client->timer,
			  instant_after(hub->now, DURATION_MS(random_next(&hub->random) % 500)));
	} else if (client->state == CLIENT_READY && !timer_is_armed(&client->probe)) {
		log_info("the network has changed, asking the gateway for a sign of life",
			 TEXT("gateway", client->link->peer));
		client->probed_at = hub->now;
		tls_tunnel_probe(client->link);
		timer_arm(&hub->wheel, &client->probe, instant_after(hub->now, DURATION_S(PROBE_S)));
	}
}

static void client_probed(struct timer *timer)
{
	struct client *client = OWNER(timer, struct client, probe);
	if (client->state == CLIENT_READY && !instant_before(client->probed_at, client->link->heard_at))
		session_end(client->link, REASON_SILENT, "no sign of life after the network has changed",
			    false);
}

static void client_destroy(struct service *service)
{
	struct client *client = client_of(service);
	timer_disarm(&client->timer);
	timer_disarm(&client->probe);
	for (uint32_t i = 0; i < client->visiting_count; i++)
		timer_disarm(&client->visiting[i].retry);
	free(client->visiting);
	free(client->publications);
	free(client);
}

static const struct service_table table = {.name = "tls_tunnel client",
					   .start = client_start,
					   .drain = client_drain,
					   .network_changed = client_network_changed,
					   .destroy = client_destroy};

static void fill_publications(struct client *client, const struct config_client *config)
{
	for (size_t i = 0; i < config->proxy_count; i++) {
		const struct config_proxy *proxy = &config->proxies[i];
		client->publications[client->publication_count++] =
		    (struct publication){.name = proxy->name,
					 .type = proxy->type,
					 .publish_addr = proxy->publish_addr,
					 .publish_port = proxy->publish_port,
					 .local_port = proxy->local.port};
	}
	for (size_t i = 0; i < config->visitor_count; i++) {
		const struct config_visitor *visitor = &config->visitors[i];
		client->publications[client->publication_count++] =
		    (struct publication){.name = visitor->name,
					 .type = visitor->type,
					 .publish_port = visitor->publish_port,
					 .visitor = true,
					 .bind_addr = "127.0.0.1",
					 .bind_port = visitor->bind.port};
		struct visiting *visiting = &client->visiting[client->visiting_count++];
		*visiting = (struct visiting){.client = client,
					      .config = visitor,
					      .retry = {.expired = visiting_retry},
					      .listening = {.address = visitor->bind,
							    .service = &client->service,
							    .wire = &wire_plain,
							    .carrier = &carrier_raw,
							    .role = &role_client_visitor,
							    .opened = visiting_opened,
							    .closed = visiting_closed,
							    .target = {.published = true,
								       .port = visitor->publish_port,
								       .service = client->service.index}}};
		text_copy(visiting->listening.target.host, HOST_SIZE, slice_of(visitor->name));
	}
}

struct service *client_create(struct hub *hub, const struct client_settings *settings)
{
	const struct config_client *config = settings->config;
	struct client *client = calloc(1, sizeof *client);
	if (!client)
		return NULL;
	client->publications =
	    calloc(config->proxy_count + config->visitor_count + 1, sizeof *client->publications);
	client->visiting = calloc(config->visitor_count + 1, sizeof *client->visiting);
	if (!client->publications || !client->visiting) {
		free(client->publications);
		free(client->visiting);
		free(client);
		return NULL;
	}
	check(hub->service_count < SERVICES_MAX);
	client->service = (struct service){.table = &table, .hub = hub, .index = hub->service_count};
	client->settings = settings;
	client->timer.expired = client_retry;
	client->probe.expired = client_probed;
	client->delay = config->reconnect.min;
	client->auth_delay = DURATION_S(AUTH_DELAY_S);
	client->credentials =
	    (struct credentials){.secret = secret_slice(&config->auth_key), .features = FEATURE_OURS};
	memcpy(client->credentials.instance, settings->instance, INSTANCE_SIZE);
	fill_publications(client, config);
	hub->services[hub->service_count++] = &client->service;
	return &client->service;
}
