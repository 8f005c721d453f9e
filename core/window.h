/* core/window.h - how much a peer may send on a channel before it hears from us again.
 *
 * A window starts small and doubles while half of it is used up within two round trips: then it, not the way,
 * is what holds the bytes back. It shrinks again when half of it lasts for long, or when the way has become
 * short. A large one is granted again in small steps: a sender that hears of a half at a time stands still
 * unless the window is half as much again as what is under way.
 *
 * Owner:  the channel. Thread: its worker.
 * Limits: WINDOW_MAX per channel, and what WINDOW_RATE fills in a round trip, but WINDOW_NEAR at least: a
 *         reader that stops for good costs no more than that. What all windows of a worker have grown by
 *         stays within a quarter of its buffers (counted: windows_limit), and nothing grows while half of
 *         those are in use.
 * Never:  takes back what was granted: a window shrinks by granting less.
 */
#ifndef CORE_WINDOW_H
#define CORE_WINDOW_H

#include "core/channel.h"

enum {
	WINDOW_MAX = 16 * 1024 * 1024,  /* what any peer of the field takes */
	WINDOW_NEAR = 1024 * 1024,
	WINDOW_RATE = 1024,             /* bytes a microsecond */
	WINDOW_ROUND_TRIPS = 2,
	WINDOW_SLOW_S = 2,              /* half a window that lasts so long was too large */
	WINDOW_STEP = 512 * 1024,       /* what is consumed before it is granted again: so much, or */
	WINDOW_STEPS = 16,              /* this part of a window where that is more, or half of a small one */
};

void window_begin(struct channel *channel);
/* How much is consumed before it is granted again. */
uint64_t window_step(const struct channel *channel);
/* What the window should be from the next grant on. */
uint64_t window_next(const struct channel *channel);
/* It is that now: `consumed`, and what it has grown by, have been granted. */
void window_granted(struct channel *channel, uint64_t window);
void window_end(struct channel *channel);

#endif
