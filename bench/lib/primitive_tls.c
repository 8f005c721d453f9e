/* bench/lib/primitive_tls.c - records sealed and opened, by the record path and by the library; see
 * primitive.h.
 *
 * The plaintext stays the same, so it is in the CPU's cache, as what was received a moment ago is in a relay.
 * What is opened arrives as from the kernel: in receive buffers, records as they fall.
 */
#include <stdio.h>
#include <time.h>

#include "bench/lib/primitive.h"
#include "tls/tls.h"

enum { PARTS = 64, DAYS = 2, RECEIVE_BUFFERS = 64 };

static struct tls_certificate certificate;
static struct tls_settings settings[2]; /* client, server */
static struct tls_endpoint *endpoints[2];
static struct tls *ends[2];
static struct bufpool pool;
static uint8_t plain[TLS_RECORD_MAX];

static struct tls *client(void) { return ends[0]; }
static struct tls *server(void) { return ends[1]; }

/* Into receive buffers, each filled to its end. */
static void receive(struct bufqueue *arrived, struct slice bytes)
{
	while (bytes.size > 0) {
		struct buf *last = arrived->last;
		if (last == NULL || last->used == last->size) {
			last = buf_receive(&pool);
			check(last != NULL);
			bufqueue_push(arrived, last);
		}
		size_t step = size_min(bytes.size, last->size - last->used);
		memcpy(last->bytes + last->used, bytes.at, step);
		last->used += (uint32_t)step;
		arrived->bytes += step;
		bytes.at += step;
		bytes.size -= step;
	}
}

/* The ciphertext of one end as a socket would have it. */
static struct bufqueue carry(struct tls *from)
{
	struct piece pieces[PARTS];
	struct bufqueue arrived = {0};
	size_t count;

	while ((count = tls_wire_out(from, pieces, PARTS)) > 0) {
		size_t size = 0;
		for (size_t i = 0; i < count; i++) {
			receive(&arrived, pieces[i].bytes);
			size += pieces[i].bytes.size;
		}
		tls_wire_ack(from, size);
	}
	return arrived;
}

static void take_plain(struct tls *tls)
{
	struct piece piece;

	while (tls_plain_out(tls, &piece) == STATUS_OK)
		buf_unref(piece.buf);
}

static void take(struct tls *tls, struct bufqueue *arrived)
{
	struct buf *buf;

	while ((buf = bufqueue_pull(arrived)) != NULL) {
		tls_wire_in(tls, buf);
		take_plain(tls);
	}
}

/* Everything that waits, both ways: a handshake, tickets, key updates. */
static void settle(void)
{
	for (bool moved = true; moved;) {
		moved = false;
		for (int i = 0; i < 2; i++) {
			struct bufqueue arrived = carry(ends[i]);
			moved = moved || arrived.count > 0;
			take(ends[!i], &arrived);
		}
	}
}

static bool connect_ends(char why[PRIMITIVE_TEXT_SIZE])
{
	for (int i = 0; i < 2; i++) {
		endpoints[i] = tls_endpoint_create(&settings[i], why);
		if (endpoints[i] == NULL)
			return false;
		ends[i] = tls_create(endpoints[i], &pool, i == 0 ? "localhost" : NULL);
		check(ends[i] != NULL);
	}
	tls_wire_in(client(), NULL);
	settle();
	if (tls_state(client()) == TLS_OPEN && tls_state(server()) == TLS_OPEN)
		return true;
	snprintf(why, PRIMITIVE_TEXT_SIZE, "the handshake failed: %s%s", tls_text(client()),
		 tls_text(server()));
	return false;
}

static void close_ends(const struct primitive *primitive)
{
	for (int i = 0; i < 2; i++) {
		tls_destroy(ends[i]);
		if (endpoints[i] != NULL)
			tls_endpoint_destroy(endpoints[i]);
		ends[i] = NULL;
		endpoints[i] = NULL;
	}
	bufpool_fini(&pool);
}

static bool make_settings(char why[PRIMITIVE_TEXT_SIZE])
{
	const char *const hosts[] = {"localhost"};

	if (certificate.certificate[0] == 0 &&
	    tls_certificate_make(&certificate, hosts, 1, time(NULL), DAYS, why) != STATUS_OK)
		return false;
	settings[0] = (struct tls_settings){.has_pin = true};
	settings[1] = (struct tls_settings){.server = true,
					    .certificate = slice_of(certificate.certificate),
					    .key = slice_of(certificate.key)};
	return pin_parse(certificate.pin, settings[0].pin);
}

static bool open_ends(const struct primitive *primitive, char why[PRIMITIVE_TEXT_SIZE])
{
	struct tls_facts facts;

	if (!tls_library_is_fast()) {
		snprintf(why, PRIMITIVE_TEXT_SIZE, "no ipsec-mb: %s", tls_library_text());
		return false;
	}
	if (!make_settings(why))
		return false;
	settings[0].library_records = settings[1].library_records = primitive->library;
	bufpool_init(&pool, RECEIVE_BUFFERS, 64 << 20);
	if (!connect_ends(why)) {
		close_ends(primitive);
		return false;
	}
	tls_facts(client(), &facts);
	check((strcmp(facts.path, "library") == 0) == primitive->library);
	return true;
}

/* As many records as wait to be sent at most. */
static uint32_t fill(const struct primitive *primitive)
{
	struct piece part = {NULL, {plain, primitive->size}};
	uint32_t count = 0;

	while (tls_plain_in(client(), &part, 1) == STATUS_OK)
		count++;
	check(tls_state(client()) == TLS_OPEN);
	return count;
}

static int64_t seal(const struct primitive *primitive, uint32_t *count)
{
	int64_t begin = primitive_cpu_ns();

	*count = fill(primitive);
	int64_t took = primitive_cpu_ns() - begin;
	settle();
	return took;
}

static int64_t open_records(const struct primitive *primitive, uint32_t *count)
{
	*count = fill(primitive);
	struct bufqueue arrived = carry(client());
	int64_t begin = primitive_cpu_ns();
	take(server(), &arrived);
	int64_t took = primitive_cpu_ns() - begin;
	check(tls_state(server()) == TLS_OPEN);
	settle();
	return took;
}

#define SEAL(name_, size_, library_)                                                                         \
	{                                                                                                    \
		.name = (name_), .size = (size_), .touched = true, .library = (library_), .open = open_ends, \
		.batch = seal, .close = close_ends                                                           \
	}
#define OPEN(name_, size_, library_)                                                                         \
	{                                                                                                    \
		.name = (name_), .size = (size_), .touched = true, .library = (library_), .open = open_ends, \
		.batch = open_records, .close = close_ends                                                   \
	}

static const struct primitive all[] = {
    SEAL("seal-16384", 16384, false),
    SEAL("seal-1024", 1024, false),
    SEAL("seal-64", 64, false),
    OPEN("open-16384", 16384, false),
    OPEN("open-1024", 1024, false),
    OPEN("open-64", 64, false),
    SEAL("library-seal-16384", 16384, true),
    SEAL("library-seal-1024", 1024, true),
    SEAL("library-seal-64", 64, true),
    OPEN("library-open-16384", 16384, true),
    OPEN("library-open-1024", 1024, true),
    OPEN("library-open-64", 64, true),
};

const struct primitive_set primitives_tls = {all, COUNT_OF(all)};
