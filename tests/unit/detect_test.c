/* tests/unit/detect_test.c - the first bytes of a connection on the gateway's port, whole and one by one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <stdio.h>
#include <cmocka.h>

#include "protocols/detect.h"
#include "protocols/frontends/http.h"
#include "protocols/linksocks/server.h"
#include "protocols/linksocks/wire.h"
#include "protocols/tls_tunnel/wire.h"

static const struct role role = {.name = "gateway"};
static struct config_linksocks linksocks = {.enabled = true};
static const struct linksocks_server_settings settings = {.config = &linksocks};
static const uint32_t service = 5;
static const char *const origins[] = {"https://a.example", "https://b.example"};

#define HTTP_SIDE .http_wire = &wire_http, .not_found_role = &role_http_not_found, \
	.forbidden_role = &role_http_forbidden
#define LINKSOCKS_SIDE .linksocks = &settings, .linksocks_wire = &wire_linksocks, \
	.linksocks_role = &role_linksocks_link, .linksocks_route = linksocks_route, \
	.linksocks_service = &service

/* Without LinkSocks, with it, and its own listener. */
static const struct gateway_detector gateway = {.detector = {gateway_detect},
						.tls_tunnel_wire = &wire_tls_tunnel,
						.tls_tunnel_role = &role,
						.tls_tunnel_service = 3,
						HTTP_SIDE};
static const struct gateway_detector both = {.detector = {gateway_detect},
					     .tls_tunnel_wire = &wire_tls_tunnel,
					     .tls_tunnel_role = &role,
					     HTTP_SIDE, LINKSOCKS_SIDE,
					     .allow_origins = origins,
					     .allow_origin_count = 2};
static const struct gateway_detector own = {
	.detector = {gateway_detect}, .own = true, HTTP_SIDE, LINKSOCKS_SIDE};

enum verdict { TUNNEL, OLD, NOT_FOUND, H2, SOCKS, NONE, INNER_TLS };

struct vector {
	const char *bytes;
	size_t size;
	enum verdict verdict;
	size_t decided; /* bytes that are enough */
};

#define VECTOR(bytes_, verdict_, decided_)                                                                   \
	{                                                                                                    \
		(bytes_), sizeof(bytes_) - 1, (verdict_), (decided_)                                         \
	}

static const struct vector vectors[] = {
    VECTOR("\x00\x02\x00\x01\x00\x00\x00\x00\xde\xad\xbe\xef", TUNNEL, 2), /* Ping: 1.5 and ours */
    VECTOR("\x00\x01\x00\x01\x00\x00\x00\x01\x00\x00\x00\x00", TUNNEL, 2), /* Go opens */
    VECTOR("\x00\x00\x00\x01\x00\x00\x00\x01\x00\x00\x00\x04", TUNNEL, 4), /* Data SYN */
    VECTOR("\x00\x00\x00\x0f\x00\x00\x00\x01\x00\x00\x00\x04", TUNNEL, 4),
    VECTOR("\x00\x00\x00\x10"
	   "0123456789abcdef",
	   OLD, 4),
    VECTOR("\x00\x00\x04\x00"
	   "0123456789abcdef",
	   OLD, 4),
    VECTOR("\x00\x00\x00\x1f{\"auth_key\"", OLD, 4),
    VECTOR("GET / HTTP/1.1\r\nHost: a\r\n\r\n", NOT_FOUND, 27),
    VECTOR("POST /x HTTP/1.1\r\nHost: a\r\n\r\nabc\r\n\r\n", NOT_FOUND, 29),
    VECTOR("CONNECT a:1 HTTP/1.1\r\n\r\n", NOT_FOUND, 24),
    VECTOR("PATCH / HTTP/1.0\n\nabc", NOT_FOUND, 18),
    VECTOR("GET /socket HTTP/1.1\r\nHost: a\r\n\r\n", NOT_FOUND, 33),
    VECTOR("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", H2, 6),
    VECTOR("PRIX", NONE, 4),
    VECTOR("GETX / HTTP", NONE, 4),
    VECTOR("\x05\x01\x00", SOCKS, 1),
    VECTOR("\x16\x03\x01\x02\x00", INNER_TLS, 1),
    VECTOR("SSH-2.0-OpenSSH", NONE, 1),
    VECTOR("get / http", NONE, 1),
    VECTOR("\xff", NONE, 1),
};

