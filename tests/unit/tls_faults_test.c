/* tests/unit/tls_faults_test.c - what a hostile or broken peer sends, and the three faults of wolfSSL 5.5.4
 * that this program closes: the forged clone of a CA, the record with an empty inner plaintext, the write
 * that is lost behind a key update.
 */
#include "tls_raw.h"

#include <string.h>

#include <wolfssl/wolfcrypt/aes.h>

static void assert_failed(const struct tls *tls, enum reason reason, const char *part)
{
	assert_int_equal(tls_state(tls), TLS_FAILED);
	if (tls_reason(tls) != reason || !strstr(tls_text(tls), part))
		fail_msg("wanted %s and \"%s\": %s, \"%s\"", reason_name(reason), part,
			 reason_name(tls_reason(tls)), tls_text(tls));
}

/* ---- the forged clone ---- */

static void test_forged_clone_of_the_anchor(void **state)
{
	struct peers peers;

	peers_init(&peers);
	peers.server_settings.certificate = PEM(clone_certificate);
	peers.server_settings.key = PEM(clone_key);
	peers_begin(&peers, "gw.example");
	shake(&peers);
	assert_failed(peers.client, REASON_CERTIFICATE, "refused");
	assert_int_equal(tls_state(peers.server), TLS_FAILED);
	peers_end(&peers);
}

static void test_forged_clone_of_the_client_anchor(void **state)
{
	struct peers peers;

	peers_init(&peers);
	peers.server_settings.anchors = PEM(client_root_certificate);
	peers.server_settings.require_client_certificate = true;
	peers.client_settings.certificate = PEM(client_clone_certificate);
	peers.client_settings.key = PEM(client_clone_key);
	peers_begin(&peers, "gw.example");
	shake(&peers);
	assert_failed(peers.server, REASON_CERTIFICATE, "refused");
	peers_end(&peers);
}

/* ---- the empty inner plaintext ---- */

/* A record that opens well and holds nothing, not even a type byte: only the tag. */
static size_t forge_empty(WOLFSSL *ssl, bool from_client, uint8_t record[21])
{
	static const uint8_t header[5] = {23, 3, 3, 0, 16};
	const uint8_t *key = from_client ? wolfSSL_GetClientWriteKey(ssl) : wolfSSL_GetServerWriteKey(ssl);
	const uint8_t *iv = from_client ? wolfSSL_GetClientWriteIV(ssl) : wolfSSL_GetServerWriteIV(ssl);
	uint8_t nonce[12];
	word64 sequence = 0;
	Aes aes;

	wolfSSL_GetSequenceNumber(ssl, &sequence);
	memcpy(nonce, iv, sizeof nonce);
	for (int i = 0; i < 8; i++)
		nonce[11 - i] ^= (uint8_t)(sequence >> (8 * i));
	memcpy(record, header, sizeof header);
	assert_int_equal(wc_AesInit(&aes, NULL, INVALID_DEVID), 0);
	assert_int_equal(wc_AesGcmSetKey(&aes, key, (word32)wolfSSL_GetKeySize(ssl)), 0);
	assert_int_equal(wc_AesGcmEncrypt(&aes, NULL, NULL, 0, nonce, 12, record + 5, 16, header, 5), 0);
	wc_AesFree(&aes);
	return 21;
}

static void run_empty_inner_plaintext(bool library, bool raw_is_server, bool tls12)
{
	struct peers peers;
	struct raw raw;
	uint8_t record[21];
	struct piece piece;

	peers_init(&peers);
	if (library)
		peers_use_library(&peers);
	peers.client_settings.tls12 = peers.server_settings.tls12 = tls12;
	peers_begin(&peers, "gw.example");
	raw_begin(&raw, raw_is_server ? wolfTLSv1_3_server_method() : wolfTLSv1_3_client_method(),
		  raw_is_server);
	wolfSSL_CTX_set_cipher_list(raw.shared, "TLS13-AES128-GCM-SHA256");
	raw_open(&raw);
	struct tls *tls = raw_is_server ? peers.client : peers.server;
	assert_true(raw_shake(&raw, tls, &peers.bufs, raw_is_server, 65536));
	assert_int_equal(tls_plain_out(tls, &piece), STATUS_MORE);
	give(tls, &peers.bufs, record, forge_empty(raw.ssl, !raw_is_server, record));
	assert_int_equal(tls_plain_out(tls, &piece), STATUS_IO);
	assert_failed(tls, REASON_TLS, "a record header that TLS does not have");
	raw_end(&raw);
	peers_end(&peers);
}

