/* tests/unit/dialer_test.c - which addresses are dialled: access rules for literals, for names and for all
 * that they lead to, with a real worker and names of our own.
 */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/acl.h"
#include "core/request.h"
#include "protocols/frontends/dial.h"
#include "protocols/frontends/plain.h"
#include "protocols/frontends/via.h"
#include "ring/process.h"
#include "ring/ring_choose.h"

enum { PATIENCE_S = 60, RULES_MAX = 4 };

static struct process process;
static struct worker *worker;
static int listener;
static uint16_t port;

/* ---- what a name leads to: "127.0.0.2,127.0.0.1" ---- */

static const struct {
	const char *name, *addresses;
} names[] = {
	{"one.test", "127.0.0.1"},
	{"two.test", "127.0.0.2,127.0.0.1"},
	{"bad.test", "127.0.0.2,127.0.0.3"},
	{"2130706433", "127.0.0.1"},   /* what getaddrinfo makes of it */
	{"127.1", "127.0.0.1"},
	{"0", "0.0.0.0"},
};

static uint32_t questions;

static void resolve(struct process *asked, struct resolve_job *job)
{
	questions++;
	job->reason = REASON_NAME;
	for (size_t i = 0; i < COUNT_OF(names); i++) {
		if (strcmp(names[i].name, job->host) != 0)
			continue;
		job->reason = REASON_OK;
		for (const char *at = names[i].addresses; *at; at += *at == ',') {
			char one[64];
			size_t size = strcspn(at, ",");
			text_copy(one, sizeof one, (struct slice){(const uint8_t *)at, size});
			assert_true(address_of_literal(&job->addresses[job->count++], one, job->port));
			at += size;
		}
	}
	process_post(asked, &job->mail);
}

/* ---- rules ---- */

static struct acl_rule allow[RULES_MAX], deny[RULES_MAX];
static struct acl acl;

static size_t rules_make(struct acl_rule *rules, const char *words)
{
	char word[HOST_SIZE];
	size_t count = 0;
	for (; *words; words += *words == ' ') {
		size_t size = strcspn(words, " ");
		text_copy(word, sizeof word, (struct slice){(const uint8_t *)words, size});
		assert_true(count < RULES_MAX && acl_rule_parse(&rules[count++], word));
		words += size;
	}
	return count;
}

/* ---- a dial and how it ended ---- */

static struct {
	bool ended, connected;
	enum reason why;
	char text[WHY_TEXT_SIZE], peer[PEER_TEXT_SIZE];
} last;

static void role_start(struct session *session)
{
	last.connected = true;
	strcpy(last.peer, session->peer);
	session_end(session, REASON_OK, NULL, false);
}

static void role_ended(struct session *session)
{
	last.ended = true;
	last.why = session->why;
	strcpy(last.text, session->why_text);
}

static const struct role role = {.name = "dialer", .start = role_start, .ended = role_ended};

static void dial(const char *host, const char *allowed, const char *denied)
{
	struct session_options options = {
		.wire = &wire_plain, .carrier = &carrier_raw, .role = &role, .client = true};
	struct session *session = session_create(&worker->hub, &options);
	memset(&last, 0, sizeof last);
	questions = 0;
	acl = (struct acl){allow, deny, rules_make(allow, allowed), rules_make(deny, denied)};
	assert_true(hub_dial(session, host, port, NULL, DURATION_S(PATIENCE_S)));
	session->dial->acl = &acl;
	while (!last.ended)
		worker_turn(worker, instant_after(ring_now(worker->ring), DURATION_S(1)));
}

static void expect_peer(const char *address)
{
	char text[64];
	snprintf(text, sizeof text, "%s:%u", address, port);
	assert_true(last.connected);
	assert_string_equal(last.peer, text);
}

static void expect_forbidden(const char *host)
{
	char text[ACL_TEXT_SIZE];
	assert_false(last.connected);
	assert_int_equal(last.why, REASON_FORBIDDEN);
	assert_string_equal(last.text, acl_refusal(text, host));
	assert_non_null(strstr(last.text, "access."));
}

/* ---- the tests ---- */

static void literals(void **state)
{
	dial("127.0.0.1", "", "");
	expect_peer("127.0.0.1");
	dial("127.0.0.1", "127.0.0.0/8", "127.0.0.2");
	expect_peer("127.0.0.1");
	dial("127.0.0.2", "127.0.0.0/8", "127.0.0.2");
	expect_forbidden("127.0.0.2");
	dial("::ffff:127.0.0.2", "", "127.0.0.2");
	expect_forbidden("::ffff:127.0.0.2");
	dial("127.0.0.1", "10.0.0.0/8", "");
	expect_forbidden("127.0.0.1");
	dial("127.0.0.1", "one.test", "");
	expect_forbidden("127.0.0.1");
	dial("/run/nothing", "", "");
	expect_forbidden("/run/nothing");
	assert_int_equal(questions, 0);
}

