/* protocols/tls_tunnel/link.c - the gateway's side of one link: login, what it publishes, whom it visits,
 * what it wants dialled; and the users of published ports.
 */
#include <stdio.h>
#include <stdlib.h>

#include "core/constant.h"
#include "core/log.h"
#include "protocols/tls_tunnel/inside.h"
#include "protocols/tls_tunnel/legacy.h"

struct link_state {
	struct offering *offering;               /* from PUBLISH on */
	const struct config_identity *identity;  /* NULL: the shared key */
	struct credentials shown;                /* features and instance; the slices are not kept */
	bool authed, submitted;
	enum reason verdict;                     /* of AUTH, then of PUBLISH */
	struct refused_item { char text[HOST_SIZE + 32]; } *refused_texts;
	struct slice *refused;                   /* into refused_texts; only until they are said */
	uint32_t refused_count;
	struct note note;                        /* what fill gave last */
	struct publication about, *refused_about;
	char note_text[OFFER_TEXT_SIZE];
	char *refusal_text;                      /* of PUBLISH, in words that the wire must not change */
	bool partial;                            /* some were refused, and that is still to be told */
};

static struct link_state *state_of(const struct session *session) { return session->role_state; }

/* ---- login ---- */

/* Above the rate it is closed without a word, as the original does; link_ended tells the log. */
static void link_start(struct session *session)
{
	struct gateway_settings *settings = gateway_of(session->service)->settings;
	if (!settings->config->legacy)
		tls_tunnel_refuse_legacy(session);
	bool source_may = !settings->source_rates ||
			  rate_sources_take(settings->source_rates, &session->target.source,
					    session->hub->now);
	if (source_may && rate_shared_take(&settings->link_rate, session->hub->now))
		return;
	hub_count(session->hub, COUNTER_logins_limited, 1);
	session_end(session, REASON_LIMIT,
		    source_may ? "tls_tunnel.rate_limit" : "tls_tunnel.rate_limit.per_source", false);
}

/* Every key is compared, so that the time tells nothing. */
static bool key_is_known(const struct config_gateway *config, struct slice key,
			 const struct config_identity **identity)
{
	bool is_shared = secret_equal(secret_slice(&config->auth_key), key);
	bool known = is_shared && secret_is_set(&config->auth_key);
	*identity = NULL;
	for (size_t i = 0; i < config->identity_count; i++)
		if (secret_equal(secret_slice(&config->identities[i].auth_key), key))
			*identity = &config->identities[i];
	return known || *identity;
}

static void link_auth(struct session *session, const struct event *event)
{
	struct link_state *state = state_of(session);
	const struct config_gateway *config = gateway_of(session->service)->settings->config;
	state->shown.features = event->credentials->features;
	state->shown.link = event->credentials->link;
	memcpy(state->shown.instance, event->credentials->instance, sizeof state->shown.instance);
	bool known = key_is_known(config, event->credentials->secret, &state->identity);
	state->verdict = known ? REASON_OK : REASON_AUTH;
	char number[12];
	snprintf(number, sizeof number, "%u", state->shown.link + 1);
	enum tunnel_generation generation = tls_tunnel_generation(session);
	if (known) {
		log_info("logged in", TEXT("peer", session->peer),
			 TEXT("transport", tls_tunnel_transport_name(session)),
			 TEXT("generation", generation == TUNNEL_14 ? "1.4 or older"
								    : tls_tunnel_generation_name(generation)),
			 TEXT("identity", state->identity ? state->identity->name : "shared key"),
			 TEXT("peer_is", state->shown.features & FEATURE_OURS ? "tunnel" : "stock"),
			 TEXT("tls", session->tls), NUMBER("worker", session->hub->index),
			 TEXT(state->shown.features & FEATURE_LINKS ? "link" : NULL, number));
	} else {
		hub_count(session->hub, COUNTER_logins_refused, 1);
		text_copy(session->why_text, sizeof session->why_text, slice_of("wrong auth_key"));
	}
	state->authed = known;
	session_say(session, EVENT_AUTHED);
}

/* ---- publishing ---- */

