/* tests/unit/tls_record_test.c - the record path beside the library path: each as client and as server,
 * records in any parts and pieces, key updates from both sides, and the limits of a key.
 */
#include "tls_forge.h"
#include "tls_raw.h"

#include "tls/record.h"

#include <string.h>
#include <sys/time.h>
#include <time.h>

/* Two runs of one seed make the same bytes only at the same time. */
time_t time(time_t *to)
{
	if (to)
		*to = 1800000000;
	return 1800000000;
}

int gettimeofday(struct timeval *restrict to, void *restrict zone)
{
	to->tv_sec = 1800000000;
	to->tv_usec = 0;
	return 0;
}

/* What the library under test wipes. */
static const void *wiped;
static size_t wiped_size;
static unsigned wipe_count;

static void wipe(void *bytes, size_t size)
{
	volatile uint8_t *at = bytes;
	for (size_t i = 0; i < size; i++)
		at[i] = 0;
	wiped = bytes;
	wiped_size = size;
	wipe_count++;
}

void explicit_bzero(void *bytes, size_t size) { wipe(bytes, size); }
void __explicit_bzero_chk(void *bytes, size_t size, size_t room);
void __explicit_bzero_chk(void *bytes, size_t size, size_t room) { wipe(bytes, size); }

/* ---- a pair, each end on one of the paths ---- */

static const char *const ciphers[] = {"TLS13-AES128-GCM-SHA256", "TLS13-AES256-GCM-SHA384"};

static void begin_pair(struct peers *peers, unsigned way, const char *cipher)
{
	peers_init(peers);
	peers->client_settings.library_records = way & 1;
	peers->server_settings.library_records = way & 2;
	peers_endpoints(peers);
	assert_int_equal(wolfSSL_CTX_set_cipher_list(peers->client_endpoint->shared, cipher), 1);
	peers_connect(peers, "gw.example");
	shake(peers);
	assert_open(peers);
}

static void test_paths(void **state)
{
	for (unsigned way = 0; way < 8; way++) {
		struct peers peers;
		struct tls_facts facts;

		begin_pair(&peers, way, ciphers[way / 4]);
		tls_facts(peers.client, &facts);
		assert_string_equal(facts.path, way & 1 ? "library" : "record");
		assert_string_equal(facts.cipher, ciphers[way / 4]);
		tls_facts(peers.server, &facts);
		assert_string_equal(facts.path, way & 2 ? "library" : "record");
		for (int i = 0; i < 3; i++)
			assert_talks(&peers);
		peers_end(&peers);
	}
}

/* Only TLS 1.3 with AES-GCM is for the record path. */
static void test_not_for_the_record_path(void **state)
{
	for (int kind = 0; kind < 4; kind++) {
		bool raw_is_server = kind & 1;
		struct peers peers;
		struct raw raw;
		struct tls_facts facts;

		peers_init(&peers);
		peers.client_settings.tls12 = peers.server_settings.tls12 = true;
		peers_begin(&peers, "gw.example");
		if (kind & 2)
			raw_begin(&raw,
				  raw_is_server ? wolfTLSv1_2_server_method() : wolfTLSv1_2_client_method(),
				  raw_is_server);
		else
			raw_begin(&raw,
				  raw_is_server ? wolfTLSv1_3_server_method() : wolfTLSv1_3_client_method(),
				  raw_is_server);
		if (!(kind & 2))
			wolfSSL_CTX_set_cipher_list(raw.shared, "TLS13-CHACHA20-POLY1305-SHA256");
		raw_open(&raw);
		struct tls *tls = raw_is_server ? peers.client : peers.server;
		assert_true(raw_shake(&raw, tls, &peers.bufs, raw_is_server, 65536));
		tls_facts(tls, &facts);
		assert_string_equal(facts.path, "library");
		raw_end(&raw);
		peers_end(&peers);
	}
}

/* ---- the two paths do the same ---- */

/* What one end sends: a generator makes it and, at the other end, checks it. */
struct flow {
	uint64_t made, checked;
	size_t sent, got;
};

enum { FLOW_PARTS = 7 };

static enum status push_record(struct tls *tls, struct flow *flow, uint64_t *seed)
{
	static uint8_t bytes[TLS_RECORD_MAX];
	struct piece parts[FLOW_PARTS];
	uint64_t made = flow->made;
	unsigned kind = (unsigned)(random_next(seed) >> 20) % 8;
	size_t limit = kind == 0 ? TLS_RECORD_MAX : kind < 3 ? 3000 : 40;
	size_t size = kind == 1 ? TLS_RECORD_MAX : 1 + (random_next(seed) >> 20) % limit, at = 0;