static void named(void **state)
{
	dial("one.test", "", "");
	expect_peer("127.0.0.1");
	dial("one.test", "*.test", "");
	expect_peer("127.0.0.1");
	dial("one.test", "127.0.0.1", "");
	expect_peer("127.0.0.1");
	assert_int_equal(questions, 1);
	dial("one.test", "", "*.test");
	expect_forbidden("one.test");
	dial("one.test", "other.test", "");
	expect_forbidden("one.test");
	assert_int_equal(questions, 0);        /* nobody hears of a name that is denied */
	dial("one.test", "one.test", "127.0.0.0/8");
	expect_forbidden("one.test");
	assert_int_equal(questions, 1);
	dial("none.test", "", "127.0.0.0/8");
	assert_int_equal(last.why, REASON_NAME);
}

static void some_of_them(void **state)
{
	dial("two.test", "", "");
	expect_peer("127.0.0.2");
	dial("two.test", "", "127.0.0.2");
	expect_peer("127.0.0.1");
	dial("two.test", "127.0.0.1", "");
	expect_peer("127.0.0.1");
	dial("bad.test", "", "127.0.0.2 127.0.0.3");
	expect_forbidden("bad.test");
	dial("bad.test", "127.0.0.1", "");
	expect_forbidden("bad.test");
}

/* A listener of ours is nobody's target, by no name; one that is closed is like any other. */
static void own_listeners(void **state)
{
	struct address own = {.family = ADDRESS_ANY, .port = port};
	assert_true(own_add(process.own, &own));
	dial("127.0.0.1", "127.0.0.1", "");
	expect_forbidden("127.0.0.1");
	dial("one.test", "", "");
	expect_forbidden("one.test");
	dial("two.test", "", "");
	expect_forbidden("two.test");
	own_remove(process.own, &own);
	dial("one.test", "", "");
	expect_peer("127.0.0.1");
	assert_true(address_parse(&own, "127.0.0.2:1"));
	own.port = port;
	assert_true(own_add(process.own, &own));
	dial("two.test", "", "");        /* its other address */
	expect_peer("127.0.0.1");
	own_remove(process.own, &own);
}

/* Whatever a resolver makes of a number. */
static void odd_spellings(void **state)
{
	static const char *const spellings[] = {"2130706433", "127.1", "0"};
	for (size_t i = 0; i < COUNT_OF(spellings); i++) {
		dial(spellings[i], "", "127.0.0.0/8 0.0.0.0/8");
		expect_forbidden(spellings[i]);
		assert_int_equal(questions, 1);
	}
}

/* Whoever asked is told which keys decide, in the answer to the OPEN. */
static struct channel *asked;

static void asker_event(struct session *session, const struct event *event)
{
	const struct dial_options options = {.acl = &acl, .timeout = DURATION_S(PATIENCE_S)};
	asked = event->channel;
	assert_true(pair_dial(asked->pair, event->target->host, event->target->port, &options));
}

static const struct role asker_role = {.name = "asker", .event = asker_event};

static void expect_told(const char *host, const char *denied)
{
	char text[ACL_TEXT_SIZE];
	struct session_options options = {
		.wire = &wire_plain, .carrier = &carrier_raw, .role = &asker_role};
	struct session *session = session_create(&worker->hub, &options);
	acl = (struct acl){allow, deny, 0, rules_make(deny, denied)};
	session->target.port = port;
	strcpy(session->target.host, host);
	asked = NULL;
	session_open(session);
	while (!asked || !asked->reason)
		worker_turn(worker, instant_after(ring_now(worker->ring), DURATION_S(1)));
	assert_int_equal(asked->reason, REASON_FORBIDDEN);
	assert_string_equal(asked->text, acl_refusal(text, host));
	session_end(session, REASON_OK, NULL, false);
	worker_turn(worker, ring_now(worker->ring));
}

static void told(void **state)
{
	expect_told("127.0.0.2", "127.0.0.2");
	expect_told("bad.test", "127.0.0.0/8");
	expect_told("bad.test", "bad.test");
}

