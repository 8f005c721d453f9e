/* protocols/codecs/compress.c - see compress.h. */
#include "protocols/codecs/compress.h"

#include <lz4.h>
#define ZLIB_CONST
#include <zlib.h>

enum {
	WINDOW_GZIP = 15 + 16, /* the largest window, in gzip's clothes */
	DEFLATE_MEMORY = 8,    /* zlib's memLevel */
	DEFLATE_ARENA = 288 * 1024,
	INFLATE_ARENA = 56 * 1024,
	RATIO_FREE = 64 * 1024, /* output that no ratio is asked for */
	LZ4_RATIO_MAX = 255,
	SAMPLES = 8,
	PAYS_MAX = 90, /* percent of the sample that may be left */
	SAMPLE_MIN = 256,
	EVEN_OF_7_BITS = 128,
};

/* ---- zlib's memory, out of one buffer ---- */

struct arena {
	uint8_t *at;
	size_t used, size;
};

static void *arena_take(void *state, unsigned count, unsigned size)
{
	struct arena *arena = state;
	size_t wanted = ((size_t)count * size + 15) & ~(size_t)15;
	if (arena->size - arena->used < wanted)
		return NULL;
	void *taken = arena->at + arena->used;
	arena->used += wanted;
	return taken;
}

/* It goes as a whole. */
static void arena_give(void *state, void *taken) {}

/* The first bytes of the buffer are the caller's own. */
static struct arena arena_of(struct buf *buf, size_t own)
{
	own = (own + 15) & ~(size_t)15;
	return (struct arena){.at = buf->bytes + own, .size = buf->size - own};
}

/* ---- gzip ---- */

/* A worker that packs does nothing else meanwhile: the fastest level. */
static bool deflate_pieces(z_stream *stream, const struct piece *pieces, uint32_t count)
{
	int answer = Z_OK;
	for (uint32_t i = 0; i < count && answer == Z_OK; i++) {
		stream->next_in = pieces[i].bytes.at;
		stream->avail_in = (uInt)pieces[i].bytes.size;
		while (stream->avail_in && answer == Z_OK)
			answer = stream->avail_out ? deflate(stream, Z_NO_FLUSH) : Z_BUF_ERROR;
	}
	return answer == Z_OK && deflate(stream, Z_FINISH) == Z_STREAM_END;
}

enum status gzip_pack(struct bufpool *pool, const struct piece *pieces, uint32_t count, uint8_t *out,
		      size_t room, size_t *size)
{
	struct buf *buf = buf_acquire(pool, DEFLATE_ARENA);
	if (!buf)
		return STATUS_FULL;
	struct arena arena = arena_of(buf, 0);
	z_stream stream = {.zalloc = arena_take, .zfree = arena_give, .opaque = &arena};
	bool done = deflateInit2(&stream, Z_BEST_SPEED, Z_DEFLATED, WINDOW_GZIP, DEFLATE_MEMORY,
				 Z_DEFAULT_STRATEGY) == Z_OK;
	if (done) {
		stream.next_out = out;
		stream.avail_out = (uInt)size_min(room, UINT32_MAX);
		done = deflate_pieces(&stream, pieces, count);
		*size = stream.total_out;
		deflateEnd(&stream);
	}
	buf_unref(buf);
	return done ? STATUS_OK : STATUS_FULL;
}

struct gunzip {
	struct buf *buf; /* that this is in */
	struct arena arena;
	z_stream stream;
	bool ended; /* the last member that was begun is complete */
	bool begun; /* there was one */
	uint64_t max, in, out;
};

struct gunzip *gunzip_create(struct bufpool *pool, uint64_t max)
{
	struct buf *buf = buf_acquire(pool, INFLATE_ARENA);
	if (!buf)
		return NULL;
	struct gunzip *gunzip = (struct gunzip *)(void *)buf->bytes;
	*gunzip = (struct gunzip){.buf = buf, .arena = arena_of(buf, sizeof *gunzip), .max = max};
	gunzip->stream = (z_stream){.zalloc = arena_take, .zfree = arena_give, .opaque = &gunzip->arena};
	if (inflateInit2(&gunzip->stream, WINDOW_GZIP) == Z_OK)
		return gunzip;
	buf_unref(buf);
	return NULL;
}

void gunzip_destroy(struct gunzip *gunzip)
{
	if (gunzip)
		buf_unref(gunzip->buf);
}

static bool is_bomb(const struct gunzip *gunzip)
{
	return gunzip->out > gunzip->max ||
	       gunzip->out > RATIO_FREE + gunzip->in * (uint64_t)COMPRESS_RATIO_MAX;
}

/* One call of the library, and what it has moved. */
static int inflate_some(struct gunzip *gunzip, struct slice *in, uint8_t *out, size_t room, size_t *moved)
{
	z_stream *stream = &gunzip->stream;
	uInt in_size = (uInt)size_min(in->size, UINT32_MAX / 2),
	     out_size = (uInt)size_min(room, UINT32_MAX / 2);
	stream->next_in = in->at;
	stream->avail_in = in_size;
	stream->next_out = out;
	stream->avail_out = out_size;
	int answer = inflate(stream, Z_NO_FLUSH);
	size_t taken = in_size - stream->avail_in;
	*moved = out_size - stream->avail_out;
	in->at += taken;
	in->size -= taken;
	gunzip->in += taken;
	gunzip->out += *moved;
	return answer;
}

