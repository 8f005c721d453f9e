/* tests/unit/acl_test.c - which targets may be named: rules as tables of what they are asked and answer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/acl.h"

enum { RULES_MAX = 16 };

/* ---- an acl from two lists of words ---- */

static size_t rules_make(struct acl_rule *rules, const char *words)
{
	char word[HOST_SIZE];
	size_t count = 0;
	while (*words) {
		size_t size = strcspn(words, " ");
		text_copy(word, sizeof word, (struct slice){(const uint8_t *)words, size});
		assert_true(count < RULES_MAX);
		if (!acl_rule_parse(&rules[count++], word))
			fail_msg("not a rule: %s", word);
		words += size + (words[size] == ' ');
	}
	return count;
}

static struct acl *acl_make(const char *allow, const char *deny)
{
	struct acl *acl = calloc(1, sizeof *acl);
	acl->allow = calloc(RULES_MAX, sizeof *acl->allow);
	acl->deny = calloc(RULES_MAX, sizeof *acl->deny);
	acl->allow_count = rules_make(acl->allow, allow);
	acl->deny_count = rules_make(acl->deny, deny);
	return acl;
}

static void acl_drop(struct acl *acl)
{
	for (size_t i = 0; i < acl->allow_count; i++)
		acl_rule_fini(&acl->allow[i]);
	for (size_t i = 0; i < acl->deny_count; i++)
		acl_rule_fini(&acl->deny[i]);
	free(acl->allow);
	free(acl->deny);
	free(acl);
}

static void defaults_text(char text[256])
{
	text[0] = 0;
	for (size_t i = 0; acl_default[i]; i++) {
		strcat(text, i ? " " : "");
		strcat(text, acl_default[i]);
	}
}

/* ---- rules that parse, and those that do not ---- */

struct parsed {
	const char *text;
	enum acl_kind kind;
	uint16_t port;
	const char *host;
	unsigned prefix;
};

static void good_rules(void **state)
{
	static const struct parsed cases[] = {
		{"10.0.0.0/8", ACL_CIDR, 0, "", 8},
		{"10.0.0.0/8:443", ACL_CIDR, 443, "", 8},
		{"192.0.2.1", ACL_CIDR, 0, "", 32},
		{"192.0.2.1:80", ACL_CIDR, 80, "", 32},
		{"0.0.0.0/0", ACL_CIDR, 0, "", 0},
		{"::1", ACL_CIDR, 0, "", 128},
		{"::", ACL_CIDR, 0, "", 128},
		{"::/0", ACL_CIDR, 0, "", 0},
		{"fe80::/10", ACL_CIDR, 0, "", 10},
		{"2001:db8::1:80", ACL_CIDR, 0, "", 128},        /* an address, not a port */
		{"[::1]", ACL_CIDR, 0, "", 128},
		{"[::1]:80", ACL_CIDR, 80, "", 128},
		{"[fe80::/10]:22", ACL_CIDR, 22, "", 10},
		{"[fe80::]/10:22", ACL_CIDR, 22, "", 10},
		{"[fe80::]/10", ACL_CIDR, 0, "", 10},
		{"::ffff:10.0.0.0/104", ACL_CIDR, 0, "", 8},
		{"[::ffff:192.0.2.1]:80", ACL_CIDR, 80, "", 32},
		{"example.com", ACL_HOST, 0, "example.com", 0},
		{"Example.COM.", ACL_HOST, 0, "example.com", 0},
		{"example.com:443", ACL_HOST, 443, "example.com", 0},
		{"example.com.:65535", ACL_HOST, 65535, "example.com", 0},
		{"localhost", ACL_HOST, 0, "localhost", 0},
		{"under_score-1", ACL_HOST, 0, "under_score-1", 0},
		{"1and1.de", ACL_HOST, 0, "1and1.de", 0},
		{"0f3a9b4c11de", ACL_HOST, 0, "0f3a9b4c11de", 0},
		{"*.example.com", ACL_SUFFIX, 0, ".example.com", 0},
		{"*.Example.com.:25", ACL_SUFFIX, 25, ".example.com", 0},
		{"*.com", ACL_SUFFIX, 0, ".com", 0},
		{"re:^a.*z$", ACL_REGEX, 0, "", 0},
		{"re:.:80", ACL_REGEX, 0, "", 0},
	};
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct acl_rule rule;
		if (!acl_rule_parse(&rule, cases[i].text))
			fail_msg("not a rule: %s", cases[i].text);
		assert_int_equal(rule.kind, cases[i].kind);
		assert_int_equal(rule.port, cases[i].port);
		assert_string_equal(rule.host, cases[i].host);
		assert_int_equal(rule.cidr.prefix, cases[i].prefix);
		acl_rule_fini(&rule);
	}
}

