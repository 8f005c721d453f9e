/* tests/unit/linksocks_tokens_test.c - tokens: one replica, several that are kept alike, providers and whose
 * turn it is, and who may add and remove what in autonomy.
 */
#include "tests/unit/linksocks_world.h"

/* ---- one replica ---- */

static struct token *put(struct tokens *tokens, enum token_kind kind, const char *text, uint64_t reverse)
{
	struct token *token = token_create(kind, slice_of(text));
	assert_non_null(token);
	token->reverse_serial = reverse;
	assert_true(tokens_add(tokens, token));
	return token;
}

static void found_by_text_and_digest(void **state)
{
	struct tokens tokens;
	tokens_init(&tokens, 3);
	struct token *test = put(&tokens, TOKEN_IS_FORWARD, "test", 0);
	assert_ptr_equal(tokens_find(&tokens, slice_of("test")), test);
	assert_null(tokens_find(&tokens, slice_of("tes")));
	static const char hex[] = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
	assert_ptr_equal(tokens_find_hex(&tokens, slice_of(hex)), test);
	assert_null(tokens_find_hex(&tokens, (struct slice){(const uint8_t *)hex, 63}));
	assert_null(tokens_find_hex(
	    &tokens, slice_of("9F86D081884C7D659A2FEAA0C55AD015A3BF4F1B2B0B822CD15D6C15B0F00A08")));
	assert_null(tokens_find_hex(
	    &tokens, slice_of("gf86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08")));
	assert_ptr_equal(tokens_find_serial(&tokens, test->serial), test);
	tokens_remove(&tokens, test);
	assert_null(tokens_find_hex(&tokens, slice_of(hex)));
	assert_true(put(&tokens, TOKEN_IS_FORWARD, "test", 0)->serial > 1);
	tokens_fini(&tokens);
}

static void texts(void **state)
{
	char longest[TOKEN_TEXT_MAX + 2];
	memset(longest, 'x', sizeof longest);
	assert_null(token_create(TOKEN_IS_FORWARD, slice_of("")));
	assert_null(token_create(TOKEN_IS_FORWARD, (struct slice){(const uint8_t *)"a\0b", 3}));
	assert_null(token_create(TOKEN_IS_FORWARD, (struct slice){(uint8_t *)longest, TOKEN_TEXT_MAX + 1}));
	struct token *token =
	    token_create(TOKEN_IS_FORWARD, (struct slice){(uint8_t *)longest, TOKEN_TEXT_MAX});
	assert_non_null(token);
	token_free(token);
}

static void as_many_as_there_may_be(void **state)
{
	static struct tokens tokens;
	tokens_init(&tokens, 5);
	for (uint32_t i = 0; i < TOKENS_MAX; i++) {
		char text[16];
		snprintf(text, sizeof text, "t%u", i);
		put(&tokens, TOKEN_IS_FORWARD, text, 0);
	}
	struct token *more = token_create(TOKEN_IS_FORWARD, slice_of("more"));
	assert_false(tokens_add(&tokens, more));
	token_free(more);
	tokens_fini(&tokens);
}

/* ---- replicas ---- */

static struct config_token config_tokens[3];
static struct secret connector_tokens[2];

static int begin(void **state)
{
	world.config = (struct config_linksocks){.enabled = true, .tokens = config_tokens, .token_count = 3};
	static const char *const names[] = {"F", "R", "A"};
	for (size_t i = 0; i < COUNT_OF(names); i++) {
		config_tokens[i] = (struct config_token){.type = i ? TOKEN_REVERSE : TOKEN_FORWARD,
							 .autonomy = i == 2};
		secret_set(&config_tokens[i].token, slice_of(names[i]));
	}
	secret_set(&connector_tokens[0], slice_of("C1"));
	secret_set(&connector_tokens[1], slice_of("C2"));
	config_tokens[1].socks = true;
	address_parse(&config_tokens[1].socks_addr, "127.0.0.1:0");
	config_tokens[1].connector_tokens = connector_tokens;
	config_tokens[1].connector_count = 2;
	world_begin();
	return 0;
}

