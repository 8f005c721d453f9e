/* tls/record.c - see record.h. */
#include "tls/record.h"

#include <wolfssl/error-ssl.h>

enum {
	TYPE_ALERT = 21,
	TYPE_HANDSHAKE = 22,
	TYPE_DATA = 23,
	TAG_SIZE = 16,
	SUITE_AES_128_GCM = 0x1301,
	SUITE_AES_256_GCM = 0x1302,
	ALERT_FATAL = 2,
	ALERT_SIZE = 2,
	ALERT_USER_CANCELED = 90,
	MESSAGE_HEADER_SIZE = 4,
	MESSAGE_TICKET = 4,
	MESSAGE_KEY_UPDATE = 24,
};

/* ---- keys ---- */

static const uint8_t *key_of(struct tls *tls, bool seal, const uint8_t **iv)
{
	bool server = tls->endpoint->settings->server == seal;
	*iv = server ? wolfSSL_GetServerWriteIV(tls->ssl) : wolfSSL_GetClientWriteIV(tls->ssl);
	return server ? wolfSSL_GetServerWriteKey(tls->ssl) : wolfSSL_GetClientWriteKey(tls->ssl);
}

static void load(struct tls *tls, bool seal)
{
	struct record_way *way = seal ? &tls->seal_way : &tls->open_way;
	const uint8_t *iv, *key = key_of(tls, seal, &iv);
	device_key_set(seal ? &tls->seal : &tls->open, key, (uint32_t)wolfSSL_GetKeySize(tls->ssl));
	memcpy(way->iv, iv, sizeof way->iv);
	way->sequence = 0;
}

/* wolfSSL has been at work: has it changed a key? */
static void reload(struct tls *tls, bool seal)
{
	const struct device_key *known = seal ? &tls->seal : &tls->open;
	const uint8_t *iv, *key = key_of(tls, seal, &iv);
	if (memcmp(known->key, key, known->size) != 0)
		load(tls, seal);
}

void record_begin(struct tls *tls)
{
	word64 sealed, opened; /* the calls answer 1 for the number 0, below 0 for a fault */
	int suite = wolfSSL_get_current_cipher_suite(tls->ssl) & 0xffff;
	if (!device_is_fast() || tls->endpoint->settings->library_records ||
	    wolfSSL_version(tls->ssl) != TLS1_3_VERSION ||
	    (suite != SUITE_AES_128_GCM && suite != SUITE_AES_256_GCM) ||
	    wolfSSL_GetSequenceNumber(tls->ssl, &sealed) < 0 ||
	    wolfSSL_GetPeerSequenceNumber(tls->ssl, &opened) < 0)
		return;
	load(tls, true);
	load(tls, false);
	tls->seal_way.sequence = sealed;
	tls->open_way.sequence = opened;
	tls->records = true;
}

/* RFC 8446, 5.3: the IV, its last eight bytes mixed with the number of the record. */
static void next_nonce(struct record_way *way, uint8_t nonce[12])
{
	memcpy(nonce, way->iv, 12);
	for (int i = 0; i < 8; i++)
		nonce[4 + i] ^= (uint8_t)(way->sequence >> (56 - 8 * i));
	way->sequence++;
}

void record_nonce_for_library(struct tls *tls, bool new_key, uint8_t nonce[12])
{
	if (new_key)
		load(tls, true);
	next_nonce(&tls->seal_way, nonce);
}

/* ---- sealing ---- */

static void seal_bytes(struct tls *tls, struct device_gcm *gcm, const uint8_t *from, size_t size)
{
	while (size) {
		size_t room;
		uint8_t *to = wire_tail(tls, &room);
		size_t step = size_min(room, size);
		device_gcm_seal(gcm, to, from, step);
		wire_wrote(tls, step);
		from += step;
		size -= step;
	}
}

struct cursor {
	const struct piece *part;
	size_t at;
};

/* The next `size` bytes behind the cursor as one record. */
static void seal_record(struct tls *tls, uint8_t type, struct cursor *cursor, size_t size)
{
	size_t length = size + 1 + TAG_SIZE;
	uint8_t header[TLS_HEADER_SIZE] = {TYPE_DATA, 3, 3, (uint8_t)(length >> 8), (uint8_t)length};
	uint8_t nonce[12], tag[TAG_SIZE];
	struct device_gcm gcm;
	next_nonce(&tls->seal_way, nonce);
	wire_append(tls, header, sizeof header);
	device_gcm_begin(&gcm, &tls->seal, nonce, (struct slice){header, sizeof header});
	while (size) {
		struct slice bytes = cursor->part->bytes;
		size_t step = size_min(bytes.size - cursor->at, size);
		if (step)
			seal_bytes(tls, &gcm, bytes.at + cursor->at, step);
		cursor->at += step;
		size -= step;
		if (cursor->at == bytes.size)
			*cursor = (struct cursor){cursor->part + 1, 0};
	}
	seal_bytes(tls, &gcm, &type, 1);
	device_gcm_seal_end(&gcm, tag);
	wire_append(tls, tag, sizeof tag);
}

