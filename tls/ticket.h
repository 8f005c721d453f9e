/* tls/ticket.h - session ticket keys: one secret of the process, moved on by a one-way step every few hours.
 *
 * Owner:  the process holds the first copy, each endpoint its own, so that a handshake takes no lock and a
 *         ticket of one worker opens on every other. A step wipes what it came from: old tickets cannot be
 *         opened later. Clock: time(), the one that wolfSSL judges ticket ages by.
 * Limits: a ticket opens for TICKET_SECONDS up to twice that; wolfSSL refuses it after TICKET_SECONDS.
 * Never:  opens a ticket that was sealed under other settings (another certificate, other anchors).
 */
#ifndef TLS_TICKET_H
#define TLS_TICKET_H

#include "core/base.h"

#include <wolfssl/options.h>
#include <wolfssl/ssl.h>

enum { TICKET_SECONDS = 4 * 3600, TICKET_SECRET_SIZE = 32 };

struct ticket_keys {
	int64_t epoch;                            /* of secret[0]; secret[1] is the one before */
	uint8_t secret[2][TICKET_SECRET_SIZE];
	uint8_t binding[TICKET_SECRET_SIZE];      /* digest of the settings */
};

/* At process start, from the random source. False when that fails. */
bool ticket_start(void);
void ticket_stop(void);
/* A copy for one endpoint whose settings have this digest. */
void ticket_keys_init(struct ticket_keys *keys, const uint8_t binding[TICKET_SECRET_SIZE]);
void ticket_keys_fini(struct ticket_keys *keys);
/* wolfSSL's callback; `owner` is the struct ticket_keys. */
int ticket_seal_or_open(WOLFSSL *ssl, unsigned char name[WOLFSSL_TICKET_NAME_SZ],
			unsigned char iv[WOLFSSL_TICKET_IV_SZ], unsigned char mac[WOLFSSL_TICKET_MAC_SZ],
			int seal, unsigned char *ticket, int size, int *out_size, void *owner);

#endif