static int end(void **state)
{
	world_end();
	for (size_t i = 0; i < COUNT_OF(config_tokens); i++)
		secret_fini(&config_tokens[i].token);
	secret_fini(&connector_tokens[0]);
	secret_fini(&connector_tokens[1]);
	return 0;
}

static struct token *on(uint32_t worker, const char *text)
{
	return tokens_find(&server_on(worker)->tokens, slice_of(text));
}

static void from_the_configuration(void **state)
{
	replicas_are_alike();
	assert_int_equal(server_on(2)->tokens.count, 5);
	uint16_t port = on(1, "R")->socks_addr.port;
	assert_in_range(port, 1024, 10240);
	assert_true(ledger_has_port(server_on(0), port));
	assert_int_equal(on(0, "C1")->reverse_serial, on(0, "R")->serial);
}

static void removed_everywhere(void **state)
{
	struct token *token = token_create(TOKEN_IS_FORWARD, slice_of("new"));
	assert_non_null(ledger_add(server_on(0), token));
	settle();
	replicas_are_alike();
	ledger_remove(server_on(0), on(0, "R")); /* its connectors too */
	settle();
	replicas_are_alike();
	assert_null(on(2, "R"));
	assert_null(on(2, "C2"));
	assert_int_equal(server_on(1)->tokens.count, 3);
}

static uint32_t home_of(const struct token *token) { return (uint32_t)(token->serial % WORKERS); }

static void port_opens_with_the_first_provider(void **state)
{
	uint32_t home = home_of(on(0, "R"));
	assert_int_equal(world.listens[home], 0);
	struct member first = join(1, 11, PARTY_PROVIDER, on(0, "R"));
	struct member second = join(2, 12, PARTY_PROVIDER, on(0, "R"));
	assert_int_equal(world.listens[0] + world.listens[1] + world.listens[2], 1);
	assert_int_equal(world.listens[home], 1);
	assert_int_equal(world.port, on(0, "R")->socks_addr.port);
	leave(&first);
	leave(&second);
	first = join(1, 13, PARTY_PROVIDER, on(0, "R")); /* it has stayed open */
	assert_int_equal(world.listens[home], 1);
	leave(&first);
}

static void port_of_somebody_else(void **state)
{
	struct member provider = join(1, 11, PARTY_PROVIDER, on(0, "R"));
	uint32_t home = home_of(on(0, "R"));
	uint16_t port = on(0, "R")->socks_addr.port;
	ledger_port_taken(server_on(home), on(home, "R"));
	ledger_port_taken(server_on(home), on(home, "R")); /* said twice, changed once */
	settle();
	replicas_are_alike();
	uint16_t other = on(0, "R")->socks_addr.port;
	assert_int_not_equal(other, port);
	assert_in_range(other, 1024, 10240);
	leave(&provider);
}

static void counts(void **state)
{
	struct member providers[] = {join(0, 1, PARTY_PROVIDER, on(0, "R")),
				     join(1, 2, PARTY_PROVIDER, on(0, "R")),
				     join(2, 3, PARTY_PROVIDER, on(0, "A"))};
	struct member connectors[] = {join(1, 4, PARTY_CONNECTOR, on(0, "C1")),
				      join(2, 5, PARTY_CONNECTOR, on(0, "C2"))};
	struct member forward = join(2, 6, PARTY_FORWARD, on(0, "F"));
	replicas_are_alike();
	for (uint32_t i = 0; i < WORKERS; i++)
		assert_int_equal(server_on(i)->provider_count, 3);
	assert_int_equal(on(0, "R")->clients, 2);
	assert_int_equal(on(0, "R")->connector_clients, 2);
	assert_int_equal(on(1, "F")->clients, 1);
	leave(&connectors[0]);
	ledger_remove(server_on(0), on(0, "C2")); /* before its link says that it has gone */
	leave(&connectors[1]);
	assert_int_equal(on(0, "R")->connector_clients, 0);
	for (size_t i = 0; i < COUNT_OF(providers); i++)
		leave(&providers[i]);
	leave(&forward);
	assert_int_equal(server_on(2)->provider_count, 0);
	assert_int_equal(on(0, "R")->clients, 0);
	replicas_are_alike();
}

