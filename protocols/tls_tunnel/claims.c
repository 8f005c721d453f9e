/* protocols/tls_tunnel/claims.c - worker 0 decides; see claims.h. */
#include "protocols/tls_tunnel/claims.h"

#include <stdlib.h>

/* A link whose claim was decided. */
struct member {
	struct link link;
	struct party party;
};

enum kinship party_kinship(const struct party *asks, const struct party *holds)
{
	static const uint8_t none[INSTANCE_SIZE];
	if (memcmp(asks->instance, none, sizeof none) == 0 ||
	    memcmp(asks->instance, holds->instance, sizeof none) != 0)
		return KINSHIP_NONE;
	bool beside = asks->shares && holds->shares && asks->number != holds->number;
	return beside ? KINSHIP_BESIDE : KINSHIP_OLDER;
}

static struct member *member_find(struct gateway *gateway, uint64_t link_id)
{
	for (struct link *link = gateway->parties.next; link != &gateway->parties; link = link->next)
		if (OWNER(link, struct member, link)->party.link_id == link_id)
			return OWNER(link, struct member, link);
	return NULL;
}

static void member_free(struct member *member)
{
	link_remove(&member->link);
	burden_unref(member->party.burden);
	free(member);
}

/* Without memory for a letter nothing could be kept right. */
static void tell(struct gateway *gateway, enum claim_kind kind, uint32_t to, const struct party *party,
		 const struct wanted *wanted)
{
	struct claim *claim = claim_create(gateway, kind, to, party, wanted ? 1 : 0);
	check(claim);
	if (wanted)
		claim->wanted[0] = *wanted;
	hub_post(gateway->service.hub, &claim->mail);
}

static void tell_all(struct gateway *gateway, enum claim_kind kind, const struct party *party,
		     const struct wanted *wanted)
{
	for (uint32_t to = 0; to < gateway->service.hub->worker_count; to++)
		tell(gateway, kind, to, party, wanted);
}

/* ---- whom a claim waits for ---- */

static struct awaited *awaited_find(const struct claim *claim, uint64_t link_id)
{
	for (uint32_t i = 0; i < claim->awaited_count; i++)
		if (claim->awaited[i].link_id == link_id)
			return &claim->awaited[i];
	return NULL;
}

static void probe(struct gateway *gateway, const struct claim *claim, const struct party *party)
{
	struct claim *letter = claim_create(gateway, CLAIM_PROBE, party->worker, party, 0);
	check(letter);
	letter->evict = party_kinship(&claim->party, party) == KINSHIP_OLDER;
	hub_post(gateway->service.hub, &letter->mail);
}

/* `settled`: it is told or asked, but the claim does not wait for what comes of it. */
static void await(struct gateway *gateway, struct claim *claim, const struct party *holder, bool settled)
{
	claim->awaited = realloc(claim->awaited, (claim->awaited_count + 1) * sizeof *claim->awaited);
	check(claim->awaited);
	bool evicted = party_kinship(&claim->party, holder) == KINSHIP_OLDER;
	claim->awaited[claim->awaited_count++] = (struct awaited){holder->link_id, evicted, settled};
	probe(gateway, claim, holder);
}

static void look_at_holders(struct gateway *gateway, struct claim *claim, const struct registry_entry *entry)
{
	bool is_back = false;
	for (struct link *link = entry->holders.next; link != &entry->holders; link = link->next) {
		uint64_t link_id = OWNER(link, struct registry_holder, entry_link)->link_id;
		struct member *member = member_find(gateway, link_id);
		enum kinship kinship =
		    member ? party_kinship(&claim->party, &member->party) : KINSHIP_BESIDE;
		is_back = is_back || kinship == KINSHIP_OLDER;
		if (kinship != KINSHIP_BESIDE && !awaited_find(claim, link_id))
			await(gateway, claim, &member->party, false);
	}
	/* What has broken one link of a client has perhaps broken them all: the dead get no users. */
	for (struct link *link = entry->holders.next; is_back && link != &entry->holders; link = link->next) {
		uint64_t link_id = OWNER(link, struct registry_holder, entry_link)->link_id;
		struct member *member = member_find(gateway, link_id);
		if (member && !awaited_find(claim, link_id))
			await(gateway, claim, &member->party, true);
	}
}

/* Holders are asked once: a stranger who has got it meanwhile lives, of course. */
static bool must_wait(struct gateway *gateway, struct claim *claim)
{
	bool closing = false;
	for (uint32_t i = 0; i < claim->count; i++) {
		const struct registry_entry *entry =
		    registry_find(&gateway->registry, claim->wanted[i].name, claim->wanted[i].port);
		if (!entry)
			continue;
		closing = closing || list_is_empty(&entry->holders);
		if (!claim->looked)
			look_at_holders(gateway, claim, entry);
	}
	claim->looked = true;
	for (uint32_t i = 0; i < claim->awaited_count; i++)
		if (!claim->awaited[i].settled)
			return true;
	return closing;
}

/* ---- deciding ---- */

/* Is every holder another link of the same client? */
static bool may_join(struct gateway *gateway, const struct claim *claim, const struct registry_entry *entry)
{
	for (struct link *link = entry->holders.next; link != &entry->holders; link = link->next) {
		uint64_t link_id = OWNER(link, struct registry_holder, entry_link)->link_id;
		struct member *member = member_find(gateway, link_id);
		bool same = link_id == claim->party.link_id;   /* it wants the name twice */
		if (same || !member || party_kinship(&claim->party, &member->party) != KINSHIP_BESIDE)
			return false;
	}
	return true;
}

