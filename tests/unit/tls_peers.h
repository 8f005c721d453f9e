/* tests/unit/tls_peers.h - two tls ends in memory, and the wire between them in pieces of any size.
 *
 * Owner: the test. Everything is checked on the way: a pool that does not come home fails the test in
 * peers_end. Used by tls_test.c, tls_trust_test.c and tls_faults_test.c.
 */
#ifndef TESTS_UNIT_TLS_PEERS_H
#define TESTS_UNIT_TLS_PEERS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include "tls/tls.h"
#include "tls_fixtures.h"

#include <cmocka.h>

#define PEM(name) ((struct slice){(const uint8_t *)(name), sizeof(name) - 1})

enum { PEERS_WIRE_MAX = 1024 * 1024, PEERS_PIECES = 64 };

struct peers {
	struct bufpool bufs;
	struct tls_settings client_settings, server_settings;
	struct tls_endpoint *client_endpoint, *server_endpoint;
	struct tls *client, *server;
	size_t chunk; /* bytes of one delivery; 0: random sizes */
	uint64_t seed;
	uint64_t digest; /* of all that went over the wire */
	size_t crossed;	 /* bytes that went over the wire */
};

static inline void seeded_random(void *state, uint8_t *bytes, size_t size)
{
	uint64_t *seed = state;
	for (size_t i = 0; i < size; i++)
		bytes[i] = (uint8_t)(random_next(seed) >> 32);
}

static inline void library_begin(enum tls_crypto crypto)
{
	struct tls_library_options options = {.crypto = crypto};
	char why[TLS_TEXT_SIZE];

	if (tls_library_start(&options, why) != STATUS_OK)
		fail_msg("%s", why);
}

static inline int library_setup(void **state)
{
	library_begin(TLS_CRYPTO_AUTO);
	return 0;
}

/* Skips the program where there is no record path. */
static inline int library_setup_fast(void **state)
{
	library_begin(TLS_CRYPTO_AUTO);
	if (!tls_library_is_fast())
		exit(77);
	return 0;
}

static inline int library_teardown(void **state)
{
	tls_library_stop();
	return 0;
}

/* The usual pair: a server with `leaf`, a client that trusts `root`. */
static inline void peers_init(struct peers *peers)
{
	memset(peers, 0, sizeof *peers);
	bufpool_init(&peers->bufs, 64, 64 * 1024 * 1024);
	peers->chunk = 65536;
	peers->server_settings =
	    (struct tls_settings){.server = true, .certificate = PEM(leaf_certificate), .key = PEM(leaf_key)};
	peers->client_settings = (struct tls_settings){.anchors = PEM(root_certificate)};
}

/* Both ends leave their bulk records to wolfSSL. */
static inline void peers_use_library(struct peers *peers)
{
	peers->client_settings.library_records = peers->server_settings.library_records = true;
}

static inline void peers_endpoints(struct peers *peers)
{
	char why[TLS_TEXT_SIZE];

	peers->server_endpoint = tls_endpoint_create(&peers->server_settings, why);
	if (!peers->server_endpoint)
		fail_msg("server: %s", why);
	peers->client_endpoint = tls_endpoint_create(&peers->client_settings, why);
	if (!peers->client_endpoint)
		fail_msg("client: %s", why);
}

static inline void peers_connect(struct peers *peers, const char *host)
{
	peers->client = tls_create(peers->client_endpoint, &peers->bufs, host);
	peers->server = tls_create(peers->server_endpoint, &peers->bufs, NULL);
	assert_non_null(peers->client);
	assert_non_null(peers->server);
}

static inline void peers_begin(struct peers *peers, const char *host)
{
	peers_endpoints(peers);
	peers_connect(peers, host);
}

static inline void peers_disconnect(struct peers *peers)
{
	tls_destroy(peers->client);
	tls_destroy(peers->server);
	peers->client = peers->server = NULL;
}

static inline void peers_end(struct peers *peers)
{
	peers_disconnect(peers);
	tls_endpoint_destroy(peers->client_endpoint);
	tls_endpoint_destroy(peers->server_endpoint);
	assert_int_equal(peers->bufs.used, 0);
	assert_int_equal(peers->bufs.bytes, 0);
	bufpool_fini(&peers->bufs);
}

