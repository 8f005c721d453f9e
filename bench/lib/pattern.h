/* bench/lib/pattern.h - what the load consists of: bytes that say which stream, direction, offset they are.
 *
 * Every block of PATTERN_BLOCK bytes starts with a stamp {run, stream and direction, offset}; the rest is
 * fixed noise that repeats every PATTERN_PERIOD bytes, which no window of lz4 or zlib reaches.
 * Owner: a source owns its buffer, the noise is read-only after pattern_init(). Thread: any.
 */
#ifndef BENCH_LIB_PATTERN_H
#define BENCH_LIB_PATTERN_H

#include "core/base.h"

enum {
	PATTERN_BLOCK = 4096,
	PATTERN_STAMP = 16,
	PATTERN_PERIOD = 256 * 1024,
	PATTERN_WRITE_MAX = 256 * 1024, /* what pattern_fill() prepares at once */
	PATTERN_BUFFER = PATTERN_PERIOD + PATTERN_WRITE_MAX,
	PATTERN_TEXT_SIZE = 160,
};

/* Whose bytes: both fields are in every stamp. */
struct pattern_id {
	uint32_t run;      /* differs from run to run, so that stale bytes show */
	uint32_t stream;   /* number * 2 + direction */
};

void pattern_init(void);
/* Copies the noise into a source's own buffer of PATTERN_BUFFER bytes, once. */
void pattern_prepare(uint8_t *buffer);
/* Where in the prepared buffer the next PATTERN_WRITE_MAX bytes from `offset` are; they are stamped now. */
const uint8_t *pattern_fill(uint8_t *buffer, struct pattern_id id, uint64_t offset);

/* Are these the bytes of `id` from `offset`? Stamps only. */
bool pattern_stamps_match(struct pattern_id id, uint64_t offset, struct slice bytes);
/* The same for every byte. */
bool pattern_matches(struct pattern_id id, uint64_t offset, struct slice bytes);
/* Names the fault of bytes that did not match: lost, duplicated, foreign, other direction, noise. */
void pattern_explain(struct pattern_id id, uint64_t offset, struct slice bytes, char text[PATTERN_TEXT_SIZE]);

#endif
