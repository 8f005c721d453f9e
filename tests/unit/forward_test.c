/* tests/unit/forward_test.c - forwards in words: names of streams, texts of refusals. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "protocols/tls_tunnel/forward_name.h"
#include "protocols/tls_tunnel/gateway.h"

static void names_read(void **state)
{
	static const struct {
		const char *name, *host;
		uint16_t port;           /* 0: no target */
	} cases[] = {
		{"@forward:example.com:443", "example.com", 443},
		{"@forward:10.1.2.3:80", "10.1.2.3", 80},
		{"@forward:[2001:db8::1]:65535", "2001:db8::1", 65535},
		{"@forward:2001:0db8:0000:0000:0000:0000:0000:0001:443",
		 "2001:0db8:0000:0000:0000:0000:0000:0001", 443},
		{"@forward:0:0:0:0:0:ffff:7f00:1:22", "0:0:0:0:0:ffff:7f00:1", 22},
		{"@forward:localhost", "localhost", 0},
		{"@forward:", "", 0},
		{"@forward:a:", "a:", 0},
		{"@forward:a:0", "a:0", 0},
		{"@forward:a:65536", "a:65536", 0},
		{"@forward:a:-1", "a:-1", 0},
		{"@forward::80", ":80", 0},
		{"@forward:::1:80", "::1:80", 0},
		{"@forward:2001:db8::1:80", "2001:db8::1:80", 0},
		{"@forward:[::1]", "[::1]", 0},
		{"@forward:[::1:80", "[::1:80", 0},
		{"@forward:[a]:80", "[a]:80", 0},
		{"@forward:1:2:3:4:5:6:7:80", "1:2:3:4:5:6:7:80", 0},
		{"@forward:1:2:3:4:5:6:7:8:9:80", "1:2:3:4:5:6:7:8:9:80", 0},
		{"@forward:1:2:3:4:5:6:7:x:80", "1:2:3:4:5:6:7:x:80", 0},
		{"@forward:a b:80", "a b:80", 0},
		{"@forward:a\r\nb:80", "a\r\nb:80", 0},
	};
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct target target = {.published = true};
		text_copy(target.host, HOST_SIZE, slice_of(cases[i].name));
		assert_true(forward_name_read(&target));
		assert_string_equal(target.host, cases[i].host);
		assert_int_equal(target.port, cases[i].port);
		assert_false(target.published);
	}
	static const char *const others[] = {"mysql", "@forward", "forward:a:80", "@Forward:a:80", ""};
	for (size_t i = 0; i < COUNT_OF(others); i++) {
		struct target target = {.published = true};
		text_copy(target.host, HOST_SIZE, slice_of(others[i]));
		assert_false(forward_name_read(&target));
		assert_string_equal(target.host, others[i]);
		assert_true(target.published);
	}
	struct target target = {.published = true, .port = 1, .host = "@forward:a:80"};
	assert_false(forward_name_read(&target));
}

static void names_written(void **state)
{
	static const struct {
		struct target target;
		const char *name;        /* NULL: none */
	} cases[] = {
		{{.host = "example.com", .port = 443}, "@forward:example.com:443"},
		{{.host = "127.0.0.1", .port = 1}, "@forward:127.0.0.1:1"},
		{{.host = "::1", .port = 80}, "@forward:[::1]:80"},
		{{.host = "[::1]", .port = 80}, "@forward:[::1]:80"},
		{{.host = "a", .port = 0}, NULL},
	};
	char name[HOST_SIZE];
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		assert_int_equal(forward_name_write(name, &cases[i].target), cases[i].name != NULL);
		if (cases[i].name)
			assert_string_equal(name, cases[i].name);
	}
	struct target target = {.port = 443};
	memset(target.host, 'a', 242);           /* with :443 246 bytes */
	assert_true(forward_name_write(name, &target));
	assert_int_equal(strlen(name), 255);
	struct target heard = {.published = true};
	text_copy(heard.host, HOST_SIZE, slice_of(name));
	assert_true(forward_name_read(&heard));
	assert_string_equal(heard.host, target.host);
	target.host[242] = 'a';
	assert_false(forward_name_write(name, &target));
}

static void refusals(void **state)
{
	static const struct {
		enum reason reason;
		struct target target;
		const char *text;
		enum reason heard;
	} cases[] = {
		{REASON_FORBIDDEN, {.host = "10.0.0.1", .port = 80},
		 "Access denied: cannot forward to local or private address '10.0.0.1:80'", REASON_FORBIDDEN},
		{REASON_FORBIDDEN, {.host = "::1", .port = 80},
		 "Access denied: cannot forward to local or private address '[::1]:80'", REASON_FORBIDDEN},
		{REASON_REFUSED, {.host = "example.com", .port = 443},
		 "Failed to connect to example.com:443: connection refused", REASON_REFUSED},
		{REASON_TIMEOUT, {.host = "refused.example", .port = 443},
		 "Failed to connect to refused.example:443: timed out", REASON_TIMEOUT},
		{REASON_UNREACHABLE, {.host = "a", .port = 1},
		 "Failed to connect to a:1: host or network unreachable", REASON_UNREACHABLE},
		{REASON_NAME, {.host = "a", .port = 1}, "Failed to connect to a:1: name does not resolve",
		 REASON_NAME},
		{REASON_LIMIT, {.host = "a", .port = 1}, "Failed to connect to a:1: a limit was reached",
		 REASON_LIMIT},
		{REASON_MEMORY, {.host = "a", .port = 1}, "Failed to connect to a:1: out of memory budget",
		 REASON_MEMORY},
		{REASON_OTHER, {.host = "a", .port = 1}, "Failed to connect to a:1: other", REASON_OTHER},
		{REASON_NAME, {.host = "a"}, "Failed to connect to a: invalid socket address", REASON_NAME},
	};
	enum reason reason;
	char text[CHANNEL_TEXT_SIZE];
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		forward_refusal_write(text, cases[i].reason, &cases[i].target);
		assert_string_equal(text, cases[i].text);
		assert_true(forward_refusal_read(slice_of(text), &reason));
		assert_int_equal(reason, cases[i].heard);
	}
	struct target longest = {.port = 65535};
	memset(longest.host, 'a', 255);
	forward_refusal_write(text, REASON_FORBIDDEN, &longest);
	assert_int_equal(text[strlen(text) - 1], '\'');
}