/* A host of any length leaves room for the keys. */
static void long_names(void **state)
{
	char host[HOST_SIZE], text[ACL_TEXT_SIZE];
	memset(host, 'a', sizeof host);
	host[sizeof host - 1] = 0;
	assert_int_equal(strlen(acl_refusal(text, host)),
			 strlen(acl_refusal(text, "")) + sizeof host - 1);
	dial(host, "one.test", "");
	assert_int_equal(last.why, REASON_FORBIDDEN);
	assert_non_null(strstr(last.text, "access.deny"));
}

/* ---- by way of a proxy ---- */

static struct config_via proxy;
static struct session *dialled;
static int proxied = -1;                /* the proxy's end of the connection */
static char arrived[256];               /* what the session heard */

static enum status hear(struct session *session, void *state, const struct chunk *chunk, size_t *consumed)
{
	size_t used = strlen(arrived);
	*consumed = chunk->piece.bytes.size;
	text_copy(arrived + used, sizeof arrived - used, chunk->piece.bytes);
	return STATUS_OK;
}

static enum status say(struct session *session, void *state, const struct event *event, struct writer *writer)
{
	return STATUS_OK;
}

static const struct wire wire_listens = {
	.name = "listens", .traits = TRAIT_CONN, .decode = hear, .encode = say};

static void started(struct session *session) { last.connected = true; }

static const struct role waiting_role = {.name = "waiting", .start = started, .ended = role_ended};

static void turn(void)
{
	worker_turn(worker, instant_after(ring_now(worker->ring), DURATION_MS(5)));
}

static void dial_by(enum config_via_kind kind, const char *host, struct duration timeout)
{
	struct session_options options = {
		.wire = &wire_listens, .carrier = &carrier_raw, .role = &waiting_role, .client = true};
	proxy = (struct config_via){.kind = kind, .at = {"one.test", port}};
	while ((proxied = accept4(listener, NULL, NULL, 0)) >= 0)
		close(proxied);                /* of tests before */
	memset(&last, 0, sizeof last);
	arrived[0] = 0;
	dialled = session_create(&worker->hub, &options);
	assert_true(hub_dial(dialled, host, 80, NULL, timeout));
	via_dial(dialled->dial, &proxy);
	strcpy(dialled->peer, "the target");
}

static void proxy_accepts(void)
{
	while ((proxied = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) < 0)
		turn();
}

static void proxy_hears(const char *bytes, size_t size)
{
	char heard[1024];
	size_t used = 0;
	while (used < size) {
		ssize_t more = recv(proxied, heard + used, size - used, 0);
		assert_true(more != 0);
		used += more > 0 ? (size_t)more : 0;
		turn();
	}
	assert_memory_equal(heard, bytes, size);
}

static void proxy_says(const char *bytes, size_t size)
{
	assert_int_equal(send(proxied, bytes, size, MSG_NOSIGNAL), size);
}

static void proxy_closes(void)
{
	close(proxied);
	proxied = -1;
}

static void until_ended(enum reason why, const char *text)
{
	while (!last.ended)
		turn();
	assert_int_equal(last.why, why);
	assert_string_equal(last.text, text);
	if (proxied >= 0)
		proxy_closes();
}

static void end_dialled(void)
{
	session_end(dialled, REASON_OK, NULL, false);
	until_ended(REASON_OK, "");
}

static void agreed(void **state)
{
	dial_by(VIA_SOCKS5, "a.test", DURATION_S(PATIENCE_S));
	proxy_accepts();
	proxy_hears("\5\1\0", 3);
	proxy_says("\5", 1);
	turn();
	proxy_says("\0", 1);
	proxy_hears("\5\1\0\3\6a.test\0\x50", 13);
	assert_false(last.connected);
	proxy_says("\5\0\0\1\0\0\0\0\0\0early", 15);
	while (!last.connected)
		turn();
	proxy_says(" and late", 9);
	while (strcmp(arrived, "early and late") != 0)
		turn();
	assert_string_equal(dialled->peer, "the target");
	end_dialled();
}

/* In front of TLS it is the same: the connection is the target's when the proxy has agreed. */
static void agreed_by_http(void **state)
{
	static const char request[] = "CONNECT [2001:db8::1]:80 HTTP/1.1\r\nHost: [2001:db8::1]:80\r\n\r\n";
	dial_by(VIA_HTTP, "2001:db8::1", DURATION_S(PATIENCE_S));
	proxy_accepts();
	proxy_hears(request, sizeof request - 1);
	proxy_says("HTTP/1.1 200 OK\r\n\r\n", 19);
	while (!last.connected)
		turn();
	end_dialled();
}