	for (size_t i = 0; i < size; i++)
		bytes[i] = (uint8_t)(random_next(&made) >> 32);
	for (int i = 0; i < FLOW_PARTS; i++) {
		size_t part = i == FLOW_PARTS - 1 ? size - at : (random_next(seed) >> 20) % (size - at + 1);
		parts[i] = (struct piece){NULL, {part ? bytes + at : NULL, part}};
		at += part;
	}
	enum status status = tls_plain_in(tls, parts, FLOW_PARTS);
	if (status == STATUS_OK) {
		flow->made = made;
		flow->sent += size;
	}
	return status;
}

static void check_flow(struct tls *tls, struct flow *flow)
{
	struct piece piece;

	while (tls_plain_out(tls, &piece) == STATUS_OK) {
		for (size_t i = 0; i < piece.bytes.size; i++)
			if (piece.bytes.at[i] != (uint8_t)(random_next(&flow->checked) >> 32))
				fail_msg("byte %zu of %zu is lost or altered", flow->got + i, flow->sent);
		flow->got += piece.bytes.size;
		buf_unref(piece.buf);
	}
	if (tls_state(tls) == TLS_FAILED)
		fail_msg("%s", tls_text(tls));
}

/* Asks for a new key, as wolfSSL lets anyone do: the record path itself does so at its limit only. */
static void update_keys(struct tls *tls)
{
	const uint8_t *iv, *key;
	bool server = tls->endpoint->settings->server;

	if (wire_room(tls) < TLS_OUT_WRITE_ROOM)
		return;
	device_enter(tls);
	assert_int_equal(wolfSSL_update_keys(tls->ssl), WOLFSSL_SUCCESS);
	device_leave();
	if (!tls->records)
		return;
	key = server ? wolfSSL_GetServerWriteKey(tls->ssl) : wolfSSL_GetClientWriteKey(tls->ssl);
	iv = server ? wolfSSL_GetServerWriteIV(tls->ssl) : wolfSSL_GetClientWriteIV(tls->ssl);
	device_key_set(&tls->seal, key, (uint32_t)wolfSSL_GetKeySize(tls->ssl));
	memcpy(tls->seal_way.iv, iv, sizeof tls->seal_way.iv);
	tls->seal_way.sequence = 0;
}

static void say(struct tls *tls, struct flow *flow, uint64_t *seed)
{
	unsigned count = (unsigned)(random_next(seed) >> 20) % 4;

	if ((random_next(seed) >> 20) % 5 == 0)
		update_keys(tls);
	while (count-- && push_record(tls, flow, seed) == STATUS_OK)
		;
	if ((random_next(seed) >> 20) % 9 == 0)
		update_keys(tls);
}

static void assert_closes(struct peers *peers, struct tls *first, struct tls *second)
{
	struct piece piece;

	tls_close(first);
	carry(peers, first, second);
	assert_int_equal(tls_plain_out(second, &piece), STATUS_IO);
	assert_int_equal(tls_state(second), TLS_CLOSED);
	tls_close(second);
	carry(peers, second, first);
	assert_int_equal(tls_plain_out(first, &piece), STATUS_IO);
	assert_int_equal(tls_state(first), TLS_CLOSED);
}

static uint64_t run_pair(uint64_t seed, unsigned way, const char *cipher, unsigned turns)
{
	uint64_t random = seed, script = seed * 31;
	struct tls_library_options options = {.random = seeded_random, .random_state = &random};
	struct flow up = {.made = 3, .checked = 3}, down = {.made = 4, .checked = 4};
	struct peers peers;
	char why[TLS_TEXT_SIZE];

	tls_library_stop();
	assert_int_equal(tls_library_start(&options, why), STATUS_OK);
	begin_pair(&peers, way, cipher);
	peers.seed = seed + way;
	for (unsigned turn = 0; turn < turns; turn++) {
		static const size_t chunks[] = {0, 0, 65472, 1460, 700, 37};
		peers.chunk = chunks[(random_next(&script) >> 20) % COUNT_OF(chunks)];
		say(peers.client, &up, &script);
		say(peers.server, &down, &script);
		carry(&peers, peers.client, peers.server);
		check_flow(peers.server, &up);
		carry(&peers, peers.server, peers.client);
		check_flow(peers.client, &down);
	}
	for (int i = 0; i < 2; i++) { /* answers to key updates */
		carry(&peers, peers.client, peers.server);
		check_flow(peers.server, &up);
		carry(&peers, peers.server, peers.client);
		check_flow(peers.client, &down);
	}
	assert_int_equal(up.sent, up.got);
	assert_int_equal(down.sent, down.got);
	assert_closes(&peers, seed & 1 ? peers.client : peers.server, seed & 1 ? peers.server : peers.client);
	uint64_t digest = peers.digest;
	peers_end(&peers);
	return digest;
}

