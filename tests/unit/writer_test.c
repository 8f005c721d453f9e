/* tests/unit/writer_test.c - the gather list: references, copies, roll-back, and what does not fit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/session.h"
#include "core/writer.h"

static struct bufpool pool;
static struct writer writer;
static struct session session;
static bool seal_is_full;
static size_t header_size; /* what `cutting` keeps of its frame */
static uint32_t seals;

static enum status seal(struct session *self, void *state, struct writer *at)
{
	seals++;
	if (seal_is_full)
		return STATUS_FULL;
	if (at->frame)
		at->frame[0] = (uint8_t)writer_message_size(at);
	return STATUS_OK;
}

static const struct carrier bare = {.name = "bare", .seal = seal};
static const struct carrier framed = {.name = "framed", .seal = seal, .frame_room = 2};

/* A header of that size at the end of its room; 9: the message is dropped. */
static enum status seal_cut(struct session *self, void *state, struct writer *at)
{
	if (header_size == 9) {
		writer_drop(at);
		return STATUS_OK;
	}
	memcpy(at->frame, "01234567", 8);
	writer_frame_end(at, header_size);
	return STATUS_OK;
}

static const struct carrier cutting = {.name = "cutting", .seal = seal_cut, .frame_room = 8};

static void begin(const struct carrier *carrier)
{
	bufpool_init(&pool, 4, 1 << 20);
	session.carrier = carrier;
	seal_is_full = false;
	seals = 0;
	writer_init(&writer, &session, &pool, 1000);
}

static void end(void)
{
	writer_fini(&writer);
	assert_int_equal(pool.used, 0);
	bufpool_fini(&pool);
}

static void assert_said(const char *text)
{
	static uint8_t all[1 << 16];
	size_t size = 0;
	for (uint32_t i = 0; i < writer.count; i++) {
		memcpy(all + size, writer.parts[i].piece.bytes.at, writer.parts[i].piece.bytes.size);
		size += writer.parts[i].piece.bytes.size;
	}
	assert_int_equal(size, writer.bytes);
	assert_int_equal(size, strlen(text));
	assert_memory_equal(all, text, size);
}

static void small_pieces_are_copied(void **state)
{
	begin(&bare);
	struct buf *buf = buf_acquire(&pool, 4096);
	memset(buf->bytes, 'x', 4096);
	writer_begin(&writer, CHUNK_BYTES);
	memcpy(writer_room(&writer, 6), "header", 6);
	writer_shrink(&writer, 2);
	writer_piece(&writer, (struct piece){buf, {buf->bytes, 3}});
	writer_piece(&writer, (struct piece){buf, {buf->bytes, 0}});
	assert_int_equal(writer_message_size(&writer), 7);
	assert_int_equal(writer_end(&writer), STATUS_OK);
	assert_said("headxxx");
	assert_int_equal(writer.count, 1);
	assert_true(writer.parts[0].last);
	writer_begin(&writer, CHUNK_BYTES);
	writer_piece(&writer, (struct piece){buf, {buf->bytes, WRITER_COPY_MAX + 1}});
	assert_int_equal(writer_end(&writer), STATUS_OK);
	assert_ptr_equal(writer.parts[1].piece.bytes.at, buf->bytes);
	assert_int_equal(buf->refs, 2);
	assert_int_equal(pool.bytes_copied, 3); /* no header, nothing that is referenced */
	buf_unref(buf);
	end();
}

static void empty_messages_are_nothing(void **state)
{
	begin(&framed);
	writer_begin(&writer, CHUNK_BYTES);
	assert_int_equal(writer_end(&writer), STATUS_OK);
	assert_int_equal(writer.count + writer.bytes + seals, 0);
	writer_begin(&writer, CHUNK_BYTES);
	writer_copy(&writer, slice_of("ab"));
	assert_int_equal(writer_end(&writer), STATUS_OK);
	assert_int_equal(writer.bytes, 4);
	assert_int_equal(writer.parts[0].piece.bytes.at[0],
			 2); /* the frame was filled in when all was there */
	end();
}

static void full_seal_rolls_back(void **state)
{
	begin(&bare);
	writer_begin(&writer, CHUNK_BYTES);
	writer_copy(&writer, slice_of("first"));
	assert_int_equal(writer_end(&writer), STATUS_OK);
	seal_is_full = true;
	writer_begin(&writer, CHUNK_BYTES);
	writer_copy(&writer, slice_of("second"));
	assert_int_equal(writer_end(&writer), STATUS_FULL);
	assert_said("first");
	seal_is_full = false;
	writer_begin(&writer, CHUNK_BYTES);
	writer_copy(&writer, slice_of(" third"));
	assert_int_equal(writer_end(&writer), STATUS_OK);
	assert_said("first third");
	end();
}

