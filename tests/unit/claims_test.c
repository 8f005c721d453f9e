/* tests/unit/claims_test.c - who may hold a name: pure rules, and whole gateways of several workers whose
 * letters, ports, links and clients come and go in any order that a seed may draw.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "core/hub.h"
#include "protocols/tls_tunnel/claims.h"
#include "protocols/tls_tunnel/wire.h"

/* ---- kinship ---- */

static struct party party(uint8_t instance, bool shares, uint32_t number)
{
	struct party party = {.shares = shares, .number = number};
	party.instance[INSTANCE_SIZE - 1] = instance;
	return party;
}

static void kinship(void **state)
{
	static const struct {
		struct { uint8_t instance; bool shares; uint32_t number; } asks, holds;
		enum kinship kinship;
	} cases[] = {
	    {{0, false, 0}, {0, false, 0}, KINSHIP_NONE},  /* neither has shown an instance */
	    {{1, true, 0}, {2, true, 1}, KINSHIP_NONE},
	    {{1, true, 0}, {0, false, 0}, KINSHIP_NONE},
	    {{1, false, 0}, {1, false, 0}, KINSHIP_OLDER}, /* without the feature a client has one link */
	    {{1, false, 0}, {1, true, 1}, KINSHIP_OLDER},
	    {{1, true, 1}, {1, false, 0}, KINSHIP_OLDER},
	    {{1, true, 1}, {1, true, 1}, KINSHIP_OLDER},   /* it has come back */
	    {{1, true, 0}, {1, true, 1}, KINSHIP_BESIDE},
	    {{1, true, 63}, {1, true, 0}, KINSHIP_BESIDE},
	};
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct party asks =
		    party(cases[i].asks.instance, cases[i].asks.shares, cases[i].asks.number);
		struct party holds =
		    party(cases[i].holds.instance, cases[i].holds.shares, cases[i].holds.number);
		assert_int_equal(party_kinship(&asks, &holds), cases[i].kinship);
	}
}

/* ---- a gateway without a kernel ---- */

enum { WORKERS = 4, LINKS = 24, NAMES = 3, STEPS = 600, SEEDS = 300 };

struct queue {
	struct mail *first, *last;
};

static struct {
	uint64_t random;
	uint32_t workers;
	struct limits limits;
	struct config_gateway config;
	struct gateway_settings settings;
	struct hub hubs[WORKERS];
	struct queue queues[WORKERS][WORKERS];
	struct session *links[LINKS];
	uint32_t bound[NAMES];                   /* listeners of that name's port */
} world;

static const char *const names[NAMES] = {"a", "b", "c"};

static uint64_t below(uint64_t count) { return random_next(&world.random) % count; }
static struct gateway *gateway_on(uint32_t worker) { return gateway_at(&world.hubs[worker], 0); }

static struct offering *offering_of(const struct session *session)
{
	return offering_find(gateway_of(session->service), session->id);
}

static bool is_answered(const struct session *session) { return session->says & 1u << EVENT_PUBLISHED; }

/* Who is refused has met a stranger, never a link of its own client. */
static void check_answer(const struct claim *claim)
{
	for (uint32_t i = 0; claim->kind == CLAIM_ANSWER && i < claim->count; i++) {
		const struct wanted *wanted = &claim->wanted[i];
		const struct registry_entry *entry =
		    registry_find(&gateway_on(0)->registry, wanted->name, wanted->port);
		for (uint32_t k = 0; wanted->refused && k < LINKS; k++) {
			const struct offering *offering = world.links[k] ? offering_of(world.links[k]) : NULL;
			if (offering && registry_holder_of(entry, offering->party.link_id))
				assert_int_equal(party_kinship(&claim->party, &offering->party),
						 KINSHIP_NONE);
		}
	}
}

static void collect_mails(uint32_t from)
{
	struct hub *hub = &world.hubs[from];
	struct mail *mail = hub->outgoing;
	hub->outgoing = hub->outgoing_last = NULL;
	while (mail) {
		struct mail *next = mail->next;
		check_answer(OWNER(mail, struct claim, mail));
		struct queue *queue = &world.queues[from][mail->to];
		mail->next = NULL;
		if (queue->last)
			queue->last->next = mail;
		else
			queue->first = mail;
		queue->last = mail;
		mail = next;
	}
}

