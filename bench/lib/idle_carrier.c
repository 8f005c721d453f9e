/* bench/lib/idle_carrier.c - see idle_carrier.h. */
#include "bench/lib/idle_carrier.h"

enum { FRAME_MAX = 1 << 16, ANSWER_MAX = 1024 };
enum { HTTP2_HEADER = 9, HTTP2_DATA = 0, HTTP2_HEADERS = 1, HTTP2_SETTINGS = 4, HTTP2_GOAWAY = 7 };
enum { HTTP2_ACK = 1, HTTP2_END_HEADERS = 4, HTTP2_STATUS_200 = 0x88 };
enum { WEBSOCKET_HEADER = 2, WEBSOCKET_MASK = 4, WEBSOCKET_SHORT = 125, WEBSOCKET_BINARY = 0x82 };

static bool read_whole(WOLFSSL *ssl, uint8_t *bytes, size_t size)
{
	for (size_t used = 0; used < size;) {
		int got = wolfSSL_read(ssl, bytes + used, (int)(size - used));
		if (got <= 0)
			return false;
		used += (size_t)got;
	}
	return true;
}

static bool write_whole(WOLFSSL *ssl, const void *bytes, size_t size)
{
	return wolfSSL_write(ssl, bytes, (int)size) == (int)size;
}

/* ---- WebSocket ---- */

static bool websocket_open(WOLFSSL *ssl)
{
	static const char request[] = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n"
				      "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
				      "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n";
	char answer[ANSWER_MAX];

	if (!write_whole(ssl, request, sizeof(request) - 1))
		return false;
	for (size_t size = 0; size + 1 < sizeof(answer); size++) {
		if (!read_whole(ssl, (uint8_t *)answer + size, 1))
			return false;
		answer[size + 1] = 0;
		if (size >= 3 && strcmp(answer + size - 3, "\r\n\r\n") == 0)
			return strncmp(answer, "HTTP/1.1 101 ", 13) == 0;
	}
	return false;
}

static bool websocket_write(WOLFSSL *ssl, const uint8_t *bytes, size_t size)
{
	uint8_t frame[WEBSOCKET_HEADER + 2 + WEBSOCKET_MASK + FRAME_MAX] = {WEBSOCKET_BINARY};
	size_t head = WEBSOCKET_HEADER;

	if (size > WEBSOCKET_SHORT) {
		frame[1] = 0x80 | (WEBSOCKET_SHORT + 1);
		frame[head++] = (uint8_t)(size >> 8);
		frame[head++] = (uint8_t)size;
	} else {
		frame[1] = (uint8_t)(0x80 | size);
	}
	head += WEBSOCKET_MASK;
	memcpy(frame + head, bytes, size);
	return write_whole(ssl, frame, head + size);
}

/* Binary or nothing: nobody pings within seconds. */
static bool websocket_next(WOLFSSL *ssl, size_t *payload)
{
	uint8_t head[WEBSOCKET_HEADER], more[2];

	if (!read_whole(ssl, head, sizeof(head)))
		return false;
	if (head[0] != WEBSOCKET_BINARY || head[1] > WEBSOCKET_SHORT + 1)
		return false;
	*payload = head[1];
	if (head[1] <= WEBSOCKET_SHORT)
		return true;
	if (!read_whole(ssl, more, sizeof(more)))
		return false;
	*payload = (size_t)more[0] << 8 | more[1];
	return true;
}

/* ---- HTTP/2 ---- */

static bool http2_write(WOLFSSL *ssl, int type, int flags, uint32_t stream, const uint8_t *bytes,
			size_t size)
{
	uint8_t frame[HTTP2_HEADER + FRAME_MAX];

	put32(frame, (uint32_t)size << 8 | (uint32_t)type);
	frame[4] = (uint8_t)flags;
	put32(frame + 5, stream);
	if (size > 0)
		memcpy(frame + HTTP2_HEADER, bytes, size);
	return write_whole(ssl, frame, HTTP2_HEADER + size);
}

static bool http2_skip(WOLFSSL *ssl, size_t size)
{
	uint8_t bytes[256];

	for (size_t part; size > 0; size -= part) {
		part = size_min(size, sizeof(bytes));
		if (!read_whole(ssl, bytes, part))
			return false;
	}
	return true;
}

/* Until a frame of that type; what else comes is read and, where it must be, answered. */
static bool http2_next(WOLFSSL *ssl, int type, size_t *payload)
{
	uint8_t head[HTTP2_HEADER];

	for (;;) {
		if (!read_whole(ssl, head, sizeof(head)) || head[3] == HTTP2_GOAWAY)
			return false;
		*payload = get32(head) >> 8;
		if (head[3] == type)
			return true;
		if (!http2_skip(ssl, *payload))
			return false;
		if (head[3] == HTTP2_SETTINGS && (head[4] & HTTP2_ACK) == 0 &&
		    !http2_write(ssl, HTTP2_SETTINGS, HTTP2_ACK, 0, NULL, 0))
			return false;
	}
}

static bool http2_open(WOLFSSL *ssl)
{
	static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
	static const uint8_t request[] = "\x02\x07"
					 "CONNECT"
					 "\x01\x09"
					 "localhost";
	uint8_t status;
	size_t size;

	return write_whole(ssl, preface, sizeof(preface) - 1) &&
	       http2_write(ssl, HTTP2_SETTINGS, 0, 0, NULL, 0) &&
	       http2_write(ssl, HTTP2_HEADERS, HTTP2_END_HEADERS, 1, request, sizeof(request) - 1) &&
	       http2_next(ssl, HTTP2_HEADERS, &size) && size >= 1 && read_whole(ssl, &status, 1) &&
	       status == HTTP2_STATUS_200 && http2_skip(ssl, size - 1);
}

/* ---- all ---- */

bool idle_carrier_open(struct idle_carrier *carrier)
{
	switch (carrier->transport) {
	case IDLE_WSS:
		return websocket_open(carrier->ssl);
	case IDLE_HTTP2:
		return http2_open(carrier->ssl);
	default:
		return true;
	}
}

bool idle_carrier_write(struct idle_carrier *carrier, const uint8_t *bytes, size_t size)
{
	check(size < FRAME_MAX);
	switch (carrier->transport) {
	case IDLE_WSS:
		return websocket_write(carrier->ssl, bytes, size);
	case IDLE_HTTP2:
		return http2_write(carrier->ssl, HTTP2_DATA, 0, 1, bytes, size);
	default:
		return write_whole(carrier->ssl, bytes, size);
	}
}

static bool next(struct idle_carrier *carrier)
{
	return carrier->transport == IDLE_WSS ? websocket_next(carrier->ssl, &carrier->left)
					      : http2_next(carrier->ssl, HTTP2_DATA, &carrier->left);
}

bool idle_carrier_read(struct idle_carrier *carrier, uint8_t *bytes, size_t size)
{
	if (carrier->transport == IDLE_TLS)
		return read_whole(carrier->ssl, bytes, size);
	for (size_t part; size > 0; size -= part) {
		while (carrier->left == 0)
			if (!next(carrier))
				return false;
		part = size_min(size, carrier->left);
		if (!read_whole(carrier->ssl, bytes, part))
			return false;
		bytes += part;
		carrier->left -= part;
	}
	return true;
}
