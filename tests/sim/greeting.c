/* tests/sim/greeting.c - see greeting.h. */
#include "tests/sim/greeting.h"

#include "protocols/frontends/plain.h"

struct greeting {
	bool begun, over;
	uint8_t left;
};

static enum status greeting_open(struct session *session)
{
	struct event event = {
	    .kind = EVENT_OPEN, .channel = session_channel(session), .target = &session->target};
	if (!event.channel) {
		session_end(session, REASON_LIMIT, NULL, false);
		return STATUS_IO;
	}
	return session_deliver(session, &event);
}

static enum status greeting_decode(struct session *session, void *state, const struct chunk *chunk,
				   size_t *consumed)
{
	struct greeting *greeting = state;
	struct slice bytes = chunk->piece.bytes;
	if (greeting->over)
		return wire_plain.decode(session, NULL, chunk, consumed);
	if (chunk->kind == CHUNK_END)
		return STATUS_PROTOCOL;
	for (; bytes.size && !greeting->over; bytes.at++, bytes.size--) {
		greeting->left = greeting->begun ? (uint8_t)(greeting->left - 1) : *bytes.at;
		greeting->begun = true;
		greeting->over = greeting->left == 0;
	}
	*consumed = chunk->piece.bytes.size - bytes.size;
	return greeting->over ? greeting_open(session) : STATUS_OK;
}

static enum status greeting_encode(struct session *session, void *state, const struct event *event,
				   struct writer *writer)
{
	return wire_plain.encode(session, NULL, event, writer);
}

const struct wire wire_greeting = {
    .name = "greeting",
    .traits = TRAIT_CONN | TRAIT_HALF_CLOSE | TRAIT_SILENT_OPEN,
    .session_size = sizeof(struct greeting),
    .chunk_max = 65536,
    .decode = greeting_decode,
    .encode = greeting_encode,
};
