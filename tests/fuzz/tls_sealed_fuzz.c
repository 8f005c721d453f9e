/* tests/fuzz/tls_sealed_fuzz.c - a peer that finished the handshake and then sends what the script says:
 * records of any type, padding and length, key updates, bytes altered, repeated, left out or in the clear,
 * in pieces of any size. An end on the record path and one on the library path hear the same script, as
 * servers or as clients.
 *
 * What must hold: the same plaintext and the same end on both paths; the record path alone may be stricter,
 * and says why. What an end answers always opens. No fault, every buffer comes home.
 */
#include <stdlib.h>
#include <string.h>

#include "../unit/tls_fixtures.h"
#include "../unit/tls_forge.h"

#define PEM(name) ((struct slice){(const uint8_t *)(name), sizeof(name) - 1})

enum { OPS_MAX = 64, PLAIN_MAX = OPS_MAX * TLS_RECORD_MAX + 1 };

struct script {
	const uint8_t *at, *end;
};

struct lane {
	struct tls_settings server_settings, client_settings;
	struct tls_endpoint *server, *client;
	struct tls *heard; /* the end that is tested */
	struct tls *liar;
	struct bufpool bufs;
	size_t chunk;
	uint8_t alter;     /* a byte of the next record, 0: none */
	uint8_t record[FORGE_RECORD_MAX];
	size_t record_size;
	uint8_t *plain;
	size_t plain_size;
	enum tls_state state;
	enum reason reason;
	char text[TLS_TEXT_SIZE];
};

static struct lane lanes[2]; /* the record path, the library path */
static uint64_t seed;

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void seeded_random(void *state, uint8_t *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++)
		bytes[i] = (uint8_t)(random_next(&seed) >> 24);
}

static void start(void)
{
	struct tls_library_options options = {.random = seeded_random};
	char why[TLS_TEXT_SIZE];

	check(tls_library_start(&options, why) == STATUS_OK && tls_library_is_fast());
	for (int i = 0; i < 2; i++) {
		struct lane *lane = &lanes[i];
		lane->server_settings = (struct tls_settings){
		    .server = true, .certificate = PEM(leaf_certificate), .key = PEM(leaf_key)};
		lane->client_settings.anchors = PEM(root_certificate);
		lane->server_settings.library_records = lane->client_settings.library_records = i == 1;
		lane->server = tls_endpoint_create(&lane->server_settings, why);
		lane->client = tls_endpoint_create(&lane->client_settings, why);
		lane->plain = malloc(PLAIN_MAX);
		check(lane->server && lane->client && lane->plain);
	}
}

static void feed(struct lane *lane, struct tls *tls, const uint8_t *bytes, size_t size, size_t chunk)
{
	for (size_t at = 0; at < size; at += chunk) {
		size_t step = size_min(chunk, size - at);
		struct buf *buf = buf_acquire(&lane->bufs, step);
		check(buf);
		memcpy(buf->bytes, bytes + at, step);
		buf->used = (uint32_t)step;
		tls_wire_in(tls, buf);
	}
}

static void carry(struct lane *lane, struct tls *from, struct tls *to, size_t chunk)
{
	struct piece piece;

	while (tls_wire_out(from, &piece, 1)) {
		feed(lane, to, piece.bytes.at, piece.bytes.size, chunk);
		tls_wire_ack(from, piece.bytes.size);
	}
}

/* ---- the script ---- */

static uint8_t next(struct script *script) { return script->at < script->end ? *script->at++ : 0; }

static struct slice next_bytes(struct script *script, size_t max)
{
	size_t size = size_min(max, (size_t)(script->end - script->at));
	struct slice bytes = {script->at, size};
	script->at += size;
	return bytes;
}

