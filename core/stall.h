/* core/stall.h - how long what waited for a channel could not leave, by its cause.
 *
 * peer:   its window is used up.  socket: a connection whose socket takes no more yet.
 * link:   a link that is sending what was said before, or where others have their turn.
 * memory: there was none to write it with.
 * Owner:  the flow (core/pace.h), the running one in the channel. Thread: the channel's worker.
 * Costs:  two stores when a channel gets on or off a list of those that may speak, nothing per byte; memory
 *         once something has waited across two turns of the worker.
 * Never:  counts a batch or a hold, which wait because they are to.
 */
#ifndef CORE_STALL_H
#define CORE_STALL_H

#include "core/hub.h"

enum stall { STALL_NONE, STALL_PEER, STALL_SOCKET, STALL_LINK, STALL_MEMORY, STALL_COUNT };

/* Altogether, the one that lasts included. */
struct duration channel_stalled(const struct channel *channel, enum stall cause);

/* ---- inside core ---- */
/* Until `now` it was that of `channel->stall`, which is one. */
void stall_add(struct channel *channel, struct instant now);
/* From now on it waits for that; NONE: it may speak, or has nothing to say. */
static inline void channel_stall(struct channel *channel, enum stall cause)
{
	struct instant now = channel->session->hub->now;
	if (channel->stall && instant_before(channel->stalled_at, now))
		stall_add(channel, now);
	channel->stall = (uint8_t)cause;
	channel->stalled_at = now;
}

#endif
