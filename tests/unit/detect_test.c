/* tests/unit/detect_test.c - the first bytes of a connection on the gateway's port, whole and one by one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "protocols/detect.h"
#include "protocols/tls_tunnel/wire.h"

static const struct role role = {.name = "gateway"};
static const struct gateway_detector gateway = {.detector = {gateway_detect},
						.tls_tunnel_wire = &wire_tls_tunnel,
						.tls_tunnel_role = &role,
						.tls_tunnel_service = 3};

enum verdict { TUNNEL, OLD, HTTP, H2, SOCKS, NONE };

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
    VECTOR("GET / HTTP/1.1\r\n", HTTP, 4),
    VECTOR("POST /x HTTP/1.1\r\n", HTTP, 5),
    VECTOR("CONNECT a:1 HTTP/1.1\r\n", HTTP, 8),
    VECTOR("PATCH / HTTP/1.1\r\n", HTTP, 6),
    VECTOR("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", H2, 6),
    VECTOR("PRIX", NONE, 4),
    VECTOR("GETX / HTTP", NONE, 4),
    VECTOR("\x05\x01\x00", SOCKS, 1),
    VECTOR("\x16\x03\x01\x02\x00", NONE, 1),
    VECTOR("SSH-2.0-OpenSSH", NONE, 1),
    VECTOR("get / http", NONE, 1),
    VECTOR("\xff", NONE, 1),
};

static enum status ask(const char *alpn, const void *bytes, size_t size, struct detect_answer *answer)
{
	*answer = (struct detect_answer){0};
	return gateway.detector.detect(&gateway.detector, alpn, (struct slice){bytes, size}, answer);
}

static void assert_verdict(enum verdict verdict, enum status status, const struct detect_answer *answer)
{
	static const char *const words[] = {"", "1.4", "HTTP", "HTTP/2", "SOCKS5", "not a protocol"};
	if (verdict == TUNNEL) {
		assert_int_equal(status, STATUS_OK);
		assert_ptr_equal(answer->wire, &wire_tls_tunnel);
		assert_ptr_equal(answer->carrier, &carrier_raw);
		assert_ptr_equal(answer->role, &role);
		assert_int_equal(answer->service, 3);
		return;
	}
	assert_int_equal(status, STATUS_PROTOCOL);
	assert_non_null(strstr(answer->refusal, words[verdict]));
	assert_int_equal(answer->reply.size > 0, verdict == HTTP);
	if (verdict == HTTP)
		assert_memory_equal(answer->reply.at, "HTTP/1.1 404 Not Found\r\n", 24);
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
	    cmocka_unit_test(always_decided),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
