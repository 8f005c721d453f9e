/* bench/lib/handshake.h - TLS connections that do nothing but shake hands and end, as many as go.
 *
 * Owner: the program. Threads: one for each client from open to close, at rest but within handshake_run():
 * what wolfSSL has precomputed for a thread stays there. A connection counts when both sides have ended it.
 * With `resumed` each client takes one ticket at the beginning, and offers it from then on; every connection
 * must then be a resumed one.
 */
#ifndef BENCH_LIB_HANDSHAKE_H
#define BENCH_LIB_HANDSHAKE_H

#include <semaphore.h>

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
	atomic_bool stopping, closing;
	sem_t rested;                /* by each client at the end of a run */
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
