/* tests/unit/tls_record_faults_test.c - what a peer that has the keys may not send behind the handshake. For
 * each case: the alert of RFC 8446 reaches the peer, the end fails with its reason, nothing of the record or
 * of what follows is delivered, and a neighbour goes on.
 */
#include "tls_forge.h"
#include "tls_raw.h"

#include <string.h>

enum {
	NO_ALERT = -1,
	UNEXPECTED_MESSAGE = 10,
	BAD_RECORD_MAC = 20,
	RECORD_OVERFLOW_ALERT = 22,
	ILLEGAL_PARAMETER = 47,
	DECODE_ERROR = 50,
};

static uint8_t zeros[2 * TLS_RECORD_MAX];

/* An end of ours, with a peer of wolfSSL alone that forges, and a neighbour of the same endpoints. */
struct stage {
	struct peers peers; /* the neighbour */
	struct raw raw;
	struct tls *tls;
	struct forge forge;
	uint8_t record[FORGE_RECORD_MAX];
};

static void stage_begin(struct stage *stage, bool raw_is_server)
{
	struct peers *peers = &stage->peers;

	peers_init(peers);
	peers_begin(peers, "gw.example");
	shake(peers);
	raw_begin(&stage->raw, raw_is_server ? wolfTLSv1_3_server_method() : wolfTLSv1_3_client_method(),
		  raw_is_server);
	wolfSSL_CTX_set_cipher_list(stage->raw.shared, "TLS13-AES128-GCM-SHA256");
	raw_open(&stage->raw);
	stage->tls = tls_create(raw_is_server ? peers->client_endpoint : peers->server_endpoint, &peers->bufs,
				raw_is_server ? "gw.example" : NULL);
	assert_non_null(stage->tls);
	assert_true(raw_shake(&stage->raw, stage->tls, &peers->bufs, raw_is_server, 65536));
	assert_true(stage->tls->records);
	stage->forge = forge_of(stage->raw.ssl, raw_is_server);
}

static void stage_end(struct stage *stage)
{
	assert_talks(&stage->peers);
	tls_destroy(stage->tls);
	raw_end(&stage->raw);
	peers_end(&stage->peers);
}

static void send_record(struct stage *stage, uint8_t type, const void *content, size_t size, size_t padding)
{
	size = forge_record(&stage->forge, type, (struct slice){content, size}, padding, stage->record);
	give(stage->tls, &stage->peers.bufs, stage->record, size);
}

/* The code of the alert that came, or NO_ALERT. */
static int hear_alert(struct stage *stage)
{
	WOLFSSL_ALERT_HISTORY history = {.last_rx = {.code = NO_ALERT}};
	uint8_t got[64];

	raw_hear(&stage->raw, stage->tls);
	assert_int_equal(wolfSSL_read(stage->raw.ssl, got, sizeof got), -1);
	assert_int_equal(wolfSSL_get_alert_history(stage->raw.ssl, &history), WOLFSSL_SUCCESS);
	if (history.last_rx.code != NO_ALERT)
		assert_int_equal(history.last_rx.level, alert_fatal);
	return history.last_rx.code;
}

/* The bad one is on its way. Behind it comes a good one that must not arrive. */
static void assert_ends(struct stage *stage, const char *name, int alert, const char *part)
{
	struct piece piece;

	send_record(stage, FORGE_DATA, "lost", 4, 0);
	(void)tls_wants(stage->tls);
	if (tls_plain_out(stage->tls, &piece) != STATUS_IO)
		fail_msg("%s: something was delivered, or it goes on", name);
	if (tls_state(stage->tls) != TLS_FAILED || tls_reason(stage->tls) != REASON_TLS ||
	    !strstr(tls_text(stage->tls), part))
		fail_msg("%s: \"%s\"", name, tls_text(stage->tls));
	int heard = hear_alert(stage);
	if (heard != alert)
		fail_msg("%s: alert %d instead of %d; \"%s\"", name, heard, alert, tls_text(stage->tls));
	assert_int_equal(tls_plain_out(stage->tls, &piece), STATUS_IO);
	assert_int_equal(put(stage->tls, "x", 1), STATUS_IO);
	assert_int_equal(tls_wants(stage->tls), 0);
}

