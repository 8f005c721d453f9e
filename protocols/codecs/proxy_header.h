/* protocols/codecs/proxy_header.h - the PROXY protocol, versions 1 and 2: what a proxy says of a connection
 * before its first byte. Source: HAProxy's proxy-protocol.txt, edition of 2020.
 *
 * Owner: nobody, values only. Version 1 is a line of at most 107 bytes, version 2 a block whose length is
 * told; its extensions are stepped over, a CRC32c among them must be right.
 * Limits: PROXY_HEADER_MAX bytes. Never: allocates, keeps state, takes a byte that is not the header's.
 */
#ifndef PROTOCOLS_CODECS_PROXY_HEADER_H
#define PROTOCOLS_CODECS_PROXY_HEADER_H

#include "core/address.h"

enum {
	PROXY_HEADER_MAX = 4096,
	PROXY_HEADER_V1_MAX = 107,       /* with its end of line */
	PROXY_HEADER_WRITE_MAX = 107,
};

/* Family NONE: not said (UNKNOWN, LOCAL, or of no family that has addresses). */
struct proxy_header {
	struct address source, target;
};

/* OK: the first *used bytes were the header. MORE: they may become one. PROTOCOL: *fault says why not. */
enum status proxy_header_parse(struct slice bytes, struct proxy_header *header, size_t *used,
			       const char **fault);
/* The same for who wants nothing but the source. */
enum status proxy_header_source(struct slice bytes, struct address *source, size_t *used, const char **fault);
/* Version 1 or 2. Without two addresses of one family, IPv4 or IPv6, it says UNKNOWN or LOCAL. Returns the
 * size. */
size_t proxy_header_write(unsigned version, const struct proxy_header *header,
			  uint8_t bytes[PROXY_HEADER_WRITE_MAX]);

#endif
