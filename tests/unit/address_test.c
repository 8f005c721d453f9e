/* tests/unit/address_test.c - addresses: parsed, printed, compared. */
#include "core/address.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static void parse_and_format(void **state)
{
	static const struct {
		const char *text, *printed;
		enum address_family family;
		uint16_t port;
	} cases[] = {
		{":8443", ":8443", ADDRESS_ANY, 8443},
		{":0", ":0", ADDRESS_ANY, 0},
		{"127.0.0.1:8443", "127.0.0.1:8443", ADDRESS_IPV4, 8443},
		{"0.0.0.0:65535", "0.0.0.0:65535", ADDRESS_IPV4, 65535},
		{"[::1]:8443", "[::1]:8443", ADDRESS_IPV6, 8443},
		{"[2001:DB8:0:0:0:0:0:1]:1", "[2001:db8::1]:1", ADDRESS_IPV6, 1},
		{"[fe80::1%7]:22", "[fe80::1%7]:22", ADDRESS_IPV6, 22},
		{"[::ffff:10.0.0.1]:80", "10.0.0.1:80", ADDRESS_IPV4, 80},
		{"unix:/run/a:b.sock", "unix:/run/a:b.sock", ADDRESS_UNIX, 0},
	};
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct address address, again;
		char text[ADDRESS_TEXT_SIZE];
		assert_true(address_parse(&address, cases[i].text));
		assert_int_equal(address.family, cases[i].family);
		assert_int_equal(address.port, cases[i].port);
		assert_string_equal(address_format(&address, text), cases[i].printed);
		assert_true(address_parse(&again, text));
		assert_true(address_is_equal(&address, &again));
	}
}

static void refused(void **state)
{
	static const char *const cases[] = {
		"", ":", "8443", "localhost:80", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536",
		"127.0.0.1:123456", "127.0.0.1:+1", "127.0.0.1: 1", "127.0.0.1:1 ", "127.0.0.256:1",
		"127.1:1", "01.2.3.4:1", "::1:80", "[::1]", "[::1]80", "[::1:80", "[]:80",
		"[127.0.0.1]:80", "[::1%]:80", "[::1%eth0]:80", "[::1%99999999999]:80", "]:80",
		"[:80", "[[::1]]:80", "*:80", "unix:", "a:b:80",
	};
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct address address = {.port = 4711};
		assert_false(address_parse(&address, cases[i]));
		assert_int_equal(address.port, 4711);
	}
	struct address address;
	char text[5 + ADDRESS_PATH_SIZE + 1];
	memcpy(text, "unix:", 5);
	memset(text + 5, 'x', ADDRESS_PATH_SIZE);
	text[5 + ADDRESS_PATH_SIZE] = 0;
	assert_false(address_parse(&address, text));
	text[5 + ADDRESS_PATH_SIZE - 1] = 0;
	assert_true(address_parse(&address, text));
}

static void literals(void **state)
{
	struct address address;
	assert_true(address_of_literal(&address, "192.0.2.7", 80));
	assert_int_equal(address.family, ADDRESS_IPV4);
	assert_memory_equal(address.bytes, "\xc0\x00\x02\x07", 4);
	assert_true(address_of_literal(&address, "::ffff:192.0.2.7", 80));
	assert_int_equal(address.family, ADDRESS_IPV4);
	assert_memory_equal(address.bytes, "\xc0\x00\x02\x07", 4);
	assert_true(address_of_literal(&address, "2001:db8::2", 443));
	assert_int_equal(address.family, ADDRESS_IPV6);
	assert_false(address_of_literal(&address, "example.org", 80));
	assert_false(address_of_literal(&address, "[::1]", 80));
	assert_false(address_of_literal(&address, "0x7f.1", 80));
	assert_false(address_of_literal(&address, "2130706433", 80));
	assert_false(address_of_literal(&address, "", 80));
}