enum status gunzip_feed(struct gunzip *gunzip, struct slice *in, uint8_t *out, size_t room, size_t *size)
{
	*size = 0;
	for (;;) {
		size_t moved = 0;
		if (gunzip->ended || !gunzip->begun) {
			if (!in->size)
				return STATUS_OK;
			if (gunzip->ended && inflateReset(&gunzip->stream) != Z_OK)
				return STATUS_PROTOCOL;
			gunzip->begun = true;
			gunzip->ended = false;
		}
		int answer = inflate_some(gunzip, in, out + *size, room - *size, &moved);
		*size += moved;
		if (is_bomb(gunzip))
			return STATUS_FULL;
		gunzip->ended = answer == Z_STREAM_END;
		if (answer == Z_BUF_ERROR)
			return STATUS_OK;
		if (answer != Z_OK && answer != Z_STREAM_END)
			return STATUS_PROTOCOL;
		if (*size == room)
			return STATUS_OK;
	}
}

bool gunzip_is_complete(const struct gunzip *gunzip) { return gunzip->ended; }

enum status gzip_unpack(struct bufpool *pool, struct slice in, uint8_t *out, size_t room, size_t *size)
{
	struct gunzip *gunzip = gunzip_create(pool, room);
	if (!gunzip)
		return STATUS_FULL;
	enum status status = gunzip_feed(gunzip, &in, out, room, size);
	if (status == STATUS_OK && (in.size || !gunzip_is_complete(gunzip))) {
		/* an end that brings no more bytes, or bytes for which there is no room */
		uint8_t beyond;
		size_t more = 0;
		status = gunzip_feed(gunzip, &in, &beyond, sizeof beyond, &more);
		if (status == STATUS_OK && more)
			status = STATUS_FULL;
		else if (status == STATUS_OK && !gunzip_is_complete(gunzip))
			status = STATUS_PROTOCOL;
	}
	gunzip_destroy(gunzip);
	return status;
}

/* ---- lz4 ---- */

enum status lz4_pack(struct slice in, uint8_t *out, size_t room, size_t *size)
{
	if (room <= LZ4_HEAD_SIZE || in.size > LZ4_MAX_INPUT_SIZE)
		return STATUS_FULL;
	int room_left = (int)size_min(room - LZ4_HEAD_SIZE, INT32_MAX);
	int packed =
	    LZ4_compress_default((const char *)in.at, (char *)out + LZ4_HEAD_SIZE, (int)in.size, room_left);
	if (packed <= 0)
		return STATUS_FULL;
	put32(out, (uint32_t)in.size);
	*size = LZ4_HEAD_SIZE + (size_t)packed;
	return STATUS_OK;
}

enum status lz4_size(struct slice in, size_t max, size_t *size)
{
	if (in.size <= LZ4_HEAD_SIZE)
		return STATUS_PROTOCOL;
	*size = get32(in.at);
	if (*size > (in.size - LZ4_HEAD_SIZE) * (uint64_t)LZ4_RATIO_MAX)
		return STATUS_PROTOCOL;
	return *size > max || *size > LZ4_MAX_INPUT_SIZE ? STATUS_FULL : STATUS_OK;
}

enum status lz4_unpack(struct slice in, uint8_t *out, size_t room, size_t *size)
{
	enum status status = lz4_size(in, room, size);
	if (status != STATUS_OK)
		return status;
	size_t packed = in.size - LZ4_HEAD_SIZE;
	if (packed > INT32_MAX)
		return STATUS_PROTOCOL;
	int unpacked =
	    LZ4_decompress_safe((const char *)in.at + LZ4_HEAD_SIZE, (char *)out, (int)packed, (int)*size);
	return unpacked >= 0 && (size_t)unpacked == *size ? STATUS_OK : STATUS_PROTOCOL;
}

/* ---- does it pay? ---- */

/* Copies of `size` bytes taken in equal steps from the whole. */
static size_t sample(const struct piece *pieces, uint32_t count, size_t size, uint8_t at[COMPRESS_SAMPLE])
{
	size_t span = size_min(size, COMPRESS_SAMPLE) / SAMPLES, step = size / SAMPLES, used = 0, begin = 0;
	size_t next = 0; /* offset in the whole of the sample that is being taken */
	size_t left = span;
	for (uint32_t i = 0; i < count && used < SAMPLES * span; i++) {
		struct slice bytes = pieces[i].bytes;
		while (used < SAMPLES * span && next < begin + bytes.size) {
			size_t offset = next - begin;
			size_t taken = size_min(left, bytes.size - offset);
			memcpy(at + used, bytes.at + offset, taken);
			used += taken;
			left -= taken;
			next += taken;
			if (!left) {
				next += step - span;
				left = span;
			}
		}
		begin += bytes.size;
	}
	return used;
}

/* Are some bytes much rarer than others? By the sum of the squares of how often each occurs: under seven bits
 * of entropy. That is what gzip finds and lz4 does not. */
static bool is_uneven(const uint8_t *at, size_t size)
{
	uint64_t counts[256] = {0}, squares = 0;
	for (size_t i = 0; i < size; i++)
		counts[at[i]]++;
	for (size_t i = 0; i < COUNT_OF(counts); i++)
		squares += counts[i] * counts[i];
	return squares * EVEN_OF_7_BITS >= (uint64_t)size * size;
}

bool compress_pays(const struct piece *pieces, uint32_t count, size_t size)
{
	uint8_t plain[COMPRESS_SAMPLE], packed[COMPRESS_SAMPLE];
	size_t used = sample(pieces, count, size, plain);
	if (used < SAMPLE_MIN)
		return false;
	int room = (int)(used * PAYS_MAX / 100);
	return is_uneven(plain, used) ||
	       LZ4_compress_default((const char *)plain, (char *)packed, (int)used, room) > 0;
}

const char *compress_gzip_version(void) { return zlibVersion(); }
const char *compress_lz4_version(void) { return LZ4_versionString(); }
