/* tests/unit/lump_world.h - a link without flow control whose messages are lumps: one frame a piece of input,
 * one message a frame. Local connections are dialled as in relay_world.h; users may ask for channels of it.
 *
 * A frame is an id, a kind and a body: 'O'PEN, 'A'nswered, 'N'o, 'D'ata, 'E'OF, 'C'LOSE, 'R'ESET. Include it
 * in one file of a program, after cmocka.
 */
#ifndef TESTS_UNIT_LUMP_WORLD_H
#define TESTS_UNIT_LUMP_WORLD_H

#include "tests/unit/relay_world.h"

enum { LUMPS_MAX = 4096, LUMP_SERIAL = 128 /* ids of the channels that the lump opens */ };

/* What it has said. */
struct lump_frame {
	uint8_t id;
	char kind;
	size_t size;
	uint8_t first; /* byte of the body */
};

static struct lump_frame lumps[LUMPS_MAX];
static uint32_t lump_count;
static uint8_t lump_serial;
static struct session *lump;
static uint32_t lump_credit; /* that each channel begins with, where it has TRAIT_CREDIT */

static inline enum event_kind lump_kind(uint8_t letter)
{
	switch (letter) {
	case 'O':
		return EVENT_OPEN;
	case 'A':
	case 'N':
		return EVENT_OPENED;
	case 'D':
		return EVENT_DATA;
	case 'E':
		return EVENT_EOF;
	case '+':
		return EVENT_CREDIT;
	case 'R':
		return EVENT_RESET;
	default:
		return EVENT_CLOSE;
	}
}

static inline enum status lump_decode(struct session *session, void *state, const struct chunk *chunk,
				      size_t *consumed)
{
	struct slice bytes = chunk->piece.bytes;
	if (chunk->kind == CHUNK_END)
		return STATUS_IO;
	if (!bytes.size)
		return STATUS_OK;
	struct event event = {.channel = session_find(session, bytes.at, 1), .text = slice_of("")};
	struct piece body = {chunk->piece.buf, {bytes.at + 2, bytes.size - 2}};
	struct target target = {.port = bytes.at[0]};
	event.kind = lump_kind(bytes.at[1]);
	event.reason = bytes.at[1] == 'N' ? REASON_REFUSED : REASON_OK;
	event.amount = event.kind == EVENT_CREDIT ? get16(body.bytes.at) : 0;
	if (event.kind == EVENT_OPEN) {
		event.channel = session_channel(session);
		check(event.channel);
		channel_set_id(event.channel, bytes.at, 1);
		event.channel->credit = lump_credit;
		event.target = &target;
	} else if (event.kind == EVENT_DATA) {
		event.pieces = &body;
		event.piece_count = 1;
		event.size = body.bytes.size;
	}
	enum status status = event.channel ? session_deliver(session, &event) : STATUS_OK;
	*consumed = status == STATUS_OK ? bytes.size : 0;
	return status;
}

static inline enum status lump_encode(struct session *session, void *state, const struct event *event,
				      struct writer *writer)
{
	struct channel *channel = event->channel;
	if (!channel)
		return STATUS_OK;
	writer_begin(writer, CHUNK_BINARY);
	uint8_t *at = writer_room(writer, 2);
	if (event->kind == EVENT_OPEN) {
		uint8_t id = (uint8_t)(LUMP_SERIAL + lump_serial++);
		channel_set_id(channel, &id, 1);
	}
	at[0] = channel->id_link.bytes[0];
	at[1] = (uint8_t)("?OoDd+ECR"[event->kind]);
	writer_pieces(writer, event->pieces, event->kind == EVENT_DATA ? event->piece_count : 0);
	return writer_end(writer);
}

static struct wire wire_lump = {
    .name = "lump", .chunk_max = 65536, .decode = lump_decode, .encode = lump_encode};

static inline void begin_lump(void)
{
	begin(true);
	world.limits.channel_bytes_no_credit = 100000;
	lump_count = lump_serial = 0;
	struct session_options options = {.wire = &wire_lump, .carrier = &carrier_raw, .role = &relay_role};
	lump = session_create(&world.hub, &options);
	world.link[SERVER] = lump;
	session_open(lump);
	lump->ready = true;
}

/* One frame; false when the session does not want any. */
static inline bool lump_hears(uint8_t id, char kind, size_t size)
{
	if (!session_wants_input(lump))
		return false;
	struct buf *buf = buf_receive(&world.hub.bufs);
	buf->bytes[0] = id;
	buf->bytes[1] = (uint8_t)kind;
	memset(buf->bytes + 2, 'a' + id, size);
	buf->used = (uint32_t)size + 2;
	session_input(lump, (struct piece){buf, {buf->bytes, buf->used}});
	settle();
	return true;
}

static inline void pump_conn(struct conn *conn)
{
	pump(conn->session, &conn->out, &conn->shut);
	settle();
}

/* What it says until the writer holds so many bytes; the frames are added to `lumps`. Returns how many. */
static inline uint32_t lump_says(size_t budget)
{
	static struct writer writer;
	uint32_t before = lump_count;
	bool begins = true;
	writer_init(&writer, lump, &world.hub.bufs, budget);
	link_remove(&lump->writable_link);
	session_pump(lump, &writer);
	for (uint32_t i = 0; i < writer.count; i++) {
		struct slice bytes = writer.parts[i].piece.bytes;
		if (begins) {
			check(lump_count < LUMPS_MAX && bytes.size >= 2);
			lumps[lump_count++] =
			    (struct lump_frame){.id = bytes.at[0], .kind = (char)bytes.at[1]};
			bytes.at += 2;
			bytes.size -= 2;
		}
		struct lump_frame *frame = &lumps[lump_count - 1];
		if (!frame->size && bytes.size)
			frame->first = bytes.at[0];
		frame->size += bytes.size;
		begins = writer.parts[i].last;
	}
	writer_fini(&writer);
	settle();
	return lump_count - before;
}

/* Everything that it may say now. */
static inline uint32_t lump_says_all(void)
{
	uint32_t before = lump_count;
	while (session_has_output(lump) && lump_says(65536))
		;
	return lump_count - before;
}

/* The conn's bytes are read. */
static inline void hear_conn(struct conn *conn)
{
	feed(conn->session, &conn->in);
	settle();
}

static inline void conn_says(struct conn *conn, size_t size)
{
	say_many(conn, size);
	hear_conn(conn);
}

/* Time passes, and timers expire. */
static inline void pass_us(int64_t us)
{
	world.hub.now = instant_after(world.hub.now, (struct duration){us * 1000});
	wheel_expire(&world.hub.wheel, world.hub.now);
	settle();
}

#endif