void record_seal(struct tls *tls, const struct piece *parts, size_t count, size_t size)
{
	struct cursor cursor = {parts, 0};
	if (tls->seal_way.sequence >= library_key_update_records()) {
		device_enter(tls);
		if (wolfSSL_update_keys(tls->ssl) != WOLFSSL_SUCCESS)
			tls_fail(tls, REASON_TLS, "the keys could not be updated");
		reload(tls, true);
		device_leave();
	}
	while (size && tls->state != TLS_FAILED) {
		size_t step = size_min(size, tls->fragment);
		seal_record(tls, TYPE_DATA, &cursor, step);
		size -= step;
	}
}

void record_alert(struct tls *tls, enum record_alert alert)
{
	uint8_t bytes[ALERT_SIZE] = {ALERT_FATAL, (uint8_t)alert};
	struct piece part = {NULL, {bytes, sizeof bytes}};
	if (!tls->records || tls->state != TLS_OPEN)
		return;
	if (wire_reserve(tls, sizeof bytes + RECORD_SEAL_ROOM))
		seal_record(tls, TYPE_ALERT, &(struct cursor){&part, 0}, sizeof bytes);
	bufqueue_drop(&tls->spare);
}

static void refuse(struct tls *tls, enum record_alert alert, const char *what)
{
	record_alert(tls, alert);
	tls_fail(tls, REASON_TLS, "%s", what);
}

/* ---- opening ---- */

/* Walks over the bytes that wait, `at` bytes behind the first. */
struct span {
	struct buf *buf;
	size_t at;
};

static uint8_t *next_span(struct span *span, size_t max, size_t *size)
{
	while (span->at >= span->buf->used - span->buf->start) {
		span->at -= span->buf->used - span->buf->start;
		span->buf = span->buf->next;
	}
	uint8_t *bytes = span->buf->bytes + span->buf->start + span->at;
	*size = size_min(span->buf->used - span->buf->start - span->at, max);
	span->at += *size;
	return bytes;
}

/* Where the last byte that is not zero stands: the type (RFC 8446, 5.4). */
static void find_type(const uint8_t *bytes, size_t size, size_t at, size_t *type_at, uint8_t *type)
{
	while (size && !bytes[size - 1])
		size--;
	if (!size)
		return;
	*type_at = at + size - 1;
	*type = bytes[size - 1];
}

static void copy_span(struct span *span, uint8_t *to, size_t size)
{
	size_t step;
	for (size_t at = 0; at < size; at += step) {
		const uint8_t *bytes = next_span(span, size - at, &step);
		memcpy(to + at, bytes, step);
	}
}

/* Opens the record at the head of `in` in place. False: its tag does not fit. A type of 0: it has none. */
static bool open_in_place(struct tls *tls, const uint8_t header[TLS_HEADER_SIZE], size_t body,
			  size_t *type_at, uint8_t *type)
{
	struct span span = {tls->in.first, TLS_HEADER_SIZE};
	uint8_t nonce[12], tag[TAG_SIZE], sent[TAG_SIZE];
	struct device_gcm gcm;
	size_t step;
	next_nonce(&tls->open_way, nonce);
	device_gcm_begin(&gcm, &tls->open, nonce, (struct slice){header, TLS_HEADER_SIZE});
	for (size_t at = 0; at < body; at += step) {
		uint8_t *bytes = next_span(&span, body - at, &step);
		device_gcm_open(&gcm, bytes, bytes, step);
		find_type(bytes, step, at, type_at, type);
	}
	device_gcm_open_end(&gcm, tag);
	copy_span(&span, sent, TAG_SIZE);
	return device_is_same(tag, sent, TAG_SIZE);
}

/* wolfSSL says nothing to the peer about these two. Behind a KeyUpdate nothing may be that the old key has
 * sealed (RFC 8446, 5.1). */
static enum record_alert judge_update(struct span span, size_t length, size_t size)
{
	uint8_t request = 0;
	if (length != 1)
		return RECORD_DECODE_ERROR;
	if (size != length)
		return RECORD_UNEXPECTED_MESSAGE;
	copy_span(&span, &request, 1);
	return request <= 1 ? RECORD_SOUND : RECORD_ILLEGAL_PARAMETER;
}

/* Whole messages, of the two kinds that may come now? */
static enum record_alert judge_messages(struct tls *tls, size_t size)
{
	struct span span = {tls->in.first, TLS_HEADER_SIZE};
	enum record_alert alert = RECORD_SOUND;
	while (size >= MESSAGE_HEADER_SIZE && alert == RECORD_SOUND) {
		uint8_t header[MESSAGE_HEADER_SIZE];
		copy_span(&span, header, sizeof header);
		size_t length = (size_t)header[1] << 16 | get16(header + 2);
		size -= MESSAGE_HEADER_SIZE;
		if (length > size)
			return RECORD_UNEXPECTED_MESSAGE;
		if (header[0] == MESSAGE_KEY_UPDATE)
			alert = judge_update(span, length, size);
		else if (header[0] != MESSAGE_TICKET || tls->endpoint->settings->server)
			alert = RECORD_UNEXPECTED_MESSAGE;
		span.at += length;
		size -= length;
	}
	return size && alert == RECORD_SOUND ? RECORD_UNEXPECTED_MESSAGE : alert;
}