/* ---- records ---- */

struct bad_record {
	const char *name;
	uint8_t type;
	struct slice content;
	size_t padding;
	int alert;
	const char *part;
};

#define BYTES(text) ((struct slice){(const uint8_t *)(text), sizeof(text) - 1})
#define ZEROS(size) ((struct slice){zeros, size})

static const struct bad_record bad_records[] = {
    {"no type", 0, BYTES(""), 0, UNEXPECTED_MESSAGE, "all padding"},
    {"all padding", 0, BYTES(""), 100, UNEXPECTED_MESSAGE, "all padding"},
    {"a full record of padding", 0, BYTES(""), TLS_RECORD_MAX, UNEXPECTED_MESSAGE, "all padding"},
    {"type 1", 1, BYTES("abc"), 0, UNEXPECTED_MESSAGE, "a type that"},
    {"inner change_cipher_spec", 20, BYTES("\1"), 0, UNEXPECTED_MESSAGE, "a type that"},
    {"heartbeat", 24, BYTES("\1\0\20"), 0, UNEXPECTED_MESSAGE, "a type that"},
    {"type 255", 255, BYTES("abc"), 3, UNEXPECTED_MESSAGE, "a type that"},
    {"empty handshake", FORGE_HANDSHAKE, BYTES(""), 0, UNEXPECTED_MESSAGE, "an empty one"},
    {"empty handshake, padded", FORGE_HANDSHAKE, BYTES(""), 50, UNEXPECTED_MESSAGE, "an empty one"},
    {"empty alert", FORGE_ALERT, BYTES(""), 0, UNEXPECTED_MESSAGE, "an empty one"},
    {"alert of one byte", FORGE_ALERT, BYTES("\1"), 0, DECODE_ERROR, "an alert of a size"},
    {"alert of three bytes", FORGE_ALERT, BYTES("\1\0\1"), 0, DECODE_ERROR, "an alert of a size"},
    {"two alerts", FORGE_ALERT, BYTES("\1\132\1\132"), 0, DECODE_ERROR, "an alert of a size"},
    {"one byte too much", FORGE_DATA, ZEROS(TLS_RECORD_MAX + 1), 0, RECORD_OVERFLOW_ALERT, "more in it"},
    {"one zero too much", FORGE_DATA, ZEROS(TLS_RECORD_MAX), 1, RECORD_OVERFLOW_ALERT, "more in it"},
    {"padding too long", FORGE_DATA, BYTES("x"), TLS_RECORD_MAX, RECORD_OVERFLOW_ALERT, "more in it"},
    {"the most the header allows", FORGE_DATA, ZEROS(TLS_CIPHERTEXT_MAX - 17), 0, RECORD_OVERFLOW_ALERT,
     "more in it"},
    {"more than the header allows", FORGE_DATA, ZEROS(TLS_CIPHERTEXT_MAX - 16), 0, RECORD_OVERFLOW_ALERT,
     "a record header"},
    {"hello request", FORGE_HANDSHAKE, BYTES("\0\0\0\0"), 0, UNEXPECTED_MESSAGE, "a message that may not"},
    {"client hello", FORGE_HANDSHAKE, BYTES("\1\0\0\2\3\3"), 0, UNEXPECTED_MESSAGE, "a message that may not"},
    {"server hello", FORGE_HANDSHAKE, BYTES("\2\0\0\2\3\3"), 0, UNEXPECTED_MESSAGE, "a message that may not"},
    {"end of early data", FORGE_HANDSHAKE, BYTES("\5\0\0\0"), 0, UNEXPECTED_MESSAGE, "a message that may"},
    {"certificate", FORGE_HANDSHAKE, BYTES("\13\0\0\4\0\0\0\0"), 0, UNEXPECTED_MESSAGE, "a message that may"},
    {"finished", FORGE_HANDSHAKE, BYTES("\24\0\0\1\0"), 0, UNEXPECTED_MESSAGE, "a message that may not"},
    {"certificate request", FORGE_HANDSHAKE, BYTES("\15\0\0\3\0\0\0"), 0, UNEXPECTED_MESSAGE, "a message"},
    {"key update cut short", FORGE_HANDSHAKE, BYTES("\30\0\0\1"), 0, UNEXPECTED_MESSAGE, "a message"},
    {"key update cut in its head", FORGE_HANDSHAKE, BYTES("\30\0"), 9, UNEXPECTED_MESSAGE, "a message"},
    {"two key updates", FORGE_HANDSHAKE, BYTES("\30\0\0\1\1\30\0\0\1\1"), 0, UNEXPECTED_MESSAGE, "a message"},
    {"half a message behind", FORGE_HANDSHAKE, BYTES("\30\0\0\1\0\4"), 0, UNEXPECTED_MESSAGE, "a message"},
    {"key update of a length", FORGE_HANDSHAKE, BYTES("\30\0\0\2\0\1"), 0, DECODE_ERROR, "a message"},
    {"empty key update", FORGE_HANDSHAKE, BYTES("\30\0\0\0"), 0, DECODE_ERROR, "a message"},
    {"key update of a kind", FORGE_HANDSHAKE, BYTES("\30\0\0\1\2"), 0, ILLEGAL_PARAMETER, "a message"},
};

