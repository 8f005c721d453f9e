/* protocols/tls_tunnel/claim.c - letters about claims, and what a link's own worker does about them; see
 * claims.h.
 */
#include <stdlib.h>

#include "protocols/tls_tunnel/claims.h"

static void claim_deliver(struct hub *to, struct mail *mail);

struct claim *claim_create(struct gateway *gateway, enum claim_kind kind, uint32_t to,
			   const struct party *party, uint32_t count)
{
	struct claim *claim = mail_create(sizeof *claim + count * sizeof *claim->wanted);
	if (!claim)
		return NULL;
	claim->mail.deliver = claim_deliver;
	claim->mail.to = to;
	claim->kind = kind;
	claim->service = gateway->service.index;
	claim->party = *party;
	if (party->burden)
		burden_ref(party->burden);
	claim->count = count;
	return claim;
}

void claim_free(struct claim *claim)
{
	burden_unref(claim->party.burden);
	free(claim->awaited);
	mail_free(&claim->mail);
}

/* ---- said by a link's worker ---- */

bool claim_ask(struct offering *offering)
{
	struct gateway *gateway = offering->gateway;
	struct claim *claim = claim_create(gateway, CLAIM_ASK, 0, &offering->party, offering->count);
	if (!claim)
		return false;
	for (uint32_t i = 0; i < offering->count; i++) {
		const struct offer *offer = &offering->offers[i];
		claim->wanted[i].port = offer->port;
		text_copy(claim->wanted[i].name, HOST_SIZE, slice_of(offer->name));
		text_copy(claim->wanted[i].addr, ADDRESS_PATH_SIZE, slice_of(offer->addr));
	}
	hub_post(gateway->service.hub, &claim->mail);
	return true;
}

/* Without memory for it nothing could be kept right. */
static void tell_worker_0(struct gateway *gateway, enum claim_kind kind, const struct party *party)
{
	struct claim *claim = claim_create(gateway, kind, 0, party, 0);
	check(claim);
	hub_post(gateway->service.hub, &claim->mail);
}

void claim_release(struct offering *offering)
{
	tell_worker_0(offering->gateway, CLAIM_RELEASE, &offering->party);
}

void claim_survives(struct offering *offering)
{
	tell_worker_0(offering->gateway, CLAIM_SURVIVES, &offering->party);
}

void claim_port_closed(struct gateway *gateway, const char *name, uint16_t port)
{
	struct claim *claim = claim_create(gateway, CLAIM_CLOSED, 0, &(struct party){0}, 1);
	check(claim);
	claim->wanted[0].port = port;
	text_copy(claim->wanted[0].name, HOST_SIZE, slice_of(name));
	hub_post(gateway->service.hub, &claim->mail);
}

/* ---- heard by a link's worker ---- */

/* Ports are opened even when the link has ended meanwhile: others may have joined it. */
static void claim_answered(struct gateway *gateway, const struct claim *claim)
{
	struct offering *offering = offering_find(gateway, claim->party.link_id);
	const char *peer = offering ? offering->session->peer : "";
	for (uint32_t i = 0; offering && i < claim->count && i < offering->count; i++)
		offering->offers[i].refused = claim->wanted[i].refused;
	if (offering)
		link_claimed(offering);
	for (uint32_t i = 0; i < claim->count; i++) {
		const struct wanted *wanted = &claim->wanted[i];
		if (wanted->listens && !wanted->refused)
			port_open(gateway, wanted->name, wanted->addr, wanted->port, peer);
	}
}

/* A newer link wants what this one holds. One that is gone has said so. */
static void claim_probed(struct gateway *gateway, const struct claim *claim)
{
	struct offering *offering = offering_find(gateway, claim->party.link_id);
	if (!offering)
		return;
	if (claim->evict)
		session_end(offering->session, REASON_REPLACED, NULL, false);
	else
		offering_probe(offering);
}

/* The worker that decides has written it down already, and may have struck it out again. */
static void entry_told(struct gateway *gateway, const struct claim *claim)
{
	const struct wanted *wanted = &claim->wanted[0];
	const struct party *party = &claim->party;
	struct registry *registry = &gateway->registry;
	struct registry_holder *holder;
	if (gateway->service.hub->index == 0) {
		struct registry_entry *entry = registry_find(registry, wanted->name, wanted->port);
		holder = entry ? registry_holder_of(entry, party->link_id) : NULL;
		if (!holder)
			return;
	} else {
		holder = registry_add(registry, wanted->name, wanted->port, party->worker, party->link_id,
				      party->burden);
		check(holder);
	}
	struct registry_entry *entry = registry_find(registry, wanted->name, wanted->port);
	if (entry && !instant_is_set(entry->since))
		entry->since = gateway->service.hub->now;
	struct offering *offering = offering_find(gateway, party->link_id);
	holder->session = offering ? offering->session : NULL;
}

static void claim_hear(struct gateway *gateway, const struct claim *claim)
{
	const struct wanted *wanted = &claim->wanted[0];
	switch (claim->kind) {
	case CLAIM_ANSWER:
		claim_answered(gateway, claim);
		break;
	case CLAIM_PROBE:
		claim_probed(gateway, claim);
		break;
	case CLAIM_SURVIVES:
		claims_survived(gateway, claim->party.link_id);
		break;
	case CLAIM_RELEASE:
		claims_released(gateway, &claim->party);
		break;
	case CLAIM_ENTRY:
		entry_told(gateway, claim);
		break;
	case CLAIM_GONE:
		registry_remove_link(&gateway->registry, claim->party.link_id);
		break;
	case CLAIM_CLOSE:
		port_close(gateway, wanted->name, wanted->port);
		break;
	case CLAIM_CLOSED:
		claims_port_closed(gateway, wanted->name, wanted->port);
		break;
	case CLAIM_ASK:
		break;
	}
}

static void claim_deliver(struct hub *to, struct mail *mail)
{
	struct claim *claim = OWNER(mail, struct claim, mail);
	struct gateway *gateway = gateway_at(to, claim->service);
	if (gateway && claim->kind == CLAIM_ASK) {
		claims_asked(gateway, claim);
		return;                  /* kept until it is answered */
	}
	if (gateway)
		claim_hear(gateway, claim);
	claim_free(claim);
}
