/* tls/record.h - the record path: application records of TLS 1.3 with AES-GCM, opened where they lie in the
 * receive buffer and sealed from pieces straight into the slab that is sent; no byte is copied.
 *
 * wolfSSL keeps the handshake, tickets, KeyUpdates and alerts. A record of those is opened by us like any
 * other and then handed to wolfSSL, whose decryption answers with what is there already; what wolfSSL seals
 * itself takes our sequence number. Behind each such visit the keys are compared, and loaded when they are
 * new, with the sequence number 0 (RFC 8446, 5.3 and 7.2).
 *
 * Owner:  the tls, from the end of its handshake. Thread: its worker.
 * Limits: library_key_update_records() sealed with one key; RECORDS_WITHOUT_DATA in a row, then the peer is
 *         at fault.
 * Never:  shows a byte of a record whose tag does not fit; gives wolfSSL a record that is not sound: 5.5.4
 *         reads a message that is cut short on into the padding and the tag.
 */
#ifndef TLS_RECORD_H
#define TLS_RECORD_H

#include "tls/inside.h"

enum {
	RECORD_SEAL_ROOM = 5 + 1 + 16,        /* header, type byte, tag */
	RECORDS_WITHOUT_DATA = 32,
};

enum record_alert { /* RFC 8446, 6 */
	RECORD_SOUND = 0, /* none */
	RECORD_UNEXPECTED_MESSAGE = 10,
	RECORD_BAD_MAC = 20,
	RECORD_OVERFLOW = 22,
	RECORD_ILLEGAL_PARAMETER = 47,
	RECORD_DECODE_ERROR = 50,
};

/* From now on, where version, cipher and machine allow it. */
void record_begin(struct tls *tls);
/* Next plaintext, as tls_plain_out. */
enum status record_plain_out(struct tls *tls, struct piece *piece);
/* The parts, `size` bytes together, as records of `fragment` bytes at most. Room was reserved. */
void record_seal(struct tls *tls, const struct piece *parts, size_t count, size_t size);
/* Tells the peer that it is at fault, before the tls fails. Nothing where the path is not in use. */
void record_alert(struct tls *tls, enum record_alert alert);
/* wolfSSL seals a record: the nonce that is next, with the key that it uses now. */
void record_nonce_for_library(struct tls *tls, bool new_key, uint8_t nonce[12]);

#endif