static void test_bad_records(void **state)
{
	static struct stage stage;

	for (size_t i = 0; i < 2 * COUNT_OF(bad_records); i++) {
		const struct bad_record *bad = &bad_records[i / 2];
		stage_begin(&stage, i & 1);
		send_record(&stage, bad->type, bad->content.at, bad->content.size, bad->padding);
		assert_ends(&stage, bad->name, bad->alert, bad->part);
		stage_end(&stage);
	}
}

/* A server is not given tickets; a client is given whole ones. */
static void test_bad_tickets(void **state)
{
	static struct stage stage;
	static const uint8_t ticket[] = "\4\0\0\17\0\0\1\0\0\0\0\0\0\0\4abcd\0";

	stage_begin(&stage, false);
	send_record(&stage, FORGE_HANDSHAKE, ticket, 19, 0);
	assert_ends(&stage, "ticket for a server", UNEXPECTED_MESSAGE, "a message that may not");
	stage_end(&stage);
	for (size_t size = 1; size < 19; size++) {
		stage_begin(&stage, true);
		send_record(&stage, FORGE_HANDSHAKE, ticket, size, 40);
		assert_ends(&stage, "part of a ticket", UNEXPECTED_MESSAGE, "a message");
		stage_end(&stage);
	}
}

static void test_altered_bytes(void **state)
{
	static struct stage stage;
	uint8_t record[FORGE_RECORD_MAX];

	for (size_t at = 0; at < 5 + 8 + 1 + 16; at++) {
		stage_begin(&stage, at & 1);
		size_t size = forge_record(&stage.forge, FORGE_DATA, BYTES("eight by"), 0, record);
		if (at == 3)
			memset(record, 23, 1); /* a length that is too large is tried elsewhere */
		record[at == 3 ? 4 : at] ^= at == 0 ? 1 : 4;
		give(stage.tls, &stage.peers.bufs, record, size);
		if (at == 0)
			assert_ends(&stage, "handshake in the clear", UNEXPECTED_MESSAGE, "in the clear");
		else if (at == 1)
			assert_ends(&stage, "version", UNEXPECTED_MESSAGE, "a record header");
		else
			assert_ends(&stage, "altered", BAD_RECORD_MAC, "failed to authenticate");
		stage_end(&stage);
	}
}