/* What gateways of the original say. */
static void refusals_of_the_original(void **state)
{
	static const struct {
		const char *text;
		enum reason reason;
	} cases[] = {
		{"Forward feature is not enabled on server", REASON_FORBIDDEN},
		{"Failed to connect to a:1: Connection refused (os error 111)", REASON_REFUSED},
		{"Failed to connect to a:1: No route to host (os error 113)", REASON_UNREACHABLE},
		{"Failed to connect to a:1: Network is unreachable (os error 101)", REASON_UNREACHABLE},
		{"Failed to connect to a:1: Connection timed out (os error 110)", REASON_TIMEOUT},
		{"Failed to connect to a:1: failed to lookup address information: Name or service not known",
		 REASON_NAME},
		{"Failed to connect to a:1: something else", REASON_OTHER},
		{"Failed to connect to ", REASON_OTHER},
	};
	enum reason reason;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		assert_true(forward_refusal_read(slice_of(cases[i].text), &reason));
		assert_int_equal(reason, cases[i].reason);
	}
	assert_false(forward_refusal_read(
		slice_of("Proxy 'a' with publish_port 1 not found or client not connected"), &reason));
	assert_false(forward_refusal_read(slice_of(""), &reason));
}

/* ---- what a forward may reach ---- */

static bool reaches(const struct acl *acl, const char *host)
{
	struct address address;
	assert_true(address_of_literal(&address, host, 80));
	bool allowed = acl_allows(acl, "example.com", &address);
	assert_int_equal(acl_ask_host(acl, host, 80), allowed ? ACL_ALLOWED : ACL_DENIED);
	return allowed;
}

static void access_by_default(void **state)
{
	static const char *const closed[] = {
		"127.0.0.1", "127.255.255.254", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1",
		"169.254.169.254", "0.0.0.0", "0.1.2.3", "100.64.0.1", "100.127.255.255", "224.0.0.1",
		"255.255.255.255", "::1", "::", "fc00::1", "fd12:3456::1", "fe80::1", "febf::1", "fec0::1",
		"ff02::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:192.168.0.1", "64:ff9b::10.0.0.1",
		"2002:c0a8:0101::1", "::10.0.0.1", "fd00:ec2::254", "192.0.0.192", "198.19.255.255",
		"240.0.0.1", "64:ff9b:1::7f00:1", "64:ff9b:1:fffe::1", "::ffff:0:127.0.0.1",
	};
	static const char *const open[] = {"93.184.216.34", "172.32.0.1", "172.15.0.1", "100.63.0.1",
					   "100.128.0.1", "11.0.0.1", "192.167.0.1", "2001:db8::1",
					   "192.0.1.1", "198.20.0.1", "64:ff9b:2::1",
					   "::ffff:93.184.216.34", "64:ff9b::93.184.216.34"};
	static struct forward_access access;
	static struct config config;
	forward_access_init(&access, &config);
	for (size_t i = 0; i < COUNT_OF(closed); i++)
		if (reaches(&access.acl, closed[i]))
			fail_msg("%s may be reached", closed[i]);
	for (size_t i = 0; i < COUNT_OF(open); i++)
		if (!reaches(&access.acl, open[i]))
			fail_msg("%s may not be reached", open[i]);
	assert_int_equal(acl_ask_host(&access.acl, "example.com", 80), ACL_ASK_ADDRESSES);
	assert_int_equal(acl_ask_host(&access.acl, "/run/socket", 80), ACL_DENIED);
}

static void access_as_given(void **state)
{
	static struct forward_access access;
	struct acl_rule deny[1];
	assert_true(acl_rule_parse(&deny[0], "10.0.0.0/8"));
	struct config config = {.access_given = true, .access = {.deny = deny, .deny_count = 1}};
	forward_access_init(&access, &config);
	assert_false(reaches(&access.acl, "10.0.0.1"));
	assert_true(reaches(&access.acl, "127.0.0.1"));
	assert_true(reaches(&access.acl, "192.168.0.1"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_read),
		cmocka_unit_test(names_written),
		cmocka_unit_test(refusals),
		cmocka_unit_test(refusals_of_the_original),
		cmocka_unit_test(access_by_default),
		cmocka_unit_test(access_as_given),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
