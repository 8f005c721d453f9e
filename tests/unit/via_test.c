/* tests/unit/via_test.c - targets behind proxies: what is said, every kind of answer cut anywhere, and what
 * the asker hears of it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/acl.h"
#include "protocols/frontends/via.h"
#include "protocols/frontends/via_dialogue.h"
#include "tests/unit/relay_world.h"

/* Bytes in a table: "\5\1\0" with its size. */
#define RAW(text) {(const uint8_t *)(text), sizeof(text) - 1}

enum { STEPS_MAX = 3 };

struct step {
	struct slice said, heard;
};

struct dialogue_case {
	const char *name;
	enum config_via_kind kind;
	const char *user, *password, *host;
	uint16_t port;
	struct step steps[STEPS_MAX];
	enum reason reason;             /* OK: agreed, and "rest" is left */
	const char *text;
};

#define NONE {{NULL, 0}, {NULL, 0}}
#define CONNECT(host) "CONNECT " host " HTTP/1.1\r\nHost: " host "\r\n"

static const struct dialogue_case dialogues[] = {
	{"a name", VIA_SOCKS5, NULL, NULL, "a.test", 80,
	 {{RAW("\5\1\0"), RAW("\5\0")},
	  {RAW("\5\1\0\3\6a.test\0\x50"), RAW("\5\0\0\1\0\0\0\0\0\0rest")}}, REASON_OK, ""},
	{"IPv4", VIA_SOCKS5, NULL, NULL, "192.0.2.7", 443,
	 {{RAW("\5\1\0"), RAW("\5\0")},
	  {RAW("\5\1\0\1\xc0\0\2\7\1\xbb"), RAW("\5\0\0\3\4abcd\1\2rest")}}, REASON_OK, ""},
	{"IPv6", VIA_SOCKS5, NULL, NULL, "2001:db8::1", 65535,
	 {{RAW("\5\1\0"), RAW("\5\0")},
	  {RAW("\5\1\0\4\x20\1\xd\xb8\0\0\0\0\0\0\0\0\0\0\0\1\xff\xff"),
	   RAW("\5\0\0\4\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0rest")}}, REASON_OK, ""},
	{"brackets", VIA_SOCKS5, NULL, NULL, "[::1]", 1,
	 {{RAW("\5\1\0"), RAW("\5\0")},
	  {RAW("\5\1\0\4\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1\0\1"),
	   RAW("\5\0\0\3\0\0\0rest")}}, REASON_OK, ""},
	{"IPv4 in IPv6", VIA_SOCKS5, NULL, NULL, "::ffff:192.0.2.7", 1,
	 {{RAW("\5\1\0"), RAW("\5\0")},
	  {RAW("\5\1\0\1\xc0\0\2\7\0\1"), RAW("\5\0\0\1\0\0\0\0\0\0rest")}}, REASON_OK, ""},
	{"login", VIA_SOCKS5, "user", "pass", "a", 80,
	 {{RAW("\5\1\2"), RAW("\5\2")}, {RAW("\1\4user\4pass"), RAW("\1\0")},
	  {RAW("\5\1\0\3\1a\0\x50"), RAW("\5\0\0\1\0\0\0\0\0\0rest")}}, REASON_OK, ""},
	{"login by 05", VIA_SOCKS5, "user", "pass", "a", 80,
	 {{RAW("\5\1\2"), RAW("\5\2")}, {RAW("\1\4user\4pass"), RAW("\5\0")},
	  {RAW("\5\1\0\3\1a\0\x50"), RAW("\5\0\0\1\0\0\0\0\0\0rest")}}, REASON_OK, ""},
	{"user alone", VIA_SOCKS5, "user", NULL, "a", 80,
	 {{RAW("\5\1\0"), RAW("\5\xff")}}, REASON_AUTH, "the proxy wants another kind of login"},
	{"bad login", VIA_SOCKS5, "user", "pass", "a", 80,
	 {{RAW("\5\1\2"), RAW("\5\2")}, {RAW("\1\4user\4pass"), RAW("\1\1")}}, REASON_AUTH,
	 "the proxy refuses the login"},
	{"another method", VIA_SOCKS5, NULL, NULL, "a", 80,
	 {{RAW("\5\1\0"), RAW("\5\2")}}, REASON_AUTH, "the proxy chose a login that was not offered"},
	{"SOCKS4", VIA_SOCKS5, NULL, NULL, "a", 80,
	 {{RAW("\5\1\0"), RAW("\0\x5b")}}, REASON_PROTOCOL, "the proxy does not speak SOCKS5"},
	{"HTTP at a SOCKS5 proxy", VIA_SOCKS5, NULL, NULL, "a", 80,
	 {{RAW("\5\1\0"), RAW("HTTP/1.1 400")}}, REASON_PROTOCOL, "the proxy does not speak SOCKS5"},
	{"early answer", VIA_SOCKS5, NULL, NULL, "a", 80,
	 {{RAW("\5\1\0"), RAW("\5\0\5")}}, REASON_PROTOCOL, "the proxy speaks before it is asked"},
#define REPLY(code, why, what) \
	{"reply " #code, VIA_SOCKS5, NULL, NULL, "a", 80, {{RAW("\5\1\0"), RAW("\5\0")}, \
	  {RAW("\5\1\0\3\1a\0\x50"), RAW("\5" code)}}, why, what}
	REPLY("\1", REASON_OTHER, "the proxy has failed"),
	REPLY("\2", REASON_FORBIDDEN, "the proxy does not allow it"),
	REPLY("\3", REASON_UNREACHABLE, "the proxy cannot reach that network"),
	REPLY("\4", REASON_UNREACHABLE, "the proxy cannot reach that host"),
	REPLY("\5", REASON_REFUSED, "the proxy was refused by the target"),
	REPLY("\6", REASON_TIMEOUT, "the target did not answer the proxy"),
	REPLY("\7", REASON_OTHER, "the proxy does not know the command"),
	REPLY("\x8", REASON_OTHER, "the proxy does not know this kind of address"),
	REPLY("\x9", REASON_OTHER, "the proxy has failed"),
	REPLY("\xff", REASON_OTHER, "the proxy has failed"),
	REPLY("\0\0\5", REASON_PROTOCOL, "the proxy's answer cannot be understood"),
	{"wrong version", VIA_SOCKS5, NULL, NULL, "a", 80,
	 {{RAW("\5\1\0"), RAW("\5\0")}, {RAW("\5\1\0\3\1a\0\x50"), RAW("\4")}}, REASON_PROTOCOL,
	 "the proxy's answer cannot be understood"},
	/* HTTP */
	{"CONNECT", VIA_HTTP, NULL, NULL, "a.test", 80,
	 {{RAW(CONNECT("a.test:80") "\r\n"), RAW("HTTP/1.1 200 Connection established\r\n\r\nrest")}},
	 REASON_OK, ""},
	{"CONNECT to IPv6", VIA_HTTP, NULL, NULL, "2001:db8::1", 80,
	 {{RAW(CONNECT("[2001:db8::1]:80") "\r\n"), RAW("HTTP/1.0 200\r\nA: b\r\n c\r\n\r\nrest")}},
	 REASON_OK, ""},
	{"CONNECT with brackets", VIA_HTTP, NULL, NULL, "[2001:db8::1]", 80,
	 {{RAW(CONNECT("[2001:db8::1]:80") "\r\n"), RAW("HTTP/1.1 204 \n\nrest")}}, REASON_OK, ""},
	{"Basic", VIA_HTTP, "Aladdin", "open sesame", "a", 1,
	 {{RAW(CONNECT("a:1") "Proxy-Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n\r\n"),
	   RAW("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nrest")}}, REASON_OK, ""},
	{"Basic without password", VIA_HTTP, "a", NULL, "a", 1,
	 {{RAW(CONNECT("a:1") "Proxy-Authorization: Basic YTo=\r\n\r\n"), RAW("HTTP/1.1 299\r\n\r\nrest")}},
	 REASON_OK, ""},
	{"interim", VIA_HTTP, NULL, NULL, "a", 1,
	 {{RAW(CONNECT("a:1") "\r\n"),
	   RAW("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 x\r\nLink: y\r\n\r\nHTTP/1.1 200 OK\r\n\r\nrest")}},
	 REASON_OK, ""},
