/* tests/unit/websocket_world.h - one end of a WebSocket without a kernel: a session of a wire that writes
 * down what it hears, and bytes in any pieces. Two of them may talk to each other.
 *
 * What was heard and said becomes one text, the same whatever the pieces were. Include it in one file of a
 * program.
 */
#ifndef TESTS_UNIT_WEBSOCKET_WORLD_H
#define TESTS_UNIT_WEBSOCKET_WORLD_H

#include <stdarg.h>
#include <stdio.h>

#include "protocols/carriers/websocket.h"
#include "tests/unit/carrier_world.h"

enum { SHOWN_MAX = 200 };

static inline void note(struct side *end, const char *format, ...)
{
	va_list list;
	va_start(list, format);
	size_t room = SIDE_NOTES_SIZE - end->notes_size;
	int size = vsnprintf(end->notes + end->notes_size, room, format, list);
	va_end(list);
	check(size >= 0);
	end->notes_size += size_min((size_t)size, room - 1);
}

static inline uint64_t sum_of(const uint8_t *at, size_t size)
{
	uint64_t sum = 0xcbf29ce484222325;
	for (size_t i = 0; i < size; i++)
		sum = (sum ^ at[i]) * 0x100000001b3;
	return sum;
}

/* Short ones as they are, others by their sum. */
static inline void note_bytes(struct side *end, const uint8_t *at, size_t size)
{
	if (size > SHOWN_MAX) {
		note(end, " %zu #%016llx\n", size, (unsigned long long)sum_of(at, size));
		return;
	}
	note(end, " '");
	for (size_t i = 0; i < size; i++)
		note(end, at[i] >= 0x20 && at[i] < 0x7f ? "%c" : "\\%02x", at[i]);
	note(end, "'\n");
}

static inline void note_head(struct side *end, const struct head *head)
{
	if (head->status)
		note(end, "head %u", head->status);
	else
		note(end, "head %.*s %.*s", (int)head->method.size, (const char *)head->method.at,
		     (int)head->path.size, (const char *)head->path.at);
	for (uint32_t i = 0; i < head->field_count; i++)
		if (head->fields[i].name.at[0] == 'X')
			note(end, " %.*s=%.*s", (int)head->fields[i].name.size,
			     (const char *)head->fields[i].name.at, (int)head->fields[i].value.size,
			     (const char *)head->fields[i].value.at);
	note(end, "\n");
}

/* ---- the wire ---- */

static inline enum status world_decode(struct session *session, void *state, const struct chunk *chunk,
				       size_t *used)
{
	struct side *end = &sides[session->client];
	static const char *const names[] = {"head", "bytes", "text", "binary", "ping", "pong", "end"};
	*used = chunk->piece.bytes.size;
	if (chunk->kind == CHUNK_HEAD) {
		note_head(end, chunk->head);
		return STATUS_OK;
	}
	if (chunk->kind == CHUNK_END) {
		note(end, "end %u\n", chunk->code);
		return STATUS_OK;
	}
	check(chunk->last || chunk->piece.bytes.size);
	if (chunk->kind == CHUNK_PING || chunk->kind == CHUNK_PONG) {
		note(end, "%s", names[chunk->kind]);
		note_bytes(end, chunk->piece.bytes.at, chunk->piece.bytes.size);
		return STATUS_OK;
	}
	check(chunk->piece.buf);
	bytes_add(&end->heard, chunk->piece.bytes.at, chunk->piece.bytes.size);
	if (!chunk->last)
		return STATUS_OK;
	note(end, "%s", names[chunk->kind]);
	note_bytes(end, end->heard.at, end->heard.size);
	end->heard.size = 0;
	return STATUS_OK;
}

static bool world_answers;   /* with 101 as soon as anything is owed */
static bool world_last_word; /* says something when the session ends */

static inline enum status world_encode(struct session *session, void *state, const struct event *event,
				       struct writer *writer)
{
	static const struct head head = {.status = 101};
	if (world_last_word && session->state == SESSION_FLUSH) {
		writer_begin(writer, CHUNK_BINARY);
		writer_copy(writer, slice_of("last"));
		return writer_end(writer);
	}
	if (!world_answers)
		return STATUS_OK;
	writer_begin_head(writer, &head);
	return writer_end(writer);
}

static struct wire world_wire = {
    .name = "world", .chunk_max = 1 << 20, .decode = world_decode, .encode = world_encode};

/* ---- life ---- */

static const struct carrier *world_carrier = &carrier_websocket;
static const struct opening world_opening = {.host = "example.com", .path = "/tunnel/"};
static bool world_head_answered;

static inline void world_init(uint64_t seed)
{
	sides_init(seed);
	world_wire.message_max = 0;
	world_wire.any_text = false;
	world_answers = world_last_word = world_head_answered = false;
}

