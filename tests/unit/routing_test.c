/* tests/unit/routing_test.c - where a forwarder's targets leave: the rules, their order, and names. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "protocols/tls_tunnel/routing.h"

enum { ITEMS_MAX = 8 };

static char words[4][ITEMS_MAX][HOST_SIZE];
static const char *patterns[2][ITEMS_MAX];
static struct cidr ranges[2][ITEMS_MAX];

/* Into words[list], which are separated by blanks. */
static size_t split(int list, const char *text)
{
	size_t count = 0;
	while (*text) {
		size_t size = strcspn(text, " ");
		assert_true(count < ITEMS_MAX);
		text_copy(words[list][count++], HOST_SIZE, (struct slice){(const uint8_t *)text, size});
		text += size + (text[size] == ' ');
	}
	return count;
}

static size_t domains(int list, const char *text)
{
	size_t count = split(list, text);
	for (size_t i = 0; i < count; i++)
		patterns[list][i] = words[list][i];
	return count;
}

static size_t cidrs(int list, const char *text)
{
	size_t count = split(2 + list, text);
	for (size_t i = 0; i < count; i++)
		assert_true(cidr_parse(&ranges[list][i], words[2 + list][i]));
	return count;
}

static struct config_routing make(const char *direct_domains, const char *proxy_domains,
				  const char *direct_ips, const char *proxy_ips,
				  enum config_strategy strategy)
{
	return (struct config_routing){.direct_domains = patterns[0],
				       .proxy_domains = patterns[1],
				       .direct_domain_count = domains(0, direct_domains),
				       .proxy_domain_count = domains(1, proxy_domains),
				       .direct_ips = ranges[0],
				       .proxy_ips = ranges[1],
				       .direct_ip_count = cidrs(0, direct_ips),
				       .proxy_ip_count = cidrs(1, proxy_ips),
				       .default_strategy = strategy};
}

static void assert_way(const struct config_routing *routing, const char *host, enum way way)
{
	if (routing_by_host(routing, host) != way)
		fail_msg("%s goes way %d and not %d", host, routing_by_host(routing, host), way);
}

static void without_rules(void **state)
{
	struct config_routing routing = make("", "", "", "", STRATEGY_PROXY);
	assert_way(NULL, "example.com", WAY_GATEWAY);
	assert_way(NULL, "127.0.0.1", WAY_GATEWAY);
	assert_way(&routing, "example.com", WAY_GATEWAY);
	assert_way(&routing, "10.0.0.1", WAY_GATEWAY);
	routing.default_strategy = STRATEGY_DIRECT;
	assert_way(&routing, "example.com", WAY_DIRECT);
	assert_way(&routing, "[::1]", WAY_DIRECT);
	routing.default_strategy = STRATEGY_REJECT;
	assert_way(&routing, "example.com", WAY_NOWHERE);
	assert_way(&routing, "::1", WAY_NOWHERE);
}

static void patterns_of_names(void **state)
{
	static const struct {
		const char *pattern, *host;
		bool match;
	} cases[] = {
		{"example.com", "example.com", true},     {"example.com", "EXAMPLE.com", true},
		{"Example.Com", "example.com", true},     {"example.com", "example.com.", true},
		{"example.com", "www.example.com", false}, {"example.com", "example.co", false},
		{"example.com", "notexample.com", false}, {"*.example.com", "www.example.com", true},
		{"*.example.com", "a.b.example.com", true}, {"*.example.com", "WWW.EXAMPLE.COM", true},
		{"*.example.com", "example.com", false},  {"*.example.com", "notexample.com", false},
		{"*.example.com", ".example.com", false}, {"*.example.com", "www.example.com.", true},
		{".example.com", "example.com", true},    {".example.com", "www.example.com", true},
		{".example.com", "a.b.Example.com", true}, {".example.com", "notexample.com", false},
		{".example.com", "ample.com", false},     {"localhost", "localhost", true},
		{"localhost", "a.localhost", false},      {"10.1.2.3", "10.1.2.3", true},
		{"*", "example.com", false},              {"::1", "[::1]", true},
	};
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct config_routing routing = make(cases[i].pattern, "", "", "", STRATEGY_PROXY);
		assert_way(&routing, cases[i].host, cases[i].match ? WAY_DIRECT : WAY_GATEWAY);
		routing = make("", cases[i].pattern, "", "", STRATEGY_REJECT);
		assert_way(&routing, cases[i].host, cases[i].match ? WAY_GATEWAY : WAY_NOWHERE);
	}
}