#define ANSWER(line, why, what) \
	{line, VIA_HTTP, NULL, NULL, "a", 1, {{RAW(CONNECT("a:1") "\r\n"), RAW(line)}}, why, what}
	ANSWER("HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\n\r\n", REASON_AUTH,
	       "the proxy answered 407 Proxy Authentication Required"),
	ANSWER("HTTP/1.1 403 Forbidden\r\n\r\n", REASON_FORBIDDEN, "the proxy answered 403 Forbidden"),
	ANSWER("HTTP/1.1 502 \x1b[31m\xff\r\n\r\n", REASON_UNREACHABLE, "the proxy answered 502 ?[31m?"),
	ANSWER("HTTP/1.1 503\r\n\r\n", REASON_UNREACHABLE, "the proxy answered 503"),
	ANSWER("HTTP/1.1 504 Gateway Timeout\r\n\r\n", REASON_TIMEOUT,
	       "the proxy answered 504 Gateway Timeout"),
	ANSWER("HTTP/1.1 500 200 OK\r\n\r\n", REASON_OTHER, "the proxy answered 500 200 OK"),
	ANSWER("HTTP/1.1 302 Found\r\nLocation: /\r\n\r\n", REASON_OTHER, "the proxy answered 302 Found"),
	ANSWER("SSH-2.0-OpenSSH_9.2\r\n", REASON_PROTOCOL, "the proxy does not speak HTTP"),
	ANSWER("HTTP/2 200\r\n", REASON_PROTOCOL, "the proxy does not speak HTTP"),
	ANSWER("HTTP/1.1 2000\r\n", REASON_PROTOCOL, "the proxy does not speak HTTP"),
	ANSWER("HTTP/1.1 20\r\n", REASON_PROTOCOL, "the proxy does not speak HTTP"),
	ANSWER("HTTP/1.1 2x0 OK\r\n", REASON_PROTOCOL, "the proxy does not speak HTTP"),
	ANSWER("\r\n", REASON_PROTOCOL, "the proxy does not speak HTTP"),
	ANSWER("\5\0\n", REASON_PROTOCOL, "the proxy does not speak HTTP"),
};