static void collect_all(void)
{
	for (uint32_t i = 0; i < world.workers; i++)
		collect_mails(i);
}

static bool deliver_one(uint32_t from, uint32_t to)
{
	struct queue *queue = &world.queues[from][to];
	struct mail *mail = queue->first;
	if (!mail)
		return false;
	queue->first = mail->next;
	if (!queue->first)
		queue->last = NULL;
	mail->next = NULL;
	mail->deliver(&world.hubs[to], mail);
	collect_mails(to);
	return true;
}

/* What the worker does about listeners. A port that is bound twice is a fault. */
static bool take_request(uint32_t worker)
{
	struct link *link = list_pull(&world.hubs[worker].requests);
	if (!link)
		return false;
	struct request *request = OWNER(link, struct request, link);
	struct listening *listening = OWNER(request, struct listening, request);
	uint32_t *bound = &world.bound[listening->address.port - 1];
	bool opens = request->kind == REQUEST_LISTEN, listens = listening->listener;
	if (opens) {
		assert_int_equal(*bound, 0);
		*bound = 1;
		listening->listener = (void *)&world;
		listening->opened(listening, 0);
	} else {
		if (listens)
			*bound = 0;
		listening->listener = NULL;
		listening->asked = false;
		listening->closed(listening);
	}
	collect_mails(worker);
	return true;
}

static void link_end(struct session **session)
{
	session_end(*session, REASON_LOST, NULL, false);
	link_remove(&(*session)->ended_link);
	session_destroy(*session);
	*session = NULL;
	collect_all();
}

/* Those that the gateway has ended. */
static bool bury(void)
{
	bool any = false;
	for (uint32_t i = 0; i < LINKS; i++) {
		bool dead = world.links[i] && world.links[i]->state == SESSION_DEAD;
		if (dead)
			link_end(&world.links[i]);
		any = any || dead;
	}
	return any;
}

/* Client 0 has shown nothing; 1 shares; 2 shares; 3 has an instance and no more. */
static void link_begin(uint32_t at)
{
	uint32_t client = (uint32_t)below(4), worker = (uint32_t)below(world.workers), count = 0;
	struct publication list[NAMES];
	struct credentials shown = {.secret = slice_of("key")};
	if (client)
		shown.features = FEATURE_OURS | (client < 3 ? FEATURE_LINKS : 0);
	shown.instance[0] = (uint8_t)client;
	shown.link = client == 1 || client == 2 ? (uint32_t)below(3) : 0;
	bool all = below(4);
	for (uint32_t i = 0; i < NAMES; i++)
		if (all || below(2))
			list[count++] = (struct publication){.name = names[i], .type = "tcp",
							     .publish_addr = "0.0.0.0",
							     .publish_port = (uint16_t)(i + 1),
							     .local_port = 1};
	struct session *session = session_create(
	    &world.hubs[worker], &(struct session_options){.wire = &wire_tls_tunnel,
							   .carrier = &carrier_raw,
							   .role = &role_gateway_link,
							   .service = &gateway_on(worker)->service});
	session_open(session);
	world.links[at] = session;
	role_gateway_link.event(session, &(struct event){.kind = EVENT_AUTH, .credentials = &shown});
	role_gateway_link.event(session, &(struct event){.kind = EVENT_PUBLISH, .publications = list,
							 .publication_count = count});
	collect_mails(worker);
}

/* One that was asked for a sign of life gives it, or is dead. */
static bool settle_probe(uint32_t at)
{
	struct session *session = world.links[at];
	struct offering *offering = session ? offering_of(session) : NULL;
	if (!offering || !offering->probing || session->state == SESSION_DEAD)
		return false;
	if (below(2))
		offering_answered(offering);
	else
		session_end(session, REASON_SILENT, NULL, false);
	collect_all();
	return true;
}

static void step(void)
{
	uint32_t at = (uint32_t)below(LINKS);
	switch (below(8)) {
	case 0:
		if (!world.links[at])
			link_begin(at);
		break;
	case 1:
		if (world.links[at])
			link_end(&world.links[at]);
		break;
	case 2:
		settle_probe(at);
		break;
	case 3:
		bury();
		break;
	case 4:
		take_request((uint32_t)below(world.workers));
		break;
	default:
		deliver_one((uint32_t)below(world.workers), (uint32_t)below(world.workers));
	}
}

