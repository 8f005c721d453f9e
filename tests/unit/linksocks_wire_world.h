/* tests/unit/linksocks_wire_world.h - the world of links with LinkSocks on a carrier of heads and whole
 * messages: each goes as a kind, a size and its bytes, so that a test can read and write them by hand.
 * Messages are cut into frames of random size, with Pings between them, when the world chops.
 *
 * Include it in one file of a program.
 */
#ifndef TESTS_UNIT_LINKSOCKS_WIRE_WORLD_H
#define TESTS_UNIT_LINKSOCKS_WIRE_WORLD_H

#include "core/datagram.h"
#include "protocols/codecs/http1.h"
#include "protocols/linksocks/message.h"
#include "protocols/linksocks/wire.h"
#include "tests/unit/wire_world.h"

enum { PLAIN_HEAD = 6 };

/* ---- the carrier ---- */

struct plain_carrier {
	uint8_t head[PLAIN_HEAD];
	uint8_t used;
	uint32_t left;
	bool in_frame;
	struct bytes text; /* of a HEAD */
	struct head parsed;
};

static inline void text_add(struct bytes *bytes, const char *text) { bytes_add(bytes, text, strlen(text)); }

static inline enum status plain_head(struct plain_carrier *plain, struct slice bytes, struct chunk *chunk)
{
	size_t used;
	unsigned status;
	const char *why;
	bytes_add(&plain->text, bytes.at, bytes.size);
	plain->left -= (uint32_t)bytes.size;
	if (plain->left)
		return STATUS_MORE;
	plain->in_frame = false;
	enum status parsed = http1_parse_head((struct slice){plain->text.at, plain->text.size},
					      &plain->parsed, &used, &status, &why);
	if (parsed != STATUS_OK)
		return STATUS_PROTOCOL;
	*chunk = (struct chunk){.kind = CHUNK_HEAD, .last = true, .head = &plain->parsed};
	return STATUS_OK;
}

static inline enum status plain_decode(struct session *session, void *state, struct piece *input,
				       struct chunk *chunk)
{
	struct plain_carrier *plain = state;
	for (;;) {
		while (!plain->in_frame && input->bytes.size && plain->used < PLAIN_HEAD) {
			plain->head[plain->used++] = *input->bytes.at++;
			input->bytes.size--;
		}
		if (!plain->in_frame) {
			if (plain->used < PLAIN_HEAD)
				return STATUS_MORE;
			plain->used = 0;
			plain->left = get32(plain->head + 2);
			plain->in_frame = true;
			plain->text.size = 0;
			if (plain->head[0] > CHUNK_END || plain->left > LINKSOCKS_MESSAGE_MAX)
				return STATUS_PROTOCOL;
		}
		if (plain->left && !input->bytes.size)
			return STATUS_MORE;
		struct piece piece = {input->buf,
				      {input->bytes.at, size_min(plain->left, input->bytes.size)}};
		input->bytes.at += piece.bytes.size;
		input->bytes.size -= piece.bytes.size;
		if (plain->head[0] == CHUNK_HEAD) {
			enum status status = plain_head(plain, piece.bytes, chunk);
			if (status != STATUS_MORE)
				return status;
			continue;
		}
		plain->left -= (uint32_t)piece.bytes.size;
		plain->in_frame = plain->left > 0;
		*chunk = (struct chunk){.kind = (enum chunk_kind)plain->head[0],
					.last = plain->head[1] && !plain->in_frame,
					.piece = piece};
		return STATUS_OK;
	}
}

static inline void plain_say_head(struct session *session, struct bytes *text, const struct head *head)
{
	char line[400];
	if (session->client)
		snprintf(line, sizeof line,
			 "GET %.*s HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
			 "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAECAwQFBgcICQoLDA0ODw==\r\n",
			 (int)head->path.size, (const char *)head->path.at);
	else
		snprintf(line, sizeof line, "HTTP/1.1 %u %s\r\n", head->status,
			 http1_status_text(head->status));
	text_add(text, line);
	for (uint32_t i = 0; i < head->field_count; i++) {
		bytes_add(text, head->fields[i].name.at, head->fields[i].name.size);
		text_add(text, ": ");
		bytes_add(text, head->fields[i].value.at, head->fields[i].value.size);
		text_add(text, "\r\n");
	}
	text_add(text, "\r\n");
}

/* The frame is the room of the header in front; a HEAD has its text behind it. */
static inline enum status plain_seal(struct session *session, void *state, struct writer *writer)
{
	if (writer->kind == CHUNK_HEAD) {
		struct bytes text = {0};
		plain_say_head(session, &text, writer->head);
		writer_copy(writer, (struct slice){text.at, text.size});
		free(text.at);
		if (writer->overflow)
			return STATUS_FULL;
	}
	writer->frame[0] = (uint8_t)writer->kind;
	writer->frame[1] = 1;
	put32(writer->frame + 2, (uint32_t)writer_message_size(writer));
	return STATUS_OK;
}

static inline void plain_stop(struct session *session, void *state)
{
	struct plain_carrier *plain = state;
	free(plain->text.at);
}

static const struct carrier carrier_plain = {.name = "plain",
					     .has_head = true,
					     .state_size = sizeof(struct plain_carrier),
					     .frame_room = PLAIN_HEAD,
					     .decode = plain_decode,
					     .seal = plain_seal,
					     .stop = plain_stop};

/* What one end has said, with its messages in frames of random size and control frames between them. */
static inline void fragment(struct bytes *said)
{
	struct bytes cut = {0};
	for (size_t at = 0; at + PLAIN_HEAD <= said->size;) {
		uint8_t *head = said->at + at;
		size_t size = get32(head + 2), left = size;
		const uint8_t *from = head + PLAIN_HEAD;
		bool whole = head[0] != CHUNK_BINARY || chance(3) == 0;
		do {
			size_t part = whole ? left : size_min(left, 1 + chance(chance(2) ? 40 : 5000));
			uint8_t frame[PLAIN_HEAD] = {head[0], head[1] && part == left};
			put32(frame + 2, (uint32_t)part);
			bytes_add(&cut, frame, sizeof frame);
			bytes_add(&cut, from, part);
			from += part;
			left -= part;
			if (!whole && chance(4) == 0)
				bytes_add(&cut, (uint8_t[]){CHUNK_PING, 1, 0, 0, 0, 1, 'p'}, 7);
		} while (left);
		at += PLAIN_HEAD + size;
	}
	free(said->at);
	*said = cut;
}

/* ---- the role of the links ---- */

static struct linksocks_options link_options[2];

static inline void link_start(struct session *session)
{
	linksocks_configure(session, &link_options[session->client]);
	role_start(session);
}

static struct event link_news[2]; /* what REQUEST and RESPONSE say */

static inline void link_fill(struct session *session, struct event *event)
{
	const struct event *news = &link_news[session->client];
	role_fill(session, event);
	if (event->kind != EVENT_REQUEST && event->kind != EVENT_RESPONSE)
		return;
	event->token = news->token;
	event->reason = news->reason;
	event->text = news->text;
}

static const struct role link_role = {
    .name = "link", .start = link_start, .event = role_event, .fill = link_fill};

static inline void linksocks_world(uint64_t seed)
{
	world_init(seed);
	world.options.wire = &wire_linksocks;
	world.options.carrier = &carrier_plain;
	world.options.role = &link_role;
	memset(link_options, 0, sizeof link_options);
	world.hub.batching.enabled = false; /* messages leave in the turn that they come in */
}

#endif