static uint8_t password_bytes[64];

static struct config_via via_of(const struct dialogue_case *one)
{
	struct config_via via = {.kind = one->kind, .at = {"proxy.test", 1080}, .user = one->user};
	if (one->password) {
		via.password = (struct secret){password_bytes, strlen(one->password)};
		memcpy(password_bytes, one->password, via.password.size);
	}
	return via;
}

/* What it answers to those bytes, given in pieces of at most `piece`. */
static enum status hear(struct via_dialogue *dialogue, const struct config_via *via, struct slice bytes,
			size_t piece, size_t *taken, enum reason *reason, char *text)
{
	enum status status = STATUS_MORE;
	*taken = 0;
	while (status == STATUS_MORE && *taken < bytes.size) {
		size_t used, size = size_min(piece, bytes.size - *taken);
		status = via_hear(dialogue, via, (struct slice){bytes.at + *taken, size}, &used, reason,
				  text);
		*taken += used;
		assert_true(status != STATUS_MORE || used == size);
	}
	return status;
}

static const char *running;

static int name_case(void **state)
{
	if (running)
		print_message("case: %s\n", running);
	return 0;
}

static void run_dialogue(const struct dialogue_case *one, size_t piece)
{
	struct config_via via = via_of(one);
	struct via_dialogue dialogue = {0};
	enum status status = STATUS_MORE;
	enum reason reason = REASON_OK;
	char text[VIA_TEXT_SIZE] = "";
	size_t taken = 0;
	struct slice heard = {0};
	for (size_t i = 0; i < STEPS_MAX && one->steps[i].said.size; i++) {
		uint8_t bytes[VIA_SAY_MAX];
		assert_int_equal(status, STATUS_MORE);
		assert_true(via_owes(&dialogue));
		size_t size = via_say(&dialogue, &via, one->host, one->port, bytes);
		assert_int_equal(size, one->steps[i].said.size);
		assert_memory_equal(bytes, one->steps[i].said.at, size);
		assert_false(via_owes(&dialogue));
		assert_int_equal(via_say(&dialogue, &via, one->host, one->port, bytes), 0);
		heard = one->steps[i].heard;
		status = hear(&dialogue, &via, heard, piece, &taken, &reason, text);
	}
	assert_string_equal(text, one->text);
	assert_int_equal(reason, one->reason);
	assert_int_equal(status, one->reason ? STATUS_PROTOCOL : STATUS_OK);
	if (!one->reason)
		assert_memory_equal(heard.at + taken, "rest", heard.size - taken);
}