static enum status ask_of(const struct gateway_detector *of, const char *alpn, const void *bytes, size_t size,
			  struct detect_answer *answer)
{
	*answer = (struct detect_answer){0};
	return of->detector.detect(&of->detector, alpn, (struct slice){bytes, size}, answer);
}

static enum status ask(const char *alpn, const void *bytes, size_t size, struct detect_answer *answer)
{
	return ask_of(&gateway, alpn, bytes, size, answer);
}

static void assert_verdict(enum verdict verdict, enum status status, const struct detect_answer *answer)
{
	static const char *const words[] = {"", "1.4", "", "HTTP/2", "SOCKS5", "not a protocol",
					    "TLS where none"};
	if (verdict == TUNNEL || verdict == NOT_FOUND) {
		bool tunnel = verdict == TUNNEL;
		assert_int_equal(status, STATUS_OK);
		assert_ptr_equal(answer->carrier, &carrier_raw);
		assert_ptr_equal(answer->wire, tunnel ? &wire_tls_tunnel : &wire_http);
		assert_ptr_equal(answer->role, tunnel ? &role : &role_http_not_found);
		assert_int_equal(answer->service, tunnel ? 3 : 0);
		return;
	}
	assert_int_equal(status, STATUS_PROTOCOL);
	assert_non_null(strstr(answer->refusal, words[verdict]));
}

static void every_prefix(void **state)
{
	for (size_t i = 0; i < COUNT_OF(vectors); i++) {
		const struct vector *vector = &vectors[i];
		for (size_t size = 0; size <= vector->size; size++) {
			struct detect_answer answer;
			enum status status = ask(NULL, vector->bytes, size, &answer);
			if (size < vector->decided)
				assert_int_equal(status, STATUS_MORE);
			else
				assert_verdict(vector->verdict, status, &answer);
		}
	}
}

static void alpn(void **state)
{
	struct detect_answer answer;
	assert_verdict(H2, ask("h2", "", 0, &answer), &answer);
	assert_int_equal(ask("http/1.1", "", 0, &answer), STATUS_MORE);
	assert_verdict(TUNNEL, ask("http/1.1", "\x00\x02", 2, &answer), &answer);
	assert_verdict(TUNNEL, ask("", "\x00\x02", 2, &answer), &answer);
}

/* ---- LinkSocks ---- */

#define UPGRADE "Host: h\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n" \
	"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"

enum place { LINK, API, LOST, FOREIGN };

static void goes_to(const struct gateway_detector *of, const char *head, enum place place)
{
	static const struct role *const roles[] = {&role_linksocks_link, &role_linksocks_api,
						   &role_http_not_found, &role_http_forbidden};
	size_t size = strlen(head);
	struct detect_answer answer;
	for (size_t part = 0; part < size; part++)
		assert_int_equal(ask_of(of, NULL, head, part, &answer), STATUS_MORE);
	assert_int_equal(ask_of(of, NULL, head, size, &answer), STATUS_OK);
	if (answer.role != roles[place])
		fail_msg("%s -> %s", head, answer.role->name);
	assert_ptr_equal(answer.carrier, place == LINK ? &carrier_websocket : &carrier_raw);
	assert_ptr_equal(answer.wire, place == LINK ? &wire_linksocks : &wire_http);
	assert_int_equal(answer.service, place == LINK || place == API ? 5 : 0);
}