/* Room for so many refusals. False: no memory, the session has been ended. */
static bool refusals_reserve(struct session *session, uint32_t count)
{
	struct link_state *state = state_of(session);
	state->refused_texts = calloc(count + 1, sizeof *state->refused_texts);
	state->refused = calloc(count + 1, sizeof *state->refused);
	state->refused_about = calloc(count + 1, sizeof *state->refused_about);
	if (state->refused_texts && state->refused && state->refused_about)
		return true;
	session_end(session, REASON_MEMORY, NULL, false);
	return false;
}

static void refusals_free(struct link_state *state)
{
	free(state->refused_texts);
	free(state->refused);
	free(state->refused_about);
	free(state->refusal_text);
	state->refusal_text = NULL;
	state->refused_texts = NULL;
	state->refused = NULL;
	state->refused_about = NULL;
	state->refused_count = 0;
}

/* "WHAT: NAME", "NAME:PORT" */
static void refusal_add(struct link_state *state, const char *first, const char *between, const char *second)
{
	char *text = state->refused_texts[state->refused_count].text;
	snprintf(text, sizeof state->refused_texts->text, "%s%s%s", first, between, second);
	state->refused[state->refused_count++] = slice_of(text);
}

static void refuse_in_words(struct session *session, const char *text)
{
	struct link_state *state = state_of(session);
	state->refusal_text = strdup(text);
	if (!state->refusal_text) {
		session_end(session, REASON_MEMORY, NULL, false);
		return;
	}
	state->verdict = REASON_FORBIDDEN;
	text_copy(session->why_text, sizeof session->why_text, slice_of(text));
	session_say(session, EVENT_PUBLISHED);
}

static void refuse_all(struct session *session, const char *what, const char *name)
{
	struct link_state *state = state_of(session);
	if (!refusals_reserve(session, 1))
		return;
	state->verdict = REASON_FORBIDDEN;
	refusal_add(state, what, ": ", name);
	text_copy(session->why_text, sizeof session->why_text, state->refused[0]);
	session_say(session, EVENT_PUBLISHED);
}

/* The first rule that is broken, as the original words it; NULL: none is. */
static const char *fault_of(const struct session *session, const struct publication *all, uint32_t count,
			    uint32_t at)
{
	const struct gateway *gateway = gateway_of(session->service);
	const struct config_identity *identity = state_of(session)->identity;
	const struct publication *one = &all[at];
	for (uint32_t i = 0; i < at; i++) {
		if (all[i].visitor)
			continue;
		if (strcmp(all[i].name, one->name) == 0)
			return "Duplicate proxy name";
		if (all[i].publish_port == one->publish_port &&
		    strcmp(all[i].publish_addr, one->publish_addr) == 0)
			return "Duplicate binding";
	}
	if (!one->publish_port || !one->local_port || text_is_blank(one->publish_addr) ||
	    text_is_blank(one->name))
		return "Invalid proxy";
	if (one->publish_port == gateway->public.address.port ||
	    one->publish_port == gateway->settings->config->listen_addr.port)
		return "Port conflict";
	if (identity && identity->port_count &&
	    !port_ranges_have(identity->ports, identity->port_count, one->publish_port))
		return "Port not allowed";
	return NULL;
}

static uint16_t own_port(const struct gateway *gateway)
{
	uint16_t port = gateway->public.address.port;
	return port ? port : gateway->settings->config->listen_addr.port;
}

/* The same for a client before 1.5, which hears one text. */
static bool refuse_legacy(struct session *session, const struct event *event, uint32_t at)
{
	struct link_state *state = state_of(session);
	const struct publication *one = &event->publications[at];
	const struct config_identity *identity = state->identity;
	char text[LEGACY_RULE_SIZE];
	bool denied = identity && identity->port_count &&
		      !port_ranges_have(identity->ports, identity->port_count, one->publish_port);
	if (!legacy_rule(tls_tunnel_generation(session), event->publications, event->publication_count, at,
			 own_port(gateway_of(session->service)), text)) {
		if (!denied)
			return false;
		snprintf(text, sizeof text,
			 "Proxy configuration validation failed: Proxy '%s': publish_port %u is not allowed",
			 one->name, one->publish_port);
	}
	refuse_in_words(session, text);
	return true;
}

