/* tests/unit/tls_raw.h - a peer made of wolfSSL alone, for what our own ends never do: other versions, key
 * updates at will, forged records. Owner: the test. Its wire is two arrays of bytes.
 */
#ifndef TESTS_UNIT_TLS_RAW_H
#define TESTS_UNIT_TLS_RAW_H

#include "tls_peers.h"

#include <wolfssl/options.h>
#include <wolfssl/ssl.h>

enum { RAW_WIRE_MAX = 2 * 1024 * 1024 };

struct raw {
	WOLFSSL_CTX *shared;
	WOLFSSL *ssl;
	uint8_t *in, *out;
	size_t in_at, in_used, out_used;
};

static inline int raw_recv(WOLFSSL *ssl, char *bytes, int size, void *owner)
{
	struct raw *raw = owner;
	size_t count = size_min((size_t)size, raw->in_used - raw->in_at);

	if (!count)
		return WOLFSSL_CBIO_ERR_WANT_READ;
	memcpy(bytes, raw->in + raw->in_at, count);
	raw->in_at += count;
	return (int)count;
}

static inline int raw_send(WOLFSSL *ssl, char *bytes, int size, void *owner)
{
	struct raw *raw = owner;

	assert_true(raw->out_used + (size_t)size <= RAW_WIRE_MAX);
	memcpy(raw->out + raw->out_used, bytes, (size_t)size);
	raw->out_used += (size_t)size;
	return size;
}

static inline void raw_begin(struct raw *raw, WOLFSSL_METHOD *method, bool server)
{
	memset(raw, 0, sizeof *raw);
	raw->in = malloc(RAW_WIRE_MAX);
	raw->out = malloc(RAW_WIRE_MAX);
	raw->shared = wolfSSL_CTX_new(method);
	assert_non_null(raw->shared);
	wolfSSL_CTX_set_verify(raw->shared, WOLFSSL_VERIFY_NONE, NULL);
	wolfSSL_CTX_SetIORecv(raw->shared, raw_recv);
	wolfSSL_CTX_SetIOSend(raw->shared, raw_send);
	if (server) {
		struct slice certificate = PEM(leaf_certificate), key = PEM(leaf_key);
		wolfSSL_CTX_use_certificate_chain_buffer(raw->shared, certificate.at, (long)certificate.size);
		wolfSSL_CTX_use_PrivateKey_buffer(raw->shared, key.at, (long)key.size, WOLFSSL_FILETYPE_PEM);
	}
}

static inline void raw_open(struct raw *raw)
{
	raw->ssl = wolfSSL_new(raw->shared);
	assert_non_null(raw->ssl);
	wolfSSL_SetIOReadCtx(raw->ssl, raw);
	wolfSSL_SetIOWriteCtx(raw->ssl, raw);
}

static inline void raw_end(struct raw *raw)
{
	wolfSSL_free(raw->ssl);
	wolfSSL_CTX_free(raw->shared);
	free(raw->in);
	free(raw->out);
}

/* What our end has to say, to the raw one. */
static inline void raw_hear(struct raw *raw, struct tls *tls)
{
	raw->in_used += collect(tls, raw->in + raw->in_used, RAW_WIRE_MAX - raw->in_used);
}

/* What the raw one said, to our end, `chunk` bytes at a time. */
static inline void raw_say(struct raw *raw, struct tls *tls, struct bufpool *bufs, size_t chunk)
{
	for (size_t at = 0; at < raw->out_used; at += chunk)
		give(tls, bufs, raw->out + at, size_min(chunk, raw->out_used - at));
	raw->out_used = 0;
}

static inline bool raw_shake(struct raw *raw, struct tls *tls, struct bufpool *bufs, bool raw_is_server,
			     size_t chunk)
{
	int result = 0;

	if (raw_is_server)
		tls_wire_in(tls, NULL);
	for (int i = 0; i < 10; i++) {
		raw_hear(raw, tls);
		if (result != WOLFSSL_SUCCESS)
			result = raw_is_server ? wolfSSL_accept(raw->ssl) : wolfSSL_connect(raw->ssl);
		raw_say(raw, tls, bufs, chunk);
	}
	return result == WOLFSSL_SUCCESS && tls_state(tls) == TLS_OPEN;
}

#endif
