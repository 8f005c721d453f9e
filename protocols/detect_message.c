/* protocols/detect_message.c - whose first message it is that follows an upgrade; see detect.h. */
#include "protocols/carriers/websocket.h"
#include "protocols/detect.h"

enum { LOOK_MAX = 512 }; /* bytes that must tell */

/* The first two bytes of a message's payload, out of as many frames as it takes. */
struct look {
	uint8_t bytes[2];
	size_t count;
	bool in_message;
};

static bool may_follow(const struct look *look, const struct websocket_frame *frame)
{
	return frame->opcode == (look->in_message ? WEBSOCKET_CONTINUATION : WEBSOCKET_BINARY);
}

/* NONE: the bytes so far say nothing yet. */
static enum first_message judge(const struct look *look)
{
	if (look->count && look->bytes[0] == 0)
		return MESSAGE_TLS_TUNNEL;
	if (look->count && look->bytes[0] != 1)
		return MESSAGE_STRANGE;
	if (look->count < 2)
		return MESSAGE_NONE;
	return look->bytes[1] == 1 ? MESSAGE_LINKSOCKS : MESSAGE_STRANGE;
}

/* One data frame, of which `payload` is there. The bytes stay as they are: their reader unmasks them. */
static enum first_message look_at(struct look *look, const struct websocket_frame *frame,
				  struct slice payload)
{
	if (!may_follow(look, frame))
		return MESSAGE_STRANGE;
	for (size_t i = 0; i < payload.size && look->count < sizeof look->bytes; i++)
		look->bytes[look->count++] = payload.at[i] ^ frame->key[i % WEBSOCKET_KEY_SIZE];
	enum first_message message = judge(look);
	if (message != MESSAGE_NONE)
		return message;
	if (payload.size < frame->size)
		return MESSAGE_PART;
	look->in_message = !frame->last;
	return frame->last && look->count ? MESSAGE_STRANGE : MESSAGE_NONE;
}

enum first_message first_message_of(struct slice frames)
{
	struct look look = {.count = 0};
	enum first_message message = MESSAGE_NONE;
	bool enough = frames.size >= LOOK_MAX;
	while (message == MESSAGE_NONE && frames.size) {
		struct websocket_reader reader = {.used = 0};
		struct websocket_frame frame;
		const char *why;
		enum status status = websocket_read_header(&reader, &frames, true, &frame, &why);
		if (status != STATUS_OK)
			return status == STATUS_MORE && !enough ? MESSAGE_PART : MESSAGE_STRANGE;
		size_t there = frame.size < frames.size ? (size_t)frame.size : frames.size;
		struct slice payload = {frames.at, there};
		if (frame.opcode == WEBSOCKET_CLOSE)
			return MESSAGE_TLS_TUNNEL;       /* its carrier answers it */
		if (frame.opcode < WEBSOCKET_CLOSE)
			message = look_at(&look, &frame, payload);
		else if (payload.size < frame.size)
			message = MESSAGE_PART;
		frames.at += payload.size;
		frames.size -= payload.size;
	}
	if (enough && (message == MESSAGE_NONE || message == MESSAGE_PART))
		return MESSAGE_STRANGE;
	return message == MESSAGE_NONE && look.in_message ? MESSAGE_PART : message;
}
