/* core/pace.h - when what waits for a channel may leave: in a batch, and not before a hold is over.
 *
 * Owner:  the flow that the channel takes from; made when the first byte is batched or has waited for
 *         something else (core/stall.h), gone with the pair.
 * Thread: the pair's worker. Only a channel that is `paced` is asked, the others pay one branch. The pair's
 *         timer wakes it: it is armed for the next instant that is known, looks again, and arms itself anew,
 *         so that a message of a busy stream moves no timer.
 * Due:    at once when the flow has ended, its source is blocked, a batch is on its way already, or what
 *         waits is all that the credit allows; else as the batcher says.
 * Never:  holds back control events; waits while hub->batching is off.
 */
#ifndef CORE_PACE_H
#define CORE_PACE_H

#include "core/stall.h"

struct pace {
	struct batcher batcher;
	uint64_t leaving;               /* of the batch that is due: not taken yet */
	struct duration stalled[STALL_COUNT];
};

/* `size` bytes have come from that side for a sink of whole messages. */
void pace_add(struct pair *pair, int side, size_t size);
/* May it say what waits, or the end? Only for a channel that is paced. */
bool pace_allows(const struct channel *channel);
/* It has said so many bytes of what waited, which is `flow->bytes` less by now. */
void pace_sent(struct channel *channel, size_t size);
/* It may not speak yet: the pair's timer wakes it when it may. */
void pace_wait(struct channel *channel);
/* The pair's timer. */
void pace_expired(struct pair *pair);
/* Makes it when there is none yet; NULL: no memory. */
struct pace *pace_of(struct pair *pair, int side);
void pace_release(struct pair *pair, int side);

#endif
