/* protocols/codecs/compress.h - gzip (RFC 1952) and lz4 blocks of whole messages, with bounds.
 *
 * Owner:  a gunzip is its creator's; the rest are values. Thread: the pool's worker.
 * Limits: `room` (or `max`) bytes of output, and COMPRESS_RATIO_MAX times the input: what would grow beyond
 *         is a bomb. Working memory is a buffer of the pool for the time of the call or of the gunzip; where
 *         there is none the answer is FULL.
 */
#ifndef PROTOCOLS_CODECS_COMPRESS_H
#define PROTOCOLS_CODECS_COMPRESS_H

#include "core/buf.h"

enum { COMPRESS_RATIO_MAX = 1100, COMPRESS_SAMPLE = 16 * 1024, LZ4_HEAD_SIZE = 4 };

/* Is it worth the time? Looks at a sample of the bytes: what is random, or compressed already, is not. */
bool compress_pays(const struct piece *pieces, uint32_t count, size_t size);

/* OK: `*size` bytes of output; FULL: it would not fit into `room`. */
enum status gzip_pack(struct bufpool *pool, const struct piece *pieces, uint32_t count, uint8_t *out,
		      size_t room, size_t *size);
/* Several members are one text. OK: `*size`; FULL: a bomb, or no room; PROTOCOL: not gzip, or not all of it.
 */
enum status gzip_unpack(struct bufpool *pool, struct slice in, uint8_t *out, size_t room, size_t *size);

/* The same in pieces, both of input and of output. */
struct gunzip;
/* NULL: no memory. `max`: bytes of output in all. */
struct gunzip *gunzip_create(struct bufpool *pool, uint64_t max);
void gunzip_destroy(struct gunzip *gunzip); /* NULL is allowed */
/* Takes from the front of *in until it is used up or `room` is full. */
enum status gunzip_feed(struct gunzip *gunzip, struct slice *in, uint8_t *out, size_t room, size_t *size);
/* Has the text ended where the input has? */
bool gunzip_is_complete(const struct gunzip *gunzip);

/* A block that begins with its unpacked size (4 bytes, big-endian). OK; FULL: not within `room`. */
enum status lz4_pack(struct slice in, uint8_t *out, size_t room, size_t *size);
/* What it says that it unpacks to. PROTOCOL: no block of that length can; FULL: more than `max`. */
enum status lz4_size(struct slice in, size_t max, size_t *size);
/* OK: `*size`; FULL: no room; PROTOCOL: not such a block. */
enum status lz4_unpack(struct slice in, uint8_t *out, size_t room, size_t *size);

/* "1.2.13": of zlib and of lz4. */
const char *compress_gzip_version(void);
const char *compress_lz4_version(void);

#endif