static void test_records_in_the_clear(void **state)
{
	static struct stage stage;
	static const struct {
		uint8_t record[7];
		const char *part;
	} cases[] = {
	    {{20, 3, 3, 0, 1, 1}, "in the clear"},    {{21, 3, 3, 0, 2, 1, 0}, "in the clear"},
	    {{21, 3, 3, 0, 2, 2, 40}, "in the clear"}, {{22, 3, 3, 0, 1, 1}, "in the clear"},
	    {{19, 3, 3, 0, 1, 1}, "a record header"}, {{24, 3, 3, 0, 1, 1}, "a record header"},
	    {{23, 3, 3, 0, 0}, "a record header"},    {{23, 3, 3, 0, 1, 1}, "a record header"},
	};
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		stage_begin(&stage, i & 1);
		give(stage.tls, &stage.peers.bufs, cases[i].record, 5u + cases[i].record[4]);
		assert_ends(&stage, cases[i].part, UNEXPECTED_MESSAGE, cases[i].part);
		stage_end(&stage);
	}
}

/* ---- what is at the limit, and allowed ---- */

static void test_lengths_at_the_limit(void **state)
{
	static struct stage stage;
	static uint8_t got[TLS_RECORD_MAX];
	enum status last;

	stage_begin(&stage, false);
	send_record(&stage, FORGE_DATA, zeros, TLS_RECORD_MAX, 0);
	assert_int_equal(take(stage.tls, got, sizeof got, &last), TLS_RECORD_MAX);
	send_record(&stage, FORGE_DATA, "x", 1, TLS_RECORD_MAX - 1);
	assert_int_equal(take(stage.tls, got, sizeof got, &last), 1);
	send_record(&stage, FORGE_DATA, zeros, 1, 0);
	assert_int_equal(take(stage.tls, got, sizeof got, &last), 1);
	send_record(&stage, FORGE_DATA, zeros, 0, TLS_RECORD_MAX);
	send_record(&stage, FORGE_DATA, zeros, 0, 0);
	assert_int_equal(take(stage.tls, got, sizeof got, &last), 0);
	assert_int_equal(last, STATUS_MORE);
	send_record(&stage, FORGE_HANDSHAKE, "\30\0\0\1\0", 5, TLS_RECORD_MAX - 5);
	assert_int_equal(take(stage.tls, got, sizeof got, &last), 0);
	assert_int_equal(last, STATUS_MORE);
	assert_int_equal(stage.tls->open_way.sequence, 0);
	stage_end(&stage);
}

/* As many records without data as are allowed, then data; then one more than are. */
static void test_flood_of_empty_records(void **state)
{
	static struct stage stage;
	uint8_t got[8];
	enum status last;

	stage_begin(&stage, false);
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < 32; i++)
			send_record(&stage, FORGE_DATA, "", 0, 3);
		send_record(&stage, FORGE_DATA, "data", 4, 0);
		assert_int_equal(take(stage.tls, got, sizeof got, &last), 4);
		assert_int_equal(last, STATUS_MORE);
	}
	for (int i = 0; i < 33; i++)
		send_record(&stage, FORGE_DATA, "", 0, 0);
	assert_ends(&stage, "flood", UNEXPECTED_MESSAGE, "too many records without data");
	stage_end(&stage);
}

/* ---- alerts and ends ---- */

/* Every alert but close_notify and user_canceled ends it, whatever its level says. */
static void test_alerts(void **state)
{
	static struct stage stage;
	struct piece piece;

	for (int code = 1; code < 256; code += code < 130 ? 1 : 17) {
		for (uint8_t level = 0; level < 4; level++) {
			uint8_t alert[2] = {level, (uint8_t)code};
			if (code == 90)
				continue;
			stage_begin(&stage, false);
			send_record(&stage, FORGE_ALERT, alert, 2, 0);
			send_record(&stage, FORGE_DATA, "lost", 4, 0);
			assert_int_equal(tls_plain_out(stage.tls, &piece), STATUS_IO);
			assert_int_equal(tls_state(stage.tls), TLS_FAILED);
			if (!strstr(tls_text(stage.tls), "the peer ended TLS with"))
				fail_msg("alert %d, level %u: %s", code, level, tls_text(stage.tls));
			stage_end(&stage);
		}
	}
}

