/* protocols/frontends/plain.c - the wire without a dialogue; see plain.h. */
#include "protocols/frontends/plain.h"

#include "core/writer.h"

enum { PLAIN_CHUNK_MAX = 65536 };

static enum status plain_start(struct session *session, void *state)
{
	if (session->client)
		return STATUS_OK;
	struct event event = {
	    .kind = EVENT_OPEN, .channel = session_channel(session), .target = &session->target};
	if (!event.channel) {
		session_end(session, REASON_LIMIT, NULL, false);
		return STATUS_IO;
	}
	return session_deliver(session, &event);
}

static enum status plain_decode(struct session *session, void *state, const struct chunk *chunk,
				size_t *consumed)
{
	struct event event = {.kind = EVENT_EOF, .channel = session_only_channel(session)};
	if (chunk->kind == CHUNK_END)
		return event.channel ? session_deliver(session, &event) : STATUS_OK;
	if (event.channel && chunk->piece.bytes.size) {
		event.kind = EVENT_DATA;
		event.pieces = &chunk->piece;
		event.piece_count = 1;
		event.size = chunk->piece.bytes.size;
		enum status status = session_deliver(session, &event);
		if (status != STATUS_OK)
			return status;
	}
	*consumed = chunk->piece.bytes.size;
	return STATUS_OK;
}

static enum status plain_encode(struct session *session, void *state, const struct event *event,
				struct writer *writer)
{
	switch (event->kind) {
	case EVENT_DATA:
		writer_begin(writer, CHUNK_BYTES);
		writer_pieces(writer, event->pieces, event->piece_count);
		return writer_end(writer);
	case EVENT_EOF:
	case EVENT_CLOSE:
		writer_begin(writer, CHUNK_END);
		return writer_end(writer);
	case EVENT_OPENED:
		return event->reason == REASON_OK ? STATUS_OK : STATUS_IO; /* a refusal has no bytes: abort */
	case EVENT_RESET:
		return STATUS_IO;
	default:
		return STATUS_OK;
	}
}

/* ---- with a preface ---- */

struct preface {
	uint8_t size, bytes[PLAIN_PREFACE_MAX];
};

void plain_set_preface(struct session *session, struct slice bytes)
{
	check(session->wire == &wire_plain_preface && bytes.size && bytes.size <= PLAIN_PREFACE_MAX);
	struct preface *preface = session->wire_state;
	preface->size = (uint8_t)bytes.size;
	memcpy(preface->bytes, bytes.at, bytes.size);
}

static enum status preface_encode(struct session *session, void *state, const struct event *event,
				  struct writer *writer)
{
	const struct preface *preface = state;
	if (event->kind != EVENT_OPEN)
		return plain_encode(session, state, event, writer);
	writer_begin(writer, CHUNK_BYTES);
	writer_copy(writer, (struct slice){preface->bytes, preface->size});
	return writer_end(writer);
}

const struct wire wire_plain_preface = {
    .name = "plain",
    .traits = TRAIT_CONN | TRAIT_HALF_CLOSE | TRAIT_SILENT_OPEN,
    .session_size = sizeof(struct preface),
    .chunk_max = PLAIN_CHUNK_MAX,
    .start = plain_start,
    .decode = plain_decode,
    .encode = preface_encode,
};

const struct wire wire_plain = {
    .name = "plain",
    .traits = TRAIT_CONN | TRAIT_HALF_CLOSE | TRAIT_SILENT_OPEN,
    .chunk_max = PLAIN_CHUNK_MAX,
    .start = plain_start,
    .decode = plain_decode,
    .encode = plain_encode,
};