static void order_of_rules(void **state)
{
	struct config_routing routing =
		make("both.example 10.0.0.9", "both.example *.example 10.0.0.10", "10.0.0.0/8 2001:db8::/32",
		     "10.0.0.0/24 192.0.2.0/24 2001:db8:1::/48", STRATEGY_REJECT);
	assert_way(&routing, "both.example", WAY_DIRECT);        /* direct_domains before proxy_domains */
	assert_way(&routing, "other.example", WAY_GATEWAY);
	assert_way(&routing, "10.0.0.9", WAY_DIRECT);
	assert_way(&routing, "10.0.0.10", WAY_GATEWAY);          /* domains before addresses */
	assert_way(&routing, "10.0.0.11", WAY_DIRECT);           /* direct_ips before proxy_ips */
	assert_way(&routing, "192.0.2.1", WAY_GATEWAY);
	assert_way(&routing, "198.51.100.1", WAY_NOWHERE);
	assert_way(&routing, "2001:db8:1::1", WAY_DIRECT);
	assert_way(&routing, "[2001:db8::1]", WAY_DIRECT);
	assert_way(&routing, "2001:db9::1", WAY_NOWHERE);
	assert_way(&routing, "::ffff:10.0.0.11", WAY_DIRECT);    /* mapped: as IPv4 */
	assert_way(&routing, "[::ffff:192.0.2.7]", WAY_GATEWAY);
	assert_way(&routing, "elsewhere.test", WAY_ASK);
}

/* A name is resolved only where that can change anything. */
static void names_that_are_asked(void **state)
{
	static const struct {
		const char *direct_ips, *proxy_ips;
		enum config_strategy strategy;
		enum way way;
	} cases[] = {
		{"10.0.0.0/8", "", STRATEGY_PROXY, WAY_ASK},
		{"10.0.0.0/8", "", STRATEGY_REJECT, WAY_ASK},
		{"10.0.0.0/8", "", STRATEGY_DIRECT, WAY_DIRECT},
		{"", "10.0.0.0/8", STRATEGY_PROXY, WAY_GATEWAY},
		{"", "10.0.0.0/8", STRATEGY_REJECT, WAY_ASK},
		{"", "10.0.0.0/8", STRATEGY_DIRECT, WAY_ASK},
		{"10.0.0.0/8", "192.0.2.0/24", STRATEGY_DIRECT, WAY_ASK},
		{"10.0.0.0/8", "192.0.2.0/24", STRATEGY_PROXY, WAY_ASK},
	};
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct config_routing routing =
			make("", "", cases[i].direct_ips, cases[i].proxy_ips, cases[i].strategy);
		assert_way(&routing, "example.com", cases[i].way);
	}
}

static void resolved(void **state)
{
	static const struct {
		const char *addresses;
		enum config_strategy strategy;
		enum way way;
		size_t which;
	} cases[] = {
		{"", STRATEGY_PROXY, WAY_GATEWAY, 0},
		{"", STRATEGY_DIRECT, WAY_DIRECT, 0},
		{"", STRATEGY_REJECT, WAY_NOWHERE, 0},
		{"10.1.1.1", STRATEGY_PROXY, WAY_DIRECT, 0},
		{"192.0.2.1", STRATEGY_REJECT, WAY_GATEWAY, 0},
		{"192.0.2.1", STRATEGY_DIRECT, WAY_GATEWAY, 0},
		{"198.51.100.1", STRATEGY_DIRECT, WAY_DIRECT, 0},
		{"198.51.100.1", STRATEGY_REJECT, WAY_NOWHERE, 0},
		{"192.0.2.1 198.51.100.1 10.1.1.1", STRATEGY_PROXY, WAY_DIRECT, 2},
		{"192.0.2.1 198.51.100.1", STRATEGY_DIRECT, WAY_DIRECT, 1},
		{"198.51.100.1 192.0.2.1", STRATEGY_REJECT, WAY_GATEWAY, 0},
		{"2001:db8::1 192.0.2.1", STRATEGY_PROXY, WAY_GATEWAY, 0},
		{"192.0.2.1 ::ffff:10.9.9.9", STRATEGY_REJECT, WAY_DIRECT, 1},
	};
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct address addresses[ITEMS_MAX];
		size_t count = split(0, cases[i].addresses), which = 99;
		for (size_t k = 0; k < count; k++)
			assert_true(address_of_literal(&addresses[k], words[0][k], 80));
		struct config_routing routing =
			make("", "", "10.0.0.0/8", "192.0.2.0/24", cases[i].strategy);
		assert_int_equal(routing_by_addresses(&routing, addresses, count, &which), cases[i].way);
		if (cases[i].way == WAY_DIRECT)
			assert_int_equal(which, cases[i].which);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_rules),        cmocka_unit_test(patterns_of_names),
		cmocka_unit_test(order_of_rules),       cmocka_unit_test(names_that_are_asked),
		cmocka_unit_test(resolved),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