static void dialogue_table(void **state)
{
	for (size_t i = 0; i < COUNT_OF(dialogues); i++) {
		running = dialogues[i].name;
		for (size_t piece = 1; piece < 80; piece++)
			run_dialogue(&dialogues[i], piece);
		run_dialogue(&dialogues[i], SIZE_MAX);
	}
	running = NULL;
}

static void long_answers(void **state)
{
	const struct config_via via = {.kind = VIA_HTTP};
	struct via_dialogue dialogue = {0};
	uint8_t bytes[VIA_SAY_MAX];
	char text[VIA_TEXT_SIZE];
	enum reason reason;
	size_t used;
	static const char line[] = "HTTP/1.1 200 ";
	via_say(&dialogue, &via, "a", 1, bytes);
	assert_int_equal(via_hear(&dialogue, &via, slice_of(line), &used, &reason, text), STATUS_MORE);
	for (size_t i = sizeof line; i <= VIA_HEAD_MAX; i++)
		assert_int_equal(via_hear(&dialogue, &via, slice_of("x"), &used, &reason, text),
				 STATUS_MORE);
	assert_int_equal(via_hear(&dialogue, &via, slice_of("x"), &used, &reason, text), STATUS_PROTOCOL);
	assert_string_equal(text, "the proxy's answer is too long");
}

/* Whatever the lengths, a request fits; what cannot be told is not. */
static void long_words(void **state)
{
	static char user[4096], host[HOST_SIZE];
	static uint8_t password[4096], bytes[VIA_SAY_MAX];
	memset(user, 'u', sizeof user - 1);
	memset(host, 'h', sizeof host - 1);
	for (size_t size = 1; size < sizeof user; size += 61) {
		user[size] = 0;
		for (int kind = VIA_SOCKS5; kind <= VIA_HTTP; kind++) {
			struct config_via via = {.kind = (enum config_via_kind)kind, .user = user,
						 .password = {password, size}};
			struct via_dialogue dialogue = {0};
			char text[VIA_TEXT_SIZE];
			enum reason reason;
			size_t used;
			assert_in_range(via_say(&dialogue, &via, host, 65535, bytes), 3, VIA_SAY_MAX);
			if (kind == VIA_HTTP)
				continue;
			via_hear(&dialogue, &via, (struct slice){(const uint8_t *)"\5\2", 2}, &used, &reason,
				 text);
			assert_in_range(via_say(&dialogue, &via, host, 65535, bytes), 5, 1 + 2 * 256);
			via_hear(&dialogue, &via, (struct slice){(const uint8_t *)"\1\0", 2}, &used, &reason,
				 text);
			assert_int_equal(via_say(&dialogue, &via, host, 65535, bytes), 4 + 256 + 2);
		}
		user[size] = 'u';
	}
}

