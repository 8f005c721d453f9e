/* tests/unit/compress_test.c - gzip and lz4 of messages: there and back in any pieces, bombs, what is cut or
 * damaged, and which bytes are worth it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <zlib.h>

#include "protocols/codecs/compress.h"

enum { TEXT_SIZE = 600 * 1024, PIECES = 40 };

static struct bufpool pool;
static uint8_t *text, *packed, *back; /* TEXT_SIZE each, packed twice that */
static uint64_t seed = 7;

static int begin(void **state)
{
	bufpool_init(&pool, 16, 64 << 20);
	text = malloc(TEXT_SIZE);
	packed = malloc(2 * TEXT_SIZE);
	back = malloc(TEXT_SIZE);
	return !text || !packed || !back;
}

static int end(void **state)
{
	bufpool_fini(&pool);
	free(text);
	free(packed);
	free(back);
	return 0;
}

/* ---- kinds of bytes ---- */

static void fill_random(void)
{
	for (size_t i = 0; i < TEXT_SIZE; i++)
		text[i] = (uint8_t)(random_next(&seed) >> 32);
}

static void fill_words(void)
{
	static const char *const words[] = {"GET /", "HTTP/1.1 ", "status ",	    "tunnel ",	"\r\n",
					    "0123 ", "a ",	  "line of a log ", "{\"key\":"};
	for (size_t at = 0; at < TEXT_SIZE;) {
		const char *word = words[random_next(&seed) % COUNT_OF(words)];
		size_t size = size_min(strlen(word), TEXT_SIZE - at);
		memcpy(text + at, word, size);
		at += size;
	}
}

/* Entropy-coded segments: evenly spread but for stuffed zeros behind 0xff. */
static void fill_like_jpeg(void)
{
	fill_random();
	for (size_t i = 0; i + 1 < TEXT_SIZE; i++)
		if (text[i] == 0xff)
			text[i + 1] = 0;
}

static uint32_t cut(struct piece pieces[PIECES], size_t size)
{
	uint32_t count = 0;
	size_t at = 0;
	while (at < size && count < PIECES - 1) {
		size_t part = size_min(size - at, 1 + random_next(&seed) % (size / 8 + 1));
		pieces[count++] = (struct piece){.bytes = {text + at, part}};
		at += part;
	}
	pieces[count++] = (struct piece){.bytes = {text + at, size - at}};
	return count;
}

/* ---- gzip ---- */

static size_t unpack_in_pieces(struct slice in, size_t in_max, size_t out_max, enum status *status)
{
	struct gunzip *gunzip = gunzip_create(&pool, TEXT_SIZE);
	size_t used = 0;
	*status = STATUS_OK;
	assert_non_null(gunzip);
	while (in.size && *status == STATUS_OK) {
		struct slice part = {in.at, size_min(in.size, 1 + random_next(&seed) % in_max)};
		size_t moved, offered = part.size;
		do {
			size_t room = size_min(TEXT_SIZE - used, 1 + random_next(&seed) % out_max);
			*status = gunzip_feed(gunzip, &part, back + used, room, &moved);
			used += moved;
		} while (*status == STATUS_OK && (part.size || moved) && used < TEXT_SIZE);
		in.at += offered - part.size;
		in.size -= offered - part.size;
		if (used == TEXT_SIZE)
			break;
	}
	if (*status == STATUS_OK && used < TEXT_SIZE && !gunzip_is_complete(gunzip))
		*status = STATUS_PROTOCOL;
	gunzip_destroy(gunzip);
	return used;
}

static void gzip_there_and_back(void **state)
{
	static const size_t sizes[] = {0, 1, 2, 255, 4096, 65472, 524288, TEXT_SIZE};
	void (*const fills[])(void) = {fill_random, fill_words, fill_like_jpeg};
	for (size_t f = 0; f < COUNT_OF(fills); f++) {
		fills[f]();
		for (size_t i = 0; i < COUNT_OF(sizes); i++) {
			struct piece pieces[PIECES];
			size_t size = 0, again = 0;
			uint32_t count = cut(pieces, sizes[i]);
			assert_int_equal(gzip_pack(&pool, pieces, count, packed, 2 * TEXT_SIZE, &size),
					 STATUS_OK);
			assert_int_equal(gzip_unpack(&pool, (struct slice){packed, size}, back,
						     sizes[i] ? sizes[i] : 1, &again),
					 STATUS_OK);
			assert_int_equal(again, sizes[i]);
			assert_memory_equal(back, text, again);
			enum status status;
			again = unpack_in_pieces((struct slice){packed, size}, 3000, 70000, &status);
			assert_int_equal(status, STATUS_OK);
			assert_int_equal(again, sizes[i]);
			assert_memory_equal(back, text, again);
		}
	}
}

