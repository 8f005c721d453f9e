/* protocols/linksocks/client_link.c - one link of a client, from the first try to its end; see client.h.
 *
 * Links know of each other by settings->links alone. A redirection is followed at once and counts for one
 * try: the next one begins at the configured address again.
 */
#include <stdio.h>

#include "core/hub.h"
#include "core/log.h"
#include "core/request.h"
#include "protocols/frontends/via.h"
#include "protocols/linksocks/client_inside.h"
#include "protocols/linksocks/exit.h"
#include "protocols/linksocks/wire.h"

enum { DIAL_S = 10 };

static const struct role role_client_link;

static const char hello[] = "linksocks_server_hello:";

/* ---- connecting ---- */

/* A further link goes where the first one does. */
static const struct config_endpoint *gateway_of(const struct client_link *link)
{
	const struct linksocks_client_settings *settings = link->client->settings;
	uint32_t index = atomic_load_explicit(&settings->links->gateway, memory_order_relaxed);
	return &settings->config->gateways[index % (uint32_t)settings->config->gateway_count];
}

static void next_gateway(struct client_link *link)
{
	if (link->number == 0)
		atomic_fetch_add_explicit(&link->client->settings->links->gateway, 1, memory_order_relaxed);
}

static void try_after(struct client_link *link, struct duration delay)
{
	struct hub *hub = link->client->service.hub;
	link->state = LINK_WAITING;
	timer_arm(&hub->wheel, &link->timer, instant_after(hub->now, delay));
}

static uint32_t features_of(const struct client *client)
{
	return client->settings->plays_original ? 0 : LINKSOCKS_FEATURES;
}

static void fill_credentials(struct client_link *link)
{
	const struct client *client = link->client;
	const struct config_linksocks_client *config = &client->settings->config->linksocks;
	link->credentials =
	    (struct credentials){.form = CREDENTIAL_PLAIN,
				 .direction = config->reverse ? DIRECTION_REVERSE : DIRECTION_FORWARD,
				 .host = slice_of(linksocks_url_host(&link->url, link->host)),
				 .path = slice_of(link->url.path),
				 .features = features_of(client),
				 .link = link->number};
	if (client->login_by_message)
		link->credentials.secret = secret_slice(&config->token);
	memcpy(link->credentials.instance, client->settings->instance, INSTANCE_SIZE);
}

/* To link->url. */
static void dial(struct client_link *link)
{
	struct client *client = link->client;
	struct session *session =
	    session_create(client->service.hub, &(struct session_options){.wire = &wire_linksocks,
									  .carrier = &carrier_websocket,
									  .role = &role_client_link,
									  .service = &client->service,
									  .client = true});
	if (!session) {
		try_after(link, DURATION_S(1));
		return;
	}
	*(struct client_link **)session->role_state = link;
	link->state = LINK_DIALLING;
	link->session = session;
	link->connector = false;
	fill_credentials(link);
	snprintf(session->peer, sizeof session->peer, "%.80s:%u", link->url.host, link->url.port);
	log_at(link->said || link->number ? LOG_DEBUG : LOG_INFO, "connecting",
	       TEXT("gateway", session->peer), LINK_FACT(link));
	link->said = true;
	if (hub_dial(session, link->url.host, link->url.port, link->url.tls ? client->settings->tls : NULL,
		     DURATION_S(DIAL_S)))
		via_dial(session->dial, &client->settings->config->upstream_proxy);
}

static void dial_gateway(struct client_link *link)
{
	const struct client *client = link->client;
	const struct config_endpoint *gateway = gateway_of(link);
	link->redirects = 0;
	link->url = (struct linksocks_url){
	    .tls = !client->settings->config->plaintext, .port = gateway->port, .path = client->path};
	text_copy(link->url.host, sizeof link->url.host, slice_of(gateway->host));
	dial(link);
}

static void link_due(struct timer *timer)
{
	struct client_link *link = OWNER(timer, struct client_link, timer);
	if (!link->client->draining && link->state == LINK_WAITING)
		dial_gateway(link);
}