static void host_names(void **state)
{
	static const char *const good[] = {"a",   "a.test", "a_b-c.d.", "1.2.3.4",
					   "::1", "[::1]",  "127.1",    "0x7f.1"};
	static const char *const bad[] = {"",    " ",   "a b", "a\r\nX: y", "a:80",     "[a]",
					  "[",   "]",   "a/b", "a?b",       "a#b",      "u@h",
					  "\x7f", "\xc3\xa9", "fe80::1%2", "fe80::1%eth0", "a\tb", "/run/x"};
	for (size_t i = 0; i < COUNT_OF(good); i++)
		if (!via_host_is_good(good[i]))
			fail_msg("refused: %s", good[i]);
	for (size_t i = 0; i < COUNT_OF(bad); i++)
		if (via_host_is_good(bad[i]))
			fail_msg("taken: %s", bad[i]);
}

/* ---- the wire ---- */

static struct config_via proxy;
static struct dial_options options;
static const char *target_host;

static void asks(struct session *session, const struct event *event)
{
	if (!pair_dial(event->channel->pair, target_host, 80, &options))
		channel_refuse(event->channel, REASON_LIMIT, NULL);
}

static const struct role asker_role = {.name = "asker", .event = asks};

static struct conn *begin_asking(enum config_via_kind kind, const char *host)
{
	begin(true);
	proxy = (struct config_via){.kind = kind, .at = {"proxy.test", 1080}};
	options = (struct dial_options){.via = &proxy, .timeout = DURATION_S(10)};
	target_host = host;
	struct session_options made = {.wire = &wire_plain, .carrier = &carrier_raw, .role = &asker_role};
	struct conn *conn = &world.conns[world.conn_count++];
	*conn = (struct conn){.session = session_create(&world.hub, &made), .asks = true};
	session_open(conn->session);
	return conn;
}

static void expect_said(struct conn *conn, const char *bytes, size_t size)
{
	assert_int_equal(conn->out.size, size);
	assert_memory_equal(conn->out.at, bytes, size);
	conn->out.size = 0;
}

static void relays(void **state)
{
	struct conn *asker = begin_asking(VIA_SOCKS5, "a.test");
	say(asker, "early");
	hold_dials = true;
	turns(2);
	struct dial *dial =
		OWNER(OWNER(world.hub.requests.next, struct request, link), struct dial, request);
	assert_string_equal(dial->host, "proxy.test");
	assert_int_equal(dial->port, 1080);
	assert_null(dial->acl);                /* the proxy resolves */
	hold_dials = false;
	turns(2);
	struct conn *far = &world.conns[1];
	expect_said(far, "\5\1\0", 3);
	bytes_add(&far->in, "\5\0", 2);
	turns(2);
	expect_said(far, "\5\1\0\3\6a.test\0\x50", 13);
	bytes_add(&far->in, "\5\0\0\1\0\0\0\0\0\0banner", 16);
	turns(3);
	expect_said(far, "early", 5);
	expect_said(asker, "banner", 6);
	asker->in_ended = true;
	turns(3);
	assert_true(far->shut && !asker->shut);       /* half-close goes through */
	say(far, "late");
	far->in_ended = true;
	turns(3);
	expect_said(asker, "late", 4);
	assert_true(asker->gone && far->gone && !asker->why && !far->why);
	world_close();
}

static void http_relays(void **state)
{
	struct conn *asker = begin_asking(VIA_HTTP, "a.test");
	turns(3);
	struct conn *far = &world.conns[1];
	assert_out(far, CONNECT("a.test:80") "\r\n");
	say(far, "HTTP/1.1 200 OK\r\n\r\nbanner");
	turns(3);
	assert_out(asker, "banner");
	session_end(far->session, REASON_LOST, NULL, false);
	turns(3);
	assert_true(asker->gone && asker->why == REASON_LOST);
	world_close();
}

