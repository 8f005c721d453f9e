/* protocols/codecs/chunked.h - a body in chunks (RFC 9112, 7.1): what it carries, and where it ends.
 *
 * Owner: whoever reads the body; a value that may be copied, so that a step can be tried and taken back.
 * States: SIZE -> PAYLOAD -> PAYLOAD_END -> SIZE ... -> TRAILER -> OVER.
 * Limits: `max` bytes of a chunk, CHUNKED_LINE_MAX of its size with extensions, CHUNKED_TRAILER_MAX.
 * Never:  takes a bare CR or LF, a blank behind the size that no extension follows, a trailer's line that is
 *         no field: two readers could find different ends there.
 */
#ifndef PROTOCOLS_CODECS_CHUNKED_H
#define PROTOCOLS_CODECS_CHUNKED_H

#include "core/base.h"

enum { CHUNKED_LINE_MAX = 256, CHUNKED_TRAILER_MAX = 4096 };
#define CHUNKED_MAX ((uint64_t)1 << 59)

enum chunked_step { CHUNKED_SIZE, CHUNKED_PAYLOAD, CHUNKED_PAYLOAD_END, CHUNKED_TRAILER, CHUNKED_OVER };
enum chunked_part { CHUNKED_FRONT, CHUNKED_DIGITS, CHUNKED_BLANK, CHUNKED_REST, CHUNKED_CR };

struct chunked {
	enum chunked_step step;
	enum chunked_part part;  /* of a line: REST is an extension, or a value */
	uint32_t size;           /* of the line of a chunk's size, or of the trailer */
	uint64_t left;           /* of the chunk */
	uint64_t max;            /* of a chunk; at most CHUNKED_MAX */
};

/* Takes framing from the front of *bytes, and one run of what the chunks carry, which is *payload then (else
 * empty). OK: the body is over, what is left of *bytes stands behind it; MORE: call again while there are
 * bytes; PROTOCOL; FULL: a chunk or the trailer is too long, `step` tells which. */
enum status chunked_take(struct chunked *chunked, struct slice *bytes, struct slice *payload);

#endif