static void gzip_of_no_room(void **state)
{
	struct piece piece = {.bytes = {text, 5000}};
	size_t size = 0, again;
	fill_random();
	for (size_t room = 0; room < 5000; room += 100)
		assert_int_equal(gzip_pack(&pool, &piece, 1, packed, room, &size), STATUS_FULL);
	assert_int_equal(gzip_pack(&pool, &piece, 1, packed, 6000, &size), STATUS_OK);
	for (size_t room = 1; room < 5000; room += 100)
		assert_int_equal(gzip_unpack(&pool, (struct slice){packed, size}, back, room, &again),
				 STATUS_FULL);
}

static void gzip_of_several_members(void **state)
{
	struct piece pieces[2] = {{.bytes = {text, 70000}}, {.bytes = {text + 70000, 30000}}};
	size_t first = 0, second = 0, size = 0;
	fill_words();
	assert_int_equal(gzip_pack(&pool, &pieces[0], 1, packed, TEXT_SIZE, &first), STATUS_OK);
	assert_int_equal(gzip_pack(&pool, &pieces[1], 1, packed + first, TEXT_SIZE, &second), STATUS_OK);
	struct slice both = {packed, first + second};
	assert_int_equal(gzip_unpack(&pool, both, back, TEXT_SIZE, &size), STATUS_OK);
	assert_int_equal(size, 100000);
	assert_memory_equal(back, text, size);
	enum status status;
	assert_int_equal(unpack_in_pieces(both, 10, 1000, &status), 100000);
	assert_int_equal(status, STATUS_OK);
	for (size_t cut_at = 1; cut_at < both.size; cut_at += 97) {
		enum status whole = cut_at == first ? STATUS_OK : STATUS_PROTOCOL;
		assert_int_equal(gzip_unpack(&pool, (struct slice){packed, cut_at}, back, TEXT_SIZE, &size),
				 whole);
	}
	memcpy(packed + both.size, "garbage", 7);
	for (size_t more = 1; more <= 7; more++)
		assert_int_equal(
		    gzip_unpack(&pool, (struct slice){packed, both.size + more}, back, TEXT_SIZE, &size),
		    STATUS_PROTOCOL);
}

static void gzip_damaged(void **state)
{
	struct piece piece = {.bytes = {text, 3000}};
	size_t size = 0, again;
	fill_words();
	assert_int_equal(gzip_pack(&pool, &piece, 1, packed, TEXT_SIZE, &size), STATUS_OK);
	for (size_t i = 0; i < size; i++) {
		uint8_t kept = packed[i];
		packed[i] ^= 0x41;
		enum status status = gzip_unpack(&pool, (struct slice){packed, size}, back, 3000, &again);
		if (status == STATUS_OK) /* a time, a name of a system */
			assert_true(i >= 4 && i < 10);
		packed[i] = kept;
	}
	assert_int_equal(gzip_unpack(&pool, (struct slice){packed, 0}, back, 3000, &again), STATUS_PROTOCOL);
}

/* A megabyte of zeros is a kilobyte of gzip. */
static void gzip_bomb(void **state)
{
	uint8_t *zeros = calloc(1, 8 << 20);
	struct piece piece = {.bytes = {zeros, 8 << 20}};
	size_t size = 0, moved = 0;
	assert_non_null(zeros);
	assert_int_equal(gzip_pack(&pool, &piece, 1, packed, TEXT_SIZE, &size), STATUS_OK);
	assert_int_equal(gzip_unpack(&pool, (struct slice){packed, size}, back, TEXT_SIZE, &moved),
			 STATUS_FULL);
	struct gunzip *gunzip = gunzip_create(&pool, 1 << 20);
	struct slice in = {packed, size};
	uint64_t out = 0;
	enum status status;
	while ((status = gunzip_feed(gunzip, &in, back, 65536, &moved)) == STATUS_OK && (in.size || moved))
		out += moved;
	assert_int_equal(status, STATUS_FULL);
	assert_true(out <= 1 << 20);
	gunzip_destroy(gunzip);
	free(zeros);
}

static uint32_t fails(void *state) { return 1; }

static void without_memory(void **state)
{
	struct piece piece = {.bytes = {text, 3000}};
	size_t size;
	pool.fail = fails;
	assert_int_equal(gzip_pack(&pool, &piece, 1, packed, TEXT_SIZE, &size), STATUS_FULL);
	assert_int_equal(gzip_unpack(&pool, (struct slice){packed, 3}, back, TEXT_SIZE, &size), STATUS_FULL);
	assert_null(gunzip_create(&pool, 1));
	pool.fail = NULL;
	gunzip_destroy(NULL);
}

/* What another encoder makes: all levels and strategies, with name and comment in the header. */
static void gzip_of_others(void **state)
{
	fill_words();
	for (int level = 0; level <= 9; level++) {
		z_stream stream = {0};
		gz_header head = {.name = (Bytef *)"name", .comment = (Bytef *)"comment", .hcrc = 1};
		assert_int_equal(deflateInit2(&stream, level, Z_DEFLATED, 31, 9, level % 5), Z_OK);
		deflateSetHeader(&stream, &head);
		stream.next_in = text;
		stream.avail_in = TEXT_SIZE;
		stream.next_out = packed;
		stream.avail_out = 2 * TEXT_SIZE;
		assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
		size_t size = stream.total_out, again = 0;
		deflateEnd(&stream);
		assert_int_equal(gzip_unpack(&pool, (struct slice){packed, size}, back, TEXT_SIZE, &again),
				 STATUS_OK);
		assert_int_equal(again, TEXT_SIZE);
		assert_memory_equal(back, text, TEXT_SIZE);
	}
}