/* Whoever takes which path: the same bytes cross the wire. */
static void test_paths_are_the_same(void **state)
{
	const char *more = getenv("TLS_RECORD_SEEDS");
	uint64_t seeds = more ? strtoull(more, NULL, 10) : 12;

	for (uint64_t seed = 1; seed <= seeds; seed++) {
		uint64_t first = 0;
		for (unsigned way = 0; way < 4; way++) {
			uint64_t digest = run_pair(seed, way, ciphers[seed % 2], 60);
			if (way && digest != first)
				fail_msg("seed %d: way %u sends other bytes", (int)seed, way);
			first = digest;
		}
	}
	tls_library_stop();
	library_begin(TLS_CRYPTO_AUTO);
}

/* ---- records across buffers ---- */

/* Puts one buffer of its own into the queue, as small as it may be. */
static void lay(struct tls *tls, const uint8_t *bytes, size_t size)
{
	struct buf *buf = size ? buf_acquire(tls->bufs, size) : NULL;

	if (!buf)
		return;
	memcpy(buf->bytes, bytes, size);
	buf->used = (uint32_t)size;
	bufqueue_push(&tls->in, buf);
}

/* Header, content, padding, type and tag, with a boundary at every byte, and with two. */
static void test_split_at_every_byte(void **state)
{
	struct peers peers;
	struct raw raw;
	static uint8_t record[FORGE_RECORD_MAX];
	uint8_t got[64];
	enum status last;

	peers_init(&peers);
	peers_begin(&peers, "gw.example");
	raw_begin(&raw, wolfTLSv1_3_client_method(), false);
	raw_open(&raw);
	assert_true(raw_shake(&raw, peers.server, &peers.bufs, false, 65536));
	struct forge forge = forge_of(raw.ssl, false);
	for (size_t padding = 0; padding < 3; padding++) {
		size_t size = 5 + 21 + 1 + padding + 16;
		for (size_t first = 0; first < size; first++) {
			for (size_t second = first; second < size; second++) {
				struct slice content = {(const uint8_t *)"with zeros behind\0\0\0\0", 21};
				forge_record(&forge, FORGE_DATA, content, padding, record);
				lay(peers.server, record, first);
				lay(peers.server, record + first, second - first);
				lay(peers.server, record + second, size - second);
				assert_int_equal(take(peers.server, got, sizeof got, &last), 21);
				assert_memory_equal(got, content.at, 21);
				assert_int_equal(last, STATUS_MORE);
			}
		}
	}
	raw_end(&raw);
	peers_end(&peers);
}

/* The largest record in buffers of one byte, and of three. */
static void test_split_into_crumbs(void **state)
{
	for (size_t crumb = 1; crumb < 4; crumb += 2) {
		struct peers peers;
		static uint8_t bytes[TLS_RECORD_MAX], got[TLS_RECORD_MAX], wire[TLS_RECORD_MAX + 64];
		uint64_t seed = crumb;
		enum status last;

		seeded_random(&seed, bytes, sizeof bytes);
		begin_pair(&peers, 0, ciphers[0]);
		assert_int_equal(put(peers.client, bytes, sizeof bytes), STATUS_OK);
		size_t size = collect(peers.client, wire, sizeof wire);
		for (size_t at = 0; at < size; at += crumb)
			lay(peers.server, wire + at, size_min(crumb, size - at));
		assert_int_equal(take(peers.server, got, sizeof got, &last), sizeof got);
		assert_memory_equal(got, bytes, sizeof got);
		peers_end(&peers);
	}
}

