/* core/digest.h - the two digests that protocols name things by. Made by the TLS library: tls/digest.c.
 *
 * Owner: nobody, values only. Thread: any. SHA-1 is for the WebSocket handshake alone, where it proves
 * nothing but that the peer has read RFC 6455.
 */
#ifndef CORE_DIGEST_H
#define CORE_DIGEST_H

#include "core/base.h"

enum { SHA1_SIZE = 20, SHA256_SIZE = 32, SHA256_HEX_SIZE = 2 * SHA256_SIZE + 1 };

void digest_sha1(struct slice bytes, uint8_t digest[SHA1_SIZE]);
void digest_sha256(struct slice bytes, uint8_t digest[SHA256_SIZE]);
/* Lower-case hex, terminated. */
void digest_sha256_hex(struct slice bytes, char hex[SHA256_HEX_SIZE]);

#endif