static void run_until_quiet(void)
{
	for (bool busy = true; busy;) {
		busy = bury();
		for (uint32_t i = 0; i < LINKS; i++)
			busy = settle_probe(i) || busy;
		for (uint32_t i = 0; i < world.workers; i++) {
			busy = take_request(i) || busy;
			for (uint32_t k = 0; k < world.workers; k++)
				busy = deliver_one(i, k) || busy;
		}
	}
}

/* ---- what must be true when nobody has anything to say ---- */

static bool holds(const struct session *session, uint32_t name)
{
	const struct offering *offering = session ? offering_of(session) : NULL;
	for (uint32_t i = 0; offering && is_answered(session) && i < offering->count; i++)
		if (!offering->offers[i].refused && offering->offers[i].port == name + 1)
			return true;
	return false;
}

/* All replicas say the same: those links hold it that were told so, one client's, each with its number. */
static void check_name(uint32_t name)
{
	const struct offering *first = NULL;
	uint32_t count = 0;
	for (uint32_t i = 0; i < LINKS; i++) {
		if (!holds(world.links[i], name))
			continue;
		const struct offering *offering = offering_of(world.links[i]);
		if (first)
			assert_int_equal(party_kinship(&first->party, &offering->party), KINSHIP_BESIDE);
		else
			first = offering;
		count++;
		for (uint32_t worker = 0; worker < world.workers; worker++) {
			const struct registry_entry *entry =
			    registry_find(&gateway_on(worker)->registry, names[name], (uint16_t)(name + 1));
			assert_non_null(entry);
			struct registry_holder *holder = registry_holder_of(entry, offering->party.link_id);
			assert_non_null(holder);
			assert_ptr_equal(holder->session,
					 worker == offering->party.worker ? world.links[i] : NULL);
		}
	}
	assert_int_equal(world.bound[name], count > 0);
	for (uint32_t worker = 0; worker < world.workers; worker++) {
		const struct registry_entry *entry =
		    registry_find(&gateway_on(worker)->registry, names[name], (uint16_t)(name + 1));
		uint32_t holders = 0;
		assert_int_equal(entry != NULL, count > 0);
		for (struct link *link = entry ? entry->holders.next : NULL; entry && link != &entry->holders;
		     link = link->next)
			holders++;
		assert_int_equal(holders, count);
	}
}

static void check_quiet(void)
{
	assert_true(list_is_empty(&gateway_on(0)->claims));
	for (uint32_t i = 0; i < LINKS; i++)
		assert_true(!world.links[i] || is_answered(world.links[i]));
	for (uint32_t name = 0; name < NAMES; name++)
		check_name(name);
}

static void world_begin(uint64_t seed)
{
	memset(&world, 0, sizeof world);
	world.random = seed * 2654435761u;
	world.limits = LIMITS_DEFAULT;
	world.limits.process_memory = 64 << 20;
	world.workers = 1 + (uint32_t)below(WORKERS);
	secret_set(&world.config.auth_key, slice_of("key"));
	world.settings = (struct gateway_settings){.config = &world.config};
	for (uint32_t i = 0; i < world.workers; i++) {
		hub_init(&world.hubs[i], i, world.workers, &world.limits, (struct instant){1000000000});
		assert_non_null(gateway_create(&world.hubs[i], &world.settings));
	}
}

static void world_end(void)
{
	for (uint32_t i = 0; i < LINKS; i++)
		if (world.links[i])
			link_end(&world.links[i]);
	run_until_quiet();
	check_quiet();
	for (uint32_t i = 0; i < world.workers; i++) {
		assert_true(list_is_empty(&gateway_on(i)->ports) && list_is_empty(&gateway_on(i)->parties));
		gateway_on(i)->service.table->destroy(&gateway_on(i)->service);
		hub_fini(&world.hubs[i]);
	}
	secret_fini(&world.config.auth_key);
}

static void any_order(void **state)
{
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		world_begin(seed);
		for (int rounds = 0; rounds < 4; rounds++) {
			for (int i = 0; i < STEPS / 4; i++)
				step();
			run_until_quiet();
			check_quiet();
		}
		world_end();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(kinship),
	    cmocka_unit_test(any_order),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