static void in_turn(void **state)
{
	struct member providers[4];
	for (uint64_t i = 0; i < COUNT_OF(providers); i++)
		providers[i] = join(1, 20 + i, PARTY_PROVIDER, on(0, "R"));
	for (uint64_t i = 0; i < 9; i++) {
		struct registry_holder *holder = relay_choose(server_on(0), on(0, "R"), false);
		assert_int_equal(holder->link_id, providers[i % 4].link_id);
	}
	/* one that has ended is passed over, and those behind it keep their turn */
	burden_close(providers[2].burden);
	static const int wanted[] = {1, 3, 3, 0, 1};
	for (size_t i = 0; i < COUNT_OF(wanted); i++)
		assert_int_equal(relay_choose(server_on(0), on(0, "C1"), false)->link_id,
				 providers[wanted[i]].link_id);
	/* one that has no room is passed over too */
	burden_show_channels(providers[1].burden, world.limits.channels_per_session);
	static const int others[] = {3, 3, 0, 3};
	for (size_t i = 0; i < COUNT_OF(others); i++)
		assert_int_equal(relay_choose(server_on(0), on(0, "R"), false)->link_id,
				 providers[others[i]].link_id);
	assert_null(relay_choose(server_on(0), on(0, "R"), true)); /* on that worker there is none */
	for (size_t i = 0; i < COUNT_OF(providers); i++)
		leave(&providers[i]);
	assert_null(relay_choose(server_on(0), on(0, "R"), false));
}

/* ---- autonomy ---- */

static const uint8_t none[INSTANCE_SIZE], one[INSTANCE_SIZE] = {1}, two[INSTANCE_SIZE] = {2};

static struct wish wish(const struct member *member, const uint8_t *instance, bool removal, const char *text)
{
	struct linksocks_server *server = server_on(0);
	struct token_request request = {.remove = removal, .token = slice_of(text)};
	const struct token *reverse = tokens_find_serial(&server->tokens, member->serial);
	return autonomy_decide(server, reverse, member->link_id, instance, &request);
}

static void own_token(const struct member *member, const uint8_t *instance, const char *text)
{
	struct token *token = token_create(TOKEN_IS_CONNECTOR, slice_of(text));
	token->reverse_serial = member->serial;
	token->owner = member->link_id;
	memcpy(token->instance, instance, INSTANCE_SIZE);
	assert_non_null(ledger_add(server_on(0), token));
	settle();
}

static void refused(struct wish wish, const char *refusal)
{
	assert_int_equal(wish.action, WISH_REFUSE);
	assert_string_equal(wish.refusal, refusal);
}

static void who_may_add(void **state)
{
	static const char exists[] = "connector token already exists";
	static const char unauthorized[] = "Unauthorized connector management attempt";
	struct member a = join(1, 1, PARTY_PROVIDER, on(0, "A")), b = join(2, 2, PARTY_PROVIDER, on(0, "A"));
	struct member plain = join(1, 3, PARTY_PROVIDER, on(0, "R"));
	struct member forward = join(1, 4, PARTY_FORWARD, on(0, "F"));
	refused(wish(&plain, none, false, "X"), unauthorized);
	refused(wish(&forward, none, false, "X"), unauthorized);
	refused(wish(&a, none, false, "anonymous"),
		"'anonymous' is reserved and cannot be used as a connector token");
	refused(wish(&a, none, false, "C1"), exists);
	refused(wish(&a, none, false, "A"), exists);
	assert_int_equal(wish(&a, none, false, "").action, WISH_ADD);
	assert_int_equal(wish(&a, none, false, "X").action, WISH_ADD);
	own_token(&a, one, "X");
	assert_int_equal(wish(&a, none, false, "X").action, WISH_NOTHING);
	refused(wish(&b, none, false, "X"), exists);
	refused(wish(&b, two, false, "X"), exists);
	assert_int_equal(wish(&b, one, false, "X").action, WISH_TAKE); /* the same client's next link */
	leave(&a);
	assert_int_equal(wish(&b, none, false, "X").action, WISH_TAKE); /* it has come back */
	ledger_set_owner(server_on(0), on(0, "X"), b.link_id, two);
	settle();
	replicas_are_alike();
	assert_int_equal(relay_choose(server_on(1), on(1, "X"), false)->link_id, b.link_id);
	leave(&b);
	leave(&plain);
	leave(&forward);
	assert_null(relay_choose(server_on(1), on(1, "X"), false));
}

