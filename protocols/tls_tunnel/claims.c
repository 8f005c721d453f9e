/* protocols/tls_tunnel/claims.c - which link holds which (name, port): decided on worker 0, told to
 * everybody.
 *
 * A claim that meets a holder waits until that one is gone, has shown a sign of life, or was evicted because
 * it is an older link of the same client (same instance). Holders release after their listeners are closed.
 * Order between two workers is kept by the mailboxes, so nobody hears of an answer before the registry behind
 * it.
 */
#include <stdlib.h>

#include "core/log.h"
#include "protocols/tls_tunnel/inside.h"

struct wanted {
	char name[HOST_SIZE];
	uint16_t port;
	bool refused;
};

enum claim_kind {
	CLAIM_ASK,
	CLAIM_ANSWER,
	CLAIM_PROBE,
	CLAIM_SURVIVES,
	CLAIM_RELEASE,
	CLAIM_ENTRY,
	CLAIM_GONE
};

/* One letter for everything that is said between workers about claims. */
struct claim {
	struct mail mail;
	enum claim_kind kind;
	uint32_t service, from;          /* service index; the worker that asked */
	uint64_t link_id;                /* who asks, or whom it is about */
	uint8_t instance[INSTANCE_SIZE];
	bool evict;                      /* PROBE: do not ask, it has been replaced */
	struct link waiting_link;        /* worker 0: gateway->claims */
	uint32_t waits;                  /* worker 0: probes that are not answered */
	uint64_t *probed;                /* worker 0: the links that it waits for, `waits_max` of them */
	uint32_t probed_count;
	uint32_t count;
	struct wanted wanted[];
};

/* Worker 0: a link that holds something. */
struct holder {
	struct link link;
	uint64_t link_id;
	uint32_t worker;
	uint8_t instance[INSTANCE_SIZE];
};

static void claim_deliver(struct hub *to, struct mail *mail);

static struct claim *claim_create(struct gateway *gateway, enum claim_kind kind, uint32_t to, uint32_t count)
{
	struct claim *claim = mail_create(sizeof *claim + count * sizeof *claim->wanted);
	if (!claim)
		return NULL;
	claim->mail.deliver = claim_deliver;
	claim->mail.to = to;
	claim->kind = kind;
	claim->service = gateway->service.index;
	claim->from = gateway->service.hub->index;
	claim->count = count;
	return claim;
}

static void claim_free(struct claim *claim)
{
	free(claim->probed);
	mail_free(&claim->mail);
}

/* A short letter about one link. Without memory for it nothing could be kept right. */
static void letter(struct gateway *gateway, enum claim_kind kind, uint32_t to, uint64_t link_id, bool evict)
{
	struct claim *claim = claim_create(gateway, kind, to, 0);
	check(claim);
	claim->link_id = link_id;
	claim->evict = evict;
	hub_post(gateway->service.hub, &claim->mail);
}

/* ---- said by a link's worker ---- */

bool claim_ask(struct offering *offering)
{
	struct gateway *gateway = offering->gateway;
	struct claim *claim = claim_create(gateway, CLAIM_ASK, 0, offering->count);
	if (!claim)
		return false;
	claim->link_id = offering->link_id;
	memcpy(claim->instance, offering->instance, sizeof claim->instance);
	for (uint32_t i = 0; i < offering->count; i++) {
		claim->wanted[i].port = offering->offers[i].port;
		text_copy(claim->wanted[i].name, HOST_SIZE, slice_of(offering->offers[i].name));
	}
	offering->claimed = true;
	hub_post(gateway->service.hub, &claim->mail);
	return true;
}

void claim_release(struct offering *offering)
{
	letter(offering->gateway, CLAIM_RELEASE, 0, offering->link_id, false);
}

void claim_survives(struct offering *offering)
{
	letter(offering->gateway, CLAIM_SURVIVES, 0, offering->link_id, false);
}

/* ---- worker 0 ---- */

static struct holder *holder_find(struct gateway *gateway, uint64_t link_id)
{
	for (struct link *link = gateway->holders.next; link != &gateway->holders; link = link->next)
		if (OWNER(link, struct holder, link)->link_id == link_id)
			return OWNER(link, struct holder, link);
	return NULL;
}

static bool is_same_client(const struct claim *claim, const struct holder *holder)
{
	static const uint8_t none[INSTANCE_SIZE];
	return memcmp(claim->instance, none, sizeof none) != 0 &&
	       memcmp(claim->instance, holder->instance, sizeof none) == 0;
}

static bool claim_waits_for(const struct claim *claim, uint64_t link_id)
{
	for (uint32_t i = 0; i < claim->probed_count; i++)
		if (claim->probed[i] == link_id)
			return true;
	return false;
}

static void tell_registry(struct gateway *gateway, uint32_t worker, uint64_t link_id,
			  const struct wanted *wanted)
{
	for (uint32_t to = 0; to < gateway->service.hub->worker_count; to++) {
		struct claim *claim =
		    claim_create(gateway, wanted ? CLAIM_ENTRY : CLAIM_GONE, to, wanted ? 1 : 0);
		check(claim);
		claim->link_id = link_id;
		claim->from = worker;
		if (wanted)
			claim->wanted[0] = *wanted;
		hub_post(gateway->service.hub, &claim->mail);
	}
}