static void bad_rules(void **state)
{
	static const char *const cases[] = {
		"", ".", "..", ":80", "a:", "a:0", "a:65536", "a:x", "a:1-2", "a:-1", "a: 1", "a:080000",
		"10.0.0.0/33", "10.0.0.1/8", "10.0.0.0/", "10.0.0.0/x", "10.0.0.0/8:0", "10.0.0.0/8:",
		"10.0.0", "127.1", "0", "2130706433", "0x7f000001", "0x7f.1", "300.1.2.3", "1.2.3.4.5",
		"127.0.0.1.", "a.0x1", "fe80::1%2", "[::1", "::1]", "[]", "[10.0.0.1]", "[::1]80",
		"[::1]:", "[::1]:0", "[fe80::/10]/10", "[fe80::]/", "[fe80::]/129", "[fe80::1]/10", "*.", "*",
		"*.*", "a.*", "*a.com", "**.com", "*.10.0.0.1", "a b", "a\tb", "a/b", "a\\b", "a..b", ".a.b",
		"unix:/run/x", "http://a", "re:", "re:(", "re:[", "re:a\\",
	};
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct acl_rule rule;
		if (acl_rule_parse(&rule, cases[i]))
			fail_msg("taken for a rule: %s", cases[i]);
	}
}

static void long_rules(void **state)
{
	char text[HOST_SIZE + 32];
	struct acl_rule rule;
	for (size_t size = 0; size < sizeof text; size++) {
		memset(text, 'a', size);
		text[size] = 0;
		assert_int_equal(acl_rule_parse(&rule, text), size >= 1 && size <= 63);
		for (size_t i = 40; i < size; i += 41)
			text[i] = '.';
		bool good = size && size < HOST_SIZE && text[size - 1] != '.';
		if (good)
			assert_true(acl_rule_parse(&rule, text));
		if (size >= HOST_SIZE)
			assert_false(acl_rule_parse(&rule, text));
		memcpy(text, "*.", size_min(size, 2));
		acl_rule_parse(&rule, text);
		memset(text, '[', size_min(size, 1));
		assert_false(acl_rule_parse(&rule, text));
	}
}

/* ---- what is asked by name ---- */

struct asked {
	const char *allow, *deny, *host;
	uint16_t port;
	char verdict;                   /* yes, no, ask its addresses */
};

