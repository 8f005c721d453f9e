/* tls/tls.c - one tls session: the four ports; see tls.h. */
#include "tls/record.h"
#include "tls/x509.h"

#include <stdlib.h>

#include <wolfssl/error-ssl.h>

enum {
	RECORD_OVERHEAD_MAX = 64, /* header, explicit nonce, type byte, tag, and some more */
};

/* ---- life ---- */

/* The name for SNI and for the certificate, without a final dot. */
static bool set_host(struct tls *tls, const char *host)
{
	uint8_t address[16];
	size_t length = strlen(host);

	if (length && host[length - 1] == '.')
		length--;
	if (length >= sizeof tls->host)
		return false;
	memcpy(tls->host, host, length);
	if (!length || x509_address_of(tls->host, address))
		return true;
	return wolfSSL_UseSNI(tls->ssl, WOLFSSL_SNI_HOST_NAME, tls->host, (unsigned short)length) ==
	       WOLFSSL_SUCCESS;
}

/* A server's list only serves to refuse: what is chosen comes from the endpoint's callback. */
static bool set_alpn(struct tls *tls)
{
	const struct tls_settings *settings = tls->endpoint->settings;
	char list[TLS_ALPN_MAX * 64];
	size_t used = 0;

	if (!settings->alpn[0] || (settings->server && !settings->alpn_required))
		return true;
	for (int i = 0; i < TLS_ALPN_MAX && settings->alpn[i]; i++) {
		size_t length = strlen(settings->alpn[i]);
		if (used + length + 1 > sizeof list)
			return false;
		if (used)
			list[used++] = ',';
		memcpy(list + used, settings->alpn[i], length);
		used += length;
	}
	return wolfSSL_UseALPN(tls->ssl, list, (unsigned)used,
			       settings->server ? WOLFSSL_ALPN_FAILED_ON_MISMATCH
						: WOLFSSL_ALPN_CONTINUE_ON_MISMATCH) == WOLFSSL_SUCCESS;
}

/* What the last tls to the same host left behind is used once. */
static void resume(struct tls *tls)
{
	struct tls_endpoint *endpoint = tls->endpoint;

	if (!endpoint->session || strcmp(endpoint->session_host, tls->host) != 0)
		return;
	wolfSSL_set_session(tls->ssl, endpoint->session);
	wolfSSL_SESSION_free(endpoint->session);
	endpoint->session = NULL;
}

static int note_ticket(WOLFSSL *ssl, const unsigned char *ticket, int size, void *owner)
{
	((struct tls *)owner)->has_ticket = true;
	return 0;
}

/* A ticket of this very session, for the next one. After a resumption that brought no new ticket, wolfSSL's
 * session holds the old ticket beside a newer secret: offering that would end the next handshake. */
static void keep_session(struct tls *tls)
{
	struct tls_endpoint *endpoint = tls->endpoint;
	WOLFSSL_SESSION *session;

	bool good = tls->has_ticket && (tls->reason == REASON_OK || tls->reason == REASON_TRUNCATED);
	if (!good || !(session = wolfSSL_get1_session(tls->ssl)))
		return;
	if (endpoint->session)
		wolfSSL_SESSION_free(endpoint->session);
	endpoint->session = session;
	memcpy(endpoint->session_host, tls->host, sizeof endpoint->session_host);
}

static size_t memory_of(const struct tls_endpoint *endpoint)
{
	return endpoint->settings->server ? TLS_SERVER_MEMORY : TLS_CLIENT_MEMORY;
}

struct tls *tls_create(struct tls_endpoint *endpoint, struct bufpool *bufs, const char *host)
{
	struct tls *tls = budget_has(bufs->budget, memory_of(endpoint))
			      ? aligned_alloc(_Alignof(struct tls), sizeof *tls)
			      : NULL;