/* Nobody is left to wait for: what is free is taken, the rest is refused. */
static void claim_decide(struct gateway *gateway, struct claim *claim)
{
	struct holder *holder = calloc(1, sizeof *holder);
	check(holder);
	holder->link_id = claim->link_id;
	holder->worker = claim->from;
	memcpy(holder->instance, claim->instance, sizeof holder->instance);
	list_push(&gateway->holders, &holder->link);
	for (uint32_t i = 0; i < claim->count; i++) {
		struct wanted *wanted = &claim->wanted[i];
		wanted->refused = registry_find(&gateway->registry, wanted->name, wanted->port) ||
				  !registry_add(&gateway->registry, wanted->name, wanted->port, claim->from,
						claim->link_id);
		if (!wanted->refused)
			tell_registry(gateway, claim->from, claim->link_id, wanted);
	}
	link_remove(&claim->waiting_link);
	claim->kind = CLAIM_ANSWER;
	claim->mail.to = claim->from;
	hub_post(gateway->service.hub, &claim->mail);
}

static void claim_asked(struct gateway *gateway, struct claim *claim)
{
	claim->probed = calloc(claim->count + 1, sizeof *claim->probed);
	check(claim->probed);
	list_push(&gateway->claims, &claim->waiting_link);
	for (uint32_t i = 0; i < claim->count; i++) {
		const struct registry_entry *entry =
		    registry_find(&gateway->registry, claim->wanted[i].name, claim->wanted[i].port);
		struct holder *holder = entry ? holder_find(gateway, entry->link_id) : NULL;
		if (!holder || claim_waits_for(claim, holder->link_id))
			continue;
		claim->probed[claim->probed_count++] = holder->link_id;
		claim->waits++;
		letter(gateway, CLAIM_PROBE, holder->worker, holder->link_id, is_same_client(claim, holder));
	}
	if (!claim->waits)
		claim_decide(gateway, claim);
}

/* That link is gone, or lives: claims that waited for it go on. */
static void holder_settled(struct gateway *gateway, uint64_t link_id)
{
	for (struct link *link = gateway->claims.next, *next; link != &gateway->claims; link = next) {
		struct claim *claim = OWNER(link, struct claim, waiting_link);
		next = link->next;
		for (uint32_t i = 0; i < claim->probed_count; i++) {
			if (claim->probed[i] != link_id)
				continue;
			claim->probed[i] = 0;
			claim->waits--;
		}
		if (!claim->waits)
			claim_decide(gateway, claim);
	}
}

static void holder_released(struct gateway *gateway, uint64_t link_id)
{
	struct holder *holder = holder_find(gateway, link_id);
	if (holder) {
		link_remove(&holder->link);
		free(holder);
	}
	registry_remove_link(&gateway->registry, link_id);
	tell_registry(gateway, 0, link_id, NULL);
	holder_settled(gateway, link_id);
}

void claims_fini(struct gateway *gateway)
{
	while (!list_is_empty(&gateway->claims)) {
		struct claim *claim = OWNER(list_pull(&gateway->claims), struct claim, waiting_link);
		claim_free(claim);
	}
	while (!list_is_empty(&gateway->holders))
		free(OWNER(list_pull(&gateway->holders), struct holder, link));
}

/* ---- heard by any worker ---- */

static struct offering *offering_find(struct gateway *gateway, uint64_t link_id)
{
	for (struct link *link = gateway->offerings.next; link != &gateway->offerings; link = link->next)
		if (OWNER(link, struct offering, gateway_link)->link_id == link_id)
			return OWNER(link, struct offering, gateway_link);
	return NULL;
}

static void claim_answered(struct gateway *gateway, const struct claim *claim)
{
	struct offering *offering = offering_find(gateway, claim->link_id);
	if (!offering) {
		/* it ended while it waited: nothing may stay registered for it */
		letter(gateway, CLAIM_RELEASE, 0, claim->link_id, false);
		return;
	}
	for (uint32_t i = 0; i < claim->count && i < offering->count; i++)
		offering->offers[i].refused = claim->wanted[i].refused;
	if (offering->session)
		link_claimed(offering);
}

/* A newer link wants what this one holds. One that is closing will release by itself. */
static void claim_probed(struct gateway *gateway, const struct claim *claim)
{
	struct offering *offering = offering_find(gateway, claim->link_id);
	if (!offering || !offering->session)
		return;
	if (claim->evict)
		session_end(offering->session, REASON_REPLACED, NULL, false);
	else
		offering_probe(offering);
}

static void entry_told(struct gateway *gateway, const struct claim *claim)
{
	const struct wanted *wanted = &claim->wanted[0];
	struct registry_entry *entry = registry_find(&gateway->registry, wanted->name, wanted->port);
	if (!entry)
		entry =
		    registry_add(&gateway->registry, wanted->name, wanted->port, claim->from, claim->link_id);
	check(entry);
	struct offering *offering = offering_find(gateway, claim->link_id);
	if (entry->link_id == claim->link_id && offering)
		entry->session = offering->session;
}

static void claim_deliver(struct hub *to, struct mail *mail)
{
	struct claim *claim = OWNER(mail, struct claim, mail);
	struct gateway *gateway = claim->service < to->service_count ? gateway_at(to, claim->service) : NULL;
	if (!gateway) {                  /* the worker has stopped */
		claim_free(claim);
		return;
	}
	switch (claim->kind) {
	case CLAIM_ASK:
		claim_asked(gateway, claim);
		return;                  /* kept until it is answered */
	case CLAIM_ANSWER:
		claim_answered(gateway, claim);
		break;
	case CLAIM_PROBE:
		claim_probed(gateway, claim);
		break;
	case CLAIM_SURVIVES:
		holder_settled(gateway, claim->link_id);
		break;
	case CLAIM_RELEASE:
		holder_released(gateway, claim->link_id);
		break;
	case CLAIM_ENTRY:
		entry_told(gateway, claim);
		break;
	case CLAIM_GONE:
		registry_remove_link(&gateway->registry, claim->link_id);
		break;
	}
	claim_free(claim);
}
