/* protocols/tls_tunnel/offering.c - what one link publishes: listeners, their retries, and the probe of an
 * old link.
 *
 * An offering outlives its link until every listener is closed; only then is the claim released, so that
 * whoever takes the ports over can bind them at once.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/log.h"
#include "protocols/frontends/plain.h"
#include "protocols/tls_tunnel/inside.h"
#include "protocols/tls_tunnel/wire.h"

/* Seconds before the next try to bind (TLS Tunnel 1.5: ten retries). */
static const uint8_t bind_delays_s[BIND_TRIES_MAX] = {2, 4, 8, 16, 32, 60, 60, 60, 60, 60};

static void offer_opened(struct listening *listening, int error);
static void offer_closed(struct listening *listening);
static void offer_retry(struct timer *timer);
static void offering_probed(struct timer *timer);

struct offering *offering_create(struct gateway *gateway, struct session *session,
				 const struct credentials *shown, const struct publication *publications,
				 uint32_t count)
{
	struct offering *offering = calloc(1, sizeof *offering + count * sizeof *offering->offers);
	if (!offering)
		return NULL;
	offering->gateway = gateway;
	offering->session = session;
	offering->link_id = session->id;
	offering->features = shown->features;
	memcpy(offering->instance, shown->instance, sizeof offering->instance);
	offering->probe.expired = offering_probed;
	for (uint32_t i = 0; i < count; i++) {
		if (publications[i].visitor)
			continue;
		struct offer *offer = &offering->offers[offering->count++];
		offer->offering = offering;
		offer->retry.expired = offer_retry;
		offer->port = publications[i].publish_port;
		offer->local_port = publications[i].local_port;
		text_copy(offer->name, sizeof offer->name, slice_of(publications[i].name));
		text_copy(offer->addr, sizeof offer->addr, slice_of(publications[i].publish_addr));
	}
	list_push(&gateway->offerings, &offering->gateway_link);
	return offering;
}

void offering_free(struct offering *offering)
{
	timer_disarm(&offering->probe);
	for (uint32_t i = 0; i < offering->count; i++)
		timer_disarm(&offering->offers[i].retry);
	link_remove(&offering->gateway_link);
	free(offering);
}

/* ---- listening ---- */

static void offer_listen(struct offer *offer)
{
	struct gateway *gateway = offer->offering->gateway;
	struct address address;
	char text[ADDRESS_PATH_SIZE + 16];
	offer->offering->listeners++;            /* until it is closed, or told that it could not open */
	/* publish_addr and port are put together as they are, so an IPv6 address may come with brackets or
	 * without */
	if (!address_of_literal(&address, offer->addr, offer->port)) {
		snprintf(text, sizeof text, "%s:%u", offer->addr, offer->port);
		if (!address_parse(&address, text) || address.family == ADDRESS_UNIX) {
			offer_opened(&offer->listening, -EADDRNOTAVAIL);
			return;
		}
	}
	offer->listening = (struct listening){
	    .address = address,
	    .service = &gateway->service,
	    .wire = &wire_plain,
	    .carrier = &carrier_raw,
	    .role = &role_gateway_user,
	    .target = {.published = true, .port = offer->port, .service = gateway->service.index},
	    .opened = offer_opened,
	    .closed = offer_closed};
	text_copy(offer->listening.target.host, HOST_SIZE, slice_of(offer->name));
	hub_listen(gateway->service.hub, &offer->listening);
}

void offering_listen(struct offering *offering)
{
	for (uint32_t i = 0; i < offering->count; i++)
		if (!offering->offers[i].refused)
			offer_listen(&offering->offers[i]);
}

static void offering_done(struct offering *offering)
{
	if (offering->session || offering->listeners || offering->released)
		return;
	offering->released = true;
	if (offering->claimed)
		claim_release(offering);
	offering_free(offering);
}

static void offer_opened(struct listening *listening, int error)
{
	struct offer *offer = OWNER(listening, struct offer, listening);
	struct offering *offering = offer->offering;
	struct hub *hub = offering->gateway->service.hub;
	char where[ADDRESS_TEXT_SIZE];
	if (error == 0) {
		offer->listens = true;
		log_info("published", TEXT("name", offer->name),
			 TEXT("address", address_format(&listening->address, where)),
			 TEXT("peer", offering->session ? offering->session->peer : ""));
		if (!offering->session || hub->draining) {
			offer->listens = false;
			hub_unlisten(hub, listening);
		}
		return;
	}
	offering->listeners--;
	if (!offering->session) {
		offering_done(offering);
		return;
	}
	offer->error = error;
	bool again = offer->tries < BIND_TRIES_MAX;
	offer->note = again ? NOTE_BIND_RETRY : NOTE_BIND_FAILED;
	if (hub_may_log(hub))
		log_warn(again ? "cannot publish, will try again" : "cannot publish",
			 TEXT("name", offer->name), NUMBER("port", offer->port),
			 TEXT("reason", error == -EADDRINUSE ? "another process or client has the port"
							     : reason_text(reason_of_errno(error))),
			 NUMBER("retry_s", again ? bind_delays_s[offer->tries] : 0));
	if (again)
		timer_arm(&hub->wheel, &offer->retry,
			  instant_after(hub->now, DURATION_S(bind_delays_s[offer->tries++])));
	session_say(offering->session, EVENT_NOTE);
}