static void too_many_parts_roll_back(void **state)
{
	begin(&bare);
	struct buf *buf = buf_acquire(&pool, 4096);
	writer_begin(&writer, CHUNK_BYTES);
	for (int i = 0; i <= WRITER_PARTS; i++)
		writer_piece(&writer, (struct piece){buf, {buf->bytes, 1000}});
	memset(writer_room(&writer, WRITER_SLAB), 0, WRITER_SLAB); /* goes nowhere, and may */
	writer_shrink(&writer, 5);
	assert_int_equal(writer_end(&writer), STATUS_FULL);
	assert_int_equal(writer.count + writer.bytes, 0);
	assert_false(writer.starved);
	assert_int_equal(buf->refs, 1);
	buf_unref(buf);
	end();
}

static uint32_t always(void *state) { return 1; }

static void no_memory_is_told(void **state)
{
	begin(&framed);
	pool.fail = always;
	writer_begin(&writer, CHUNK_BYTES);
	writer_copy(&writer, slice_of("lost"));
	assert_int_equal(writer_end(&writer), STATUS_FULL);
	assert_true(writer.starved);
	pool.fail = NULL;
	end();
}

/* More than a slab in one copy, behind what does not fill one. */
static void long_copies_are_whole(void **state)
{
	static char text[3 * WRITER_SLAB + 100];
	memset(text, 'y', sizeof text - 1);
	begin(&bare);
	writer_begin(&writer, CHUNK_BYTES);
	writer_copy(&writer, slice_of(text));
	assert_false(writer_is_full(&writer) && writer.overflow);
	assert_int_equal(writer_end(&writer), STATUS_OK);
	assert_true(writer_is_full(&writer));
	assert_said(text);
	end();
}

/* Of the room for a frame only its end is sent, in one part with what lies behind it. */
static void frames_are_cut(void **state)
{
	static const char *const texts[] = {"ab",      "7ab",	   "67ab",	"567ab",     "4567ab",
					    "34567ab", "234567ab", "1234567ab", "01234567ab"};
	for (header_size = 0; header_size <= 8; header_size++) {
		for (int referenced = 0; referenced < 2; referenced++) {
			char text[2000];
			begin(&cutting);
			struct buf *buf = buf_acquire(&pool, 1000);
			memset(buf->bytes, 'x', 1000);
			for (int i = 0; i < 2; i++) {
				writer_begin(&writer, CHUNK_BYTES);
				if (!referenced || i)
					writer_copy(&writer, slice_of("ab"));
				if (referenced)
					writer_piece(&writer, (struct piece){buf, {buf->bytes, 700}});
				assert_int_equal(writer_message_size(&writer),
						 referenced ? 700 + 2 * (size_t)i : 2);
				assert_int_equal(writer_end(&writer), STATUS_OK);
				assert_true(writer.parts[writer.count - 1].last);
			}
			if (!referenced) {
				strcpy(text, texts[header_size]);
				strcat(text, texts[header_size]);
				assert_int_equal(writer.count, 2);
			} else {
				memset(text, 'x', sizeof text);
				memcpy(text, texts[header_size], header_size);
				memcpy(text + header_size + 700, texts[header_size], header_size + 2);
				text[2 * header_size + 1402] = 0;
				assert_int_equal(writer.count, header_size ? 4 : 3);
			}
			assert_said(text);
			buf_unref(buf);
			end();
		}
	}
}

static void a_dropped_message_is_nothing(void **state)
{
	begin(&cutting);
	header_size = 2;
	writer_begin(&writer, CHUNK_BYTES);
	writer_copy(&writer, slice_of("first"));
	assert_int_equal(writer_end(&writer), STATUS_OK);
	header_size = 9;
	writer_begin(&writer, CHUNK_BYTES);
	writer_copy(&writer, slice_of("never"));
	assert_int_equal(writer_end(&writer), STATUS_OK);
	assert_said("67first");
	header_size = 2;
	writer_begin(&writer, CHUNK_PING); /* may be empty */
	assert_int_equal(writer_end(&writer), STATUS_OK);
	assert_said("67first67");
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(frames_are_cut),	       cmocka_unit_test(a_dropped_message_is_nothing),
	    cmocka_unit_test(small_pieces_are_copied), cmocka_unit_test(empty_messages_are_nothing),
	    cmocka_unit_test(full_seal_rolls_back),    cmocka_unit_test(too_many_parts_roll_back),
	    cmocka_unit_test(no_memory_is_told),       cmocka_unit_test(long_copies_are_whole),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