static void who_may_remove(void **state)
{
	static const char unauthorized[] = "Unauthorized connector management attempt";
	struct member a = join(1, 1, PARTY_PROVIDER, on(0, "A")), b = join(2, 2, PARTY_PROVIDER, on(0, "A"));
	own_token(&a, none, "X");
	refused(wish(&b, none, true, "X"), unauthorized);
	refused(wish(&b, none, true, "C1"), unauthorized);
	refused(wish(&b, none, true, "A"), unauthorized);
	refused(wish(&b, none, true, "F"), unauthorized);
	assert_int_equal(wish(&b, none, true, "there is none").action, WISH_NOTHING);
	assert_int_equal(wish(&a, none, true, "X").action, WISH_REMOVE);
	leave(&a);
	assert_int_equal(wish(&b, none, true, "X").action, WISH_REMOVE); /* an orphan */
	leave(&b);
}

/* With no name of its own a provider has no claim on what others have made. */
static void an_instance_of_zeros_is_nobody(void **state)
{
	struct member a = join(1, 1, PARTY_PROVIDER, on(0, "A")), b = join(2, 2, PARTY_PROVIDER, on(0, "A"));
	own_token(&a, none, "X");
	refused(wish(&b, none, false, "X"), "connector token already exists");
	leave(&a);
	leave(&b);
}

static void orphans_go_in_the_end(void **state)
{
	struct hub *hub = &world.hubs[0];
	struct member a = join(1, 1, PARTY_PROVIDER, on(0, "A"));
	own_token(&a, none, "X");
	leave(&a);
	struct instant until = instant_after(hub->now, DURATION_S(ORPHAN_S + 200));
	struct instant half = instant_after(hub->now, DURATION_S(ORPHAN_S / 2));
	for (bool looked = false; instant_before(hub->now, until);) {
		hub->now = instant_after(hub->now, DURATION_S(30));
		wheel_expire(&hub->wheel, hub->now);
		settle();
		if (!looked && instant_before(half, hub->now)) {
			assert_non_null(on(2, "X"));
			looked = true;
		}
	}
	assert_null(on(0, "X"));
	replicas_are_alike();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(found_by_text_and_digest),
	    cmocka_unit_test(texts),
	    cmocka_unit_test(as_many_as_there_may_be),
	    cmocka_unit_test_setup_teardown(from_the_configuration, begin, end),
	    cmocka_unit_test_setup_teardown(removed_everywhere, begin, end),
	    cmocka_unit_test_setup_teardown(port_opens_with_the_first_provider, begin, end),
	    cmocka_unit_test_setup_teardown(port_of_somebody_else, begin, end),
	    cmocka_unit_test_setup_teardown(counts, begin, end),
	    cmocka_unit_test_setup_teardown(in_turn, begin, end),
	    cmocka_unit_test_setup_teardown(who_may_add, begin, end),
	    cmocka_unit_test_setup_teardown(who_may_remove, begin, end),
	    cmocka_unit_test_setup_teardown(an_instance_of_zeros_is_nobody, begin, end),
	    cmocka_unit_test_setup_teardown(orphans_go_in_the_end, begin, end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