static const struct asked asked_hosts[] = {
	/* no rules: everything, but a name's addresses are asked */
	{"", "", "192.0.2.1", 80, 'y'},
	{"", "", "2001:db8::1", 80, 'y'},
	{"", "", "[2001:db8::1]", 80, 'y'},
	{"", "", "example.com", 80, 'a'},
	{"", "", "", 80, 'n'},
	{"", "", ".", 80, 'n'},
	{"", "", "/run/docker.sock", 80, 'n'},
	/* literals and ranges */
	{"", "10.0.0.0/8", "10.1.2.3", 80, 'n'},
	{"", "10.0.0.0/8", "11.1.2.3", 80, 'y'},
	{"", "10.0.0.0/8", "::ffff:10.1.2.3", 80, 'n'},
	{"", "10.0.0.0/8", "[::ffff:a01:203]", 80, 'n'},
	{"", "10.0.0.0/8:22", "10.1.2.3", 22, 'n'},
	{"", "10.0.0.0/8:22", "10.1.2.3", 23, 'y'},
	{"", "fe80::/10", "fe80::1", 80, 'n'},
	{"", "fe80::/10", "FE80::1", 80, 'n'},
	{"", "fe80::/10", "[fe80::1%2]", 80, 'n'},
	{"", "[fe80::/10]:22", "febf::1", 22, 'n'},
	{"", "[fe80::/10]:22", "febf::1", 23, 'y'},
	{"", "0.0.0.0/0", "10.1.2.3", 80, 'n'},
	{"", "0.0.0.0/0", "2001:db8::1", 80, 'y'},
	{"", "::/0", "10.1.2.3", 80, 'y'},
	{"", "::/0", "2001:db8::1", 80, 'n'},
	{"", "::ffff:0:0/96", "10.1.2.3", 80, 'n'},
	{"10.0.0.0/8", "", "10.1.2.3", 80, 'y'},
	{"10.0.0.0/8", "", "11.1.2.3", 80, 'n'},
	{"10.0.0.0/8:80", "", "10.1.2.3", 81, 'n'},
	{"10.0.0.0/8", "10.1.0.0/16", "10.1.2.3", 80, 'n'},
	{"10.0.0.0/8", "10.1.0.0/16", "10.2.2.3", 80, 'y'},
	{"10.1.2.3", "10.1.2.3", "10.1.2.3", 80, 'n'},
	/* an IPv4 address that a translator would find in an IPv6 one */
	{"", "127.0.0.0/8", "64:ff9b::7f00:1", 80, 'n'},
	{"", "127.0.0.0/8", "64:ff9b::808:808", 80, 'y'},
	{"", "127.0.0.0/8", "2002:7f00:1::", 80, 'n'},
	{"", "127.0.0.0/8", "::127.0.0.1", 80, 'n'},
	{"", "0.0.0.0/8", "::1", 80, 'y'},
	{"", "64:ff9b::/96", "64:ff9b::808:808", 80, 'n'},
	{"8.8.8.8", "", "64:ff9b::808:808", 80, 'n'},
	/* names */
	{"", "example.com", "example.com", 80, 'n'},
	{"", "example.com", "EXAMPLE.com", 80, 'n'},
	{"", "Example.COM.", "example.com", 80, 'n'},
	{"", "example.com", "example.com.", 80, 'n'},
	{"", "example.com", "example.com..", 80, 'n'},
	{"", "example.com", "www.example.com", 80, 'a'},
	{"", "example.com", "example.com.evil.org", 80, 'a'},
	{"", "example.com:443", "example.com", 443, 'n'},
	{"", "example.com:443", "example.com", 80, 'a'},
	{"", "*.example.com", "www.example.com", 80, 'n'},
	{"", "*.example.com", "a.b.Example.com.", 80, 'n'},
	{"", "*.example.com", "example.com", 80, 'a'},
	{"", "*.example.com", "badexample.com", 80, 'a'},
	{"", "*.example.com", ".example.com", 80, 'a'},
	{"", "*.example.com:25", "www.example.com", 25, 'n'},
	{"", "*.example.com:25", "www.example.com", 26, 'a'},
	{"", "re:^(a|b)[0-9]+\\.test$", "A12.test.", 80, 'n'},
	{"", "re:^(a|b)[0-9]+\\.test$", "c12.test", 80, 'a'},
	{"", "re:metadata", "x.metadata.internal", 80, 'n'},
	{"example.com", "", "example.com", 80, 'a'},
	{"example.com", "", "example.org", 80, 'n'},
	{"example.com:80", "", "example.com", 81, 'n'},
	{"*.example.com", "www.example.com", "www.example.com", 80, 'n'},
	{"*.example.com", "www.example.com", "ftp.example.com", 80, 'a'},
	/* a range may be what a name leads to, but only for its port */
	{"10.0.0.0/8", "", "example.com", 80, 'a'},
	{"10.0.0.0/8:80", "", "example.com", 81, 'n'},
	{"10.0.0.0/8", "example.com", "example.com", 80, 'n'},
	/* a name's rule is not a literal's, nor the other way round */
	{"", "re:.*", "10.1.2.3", 80, 'y'},
	{"", "re:.*", "::1", 80, 'y'},
	{"re:.*", "", "10.1.2.3", 80, 'n'},
	{"example.com", "", "10.1.2.3", 80, 'n'},
};

