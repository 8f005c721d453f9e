/* tests/unit/detect_test.c - the first bytes of a connection on the gateway's port, whole and one by one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <stdio.h>
#include <cmocka.h>

#include "protocols/codecs/http1.h"
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
						.transports = 1u << TRANSPORT_TLS,
						HTTP_SIDE};
static const struct gateway_detector both = {.detector = {gateway_detect},
					     .tls_tunnel_wire = &wire_tls_tunnel,
					     .tls_tunnel_role = &role,
					     .transports = 1u << TRANSPORT_TLS,
					     HTTP_SIDE, LINKSOCKS_SIDE,
					     .allow_origins = origins,
					     .allow_origin_count = 2};
static const struct gateway_detector own = {
	.detector = {gateway_detect}, .own = true, HTTP_SIDE, LINKSOCKS_SIDE};

enum verdict { TUNNEL, NOT_FOUND, H2, SOCKS, NONE, INNER_TLS };

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
    VECTOR("\x00\x02\x00\x01\x00\x00\x00\x00\xde\xad\xbe\xef", TUNNEL, 1), /* Ping: 1.5 and ours */
    VECTOR("\x00\x01\x00\x01\x00\x00\x00\x01\x00\x00\x00\x00", TUNNEL, 1), /* Go opens */
    VECTOR("\x00\x00\x00\x01\x00\x00\x00\x01\x00\x00\x00\x04", TUNNEL, 1), /* Data SYN */
    VECTOR("\x00\x00\x00\x0f\x00\x00\x00\x01\x00\x00\x00\x04", TUNNEL, 1),
    VECTOR("\x00\x00\x00\x10"
	   "0123456789abcdef",
	   TUNNEL, 1),
    VECTOR("\x00\x00\x04\x00"
	   "0123456789abcdef",
	   TUNNEL, 1),
    VECTOR("\x00\x00\x00\x1f{\"auth_key\"", TUNNEL, 1),
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

static const struct address stranger = {.family = ADDRESS_IPV4, .bytes = {203, 0, 113, 9}, .port = 1};
static const struct address home = {.family = ADDRESS_IPV4, .bytes = {127, 0, 0, 1}, .port = 2};

static enum status ask_of(const struct gateway_detector *of, const char *alpn, const void *bytes, size_t size,
			  struct detect_answer *answer)
{
	const struct detect_question question = {
	    .alpn = alpn, .peer = &stranger, .first = {bytes, size}};
	*answer = (struct detect_answer){0};
	return of->detector.detect(&of->detector, &question, answer);
}

static enum status ask(const char *alpn, const void *bytes, size_t size, struct detect_answer *answer)
{
	return ask_of(&gateway, alpn, bytes, size, answer);
}