static void test_empty_inner_plaintext(void **state)
{
	for (int way = 0; way < 8; way++)
		run_empty_inner_plaintext(way & 1, way & 2, way & 4);
}

/* In front of the client's Finished, where no credentials are needed. */
static void test_empty_record_in_the_handshake(void **state)
{
	static const uint8_t record[21] = {23, 3, 3, 0, 16, 1, 2, 3};
	struct peers peers;

	peers_init(&peers);
	peers_begin(&peers, "gw.example");
	tls_wire_in(peers.client, NULL);
	carry(&peers, peers.client, peers.server);
	give(peers.server, &peers.bufs, record, sizeof record);
	assert_failed(peers.server, REASON_TLS, "a record header that TLS does not have");
	peers_end(&peers);
}

/* TLS 1.2 may send it with ChaCha20: the guard lets it pass, and here it does not open. */
static void test_short_record_is_legal_in_12(void **state)
{
	static const uint8_t record[21] = {23, 3, 3, 0, 16, 1, 2, 3};
	struct peers peers;
	struct raw raw;
	struct piece piece;

	peers_init(&peers);
	peers.server_settings.tls12 = true;
	peers_begin(&peers, "gw.example");
	raw_begin(&raw, wolfTLSv1_2_client_method(), false);
	wolfSSL_CTX_set_cipher_list(raw.shared, "ECDHE-ECDSA-CHACHA20-POLY1305");
	raw_open(&raw);
	assert_true(raw_shake(&raw, peers.server, &peers.bufs, false, 65536));
	give(peers.server, &peers.bufs, record, sizeof record);
	assert_int_equal(tls_plain_out(peers.server, &piece), STATUS_IO);
	assert_failed(peers.server, REASON_TLS, "does not open");
	raw_end(&raw);
	peers_end(&peers);
}

/* ---- the lost write ---- */

struct flood {
	struct peers peers;
	struct raw raw;
	uint64_t seed_sent, seed_got;
	size_t sent, got;
};

/* Fills wire_out with a known sequence of bytes. */
static void write_until_full(struct flood *flood, struct tls *tls, size_t record_size)
{
	static uint8_t bytes[TLS_RECORD_MAX];

	for (;;) {
		uint64_t before = flood->seed_sent;
		for (size_t i = 0; i < record_size; i++)
			bytes[i] = (uint8_t)random_next(&flood->seed_sent);
		if (put(tls, bytes, record_size) != STATUS_OK) {
			flood->seed_sent = before;
			return;
		}
		flood->sent += record_size;
	}
}

static void read_and_compare(struct flood *flood)
{
	uint8_t bytes[TLS_RECORD_MAX];
	int size;

	while ((size = wolfSSL_read(flood->raw.ssl, bytes, sizeof bytes)) > 0) {
		for (int i = 0; i < size; i++)
			if (bytes[i] != (uint8_t)random_next(&flood->seed_got))
				fail_msg("byte %zu of %zu is lost or altered", flood->got + (size_t)i,
					 flood->sent);
		flood->got += (size_t)size;
	}
	assert_int_equal(wolfSSL_get_error(flood->raw.ssl, size), WOLFSSL_ERROR_WANT_READ);
}

