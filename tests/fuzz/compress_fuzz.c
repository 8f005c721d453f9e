/* tests/fuzz/compress_fuzz.c - any bytes as gzip and as lz4, whole and in pieces, and any bytes packed and
 * unpacked again.
 */
#include "protocols/codecs/compress.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

enum { ROOM = 256 * 1024 };

static uint8_t whole[ROOM], parts[ROOM], packed[ROOM];

/* In pieces it is the same as at once, as far as it goes. */
static void unpack(struct bufpool *pool, const uint8_t *bytes, size_t size)
{
	size_t used = 0, at = 0, once = 0;
	enum status status = gzip_unpack(pool, (struct slice){bytes, size}, whole, ROOM, &once);
	struct gunzip *gunzip = gunzip_create(pool, ROOM);
	enum status piecewise = STATUS_OK;
	while (at < size && piecewise == STATUS_OK && used < ROOM) {
		struct slice in = {bytes + at, size_min(size - at, 1 + bytes[at] % 50)};
		size_t offered = in.size, moved;
		do {
			piecewise = gunzip_feed(gunzip, &in, parts + used,
						size_min(ROOM - used, 1 + bytes[at] * 7u), &moved);
			used += moved;
		} while (piecewise == STATUS_OK && (in.size || moved) && used < ROOM);
		at += offered - in.size;
	}
	if (status == STATUS_OK) {
		check(used == once && memcmp(whole, parts, once) == 0);
		check(used == ROOM || (piecewise == STATUS_OK && gunzip_is_complete(gunzip)));
	}
	gunzip_destroy(gunzip);
}

static void pack(struct bufpool *pool, const uint8_t *bytes, size_t size)
{
	struct piece pieces[2] = {{.bytes = {bytes, size / 3}},
				  {.bytes = {bytes + size / 3, size - size / 3}}};
	size_t used, again;
	compress_pays(pieces, 2, size);
	if (size < ROOM / 2 && gzip_pack(pool, pieces, 2, packed, ROOM, &used) == STATUS_OK) {
		check(gzip_unpack(pool, (struct slice){packed, used}, whole, ROOM, &again) == STATUS_OK);
		check(again == size && (!size || memcmp(whole, bytes, size) == 0));
	}
	if (size && lz4_pack((struct slice){bytes, size}, packed, ROOM, &used) == STATUS_OK) {
		check(lz4_unpack((struct slice){packed, used}, whole, ROOM, &again) == STATUS_OK);
		check(again == size && memcmp(whole, bytes, size) == 0);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct bufpool pool;
	size_t used;
	bufpool_init(&pool, 4, 16 << 20);
	unpack(&pool, bytes, size);
	lz4_unpack((struct slice){bytes, size}, whole, ROOM, &used);
	pack(&pool, bytes, size);
	bufpool_fini(&pool);
	return 0;
}