/* Sizes near the limits are as likely as any other. */
static size_t next_size(struct script *script)
{
	uint8_t kind = next(script), low = next(script);
	switch (kind >> 5) {
	case 0:
	case 1:
		return kind & 15;
	case 2:
		return TLS_RECORD_MAX - 8u + (low & 15);
	case 3:
		return TLS_CIPHERTEXT_MAX - 24u + (low & 15);
	default:
		return (size_t)(kind & 63) << 8 | low;
	}
}

static void deliver(struct lane *lane)
{
	if (lane->alter)
		lane->record[lane->alter % lane->record_size] ^= (uint8_t)(1u << (lane->alter & 7));
	lane->alter = 0;
	feed(lane, lane->heard, lane->record, lane->record_size, lane->chunk);
}

static void seal(struct lane *lane, uint8_t type, struct slice content, size_t padding)
{
	struct tls *liar = lane->liar;
	struct forge forge = {.key_size = liar->seal.size, .sequence = liar->seal_way.sequence++};

	memcpy(forge.key, liar->seal.key, forge.key_size);
	memcpy(forge.iv, liar->seal_way.iv, sizeof forge.iv);
	lane->record_size = forge_record(&forge, type, content, padding, lane->record);
}

static void send_data(struct lane *lane, struct script *script)
{
	static uint8_t content[TLS_RECORD_MAX * 2];
	size_t size = next_size(script), padding = next(script);

	memset(content, (int)size | 1, size);
	content[0] = (uint8_t)script->at[-1];
	seal(lane, FORGE_DATA, (struct slice){content, size}, padding < 200 ? 0 : padding - 200);
	deliver(lane);
}

static void send_any(struct lane *lane, struct script *script)
{
	static const uint8_t types[] = {FORGE_HANDSHAKE, FORGE_ALERT, FORGE_DATA, 20, 24, 0};
	uint8_t kind = next(script), count = next(script);
	uint8_t type = kind < 240 ? types[kind % COUNT_OF(types)] : kind;

	seal(lane, type, next_bytes(script, count & 31), (size_t)(count >> 5) * 7);
	deliver(lane);
}

static void update_key(struct lane *lane)
{
	struct tls *liar = lane->liar;
	bool server = liar->endpoint->settings->server;

	if (liar->state != TLS_OPEN)
		return;
	device_enter(liar);
	check(wolfSSL_update_keys(liar->ssl) == WOLFSSL_SUCCESS);
	device_leave();
	device_key_set(&liar->seal,
		       server ? wolfSSL_GetServerWriteKey(liar->ssl) : wolfSSL_GetClientWriteKey(liar->ssl),
		       liar->seal.size);
	memcpy(liar->seal_way.iv,
	       server ? wolfSSL_GetServerWriteIV(liar->ssl) : wolfSSL_GetClientWriteIV(liar->ssl),
	       sizeof liar->seal_way.iv);
	liar->seal_way.sequence = 0;
	carry(lane, liar, lane->heard, lane->chunk);
}

static void drain(struct lane *lane)
{
	struct piece piece;

	(void)tls_wants(lane->heard);
	while (tls_plain_out(lane->heard, &piece) == STATUS_OK) {
		check(lane->plain_size + piece.bytes.size <= PLAIN_MAX);
		memcpy(lane->plain + lane->plain_size, piece.bytes.at, piece.bytes.size);
		lane->plain_size += piece.bytes.size;
		buf_unref(piece.buf);
	}
	check(lane->heard->out.bytes <= TLS_WIRE_OUT_MAX + TLS_OUT_ALERT_ROOM);
}

/* What it answers is sound, whatever it was told. The liar may have asked for too many answers. */
static void listen_to_it(struct lane *lane)
{
	struct piece piece;

	carry(lane, lane->heard, lane->liar, 65536);
	check(tls_plain_out(lane->liar, &piece) != STATUS_OK);
	check(lane->liar->state != TLS_FAILED ||
	      strncmp(lane->liar->text, "the peer ended TLS with", 23) == 0 ||
	      strncmp(lane->liar->text, "too many records", 16) == 0);
}