/* The peer asks for key updates while our wire_out is full. Nothing that was taken may be missing. */
static void run_flood(bool library, size_t updates, size_t record_size)
{
	struct flood flood = {.seed_sent = 7, .seed_got = 7};
	struct piece piece;

	peers_init(&flood.peers);
	flood.peers.server_settings.library_records = library;
	peers_begin(&flood.peers, "gw.example");
	raw_begin(&flood.raw, wolfTLSv1_3_client_method(), false);
	raw_open(&flood.raw);
	struct tls *tls = flood.peers.server;
	assert_true(raw_shake(&flood.raw, tls, &flood.peers.bufs, false, 65536));
	for (size_t i = 0; i < updates; i++) {
		char ignored;
		assert_int_equal(wolfSSL_update_keys(flood.raw.ssl), WOLFSSL_SUCCESS);
		wolfSSL_read(flood.raw.ssl, &ignored, 1);
	}
	assert_int_equal(wolfSSL_write(flood.raw.ssl, "end", 3), 3);
	write_until_full(&flood, tls, record_size);
	raw_say(&flood.raw, tls, &flood.peers.bufs, 4000);
	for (int turn = 0; turn < 200; turn++) {
		struct piece pieces[PEERS_PIECES];
		size_t waiting = 0, count = tls_wire_out(tls, pieces, PEERS_PIECES);
		for (size_t i = 0; i < count; i++)
			waiting += pieces[i].bytes.size;
		assert_true(waiting <= TLS_WIRE_OUT_MAX);
		enum status status = tls_plain_out(tls, &piece);
		if (status == STATUS_OK) {
			assert_int_equal(piece.bytes.size, 3);
			buf_unref(piece.buf);
		} else {
			assert_int_equal(status, STATUS_MORE);
		}
		write_until_full(&flood, tls, record_size);
		/* The kernel takes a little, then more. */
		size_t step = size_min(pieces[0].bytes.size, turn < 50 ? 500 : 60000);
		if (count) {
			memcpy(flood.raw.in + flood.raw.in_used, pieces[0].bytes.at, step);
			flood.raw.in_used += step;
			tls_wire_ack(tls, step);
		}
		if (flood.raw.in_used > RAW_WIRE_MAX / 2)
			break;
	}
	raw_hear(&flood.raw, tls);
	read_and_compare(&flood);
	assert_int_equal(flood.got, flood.sent);
	assert_int_equal(put(tls, "B", 1), STATUS_OK);
	raw_end(&flood.raw);
	peers_end(&flood.peers);
}

static void test_key_update_while_full(void **state)
{
	for (int library = 0; library < 2; library++) {
		run_flood(library, 1, TLS_RECORD_MAX);
		run_flood(library, 1, 100);
		run_flood(library, 3, 1);
		run_flood(library, 30, 1000);
	}
}

/* More records without data in a row than anybody needs end the link. wolfSSL alone has no limit, and no call
 * that would tell the peer. */
static void run_ended_flood(bool library)
{
	struct peers peers;
	struct raw raw;
	struct piece piece;
	WOLFSSL_ALERT_HISTORY history;
	uint8_t got[16];
	enum status last;

	peers_init(&peers);
	peers.server_settings.library_records = library;
	peers_begin(&peers, "gw.example");
	raw_begin(&raw, wolfTLSv1_3_client_method(), false);
	raw_open(&raw);
	assert_true(raw_shake(&raw, peers.server, &peers.bufs, false, 65536));
	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < 32; i++) {
			assert_int_equal(wolfSSL_update_keys(raw.ssl), WOLFSSL_SUCCESS);
			raw_say(&raw, peers.server, &peers.bufs, 65536);
			assert_int_equal(tls_plain_out(peers.server, &piece), STATUS_MORE);
			raw_hear(&raw, peers.server);
			assert_int_equal(wolfSSL_read(raw.ssl, got, sizeof got), -1);
		}
		assert_int_equal(wolfSSL_write(raw.ssl, "data", 4), 4);
		raw_say(&raw, peers.server, &peers.bufs, 65536);
		assert_int_equal(take(peers.server, got, sizeof got, &last), 4);
	}
	for (int i = 0; i < 33; i++)
		assert_int_equal(wolfSSL_update_keys(raw.ssl), WOLFSSL_SUCCESS);
	assert_int_equal(wolfSSL_write(raw.ssl, "lost", 4), 4);
	raw_say(&raw, peers.server, &peers.bufs, 65536);
	assert_int_equal(tls_plain_out(peers.server, &piece), STATUS_IO);
	assert_failed(peers.server, REASON_TLS, "too many records without data");
	raw_hear(&raw, peers.server);
	assert_int_equal(wolfSSL_read(raw.ssl, got, sizeof got), -1);
	assert_int_equal(wolfSSL_get_alert_history(raw.ssl, &history), WOLFSSL_SUCCESS);
	if (!library) {
		assert_int_equal(history.last_rx.level, alert_fatal);
		assert_int_equal(history.last_rx.code, unexpected_message);
	}
	raw_end(&raw);
	peers_end(&peers);
}