static void hosts(void **state)
{
	static const char verdicts[] = {[ACL_ALLOWED] = 'y', [ACL_DENIED] = 'n', [ACL_ASK_ADDRESSES] = 'a'};
	for (size_t i = 0; i < COUNT_OF(asked_hosts); i++) {
		const struct asked *asked = &asked_hosts[i];
		struct acl *acl = acl_make(asked->allow, asked->deny);
		char verdict = verdicts[acl_ask_host(acl, asked->host, asked->port)];
		if (verdict != asked->verdict)
			fail_msg("allow %s, deny %s: %s:%u is %c, not %c", asked->allow, asked->deny,
				 asked->host, asked->port, verdict, asked->verdict);
		acl_drop(acl);
	}
	assert_int_equal(acl_ask_host(NULL, "127.0.0.1", 1), ACL_ALLOWED);
	assert_int_equal(acl_ask_host(NULL, "localhost", 1), ACL_ALLOWED);
	assert_int_equal(acl_ask_host(NULL, "/run/x", 1), ACL_ALLOWED);
}

/* ---- what a name leads to ---- */

struct led {
	const char *allow, *deny, *host, *address;
	bool passes;
};

static void addresses(void **state)
{
	static const struct led cases[] = {
		{"", "", "a.test", "192.0.2.1:80", true},
		{"", "10.0.0.0/8", "a.test", "10.0.0.1:80", false},
		{"", "10.0.0.0/8", "a.test", "192.0.2.1:80", true},
		{"a.test", "10.0.0.0/8", "a.test", "10.0.0.1:80", false}, /* the name is allowed */
		{"a.test", "", "a.test", "10.0.0.1:80", true},
		{"a.test:80", "", "a.test", "10.0.0.1:81", false},
		{"a.test", "", "A.Test.", "10.0.0.1:80", true},
		{"a.test", "", "b.test", "10.0.0.1:80", false},
		{"10.0.0.0/8", "", "b.test", "10.0.0.1:80", true},
		{"10.0.0.0/8:443", "", "b.test", "10.0.0.1:80", false},
		{"10.0.0.0/8", "b.test", "b.test", "10.0.0.1:80", false},
		{"10.0.0.0/8", "", "b.test", "11.0.0.1:80", false},
		{"*.test", "fe80::/10", "b.test", "[fe80::1]:80", false},
		{"*.test", "fe80::/10", "b.test", "[2001:db8::1]:80", true},
		{"", "127.0.0.0/8", "b.test", "[64:ff9b::7f00:1]:80", false},
		{"", "", NULL, "10.0.0.1:80", true},
		{"a.test", "", NULL, "10.0.0.1:80", false},
		{"", "", "10.0.0.1", "10.0.0.1:80", true},
		{"re:.*", "", "10.0.0.1", "10.0.0.1:80", false},              /* a literal is no name */
		{"", "", "a.test", "unix:/run/x", false},
		{"", "", "a.test", ":80", false},
	};
	struct address address;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		const struct led *led = &cases[i];
		struct acl *acl = acl_make(led->allow, led->deny);
		assert_true(address_parse(&address, led->address));
		if (acl_allows(acl, led->host, &address) != led->passes)
			fail_msg("allow %s, deny %s: %s to %s", led->allow, led->deny,
				 led->host ? led->host : "nothing", led->address);
		acl_drop(acl);
	}
	assert_true(address_parse(&address, "unix:/run/x"));
	assert_true(acl_allows(NULL, "a.test", &address));
}

/* IPv4 inside IPv6 as a socket tells it: not folded by a parser. */
static void mapped(void **state)
{
	struct acl *acl = acl_make("", "127.0.0.0/8");
	struct address address = {
		.family = ADDRESS_IPV6, .port = 80, .bytes = {[10] = 0xff, [11] = 0xff, 127}};
	assert_false(acl_allows(acl, "a.test", &address));
	address.bytes[12] = 128;
	assert_true(acl_allows(acl, "a.test", &address));
	acl_drop(acl);
}