static inline void give(struct tls *tls, struct bufpool *bufs, const void *bytes, size_t size)
{
	struct buf *buf = buf_acquire(bufs, size);

	assert_non_null(buf);
	memcpy(buf->bytes, bytes, size);
	buf->used = (uint32_t)size;
	tls_wire_in(tls, buf);
}

/* Everything of one wire_out, acknowledged, into memory. */
static inline size_t collect(struct tls *tls, uint8_t *to, size_t max)
{
	struct piece pieces[PEERS_PIECES];
	size_t total = 0, count;

	while ((count = tls_wire_out(tls, pieces, PEERS_PIECES))) {
		size_t size = 0;
		for (size_t i = 0; i < count; i++) {
			assert_true(pieces[i].bytes.size > 0 && total + size + pieces[i].bytes.size <= max);
			memcpy(to + total + size, pieces[i].bytes.at, pieces[i].bytes.size);
			size += pieces[i].bytes.size;
		}
		tls_wire_ack(tls, size);
		total += size;
	}
	return total;
}

/* One way over the wire. Returns how many bytes went. */
static inline size_t carry(struct peers *peers, struct tls *from, struct tls *to)
{
	static _Thread_local uint8_t wire[PEERS_WIRE_MAX];
	size_t total = collect(from, wire, sizeof wire), at = 0;

	for (size_t i = 0; i < total; i++)
		peers->digest = (peers->digest ^ wire[i]) * 0x100000001b3u;
	peers->crossed += total;
	while (at < total) {
		size_t step = peers->chunk ? peers->chunk : 1 + random_next(&peers->seed) % 5000;
		step = size_min(step, total - at);
		give(to, &peers->bufs, wire + at, step);
		at += step;
	}
	return total;
}

/* Both ways until the handshake is over, one way or the other. */
static inline void shake(struct peers *peers)
{
	tls_wire_in(peers->client, NULL);
	while (carry(peers, peers->client, peers->server) + carry(peers, peers->server, peers->client))
		;
}

static inline void assert_open(struct peers *peers)
{
	if (tls_state(peers->client) != TLS_OPEN || tls_state(peers->server) != TLS_OPEN)
		fail_msg("client: %s; server: %s", tls_text(peers->client), tls_text(peers->server));
}

static inline enum status put(struct tls *tls, const void *bytes, size_t size)
{
	struct piece piece = {NULL, {bytes, size}};
	return tls_plain_in(tls, &piece, 1);
}

/* All plaintext that is there now; returns how many bytes, and the last status. */
static inline size_t take(struct tls *tls, uint8_t *to, size_t max, enum status *last)
{
	size_t total = 0;
	struct piece piece;

	while ((*last = tls_plain_out(tls, &piece)) == STATUS_OK) {
		assert_true(piece.bytes.size > 0 && total + piece.bytes.size <= max);
		assert_true(piece.bytes.at >= piece.buf->bytes);
		assert_true(piece.bytes.at + piece.bytes.size <= piece.buf->bytes + piece.buf->used);
		memcpy(to + total, piece.bytes.at, piece.bytes.size);
		total += piece.bytes.size;
		buf_unref(piece.buf);
	}
	return total;
}

/* A short text each way arrives. */
static inline void assert_talks(struct peers *peers)
{
	uint8_t got[64];
	enum status last;

	assert_int_equal(put(peers->client, "ping", 4), STATUS_OK);
	carry(peers, peers->client, peers->server);
	assert_int_equal(take(peers->server, got, sizeof got, &last), 4);
	assert_memory_equal(got, "ping", 4);
	assert_int_equal(put(peers->server, "pong!", 5), STATUS_OK);
	carry(peers, peers->server, peers->client);
	assert_int_equal(take(peers->client, got, sizeof got, &last), 5);
	assert_memory_equal(got, "pong!", 5);
	assert_int_equal(last, STATUS_MORE);
}

#endif