static void test_user_canceled_and_close(void **state)
{
	static struct stage stage;
	struct piece piece;
	uint8_t got[8];
	enum status last;

	stage_begin(&stage, false);
	send_record(&stage, FORGE_DATA, "data", 4, 0);
	send_record(&stage, FORGE_ALERT, "\1\132", 2, 0);
	assert_int_equal(take(stage.tls, got, sizeof got, &last), 4);
	assert_int_equal(last, STATUS_MORE);
	send_record(&stage, FORGE_ALERT, "\1\0", 2, 0);
	send_record(&stage, FORGE_DATA, "late", 4, 0);
	assert_int_equal(tls_plain_out(stage.tls, &piece), STATUS_IO);
	assert_int_equal(tls_state(stage.tls), TLS_CLOSED);
	assert_int_equal(tls_reason(stage.tls), REASON_OK);
	tls_close(stage.tls);
	raw_hear(&stage.raw, stage.tls);
	assert_int_equal(wolfSSL_read(stage.raw.ssl, got, sizeof got), 0);
	assert_int_equal(wolfSSL_get_error(stage.raw.ssl, 0), WOLFSSL_ERROR_ZERO_RETURN);
	stage_end(&stage);
}

/* Cut between records and at every byte of one. */
static void test_no_close_notify(void **state)
{
	static struct stage stage;
	uint8_t record[FORGE_RECORD_MAX], got[8];
	enum status last;

	for (size_t cut = 0; cut < 5 + 4 + 17; cut++) {
		stage_begin(&stage, cut & 1);
		send_record(&stage, FORGE_DATA, "data", 4, 0);
		forge_record(&stage.forge, FORGE_DATA, BYTES("lost"), 0, record);
		if (cut)
			give(stage.tls, &stage.peers.bufs, record, cut);
		tls_wire_end(stage.tls);
		assert_int_equal(take(stage.tls, got, sizeof got, &last), 4);
		assert_int_equal(last, STATUS_IO);
		assert_int_equal(tls_reason(stage.tls), REASON_TRUNCATED);
		stage_end(&stage);
	}
}

/* Key updates and their answers after our close_notify, and the peer's close_notify behind them. */
static void test_key_update_after_close(void **state)
{
	static struct stage stage;
	uint8_t got[8];
	enum status last;

	stage_begin(&stage, false);
	tls_close(stage.tls);
	assert_int_equal(wolfSSL_update_keys(stage.raw.ssl), WOLFSSL_SUCCESS);
	assert_int_equal(wolfSSL_write(stage.raw.ssl, "data", 4), 4);
	wolfSSL_shutdown(stage.raw.ssl);
	raw_say(&stage.raw, stage.tls, &stage.peers.bufs, 3);
	assert_int_equal(take(stage.tls, got, sizeof got, &last), 4);
	assert_int_equal(last, STATUS_IO);
	assert_int_equal(tls_state(stage.tls), TLS_CLOSED);
	stage_end(&stage);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_bad_records),
	    cmocka_unit_test(test_bad_tickets),
	    cmocka_unit_test(test_altered_bytes),
	    cmocka_unit_test(test_records_in_the_clear),
	    cmocka_unit_test(test_lengths_at_the_limit),
	    cmocka_unit_test(test_flood_of_empty_records),
	    cmocka_unit_test(test_alerts),
	    cmocka_unit_test(test_user_canceled_and_close),
	    cmocka_unit_test(test_no_close_notify),
	    cmocka_unit_test(test_key_update_after_close),
	};
	return cmocka_run_group_tests(tests, library_setup_fast, library_teardown);
}