/* The refusal and its words reach side 0, whatever follows them. */
static void refusals(void **state)
{
	for (int step = 0; step < 4; step++) {
		struct conn *asker = begin_asking(step == 3 ? VIA_HTTP : VIA_SOCKS5, "a.test");
		turns(3);
		struct conn *far = &world.conns[1];
		struct channel *channel = session_only_channel(asker->session);
		if (step == 0)
			bytes_add(&far->in, "\5\xff more", 7);
		if (step == 1)
			far->in_ended = true;
		if (step == 2) {
			bytes_add(&far->in, "\5\0", 2);
			turns(2);
			bytes_add(&far->in, "\5\5\0\1 and more", 13);
		}
		if (step == 3)
			say(far, "HTTP/1.1 403 No\r\nContent-Length: 5\r\n\r\nhello");
		settle();
		feed(far->session, &far->in);
		if (far->in_ended)
			session_input_end(far->session);
		static const enum reason reasons[] = {REASON_AUTH, REASON_LOST, REASON_REFUSED,
						      REASON_FORBIDDEN};
		static const char *const texts[] = {"the proxy wants another kind of login",
						    "the proxy closed the connection without an answer",
						    "the proxy was refused by the target",
						    "the proxy answered 403 No"};
		assert_int_equal(channel->reason, reasons[step]);
		assert_string_equal(channel->text, texts[step]);
		turns(3);
		assert_true(asker->gone && far->gone);
		assert_int_equal(asker->why, reasons[step]);
		assert_int_equal(asker->out.size, 0);
		world_close();
	}
}

static void times_out(void **state)
{
	struct conn *asker = begin_asking(VIA_SOCKS5, "a.test");
	turns(3);
	say(&world.conns[1], "\5");
	sleep_s(9);
	assert_false(asker->gone);
	sleep_s(2);
	assert_true(asker->gone && world.conns[1].gone);
	assert_int_equal(asker->why, REASON_TIMEOUT);
	world_close();
}

static void asker_leaves(void **state)
{
	struct conn *asker = begin_asking(VIA_SOCKS5, "a.test");
	turns(3);
	session_end(asker->session, REASON_LOST, NULL, false);
	turns(3);
	assert_true(world.conns[1].gone);
	world_close();
}

/* Where a proxy resolves, the rules are asked about the name or the literal alone. */
static void access_rules(void **state)
{
	static const struct {
		const char *allow, *deny, *host;
		bool passes;
	} cases[] = {
		{NULL, "10.0.0.0/8", "a.test", true},
		{NULL, "10.0.0.0/8", "10.1.2.3", false},
		{NULL, "a.test", "A.test.", false},
		{"10.0.0.0/8", NULL, "a.test", false},  /* nobody here can see where it leads */
		{"10.0.0.0/8", NULL, "10.1.2.3", true},
		{"*.test", NULL, "a.test", true},
		{NULL, NULL, "a\r\nb", false},
	};
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct acl_rule allow, deny;
		struct acl acl = {&allow, &deny, cases[i].allow != NULL, cases[i].deny != NULL};
		assert_true(!cases[i].allow || acl_rule_parse(&allow, cases[i].allow));
		assert_true(!cases[i].deny || acl_rule_parse(&deny, cases[i].deny));
		struct conn *asker = begin_asking(VIA_HTTP, cases[i].host);
		options.acl = &acl;
		turns(3);
		assert_int_equal(asker->gone, !cases[i].passes);
		assert_int_equal(world.conn_count, 1 + cases[i].passes);
		if (asker->gone)
			assert_int_equal(asker->why,
					 strchr(cases[i].host, '\n') ? REASON_NAME : REASON_FORBIDDEN);
		world_close();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(dialogue_table, name_case),
		cmocka_unit_test(long_answers),
		cmocka_unit_test(long_words),     cmocka_unit_test(host_names),
		cmocka_unit_test(relays),         cmocka_unit_test(http_relays),
		cmocka_unit_test(refusals),       cmocka_unit_test(times_out),
		cmocka_unit_test(asker_leaves),   cmocka_unit_test(access_rules),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