static void refused(void **state)
{
	dial_by(VIA_HTTP, "a.test", DURATION_S(PATIENCE_S));
	proxy_accepts();
	proxy_says("HTTP/1.1 403 Forbidden\r\n\r\nhello", 31);
	until_ended(REASON_FORBIDDEN, "proxy one.test: the proxy answered 403 Forbidden");
	dial_by(VIA_HTTP, "a.test", DURATION_S(PATIENCE_S));
	proxy_accepts();
	proxy_says("HTTP/1.1 407 No\r\n\r\n", 19);
	until_ended(REASON_FORBIDDEN, "proxy one.test: the proxy answered 407 No");
	dial_by(VIA_SOCKS5, "a.test", DURATION_S(PATIENCE_S));
	proxy_accepts();
	proxy_closes();
	until_ended(REASON_LOST, "proxy one.test: the proxy closed the connection without an answer");
	dial_by(VIA_SOCKS5, "a.test", DURATION_MS(50));
	until_ended(REASON_TIMEOUT, "proxy one.test: timed out");
	dial_by(VIA_HTTP, "a\r\nb", DURATION_S(PATIENCE_S));
	until_ended(REASON_NAME, "proxy one.test: the proxy cannot be told where to");
	assert_false(last.connected);
}

/* Its session goes while the proxy thinks. */
static void called_off(void **state)
{
	dial_by(VIA_SOCKS5, "a.test", DURATION_S(PATIENCE_S));
	proxy_accepts();
	proxy_hears("\5\1\0", 3);
	session_end(dialled, REASON_LOST, NULL, false);
	until_ended(REASON_LOST, "");
	while (!list_is_empty(&worker->dialings))
		turn();
}

/* The rules are about the target, by its name alone, not about the proxy. */
static void proxy_and_rules(void **state)
{
	acl = (struct acl){allow, deny, 0, rules_make(deny, "127.0.0.0/8")};
	dial_by(VIA_SOCKS5, "127.0.0.1", DURATION_S(PATIENCE_S));
	dialled->dial->acl = &acl;
	until_ended(REASON_FORBIDDEN, "not permitted by access.allow and access.deny: 127.0.0.1");
	dial_by(VIA_SOCKS5, "a.test", DURATION_S(PATIENCE_S));
	dialled->dial->acl = &acl;
	proxy_accepts();
	session_end(dialled, REASON_OK, NULL, false);
	until_ended(REASON_OK, "");
}

/* ---- start and end ---- */

static void populate(struct process *started, struct hub *hub) {}

static const struct ring_table *engine;

static int setup(void **state)
{
	char why[RING_WHY_SIZE];
	struct sockaddr_in in = {.sin_family = AF_INET};
	socklen_t size = sizeof in;
	listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (bind(listener, (struct sockaddr *)&in, size) || listen(listener, 64) ||
	    getsockname(listener, (struct sockaddr *)&in, &size))
		return -1;
	port = ntohs(in.sin_port);
	process = (struct process){.engine = engine, .limits = LIMITS_DEFAULT, .populate = populate,
				   .resolve = resolve};
	process.limits.process_memory = (size_t)256 << 20;
	if (!process_init(&process, 1, (struct instant){1}))
		return -1;
	worker = &process.workers[0];
	return worker_start(worker, why) ? 0 : -1;
}

static int teardown(void **state)
{
	worker_stop(worker);
	while (worker_turn(worker, instant_after(ring_now(worker->ring), DURATION_S(1))))
		;
	worker_fini(worker);
	process_fini(&process);
	close(listener);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(literals),
		cmocka_unit_test(named),
		cmocka_unit_test(some_of_them),
		cmocka_unit_test(own_listeners),
		cmocka_unit_test(odd_spellings),
		cmocka_unit_test(told),
		cmocka_unit_test(long_names),
		cmocka_unit_test(agreed),
		cmocka_unit_test(agreed_by_http),
		cmocka_unit_test(refused),
		cmocka_unit_test(called_off),
		cmocka_unit_test(proxy_and_rules),
	};
	char why[RING_WHY_SIZE];
	engine = &ring_epoll;
	int failed = cmocka_run_group_tests_name("epoll", tests, setup, teardown);
	if (!ring_choose("io_uring", why)) {
		fprintf(stderr, "SKIPPED: nothing was tested on io_uring: %s\n", why);
		return failed ? failed : 77;
	}
	engine = &ring_uring;
	return failed + cmocka_run_group_tests_name("io_uring", tests, setup, teardown);
}