/* ---- lz4 ---- */

static void lz4_there_and_back(void **state)
{
	static const size_t sizes[] = {1, 13, 4096, 524288, TEXT_SIZE};
	fill_words();
	for (size_t i = 0; i < COUNT_OF(sizes); i++) {
		size_t size = 0, again = 0;
		assert_int_equal(lz4_pack((struct slice){text, sizes[i]}, packed, 2 * TEXT_SIZE, &size),
				 STATUS_OK);
		struct slice in = {packed, size};
		assert_int_equal(lz4_size(in, TEXT_SIZE, &again), STATUS_OK);
		assert_int_equal(again, sizes[i]);
		assert_int_equal(lz4_unpack(in, back, sizes[i], &again), STATUS_OK);
		assert_int_equal(again, sizes[i]);
		assert_memory_equal(back, text, again);
		assert_int_equal(lz4_unpack(in, back, sizes[i] - 1, &again), STATUS_FULL);
		assert_int_equal(lz4_size(in, sizes[i] - 1, &again), STATUS_FULL);
		for (size_t cut_at = 0; cut_at < size; cut_at += 1 + size / 50)
			assert_int_equal(lz4_unpack((struct slice){packed, cut_at}, back, TEXT_SIZE, &again),
					 STATUS_PROTOCOL);
	}
	size_t size = 0;
	fill_random();
	assert_int_equal(lz4_pack((struct slice){text, 4096}, packed, 4096, &size), STATUS_FULL);
	assert_int_equal(lz4_pack((struct slice){text, 4096}, packed, 4, &size), STATUS_FULL);
}

static void lz4_that_lies(void **state)
{
	size_t size = 0, again;
	fill_words();
	assert_int_equal(lz4_pack((struct slice){text, 3000}, packed, TEXT_SIZE, &size), STATUS_OK);
	put32(packed, 2999);
	assert_int_equal(lz4_unpack((struct slice){packed, size}, back, TEXT_SIZE, &again), STATUS_PROTOCOL);
	put32(packed, 3001);
	assert_int_equal(lz4_unpack((struct slice){packed, size}, back, TEXT_SIZE, &again), STATUS_PROTOCOL);
	put32(packed, UINT32_MAX);
	assert_int_equal(lz4_size((struct slice){packed, size}, SIZE_MAX, &again), STATUS_PROTOCOL);
	put32(packed, 3000);
	for (size_t i = 4; i < size; i++) {
		packed[i] ^= 0x41;
		lz4_unpack((struct slice){packed, size}, back, TEXT_SIZE, &again);
		packed[i] ^= 0x41;
	}
	assert_int_equal(lz4_unpack((struct slice){packed, size}, back, TEXT_SIZE, &again), STATUS_OK);
}

/* ---- does it pay? ---- */

static bool pays(size_t size)
{
	struct piece pieces[PIECES];
	uint32_t count = cut(pieces, size);
	return compress_pays(pieces, count, size);
}

static void what_pays(void **state)
{
	static const size_t sizes[] = {4096, 65536, 524288, TEXT_SIZE};
	for (size_t i = 0; i < COUNT_OF(sizes); i++) {
		fill_random();
		assert_false(pays(sizes[i]));
		fill_like_jpeg();
		assert_false(pays(sizes[i]));
		fill_words();
		assert_true(pays(sizes[i]));
		memset(text, 0, TEXT_SIZE);
		assert_true(pays(sizes[i]));
		for (size_t k = 0; k < TEXT_SIZE; k++) /* base64: nothing repeats, a quarter is air */
			text[k] = (uint8_t)('0' + random_next(&seed) % 64);
		assert_true(pays(sizes[i]));
	}
	/* packed already */
	size_t size = 0;
	fill_words();
	struct piece piece = {.bytes = {text, TEXT_SIZE}};
	assert_int_equal(gzip_pack(&pool, &piece, 1, packed, TEXT_SIZE, &size), STATUS_OK);
	piece.bytes = (struct slice){packed, size};
	assert_false(compress_pays(&piece, 1, size));
	assert_false(compress_pays(&piece, 1, 100));
	assert_false(compress_pays(NULL, 0, 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(gzip_there_and_back),
					   cmocka_unit_test(gzip_of_no_room),
					   cmocka_unit_test(gzip_of_several_members),
					   cmocka_unit_test(gzip_damaged),
					   cmocka_unit_test(gzip_bomb),
					   cmocka_unit_test(without_memory),
					   cmocka_unit_test(gzip_of_others),
					   cmocka_unit_test(lz4_there_and_back),
					   cmocka_unit_test(lz4_that_lies),
					   cmocka_unit_test(what_pays)};
	return cmocka_run_group_tests(tests, begin, end);
}
