/* protocols/codecs/yamux.h - the frame header of yamux: 12 bytes, big-endian. Numbers: hashicorp/yamux
 * spec.md and both of its implementations in use (Go, Rust); where they differ, the stricter one.
 *
 * Owner: nobody, values only. Only Data has a body. Flags that are not known are ignored by everybody.
 * Never: allocates, keeps state but the partial header of a reader, believes a length.
 */
#ifndef PROTOCOLS_CODECS_YAMUX_H
#define PROTOCOLS_CODECS_YAMUX_H

#include "core/base.h"

enum {
	YAMUX_HEADER_SIZE = 12,
	YAMUX_VERSION = 0,
	YAMUX_WINDOW = 256 * 1024, /* of every stream and direction at first (spec.md: flow control) */
	YAMUX_WINDOW_MAX = 16 * 1024 * 1024, /* what we grant at most: a Rust peer panics above 2^32-1 */
	YAMUX_SEND_MAX = 16372, /* bytes of a body that we send: with its header one TLS record */
};

enum yamux_type { YAMUX_DATA, YAMUX_WINDOW_UPDATE, YAMUX_PING, YAMUX_GOAWAY };

enum yamux_flag { YAMUX_SYN = 1, YAMUX_ACK = 2, YAMUX_FIN = 4, YAMUX_RST = 8, YAMUX_FLAGS_KNOWN = 15 };

enum yamux_code { YAMUX_CODE_NORMAL, YAMUX_CODE_PROTOCOL, YAMUX_CODE_INTERNAL };

struct yamux_header {
	uint8_t version, type;
	uint16_t flags;
	uint32_t id;	 /* 0: the session */
	uint32_t length; /* Data: bytes that follow; else: increment, nonce or code */
};

/* The part of a header that has arrived. Zero: nothing. */
struct yamux_reader {
	uint8_t bytes[YAMUX_HEADER_SIZE];
	uint8_t used;
};

static inline void yamux_encode(uint8_t at[YAMUX_HEADER_SIZE], enum yamux_type type, unsigned flags,
				uint32_t id, uint32_t length)
{
	at[0] = YAMUX_VERSION;
	at[1] = (uint8_t)type;
	put16(at + 2, (uint16_t)flags);
	put32(at + 4, id);
	put32(at + 8, length);
}

struct yamux_header yamux_decode(const uint8_t at[YAMUX_HEADER_SIZE]);
/* Takes from the front of *input what the header lacks. True: it is complete, and the reader empty again. */
bool yamux_read(struct yamux_reader *reader, struct slice *input, struct yamux_header *header);
/* What is wrong with it by itself, in plain words; NULL: nothing. */
const char *yamux_fault(const struct yamux_header *header);

#endif