/* A piece that somebody keeps is not written to again, whatever comes behind it into the same buffer. */
static void test_pieces_are_kept(void **state)
{
	enum { KEPT = 200 };
	struct peers peers;
	struct piece pieces[KEPT];
	unsigned count = 0;
	uint8_t wire[256];

	begin_pair(&peers, 0, ciphers[0]);
	for (unsigned i = 0; i < KEPT; i++) {
		uint8_t bytes[40];
		memset(bytes, (int)i, sizeof bytes);
		assert_int_equal(put(peers.client, bytes, sizeof bytes), STATUS_OK);
		size_t size = collect(peers.client, wire, sizeof wire);
		give(peers.server, &peers.bufs, wire, i % size);
		give(peers.server, &peers.bufs, wire + i % size, size - i % size);
		while (tls_plain_out(peers.server, &pieces[count]) == STATUS_OK) {
			memset(bytes, (int)i, sizeof bytes);
			if (pieces[count].bytes.size == sizeof bytes)
				count++;
			else /* a record in two buffers */
				buf_unref(pieces[count].buf);
		}
	}
	assert_true(count > KEPT / 4);
	for (unsigned i = 0; i < count; i++) {
		for (size_t at = 1; at < pieces[i].bytes.size; at++)
			assert_int_equal(pieces[i].bytes.at[at], pieces[i].bytes.at[0]);
		assert_true(!i || (uint8_t)(pieces[i].bytes.at[0]) > pieces[i - 1].bytes.at[0]);
	}
	for (unsigned i = 0; i < count; i++)
		buf_unref(pieces[i].buf);
	peers_end(&peers);
}

/* ---- limits ---- */

/* The last record of a key, the update, and the first ones of the next key. */
static void test_key_is_used_up(void **state)
{
	for (unsigned round = 0; round < 4; round++) {
		struct peers peers;
		uint8_t got[16], key[32];
		enum status last;

		begin_pair(&peers, 0, ciphers[round & 1]);
		assert_talks(&peers);
		struct tls *from = round & 2 ? peers.server : peers.client;
		struct tls *to = round & 2 ? peers.client : peers.server;
		memcpy(key, from->seal.key, sizeof key);
		from->seal_way.sequence = to->open_way.sequence = TLS_KEY_UPDATE_MAX - 1;
		assert_int_equal(put(from, "last", 4), STATUS_OK);
		assert_int_equal(from->seal_way.sequence, TLS_KEY_UPDATE_MAX);
		assert_memory_equal(from->seal.key, key, from->seal.size);
		assert_int_equal(put(from, "next", 4), STATUS_OK);
		assert_int_equal(from->seal_way.sequence, 1);
		assert_memory_not_equal(from->seal.key, key, from->seal.size);
		carry(&peers, from, to);
		assert_int_equal(take(to, got, sizeof got, &last), 8);
		assert_memory_equal(got, "lastnext", 8);
		/* The other side was asked for a new key as well, and has one. */
		assert_int_equal(to->seal_way.sequence, 0);
		carry(&peers, to, from);
		assert_talks(&peers);
		assert_closes(&peers, from, to);
		peers_end(&peers);
	}
}

/* A client that wants short records gets them, and may send long ones no more than it said. */
static void test_fragment_limit(void **state)
{
	static const struct {
		unsigned char code;
		size_t size;
	} limits[] = {{WOLFSSL_MFL_2_9, 512}, {WOLFSSL_MFL_2_10, 1024}, {WOLFSSL_MFL_2_12, 4096}};

	for (size_t i = 0; i < COUNT_OF(limits); i++) {
		struct peers peers;
		struct raw raw;
		static uint8_t bytes[TLS_RECORD_MAX], got[TLS_RECORD_MAX];
		size_t here = 0;
		uint64_t seed = i;
		int size;

		peers_init(&peers);
		peers_begin(&peers, "gw.example");
		raw_begin(&raw, wolfTLSv1_3_client_method(), false);
		raw_open(&raw);
		assert_int_equal(wolfSSL_UseMaxFragment(raw.ssl, limits[i].code), WOLFSSL_SUCCESS);
		assert_true(raw_shake(&raw, peers.server, &peers.bufs, false, 65536));
		assert_true(peers.server->records);
		seeded_random(&seed, bytes, sizeof bytes);
		assert_int_equal(put(peers.server, bytes, sizeof bytes), STATUS_OK);
		size_t before = raw.in_used;
		raw_hear(&raw, peers.server);
		assert_int_equal(raw.in_used - before,
				 sizeof bytes + sizeof bytes / limits[i].size * RECORD_SEAL_ROOM);
		for (size_t at = before; at < raw.in_used; at += 5 + get16(raw.in + at + 3))
			assert_int_equal(get16(raw.in + at + 3), limits[i].size + 17);
		while (here < sizeof got &&
		       (size = wolfSSL_read(raw.ssl, got + here, (int)(sizeof got - here))) > 0)
			here += (size_t)size;
		assert_int_equal(here, sizeof bytes);
		assert_memory_equal(got, bytes, sizeof bytes);
		raw_end(&raw);
		peers_end(&peers);
	}
}

