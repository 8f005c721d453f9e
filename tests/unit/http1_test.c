/* tests/unit/http1_test.c - heads of HTTP/1.1: what is taken, every ambiguity that is refused, any prefix. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "protocols/codecs/http1.h"

static struct head head;
static size_t used;
static unsigned status;
static const char *why;

/* From memory of exactly that size, so that a sanitizer sees a byte that is read behind it. */
static enum status parse(const void *at, size_t size)
{
	static uint8_t *copy;
	free(copy);
	copy = malloc(size ? size : 1);
	memcpy(copy, at, size);
	return http1_parse_head((struct slice){copy, size}, &head, &used, &status, &why);
}

static enum status parse_text(const char *text) { return parse(text, strlen(text)); }

static void assert_slice(struct slice slice, const char *text)
{
	assert_int_equal(slice.size, strlen(text));
	assert_memory_equal(slice.at, text, slice.size);
}

static void a_request_is_parsed(void **state)
{
	static const char text[] = "GET /socket?token=a&reverse=true HTTP/1.1\r\nHost: example.com:8443\r\n"
				   "User-Agent:Go-http-client/1.1\r\nX-Empty:\r\nX-Blank: \t \r\n"
				   "X-Much:  a  b\t\r\n\r\nbehind";
	assert_int_equal(parse_text(text), STATUS_OK);
	assert_int_equal(used, sizeof text - 1 - strlen("behind"));
	assert_slice(head.method, "GET");
	assert_slice(head.path, "/socket?token=a&reverse=true");
	assert_int_equal(head.status, 0);
	assert_int_equal(head.minor, 1);
	assert_int_equal(head.field_count, 5);
	assert_slice(http1_field(&head, "host"), "example.com:8443");
	assert_slice(http1_field(&head, "USER-AGENT"), "Go-http-client/1.1");
	assert_slice(http1_field(&head, "x-empty"), "");
	assert_non_null(http1_field(&head, "x-empty").at);
	assert_slice(http1_field(&head, "x-blank"), "");
	assert_slice(http1_field(&head, "x-much"), "a  b");
	assert_null(http1_field(&head, "x").at);
}

static void a_response_is_parsed(void **state)
{
	assert_int_equal(parse_text("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"),
			 STATUS_OK);
	assert_int_equal(head.status, 101);
	assert_null(head.method.at);
	static const char *const others[] = {"HTTP/1.1 404 \r\n\r\n", "HTTP/1.0 404 Not  Found\t!\r\n\r\n",
					     "HTTP/1.1 404\r\n\r\n",
					     "HTTP/1.1 404 nicht gef\xfcnden\r\n\r\n"};
	for (size_t i = 0; i < COUNT_OF(others); i++) {
		assert_int_equal(parse_text(others[i]), STATUS_OK);
		assert_int_equal(head.status, 404);
	}
}

#define HOST "Host: h\r\n"

/* Heads that are taken; what stands behind them does not matter. */
static const char *const good[] = {
    "GET / HTTP/1.1\r\n" HOST "\r\n",
    "CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n\r\n",
    "GET http://example.com/ HTTP/1.1\r\nHost: example.com\r\n\r\n",
    "OPTIONS * HTTP/1.1\r\nHost:\r\n\r\n",
    "GET / HTTP/1.0\r\n\r\n",
    "M-SEARCH /a%20b?c=d&e=~!$'()*+,;:@ HTTP/1.1\r\nHost: [::1]:80\r\n\r\n",
    "POST / HTTP/1.1\r\n" HOST "Content-Length: 10\r\n\r\n",
    "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: Chunked\r\n\r\n",
    "GET / HTTP/1.1\r\n" HOST "X: \x80\xff\r\n!#$%&'*+-.^_`|~09azAZ: v\r\n\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
    "HTTP/1.1 200 OK\r\nHost: a\r\nHost: b\r\n\r\n",
};

