/* tests/unit/tls_names_test.c - the host names that a server lets clients ask for. */
#include "tls_peers.h"

static const char *const allowed[] = {"gw.example", "*.wild.example", "Upper.Example"};

struct name_case {
	const char *host;
	const char *complaint; /* NULL: let in; else a part of the server's text */
};

static const struct name_case cases[] = {
    {"gw.example", NULL},
    {"GW.eXample", NULL},
    {"upper.example", NULL},
    {"a.wild.example", NULL},
    {"A-B.WILD.example", NULL},
    {"a.b.wild.example", "asked for a.b.wild.example"},
    {"wild.example", "asked for wild.example"},
    {"gw.example.org", "asked for gw.example.org"},
    {"xgw.example", "asked for xgw.example"},
    {"example", "asked for example"},
    {"127.0.0.1", "no host name"},
};

static void connect_to(struct peers *peers, const struct name_case *one)
{
	peers_connect(peers, one->host);
	shake(peers);
	if (!one->complaint) {
		assert_open(peers);
		assert_talks(peers);
		return;
	}
	assert_int_equal(tls_state(peers->server), TLS_FAILED);
	assert_int_equal(tls_reason(peers->server), REASON_TLS);
	if (!strstr(tls_text(peers->server), one->complaint))
		fail_msg("wanted \"%s\": %s", one->complaint, tls_text(peers->server));
	if (!strstr(tls_text(peers->client), "unrecognized_name"))
		fail_msg("the client heard: %s", tls_text(peers->client));
}

static void begin(struct peers *peers)
{
	peers_init(peers);
	peers->client_settings = (struct tls_settings){.has_pin = true};
	assert_int_equal(tls_pin_of_pem(PEM(leaf_certificate), peers->client_settings.pin), STATUS_OK);
	peers->server_settings.server_names = allowed;
	peers->server_settings.server_name_count = COUNT_OF(allowed);
}

static void only_these_names(void **state)
{
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct peers peers;
		begin(&peers);
		peers_endpoints(&peers);
		connect_to(&peers, &cases[i]);
		peers_end(&peers);
	}
}

/* A session that is resumed asks again, and is judged again. */
static void a_second_time(void **state)
{
	struct peers peers;
	struct tls_facts facts;
	begin(&peers);
	peers_endpoints(&peers);
	connect_to(&peers, &cases[0]);
	peers_disconnect(&peers);
	connect_to(&peers, &cases[0]);
	tls_facts(peers.server, &facts);
	assert_true(facts.resumed);
	peers_disconnect(&peers);
	connect_to(&peers, &cases[5]);
	peers_end(&peers);
}

static void no_list_lets_all_in(void **state)
{
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct peers peers;
		begin(&peers);
		peers.server_settings.server_name_count = 0;
		peers_endpoints(&peers);
		connect_to(&peers, &(struct name_case){cases[i].host, NULL});
		peers_end(&peers);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(only_these_names),
	    cmocka_unit_test(a_second_time),
	    cmocka_unit_test(no_list_lets_all_in),
	};
	return cmocka_run_group_tests(tests, library_setup, library_teardown);
}
