/* tests/unit/proxy_header_test.c - the PROXY protocol: tables of good and bad headers, cut everywhere; what
 * is written is read back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "protocols/codecs/proxy_header.h"

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"
#define BYTES(literal) {(const uint8_t *)(literal), sizeof(literal) - 1}
#define REST "the rest\r\n"

struct good {
	struct slice bytes;
	const char *source, *target;
};

static const struct good goods[] = {
    {BYTES("PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\r\n"), "192.0.2.1:56324", "198.51.100.7:443"},
    {BYTES("PROXY TCP4 255.255.255.255 0.0.0.0 65535 0\r\n"), "255.255.255.255:65535", "0.0.0.0:0"},
    {BYTES("PROXY TCP6 2001:db8::1 ::1 1 2\r\n"), "[2001:db8::1]:1", "[::1]:2"},
    {BYTES("PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
	   "65535 65535\r\n"),
     "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535", "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535"},
    {BYTES("PROXY TCP6 ::ffff:192.0.2.9 ::ffff:192.0.2.10 7 8\r\n"), "192.0.2.9:7", "192.0.2.10:8"},
    {BYTES("PROXY UNKNOWN\r\n"), "none", "none"},
    {BYTES("PROXY UNKNOWN ffff:: what ever, it is not looked at\r\n"), "none", "none"},
    {BYTES(SIGNATURE "\x21\x11\0\x0c\xc0\0\2\1\xc6\x33\x64\7\xdc\4\1\xbb"), "192.0.2.1:56324",
     "198.51.100.7:443"},
    {BYTES(SIGNATURE "\x21\x12\0\x0c\xc0\0\2\1\xc6\x33\x64\7\xdc\4\1\xbb"), "192.0.2.1:56324",
     "198.51.100.7:443"},
    {BYTES(SIGNATURE "\x21\x21\0\x24\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1"
		     "\0\1\0\2"),
     "[2001:db8::1]:1", "[::1]:2"},
    {BYTES(SIGNATURE "\x20\0\0\0"), "none", "none"},
    {BYTES(SIGNATURE "\x20\x11\0\3abc"), "none", "none"},
    {BYTES(SIGNATURE "\x21\0\0\0"), "none", "none"},
    /* a NOOP of two bytes, and one of none */
    {BYTES(SIGNATURE "\x21\x11\0\x14\xc0\0\2\1\xc6\x33\x64\7\xdc\4\1\xbb\4\0\2xx\4\0\0"), "192.0.2.1:56324",
     "198.51.100.7:443"},
};

static const struct slice bads[] = {
    BYTES("GET / HTTP/1.1\r\n"),
    BYTES("\x16\x03\x01\x02\x00\x01"),
    BYTES("PROXYX"),
    BYTES("proxy TCP4 1.2.3.4 1.2.3.4 1 2\r\n"),
    BYTES("PROXY TCP4 192.0.2.1 198.51.100.7 56324\r\n"),
    BYTES("PROXY TCP4 192.0.2.1 198.51.100.7 56324 443 \r\n"),
    BYTES("PROXY TCP4 192.0.2.1 198.51.100.7 56324 443 1\r\n"),
    BYTES("PROXY TCP4  192.0.2.1 198.51.100.7 56324 443\r\n"),
    BYTES("PROXY TCP4 192.0.2.1 198.51.100.7 056324 443\r\n"),
    BYTES("PROXY TCP4 192.0.2.1 198.51.100.7 65536 443\r\n"),
    BYTES("PROXY TCP4 192.0.2.1 198.51.100.7 +1 443\r\n"),
    BYTES("PROXY TCP4 192.0.2.256 198.51.100.7 1 443\r\n"),
    BYTES("PROXY TCP4 ::1 ::1 1 443\r\n"),
    BYTES("PROXY TCP6 192.0.2.1 198.51.100.7 1 443\r\n"),
    BYTES("PROXY TCP6 fe80::1%2 ::1 1 443\r\n"),
    BYTES("PROXY TCP4 a.example b.example 1 443\r\n"),
    BYTES("PROXY TCP4 192.0.2.1 198.51.100.7 1 \r\n"),
    BYTES("PROXY TCP4 192.0.2.1\0 198.51.100.7 1 2\r\n"),
    BYTES("PROXY UNKNOWNX\r\n"),
    BYTES("PROXY SCTP4 192.0.2.1 198.51.100.7 1 2\r\n"),
    BYTES("PROXY \r\n"),
    BYTES(SIGNATURE "\x11\x11\0\x0c"),
    BYTES(SIGNATURE "\x22\x11\0\x0c"),
    BYTES(SIGNATURE "\x21\x41\0\x0c"),
    BYTES(SIGNATURE "\x21\x13\0\x0c"),
    BYTES(SIGNATURE "\x21\x11\x10\0"),
    BYTES(SIGNATURE "\x21\x11\0\x0b\xc0\0\2\1\xc6\x33\x64\7\xdc\4\1"),
    BYTES(SIGNATURE "\x21\x21\0\x0c\xc0\0\2\1\xc6\x33\x64\7\xdc\4\1\xbb"),
    BYTES(SIGNATURE "\x21\x11\0\x0e\xc0\0\2\1\xc6\x33\x64\7\xdc\4\1\xbb\4\0"),
    BYTES(SIGNATURE "\x21\x11\0\x10\xc0\0\2\1\xc6\x33\x64\7\xdc\4\1\xbb\4\0\2x"),
    BYTES(SIGNATURE "\x21\x11\0\x13\xc0\0\2\1\xc6\x33\x64\7\xdc\4\1\xbb\3\0\4\0\0\0\0"),
    BYTES(SIGNATURE "\x21\x11\0\x11\xc0\0\2\1\xc6\x33\x64\7\xdc\4\1\xbb\3\0\2\0\0"),
};