static void paths(void **state)
{
	static const struct { const char *path; bool upgrade; enum place both, own, with_key; } cases[] = {
	    {"/socket", true, LINK, LINK, LINK},
	    {"/socket?token=a&reverse=1", true, LINK, LINK, LINK},
	    {"/socket/", true, LINK, LINK, LINK},
	    {"/socket/a/b?x", true, LINK, LINK, LINK},
	    {"/socket", false, LINK, LINK, LINK},      /* its wire answers 400 */
	    {"/socket/a", false, LINK, LINK, LINK},
	    {"/socketx", true, LINK, LOST, LINK},      /* on the TLS port: message authentication */
	    {"/socketx", false, LOST, LOST, LOST},
	    {"/", true, LINK, API, LINK},
	    {"/", false, LOST, API, LOST},
	    {"/?a", false, LOST, API, LOST},
	    {"/ws", true, LINK, LOST, LINK},
	    {"/foo", false, LOST, LOST, LOST},
	    {"/api/token", false, LOST, LOST, API},
	    {"/api/token/a/b", false, LOST, LOST, API},
	    {"/api/status?x", false, LOST, LOST, API},
	    {"/api/status/", false, LOST, LOST, LOST},
	    {"/api/", false, LOST, LOST, LOST},
	};
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		char head[512];
		snprintf(head, sizeof head, "GET %s HTTP/1.1\r\n%s\r\n", cases[i].path,
			 cases[i].upgrade ? UPGRADE : "Host: h\r\n");
		goes_to(&both, head, cases[i].both);
		goes_to(&own, head, cases[i].own);
		assert_true(secret_set(&linksocks.api_key, slice_of("k")));
		goes_to(&both, head, cases[i].with_key);
		secret_fini(&linksocks.api_key);
		if (!cases[i].upgrade || strncmp(cases[i].path, "/socket", 7) == 0)
			continue;
		goes_to(&gateway, head, LOST);
	}
}

static void origins_are_asked(void **state)
{
	static const struct { const char *origin; enum place both, own; } cases[] = {
	    {"", LINK, LINK},
	    {"Origin: https://a.example\r\n", LINK, FOREIGN},
	    {"origin: https://b.example\r\n", LINK, FOREIGN},
	    {"Origin: https://c.example\r\n", FOREIGN, FOREIGN},
	    {"Origin: https://a.example.evil\r\n", FOREIGN, FOREIGN},
	    {"Origin: null\r\n", FOREIGN, FOREIGN},
	    {"Origin:\r\n", FOREIGN, FOREIGN},
	};
	static const char *const any[] = {"*"};
	struct gateway_detector open = own;
	open.allow_origins = any;
	open.allow_origin_count = 1;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		char head[512];
		snprintf(head, sizeof head, "GET /socket HTTP/1.1\r\n" UPGRADE "%s\r\n", cases[i].origin);
		goes_to(&both, head, cases[i].both);
		goes_to(&own, head, cases[i].own);
		goes_to(&open, head, LINK);
	}
}

static void the_own_listener_has_http_alone(void **state)
{
	struct detect_answer answer;
	assert_int_equal(ask_of(&own, NULL, "\0\2\0\1", 4, &answer), STATUS_PROTOCOL);
	assert_int_equal(ask_of(&own, NULL, "\26\3\1", 3, &answer), STATUS_PROTOCOL);
	struct gateway_detector alone = both;
	alone.tls_tunnel_wire = NULL;
	assert_int_equal(ask_of(&alone, NULL, "\0\2\0\1", 4, &answer), STATUS_PROTOCOL);
}

/* A head that never ends is the HTTP wire's to refuse. */
static void long_heads(void **state)
{
	static char head[DETECT_BYTES_MAX];
	struct detect_answer answer;
	memset(head, 'a', sizeof head);
	memcpy(head, "GET /", 5);
	assert_int_equal(ask_of(&both, NULL, head, sizeof head - 1, &answer), STATUS_MORE);
	assert_int_equal(ask_of(&both, NULL, head, sizeof head, &answer), STATUS_OK);
	assert_ptr_equal(answer.role, &role_http_not_found);
}

/* Whatever comes, DETECT_BYTES_MAX bytes are enough. */
static void always_decided(void **state)
{
	uint64_t random = 1;
	for (int i = 0; i < 20000; i++) {
		uint8_t bytes[DETECT_BYTES_MAX];
		for (size_t k = 0; k < sizeof bytes; k++)
			bytes[k] = (uint8_t)random_next(&random);
		bytes[0] = i % 3 ? bytes[0] : 0;
		struct detect_answer answer;
		assert_int_not_equal(ask(NULL, bytes, sizeof bytes, &answer), STATUS_MORE);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_prefix),
	    cmocka_unit_test(alpn),
	    cmocka_unit_test(paths),
	    cmocka_unit_test(origins_are_asked),
	    cmocka_unit_test(the_own_listener_has_http_alone),
	    cmocka_unit_test(long_heads),
	    cmocka_unit_test(always_decided),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
