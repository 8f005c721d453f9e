/* tests/unit/digest_test.c - digests by their published vectors, before the library is started: a
 * configuration names things by them while it is read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/digest.h"
#include "tls/tls.h"

static const struct {
	const char *text, *sha256;
	uint8_t sha1[SHA1_SIZE];
} vectors[] = {
    {"",
     "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
     {0xda, 0x39, 0xa3, 0xee, 0x5e, 0x6b, 0x4b, 0x0d, 0x32, 0x55,
      0xbf, 0xef, 0x95, 0x60, 0x18, 0x90, 0xaf, 0xd8, 0x07, 0x09}},
    {"abc",
     "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
     {0xa9, 0x99, 0x3e, 0x36, 0x47, 0x06, 0x81, 0x6a, 0xba, 0x3e,
      0x25, 0x71, 0x78, 0x50, 0xc2, 0x6c, 0x9c, 0xd0, 0xd8, 0x9d}},
    {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
     "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
     {0x84, 0x98, 0x3e, 0x44, 0x1c, 0x3b, 0xd2, 0x6e, 0xba, 0xae,
      0x4a, 0xa1, 0xf9, 0x51, 0x29, 0xe5, 0xe5, 0x46, 0x70, 0xf1}},
    /* RFC 6455, 4.2.2: what a server proves */
    {"dGhlIHNhbXBsZSBub25jZQ==258EAFA5-E914-47DA-95CA-C5AB0DC85B11",
     NULL,
     {0xb3, 0x7a, 0x4f, 0x2c, 0xc0, 0x62, 0x4f, 0x16, 0x90, 0xf6,
      0x46, 0x06, 0xcf, 0x38, 0x59, 0x45, 0xb2, 0xbe, 0xc4, 0xea}},
};

static void digest_all(void)
{
	for (size_t i = 0; i < COUNT_OF(vectors); i++) {
		uint8_t digest[SHA256_SIZE];
		char hex[SHA256_HEX_SIZE];
		digest_sha1(slice_of(vectors[i].text), digest);
		assert_memory_equal(digest, vectors[i].sha1, SHA1_SIZE);
		if (!vectors[i].sha256)
			continue;
		digest_sha256_hex(slice_of(vectors[i].text), hex);
		assert_string_equal(hex, vectors[i].sha256);
		digest_sha256(slice_of(vectors[i].text), digest);
		for (size_t byte = 0; byte < sizeof digest; byte++)
			assert_int_equal(digest[byte],
					 strtol((char[]){hex[2 * byte], hex[2 * byte + 1], 0}, NULL, 16));
	}
}

static void before_the_library_starts(void **state) { digest_all(); }

static void with_the_library(void **state)
{
	char why[TLS_TEXT_SIZE];
	assert_int_equal(tls_library_start(&(struct tls_library_options){0}, why), STATUS_OK);
	digest_all();
	tls_library_stop();
	digest_all();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(before_the_library_starts),
	    cmocka_unit_test(with_the_library),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