static void take(struct gateway *gateway, struct claim *claim, struct wanted *wanted)
{
	const struct party *party = &claim->party;
	struct registry_entry *entry = registry_find(&gateway->registry, wanted->name, wanted->port);
	wanted->listens = !entry;
	wanted->refused = (entry && !may_join(gateway, claim, entry)) ||
			  !registry_add(&gateway->registry, wanted->name, wanted->port, party->worker,
					party->link_id, party->burden);
	if (wanted->refused)
		return;
	tell_all(gateway, CLAIM_ENTRY, party, wanted);
	if (!wanted->listens)
		return;
	entry = registry_find(&gateway->registry, wanted->name, wanted->port);
	entry->kept = true;
	entry->listener = party->worker;
}

/* Nobody is left to wait for: what is free or may be shared is taken, the rest is refused. */
static void decide(struct gateway *gateway, struct claim *claim)
{
	struct member *member = calloc(1, sizeof *member);
	check(member);
	member->party = claim->party;
	burden_ref(member->party.burden);
	list_push(&gateway->parties, &member->link);
	for (uint32_t i = 0; i < claim->count; i++)
		take(gateway, claim, &claim->wanted[i]);
	link_remove(&claim->waiting_link);
	claim->kind = CLAIM_ANSWER;
	claim->mail.to = claim->party.worker;
	hub_post(gateway->service.hub, &claim->mail);
}

static void decide_all(struct gateway *gateway)
{
	for (struct link *link = gateway->claims.next, *next; link != &gateway->claims; link = next) {
		struct claim *claim = OWNER(link, struct claim, waiting_link);
		next = link->next;
		if (!claim->replaced && !must_wait(gateway, claim))
			decide(gateway, claim);
	}
}

/* The same link from before, still waiting for its answer: it gets none, and goes. */
static void replace_older(struct gateway *gateway, const struct claim *claim)
{
	for (struct link *link = gateway->claims.next; link != &gateway->claims; link = link->next) {
		struct claim *older = OWNER(link, struct claim, waiting_link);
		if (older->replaced || party_kinship(&claim->party, &older->party) != KINSHIP_OLDER)
			continue;
		older->replaced = true;
		probe(gateway, claim, &older->party);
	}
}

void claims_asked(struct gateway *gateway, struct claim *claim)
{
	replace_older(gateway, claim);
	list_push(&gateway->claims, &claim->waiting_link);
	if (!must_wait(gateway, claim))
		decide(gateway, claim);
}

/* ---- what holders and ports do ---- */

/* One that must go may still have said that it lives, to somebody else: then it is waited for. */
static void settle(struct gateway *gateway, uint64_t link_id, bool gone)
{
	for (struct link *link = gateway->claims.next; link != &gateway->claims; link = link->next) {
		struct awaited *awaited = awaited_find(OWNER(link, struct claim, waiting_link), link_id);
		if (awaited && (gone || !awaited->evicted))
			awaited->settled = true;
	}
	decide_all(gateway);
}

void claims_survived(struct gateway *gateway, uint64_t link_id) { settle(gateway, link_id, false); }

static void claim_withdraw(struct gateway *gateway, uint64_t link_id)
{
	for (struct link *link = gateway->claims.next, *next; link != &gateway->claims; link = next) {
		struct claim *claim = OWNER(link, struct claim, waiting_link);
		next = link->next;
		if (claim->party.link_id != link_id)
			continue;
		link_remove(&claim->waiting_link);
		claim_free(claim);
	}
}

static void entry_wanted(const struct registry_entry *entry, struct wanted *wanted)
{
	*wanted = (struct wanted){.port = entry->port};
	text_copy(wanted->name, sizeof wanted->name, slice_of(registry_name(entry)));
}

void claims_released(struct gateway *gateway, const struct party *party)
{
	struct registry *registry = &gateway->registry;
	claim_withdraw(gateway, party->link_id);
	struct member *member = member_find(gateway, party->link_id);
	if (!member)
		return;
	member_free(member);
	for (struct link *link = registry->all.next, *next; link != &registry->all; link = next) {
		struct registry_entry *entry = OWNER(link, struct registry_entry, all_link);
		struct wanted wanted;
		next = link->next;
		if (!registry_let_go(registry, entry, party->link_id) || !list_is_empty(&entry->holders))
			continue;
		entry_wanted(entry, &wanted);
		tell(gateway, CLAIM_CLOSE, entry->listener, party, &wanted);
	}
	tell_all(gateway, CLAIM_GONE, party, NULL);
	settle(gateway, party->link_id, true);
}

void claims_port_closed(struct gateway *gateway, const char *name, uint16_t port)
{
	struct registry_entry *entry = registry_find(&gateway->registry, name, port);
	check(entry && list_is_empty(&entry->holders));
	registry_drop(&gateway->registry, entry);
	decide_all(gateway);
}

void claims_fini(struct gateway *gateway)
{
	while (!list_is_empty(&gateway->claims))
		claim_free(OWNER(list_pull(&gateway->claims), struct claim, waiting_link));
	while (!list_is_empty(&gateway->parties))
		member_free(OWNER(gateway->parties.next, struct member, link));
}