static void assert_address(const struct address *address, const char *expected)
{
	char text[ADDRESS_TEXT_SIZE];
	assert_string_equal(address_format(address, text), expected);
}

static void good_ones_are_read_whatever_is_missing_yet(void **state)
{
	for (size_t i = 0; i < COUNT_OF(goods); i++) {
		uint8_t bytes[512];
		size_t size = goods[i].bytes.size, used;
		struct proxy_header header;
		const char *fault;
		memcpy(bytes, goods[i].bytes.at, size);
		memcpy(bytes + size, REST, sizeof REST);
		for (size_t part = 0; part < size; part++) {
			uint8_t exact[512]; /* of that size and no more, for the sanitizer's sake */
			memcpy(exact, bytes, part);
			if (proxy_header_parse((struct slice){exact, part}, &header, &used, &fault) !=
			    STATUS_MORE)
				fail_msg("header %zu: not MORE after %zu bytes", i, part);
		}
		for (size_t more = 0; more < sizeof REST; more++) {
			assert_int_equal(
			    proxy_header_parse((struct slice){bytes, size + more}, &header, &used, &fault),
			    STATUS_OK);
			assert_int_equal(used, size);
			assert_address(&header.source, goods[i].source);
			assert_address(&header.target, goods[i].target);
		}
	}
}

static void bad_ones_are_refused_as_soon_as_can_be(void **state)
{
	for (size_t i = 0; i < COUNT_OF(bads); i++) {
		struct proxy_header header;
		size_t used;
		const char *fault;
		enum status status = proxy_header_parse(bads[i], &header, &used, &fault);
		if (status != STATUS_PROTOCOL || !fault)
			fail_msg("header %zu: %d", i, status);
		assert_int_equal(header.source.family, ADDRESS_NONE);
		for (size_t part = 0; part < bads[i].size; part++) {
			status = proxy_header_parse((struct slice){bads[i].at, part}, &header, &used, &fault);
			assert_true(status == STATUS_MORE || status == STATUS_PROTOCOL);
		}
	}
}

static void version_1_has_107_bytes_at_most(void **state)
{
	uint8_t line[PROXY_HEADER_V1_MAX + 2];
	struct proxy_header header;
	size_t used;
	const char *fault;
	memset(line, 'x', sizeof line);
	memcpy(line, "PROXY UNKNOWN ", 14);
	memcpy(line + PROXY_HEADER_V1_MAX - 2, "\r\n", 2);
	assert_int_equal(
	    proxy_header_parse((struct slice){line, PROXY_HEADER_V1_MAX}, &header, &used, &fault), STATUS_OK);
	assert_int_equal(used, PROXY_HEADER_V1_MAX);
	memcpy(line + PROXY_HEADER_V1_MAX - 2, "xx\r\n", 4);
	assert_int_equal(
	    proxy_header_parse((struct slice){line, PROXY_HEADER_V1_MAX - 1}, &header, &used, &fault),
	    STATUS_MORE);
	assert_int_equal(
	    proxy_header_parse((struct slice){line, PROXY_HEADER_V1_MAX}, &header, &used, &fault),
	    STATUS_PROTOCOL);
}

static void unix_addresses_are_read(void **state)
{
	uint8_t bytes[16 + 216] = SIGNATURE "\x21\x31\0\xd8/run/a.sock";
	struct proxy_header header;
	size_t used;
	const char *fault;
	memset(bytes + 16 + 108, 'b', 108);      /* not terminated */
	assert_int_equal(proxy_header_parse((struct slice){bytes, sizeof bytes}, &header, &used, &fault),
			 STATUS_OK);
	assert_string_equal(header.source.path, "/run/a.sock");
	assert_int_equal(strlen(header.target.path), ADDRESS_PATH_SIZE - 1);
}

