/* tests/unit/linksocks_exit_test.c - what the exit of LinkSocks dials, associates or refuses, and with which
 * words.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/hub.h"
#include "core/request.h"
#include "protocols/linksocks/exit.h"

static struct limits limits;
static struct hub hub;
static struct session *link_session;
static struct channel *asked;
static struct acl_rule deny[2];
static const struct acl access_rules = {.deny = deny, .deny_count = COUNT_OF(deny)};
static const struct linksocks_exit exit_rules = {.access = &access_rules, .timeout = DURATION_S(10)};

/* ---- a link that only holds channels ---- */

static enum status silent_encode(struct session *session, void *state, const struct event *event,
				 struct writer *writer)
{
	return STATUS_FULL;
}

static const struct wire silent_wire = {.name = "silent", .encode = silent_encode};
static const struct role silent_role = {.name = "silent"};

static void bury(void)
{
	struct link *link;
	while ((link = list_pull(&hub.ended)) != NULL)
		session_destroy(OWNER(link, struct session, ended_link));
}

static int setup(void **state)
{
	assert_true(acl_rule_parse(&deny[0], "10.0.0.0/8"));
	assert_true(acl_rule_parse(&deny[1], "secret.example"));
	limits = LIMITS_DEFAULT;
	hub_init(&hub, 0, 1, &limits, (struct instant){1});
	link_session = session_create(&hub, &(struct session_options){
		.wire = &silent_wire, .carrier = &carrier_raw, .role = &silent_role});
	assert_non_null(link_session);
	session_open(link_session);
	link_session->ready = true;
	return 0;
}

static int teardown(void **state)
{
	while (!list_is_empty(&hub.sessions)) {
		session_end(OWNER(hub.sessions.next, struct session, hub_link), REASON_STOPPING, NULL, false);
		bury();
	}
	struct link *link;
	while ((link = list_pull(&hub.requests)) != NULL) {
		struct request *request = OWNER(link, struct request, link);
		if (request->kind == REQUEST_BIND)
			memory_release(&hub.memory, request, sizeof(struct binding));
		else
			memory_release(&hub.memory, request, sizeof(struct dial));
	}
	hub_fini(&hub);
	acl_rule_fini(&deny[0]);
	acl_rule_fini(&deny[1]);
	return 0;
}

static void ask(enum network network, const char *host, uint16_t port)
{
	asked = session_channel(link_session);
	assert_non_null(asked);
	asked->target = (struct target){.network = network, .port = port};
	text_copy(asked->target.host, HOST_SIZE, slice_of(host));
	struct event open = {.kind = EVENT_OPEN, .channel = asked, .target = &asked->target};
	linksocks_exit_open(&exit_rules, &open);
}

static void assert_refused(enum reason reason, const char *text)
{
	assert_true(asked->says & SAYS_OPENED);
	assert_int_equal(asked->reason, reason);
	assert_non_null(asked->text);
	assert_string_equal(asked->text, text);
	assert_true(list_is_empty(&hub.requests));
}

static const struct dial *dialled(void)
{
	struct link *first = hub.requests.next;
	assert_false(list_is_empty(&hub.requests));
	const struct request *request = OWNER(first, struct request, link);
	assert_int_equal(request->kind, REQUEST_DIAL);
	assert_int_equal(asked->state, CHANNEL_ASKED);
	assert_false(asked->says & SAYS_OPENED);
	return OWNER(request, struct dial, request);
}

/* ---- what is dialled ---- */

static void name_is_dialled_with_its_rules(void **state)
{
	ask(NETWORK_TCP, "example.com", 443);
	const struct dial *dial = dialled();
	assert_string_equal(dial->host, "example.com");
	assert_int_equal(dial->port, 443);
	assert_ptr_equal(dial->acl, &access_rules);
	assert_int_equal(dial->timeout.ns, DURATION_S(10).ns);
	assert_null(dial->tls);
}

static void brackets_are_taken_off(void **state)
{
	ask(NETWORK_TCP, "[::1]", 80);
	assert_string_equal(dialled()->host, "::1");
}

static void association_asks_for_a_socket(void **state)
{
	ask(NETWORK_UDP, "", 0);
	assert_false(list_is_empty(&hub.requests));
	assert_int_equal(OWNER(hub.requests.next, struct request, link)->kind, REQUEST_BIND);
}

/* ---- what is refused ---- */

static void empty_host(void **state)
{
	ask(NETWORK_TCP, "", 80);
	assert_refused(REASON_NAME, ":80: the host name is empty");
}

/* A dial's host may be the path of a socket; a peer's may not. */
static void socket_file(void **state)
{
	ask(NETWORK_TCP, "/run/secret.sock", 80);
	assert_refused(REASON_NAME, "/run/secret.sock:80: not a host name");
}

static void port_zero(void **state)
{
	ask(NETWORK_TCP, "example.com", 0);
	assert_refused(REASON_FORBIDDEN, "example.com:0: port 0 is not a port");
}

static void unknown_network(void **state)
{
	ask((enum network)7, "example.com", 80);
	assert_refused(REASON_FORBIDDEN, "neither TCP nor UDP");
}

static void denied_by_name_and_by_address(void **state)
{
	ask(NETWORK_TCP, "Secret.Example.", 80);
	char text[ACL_TEXT_SIZE];
	assert_refused(REASON_FORBIDDEN, acl_refusal(text, "Secret.Example."));
	ask(NETWORK_TCP, "10.1.2.3", 80);
	assert_refused(REASON_FORBIDDEN, acl_refusal(text, "10.1.2.3"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(name_is_dialled_with_its_rules, setup, teardown),
	    cmocka_unit_test_setup_teardown(brackets_are_taken_off, setup, teardown),
	    cmocka_unit_test_setup_teardown(association_asks_for_a_socket, setup, teardown),
	    cmocka_unit_test_setup_teardown(empty_host, setup, teardown),
	    cmocka_unit_test_setup_teardown(socket_file, setup, teardown),
	    cmocka_unit_test_setup_teardown(port_zero, setup, teardown),
	    cmocka_unit_test_setup_teardown(unknown_network, setup, teardown),
	    cmocka_unit_test_setup_teardown(denied_by_name_and_by_address, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
