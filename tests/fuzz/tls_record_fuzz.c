/* tests/fuzz/tls_record_fuzz.c - a server that is fed arbitrary bytes: from the first one on, in the middle
 * of the handshake, or after it; in pieces whose sizes come from the input too. What must hold: no fault,
 * every buffer comes home, and no plaintext comes out of bytes that nobody sealed.
 */
#include <stdlib.h>

#include "tls/tls.h"
#include "../unit/tls_fixtures.h"

#define PEM(name) ((struct slice){(const uint8_t *)(name), sizeof(name) - 1})

static struct tls_settings server_settings = {.server = true, .tls12 = true}, client_settings;
static struct tls_endpoint *server_endpoint, *client_endpoint;

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void seeded_random(void *state, uint8_t *bytes, size_t size)
{
	static uint64_t seed = 1;
	for (size_t i = 0; i < size; i++)
		bytes[i] = (uint8_t)random_next(&seed);
}

static void start(void)
{
	struct tls_library_options options = {.random = seeded_random};
	char why[TLS_TEXT_SIZE];

	check(tls_library_start(&options, why) == STATUS_OK);
	server_settings.certificate = PEM(leaf_certificate);
	server_settings.key = PEM(leaf_key);
	client_settings.anchors = PEM(root_certificate);
	server_endpoint = tls_endpoint_create(&server_settings, why);
	client_endpoint = tls_endpoint_create(&client_settings, why);
	check(server_endpoint && client_endpoint);
}

static void feed(struct tls *tls, struct bufpool *bufs, const uint8_t *bytes, size_t size)
{
	struct buf *buf = buf_acquire(bufs, size);

	check(buf);
	memcpy(buf->bytes, bytes, size);
	buf->used = (uint32_t)size;
	tls_wire_in(tls, buf);
}

static void carry(struct tls *from, struct tls *to, struct bufpool *bufs)
{
	struct piece piece;

	while (tls_wire_out(from, &piece, 1)) {
		if (to)
			feed(to, bufs, piece.bytes.at, piece.bytes.size);
		tls_wire_ack(from, piece.bytes.size);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct bufpool bufs;
	struct piece piece;

	if (!server_endpoint)
		start();
	if (size < 2)
		return 0;
	unsigned flights = bytes[0] % 4;
	size_t chunk = bytes[1] ? bytes[1] : 65536;
	bytes += 2;
	size -= 2;
	bufpool_init(&bufs, 16, 16 * 1024 * 1024);
	struct tls *server = tls_create(server_endpoint, &bufs, NULL);
	struct tls *client = tls_create(client_endpoint, &bufs, "gw.example");
	check(server && client);
	if (flights)
		tls_wire_in(client, NULL);
	for (unsigned i = 0; i < flights; i++)
		carry(i & 1 ? server : client, i & 1 ? client : server, &bufs);
	for (size_t at = 0; at < size; at += chunk) {
		feed(server, &bufs, bytes + at, size_min(chunk, size - at));
		check(tls_plain_out(server, &piece) != STATUS_OK);
		tls_wants(server);
		carry(server, NULL, &bufs);
	}
	tls_wire_end(server);
	check(tls_plain_out(server, &piece) == STATUS_IO);
	tls_destroy(server);
	tls_destroy(client);
	bufpool_fini(&bufs);
	return 0;
}
