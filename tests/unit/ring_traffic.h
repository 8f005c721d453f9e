/* tests/unit/ring_traffic.h - sinks and sources of a byte pattern that is verified where it arrives.
 */
#ifndef TESTS_UNIT_RING_TRAFFIC_H
#define TESTS_UNIT_RING_TRAFFIC_H

#include "tests/unit/ring_world.h"

/* Byte `at` of the stream `id`: no stretch of a stream looks like another one. */
static inline uint8_t pattern(uint32_t id, uint64_t at)
{
	return (uint8_t)((at >> 16) * 131 + (at >> 8) * 31 + at * 7 + id * 101);
}

static inline void pattern_fill(uint8_t *bytes, size_t size, uint32_t id, uint64_t at)
{
	for (size_t i = 0; i < size; i++)
		bytes[i] = pattern(id, at + i);
}

/* Something that receives: counts, verifies, remembers its end. */
struct sink {
	struct op op;
	struct world *world;
	int fd;
	uint32_t id;
	uint64_t received;
	uint32_t finals, completions;
	int32_t end;
	void (*received_fn)(struct sink *sink, struct buf *buf); /* takes the buffer; NULL: none */
};

static inline void sink_done(struct op *op, struct op_result result)
{
	struct sink *sink = OWNER(op, struct sink, op);
	sink->completions++;
	assert_int_equal(op->submitted, !result.final);
	if (result.final) {
		assert_true(result.res <= 0);
		assert_null(result.buf);
		assert_int_not_equal(result.res, -ENOBUFS);
		sink->finals++;
		sink->end = result.res;
		return;
	}
	assert_true(result.res > 0);
	assert_non_null(result.buf);
	assert_int_equal(result.buf->start, 0);
	assert_int_equal(result.buf->used, result.res);
	for (int32_t i = 0; i < result.res; i++)
		if (result.buf->bytes[i] != pattern(sink->id, sink->received + (uint64_t)i))
			fail_msg("stream %u differs %d bytes after %llu", sink->id, i,
				 (unsigned long long)sink->received);
	sink->received += (uint64_t)result.res;
	if (sink->received_fn)
		sink->received_fn(sink, result.buf);
	else
		buf_unref(result.buf);
}

static inline void sink_start(struct sink *sink, struct world *world, int fd, uint32_t id)
{
	*sink = (struct sink){.op.done = sink_done, .world = world, .fd = fd, .id = id};
	ring_recv(world->ring, &sink->op, fd);
}

/* Something that sends a pattern in gathers of random parts. */
struct source {
	struct op op;
	struct world *world;
	int fd;
	uint32_t id, finals;
	uint64_t sent, total;
	size_t flight;
	int32_t end;
	bool then_shutdown;
	struct iovec parts[RING_SEND_PARTS];
	uint8_t *bytes;
};

enum { SOURCE_MAX = 400000 };

static inline void source_next(struct source *source)
{
	unsigned count = 0, parts = 1 + (unsigned)below(RING_SEND_PARTS);
	size_t size = size_min(1 + below(SOURCE_MAX), source->total - source->sent), at = 0;
	pattern_fill(source->bytes, size, source->id, source->sent);
	while (at < size) {
		bool is_last = count + 1 == parts;
		size_t step = is_last ? size - at : size_min(size - at, 1 + below(2 * size / parts + 1));
		source->parts[count++] = (struct iovec){source->bytes + at, step};
		at += step;
	}
	source->flight = size;
	ring_send(source->world->ring, &source->op, source->fd, source->parts, count);
}

static inline void source_done(struct op *op, struct op_result result)
{
	struct source *source = OWNER(op, struct source, op);
	assert_true(result.final);
	assert_null(result.buf);
	assert_false(op->submitted);
	source->finals++;
	source->end = result.res;
	if (result.res < 0)
		return;
	source->sent += (uint64_t)result.res;
	if ((size_t)result.res < source->flight)
		return;
	if (source->sent < source->total)
		source_next(source);
	else if (source->then_shutdown)
		ring_shutdown(source->world->ring, source->fd);
}

static inline void source_start(struct source *source, struct world *world, int fd, uint32_t id,
				uint64_t total)
{
	*source = (struct source){.op.done = source_done, .world = world, .fd = fd, .id = id, .total = total,
				  .bytes = malloc(SOURCE_MAX)};
	assert_non_null(source->bytes);
}

static inline uint64_t write_pattern(int fd, uint32_t id, uint64_t at, size_t size)
{
	uint8_t bytes[8192];
	assert_true(size <= sizeof bytes);
	pattern_fill(bytes, size, id, at);
	ssize_t done = write(fd, bytes, size);
	return done > 0 ? (uint64_t)done : 0;
}

#endif