/* How long to wait after an end; a link that had logged in begins anew. */
static struct duration next_delay(struct client_link *link, bool was_ready)
{
	if (was_ready)
		retry_reset(&link->delay);
	return retry_next_spread(&link->delay, link->client->service.hub);
}

/* What a person should do about it. */
static const char *advice(const struct session *session, enum link_state was)
{
	const struct config_client *config = client_of(session->service)->settings->config;
	if (was == LINK_DIALLING && config->upstream_proxy.kind != VIA_NOTHING &&
	    session->why != REASON_CERTIFICATE && session->why != REASON_TLS)
		return "check upstream_proxy, or http_proxy and https_proxy of the environment";
	switch (session->why) {
	case REASON_REFUSED:
		return was == LINK_DIALLING ? "is the server running, and is this its port?"
					    : "is a LinkSocks server behind that address and path?";
	case REASON_NAME: return "check the server's name and this machine's DNS";
	case REASON_UNREACHABLE: return "check this machine's network and routes";
	case REASON_TIMEOUT: return "nothing answers there: check address, port and firewalls";
	case REASON_FORBIDDEN: return "a firewall of this machine refuses it";
	case REASON_AUTH:
		return config->linksocks.anonymous
			   ? "no token is given, and this server wants one"
			   : "compare the token with the server's; a provider's is not a client's";
	case REASON_LOST:
		if (was == LINK_READY)
			return "";
		return config->plaintext ? "is a LinkSocks server on that port? wss:// is for one under TLS"
					 : "does that port speak TLS? ws:// is for one that does not";
	case REASON_CERTIFICATE: return "check the pin or the trust anchor, and this machine's clock";
	case REASON_TLS: case REASON_PLAINTEXT:
		return "does that port speak TLS? ws:// is for one that does not";
	case REASON_PROTOCOL: return was == LINK_LOGIN ? "is a LinkSocks server on that port?" : "";
	default: return "";
	}
}

/* ---- down ---- */

/* The session, which may live on, is not this link's any more. */
static void link_down(struct client_link *link)
{
	timer_disarm(&link->timer);
	probe_disarm(&link->probe);
	linksocks_connector_stop(link);
	burden_close(link->burden);
	link->session->burden = NULL;
	link->session = NULL;
	link->state = LINK_WAITING;
}

static bool was_refused(enum reason why) { return why == REASON_AUTH || why == REASON_CERTIFICATE; }

/* Why there will be no next try; false: there will be one. */
static bool is_final(const struct client_link *link, const struct session *session, char why[WHY_TEXT_SIZE])
{
	const struct config_client *config = link->client->settings->config;
	const char *detail = session->why_text[0] ? session->why_text : reason_text(session->why);
	bool refused = was_refused(session->why) && !config->reconnect.retry_auth;
	if (refused && session->why == REASON_AUTH)
		snprintf(why, WHY_TEXT_SIZE, "authentication failed: %s",
			 config->linksocks.anonymous
			     ? "please provide a token with -t or set LINKSOCKS_TOKEN"
			     : "invalid token");
	else if (refused)
		snprintf(why, WHY_TEXT_SIZE, "certificate refused: %.150s", detail);
	else if (!config->reconnect.enabled)
		snprintf(why, WHY_TEXT_SIZE, "reconnect is off: %.150s", detail);
	else
		return false;
	return true;
}

static void link_ended(struct session *session)
{
	struct client_link *link = client_link_of(session);
	struct hub *hub = session->hub;
	char final[WHY_TEXT_SIZE];
	if (!link || link->session != session)
		return;                      /* it was redirected */
	enum link_state was = link->state;
	bool was_ready = was == LINK_READY;
	link_down(link);
	hub_count(hub, was_ready ? COUNTER_links_closed : COUNTER_links_failed, 1);
	if (link->client->draining || session->why == REASON_STOPPING)
		return;
	if (!was_ready && !was_refused(session->why))
		next_gateway(link);
	bool is_over = is_final(link, session, final);
	struct duration delay = next_delay(link, was_ready);
	log_warn(was_ready ? "link ended" : "no link", TEXT("gateway", session->peer), LINK_FACT(link),
		 TEXT("reason", reason_text(session->why)), TEXT("detail", session->why_text),
		 TEXT("advice", advice(session, was)), TEXT(is_over ? "reconnecting" : NULL, "no"),
		 is_over ? TEXT(NULL, "") : NUMBER("retry_ms", duration_ms(delay)));
	if (is_over)
		linksocks_client_give_up(link->client, final);
	else
		try_after(link, delay);
}

