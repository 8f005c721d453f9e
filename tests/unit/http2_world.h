/* tests/unit/http2_world.h - one end of an HTTP/2 link without a kernel: a session of a wire that writes down
 * the bytes it hears, and bytes in any pieces. Two of them may talk to each other, or one to frames by hand.
 *
 * Include it in one file of a program.
 */
#ifndef TESTS_UNIT_HTTP2_WORLD_H
#define TESTS_UNIT_HTTP2_WORLD_H

#include <stdio.h>

#include "protocols/carriers/http2.h"
#include "tests/unit/carrier_world.h"

enum { NOTES_SIZE = 1 << 14 };

static const struct opening opening = {.host = "example.com"};

/* ---- the wire ---- */

static inline enum status world_decode(struct session *session, void *state, const struct chunk *chunk,
				       size_t *used)
{
	struct side *end = &sides[session->client];
	if (chunk->kind == CHUNK_END) {
		end->ends++;
		return STATUS_OK;
	}
	check(chunk->kind == CHUNK_BYTES && chunk->piece.bytes.size && chunk->piece.buf && !end->ends);
	check(chunk->piece.bytes.at >= chunk->piece.buf->bytes &&
	      chunk->piece.bytes.at + chunk->piece.bytes.size <=
		  chunk->piece.buf->bytes + chunk->piece.buf->size);
	*used = 1 + chance(chunk->piece.bytes.size);
	bytes_add(&end->heard, chunk->piece.bytes.at, *used);
	end->chunks++;
	return STATUS_OK;
}

static inline enum status world_encode(struct session *session, void *state, const struct event *event,
				       struct writer *writer)
{
	return STATUS_OK;
}

static const struct wire world_wire = {
    .name = "world", .chunk_max = 1 << 14, .decode = world_decode, .encode = world_encode};

/* ---- life ---- */

static inline void world_init(uint64_t seed) { sides_init(seed); }

static inline struct side *world_open(bool client)
{
	struct session_options options = {.wire = &world_wire, .carrier = &carrier_http2, .client = client};
	struct side *end = side_create(&options, &opening);
	session_open(end->session);
	return end;
}

static inline void world_close(void) { sides_close(); }

/* ---- speaking and hearing ---- */

/* One message: a header of its own, then a body in random parts. */
static inline enum status side_say(struct side *end, struct slice header, struct slice body)
{
	static struct writer writer;
	writer_init(&writer, end->session, &hub.bufs, 65536);
	writer_begin(&writer, CHUNK_BINARY);
	writer_copy(&writer, header);
	writer_cut(&writer);
	say_parts(&writer, body);
	enum status status = writer_end(&writer);
	side_take(end, &writer);
	return status;
}

/* Until nobody has anything to say. */
static inline void world_settle(size_t piece_max)
{
	size_t said;
	do {
		said = side_pump(&sides[0]) + side_pump(&sides[1]);
		side_pass(&sides[0], &sides[1], piece_max);
		side_pass(&sides[1], &sides[0], piece_max);
	} while (said);
}

/* ---- frames, written and read without the code that is tested ---- */

enum frame_type {
	FRAME_DATA,
	FRAME_HEADERS,
	FRAME_PRIORITY,
	FRAME_RST,
	FRAME_SETTINGS,
	FRAME_PUSH,
	FRAME_PING,
	FRAME_GOAWAY,
	FRAME_WINDOW,
	FRAME_CONTINUATION,
};

enum { ACK = 1, END_STREAM = 1, END_HEADERS = 4, PADDED = 8 };

#define PREFACE "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

struct frame {
	size_t size;
	uint8_t type, flags;
	uint32_t stream;
	const uint8_t *payload;
};

static inline void put_frame(struct bytes *bytes, uint8_t type, uint8_t flags, uint32_t stream,
			     const void *payload, size_t size)
{
	uint8_t header[9] = {(uint8_t)(size >> 16), (uint8_t)(size >> 8), (uint8_t)size, type, flags};
	put32(header + 5, stream);
	bytes_add(bytes, header, sizeof header);
	bytes_add(bytes, payload, size);
}

static inline void put_number(struct bytes *bytes, uint8_t type, uint32_t stream, uint32_t number)
{
	uint8_t payload[4];
	put32(payload, number);
	put_frame(bytes, type, 0, stream, payload, sizeof payload);
}

static inline void put_setting(struct bytes *bytes, uint16_t id, uint32_t value)
{
	uint8_t payload[6];
	put16(payload, id);
	put32(payload + 2, value);
	put_frame(bytes, FRAME_SETTINGS, 0, 0, payload, sizeof payload);
}

