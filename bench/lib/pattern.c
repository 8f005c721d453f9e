/* bench/lib/pattern.c - see pattern.h. */
#include "bench/lib/pattern.h"

#include <inttypes.h>
#include <stdio.h>

struct stamp {
	uint32_t run, stream;
	uint64_t offset;
};
_Static_assert(sizeof(struct stamp) == PATTERN_STAMP, "a stamp has no padding");
_Static_assert(PATTERN_PERIOD % PATTERN_BLOCK == 0, "blocks keep their place in the period");

static uint8_t noise[PATTERN_BUFFER];

void pattern_init(void)
{
	uint64_t seed = 0x7475;

	for (size_t at = 0; at < PATTERN_PERIOD; at += sizeof(uint64_t)) {
		uint64_t word = random_next(&seed);
		memcpy(noise + at, &word, sizeof(word));
	}
	memcpy(noise + PATTERN_PERIOD, noise, PATTERN_BUFFER - PATTERN_PERIOD);
}

void pattern_prepare(uint8_t *buffer) { memcpy(buffer, noise, PATTERN_BUFFER); }

static struct stamp stamp_of(struct pattern_id id, uint64_t offset)
{
	return (struct stamp){id.run, id.stream, offset};
}

const uint8_t *pattern_fill(uint8_t *buffer, struct pattern_id id, uint64_t offset)
{
	size_t first = (size_t)(offset % PATTERN_PERIOD);
	size_t at = first - first % PATTERN_BLOCK;

	for (; at < first + PATTERN_WRITE_MAX; at += PATTERN_BLOCK) {
		struct stamp stamp = stamp_of(id, offset - first + at);
		memcpy(buffer + at, &stamp, sizeof(stamp));
	}
	return buffer + first;
}

/* Compares the part of one block's stamp that lies within [offset, offset + bytes.size). */
static bool stamp_matches(struct pattern_id id, uint64_t block, uint64_t offset, struct slice bytes)
{
	struct stamp stamp = stamp_of(id, block);
	uint64_t start = block > offset ? block : offset;
	uint64_t end = block + PATTERN_STAMP;

	if (end > offset + bytes.size)
		end = offset + bytes.size;
	if (start >= end)
		return true;
	const uint8_t *expected = (const uint8_t *)&stamp + (start - block);
	return memcmp(bytes.at + (start - offset), expected, end - start) == 0;
}

static bool noise_matches(uint64_t block, uint64_t offset, struct slice bytes)
{
	uint64_t start = block + PATTERN_STAMP > offset ? block + PATTERN_STAMP : offset;
	uint64_t end = block + PATTERN_BLOCK;

	if (end > offset + bytes.size)
		end = offset + bytes.size;
	if (start >= end)
		return true;
	return memcmp(bytes.at + (start - offset), noise + start % PATTERN_PERIOD, end - start) == 0;
}

bool pattern_stamps_match(struct pattern_id id, uint64_t offset, struct slice bytes)
{
	for (uint64_t block = offset - offset % PATTERN_BLOCK; block < offset + bytes.size;
	     block += PATTERN_BLOCK)
		if (!stamp_matches(id, block, offset, bytes))
			return false;
	return true;
}

bool pattern_matches(struct pattern_id id, uint64_t offset, struct slice bytes)
{
	for (uint64_t block = offset - offset % PATTERN_BLOCK; block < offset + bytes.size;
	     block += PATTERN_BLOCK)
		if (!stamp_matches(id, block, offset, bytes) || !noise_matches(block, offset, bytes))
			return false;
	return true;
}

/* The first stamp of this run that contradicts its place. */
static bool find_stamp(struct pattern_id id, uint64_t offset, struct slice bytes, struct stamp *stamp,
		       size_t *at)
{
	for (size_t place = 0; place + PATTERN_STAMP <= bytes.size; place++) {
		memcpy(stamp, bytes.at + place, PATTERN_STAMP);
		if (stamp->run != id.run || stamp->offset % PATTERN_BLOCK != 0)
			continue;
		if (stamp->stream == id.stream && stamp->offset == offset + place)
			continue;
		*at = place;
		return true;
	}
	return false;
}

void pattern_explain(struct pattern_id id, uint64_t offset, struct slice bytes, char text[PATTERN_TEXT_SIZE])
{
	struct stamp stamp;
	size_t at = 0;

	if (!find_stamp(id, offset, bytes, &stamp, &at)) {
		snprintf(text, PATTERN_TEXT_SIZE,
			 "corrupted: %zu bytes at %" PRIu64 " that hold no displaced stamp", bytes.size,
			 offset);
		return;
	}
	if (stamp.stream != id.stream) {
		bool turned = (stamp.stream ^ 1) == id.stream;
		snprintf(text, PATTERN_TEXT_SIZE, "%s: at %" PRIu64 " came offset %" PRIu64 " of stream %u",
			 turned ? "other direction" : "foreign stream", offset + at, stamp.offset,
			 stamp.stream / 2);
		return;
	}
	bool ahead = stamp.offset > offset + at;
	uint64_t distance = ahead ? stamp.offset - offset - at : offset + at - stamp.offset;
	snprintf(text, PATTERN_TEXT_SIZE, "%s: at %" PRIu64 " came offset %" PRIu64 ", %" PRIu64 " bytes %s",
		 ahead ? "lost" : "duplicated", offset + at, stamp.offset, distance,
		 ahead ? "ahead" : "behind");
}