/* ---- login ---- */

static void link_start(struct session *session)
{
	struct client_link *link = client_link_of(session);
	const struct config_linksocks_client *config = &link->client->settings->config->linksocks;
	link->state = LINK_LOGIN;
	linksocks_configure(session, &(struct linksocks_options){
					 .features = features_of(link->client),
					 .compression_threshold = config->compression_threshold,
					 .provider = config->reverse});
	session_say(session, EVENT_AUTH);
}

static void end_with(struct session *session, enum reason why, struct slice text)
{
	char copy[WHY_TEXT_SIZE];
	text_copy(copy, sizeof copy, text);
	session_end(session, why, copy, false);
}

static void link_authed(struct session *session, const struct event *event)
{
	struct client_link *link = client_link_of(session);
	struct client *client = link->client;
	char features[64];
	if (event->reason != REASON_OK) {
		end_with(session, event->reason, event->text);
		return;
	}
	link->state = LINK_READY;
	session_show(session, link->burden);
	hub_count(session->hub, COUNTER_links_opened, 1);
	log_info("logged in", TEXT("gateway", session->peer), LINK_FACT(link),
		 TEXT("as", client->settings->config->linksocks.reverse ? "provider" : "client"),
		 TEXT(session->tls[0] ? "tls" : NULL, session->tls),
		 TEXT("features", linksocks_features_text(linksocks_features(session), features)),
		 NUMBER("worker", session->hub->index));
	linksocks_connector_start(link);
	linksocks_client_is_up(client);
}

/* ---- redirections ---- */

static bool follow(struct client_link *link, struct slice location)
{
	const struct linksocks_client_settings *settings = link->client->settings;
	bool was_tls = link->url.tls;
	if (!linksocks_url_follow(&link->url, location, link->redirected))
		return false;
	/* The path may carry the token, an Auth message does: neither leaves TLS behind our user's back. */
	return link->url.tls ? settings->tls != NULL : !was_tls || settings->config->plaintext;
}

static void link_redirected(struct session *session, const struct event *event)
{
	struct client_link *link = client_link_of(session);
	if (link->session != session || link->state != LINK_LOGIN)
		return;
	if (link->redirects == REDIRECTS_MAX) {
		session_end(session, REASON_PROTOCOL, "too many redirections", false);
		return;
	}
	if (!follow(link, event->text)) {
		session_end(session, REASON_PROTOCOL, "redirected to where this client does not go", false);
		return;
	}
	link->redirects++;
	link_down(link);
	log_info("redirected", TEXT("gateway", session->peer), TEXT("to", link->url.host),
		 NUMBER("port", link->url.port), TEXT("tls", link->url.tls ? "yes" : "no"));
	session_end(session, REASON_GOAWAY, NULL, false);
	if (!link->client->draining)
		dial(link);
}

/* ---- what the server says and wants ---- */

static void link_open(struct session *session, const struct event *event)
{
	const struct linksocks_client_settings *settings = client_of(session->service)->settings;
	const struct config_linksocks_client *config = &settings->config->linksocks;
	if (!config->reverse) {
		channel_refuse(event->channel, REASON_FORBIDDEN, "this client is no provider");
		return;
	}
	const struct linksocks_exit exit = {
	    .access = settings->access, .via = &config->target_proxy, .timeout = config->connect_timeout};
	linksocks_exit_open(&exit, event);
}

