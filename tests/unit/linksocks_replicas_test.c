/* tests/unit/linksocks_replicas_test.c - servers on several workers, whose tokens and links come and go while
 * letters are on their way, in any order that a seed may draw: in the end every worker knows the same.
 */
#include "tests/unit/linksocks_world.h"

enum { LINKS = 24, NAMES = 12, STEPS = 400, SEEDS = 200 };

static uint64_t seed;
static uint64_t below(uint64_t count) { return random_next(&seed) % count; }

static struct mail *queues[WORKERS][WORKERS];    /* from, to: the oldest first */
static struct member members[LINKS];
static bool joined[LINKS];
static uint64_t serial;

/* What the workers have said goes into the queues, where it keeps its order between two of them. */
static void collect(void)
{
	for (uint32_t from = 0; from < WORKERS; from++) {
		struct mail *mail = world.hubs[from].outgoing;
		world.hubs[from].outgoing = world.hubs[from].outgoing_last = NULL;
		while (mail) {
			struct mail *next = mail->next, **last = &queues[from][mail->to];
			while (*last)
				last = &(*last)->next;
			mail->next = NULL;
			*last = mail;
			mail = next;
		}
	}
}

/* One letter. False: there is none between those two. */
static bool deliver(uint32_t from, uint32_t to)
{
	struct mail *mail = queues[from][to];
	if (!mail)
		return false;
	queues[from][to] = mail->next;
	mail->next = NULL;
	mail->deliver(&world.hubs[to], mail);
	collect();
	return true;
}

static void deliver_all(void)
{
	for (bool busy = true; busy;) {
		busy = false;
		for (uint32_t i = 0; i < WORKERS * WORKERS; i++)
			busy = deliver(i / WORKERS, i % WORKERS) || busy;
	}
	settle();                                /* requests to the workers */
}

static struct token *any_token(uint32_t worker)
{
	char text[8];
	snprintf(text, sizeof text, "t%u", (unsigned)below(NAMES));
	return tokens_find(&server_on(worker)->tokens, slice_of(text));
}

static void add_token(void)
{
	struct tokens *tokens = &server_on(0)->tokens;
	char text[8];
	snprintf(text, sizeof text, "t%u", (unsigned)below(NAMES));
	if (tokens_find(tokens, slice_of(text)))
		return;
	const struct token *reverse = any_token(0);
	bool leads = reverse && token_is_reverse(reverse) && below(2);
	enum token_kind kind = leads ? TOKEN_IS_CONNECTOR : (enum token_kind)below(3);
	struct token *token = token_create(kind, slice_of(text));
	assert_non_null(token);
	if (kind == TOKEN_IS_REVERSE) {
		address_parse(&token->socks_addr, "127.0.0.1:0");
		token->socks_addr.port = ledger_free_port(server_on(0));
		token->any_port = true;
	}
	if (leads)
		token->reverse_serial = reverse->serial;
	assert_non_null(ledger_add(server_on(0), token));
}

/* A link logs in with what its own worker knows of tokens at the moment. */
static void log_in(uint32_t at)
{
	uint32_t worker = at % WORKERS;
	const struct token *token = any_token(worker);
	if (!token)
		return;
	const struct token *reverse = token;
	if (token->kind == TOKEN_IS_CONNECTOR)
		reverse = tokens_find_serial(&server_on(worker)->tokens, token->reverse_serial);
	enum party party = login_party(token->kind, DIRECTION_UNSAID);
	members[at] = (struct member){.link_id = (uint64_t)worker << 48 | ++serial,
				      .worker = worker,
				      .party = party,
				      .autonomy = reverse && reverse->kind == TOKEN_IS_AUTONOMY,
				      .serial = token->serial,
				      .reverse_serial = reverse ? reverse->serial : 0,
				      .owner = token->owner,
				      .burden = party == PARTY_PROVIDER ? burden_create() : NULL};
	if (members[at].burden)
		burden_open(members[at].burden);
	joined[at] = true;
	member_join(server_on(worker), &members[at]);
}

static void log_out(uint32_t at)
{
	joined[at] = false;
	if (members[at].burden)
		burden_close(members[at].burden);
	member_leave(server_on(members[at].worker), &members[at]);
	burden_unref(members[at].burden);
}

static void change_owner(void)
{
	uint32_t at = (uint32_t)below(LINKS);
	struct token *token = any_token(0);
	static const uint8_t instance[INSTANCE_SIZE] = {9};
	if (token && token->kind == TOKEN_IS_CONNECTOR && joined[at] && members[at].autonomy)
		ledger_set_owner(server_on(0), token, members[at].link_id, instance);
}

static void step(void)
{
	uint32_t at = (uint32_t)below(LINKS);
	struct token *token = any_token(0);
	switch (below(8)) {
	case 0:
		add_token();
		break;
	case 1:
		if (token)
			ledger_remove(server_on(0), token);
		break;
	case 2:
		change_owner();
		break;
	case 3:
		if (token && token->any_port)
			ledger_port_taken(server_on(0), token);
		break;
	case 4:
	case 5:
		joined[at] ? log_out(at) : log_in(at);
		break;
	default:
		deliver((uint32_t)below(WORKERS), (uint32_t)below(WORKERS));
		break;
	}
	collect();
}

/* Who provides, on every worker, are the links that have logged in and not ended. */
static void providers_are_right(void)
{
	uint32_t count = 0;
	for (uint32_t at = 0; at < LINKS; at++) {
		if (!joined[at] || members[at].party != PARTY_PROVIDER)
			continue;
		char name[PROVIDER_NAME_SIZE];
		provider_name(name, members[at].autonomy,
			      members[at].autonomy ? members[at].link_id : members[at].serial);
		for (uint32_t i = 0; i < WORKERS; i++) {
			const struct registry_entry *entry =
			    registry_find(&server_on(i)->providers, name, 0);
			assert_non_null(entry);
			assert_non_null(registry_holder_of(entry, members[at].link_id));
		}
		count++;
	}
	for (uint32_t i = 0; i < WORKERS; i++)
		assert_int_equal(server_on(i)->provider_count, count);
}

/* What a token's links are counted as. */
static void counts_are_right(void)
{
	const struct tokens *tokens = &server_on(0)->tokens;
	for (struct link *link = tokens->all.next; link != &tokens->all; link = link->next) {
		const struct token *token = OWNER(link, struct token, all_link);
		uint32_t clients = 0, connectors = 0;
		for (uint32_t at = 0; at < LINKS; at++) {
			clients += joined[at] && members[at].serial == token->serial;
			connectors += joined[at] && members[at].party == PARTY_CONNECTOR &&
				      members[at].reverse_serial == token->serial;
		}
		assert_int_equal(token->clients, clients);
		assert_int_equal(token->connector_clients, connectors);
	}
}

static void one_world(uint64_t number)
{
	seed = number;
	world.config = (struct config_linksocks){.enabled = true};
	world_begin();
	for (uint32_t i = 0; i < STEPS; i++)
		step();
	deliver_all();
	replicas_are_alike();
	providers_are_right();
	counts_are_right();
	for (uint32_t at = 0; at < LINKS; at++)
		if (joined[at])
			log_out(at);
	collect();
	deliver_all();
	providers_are_right();
	counts_are_right();
	world_end();
}

static void any_order(void **state)
{
	for (uint64_t number = 1; number <= SEEDS; number++)
		one_world(number);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(any_order)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