static void endpoints(void **state)
{
	char host[HOST_SIZE] = "unchanged";
	uint16_t port = 1;
	assert_true(endpoint_parse("example.org:443", host, &port));
	assert_string_equal(host, "example.org");
	assert_int_equal(port, 443);
	assert_true(endpoint_parse("[2001:db8::1]:65535", host, &port));
	assert_string_equal(host, "2001:db8::1");
	assert_int_equal(port, 65535);
	static const char *const cases[] = {
		"example.org", "example.org:", ":80", "example.org:0", "example.org:65536",
		"2001:db8::1:80", "[example.org]:80", "[]:80", "a b:80", "a\x01:80", "a]:80", "",
	};
	for (size_t i = 0; i < COUNT_OF(cases); i++)
		assert_false(endpoint_parse(cases[i], host, &port));
	assert_string_equal(host, "2001:db8::1");
	char text[HOST_SIZE + 8];
	memset(text, 'a', sizeof text);
	memcpy(text + HOST_SIZE - 1, ":80", 4);
	assert_true(endpoint_parse(text, host, &port));
	assert_int_equal(strlen(host), HOST_SIZE - 1);
	memset(text, 'a', HOST_SIZE);
	memcpy(text + HOST_SIZE, ":80", 4);
	assert_false(endpoint_parse(text, host, &port));
}

static void properties(void **state)
{
	static const struct {
		const char *text;
		bool is_loopback;
	} cases[] = {
		{"127.0.0.1:1", true}, {"127.255.0.1:1", true}, {"128.0.0.1:1", false}, {"[::1]:1", true},
		{"[::2]:1", false}, {"[::ffff:127.0.0.1]:1", true}, {":1", false}, {"unix:/a", true},
	};
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct address address;
		assert_true(address_parse(&address, cases[i].text));
		assert_int_equal(address_is_loopback(&address), cases[i].is_loopback);
		for (size_t j = 0; j < COUNT_OF(cases); j++) {
			struct address other;
			assert_true(address_parse(&other, cases[j].text));
			bool both = strstr(cases[i].text, "127.0.0.1") && strstr(cases[j].text, "127.0.0.1");
			bool same = i == j || both;
			assert_int_equal(address_is_equal(&address, &other), same);
		}
	}
}

/* What is printed for a host is canonical, and reads as what it was. */
static void hosts_alone(void **state)
{
	static const struct {
		const char *text, *printed;
	} cases[] = {
		{"192.0.2.1", "192.0.2.1"},
		{"::", "::"},
		{"::1", "::1"},
		{"1::", "1::"},
		{"2001:DB8:0:0:0:0:0:1", "2001:db8::1"},
		{"2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"},
		{"2001:0:0:1:0:0:0:1", "2001:0:0:1::1"},
		{"2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"},
		{"0:0:1:0:0:0:0:0", "0:0:1::"},
		{"0:1:0:1:0:1:0:1", "0:1:0:1:0:1:0:1"},
		{"1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8"},
		{"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"},
		{"::ffff:192.0.2.1", "192.0.2.1"},
		{"::192.0.2.1", "::c000:201"},
		{"::1:0", "::1:0"},
		{"64:ff9b::192.0.2.1", "64:ff9b::c000:201"},
		{"fe80::1%7", "fe80::1%7"},
	};
	char host[ADDRESS_TEXT_SIZE];
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct address address, again;
		assert_true(address_of_literal(&address, cases[i].text, 9));
		assert_string_equal(address_host(&address, host), cases[i].printed);
		assert_true(address_of_literal(&again, host, 9));
		assert_true(address_is_equal(&address, &again));
	}
	struct address mapped = {.family = ADDRESS_IPV6, .bytes = {[10] = 0xff, [11] = 0xff, 1, 2, 3, 4}};
	assert_string_equal(address_host(&mapped, host), "1.2.3.4");
	assert_string_equal(address_host(&(struct address){.family = ADDRESS_ANY}, host), "");
	assert_string_equal(address_host(&(struct address){.family = ADDRESS_UNIX, .path = "/x"}, host), "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hosts_alone), cmocka_unit_test(parse_and_format),
		cmocka_unit_test(refused),     cmocka_unit_test(literals),
		cmocka_unit_test(endpoints),   cmocka_unit_test(properties),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