static void test_key_update_flood_is_ended(void **state)
{
	run_ended_flood(true);
	if (tls_library_is_fast())
		run_ended_flood(false);
}

/* ---- headers that no peer may send ---- */

static void test_bad_headers(void **state)
{
	static const uint8_t headers[][5] = {
	    {19, 3, 3, 0, 20},	 {24, 3, 3, 0, 20},	 {0, 3, 3, 0, 20}, {255, 3, 3, 0, 20},
	    {23, 2, 3, 0, 20},	 {23, 4, 3, 0, 20},	 {22, 3, 3, 0, 0}, {23, 3, 3, 0, 0},
	    {23, 3, 3, 0x41, 1}, {22, 3, 3, 0xff, 0xff}, {23, 3, 3, 0, 1}, {23, 3, 3, 0, 16},
	};
	for (size_t i = 0; i < COUNT_OF(headers); i++) {
		for (int way = 0; way < 4; way++) {
			int chunk = way & 1 ? 5 : 1;
			struct peers peers;
			struct piece piece;
			uint8_t got[16];
			enum status last;

			peers_init(&peers);
			peers.server_settings.library_records = way & 2;
			peers_begin(&peers, "gw.example");
			shake(&peers);
			assert_int_equal(put(peers.client, "before", 6), STATUS_OK);
			carry(&peers, peers.client, peers.server);
			for (int at = 0; at < 5; at += chunk)
				give(peers.server, &peers.bufs, headers[i] + at, (size_t)chunk);
			assert_true(tls_wants(peers.server) & TLS_WANTS_PLAIN_OUT);
			assert_int_equal(take(peers.server, got, sizeof got, &last), 6);
			assert_int_equal(last, STATUS_IO);
			assert_failed(peers.server, REASON_TLS, "a record header that TLS does not have");
			assert_int_equal(tls_plain_out(peers.server, &piece), STATUS_IO);
			assert_int_equal(put(peers.server, "x", 1), STATUS_IO);
			assert_int_equal(tls_wants(peers.server) & ~(unsigned)TLS_WANTS_WIRE_OUT, 0);
			peers_end(&peers);
		}
	}
}

/* What a server says of a record whose tag does not fit. */
static const char *of_bad_tag(bool library)
{
	return library || !tls_library_is_fast() ? "does not open" : "failed to authenticate";
}

static void run_altered_record(bool library, size_t at)
{
	struct peers peers;
	struct piece piece;
	uint8_t wire[256];

	peers_init(&peers);
	peers.server_settings.library_records = library;
	peers_begin(&peers, "gw.example");
	shake(&peers);
	put(peers.client, "eighteen bytes now", 18);
	size_t size = collect(peers.client, wire, sizeof wire);
	assert_int_equal(size, 40);
	wire[at] ^= 0x10;
	give(peers.server, &peers.bufs, wire, size);
	assert_int_equal(tls_plain_out(peers.server, &piece), STATUS_IO);
	assert_failed(peers.server, REASON_TLS, of_bad_tag(library));
	peers_end(&peers);
}

static void test_altered_record(void **state)
{
	for (size_t at = 5; at < 40; at++) {
		run_altered_record(true, at);
		run_altered_record(false, at);
	}
}

