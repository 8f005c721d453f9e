/* bench/lib/tls_client.h - TLS 1.3 connections to a peer's end, as its load: opened, resumed, closed.
 *
 * TLS_AES_128_GCM_SHA256 and X25519 on blocking sockets. Nobody's certificate is verified: it is loopback,
 * and the load shall cost little; that the handshake is signed is checked all the same.
 * Owner: a thread has its own client; a call belongs to the client's thread.
 */
#ifndef BENCH_LIB_TLS_CLIENT_H
#define BENCH_LIB_TLS_CLIENT_H

#include "bench/lib/fault.h"
#include "core/base.h"

#include <wolfssl/options.h>
#include <wolfssl/ssl.h>

struct tls_client {
	WOLFSSL_CTX *shared;
	WOLFSSL_SESSION *session;  /* that is offered, once there is one */
	bool psk_alone;            /* resumes without another key exchange, as the client of tunnel does */
	uint16_t port;
	struct fault *fault;
};

struct tls_call {
	int fd;                    /* -1: none */
	WOLFSSL *ssl;
	bool resumed;
};

/* The library, for the process: before the first client and after the last. */
void tls_client_start(void);
void tls_client_stop(void);
/* Needs psk_alone, port and fault. */
bool tls_client_init(struct tls_client *client);
void tls_client_fini(struct tls_client *client);

/* Connects and shakes hands. False: nothing is left, a fault says why. */
bool tls_call_open(struct tls_client *client, struct tls_call *call);
/* Says the end, waits for the other side's and closes. False: that did not come. */
bool tls_call_close(struct tls_client *client, struct tls_call *call);
/* Waits for a ticket of this call, which is then offered by the next ones. False: none came. */
bool tls_call_keep(struct tls_client *client, struct tls_call *call);

#endif