static void assert_verdict(enum verdict verdict, enum status status, const struct detect_answer *answer)
{
	static const char *const words[] = {"", "", "HTTP/2", "SOCKS5", "not a protocol",
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

/* ---- TLS Tunnel behind an upgrade ---- */

#define WSS(path) "GET " path " HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" \
	"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
static const char bare_answer[] =
    "HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\n"
    "sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

static struct gateway_detector with_transports(const struct gateway_detector *of, uint32_t transports)
{
	struct gateway_detector copy = *of;
	copy.transports = transports;
	return copy;
}

static void is_wss(const struct detect_answer *answer, bool head_answered)
{
	assert_ptr_equal(answer->carrier, &carrier_websocket_bytes);
	assert_ptr_equal(answer->wire, &wire_tls_tunnel);
	assert_ptr_equal(answer->role, &role);
	assert_int_equal(answer->head_answered, head_answered);
}

static void wss_alone(void **state)
{
	struct gateway_detector alone = with_transports(&gateway, 1u << TRANSPORT_WSS | 1u << TRANSPORT_TLS);
	static const char *const heads[] = {WSS("/") "\r\n", WSS("/any/path?x") "\r\n",
					    WSS("/socket") "\r\n", WSS("/ws") "\r\n"};
	struct detect_answer answer;
	for (size_t i = 0; i < COUNT_OF(heads); i++) {
		size_t size = strlen(heads[i]);
		for (size_t part = 0; part < size; part++)
			assert_int_equal(ask_of(&alone, NULL, heads[i], part, &answer), STATUS_MORE);
		assert_int_equal(ask_of(&alone, NULL, heads[i], size, &answer), STATUS_OK);
		is_wss(&answer, false);
		assert_int_equal(answer.service, 3);
		assert_int_equal(answer.reply.size, 0);
		/* where it is not spoken, nobody is there */
		assert_int_equal(ask_of(&gateway, NULL, heads[i], size, &answer), STATUS_OK);
		assert_ptr_equal(answer.role, &role_http_not_found);
	}
	alone.allow_origins = origins;
	alone.allow_origin_count = 2;
	goes_to(&alone, WSS("/") "Origin: https://c.example\r\n\r\n", FOREIGN);
	goes_to(&alone, "GET / HTTP/1.1\r\nHost: h\r\n\r\n", LOST);
	goes_to(&alone, "GET /favicon.ico HTTP/1.1\r\nHost: h\r\nAccept: */*\r\n\r\n", LOST);
	goes_to(&alone, "POST / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\n\r\n", LOST);
}

static void put_frame(char *at, size_t *size, uint8_t first, const char *payload, size_t payload_size)
{
	static const uint8_t key[4] = {0x37, 0xfa, 0x21, 0x3d};
	at[(*size)++] = (char)first;
	at[(*size)++] = (char)(0x80 | payload_size);
	memcpy(at + *size, key, 4);
	*size += 4;
	for (size_t i = 0; i < payload_size; i++)
		at[(*size)++] = (char)(payload[i] ^ key[i % 4]);
}

enum told { AT_ONCE_TUNNEL, AT_ONCE_SOCKS, WAITS, STRANGE };

struct first {
	enum told told;          /* by all of it */
	bool told_by_time;       /* while it waits: by the time that passes */
	struct { uint8_t first; const char *payload; size_t size; } frames[4];
};

#define P(first, text) {first, text, sizeof(text) - 1}

static const struct first firsts[] = {
    {WAITS, true, {{0}}},
    {AT_ONCE_TUNNEL, false, {P(0x82, "\0\2\0\1")}},
    {AT_ONCE_TUNNEL, false, {P(0x82, "\0")}},
    {AT_ONCE_TUNNEL, false, {P(0x02, ""), P(0x00, ""), P(0x80, "\0\0")}},
    {AT_ONCE_SOCKS, false, {P(0x82, "\1\1abc")}},
    {AT_ONCE_SOCKS, false, {P(0x82, "\1\1")}},
    {AT_ONCE_SOCKS, false, {P(0x02, "\1"), P(0x00, "\1"), P(0x80, "x")}},
    {AT_ONCE_SOCKS, false, {P(0x89, "ping"), P(0x82, ""), P(0x82, "\1\1")}},
    {AT_ONCE_TUNNEL, false, {P(0x8a, ""), P(0x82, "\0")}},
    {AT_ONCE_TUNNEL, false, {P(0x88, "\3\350")}},
    {WAITS, true, {P(0x89, "ping")}},
    {WAITS, true, {P(0x82, "")}},
    {WAITS, false, {P(0x02, "\1")}},
    {WAITS, false, {P(0x02, "")}},
    {STRANGE, false, {P(0x82, "\1")}},
    {STRANGE, false, {P(0x82, "\1\2")}},
    {STRANGE, false, {P(0x82, "\2")}},
    {STRANGE, false, {P(0x81, "hello")}},
    {STRANGE, false, {P(0x80, "\0")}},
    {STRANGE, false, {P(0x02, "\1"), P(0x82, "\1")}},
    {STRANGE, false, {P(0x83, "")}},
};

static enum status ask_with(const struct gateway_detector *of, const char *bytes, size_t size, bool answered,
			    bool expired, struct detect_answer *answer)
{
	const struct detect_question question = {.peer = &stranger,
						 .first = {(const uint8_t *)bytes, size},
						 .answered = answered,
						 .expired = expired};
	*answer = (struct detect_answer){0};
	return of->detector.detect(&of->detector, &question, answer);
}

static void assert_told(const struct first *first, enum status status, const struct detect_answer *answer)
{
	switch (first->told) {
	case AT_ONCE_TUNNEL:
		assert_int_equal(status, STATUS_OK);
		is_wss(answer, true);
		break;
	case AT_ONCE_SOCKS:
		assert_int_equal(status, STATUS_OK);
		assert_ptr_equal(answer->role, &role_linksocks_link);
		assert_ptr_equal(answer->carrier, &carrier_websocket);
		assert_true(answer->head_answered);
		break;
	case STRANGE:
		assert_int_equal(status, STATUS_PROTOCOL);
		assert_int_equal(answer->reply.size, 4);
		assert_memory_equal(answer->reply.at, "\x88\x02\x03\xea", 4);
		break;
	default:
		assert_int_equal(status, STATUS_MORE);
		assert_int_equal(answer->reply.size, 0);
	}
}

/* Both may be meant: the head is answered at once, byte by byte the frames are looked at. */
static void the_first_message_tells(void **state)
{
	const struct gateway_detector either = with_transports(&both, 7);
	static const char head[] = WSS("/x") "\r\n";
	for (size_t i = 0; i < COUNT_OF(firsts); i++) {
		char bytes[1024];
		size_t size = sizeof head - 1, from = size;
		enum status status = STATUS_MORE;
		struct detect_answer answer;
		memcpy(bytes, head, size);
		assert_int_equal(ask_with(&either, bytes, size - 1, false, false, &answer), STATUS_MORE);
		assert_int_equal(answer.reply.size, 0);
		for (size_t k = 0; k < 4 && firsts[i].frames[k].payload; k++)
			put_frame(bytes, &size, firsts[i].frames[k].first, firsts[i].frames[k].payload,
				  firsts[i].frames[k].size);
		for (size_t part = from; part <= size; part++) {  /* with what may have come too early */
			assert_int_equal(ask_with(&either, bytes, part, false, false, &answer), STATUS_MORE);
			assert_int_equal(answer.reply.size, strlen(bare_answer));
			assert_memory_equal(answer.reply.at, bare_answer, strlen(bare_answer));
			assert_int_equal(answer.wait.ns, DURATION_S(1).ns);
		}
		for (size_t part = from; part <= size && status == STATUS_MORE; part++)
			status = ask_with(&either, bytes, part, true, false, &answer);
		assert_told(&firsts[i], status, &answer);
		status = ask_with(&either, bytes, size, true, true, &answer);
		if (!firsts[i].told_by_time)
			assert_told(&firsts[i], status, &answer);
		else
			assert_told(&firsts[1], status, &answer);
	}
}

/* Half a header is not nothing, however long it takes. */
static void a_part_of_a_message_is_waited_for(void **state)
{
	const struct gateway_detector either = with_transports(&both, 7);
	char bytes[1024] = WSS("/x") "\r\n\x82\x82";
	struct detect_answer answer;
	size_t size = strlen(bytes);
	for (size_t part = size - 1; part <= size; part++)
		assert_int_equal(ask_with(&either, bytes, part, true, true, &answer), STATUS_MORE);
	assert_int_equal(ask_with(&either, bytes, size - 2, true, true, &answer), STATUS_OK);
	is_wss(&answer, true);
}

static void pings_do_not_go_on_for_ever(void **state)
{
	const struct gateway_detector either = with_transports(&both, 7);
	static char bytes[DETECT_BYTES_MAX] = WSS("/x") "\r\n";
	struct detect_answer answer;
	size_t size = strlen(bytes);
	for (int i = 0; i < 100; i++)
		put_frame(bytes, &size, 0x89, "", 0);
	assert_int_equal(ask_with(&either, bytes, size, true, false, &answer), STATUS_PROTOCOL);
}

/* Where both are served, what says at once who it is does not wait. */
static void some_paths_and_heads_tell_at_once(void **state)
{
	struct gateway_detector either = with_transports(&both, 7);
	struct gateway_detector apart = with_transports(&own, 7);
	goes_to(&either, WSS("/socket") "\r\n", LINK);
	goes_to(&either, WSS("/socket/x") "\r\n", LINK);
	goes_to(&either, WSS("/x") "X-Tunnel-Features: credit\r\n\r\n", LINK);
	goes_to(&either, WSS("/x") "Origin: https://c.example\r\n\r\n", FOREIGN);
	goes_to(&either, "GET /x HTTP/1.1\r\nHost: h\r\n\r\n", LOST);
	goes_to(&apart, WSS("/x") "\r\n", LOST);
	either.tls_tunnel_wire = NULL;
	goes_to(&either, WSS("/x") "\r\n", LINK);
}

/* ---- transports and proxies ---- */

static void transports_that_are_off(void **state)
{
	const struct gateway_detector none = with_transports(&gateway, 0);
	struct detect_answer answer;
	assert_int_equal(ask_of(&none, NULL, "\0\2\0\1", 4, &answer), STATUS_PROTOCOL);
	assert_non_null(strstr(answer.refusal, "transports"));
	assert_verdict(H2, ask_of(&none, "h2", "x", 1, &answer), &answer);
	goes_to(&none, WSS("/") "\r\n", LOST);
}

static void http2(void **state)
{
	struct gateway_detector all = with_transports(&gateway, 7);
	struct detect_answer answer;
	for (int clear = 0; clear < 2; clear++) {
		all.clear = clear;
		assert_int_equal(ask_of(&all, "h2", "", 0, &answer), STATUS_OK);
		assert_ptr_equal(answer.carrier, &carrier_http2);
		assert_int_equal(ask_of(&all, NULL, "PRI *", 5, &answer), STATUS_MORE);
		assert_int_equal(ask_of(&all, "", "PRI * HTTP/2.0", 14, &answer), STATUS_OK);
		assert_ptr_equal(answer.carrier, &carrier_http2);
		assert_ptr_equal(answer.wire, &wire_tls_tunnel);
	}
	all.tls_tunnel_wire = NULL;
	assert_int_equal(ask_of(&all, "h2", "", 0, &answer), STATUS_PROTOCOL);
}

static void behind_a_proxy(void **state)
{
	struct gateway_detector clear = with_transports(&gateway, 7);
	struct detect_answer answer;
	clear.clear = true;
	assert_int_equal(ask_of(&clear, NULL, "\0\2\0\1", 4, &answer), STATUS_PROTOCOL);
	assert_non_null(strstr(answer.refusal, "needs TLS"));
	assert_int_equal(ask_of(&clear, NULL, "\x16\3\1", 3, &answer), STATUS_PROTOCOL);
	assert_int_equal(ask_of(&clear, NULL, WSS("/") "\r\n", sizeof(WSS("/")) + 1, &answer), STATUS_OK);
	is_wss(&answer, false);
}

static void older_generations(void **state)
{
	struct detect_answer answer;
	assert_verdict(TUNNEL, ask_of(&gateway, NULL, "\0\0\0\x10", 4, &answer), &answer);
	assert_verdict(TUNNEL, ask_of(&gateway, NULL, "\0", 1, &answer), &answer);
}

static void sources(void **state)
{
	static const struct { const char *field; const char *told; } cases[] = {
	    {"", ""},
	    {"X-Forwarded-For: 198.51.100.7\r\n", "198.51.100.7"},
	    {"X-Forwarded-For: 6.6.6.6, 198.51.100.7\r\n", "198.51.100.7"},
	    {"X-Forwarded-For: 6.6.6.6\r\nx-forwarded-for: 2001:db8::1\r\n", "2001:db8::1"},
	    {"X-Forwarded-For: 6.6.6.6, \r\n", ""},
	    {"X-Forwarded-For: nobody\r\n", ""},
	    {"X-Forwarded-For: unix:/etc\r\n", ""},
	};
	struct gateway_detector clear = with_transports(&gateway, 7), trusting = clear;
	const struct cidr range = {.family = ADDRESS_IPV4, .prefix = 24, .bytes = {203, 0, 113}};
	trusting.trusted_proxies = &range;
	trusting.trusted_proxy_count = 1;
	clear.clear = true;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		char head[512];
		snprintf(head, sizeof head, WSS("/") "%s\r\n", cases[i].field);
		struct detect_question question = {.peer = &home, .first = slice_of(head)};
		struct detect_answer answer = {0};
		assert_int_equal(clear.detector.detect(&clear.detector, &question, &answer), STATUS_OK);
		assert_true(slice_is(answer.source, cases[i].told));
		assert_int_equal(trusting.detector.detect(&trusting.detector, &question, &answer), STATUS_OK);
		assert_int_equal(answer.source.size, 0);
		question.peer = &stranger;
		assert_int_equal(clear.detector.detect(&clear.detector, &question, &answer), STATUS_OK);
		assert_int_equal(answer.source.size, 0);
		assert_int_equal(trusting.detector.detect(&trusting.detector, &question, &answer), STATUS_OK);
		assert_true(slice_is(answer.source, cases[i].told));
	}
}

/* A head that never ends is the HTTP wire's to refuse. */
static void long_heads(void **state)
{
	static char head[HTTP1_HEAD_MAX];
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
	    cmocka_unit_test(wss_alone),
	    cmocka_unit_test(the_first_message_tells),
	    cmocka_unit_test(a_part_of_a_message_is_waited_for),
	    cmocka_unit_test(pings_do_not_go_on_for_ever),
	    cmocka_unit_test(some_paths_and_heads_tell_at_once),
	    cmocka_unit_test(transports_that_are_off),
	    cmocka_unit_test(http2), cmocka_unit_test(behind_a_proxy),
	    cmocka_unit_test(older_generations),
	    cmocka_unit_test(sources),
	    cmocka_unit_test(long_heads),
	    cmocka_unit_test(always_decided),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
