/* tls/digest.c - SHA-1 and SHA-256 by the TLS library; see core/digest.h. */
#include "core/digest.h"

#include "tls/inside.h"

#include <wolfssl/wolfcrypt/hash.h>

/* The library counts in 32 bits, and more than that is never named by a digest. */
static word32 size_of(struct slice bytes)
{
	check(bytes.size <= UINT32_MAX);
	return (word32)bytes.size;
}

void digest_sha1(struct slice bytes, uint8_t digest[SHA1_SIZE])
{
	check(wc_ShaHash(bytes.at, size_of(bytes), digest) == 0);
}

void digest_sha256(struct slice bytes, uint8_t digest[SHA256_SIZE])
{
	check(wc_Sha256Hash(bytes.at, size_of(bytes), digest) == 0);
}

void digest_sha256_hex(struct slice bytes, char hex[SHA256_HEX_SIZE])
{
	static const char digits[] = "0123456789abcdef";
	uint8_t digest[SHA256_SIZE];
	digest_sha256(bytes, digest);
	for (size_t i = 0; i < sizeof digest; i++) {
		hex[2 * i] = digits[digest[i] >> 4];
		hex[2 * i + 1] = digits[digest[i] & 15];
	}
	hex[SHA256_HEX_SIZE - 1] = 0;
}