	if (!tls)
		return NULL;
	budget_take(bufs->budget, memory_of(endpoint));
	memset(tls, 0, sizeof *tls);
	tls->endpoint = endpoint;
	tls->bufs = bufs;
	device_enter(tls);
	tls->ssl = wolfSSL_new(endpoint->shared);
	if (!tls->ssl || (host && !endpoint->settings->server && !set_host(tls, host)) || !set_alpn(tls)) {
		tls_destroy(tls);
		return NULL;
	}
	wolfSSL_SetIOReadCtx(tls->ssl, tls);
	wolfSSL_SetIOWriteCtx(tls->ssl, tls);
	wolfSSL_SetCertCbCtx(tls->ssl, tls);
	if (!endpoint->settings->server) {
		/* wolfSSL 5.5.4 ends the connection over a ticket whose nonce is longer than 8 bytes, and
		 * rustls sends such to whoever offers PSK with DHE. Without that offer it sends none; our own
		 * gateway resumes by PSK alone. */
		wolfSSL_no_dhe_psk(tls->ssl);
		wolfSSL_set_SessionTicket_cb(tls->ssl, note_ticket, tls);
		resume(tls);
	}
	device_leave();
	return tls;
}

void tls_destroy(struct tls *tls)
{
	if (!tls)
		return;
	device_enter(tls);
	if (tls->ssl) {
		keep_session(tls);
		wolfSSL_free(tls->ssl);
	}
	device_leave();
	bufqueue_drop(&tls->in);
	bufqueue_drop(&tls->out);
	bufqueue_drop(&tls->spare);
	budget_give(tls->bufs->budget, memory_of(tls->endpoint));
	explicit_bzero(tls, sizeof *tls);
	free(tls);
}

/* ---- the handshake ---- */

/* wolfSSL said that the handshake is done: is it all that was asked for? */
static void open_up(struct tls *tls)
{
	const struct tls_settings *settings = tls->endpoint->settings;
	bool must_verify = !settings->server || settings->require_client_certificate;
	char *alpn = NULL;
	unsigned short alpn_size = 0;

	tls->resumed = wolfSSL_session_reused(tls->ssl);
	if (must_verify && !tls->verified && (settings->server || !tls->resumed)) {
		tls_fail(tls, REASON_CERTIFICATE, "the peer's certificate was not judged");
		return;
	}
	if (wolfSSL_ALPN_GetProtocol(tls->ssl, &alpn, &alpn_size) == WOLFSSL_SUCCESS)
		for (int i = 0; i < TLS_ALPN_MAX && settings->alpn[i]; i++)
			if (slice_is((struct slice){(uint8_t *)alpn, alpn_size}, settings->alpn[i]))
				tls->alpn = settings->alpn[i];
	int fragment = wolfSSL_GetMaxOutputSize(tls->ssl);
	tls->fragment = fragment > 0 && fragment < TLS_RECORD_MAX ? (uint32_t)fragment : TLS_RECORD_MAX;
	wolfSSL_FreeArrays(tls->ssl);
	record_begin(tls);
	tls->state = TLS_OPEN;
}

static void shake_hands(struct tls *tls)
{
	const struct tls_settings *settings = tls->endpoint->settings;

	device_enter(tls);
	int result = settings->server ? wolfSSL_accept(tls->ssl) : wolfSSL_connect(tls->ssl);
	int error = result == WOLFSSL_SUCCESS ? 0 : wolfSSL_get_error(tls->ssl, result);
	if (result == WOLFSSL_SUCCESS && tls->state == TLS_HANDSHAKE)
		open_up(tls);
	else if (error != WOLFSSL_ERROR_WANT_READ)
		tls_fail_library(tls, error);
	/* With a pin no issuer is ever believed: wolfSSL must not collect those that the peer sent along. */
	if (settings->has_pin && !settings->server && tls->state != TLS_HANDSHAKE)
		wolfSSL_CTX_UnloadCAs(tls->endpoint->shared);
	device_leave();
	if (tls->state == TLS_FAILED)
		wolfSSL_ERR_clear_error();
}

/* ---- the ports ---- */

static void drop_input(struct tls *tls)
{
	bufqueue_drop(&tls->in);
	tls->record_left = tls->opened = tls->opened_after = 0;
}

static bool is_over(const struct tls *tls) { return tls->state == TLS_FAILED || tls->state == TLS_CLOSED; }

void tls_wire_in(struct tls *tls, struct buf *buf)
{
	if (buf && (is_over(tls) || tls->ended))
		buf_unref(buf);
	else if (buf)
		wire_take(tls, buf);
	if (tls->state == TLS_HANDSHAKE)
		shake_hands(tls);
	if (is_over(tls))
		drop_input(tls);
}