/* RFC 8446, 6: whatever level it has, every alert ends the connection but this one, behind which there is a
 * close_notify. wolfSSL goes by the level. */
static bool is_alert_harmless(struct tls *tls)
{
	WOLFSSL_ALERT_HISTORY history;
	memset(&history, 0, sizeof history);
	wolfSSL_get_alert_history(tls->ssl, &history);
	return history.last_rx.code == ALERT_USER_CANCELED;
}

/* A record that is opened and sound, of wolfSSL's business. */
static void hand_over(struct tls *tls, uint8_t type, size_t payload)
{
	uint8_t nothing[1];
	tls->record_left = (uint32_t)(TLS_HEADER_SIZE + payload);
	tls->opened_for_library = true;
	device_enter(tls);
	int got = wolfSSL_read(tls->ssl, nothing, sizeof nothing);
	int error = got > 0 ? 0 : wolfSSL_get_error(tls->ssl, got);
	tls->opened_for_library = false;
	if (got > 0)
		tls_fail(tls, REASON_TLS, "data in a record that holds none");
	else if (error == WOLFSSL_ERROR_ZERO_RETURN)
		tls->state = TLS_CLOSED;
	else if (error != WOLFSSL_ERROR_WANT_READ || tls->record_left)
		tls_fail_library(tls, error);
	else if (type == TYPE_ALERT && !is_alert_harmless(tls))
		tls_fail_library(tls, FATAL_ERROR);
	reload(tls, true);
	reload(tls, false);
	device_leave();
	if (tls->state == TLS_FAILED)
		wolfSSL_ERR_clear_error();
}

static void take_messages(struct tls *tls, size_t size, size_t payload)
{
	enum record_alert alert = judge_messages(tls, size);
	if (alert == RECORD_SOUND)
		hand_over(tls, TYPE_HANDSHAKE, payload);
	else
		refuse(tls, alert, "a message that may not come behind the handshake, or a broken one");
}

/* A record without data, opened, with `size` bytes in it. */
static void take_other(struct tls *tls, uint8_t type, size_t size, size_t payload)
{
	bool known = type == TYPE_DATA || ((type == TYPE_ALERT || type == TYPE_HANDSHAKE) && size);
	if (!known)
		refuse(tls, RECORD_UNEXPECTED_MESSAGE,
		       type ? "a record of a type that TLS does not have, or an empty one"
			    : "a record that is all padding");
	else if (++tls->records_without_data > RECORDS_WITHOUT_DATA)
		refuse(tls, RECORD_UNEXPECTED_MESSAGE, "too many records without data in a row");
	else if (type == TYPE_DATA)
		wire_skip(tls, TLS_HEADER_SIZE + payload);
	else if (type == TYPE_HANDSHAKE)
		take_messages(tls, size, payload);
	else if (size != ALERT_SIZE)
		refuse(tls, RECORD_DECODE_ERROR, "an alert of a size that TLS does not have");
	else
		hand_over(tls, TYPE_ALERT, payload);
}

/* The first record, which is whole. */
static void open_next(struct tls *tls, size_t payload)
{
	uint8_t header[TLS_HEADER_SIZE], type = 0;
	size_t type_at = 0, body = payload - TAG_SIZE;
	wire_peek(tls, header, sizeof header);
	if (header[0] != TYPE_DATA) {
		refuse(tls, RECORD_UNEXPECTED_MESSAGE, "a record in the clear behind the handshake");
		return;
	}
	if (body > TLS_RECORD_MAX + 1) {
		refuse(tls, RECORD_OVERFLOW, "a record with more in it than TLS allows");
		return;
	}
	if (!open_in_place(tls, header, body, &type_at, &type)) {
		refuse(tls, RECORD_BAD_MAC,
		       "a record failed to authenticate: bytes were changed, lost or inserted on the way");
		return;
	}
	if (type != TYPE_DATA || !type_at) {
		take_other(tls, type, type_at, payload);
		return;
	}
	wire_skip(tls, TLS_HEADER_SIZE);
	tls->opened = (uint32_t)type_at;
	tls->opened_after = (uint32_t)(payload - type_at);
	tls->records_without_data = 0;
}

enum status record_plain_out(struct tls *tls, struct piece *piece)
{
	while (!tls->opened) {
		size_t payload;
		if (tls->state != TLS_OPEN)
			return STATUS_IO;
		if (wire_next(tls, &payload) != WIRE_RECORD_WHOLE || wire_room(tls) < TLS_OUT_ALERT_ROOM)
			return tls->state == TLS_OPEN ? STATUS_MORE : STATUS_IO;
		open_next(tls, payload);
	}
	struct buf *buf = tls->in.first;
	uint32_t size = (uint32_t)size_min(tls->opened, buf->used - buf->start);
	*piece = (struct piece){buf_ref(buf), {buf->bytes + buf->start, size}};
	wire_skip(tls, size);
	tls->opened -= size;
	if (!tls->opened)
		wire_skip(tls, tls->opened_after);
	return STATUS_OK;
}
