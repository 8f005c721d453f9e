/* protocols/codecs/compress.h - gzip (RFC 1952) and lz4 blocks of whole messages, with bounds.
 *
 * Owner: nobody. Thread: any; working memory is the thread's own, made at first use.
 * Limits: `room` bytes of output, and COMPRESS_RATIO_MAX times the input: what would grow beyond is a bomb.
 */
#ifndef PROTOCOLS_CODECS_COMPRESS_H
#define PROTOCOLS_CODECS_COMPRESS_H

#include "core/buf.h"

enum { COMPRESS_RATIO_MAX = 1100, COMPRESS_SAMPLE = 16 * 1024 };

/* Is it worth the time? Looks at a sample of the bytes: what is random, or compressed already, is not. */
bool compress_pays(const struct piece *pieces, uint32_t count, size_t size);

/* OK: `*size` bytes of output; FULL: it would not fit into `room`. */
enum status gzip_pack(const struct piece *pieces, uint32_t count, uint8_t *out, size_t room, size_t *size);
/* Several members are one text. OK: `*size`; FULL: a bomb, or no room; PROTOCOL: not gzip. */
enum status gzip_unpack(struct slice in, uint8_t *out, size_t room, size_t *size);
/* A block that begins with its unpacked size (4 bytes, big-endian). */
enum status lz4_pack(const struct piece *pieces, uint32_t count, uint8_t *out, size_t room, size_t *size);
enum status lz4_unpack(struct slice in, uint8_t *out, size_t room, size_t *size);

#endif