/* Plaintext, a close_notify or a bad header waits and could be looked at now. */
static bool has_news(struct tls *tls)
{
	size_t payload;

	if (tls->opened || (!tls->records && (wolfSSL_pending(tls->ssl) > 0 || tls->record_left)))
		return true;
	return wire_next(tls, &payload) != WIRE_RECORD_NONE && wire_room(tls) >= TLS_OUT_ALERT_ROOM;
}

/* At the end of the stream: what is left is no record any more. */
static void end(struct tls *tls)
{
	if (tls->state == TLS_OPEN)
		tls_fail(tls, REASON_TRUNCATED,
			 "the connection ended without a close_notify: the peer, or something on the "
			 "way, cut it");
	drop_input(tls);
}

void tls_wire_end(struct tls *tls)
{
	size_t payload;

	if (tls->ended)
		return;
	tls->ended = true;
	if (tls->state == TLS_HANDSHAKE)
		tls_fail(tls, REASON_LOST,
			 "the peer ended the connection during the TLS handshake: its log may say why");
	if (is_over(tls))
		drop_input(tls);
	else if (!tls->opened && wolfSSL_pending(tls->ssl) <= 0 &&
		 wire_next(tls, &payload) == WIRE_RECORD_NONE)
		end(tls);
}

/* A buffer for what waits: one record at least, and all small ones that go with it. */
static struct buf *acquire_piece(struct tls *tls)
{
	size_t pending = (size_t)wolfSSL_pending(tls->ssl);
	size_t size = pending ? pending : wire_plain_size(tls, TLS_RECORD_MAX);

	return buf_acquire(tls->bufs, size_max(size, 1));
}

/* Does the next record's plaintext fit? A part of one would keep wolfSSL's own buffer alive. */
static bool fits_next(struct tls *tls, const struct buf *buf)
{
	return buf->size - buf->used >= wire_plain_size(tls, 0);
}

static void fill(struct tls *tls, struct buf *buf)
{
	device_enter(tls);
	while (buf->used < buf->size && has_news(tls) && (!buf->used || fits_next(tls, buf))) {
		int got = wolfSSL_read(tls->ssl, buf->bytes + buf->used, (int)(buf->size - buf->used));
		if (got > 0) {
			buf->used += (uint32_t)got;
			tls->records_without_data = 0;
			continue;
		}
		int error = wolfSSL_get_error(tls->ssl, got);
		if (error == WOLFSSL_ERROR_ZERO_RETURN)
			tls->state = TLS_CLOSED;
		else if (error != WOLFSSL_ERROR_WANT_READ)
			tls_fail_library(tls, error);
		if (is_over(tls))
			break;
	}
	device_leave();
	if (tls->state == TLS_FAILED)
		wolfSSL_ERR_clear_error();
}

static enum status library_plain_out(struct tls *tls, struct piece *piece)
{
	struct buf *buf = has_news(tls) && tls->state == TLS_OPEN ? acquire_piece(tls) : NULL;
	if (!buf)
		return STATUS_MORE;
	fill(tls, buf);
	*piece = (struct piece){buf, {buf->bytes, buf->used}};
	if (buf->used)
		return STATUS_OK;
	buf_unref(buf);
	return STATUS_MORE;
}

enum status tls_plain_out(struct tls *tls, struct piece *piece)
{
	size_t payload;

	if (is_over(tls))
		return STATUS_IO;
	if (tls->state == TLS_HANDSHAKE)
		return STATUS_MORE;
	enum status status = tls->records ? record_plain_out(tls, piece) : library_plain_out(tls, piece);
	if (is_over(tls))
		drop_input(tls);
	if (status == STATUS_OK)
		return STATUS_OK;
	if (tls->ended && tls->state == TLS_OPEN && wire_next(tls, &payload) == WIRE_RECORD_NONE)
		end(tls);
	return is_over(tls) ? STATUS_IO : STATUS_MORE;
}

