/* tests/unit/linksocks_login_test.c - who may log in as what, and how often a source may be wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "protocols/linksocks/login.h"

static struct tokens tokens;

static void add(enum token_kind kind, const char *text)
{
	struct token *token = token_create(kind, slice_of(text));
	assert_non_null(token);
	if (kind == TOKEN_IS_CONNECTOR)
		token->reverse_serial = tokens_find(&tokens, slice_of("reverse"))->serial;
	assert_true(tokens_add(&tokens, token));
}

static int begin(void **state)
{
	tokens_init(&tokens, 7);
	add(TOKEN_IS_FORWARD, "forward");
	add(TOKEN_IS_REVERSE, "reverse");
	add(TOKEN_IS_AUTONOMY, "autonomy");
	add(TOKEN_IS_CONNECTOR, "connector");
	return 0;
}

static int end(void **state)
{
	tokens_fini(&tokens);
	return 0;
}

/* The protocol document's table, for both ways to show a token. */
static void decision_table(void **state)
{
	static const struct {
		const char *text;
		enum party reverse, forward, unsaid;
	} rows[] = {
	    {"forward", PARTY_NOBODY, PARTY_FORWARD, PARTY_FORWARD},
	    {"reverse", PARTY_PROVIDER, PARTY_NOBODY, PARTY_PROVIDER},
	    {"autonomy", PARTY_PROVIDER, PARTY_NOBODY, PARTY_PROVIDER},
	    {"connector", PARTY_NOBODY, PARTY_CONNECTOR, PARTY_CONNECTOR},
	    {"unknown", PARTY_NOBODY, PARTY_NOBODY, PARTY_NOBODY},
	    {"anonymous", PARTY_NOBODY, PARTY_NOBODY, PARTY_NOBODY},
	    {"", PARTY_NOBODY, PARTY_NOBODY, PARTY_NOBODY},
	};
	for (size_t i = 0; i < COUNT_OF(rows) * 6; i++) {
		const char *text = rows[i / 6].text;
		static const enum direction directions[] = {DIRECTION_REVERSE, DIRECTION_FORWARD,
							    DIRECTION_UNSAID};
		const enum party wanted[] = {rows[i / 6].reverse, rows[i / 6].forward, rows[i / 6].unsaid};
		char hex[SHA256_HEX_SIZE];
		digest_sha256_hex(slice_of(text), hex);
		bool hashed = i % 2;
		struct credentials shown = {.secret = slice_of(hashed ? hex : text),
					    .form = hashed ? CREDENTIAL_SHA256 : CREDENTIAL_PLAIN,
					    .direction = directions[i % 6 / 2]};
		struct login login = login_decide(&tokens, &shown);
		assert_int_equal(login.party, wanted[i % 6 / 2]);
		if (login.party == PARTY_NOBODY)
			assert_string_equal(login.refusal, "invalid token");
		else
			assert_string_equal(login.token->text, text);
	}
}

static void formats(void **state)
{
	char hex[SHA256_HEX_SIZE];
	digest_sha256_hex(slice_of("forward"), hex);
	static const struct { bool upper, cut, longer; const char *refusal; } rows[] = {
	    {true, false, false, "invalid token"},
	    {false, true, false, "invalid token format"},
	    {false, false, true, "invalid token format"},
	};
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		char text[SHA256_HEX_SIZE + 2];
		snprintf(text, sizeof text, "%s%s", hex, rows[i].longer ? "0" : "");
		if (rows[i].cut)
			text[10] = 0;
		for (char *at = text; rows[i].upper && *at; at++)
			if (*at >= 'a')
				*at = (char)(*at - 32);
		struct credentials shown = {.secret = slice_of(text), .form = CREDENTIAL_SHA256};
		struct login login = login_decide(&tokens, &shown);
		assert_int_equal(login.party, PARTY_NOBODY);
		assert_string_equal(login.refusal, rows[i].refusal);
	}
	/* a digest is no token where the token itself is wanted */
	struct credentials shown = {.secret = slice_of(hex), .form = CREDENTIAL_PLAIN};
	assert_int_equal(login_decide(&tokens, &shown).party, PARTY_NOBODY);
}

static void sources(void **state)
{
	static const struct { const char *peer, *other; bool same; } rows[] = {
	    {"192.0.2.1:1000", "192.0.2.1:2000", true},
	    {"192.0.2.1:1000", "192.0.2.2:1000", false},
	    {"[2001:db8::1]:1", "[2001:db8::ffff:2]:1", true}, /* one /64 */
	    {"[2001:db8::1]:1", "[2001:db8:0:1::1]:1", false},
	    {"192.0.2.1", "192.0.2.1:2000", true}, /* a trusted proxy names no port */
	    {"2001:db8::1", "[2001:db8::1]:1", true},
	    {"127.0.0.1:1", "127.0.0.1:2", true},
	    {"127.0.0.1:1", "192.0.2.1", false},
	};
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct login_key a = login_key_of(rows[i].peer);
		struct login_key b = login_key_of(rows[i].other);
		assert_int_equal(memcmp(&a, &b, sizeof a) == 0, rows[i].same);
	}
}

static void failures(void **state)
{
	static struct logins logins;
	struct instant now = {5000000000};
	struct login_key key = login_key_of("192.0.2.1:1");
	struct login_key other = login_key_of("192.0.2.2:1");
	for (int i = 0; i < LOGIN_FAILURES_MAX; i++)
		assert_false(logins_failed(&logins, &key, now));
	assert_true(logins_failed(&logins, &key, now));
	assert_false(logins_failed(&logins, &other, now));
	now = instant_after(now, DURATION_S(LOGIN_WINDOW_S - 1));
	assert_true(logins_failed(&logins, &key, now));
	now = instant_after(now, DURATION_S(1));
	assert_false(logins_failed(&logins, &key, now));
}

/* More sources than there is room for: the table forgets, and never mixes them up. */
static void many_sources(void **state)
{
	static struct logins logins;
	struct instant now = {5000000000};
	for (uint32_t i = 0; i < 4 * LOGIN_SOURCES; i++) {
		char peer[32];
		snprintf(peer, sizeof peer, "10.0.%u.%u:1", i / 256, i % 256);
		struct login_key key = login_key_of(peer);
		assert_false(logins_failed(&logins, &key, now));
		now.ns++;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(decision_table), cmocka_unit_test(formats),      cmocka_unit_test(sources),
	    cmocka_unit_test(failures),	      cmocka_unit_test(many_sources),
	};
	return cmocka_run_group_tests(tests, begin, end);
}
