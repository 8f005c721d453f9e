/* tools/tunnel/crypto.h - what the environment says about the crypto of the process; for diagnosis and tests.
 *
 *   TUNNEL_CRYPTO       auto (or absent), or library: wolfSSL alone, as where ipsec-mb is missing
 *   TUNNEL_KEY_UPDATE   records that a key of ours seals on the record path; at most 2^23
 *
 * Thread: main, before workers start.
 * Never:  weakens anything: each choice is one that some machine takes by itself, and no key lives longer.
 */
#ifndef TOOLS_TUNNEL_CRYPTO_H
#define TOOLS_TUNNEL_CRYPTO_H

#include "tls/tls.h"

/* tls_library_start with these options. A value that is none of those: STATUS_IO with one line in `why`. */
enum status crypto_start(char why[TLS_TEXT_SIZE]);

#endif