static inline struct side *world_open(bool client)
{
	struct session_options options = {
	    .wire = &world_wire, .carrier = world_carrier, .client = client};
	struct side *end = side_create(&options, &world_opening);
	end->session->head_answered = world_head_answered;
	session_open(end->session);
	return end;
}

static inline void world_close(void) { sides_close(); }

/* ---- speaking ---- */

/* A message, in random parts. */
static inline enum status side_say(struct side *end, enum chunk_kind kind, struct slice bytes)
{
	static struct writer writer;
	writer_init(&writer, end->session, &hub.bufs, 65536);
	writer_begin(&writer, kind);
	say_parts(&writer, bytes);
	enum status status = writer_end(&writer);
	side_take(end, &writer);
	return status;
}

static inline enum status side_say_head(struct side *end, const struct head *head)
{
	static struct writer writer;
	writer_init(&writer, end->session, &hub.bufs, 65536);
	writer_begin_head(&writer, head);
	enum status status = writer_end(&writer);
	side_take(end, &writer);
	world_bury();
	return status;
}

/* ---- the handshake ---- */

#define REQUEST_FIELDS                                                                                       \
	"Host: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"              \
	"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
#define REQUEST "GET /chat HTTP/1.1\r\n" REQUEST_FIELDS "\r\n"

static inline struct head head_of_request(void)
{
	return (struct head){.method = slice_of("GET"),
			     .path = slice_of("/chat"),
			     .fields = {{slice_of("Host"), slice_of("h")}},
			     .field_count = 1};
}

/* That end, with the handshake behind it and nothing noted. */
static inline struct side *world_frames(bool client)
{
	struct side *end = world_open(client);
	struct head head = head_of_request(), answer = {.status = 101};
	if (client) {
		char text[256];
		check(side_say_head(end, &head) == STATUS_OK);
		snprintf(text, sizeof text,
			 "HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
			 "Sec-WebSocket-Accept: %s\r\n\r\n",
			 ((struct websocket *)end->session->carrier_state)->accept);
		side_hear(end, text, strlen(text), 0);
	} else {
		side_hear(end, REQUEST, strlen(REQUEST), 0);
		check(side_say_head(end, &answer) == STATUS_OK);
	}
	check(end->session && end->session->state == SESSION_OPEN);
	end->notes_size = end->said.size = 0;
	return end;
}

/* ---- frames, written and read without the code that is tested ---- */

/* `extended`: bytes of the length behind the seven bits: 0, 2 or 8. */
static inline void put_frame_as(struct bytes *bytes, uint8_t first, bool masked, const void *payload,
				size_t size, int extended)
{
	uint8_t head[14], key[4] = {0x37, 0xfa, 0x21, 0x3d};
	size_t used = 2;
	head[0] = first;
	head[1] = (uint8_t)((masked ? 0x80 : 0) | (extended == 8 ? 127 : extended == 2 ? 126 : size));
	for (int i = extended - 1; i >= 0; i--)
		head[used++] = (uint8_t)((uint64_t)size >> (8 * i));
	for (size_t i = 0; masked && i < 4; i++)
		head[used++] = key[i];
	bytes_add(bytes, head, used);
	bytes_add(bytes, payload, size);
	for (size_t i = 0; masked && i < size; i++)
		bytes->at[bytes->size - size + i] ^= key[i % 4];
}

static inline void put_frame(struct bytes *bytes, uint8_t first, bool masked, const void *payload,
			     size_t size)
{
	put_frame_as(bytes, first, masked, payload, size, size > 65535 ? 8 : size > 125 ? 2 : 0);
}

/* Each frame that was said, as a line behind what was heard. */
static inline void note_said(struct side *end)
{
	uint8_t *at = end->said.at, *stop = at + end->said.size;
	while (at < stop) {
		uint8_t first = at[0], key[4] = {0};
		bool masked = at[1] & 0x80;
		uint64_t size = at[1] & 0x7f;
		int extended = size == 127 ? 8 : size == 126 ? 2 : 0;
		at += 2;
		for (int i = 0; i < extended; i++)
			size = (i ? size << 8 : 0) | *at++;
		check(extended == 8 ? size > 65535 : extended == 2 ? size > 125 : size < 126);
		for (int i = 0; masked && i < 4; i++)
			key[i] = *at++;
		check(size <= (uint64_t)(stop - at));
		for (uint64_t i = 0; i < size; i++)
			at[i] ^= key[i % 4];
		note(end, "say%s %02x", masked ? " masked" : "", first);
		if ((first & 0x0f) == 8 && size >= 2) {
			note(end, " %u", get16(at));
			note_bytes(end, at + 2, size - 2);
		} else {
			note_bytes(end, at, size);
		}
		at += size;
	}
	end->said.size = 0;
}

#endif