static void step(struct lane *lane, struct script *script)
{
	uint8_t op = next(script);

	switch (op & 15) {
	default:
		send_data(lane, script);
		break;
	case 3:
	case 4:
	case 5:
		send_any(lane, script);
		break;
	case 6:
	case 7:
		update_key(lane);
		break;
	case 8:
		lane->alter = op >> 4 ? next(script) : 0;
		break;
	case 9: {
		struct slice bytes = next_bytes(script, op >> 4);
		feed(lane, lane->heard, bytes.at, bytes.size, lane->chunk);
		break;
	}
	case 10:
		lane->chunk = next(script) ? size_max(script->at[-1], 1) : 65536;
		break;
	case 11:
		if (lane->record_size)
			deliver(lane);
		break;
	case 12:
		drain(lane);
		break;
	case 13:
		drain(lane);
		listen_to_it(lane);
		break;
	case 14:
		tls_close(op >> 7 ? lane->liar : lane->heard);
		carry(lane, lane->liar, lane->heard, lane->chunk);
		break;
	}
}

static void connect_lane(struct lane *lane, bool hears_as_client)
{
	/* Who lies needs the record path, for its keys. */
	struct tls *server =
	    tls_create(hears_as_client ? lanes[0].server : lane->server, &lane->bufs, NULL);
	struct tls *client =
	    tls_create(hears_as_client ? lane->client : lanes[0].client, &lane->bufs, "gw.example");

	check(server && client);
	lane->heard = hears_as_client ? client : server;
	lane->liar = hears_as_client ? server : client;
	tls_wire_in(client, NULL);
	for (int i = 0; i < 2; i++) {
		carry(lane, client, server, 65536);
		carry(lane, server, client, 65536);
	}
	check(server->state == TLS_OPEN && client->state == TLS_OPEN);
}

static void run(struct lane *lane, struct script script)
{
	seed = 1;
	bufpool_init(&lane->bufs, 16, 64 * 1024 * 1024);
	lane->plain_size = lane->record_size = lane->alter = 0;
	lane->chunk = 65536;
	connect_lane(lane, next(&script) & 1);
	for (int i = 0; i < OPS_MAX && script.at < script.end; i++)
		step(lane, &script);
	drain(lane);
	listen_to_it(lane);
	tls_wire_end(lane->heard);
	drain(lane);
	lane->state = tls_state(lane->heard);
	lane->reason = tls_reason(lane->heard);
	memcpy(lane->text, tls_text(lane->heard), sizeof lane->text);
	check(lane->state == TLS_CLOSED || lane->state == TLS_FAILED);
	lane->heard->has_ticket = lane->liar->has_ticket = false; /* no run depends on the one before */
	tls_destroy(lane->heard);
	tls_destroy(lane->liar);
	bufpool_fini(&lane->bufs);
}

/* wolfSSL goes on where the record path does not: by alerts of the level "warning", by more records without
 * data than anybody needs, and by what it reads behind the end of a message. */
static bool is_stricter(const char *text)
{
	static const char *const texts[] = {
	    "the peer ended TLS with the alert",
	    "the peer ended TLS with alert",
	    "too many records without data",
	    "a message that may not come behind the handshake",
	    "a record of a type that TLS does not have, or an empty one",
	};
	for (size_t i = 0; i < COUNT_OF(texts); i++)
		if (strncmp(text, texts[i], strlen(texts[i])) == 0)
			return true;
	return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	const struct lane *record = &lanes[0], *library = &lanes[1];

	if (!lanes[0].plain)
		start();
	for (int i = 0; i < 2; i++)
		run(&lanes[i], (struct script){bytes, bytes + size});
	check(record->plain_size <= library->plain_size);
	check(memcmp(record->plain, library->plain, record->plain_size) == 0);
	if (!is_stricter(record->text)) {
		check(record->plain_size == library->plain_size);
		check(record->state == library->state && record->reason == library->reason);
	}
	return 0;
}
