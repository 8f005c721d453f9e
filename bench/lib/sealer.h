/* bench/lib/sealer.h - one direction of a connection that carries records as TLS 1.3 does with AES-128-GCM:
 * header, up to 16 KiB, a type byte, a tag; the header is authenticated, the nonce counts.
 *
 * For measuring what sealing costs at least: there is no handshake, the key is known to everybody.
 * Owner: a socket of a relay. Thread: that one. Sealed and opened in place, with ipsec-mb only.
 * Never: passes on a byte of a record whose tag does not fit.
 */
#ifndef BENCH_LIB_SEALER_H
#define BENCH_LIB_SEALER_H

#include <sys/uio.h>

#include "tls/device.h"

enum {
	SEALER_HEADER_SIZE = 5,
	SEALER_RECORD_SIZE = SEALER_HEADER_SIZE + TLS_RECORD_MAX + 1 + 16,
	SEALER_RECORDS = 16, /* that are sealed or opened at once */
	SEALER_SPACE = SEALER_RECORDS * SEALER_RECORD_SIZE,
};

struct sealer {
	struct device_key key;
	uint64_t sequence;
};

/* Starts the library. False: no ipsec-mb here; `text` says what there is. */
bool sealer_start(const char **text);
void sealer_init(struct sealer *sealer);
/* Where plaintext is to be read to, so that its records can be made around it. */
void sealer_vectors(uint8_t *space, struct iovec vectors[SEALER_RECORDS]);
/* Seals `size` bytes that lie where the vectors said. Returns the size of the records, from `space` on. */
size_t sealer_seal(struct sealer *sealer, uint8_t *space, size_t size);
/* Opens the whole records at the front, SEALER_RECORDS at most; `plain` gets `count` parts. False: a record
 * is not sound. */
bool sealer_open(struct sealer *sealer, uint8_t *bytes, size_t size, struct iovec plain[SEALER_RECORDS],
		 unsigned *count, size_t *taken);

#endif