/* The first whole frame. False: there is none. */
static inline bool frame_read(struct slice *bytes, struct frame *frame)
{
	if (bytes->size < 9)
		return false;
	const uint8_t *at = bytes->at;
	*frame = (struct frame){.size = (size_t)at[0] << 16 | (size_t)at[1] << 8 | at[2],
				.type = at[3],
				.flags = at[4],
				.stream = get32(at + 5),
				.payload = at + 9};
	if (bytes->size < 9 + frame->size)
		return false;
	bytes->at += 9 + frame->size;
	bytes->size -= 9 + frame->size;
	return true;
}

/* All that was said, a word a frame: "SETTINGS SETTINGS+1 HEADERS+4 DATA:12 RST=8 GOAWAY=1"; WINDOW_UPDATE
 * is left out. */
static inline const char *frames_said(struct side *end)
{
	static const char *const names[] = {"DATA", "HEADERS", "PRIORITY", "RST",    "SETTINGS",
					    "PUSH", "PING",    "GOAWAY",   "WINDOW", "CONTINUATION"};
	static char text[NOTES_SIZE];
	struct slice bytes = {end->said.at, end->said.size};
	struct frame frame;
	size_t used = 0;
	text[0] = 0;
	if (bytes.size >= 24 && memcmp(bytes.at, PREFACE, 24) == 0) {
		bytes.at += 24;
		bytes.size -= 24;
		used += (size_t)snprintf(text, sizeof text, "PREFACE");
	}
	while (frame_read(&bytes, &frame) && used < sizeof text - 100) {
		check(frame.type < COUNT_OF(names));
		check(frame.type != FRAME_DATA || frame.size || frame.flags & END_STREAM);
		check(frame.size <= 16384);
		if (frame.type == FRAME_WINDOW)
			continue;
		char more[40] = "";
		if (frame.type == FRAME_DATA)
			snprintf(more, sizeof more, ":%zu", frame.size);
		if (frame.type == FRAME_RST)
			snprintf(more, sizeof more, "%u=%u", frame.stream, get32(frame.payload));
		if (frame.type == FRAME_GOAWAY)
			snprintf(more, sizeof more, "=%u", get32(frame.payload + 4));
		used += (size_t)snprintf(text + used, sizeof text - used, "%s%s%s", used ? " " : "",
					 names[frame.type], more);
		if (frame.flags)
			used += (size_t)snprintf(text + used, sizeof text - used, "+%x", frame.flags);
	}
	check(!bytes.size);
	end->said.size = 0;
	return text;
}

/* ---- the opening ---- */

/* CONNECT example.com, as the original's encoder has it, and without Huffman codes. */
static const uint8_t connect_indexed[] = {0x42, 0x87, 0xbd, 0xab, 0x4e, 0x9c, 0x17, 0xb7, 0xff, 0x41,
					  0x88, 0x2f, 0x91, 0xd3, 0x5d, 0x05, 0x5c, 0x87, 0xa7};
#define CONNECT_PLAIN                                                                                        \
	"\x02\x07"                                                                                           \
	"CONNECT\x01\x0b"                                                                                    \
	"example.com"

static inline void put_opening(struct bytes *bytes, bool client, const void *settings, size_t size)
{
	if (client) {
		put_frame(bytes, FRAME_SETTINGS, 0, 0, settings, size);
		put_frame(bytes, FRAME_SETTINGS, ACK, 0, NULL, 0);
		put_frame(bytes, FRAME_HEADERS, END_HEADERS, 1, "\x88", 1);
	} else {
		bytes_add(bytes, PREFACE, 24);
		put_frame(bytes, FRAME_SETTINGS, 0, 0, settings, size);
		put_frame(bytes, FRAME_HEADERS, END_HEADERS, 1, connect_indexed, sizeof connect_indexed);
		put_frame(bytes, FRAME_SETTINGS, ACK, 0, NULL, 0);
	}
}

/* That end, which has agreed with a peer that is played by hand; nothing is noted. */
static inline struct side *world_agreed_with(bool client, const void *settings, size_t size)
{
	struct bytes bytes = {0};
	struct side *end = world_open(client);
	side_pump(end);
	put_opening(&bytes, client, settings, size);
	side_hear(end, bytes.at, bytes.size, 0);
	side_pump(end);
	free(bytes.at);
	check(end->session && end->session->state == SESSION_OPEN && !end->session->carrier_waits);
	end->said.size = 0;
	return end;
}

static inline struct side *world_agreed(bool client) { return world_agreed_with(client, NULL, 0); }

#endif
