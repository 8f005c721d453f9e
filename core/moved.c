/* core/moved.c - see moved.h. */
#include "core/moved.h"

#include <stdlib.h>

#include "core/hub.h"

struct moved *session_pack(const struct session *session, struct slice unread)
{
	const struct wire *wire = session->wire;
	const struct channel *channel = session_only_channel((struct session *)(uintptr_t)session);
	check(session->held && channel && channel->state == CHANNEL_ASKED && !session->carrier->has_head);
	struct slice chunk = session->chunk_valid ? session->chunk.piece.bytes : (struct slice){0};
	struct slice input = session->input.bytes;
	size_t unheard_size = wire->unheard ? wire->unheard(session->wire_state) : 0;
	size_t unread_size = unheard_size + chunk.size + input.size + unread.size;
	struct moved *moved = calloc(1, sizeof *moved + wire->session_size + session->carrier->state_size +
					    wire->channel_size + unread_size);
	if (!moved)
		return NULL;
	*moved = (struct moved){.wire = wire,
				.carrier = session->carrier,
				.role = session->role,
				.traits = session->traits,
				.service = session->service ? session->service->index : 0,
				.target = channel->target,
				.published = session->target,
				.tag = session->tag,
				.unread_size = unread_size};
	moved->wire_state = moved->bytes;
	moved->carrier_state = moved->wire_state + wire->session_size;
	moved->channel_state = moved->carrier_state + session->carrier->state_size;
	moved->unread = moved->channel_state + wire->channel_size;
	memcpy(moved->wire_state, session->wire_state, wire->session_size);
	memcpy(moved->carrier_state, session->carrier_state, session->carrier->state_size);
	memcpy(moved->channel_state, channel->wire, wire->channel_size);
	if (unheard_size)
		wire->unhear(session->wire_state, moved->wire_state, moved->unread);
	uint8_t *at = moved->unread + unheard_size;
	const struct slice parts[] = {chunk, input, unread};
	for (size_t i = 0; i < COUNT_OF(parts); i++) {
		if (parts[i].size)
			memcpy(at, parts[i].at, parts[i].size);
		at += parts[i].size;
	}
	bufpool_copied(&session->hub->bufs, unread_size);
	return moved;
}

struct session *session_unpack(struct hub *hub, const struct moved *moved)
{
	struct session *session =
	    session_create(hub, &(struct session_options){.wire = moved->wire,
							  .carrier = moved->carrier,
							  .role = moved->role,
							  .service = hub->services[moved->service]});
	if (!session)
		return NULL;
	memcpy(session->wire_state, moved->wire_state, moved->wire->session_size);
	memcpy(session->carrier_state, moved->carrier_state, moved->carrier->state_size);
	session->traits = moved->traits;
	session->target = moved->published;
	session->tag = moved->tag;
	session->state = SESSION_OPEN;
	session->ready = true;
	struct channel *channel = session_channel(session);
	if (!channel) {
		session_end(session, REASON_MEMORY, NULL, false);
		return session;
	}
	memcpy(channel->wire, moved->channel_state, moved->wire->channel_size);
	session_deliver(session,
			&(struct event){.kind = EVENT_OPEN, .channel = channel, .target = &moved->target});
	return session;
}
