/* bench/lib/handshake.h - TLS connections that do nothing but shake hands and end, as many as go.
 *
 * Owner: the program. Threads: one for each client, made and joined inside handshake_run(). A connection
 * counts when both sides have ended it. With `resumed` each client takes one ticket at the beginning, and
 * offers it from then on; every connection must then be a resumed one.
 */
#ifndef BENCH_LIB_HANDSHAKE_H
#define BENCH_LIB_HANDSHAKE_H

#include "bench/lib/fault.h"
#include "core/base.h"

struct handshake_client;

struct handshakes {
	uint16_t port;
	bool resumed;
	bool psk_alone;              /* see tls_client.h */
	struct fault *fault;
	struct handshake_client *clients;
	uint32_t client_count;
	atomic_bool stopping;
};

struct handshake_result {
	uint64_t count;
	uint64_t refused;            /* of them were not resumed, though that was asked */
	double seconds;
};

/* False: a fault, or no ticket was given (then there is no fault). Close it in any case. */
bool handshake_open(struct handshakes *handshakes, uint32_t client_count);
/* For so long; then the last ones end. May be repeated. False: a fault, or an interrupt. */
bool handshake_run(struct handshakes *handshakes, double seconds, struct handshake_result *result);
void handshake_close(struct handshakes *handshakes);

#endif