static const struct {
	unsigned status;
	const char *text;
} bad[] = {
    /* the first line */
    {400, "\r\nGET / HTTP/1.1\r\n" HOST "\r\n"},
    {400, "\n"},
    {400, " GET / HTTP/1.1\r\n" HOST "\r\n"},
    {400, "GET  / HTTP/1.1\r\n" HOST "\r\n"},
    {400, "GET /  HTTP/1.1\r\n" HOST "\r\n"},
    {400, "GET / HTTP/1.1 \r\n" HOST "\r\n"},
    {400, "GET\t/ HTTP/1.1\r\n" HOST "\r\n"},
    {400, "GET /\r\n" HOST "\r\n"},
    {400, "GET / \r\n" HOST "\r\n"},
    {400, "GET\r\n" HOST "\r\n"},
    {400, "G(T / HTTP/1.1\r\n" HOST "\r\n"},
    {400, "GET /a b HTTP/1.1\r\n" HOST "\r\n"},
    {400, "GET /a#b HTTP/1.1\r\n" HOST "\r\n"},
    {400, "GET /\x7f HTTP/1.1\r\n" HOST "\r\n"},
    {400, "GET /\xc3\xa9 HTTP/1.1\r\n" HOST "\r\n"},
    {400, "GET / http/1.1\r\n" HOST "\r\n"},
    {400, "GET / HTTP/1\r\n" HOST "\r\n"},
    {400, "GET / HTTP/1.10\r\n" HOST "\r\n"},
    {400, "GET / HTTP/11\r\n" HOST "\r\n"},
    {400, "GET / HTTX/1.1\r\n" HOST "\r\n"},
    {505, "GET / HTTP/2.0\r\n" HOST "\r\n"},
    {505, "GET / HTTP/0.9\r\n" HOST "\r\n"},
    {505, "GET / HTTP/1.2\r\n" HOST "\r\n"},
    {505, "HTTP/2.0 200 OK\r\n\r\n"},
    {400, "HTTP/1.1\r\n\r\n"},
    {400, "HTTP/1.1 \r\n\r\n"},
    {400, "HTTP/1.1 20 OK\r\n\r\n"},
    {400, "HTTP/1.1 2000 OK\r\n\r\n"},
    {400, "HTTP/1.1 099 OK\r\n\r\n"},
    {400, "HTTP/1.1 600 OK\r\n\r\n"},
    {400, "HTTP/1.1 2a0 OK\r\n\r\n"},
    {400, "HTTP/1.1  200 OK\r\n\r\n"},
    {400, "HTTP/1.1 -20 OK\r\n\r\n"},
    {400, "HTTP/1.1 200 O\x01K\r\n\r\n"},
    {400, "HTTP/1.1 200\tOK\r\n\r\n"},
    {400, "HTTP/1.1x200 OK\r\n\r\n"},
    /* ends of lines */
    {400, "GET / HTTP/1.1\nHost: h\n\n"},
    {400, "GET / HTTP/1.1\r\nHost: h\n\r\n"},
    {400, "GET / HTTP/1.1\r\nHost: h\r\n\n"},
    {400, "GET / HTTP/1.1\r\r\nHost: h\r\n\r\n"},
    {400, "GET / HTTP/1.1\r\nHost: h\rX: y\r\n\r\n"},
    {400, "GET / HTTP/1.1\r\nHost: h\r\r\n\r\n"},
    {400, "GET / HTTP/1.1\r\n" HOST "\r\r\n"},
    /* fields */
    {400, "GET / HTTP/1.1\r\n" HOST "X: a\r\n b\r\n\r\n"},
    {400, "GET / HTTP/1.1\r\n" HOST "X: a\r\n\tb\r\n\r\n"},
    {400, "GET / HTTP/1.1\r\n Host: h\r\n\r\n"},
    {400, "GET / HTTP/1.1\r\nHost : h\r\n\r\n"},
    {400, "GET / HTTP/1.1\r\nHost\t: h\r\n\r\n"},
    {400, "GET / HTTP/1.1\r\n" HOST ": x\r\n\r\n"},
    {400, "GET / HTTP/1.1\r\n" HOST "X\r\n\r\n"},
    {400, "GET / HTTP/1.1\r\n" HOST "X Y: z\r\n\r\n"},
    {400, "GET / HTTP/1.1\r\n" HOST "X(Y): z\r\n\r\n"},
    {400, "GET / HTTP/1.1\r\n" HOST "X\x80: z\r\n\r\n"},
    {400, "GET / HTTP/1.1\r\n" HOST "X: a\x01"
	  "b\r\n\r\n"},
    {400, "GET / HTTP/1.1\r\n" HOST "X: a\x7f\r\n\r\n"},
    /* whom it is for */
    {400, "GET / HTTP/1.1\r\n\r\n"},
    {400, "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n"},
    {400, "GET / HTTP/1.1\r\nHost: a\r\nhOST: b\r\n\r\n"},
    {400, "GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n"},
    {400, "GET / HTTP/1.1\r\nHost: a b\r\n\r\n"},
    {400, "GET / HTTP/1.1\r\nHost: a, b\r\n\r\n"},
    {400, "GET / HTTP/1.1\r\nHost: u@a\r\n\r\n"},
    {400, "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"},
    {400, "GET / HTTP/1.1\r\nHost: \xc3\xa9\r\n\r\n"},
    /* where it ends */
    {400, "POST / HTTP/1.1\r\n" HOST "Content-Length: 1\r\nContent-Length: 1\r\n\r\n"},
    {400, "POST / HTTP/1.1\r\n" HOST "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"},
    {400, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"},
    {400, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\ncontent-length: 2\r\n\r\n"},
    {400, "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n"},
    {400, "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: gzip, chunked\r\n\r\n"},
    {400, "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked, chunked\r\n\r\n"},
    {400, "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: identity\r\n\r\n"},
    {400, "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding:\r\n\r\n"},
    {400, "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: xchunked\r\n\r\n"},
    {400, "POST / HTTP/1.0\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n"},
    {400, "POST / HTTP/1.1\r\n" HOST "Content-Length:\r\n\r\n"},
    {400, "POST / HTTP/1.1\r\n" HOST "Content-Length: +1\r\n\r\n"},
    {400, "POST / HTTP/1.1\r\n" HOST "Content-Length: -1\r\n\r\n"},
    {400, "POST / HTTP/1.1\r\n" HOST "Content-Length: 0x1\r\n\r\n"},
    {400, "POST / HTTP/1.1\r\n" HOST "Content-Length: 1, 1\r\n\r\n"},
    {400, "POST / HTTP/1.1\r\n" HOST "Content-Length: 1 1\r\n\r\n"},
    {400, "POST / HTTP/1.1\r\n" HOST "Content-Length: 9999999999999999999\r\n\r\n"},
};

static void good_heads_at_every_prefix(void **state)
{
	for (size_t i = 0; i < COUNT_OF(good); i++) {
		for (size_t size = 0; size < strlen(good[i]); size++) {
			assert_int_equal(parse(good[i], size), STATUS_MORE);
			assert_int_equal(used, 0);
			assert_null(why);
		}
		assert_int_equal(parse_text(good[i]), STATUS_OK);
		assert_int_equal(used, strlen(good[i]));
		assert_int_equal(status, 0);
	}
}

/* A prefix waits or is refused as the whole is. */
static void bad_heads_at_every_prefix(void **state)
{
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		if (parse_text(bad[i].text) != STATUS_PROTOCOL)
			fail_msg("taken: %s", bad[i].text);
		if (status != bad[i].status)
			fail_msg("%u instead of %u: %s", status, bad[i].status, bad[i].text);
		assert_int_equal(used, 0);
		const char *told = why;
		assert_non_null(told);
		bool refused = false;
		for (size_t size = 0; size < strlen(bad[i].text); size++) {
			enum status answer = parse(bad[i].text, size);
			assert_int_equal(answer, refused || answer == STATUS_PROTOCOL ? STATUS_PROTOCOL
										      : STATUS_MORE);
			refused = answer == STATUS_PROTOCOL;
			if (refused)
				assert_ptr_equal(why, told);
		}
	}
}

static void a_nul_is_refused_anywhere(void **state)
{
	static const char text[] = "GET /a HTTP/1.1\r\nHost: h\r\nX-Y: z\r\n\r\n";
	char copy[sizeof text];
	for (size_t at = 0; at + 1 < sizeof text; at++) {
		memcpy(copy, text, sizeof copy);
		copy[at] = 0;
		enum status answer = parse(copy, sizeof copy - 1);
		/* without its last LF the head only waits */
		assert_int_equal(answer, at == sizeof text - 2 ? STATUS_MORE : STATUS_PROTOCOL);
	}
}

/* A head of that many bytes, of which one field is as long as it has to be. */
static char *long_head(size_t size)
{
	static char text[HTTP1_HEAD_MAX + 16];
	static const char front[] = "GET / HTTP/1.1\r\nHost: h\r\nX: ";
	memset(text, 'x', sizeof text);
	memcpy(text, front, sizeof front - 1);
	memcpy(text + size - 4, "\r\n\r\n", 5);
	return text;
}

static void the_longest_head(void **state)
{
	assert_int_equal(parse_text(long_head(HTTP1_HEAD_MAX)), STATUS_OK);
	assert_int_equal(used, HTTP1_HEAD_MAX);
	assert_int_equal(parse(long_head(HTTP1_HEAD_MAX), HTTP1_HEAD_MAX - 1), STATUS_MORE);
	assert_int_equal(parse_text(long_head(HTTP1_HEAD_MAX + 1)), STATUS_PROTOCOL);
	assert_int_equal(status, 431);
	assert_int_equal(parse(long_head(HTTP1_HEAD_MAX + 1), HTTP1_HEAD_MAX), STATUS_PROTOCOL);
	assert_int_equal(status, 431);
}

static void the_most_fields(void **state)
{
	for (unsigned count = HEAD_FIELDS_MAX; count <= HEAD_FIELDS_MAX + 1; count++) {
		char text[4096] = "GET / HTTP/1.1\r\nHost: h\r\n";
		for (unsigned i = 1; i < count; i++)
			strcat(text, "X: y\r\n");
		strcat(text, "\r\n");
		assert_int_equal(parse_text(text), count > HEAD_FIELDS_MAX ? STATUS_PROTOCOL : STATUS_OK);
		assert_int_equal(status, count > HEAD_FIELDS_MAX ? 431 : 0);
	}
}

static void tokens_are_found_in_lists(void **state)
{
	assert_int_equal(parse_text("GET / HTTP/1.1\r\nHost: h\r\nConnection: keep-alive , UPGRADE\r\n"
				    "Connection:,x,,y\r\nUpgrade: websockets\r\n\r\n"),
			 STATUS_OK);
	assert_true(http1_has_token(&head, "connection", "upgrade"));
	assert_true(http1_has_token(&head, "Connection", "Keep-Alive"));
	assert_true(http1_has_token(&head, "connection", "x"));
	assert_true(http1_has_token(&head, "connection", "y"));
	assert_false(http1_has_token(&head, "connection", "keep"));
	assert_false(http1_has_token(&head, "upgrade", "websocket"));
	assert_false(http1_has_token(&head, "te", "x"));
}

#define VALID "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
#define KEY "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"

static const struct {
	bool valid;
	const char *first, *fields;
} upgrades[] = {
    {true, "GET /", VALID KEY},
    {true, "GET /",
     "upgrade: WebSocket\r\nconnection: keep-alive, upgrade\r\nsec-websocket-version: 13\r\n" KEY},
    {true, "GET /", VALID KEY "Content-Length: 0\r\n"},
    {true, "GET /", VALID "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZZ==\r\n"},
    {true, "GET /", VALID KEY "Sec-WebSocket-Extensions: permessage-deflate\r\nOrigin: x\r\n"},
    {true, "GET /",
     "Upgrade: h2c\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
     "Sec-WebSocket-Version: 13\r\n" KEY},
    {false, "POST /", VALID KEY},
    {false, "get /", VALID KEY},
    {false, "GET /", VALID},
    {false, "GET /", VALID KEY KEY},
    {false, "GET /", VALID "Sec-WebSocket-Key:\r\n"},
    {false, "GET /", VALID "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=\r\n"},
    {false, "GET /", VALID "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQAA\r\n"},
    {false, "GET /", VALID "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25-ZQ==\r\n"},
    {false, "GET /", VALID "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZ===\r\n"},
    {false, "GET /", VALID "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==AAAA\r\n"},
    {false, "GET /", KEY "Upgrade: websocket\r\nConnection: Upgrade\r\n"},
    {false, "GET /", KEY "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 8\r\n"},
    {false, "GET /", KEY VALID "Sec-WebSocket-Version: 13\r\n"},
    {false, "GET /", KEY "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"},
    {false, "GET /", KEY "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"},
    {false, "GET /", KEY "Upgrade: h2c\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"},
    {false, "GET /", KEY "Upgrade: websocket\r\nConnection: close\r\nSec-WebSocket-Version: 13\r\n"},
    {false, "GET /", VALID KEY "Content-Length: 5\r\n"},
    {false, "GET /", VALID KEY "Transfer-Encoding: chunked\r\n"},
};

static void upgrades_are_told(void **state)
{
	for (size_t i = 0; i < COUNT_OF(upgrades); i++) {
		char text[1024];
		for (int minor = 0; minor < 2; minor++) {
			snprintf(text, sizeof text, "%s HTTP/1.%d\r\nHost: h\r\n%s\r\n", upgrades[i].first,
				 minor, upgrades[i].fields);
			if (parse_text(text) == STATUS_PROTOCOL) { /* 1.0 has no chunks */
				assert_int_equal(minor, 0);
				continue;
			}
			if (http1_is_websocket_upgrade(&head) != (upgrades[i].valid && minor))
				fail_msg("taken for the opposite: %s", text);
		}
	}
	assert_int_equal(parse_text("HTTP/1.1 101 x\r\nHost: h\r\n" VALID KEY "\r\n"), STATUS_OK);
	assert_false(http1_is_websocket_upgrade(&head));
}

static void statuses_have_texts(void **state)
{
	assert_string_equal(http1_status_text(200), "OK");
	assert_string_equal(http1_status_text(101), "Switching Protocols");
	assert_string_equal(http1_status_text(431), "Request Header Fields Too Large");
	assert_string_equal(http1_status_text(299), "");
	assert_string_equal(http1_status_text(0), "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_request_is_parsed),
	    cmocka_unit_test(a_response_is_parsed),
	    cmocka_unit_test(good_heads_at_every_prefix),
	    cmocka_unit_test(bad_heads_at_every_prefix),
	    cmocka_unit_test(a_nul_is_refused_anywhere),
	    cmocka_unit_test(the_longest_head),
	    cmocka_unit_test(the_most_fields),
	    cmocka_unit_test(tokens_are_found_in_lists),
	    cmocka_unit_test(upgrades_are_told),
	    cmocka_unit_test(statuses_have_texts),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
