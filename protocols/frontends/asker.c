/* protocols/frontends/asker.c - see asker.h. */
#include "protocols/frontends/asker.h"

#include "core/pair.h"

enum status asker_open(struct session *session, const struct target *target)
{
	struct event event = {.kind = EVENT_OPEN, .channel = session_channel(session), .target = target};
	if (event.channel)
		return session_deliver(session, &event);
	session_end(session, REASON_LIMIT, NULL, true);
	return STATUS_FULL;
}

bool asker_hangs_up(struct session *session)
{
	const struct channel *channel = session_only_channel(session);
	return channel && channel->state == CHANNEL_ASKED && channel->pair && !channel->pair->flow[0].pushed;
}
