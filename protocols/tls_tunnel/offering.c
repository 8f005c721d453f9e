/* protocols/tls_tunnel/offering.c - what one link offers: the notes to its client about it, and the probe of
 * an old link.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "protocols/tls_tunnel/inside.h"
#include "protocols/tls_tunnel/wire.h"

/* Seconds before the next try to bind (TLS Tunnel 1.5: ten retries). */
static const uint8_t bind_delays_s[BIND_TRIES_MAX] = {2, 4, 8, 16, 32, 60, 60, 60, 60, 60};

static void offering_probed(struct timer *timer);

static struct offering *offering_of(struct link *link) { return OWNER(link, struct offering, gateway_link); }

uint32_t bind_delay_s(uint8_t tries) { return tries <= BIND_TRIES_MAX ? bind_delays_s[tries - 1] : 0; }

struct offering *offering_create(struct gateway *gateway, struct session *session,
				 const struct credentials *shown, const struct publication *publications,
				 uint32_t count)
{
	struct offering *offering = calloc(1, sizeof *offering + count * sizeof *offering->offers);
	struct burden *burden = offering ? burden_create() : NULL;
	if (!burden) {
		free(offering);
		return NULL;
	}
	offering->gateway = gateway;
	offering->session = session;
	offering->party = (struct party){.link_id = session->id,
					 .worker = session->hub->index,
					 .shares = shown->features & FEATURE_LINKS,
					 .number = shown->link,
					 .burden = burden};
	memcpy(offering->party.instance, shown->instance, INSTANCE_SIZE);
	offering->features = shown->features;
	offering->probe.expired = offering_probed;
	for (uint32_t i = 0; i < count; i++) {
		if (publications[i].visitor)
			continue;
		struct offer *offer = &offering->offers[offering->count++];
		offer->port = publications[i].publish_port;
		offer->local_port = publications[i].local_port;
		text_copy(offer->name, sizeof offer->name, slice_of(publications[i].name));
		text_copy(offer->addr, sizeof offer->addr, slice_of(publications[i].publish_addr));
		text_copy(offer->type, sizeof offer->type, slice_of(publications[i].type));
	}
	session_show(session, burden);
	list_push(&gateway->offerings, &offering->gateway_link);
	return offering;
}

void offering_free(struct offering *offering)
{
	burden_close(offering->party.burden);
	offering->session->burden = NULL;
	burden_unref(offering->party.burden);
	timer_disarm(&offering->probe);
	link_remove(&offering->gateway_link);
	free(offering);
}

struct offering *offering_find(struct gateway *gateway, uint64_t link_id)
{
	for (struct link *link = gateway->offerings.next; link != &gateway->offerings; link = link->next)
		if (offering_of(link)->party.link_id == link_id)
			return offering_of(link);
	return NULL;
}

/* ---- notes: one at a time, the state of each offer is the queue ---- */

struct offer *offering_offer(struct offering *offering, const char *name, uint16_t port)
{
	for (uint32_t i = 0; offering && i < offering->count; i++) {
		struct offer *offer = &offering->offers[i];
		if (!offer->refused && offer->port == port && strcmp(offer->name, name) == 0)
			return offer;
	}
	return NULL;
}

void offering_bind_failed(struct gateway *gateway, const char *name, uint16_t port, uint8_t tries, int error)
{
	for (struct link *link = gateway->offerings.next; link != &gateway->offerings; link = link->next) {
		struct offering *offering = offering_of(link);
		const struct registry_entry *entry = registry_find(&gateway->registry, name, port);
		struct offer *offer = offering_offer(offering, name, port);
		if (!offer || !entry || !registry_holder_of(entry, offering->party.link_id))
			continue;
		offer->error = error;
		offer->tries = tries;
		offer->note = bind_delay_s(tries) ? NOTE_BIND_RETRY : NOTE_BIND_FAILED;
		session_say(offering->session, EVENT_NOTE);
		return;                  /* one link tells its client for all of them */
	}
}

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
				      .retry = failed ? BIND_TRIES_MAX : offer->tries,
				      .retry_max = BIND_TRIES_MAX,
				      .delay_s = bind_delay_s(offer->tries)};
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
	if (offering->probing)
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