static void link_note(struct session *session, const struct note *note)
{
	struct client_link *link = client_link_of(session);
	size_t hello_size = sizeof hello - 1;
	bool greets =
	    note->text.size >= hello_size && !memcmp(note->text.at, hello, hello_size);
	if (note->kind == NOTE_PARTNERS) {
		link->connector = !link->client->settings->config->linksocks.reverse;
		if (hub_may_log(session->hub))
			log_debug("partners", TEXT("gateway", session->peer), LINK_FACT(link),
				  NUMBER("count", note->count));
	} else if (note->kind == NOTE_TEXT && !greets && hub_may_log(session->hub)) {
		log_at(note->level < LOG_LEVEL_COUNT ? note->level : LOG_DEBUG, "the server says",
		       TEXT("gateway", session->peer), BYTES("text", note->text));
	}
}

static void link_event(struct session *session, const struct event *event)
{
	switch (event->kind) {
	case EVENT_AUTHED:
		link_authed(session, event);
		break;
	case EVENT_OPEN:
		link_open(session, event);
		break;
	case EVENT_NOTE:
		link_note(session, event->note);
		break;
	case EVENT_GOAWAY:
		link_redirected(session, event);
		break;
	case EVENT_RESPONSE:
		linksocks_connector_answered(client_link_of(session), event);
		break;
	default:
		break;
	}
}

static void link_fill(struct session *session, struct event *event)
{
	struct client_link *link = client_link_of(session);
	if (event->kind == EVENT_AUTH)
		event->credentials = &link->credentials;
	if (event->kind == EVENT_REQUEST)
		event->token = &link->request;
}

static void link_describe(const struct session *session, struct session_facts *facts)
{
	const struct client_link *link = client_link_of(session);
	bool reverse = link && link->client->settings->config->linksocks.reverse;
	*facts = (struct session_facts){.protocol = "linksocks",
					.role = reverse			? "provider"
						: link && link->connector ? "connector"
									  : "client",
					.peer_role = "server",
					.features = linksocks_features(session)};
}

static const struct role role_client_link = {
    .name = "linksocks client",
    .session_size = sizeof(struct client_link *),
    .start = link_start,
    .event = link_event,
    .fill = link_fill,
    .describe = link_describe,
    .ended = link_ended,
};

/* ---- by the service ---- */

void linksocks_client_link_start(struct client_link *link)
{
	if (!link->client->draining && link->state == LINK_WAITING && !timer_is_armed(&link->timer))
		dial_gateway(link);
}

void linksocks_client_link_drain(struct client_link *link)
{
	timer_disarm(&link->timer);
	probe_disarm(&link->probe);
	linksocks_connector_stop(link);
	if (link->state == LINK_READY)
		session_drain(link->session);
	else if (link->session)
		session_end(link->session, REASON_STOPPING, NULL, false);
}

/* Tries now, or asks the server for a sign of life. */
void linksocks_client_link_network_changed(struct client_link *link)
{
	struct hub *hub = link->client->service.hub;
	if (link->state == LINK_WAITING && timer_is_armed(&link->timer)) {
		try_after(link, DURATION_MS(random_next(&hub->random) % 500));
	} else if (link->state == LINK_READY && probe_arm(&link->probe, link->session)) {
		log_info("the network has changed, asking the server for a sign of life",
			 TEXT("gateway", link->session->peer), LINK_FACT(link));
		session_say(link->session, EVENT_PING);
	}
}

void linksocks_client_link_init(struct client_link *link, struct client *client, uint32_t number)
{
	const struct linksocks_client_settings *settings = client->settings;
	const struct config_reconnect *reconnect = &settings->config->reconnect;
	*link = (struct client_link){.client = client,
				     .number = number,
				     .burden = &settings->links->burdens[number],
				     .timer = {.expired = link_due},
				     .delay = retry_of(reconnect->min, reconnect->max, RETRY_HALF_AGAIN)};
	linksocks_connector_init(link);
	snprintf(link->fact, sizeof link->fact, "%u/%u", number + 1, settings->links->count);
}

void linksocks_client_link_fini(struct client_link *link)
{
	timer_disarm(&link->timer);
	probe_disarm(&link->probe);
	timer_disarm(&link->answer);
	secret_wipe(link->redirected, sizeof link->redirected);
}