static void run_replay(bool library, bool missing)
{
	struct peers peers;
	struct piece piece;
	uint8_t first[64], second[64], got[8];
	enum status last;

	peers_init(&peers);
	peers.server_settings.library_records = library;
	peers_begin(&peers, "gw.example");
	shake(&peers);
	put(peers.client, "one", 3);
	size_t size = collect(peers.client, first, sizeof first);
	put(peers.client, "two", 3);
	assert_int_equal(collect(peers.client, second, sizeof second), size);
	if (!missing) {
		give(peers.server, &peers.bufs, first, size);
		assert_int_equal(take(peers.server, got, sizeof got, &last), 3);
	}
	give(peers.server, &peers.bufs, missing ? second : first, size);
	assert_int_equal(tls_plain_out(peers.server, &piece), STATUS_IO);
	assert_failed(peers.server, REASON_TLS, of_bad_tag(library));
	peers_end(&peers);
}

/* The same record twice, or one left out. */
static void test_replayed_and_missing_record(void **state)
{
	for (int library = 0; library < 2; library++) {
		run_replay(library, false);
		run_replay(library, true);
	}
}

static void test_plaintext_into_a_server(void **state)
{
	static const struct {
		const char *text, *part;
	} cases[] = {
	    {"GET / HTTP/1.1\r\n\r\n", "plain HTTP"},
	    {"PRI * HTTP/2.0", "plain HTTP"},
	    {"\x05\x01", "not TLS"},
	    {"\x80\x2e\x01", "SSL 2"},
	    {"\x15\x03\x01", "not TLS"},
	};
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct peers peers;
		peers_init(&peers);
		peers_begin(&peers, "gw.example");
		give(peers.server, &peers.bufs, cases[i].text, 1);
		assert_failed(peers.server, REASON_PLAINTEXT, cases[i].part);
		give(peers.server, &peers.bufs, cases[i].text, strlen(cases[i].text));
		peers_end(&peers);
	}
}

static void test_plaintext_into_a_client(void **state)
{
	struct peers peers;

	peers_init(&peers);
	peers_begin(&peers, "gw.example");
	tls_wire_in(peers.client, NULL);
	give(peers.client, &peers.bufs, "HTTP/1.1 400 Bad Request\r\n", 26);
	assert_failed(peers.client, REASON_PLAINTEXT, "does not speak TLS on this port");
	peers_end(&peers);
}

/* An alert in place of the server's hello is the peer's answer, in words. */
static void test_alert_by_name(void **state)
{
	static const struct {
		uint8_t code;
		enum reason reason;
		const char *part;
	} cases[] = {
	    {70, REASON_TLS, "protocol_version"},	  {40, REASON_TLS, "handshake_failure"},
	    {48, REASON_CERTIFICATE, "unknown_ca"},	  {112, REASON_CERTIFICATE, "unrecognized_name"},
	    {120, REASON_TLS, "no_application_protocol"}, {200, REASON_TLS, "alert 200"},
	};
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		uint8_t alert[7] = {21, 3, 3, 0, 2, 2, cases[i].code};
		struct peers peers;

		peers_init(&peers);
		peers_begin(&peers, "gw.example");
		tls_wire_in(peers.client, NULL);
		give(peers.client, &peers.bufs, alert, sizeof alert);
		assert_failed(peers.client, cases[i].reason, cases[i].part);
		peers_end(&peers);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_forged_clone_of_the_anchor),
	    cmocka_unit_test(test_forged_clone_of_the_client_anchor),
	    cmocka_unit_test(test_empty_inner_plaintext),
	    cmocka_unit_test(test_empty_record_in_the_handshake),
	    cmocka_unit_test(test_short_record_is_legal_in_12),
	    cmocka_unit_test(test_key_update_while_full),
	    cmocka_unit_test(test_key_update_flood_is_ended),
	    cmocka_unit_test(test_bad_headers),
	    cmocka_unit_test(test_altered_record),
	    cmocka_unit_test(test_replayed_and_missing_record),
	    cmocka_unit_test(test_plaintext_into_a_server),
	    cmocka_unit_test(test_plaintext_into_a_client),
	    cmocka_unit_test(test_alert_by_name),
	};
	return cmocka_run_group_tests(tests, library_setup, library_teardown);
}