/* ---- without memory ---- */

static uint32_t sometimes_fail(void *state) { return random_next(state) >> 60 < 6; }

/* What is refused for want of a buffer is taken later, nothing twice and nothing in part. */
static void test_failing_allocations(void **state)
{
	for (uint64_t seed = 1; seed <= 20; seed++) {
		struct peers peers;
		struct flow up = {.made = 3, .checked = 3};
		uint64_t script = seed, failing = seed;
		unsigned refused = 0;

		begin_pair(&peers, 0, ciphers[0]);
		peers.chunk = 0;
		peers.bufs.fail_state = &failing;
		for (int turn = 0; turn < 100; turn++) {
			peers.bufs.fail = sometimes_fail;
			refused += push_record(peers.client, &up, &script) == STATUS_FULL;
			check_flow(peers.server, &up);
			peers.bufs.fail = NULL;
			carry(&peers, peers.client, peers.server);
		}
		check_flow(peers.server, &up);
		assert_int_equal(up.sent, up.got);
		assert_true(refused > 10);
		peers_end(&peers);
	}
}

static uint32_t always_fail(void *state) { return 1; }

/* The fault is told to us even when it cannot be told to the peer. */
static void test_no_memory_for_an_alert(void **state)
{
	struct peers peers;
	struct piece piece;
	uint8_t wire[64];

	begin_pair(&peers, 0, ciphers[0]);
	put(peers.client, "x", 1);
	size_t size = collect(peers.client, wire, sizeof wire);
	wire[size - 1] ^= 1;
	give(peers.server, &peers.bufs, wire, size);
	peers.bufs.fail = always_fail;
	assert_int_equal(tls_plain_out(peers.server, &piece), STATUS_IO);
	assert_int_equal(tls_reason(peers.server), REASON_TLS);
	assert_int_equal(tls_wants(peers.server), 0);
	peers.bufs.fail = NULL;
	peers_end(&peers);

	/* The answer to a key update that cannot be given. */
	begin_pair(&peers, 0, ciphers[0]);
	update_keys(peers.client);
	carry(&peers, peers.client, peers.server);
	peers.bufs.fail = always_fail;
	assert_int_equal(tls_plain_out(peers.server, &piece), STATUS_IO);
	assert_int_equal(tls_reason(peers.server), REASON_MEMORY);
	peers.bufs.fail = NULL;
	peers_end(&peers);
}

/* ---- keys ---- */

/* The state of each record, which holds a block of the key stream, and at the end the keys. */
static void test_keys_are_wiped(void **state)
{
	struct peers peers;
	uint8_t got[8];
	enum status last;

	begin_pair(&peers, 0, ciphers[1]);
	for (int i = 0; i < 3; i++) {
		wipe_count = 0;
		assert_int_equal(put(peers.client, "data", 4), STATUS_OK);
		assert_int_equal(wipe_count, 1);
		assert_int_equal(wiped_size, DEVICE_GCM_SIZE);
		carry(&peers, peers.client, peers.server);
		assert_int_equal(take(peers.server, got, sizeof got, &last), 4);
		assert_int_equal(wipe_count, 2);
	}
	const void *server = peers.server;
	tls_destroy(peers.server);
	peers.server = NULL;
	assert_ptr_equal(wiped, server);
	assert_int_equal(wiped_size, sizeof(struct tls));
	peers_end(&peers);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_paths),
	    cmocka_unit_test(test_not_for_the_record_path),
	    cmocka_unit_test(test_paths_are_the_same),
	    cmocka_unit_test(test_split_at_every_byte),
	    cmocka_unit_test(test_split_into_crumbs),
	    cmocka_unit_test(test_pieces_are_kept),
	    cmocka_unit_test(test_key_is_used_up),
	    cmocka_unit_test(test_fragment_limit),
	    cmocka_unit_test(test_failing_allocations),
	    cmocka_unit_test(test_no_memory_for_an_alert),
	    cmocka_unit_test(test_keys_are_wiped),
	};
	return cmocka_run_group_tests(tests, library_setup_fast, library_teardown);
}