static void offer_retry(struct timer *timer)
{
	struct offer *offer = OWNER(timer, struct offer, retry);
	if (offer->offering->session)
		offer_listen(offer);
}

static void offer_closed(struct listening *listening)
{
	struct offer *offer = OWNER(listening, struct offer, listening);
	offer->listens = false;
	offer->offering->listeners--;
	offering_done(offer->offering);
}

void offering_close(struct offering *offering)
{
	for (uint32_t i = 0; i < offering->count; i++) {
		struct offer *offer = &offering->offers[i];
		timer_disarm(&offer->retry);
		if (offer->listens && offer->listening.asked) {
			offer->listens = false;
			hub_unlisten(offering->gateway->service.hub, &offer->listening);
		}
	}
}

void offering_end(struct offering *offering)
{
	offering->session = NULL;
	timer_disarm(&offering->probe);
	offering_close(offering);
	offering_done(offering);
}

/* ---- notes: one at a time, the state of each offer is the queue ---- */

/* As the original words it. */
static void bind_error_text(const struct offer *offer, char text[OFFER_TEXT_SIZE])
{
	if (offer->error == -EADDRINUSE)
		snprintf(text, OFFER_TEXT_SIZE, "Port %u is already in use by another process", offer->port);
	else if (offer->error == -EACCES)
		snprintf(text, OFFER_TEXT_SIZE,
			 "Permission denied to bind to %.80s:%u - may need administrator privileges",
			 offer->addr, offer->port);
	else
		snprintf(text, OFFER_TEXT_SIZE, "Failed to bind proxy listener on %.80s:%u: %s", offer->addr,
			 offer->port, reason_text(reason_of_errno(offer->error)));
}

bool offering_note(struct offering *offering, struct note *note, struct publication *about,
		   char text[OFFER_TEXT_SIZE])
{
	for (uint32_t i = 0; i < offering->count; i++) {
		struct offer *offer = &offering->offers[i];
		if (offer->note == NOTE_TEXT)
			continue;
		bool failed = offer->note == NOTE_BIND_FAILED;
		*about = (struct publication){.name = offer->name, .publish_addr = offer->addr, .type = "tcp",
					      .publish_port = offer->port, .local_port = offer->local_port};
		bind_error_text(offer, text);
		*note = (struct note){.kind = offer->note,
				      .level = failed ? LOG_ERROR : LOG_WARN,
				      .about = about,
				      .text = slice_of(text),
				      .retry = offer->tries,
				      .retry_max = BIND_TRIES_MAX,
				      .delay_s = failed ? 0 : bind_delays_s[offer->tries - 1]};
		return true;
	}
	return false;
}

void offering_noted(struct offering *offering)
{
	for (uint32_t i = 0; i < offering->count; i++) {
		struct offer *offer = &offering->offers[i];
		if (offer->note == NOTE_TEXT)
			continue;
		offer->note = NOTE_TEXT;
		break;
	}
	for (uint32_t i = 0; i < offering->count; i++)
		if (offering->offers[i].note != NOTE_TEXT)
			session_say(offering->session, EVENT_NOTE);
}

/* ---- is it still there? ---- */

void offering_probe(struct offering *offering)
{
	struct hub *hub = offering->gateway->service.hub;
	if (offering->probing || !offering->session)
		return;
	offering->probing = true;
	offering->probed_at = hub->now;
	tls_tunnel_probe(offering->session);
	struct duration patience = offering->features & FEATURE_OURS ? DURATION_S(1) : DURATION_S(5);
	timer_arm(&hub->wheel, &offering->probe, instant_after(hub->now, patience));
}

void offering_answered(struct offering *offering)
{
	if (!offering->probing)
		return;
	timer_disarm(&offering->probe);
	offering->probing = false;
	claim_survives(offering);
}

static void offering_probed(struct timer *timer)
{
	struct offering *offering = OWNER(timer, struct offering, probe);
	offering->probing = false;
	if (instant_before(offering->probed_at, offering->session->heard_at))
		claim_survives(offering);
	else
		session_end(offering->session, REASON_SILENT,
			    "a newer link wants its ports and it did not answer a ping", false);
}