/* One piece as it is, several gathered in front of each other. */
static const uint8_t *gather(struct tls *tls, const struct piece *parts, size_t count, size_t size)
{
	static _Thread_local uint8_t record[TLS_RECORD_MAX];
	size_t used = 0;

	if (count == 1)
		return parts[0].bytes.at;
	check(size <= sizeof record);
	bufpool_copied(tls->bufs, size);
	for (size_t i = 0; i < count; i++) {
		if (parts[i].bytes.size)
			memcpy(record + used, parts[i].bytes.at, parts[i].bytes.size);
		used += parts[i].bytes.size;
	}
	return record;
}

static void library_seal(struct tls *tls, const struct piece *parts, size_t count, size_t size)
{
	device_enter(tls);
	int sent = wolfSSL_write(tls->ssl, gather(tls, parts, count, size), (int)size);
	if (sent != (int)size)
		tls_fail_library(tls, wolfSSL_get_error(tls->ssl, sent));
	device_leave();
}

enum status tls_plain_in(struct tls *tls, const struct piece *parts, size_t count)
{
	size_t size = 0;

	for (size_t i = 0; i < count; i++)
		size += parts[i].bytes.size;
	check(size >= 1 && size <= TLS_RECORD_MAX);
	if (is_over(tls) || tls->closing)
		return STATUS_IO;
	if (tls->state == TLS_HANDSHAKE)
		return STATUS_MORE;
	size_t sealed = size + (size / tls->fragment + 1) * RECORD_OVERHEAD_MAX;
	if (sealed + TLS_OUT_WRITE_ROOM > wire_room(tls) || !wire_reserve(tls, sealed))
		return STATUS_FULL;
	if (tls->records)
		record_seal(tls, parts, count, size);
	else
		library_seal(tls, parts, count, size);
	bufqueue_drop(&tls->spare);
	return tls->state == TLS_FAILED ? STATUS_IO : STATUS_OK;
}

size_t tls_wire_out(struct tls *tls, struct piece *pieces, size_t max)
{
	size_t count = 0;

	for (struct buf *buf = tls->out.first; buf && count < max; buf = buf->next)
		pieces[count++] = (struct piece){buf, {buf->bytes + buf->start, buf->used - buf->start}};
	return count;
}

void tls_wire_ack(struct tls *tls, size_t size)
{
	while (size) {
		check(tls->out.first);
		size_t step = size_min(size, tls->out.first->used - tls->out.first->start);
		bufqueue_ate(&tls->out, step);
		size -= step;
	}
}

void tls_close(struct tls *tls)
{
	if (tls->closing || !tls->fragment || tls->state == TLS_FAILED)
		return;
	tls->closing = true;
	device_enter(tls);
	wolfSSL_shutdown(tls->ssl);
	device_leave();
}

/* ---- questions ---- */

unsigned tls_wants(const struct tls *tls)
{
	/* Looking at a header may find that it is bad, which is news as well. */
	struct tls *self = (struct tls *)(uintptr_t)tls;
	unsigned wants = tls->out.bytes ? TLS_WANTS_WIRE_OUT : 0;

	if (is_over(tls))
		return wants;
	if (tls->state == TLS_HANDSHAKE)
		return wants | TLS_WANTS_WIRE_IN;
	bool news = has_news(self);
	if (news || tls->ended)
		wants |= TLS_WANTS_PLAIN_OUT;
	if (!tls->ended && (tls->in.bytes < TLS_IN_ENOUGH || !news))
		wants |= TLS_WANTS_WIRE_IN;
	if (!tls->closing && wire_room(tls) >= TLS_RECORD_MAX + RECORD_OVERHEAD_MAX * 2 + TLS_OUT_WRITE_ROOM)
		wants |= TLS_WANTS_PLAIN_IN;
	return wants;
}

enum tls_state tls_state(const struct tls *tls) { return tls->state; }
enum reason tls_reason(const struct tls *tls) { return tls->reason; }
const char *tls_text(const struct tls *tls) { return tls->text; }

void tls_facts(const struct tls *tls, struct tls_facts *facts)
{
	*facts = (struct tls_facts){
	    .version = wolfSSL_get_version(tls->ssl),
	    .cipher = wolfSSL_get_cipher_name(tls->ssl),
	    .group = wolfSSL_get_curve_name(tls->ssl),
	    .alpn = tls->alpn,
	    .resumed = tls->resumed,
	    .path = tls->records ? "record" : "library",
	};
}
