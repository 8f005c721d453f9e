/* tls/wire.c - between our ciphertext queues and wolfSSL: the record guard and the I/O callbacks; see
 * inside.h.
 *
 * wolfSSL is shown whole records only, and of each one the header was checked: some that no peer may send
 * make 5.5.4 read outside its buffers. So a record that trickles in waits in our slabs, not in wolfSSL's.
 */
#include "tls/record.h"

#include <wolfssl/wolfio.h>

enum {
	RECORD_CHANGE_CIPHER = 20,
	RECORD_HANDSHAKE = 22,
	RECORD_DATA = 23,
	DATA_SIZE_MIN = 17, /* TLS 1.3: a type byte and the tag */
	TAG_SIZE = 16,
	HELLO_VERSION_AT = 9,
	RECORDS_PER_LOOK = 32,
};

/* Copies bytes of the queue without taking them; returns how many there were. */
static size_t peek(const struct bufqueue *queue, size_t skip, uint8_t *to, size_t size)
{
	size_t got = 0;

	for (const struct buf *buf = queue->first; buf && got < size; buf = buf->next) {
		size_t unread = buf->used - buf->start;
		if (skip >= unread) {
			skip -= unread;
			continue;
		}
		size_t count = size_min(unread - skip, size - got);
		memcpy(to + got, buf->bytes + buf->start + skip, count);
		got += count;
		skip = 0;
	}
	return got;
}

static bool needs_inner_type(const struct tls *tls)
{
	return !tls->endpoint->settings->tls12 || wolfSSL_version(tls->ssl) == TLS1_3_VERSION;
}

static bool is_header_sane(const struct tls *tls, const uint8_t header[TLS_HEADER_SIZE])
{
	uint16_t length = get16(header + 3);

	if (header[0] < RECORD_CHANGE_CIPHER || header[0] > RECORD_DATA || header[1] != 3)
		return false;
	if (length < 1 || length > TLS_CIPHERTEXT_MAX)
		return false;
	return header[0] != RECORD_DATA || length >= DATA_SIZE_MIN || !needs_inner_type(tls);
}

static void fail_plaintext(struct tls *tls, uint8_t first)
{
	bool server = tls->endpoint->settings->server;
	const char *what = first >= 'A' && first <= 'Z' ? " but text, perhaps plain HTTP"
			   : first & 0x80		? " but perhaps SSL 2"
							: "";

	if (server)
		tls_fail(tls, REASON_PLAINTEXT,
			 "the first byte was %02x: this is not TLS%s; nothing else is "
			 "spoken on this port",
			 first, what);
	else
		tls_fail(tls, REASON_PLAINTEXT,
			 "the first byte was %02x: the peer does not speak TLS on this port%s",
			 first, what);
}

/* A server is greeted with a handshake record; a client may be answered with an alert, too. */
static bool is_first_byte_sane(struct tls *tls)
{
	uint8_t first = 0;

	if (tls->started || !peek(&tls->in, 0, &first, 1))
		return true;
	if (first != RECORD_HANDSHAKE && (tls->endpoint->settings->server || first != RECORD_HANDSHAKE - 1)) {
		fail_plaintext(tls, first);
		return false;
	}
	tls->started = true;
	return true;
}

static void note_hello(struct tls *tls)
{
	uint8_t bytes[HELLO_VERSION_AT + 2];

	if (tls->peer_major || peek(&tls->in, 0, bytes, sizeof bytes) < sizeof bytes)
		return;
	tls->peer_major = bytes[HELLO_VERSION_AT];
	tls->peer_minor = bytes[HELLO_VERSION_AT + 1];
}

enum wire_record wire_next(struct tls *tls, size_t *payload)
{
	uint8_t header[TLS_HEADER_SIZE];

	if (!is_first_byte_sane(tls))
		return WIRE_RECORD_BAD;
	if (peek(&tls->in, 0, header, sizeof header) < sizeof header)
		return WIRE_RECORD_NONE;
	if (!is_header_sane(tls, header)) {
		record_alert(tls, get16(header + 3) > TLS_CIPHERTEXT_MAX ? RECORD_OVERFLOW
									 : RECORD_UNEXPECTED_MESSAGE);
		tls_fail(tls, REASON_TLS,
			 "a record header that TLS does not have (%02x %02x%02x %u): bytes were lost or "
			 "inserted on the way, or the peer is at fault",
			 header[0], header[1], header[2], get16(header + 3));
		return WIRE_RECORD_BAD;
	}
	*payload = get16(header + 3);
	if (tls->in.bytes < sizeof header + *payload)
		return WIRE_RECORD_NONE;
	if (tls->state == TLS_HANDSHAKE)
		note_hello(tls);
	return WIRE_RECORD_WHOLE;
}

/* At least the tag is no plaintext, and in TLS 1.3 the type byte behind it. */
static size_t plain_of(const struct tls *tls, size_t payload)
{
	size_t seal = needs_inner_type(tls) ? TAG_SIZE + 1 : TAG_SIZE;

	return payload > seal ? size_min(payload - seal, TLS_RECORD_MAX) : 0;
}

size_t wire_plain_size(struct tls *tls, size_t max)
{
	uint8_t header[TLS_HEADER_SIZE];
	size_t at = 0, total = 0;

	for (unsigned i = 0; i < RECORDS_PER_LOOK; i++) {
		if (peek(&tls->in, at, header, sizeof header) < sizeof header)
			break;
		size_t payload = get16(header + 3), plain = plain_of(tls, payload);
		at += sizeof header + payload;
		if (at > tls->in.bytes || !is_header_sane(tls, header) || (i && total + plain > max))
			break;
		total += plain;
	}
	return total;
}

