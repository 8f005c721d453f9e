/* tests/unit/carrier_world.h - the two ends of one link without a kernel, for tests of a carrier: sessions
 * whose bytes the test takes and puts in, in any pieces. They may talk to each other, or one to a test.
 *
 * Owner:  the world of one carrier (http2_world.h, websocket_world.h), which brings the wire: what an end
 *         heard is what that wire has put into its `heard` and `notes`. All that is random comes from
 *         random_state: a seed repeats a run.
 * Thread: one. Include it in one file of a program.
 */
#ifndef TESTS_UNIT_CARRIER_WORLD_H
#define TESTS_UNIT_CARRIER_WORLD_H

#include "core/hub.h"
#include "core/session.h"
#include "core/writer.h"
#include "tests/unit/bytes.h"

enum { SIDE_NOTES_SIZE = 1 << 16, SAY_PARTS_MAX = 40 };

struct side {
	struct session *session; /* NULL: gone */
	struct bytes heard, said;
	uint32_t chunks, ends; /* heard */
	bool shut;
	enum reason why;
	char why_text[WHY_TEXT_SIZE];
	char notes[SIDE_NOTES_SIZE]; /* text: a line a message */
	size_t notes_size;
};

static struct limits limits;
static struct hub hub;
static struct side sides[2]; /* by session->client */
static uint64_t random_state;

static inline uint64_t chance(uint64_t below) { return random_next(&random_state) % below; }

/* ---- life ---- */

static inline void sides_init(uint64_t seed)
{
	limits = LIMITS_DEFAULT;
	random_state = seed;
	memset(sides, 0, sizeof sides);
	hub_init(&hub, 0, 1, &limits, (struct instant){1000000000});
	hub.random = seed;
}

/* Not opened yet. */
static inline struct side *side_create(const struct session_options *options, const struct opening *opening)
{
	struct side *end = &sides[options->client];
	end->session = session_create(&hub, options);
	check(end->session);
	end->session->opening = options->client ? opening : NULL;
	return end;
}

/* Those that are over are let go. */
static inline void world_bury(void)
{
	struct link *link;
	while ((link = list_pull(&hub.ended)) != NULL) {
		struct session *session = OWNER(link, struct session, ended_link);
		struct side *end = &sides[session->client];
		end->why = session->why;
		text_copy(end->why_text, sizeof end->why_text, slice_of(session->why_text));
		session_destroy(session);
		end->session = NULL;
	}
}

static inline void side_close(struct side *end)
{
	if (end->session)
		session_end(end->session, REASON_STOPPING, NULL, false);
	world_bury();
	free(end->heard.at);
	free(end->said.at);
	memset(end, 0, sizeof *end);
}

static inline void sides_close(void)
{
	side_close(&sides[0]);
	side_close(&sides[1]);
	check(hub.session_count == 0);
	hub_fini(&hub);
}

/* ---- speaking ---- */

static inline void side_take(struct side *end, struct writer *writer)
{
	size_t size = 0;
	for (uint32_t i = 0; i < writer->count; i++) {
		bytes_add(&end->said, writer->parts[i].piece.bytes.at, writer->parts[i].piece.bytes.size);
		size += writer->parts[i].piece.bytes.size;
	}
	check(size == writer->bytes);
	end->shut = end->shut || writer->shut;
	writer_fini(writer);
}

/* What is owed. Returns how much was said. */
static inline size_t side_pump(struct side *end)
{
	static struct writer writer;
	struct session *session = end->session;
	size_t before = end->said.size;
	if (!session || session->state == SESSION_DEAD)
		return 0;
	link_remove(&session->writable_link);
	writer_init(&writer, session, &hub.bufs, 65536);
	session_pump(session, &writer);
	side_take(end, &writer);
	if (session->state == SESSION_FLUSH && !session_has_output(session))
		session_end(session, session->why, NULL, false);
	world_bury();
	return end->said.size - before;
}

/* Bytes of a message in random parts, which are copied or referenced. */
static inline void say_parts(struct writer *writer, struct slice bytes)
{
	for (size_t parts = 0; bytes.size; parts++) {
		size_t size = parts < SAY_PARTS_MAX && chance(2) ? 1 + chance(bytes.size) : bytes.size;
		struct slice part = {bytes.at, size};
		if (size <= WRITER_SLAB && chance(2)) {
			writer_copy(writer, part);
		} else {
			size_t at = chance(8);
			struct buf *buf = buf_acquire(&hub.bufs, at + size);
			check(buf);
			memcpy(buf->bytes + at, part.at, size);
			writer_piece(writer, (struct piece){buf, {buf->bytes + at, size}});
			buf_unref(buf);
		}
		bytes.at += size;
		bytes.size -= size;
	}
}

/* ---- hearing ---- */

/* All at once, or (piece_max > 0) in random pieces of at most so many bytes. */
static inline void side_hear(struct side *end, const void *at, size_t size, size_t piece_max)
{
	while (size && end->session && session_wants_input(end->session)) {
		size_t piece = size_min(size, BUF_RECEIVE_SIZE - 32), offset = chance(32);
		if (piece_max)
			piece = size_min(piece, 1 + chance(piece_max));
		struct buf *buf = buf_receive(&hub.bufs);
		check(buf);
		memcpy(buf->bytes + offset, at, piece);
		buf->used = (uint32_t)(offset + piece);
		session_input(end->session, (struct piece){buf, {buf->bytes + offset, piece}});
		world_bury();
		at = (const uint8_t *)at + piece;
		size -= piece;
	}
}

/* What was said so far goes to the other end. */
static inline void side_pass(struct side *from, struct side *to, size_t piece_max)
{
	side_hear(to, from->said.at, from->said.size, piece_max);
	from->said.size = 0;
}

#endif