/* The check value of CRC32c, "123456789" -> e3069283, is in no header; this one was computed apart. */
static void a_right_checksum_is_let_through(void **state)
{
	static const uint8_t header_bytes[] = SIGNATURE
	    "\x21\x11\0\x13\x7f\0\0\1\x7f\0\0\1\x04\xd2\x16\x2e\3\0\4\x05\xc9\xc5\xf6";
	uint8_t bytes[sizeof header_bytes - 1];
	struct proxy_header header;
	size_t used;
	const char *fault;
	memcpy(bytes, header_bytes, sizeof bytes);
	assert_int_equal(proxy_header_parse((struct slice){bytes, sizeof bytes}, &header, &used, &fault),
			 STATUS_OK);
	assert_address(&header.source, "127.0.0.1:1234");
	for (size_t at = 16; at < sizeof bytes; at++) {
		bytes[at] ^= 1;
		enum status status =
		    proxy_header_parse((struct slice){bytes, sizeof bytes}, &header, &used, &fault);
		bool is_type = at == 28;             /* then it is no checksum any more */
		assert_int_equal(status, is_type ? STATUS_OK : STATUS_PROTOCOL);
		bytes[at] ^= 1;
	}
}

static void what_is_written_is_read_back(void **state)
{
	static const char *const pairs[][2] = {{"192.0.2.1:1", "198.51.100.7:65535"},
					       {"[2001:db8::1]:0", "[::]:80"},
					       {"[1:2:3:4:5:6:7:8]:9", "[ffff:ffff::ffff]:10"}};
	for (unsigned version = 1; version <= 2; version++) {
		for (size_t i = 0; i < COUNT_OF(pairs); i++) {
			struct proxy_header said = {0}, heard;
			uint8_t bytes[PROXY_HEADER_WRITE_MAX];
			size_t used;
			const char *fault;
			assert_true(address_parse(&said.source, pairs[i][0]));
			assert_true(address_parse(&said.target, pairs[i][1]));
			size_t size = proxy_header_write(version, &said, bytes);
			assert_int_equal(
			    proxy_header_parse((struct slice){bytes, size}, &heard, &used, &fault),
			    STATUS_OK);
			assert_int_equal(used, size);
			assert_address(&heard.source, pairs[i][0]);
			assert_address(&heard.target, pairs[i][1]);
		}
	}
}

static void what_is_not_known_is_said_so(void **state)
{
	struct proxy_header mixed = {{.family = ADDRESS_IPV4}, {.family = ADDRESS_IPV6}}, none = {0};
	const struct proxy_header *headers[] = {&mixed, &none};
	uint8_t bytes[PROXY_HEADER_WRITE_MAX];
	for (size_t i = 0; i < COUNT_OF(headers); i++) {
		assert_int_equal(proxy_header_write(1, headers[i], bytes), 15);
		assert_memory_equal(bytes, "PROXY UNKNOWN\r\n", 15);
		assert_int_equal(proxy_header_write(2, headers[i], bytes), 16);
		assert_memory_equal(bytes, SIGNATURE "\x20\0\0\0", 16);
	}
}

static void an_ipv4_address_inside_ipv6_keeps_its_form(void **state)
{
	struct proxy_header header = {{.family = ADDRESS_IPV6, .port = 1},
				      {.family = ADDRESS_IPV6, .port = 2}};
	static const uint8_t mapped[16] = {[10] = 0xff, 0xff, 1, 2, 3, 4};
	static const char expected[] = "PROXY TCP6 ::ffff:1.2.3.4 :: 1 2\r\n";
	uint8_t bytes[PROXY_HEADER_WRITE_MAX];
	memcpy(header.source.bytes, mapped, sizeof mapped);
	assert_int_equal(proxy_header_write(1, &header, bytes), sizeof expected - 1);
	assert_memory_equal(bytes, expected, sizeof expected - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(good_ones_are_read_whatever_is_missing_yet),
	    cmocka_unit_test(bad_ones_are_refused_as_soon_as_can_be),
	    cmocka_unit_test(version_1_has_107_bytes_at_most),
	    cmocka_unit_test(unix_addresses_are_read),
	    cmocka_unit_test(a_right_checksum_is_let_through),
	    cmocka_unit_test(what_is_written_is_read_back),
	    cmocka_unit_test(what_is_not_known_is_said_so),
	    cmocka_unit_test(an_ipv4_address_inside_ipv6_keeps_its_form),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