/* Appends to the last slab where there is room, so that a trickle of bytes is no chain of buffers. */
static bool copy_in(struct tls *tls, const uint8_t *bytes, size_t size)
{
	struct buf *tail = tls->in.last;

	if (!tail || tail->refs != 1 || tail->parent || tail->size - tail->used < size) {
		struct buf *slab = buf_acquire(tls->bufs, size);
		if (!slab)
			return false;
		memcpy(slab->bytes, bytes, size);
		slab->used = (uint32_t)size;
		bufqueue_push(&tls->in, slab);
		return true;
	}
	memcpy(tail->bytes + tail->used, bytes, size);
	tail->used += (uint32_t)size;
	tls->in.bytes += size;
	return true;
}

void wire_take(struct tls *tls, struct buf *buf)
{
	size_t size = buf->used - buf->start;

	if (size && (buf_may_be_kept(buf, size) || !copy_in(tls, buf->bytes + buf->start, size))) {
		bufqueue_push(&tls->in, buf);
	} else {
		bufpool_copied(tls->bufs, size);
		buf_unref(buf);
	}
}

size_t wire_room(const struct tls *tls)
{
	return tls->out.bytes < TLS_WIRE_OUT_MAX ? TLS_WIRE_OUT_MAX - tls->out.bytes : 0;
}

static size_t tail_room(const struct tls *tls)
{
	return tls->out.last ? tls->out.last->size - tls->out.last->used : 0;
}

/* Slabs are of the classes that the pool keeps: one that is made to measure costs page faults each time, more
 * than the encryption of what it holds. */
bool wire_reserve(struct tls *tls, size_t size)
{
	bool flows = tls->out.bytes >= TLS_RECORD_MAX / 2;
	size_t room = tail_room(tls);

	for (struct buf *slab = tls->spare.first; slab; slab = slab->next)
		room += slab->size;
	while (room < size) {
		size_t missing = size_min(size - room, TLS_RECORD_MAX);
		struct buf *slab = buf_acquire(tls->bufs, flows ? TLS_RECORD_MAX : missing);
		if (!slab && flows)
			slab = buf_acquire(tls->bufs, missing);
		if (!slab)
			return false;
		bufqueue_push(&tls->spare, slab);
		room += slab->size;
	}
	return true;
}

static int read_queue(struct tls *tls, uint8_t *to, size_t size)
{
	size_t got = 0;

	while (got < size) {
		struct buf *buf = tls->in.first;
		size_t count = size_min(buf->used - buf->start, size - got);
		memcpy(to + got, buf->bytes + buf->start, count);
		got += count;
		bufqueue_ate(&tls->in, count);
	}
	bufpool_copied(tls->bufs, got);
	return (int)got;
}

int wire_recv(WOLFSSL *ssl, char *bytes, int size, void *owner)
{
	struct tls *tls = owner;

	if (tls->record_left == 0) {
		size_t payload = 0;
		if (tls->records)        /* they are handed over one by one */
			return WOLFSSL_CBIO_ERR_WANT_READ;
		enum wire_record record = wire_next(tls, &payload);
		if (record == WIRE_RECORD_BAD)
			return WOLFSSL_CBIO_ERR_GENERAL;
		if (record == WIRE_RECORD_NONE || wire_room(tls) < TLS_OUT_ALERT_ROOM)
			return WOLFSSL_CBIO_ERR_WANT_READ;
		/* this one may hold data; then the count begins anew */
		if (tls->state == TLS_OPEN && tls->records_without_data++ > RECORDS_WITHOUT_DATA) {
			tls_fail(tls, REASON_TLS, "too many records without data in a row");
			return WOLFSSL_CBIO_ERR_GENERAL;
		}
		tls->record_left = (uint32_t)(TLS_HEADER_SIZE + payload);
	}
	int got = read_queue(tls, (uint8_t *)bytes, size_min((size_t)size, tls->record_left));
	tls->record_left -= (uint32_t)got;
	return got;
}

size_t wire_peek(const struct tls *tls, uint8_t *to, size_t size) { return peek(&tls->in, 0, to, size); }

void wire_skip(struct tls *tls, size_t size)
{
	while (size) {
		size_t step = size_min(tls->in.first->used - tls->in.first->start, size);
		bufqueue_ate(&tls->in, step);
		size -= step;
	}
}

uint8_t *wire_tail(struct tls *tls, size_t *room)
{
	if (!tail_room(tls)) {
		check(tls->spare.first);
		bufqueue_push(&tls->out, bufqueue_pull(&tls->spare));
	}
	*room = tail_room(tls);
	return tls->out.last->bytes + tls->out.last->used;
}

void wire_wrote(struct tls *tls, size_t size)
{
	tls->out.last->used += (uint32_t)size;
	tls->out.bytes += size;
}

void wire_append(struct tls *tls, const uint8_t *bytes, size_t size)
{
	while (size) {
		size_t room;
		uint8_t *to = wire_tail(tls, &room);
		size_t step = size_min(room, size);
		memcpy(to, bytes, step);
		wire_wrote(tls, step);
		bytes += step;
		size -= step;
	}
}

/* Never says WANT_WRITE: wolfSSL 5.5.4 would report the next write as done without sending it. */
int wire_send(WOLFSSL *ssl, char *bytes, int size, void *owner)
{
	struct tls *tls = owner;

	if (!wire_reserve(tls, (size_t)size)) {
		tls_fail(tls, REASON_MEMORY, "no buffer for an outgoing TLS record");
		return WOLFSSL_CBIO_ERR_GENERAL;
	}
	wire_append(tls, (const uint8_t *)bytes, (size_t)size);
	bufpool_copied(tls->bufs, (size_t)size);
	return size;
}
