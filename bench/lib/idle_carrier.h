/* bench/lib/idle_carrier.h - TLS Tunnel's bytes inside WebSocket or one HTTP/2 stream, for idle links.
 *
 * Client's side, blocking, as little as such a link needs: all that it says fits the first windows, masks are
 * zero, heads are not compressed. Owner: the caller, for one TLS connection. Thread: main.
 */
#ifndef BENCH_LIB_IDLE_CARRIER_H
#define BENCH_LIB_IDLE_CARRIER_H

#include "core/base.h"

#include <wolfssl/options.h>
#include <wolfssl/ssl.h>

enum idle_transport { IDLE_TLS, IDLE_WSS, IDLE_HTTP2 };

struct idle_carrier {
	WOLFSSL *ssl;
	enum idle_transport transport;
	size_t left;               /* of the payload that is being read */
};

/* Asks for the stream of bytes. False: the peer does not give one. */
bool idle_carrier_open(struct idle_carrier *carrier);
/* At most 64 KiB at a time. */
bool idle_carrier_write(struct idle_carrier *carrier, const uint8_t *bytes, size_t size);
bool idle_carrier_read(struct idle_carrier *carrier, uint8_t *bytes, size_t size);

#endif