static bool refuse_proxy(struct session *session, const struct event *event, uint32_t at)
{
	const struct publication *one = &event->publications[at];
	if (tls_tunnel_generation(session) != TUNNEL_15)
		return refuse_legacy(session, event, at);
	const char *fault = fault_of(session, event->publications, event->publication_count, at);
	if (!fault)
		return false;
	bool binding = strcmp(fault, "Duplicate binding") == 0;
	char where[HOST_SIZE + 8];
	snprintf(where, sizeof where, "%s:%u", one->publish_addr, one->publish_port);
	refuse_all(session, fault, binding ? where : one->name);
	return true;
}

/* 1.0 does not say where to listen: it is where the gateway does. */
static void complete_offers(const struct session *session, struct offering *offering)
{
	const struct address *own = &gateway_of(session->service)->settings->config->listen_addr;
	char host[ADDRESS_TEXT_SIZE];
	if (!offering || tls_tunnel_generation(session) != TUNNEL_10)
		return;
	address_host(own, host);
	for (uint32_t i = 0; i < offering->count; i++)
		text_copy(offering->offers[i].addr, sizeof offering->offers[i].addr, slice_of(host));
}

static void link_publish(struct session *session, const struct event *event)
{
	struct link_state *state = state_of(session);
	if (!state->authed || state->submitted)
		return;                  /* sent along with a key that is wrong: that answer ends the link */
	state->submitted = true;
	if (event->publication_count > OFFERS_MAX) {
		refuse_all(session, "Too many proxies", "at most 1024");
		return;
	}
	for (uint32_t i = 0; i < event->publication_count; i++)
		if (!event->publications[i].visitor && refuse_proxy(session, event, i))
			return;
	struct gateway *gateway = gateway_of(session->service);
	state->offering =
	    offering_create(gateway, session, &state->shown, event->publications, event->publication_count);
	complete_offers(session, state->offering);
	if (!state->offering || !claim_ask(state->offering))
		session_end(session, REASON_MEMORY, NULL, false);
}

void link_claimed(struct offering *offering)
{
	struct session *session = offering->session;
	struct link_state *state = state_of(session);
	if (!refusals_reserve(session, offering->count))
		return;
	for (uint32_t i = 0; i < offering->count; i++) {
		const struct offer *offer = &offering->offers[i];
		char port[8];
		if (!offer->refused)
			continue;
		snprintf(port, sizeof port, "%u", offer->port);
		state->refused_about[state->refused_count] =
		    (struct publication){.name = offer->name, .publish_port = offer->port};
		refusal_add(state, offer->name, ":", port);
	}
	bool all = offering->count && state->refused_count == offering->count;
	state->verdict = all ? REASON_LIMIT : REASON_OK;
	if (state->refused_count)
		log_warn("proxies refused: another client holds them", TEXT("peer", session->peer),
			 NUMBER("refused", state->refused_count), NUMBER("of", offering->count));
	if (all)
		text_copy(session->why_text, sizeof session->why_text,
			  slice_of("other clients hold all that it publishes"));
	state->partial = state->refused_count && !all;
	if (state->partial)
		session_say(session, EVENT_NOTE);
	session_say(session, EVENT_PUBLISHED);
}

/* ---- visiting ---- */

static void link_open(struct session *session, const struct event *event)
{
	struct hub *hub = session->hub;
	const struct target *target = event->target;
	if (!target->published) {
		forward_open(gateway_of(session->service), event);
		return;
	}
	enum reason reason =
	    hub->draining ? REASON_LIMIT : user_visit(gateway_of(session->service), event);
	if (reason == REASON_OK)
		return;
	char text[CHANNEL_TEXT_SIZE];
	snprintf(text, sizeof text, "Proxy '%s' with publish_port %u not found or client not connected",
		 target->host, target->port);
	if (hub_may_log(hub))
		log_info("visitor refused", TEXT("peer", session->peer), TEXT("name", target->host),
			 NUMBER("port", target->port),
			 TEXT("reason", reason == REASON_LIMIT
					    ? "no room"
					    : "nothing is published under that name and port"));
	channel_refuse(event->channel, REASON_NOT_FOUND, text);
}

