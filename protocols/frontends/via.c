/* protocols/frontends/via.c - see via.h; the dialogue itself is via_dialogue.c. */
#include "protocols/frontends/via.h"

#include "core/request.h"
#include "core/writer.h"
#include "protocols/frontends/plain.h"
#include "protocols/frontends/via_dialogue.h"

enum { VIA_CHUNK_MAX = 65536 };

struct via {
	const struct config_via *via;
	struct instant until;
	struct via_dialogue dialogue;
};

void via_set(struct session *session, const struct config_via *proxy, struct duration timeout)
{
	struct via *via = session->wire_state;
	via->via = proxy;
	via->until = instant_after(session->hub->now, timeout);
}

/* ---- in front of any session ---- */

_Static_assert(sizeof(struct via_dialogue) <= DIALOGUE_STATE_MAX &&
		   (int)VIA_SAY_MAX == (int)DIALOGUE_SAY_MAX &&
		   (int)VIA_TEXT_SIZE == (int)DIALOGUE_TEXT_SIZE, "it is told in that room");

static size_t dialogue_say(void *state, const struct config_via *via, const char *host, uint16_t port,
			   uint8_t bytes[DIALOGUE_SAY_MAX])
{
	return via_host_is_good(host) ? via_say(state, via, host, port, bytes) : 0;
}

static enum status dialogue_hear(void *state, const struct config_via *via, struct slice bytes, size_t *used,
				 enum reason *reason, char text[DIALOGUE_TEXT_SIZE])
{
	return via_hear(state, via, bytes, used, reason, text);
}

void via_dial(struct dial *dial, const struct config_via *via)
{
	static const struct dialogue dialogue = {dialogue_say, dialogue_hear};
	if (!via || via->kind == VIA_NOTHING)
		return;
	dial->via = via;
	dial->dialogue = &dialogue;
}

/* ---- the wire ---- */

static enum status via_start(struct session *session, void *state)
{
	const struct via *via = state;
	check(via->via);
	session_tick_at(session, via->until);
	return STATUS_OK;
}

static void opened(struct session *session, enum reason reason, const char *text)
{
	struct event event = {.kind = EVENT_OPENED, .channel = session_only_channel(session),
			      .reason = reason, .text = slice_of(text)};
	if (event.channel)
		session_deliver(session, &event);
}

static enum status via_decode(struct session *session, void *state, const struct chunk *chunk,
			      size_t *consumed)
{
	struct via *via = state;
	char text[VIA_TEXT_SIZE] = "";
	enum reason reason = REASON_OK;
	if (via->dialogue.step == VIA_AGREED || via->dialogue.step == VIA_REFUSED)
		return wire_plain.decode(session, NULL, chunk, consumed);
	if (chunk->kind == CHUNK_END) {
		via->dialogue.step = VIA_REFUSED;
		opened(session, REASON_LOST, "the proxy closed the connection without an answer");
		return STATUS_OK;
	}
	enum status status =
	    via_hear(&via->dialogue, via->via, chunk->piece.bytes, consumed, &reason, text);
	if (status == STATUS_PROTOCOL)
		*consumed = chunk->piece.bytes.size;
	if (status != STATUS_MORE)
		opened(session, reason, text);
	else if (via_owes(&via->dialogue))
		session_owes(session);
	return STATUS_OK;
}

/* All or nothing: when there is no room the dialogue stays where it was. */
static enum status say_dialogue(struct session *session, struct via *via, struct writer *writer)
{
	const struct channel *channel = session_only_channel(session);
	struct via_dialogue before = via->dialogue;
	if (!channel)
		return STATUS_OK;
	writer_begin(writer, CHUNK_BYTES);
	uint8_t *room = writer_room(writer, VIA_SAY_MAX);
	size_t size = via_say(&via->dialogue, via->via, channel->target.host, channel->target.port, room);
	writer_shrink(writer, VIA_SAY_MAX - size);
	enum status status = writer_end(writer);
	if (status != STATUS_OK)
		via->dialogue = before;
	return status;
}

static enum status via_encode(struct session *session, void *state, const struct event *event,
			      struct writer *writer)
{
	bool owed = event->kind == EVENT_OWED && !event->channel;
	if (event->kind == EVENT_OPEN || owed)
		return say_dialogue(session, state, writer);
	return wire_plain.encode(session, NULL, event, writer);
}

static struct instant via_tick(struct session *session, void *state, struct instant now)
{
	struct via *via = state;
	if (via->dialogue.step == VIA_AGREED || via->dialogue.step == VIA_REFUSED)
		return INSTANT_NEVER;
	if (instant_before(now, via->until))
		return via->until;
	via->dialogue.step = VIA_REFUSED;
	opened(session, REASON_TIMEOUT, "the proxy did not answer in time");
	return INSTANT_NEVER;
}

const struct wire wire_via_socks5 = {
	.name = "via_socks5",
	.traits = TRAIT_CONN | TRAIT_HALF_CLOSE,
	.session_size = sizeof(struct via),
	.chunk_max = VIA_CHUNK_MAX,
	.start = via_start,
	.decode = via_decode,
	.encode = via_encode,
	.tick = via_tick,
};

const struct wire wire_via_http = {
	.name = "via_http",
	.traits = TRAIT_CONN | TRAIT_HALF_CLOSE,
	.session_size = sizeof(struct via),
	.chunk_max = VIA_CHUNK_MAX,
	.start = via_start,
	.decode = via_decode,
	.encode = via_encode,
	.tick = via_tick,
};
