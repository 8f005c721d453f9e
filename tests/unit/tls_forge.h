/* tests/unit/tls_forge.h - seals records of TLS 1.3 with AES-GCM as a peer would that has the keys and no
 * manners: any type, any padding, any length. Owner: the test. It computes with wolfSSL's own AES, so that
 * nothing of what is tested takes part.
 */
#ifndef TESTS_UNIT_TLS_FORGE_H
#define TESTS_UNIT_TLS_FORGE_H

#include "tls/inside.h"

#include <wolfssl/wolfcrypt/aes.h>

enum {
	FORGE_OVERHEAD = 5 + 16,
	FORGE_RECORD_MAX = FORGE_OVERHEAD + 2 * TLS_RECORD_MAX,
	FORGE_ALERT = 21,
	FORGE_HANDSHAKE = 22,
	FORGE_DATA = 23,
};

/* One direction. */
struct forge {
	uint8_t key[32], iv[12];
	uint32_t key_size;
	uint64_t sequence;
};

/* What a peer made of wolfSSL alone would seal next. */
static inline struct forge forge_of(WOLFSSL *ssl, bool server)
{
	struct forge forge = {.key_size = (uint32_t)wolfSSL_GetKeySize(ssl)};
	word64 sequence = 0;

	memcpy(forge.key, server ? wolfSSL_GetServerWriteKey(ssl) : wolfSSL_GetClientWriteKey(ssl),
	       forge.key_size);
	memcpy(forge.iv, server ? wolfSSL_GetServerWriteIV(ssl) : wolfSSL_GetClientWriteIV(ssl), 12);
	check(wolfSSL_GetSequenceNumber(ssl, &sequence) >= 0);
	forge.sequence = sequence;
	return forge;
}

/* `inner` as it is: content, type byte, padding. Returns the size of the record. */
static inline size_t forge_seal(struct forge *forge, struct slice inner, uint8_t record[FORGE_RECORD_MAX])
{
	size_t length = inner.size + 16;
	uint8_t nonce[12];
	Aes aes;

	memcpy(nonce, forge->iv, sizeof nonce);
	for (int i = 0; i < 8; i++)
		nonce[11 - i] ^= (uint8_t)(forge->sequence >> (8 * i));
	forge->sequence++;
	memcpy(record, (uint8_t[]){FORGE_DATA, 3, 3, (uint8_t)(length >> 8), (uint8_t)length}, 5);
	check(wc_AesInit(&aes, NULL, INVALID_DEVID) == 0);
	check(wc_AesGcmSetKey(&aes, forge->key, forge->key_size) == 0);
	check(wc_AesGcmEncrypt(&aes, record + 5, inner.at, (word32)inner.size, nonce, 12,
			       record + 5 + inner.size, 16, record, 5) == 0);
	wc_AesFree(&aes);
	return 5 + length;
}

/* The content with its type, and `padding` zeros behind. */
static inline size_t forge_record(struct forge *forge, uint8_t type, struct slice content, size_t padding,
				  uint8_t record[FORGE_RECORD_MAX])
{
	static _Thread_local uint8_t inner[2 * TLS_RECORD_MAX];

	check(content.size + 1 + padding <= sizeof inner);
	if (content.size)
		memcpy(inner, content.at, content.size);
	inner[content.size] = type;
	memset(inner + content.size + 1, 0, padding);
	return forge_seal(forge, (struct slice){inner, content.size + 1 + padding}, record);
}

#endif