/* Visitors hear of it as it came. */
static bool link_refused(struct pair *pair, enum reason reason)
{
	if (pair->side[0]->target.published)
		return false;
	forward_refused(pair, reason);
	return true;
}

/* ---- for statistics ---- */

struct offering *link_offering(const struct session *session) { return state_of(session)->offering; }

const char *link_identity(const struct session *session)
{
	const struct config_identity *identity = state_of(session)->identity;
	return identity ? identity->name : "";
}

static void link_describe(const struct session *session, struct session_facts *facts)
{
	*facts = (struct session_facts){.protocol = "tls-tunnel",
					.role = "gateway",
					.peer_role = "client",
					.identity = link_identity(session),
					.features = state_of(session)->shown.features,
					.transport = tls_tunnel_transport_name(session),
					.generation =
					    tls_tunnel_generation_name(tls_tunnel_generation(session))};
}

/* ---- the role ---- */

static void link_event(struct session *session, const struct event *event)
{
	switch (event->kind) {
	case EVENT_AUTH:
		link_auth(session, event);
		break;
	case EVENT_PUBLISH:
		link_publish(session, event);
		break;
	case EVENT_OPEN:
		link_open(session, event);
		break;
	case EVENT_GOAWAY:
		session_drain(session);
		break;
	case EVENT_PONG:
		if (state_of(session)->offering)
			offering_answered(state_of(session)->offering);
		break;
	default:
		break;
	}
}

/* What was refused in part comes before the answer; what could not be bound, after it. */
static void link_fill_note(struct link_state *state, struct event *event)
{
	if (state->partial) {
		snprintf(state->note_text, sizeof state->note_text, "%u rejected", state->refused_count);
		state->note = (struct note){
		    .kind = NOTE_PARTIAL, .level = LOG_WARN, .text = slice_of(state->note_text)};
		event->refused = state->refused;
		event->refused_count = state->refused_count;
		event->publications = state->refused_about;
		event->publication_count = state->refused_count;
		event->note = &state->note;
	} else if (state->offering &&
		   offering_note(state->offering, &state->note, &state->about, state->note_text)) {
		event->note = &state->note;
	}
}

static void link_fill(struct session *session, struct event *event)
{
	struct link_state *state = state_of(session);
	switch (event->kind) {
	case EVENT_AUTHED:
		event->reason = state->verdict;
		event->credentials = &state->shown;
		break;
	case EVENT_PUBLISHED:
		event->reason = state->verdict;
		event->text = slice_of(state->refusal_text ? state->refusal_text : "");
		event->refused = state->refused;
		event->refused_count = state->refused_count;
		break;
	case EVENT_NOTE:
		link_fill_note(state, event);
		break;
	default:
		break;
	}
}

static void link_said(struct session *session, enum event_kind kind)
{
	struct link_state *state = state_of(session);
	if (kind == EVENT_NOTE && state->partial)
		state->partial = false;
	else if (kind == EVENT_NOTE && state->offering)
		offering_noted(state->offering);
	if (kind == EVENT_PUBLISHED)
		refusals_free(state);
}

static void link_ended(struct session *session)
{
	struct link_state *state = state_of(session);
	struct gateway *gateway = gateway_of(session->service);
	refusals_free(state);
	registry_set_session(&gateway->registry, session->id, NULL);
	if (state->offering) {
		claim_release(state->offering);
		offering_free(state->offering);
	}
	hub_count(session->hub, COUNTER_links_closed, 1);
	if (!state->authed && !hub_may_log(session->hub))
		return;                  /* a stranger can do that as often as it likes */
	log_at(reason_is_error(session->why) && session->why != REASON_LOST ? LOG_WARN : LOG_INFO,
	       "link ended", TEXT("peer", session->peer), TEXT("reason", reason_text(session->why)),
	       TEXT("detail", session->why_text));
}

const struct role role_gateway_link = {
	.name = "tls_tunnel link",
	.session_size = sizeof(struct link_state),
	.start = link_start,
	.event = link_event,
	.fill = link_fill,
	.said = link_said,
	.refused = link_refused,
	.describe = link_describe,
	.ended = link_ended,
};
