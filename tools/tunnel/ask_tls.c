/* tools/tunnel/ask_tls.c - TLS between a question and the listener, on a socket that is waited for. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "tools/tunnel/ask_inside.h"
#include "tools/tunnel/crypto.h"
#include "tools/tunnel/file.h"
#include "tools/tunnel/state.h"

enum { ANCHORS_MAX = 4 * 1024 * 1024, MEMORY_MAX = 4 * 1024 * 1024, WIRE_SIZE = 16 * 1024, PIECES = 8 };

struct ask_tls {
	bool started;                        /* the library */
	struct tls_settings settings;
	struct tls_endpoint *endpoint;
	struct bufpool bufs;
	uint8_t *anchors;
};

static bool read_anchors(struct ask_tls *tls, const struct ask *ask, char why[ASK_WHY_SIZE])
{
	char reason[FILE_WHY_SIZE];
	size_t size;
	if (ask->has_pin)
		return true;
	const char *file = ask->ca[0] ? ask->ca : state_system_roots;
	tls->anchors = file_read(file, FILE_OPEN, ANCHORS_MAX, &size, reason);
	tls->settings.anchors = (struct slice){tls->anchors, size};
	if (!tls->anchors)
		snprintf(why, ASK_WHY_SIZE, "%s%s", reason,
			 ask->ca[0] ? "" : ": install ca-certificates, or give ?pin=sha256:... or ?ca=FILE");
	return tls->anchors != NULL;
}

bool ask_tls_create(struct ask *ask, char why[ASK_WHY_SIZE])
{
	char reason[TLS_TEXT_SIZE];
	struct ask_tls *tls = ask->tls = calloc(1, sizeof *tls);
	if (!tls) {
		snprintf(why, ASK_WHY_SIZE, "out of memory");
		return false;
	}
	bufpool_init(&tls->bufs, 0, MEMORY_MAX);
	/* What stands before a listener may be older than we are. */
	tls->settings = (struct tls_settings){.tls12 = true, .alpn = {"http/1.1"}, .has_pin = ask->has_pin};
	memcpy(tls->settings.pin, ask->pin, PIN_SIZE);
	if (!read_anchors(tls, ask, why))
		return false;
	tls->started = crypto_start(reason) == STATUS_OK;
	if (tls->started)
		tls->endpoint = tls_endpoint_create(&tls->settings, reason);
	if (!tls->endpoint)
		snprintf(why, ASK_WHY_SIZE, "%.240s%s%.500s", ask->ca, ask->ca[0] ? ": " : "", reason);
	return tls->endpoint != NULL;
}

void ask_tls_destroy(struct ask *ask)
{
	struct ask_tls *tls = ask->tls;
	if (!tls)
		return;
	tls_endpoint_destroy(tls->endpoint);
	if (tls->started)
		tls_library_stop();
	bufpool_fini(&tls->bufs);
	free(tls->anchors);
	free(tls);
	ask->tls = NULL;
}

/* ---- the ports ---- */

/* What TLS has to send. */
static bool drain(struct exchange *exchange)
{
	struct piece pieces[PIECES];
	size_t count;
	while ((count = tls_wire_out(exchange->tls, pieces, PIECES))) {
		size_t size = 0;
		for (size_t i = 0; i < count; i++) {
			if (!exchange_write(exchange, pieces[i].bytes.at, pieces[i].bytes.size))
				return false;
			size += pieces[i].bytes.size;
		}
		tls_wire_ack(exchange->tls, size);
	}
	return true;
}

/* What the peer has sent, or that it has ended. */
static bool feed(struct exchange *exchange)
{
	struct buf *buf = buf_acquire(&exchange->ask->tls->bufs, WIRE_SIZE);
	if (!buf)
		return exchange_fail(exchange, "out of memory");
	ssize_t size = exchange_read(exchange, buf->bytes, buf->size);
	if (size > 0) {
		buf->used = (uint32_t)size;
		tls_wire_in(exchange->tls, buf);
		return true;
	}
	buf_unref(buf);
	if (size == 0)
		tls_wire_end(exchange->tls);
	return size == 0;
}

static bool fail_tls(struct exchange *exchange)
{
	const char *text = tls_text(exchange->tls);
	enum reason reason = tls_reason(exchange->tls);
	/* The peer may learn from an alert what was wrong; it is no matter if not. */
	exchange_part(exchange);
	if (reason == REASON_CERTIFICATE)
		return exchange_fail(exchange, "%s (--url 'https://HOST:PORT?pin=sha256:...' or ?ca=FILE)",
				     text);
	if (reason == REASON_PLAINTEXT)
		return exchange_fail(exchange, "no TLS is spoken there; try http://");
	return exchange_fail(exchange, "%s", text);
}

bool exchange_secure(struct exchange *exchange)
{
	const struct ask *ask = exchange->ask;
	exchange->tls = tls_create(ask->tls->endpoint, &ask->tls->bufs, ask->host);
	if (!exchange->tls)
		return exchange_fail(exchange, "out of memory");
	tls_wire_in(exchange->tls, NULL);
	while (tls_state(exchange->tls) == TLS_HANDSHAKE)
		if (!drain(exchange) || !feed(exchange))
			return false;
	return tls_state(exchange->tls) == TLS_OPEN ? drain(exchange) : fail_tls(exchange);
}

bool exchange_seal(struct exchange *exchange, const void *bytes, size_t size)
{
	const uint8_t *at = bytes;
	while (size) {
		struct piece piece = {NULL, {at, size_min(size, TLS_RECORD_MAX)}};
		if (tls_plain_in(exchange->tls, &piece, 1) != STATUS_OK)
			return fail_tls(exchange);
		if (!drain(exchange))
			return false;
		at += piece.bytes.size;
		size -= piece.bytes.size;
	}
	return true;
}

ssize_t exchange_unseal(struct exchange *exchange)
{
	struct piece piece;
	enum status status;
	while ((status = tls_plain_out(exchange->tls, &piece)) == STATUS_MORE)
		if (!drain(exchange) || !feed(exchange))
			return -1;
	if (status != STATUS_OK)
		return tls_state(exchange->tls) == TLS_CLOSED ? 0 : (fail_tls(exchange), -1);
	size_t size = piece.bytes.size;
	bool room = exchange_reserve(exchange, size);
	if (room)
		memcpy(exchange->bytes + exchange->size, piece.bytes.at, size);
	buf_unref(piece.buf);
	return room ? (ssize_t)size : -1;
}

void exchange_part(struct exchange *exchange)
{
	struct piece piece;
	tls_close(exchange->tls);
	while (tls_wire_out(exchange->tls, &piece, 1)) {
		ssize_t sent = send(exchange->fd, piece.bytes.at, piece.bytes.size, MSG_NOSIGNAL);
		if (sent <= 0)
			return;
		tls_wire_ack(exchange->tls, (size_t)sent);
	}
}