/* ---- the default list ---- */

static void defaults(void **state)
{
	static const char *const denied[] = {
		"127.0.0.1:80", "127.255.255.255:80", "[::1]:80", "169.254.169.254:80", "[fe80::1]:80",
		"[febf::1]:80", "0.0.0.0:80", "0.1.2.3:80", "[::]:80", "224.0.0.1:80", "239.255.255.255:80",
		"255.255.255.255:80", "[ff02::1]:80", "[::ffff:127.0.0.1]:80", "[::ffff:0.0.0.0]:80",
		"[64:ff9b::a9fe:a9fe]:80", "[2002:7f00:1::1]:80", "[::127.0.0.1]:80",
	};
	static const char *const open[] = {
		"10.0.0.1:80", "192.168.1.1:80", "172.16.0.1:80", "8.8.8.8:53", "[2001:db8::1]:80",
		"[fd00::1]:80", "[fec0::1]:80", "240.0.0.1:80", "128.0.0.1:80", "1.0.0.0:80",
	};
	char text[256];
	struct address address;
	defaults_text(text);
	assert_string_equal(text, "127.0.0.0/8 ::1 169.254.0.0/16 fe80::/10 0.0.0.0/8 :: 224.0.0.0/4 "
				  "255.255.255.255 ff00::/8");
	struct acl *acl = acl_make("", text);
	for (size_t i = 0; i < COUNT_OF(denied); i++) {
		assert_true(address_parse(&address, denied[i]));
		if (acl_allows(acl, "a.test", &address))
			fail_msg("%s passes", denied[i]);
	}
	for (size_t i = 0; i < COUNT_OF(open); i++) {
		assert_true(address_parse(&address, open[i]));
		if (!acl_allows(acl, "a.test", &address))
			fail_msg("%s does not pass", open[i]);
	}
	acl_drop(acl);
}

/* Spellings of loopback that resolvers understand are names to us: never allowed before their addresses have
 * been asked, and those are denied whatever the name was. */
static void odd_spellings(void **state)
{
	static const char *const names[] = {
		"127.1", "127.0.1", "0x7f000001", "0X7F000001", "2130706433", "017700000001", "0177.0.0.1",
		"0x7f.0.0.1", "127.000.000.001", "0", "0.0", "localhost", "LOCALHOST", "localhost.",
		"a.localhost", "127.0.0.1.", "localhost4", "ip6-localhost", "[127.0.0.1]", "[localhost]",
		"::1%lo", "[::1%lo]",
	};
	static const char *const literals[] = {
		"127.0.0.1", "::1", "[::1]", "::ffff:127.0.0.1", "::FFFF:7f00:1", "[::ffff:7f00:1]",
		"0.0.0.0", "::", "0:0:0:0:0:0:0:1", "0000::0001", "::1%1", "::ffff:0:0",
	};
	char text[256];
	struct address loopback, any;
	defaults_text(text);
	struct acl *acl = acl_make("", text);
	address_parse(&loopback, "127.0.0.1:80");
	address_parse(&any, "0.0.0.0:80");
	for (size_t i = 0; i < COUNT_OF(names); i++) {
		if (acl_ask_host(acl, names[i], 80) == ACL_ALLOWED)
			fail_msg("%s is allowed as it stands", names[i]);
		assert_false(acl_allows(acl, names[i], &loopback));
		assert_false(acl_allows(acl, names[i], &any));
	}
	for (size_t i = 0; i < COUNT_OF(literals); i++)
		if (acl_ask_host(acl, literals[i], 80) != ACL_DENIED)
			fail_msg("%s is not denied", literals[i]);
	acl_drop(acl);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_rules), cmocka_unit_test(bad_rules),  cmocka_unit_test(long_rules),
		cmocka_unit_test(hosts),      cmocka_unit_test(addresses),  cmocka_unit_test(mapped),
		cmocka_unit_test(defaults),   cmocka_unit_test(odd_spellings),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
