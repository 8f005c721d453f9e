/* core/wheel.h - timers of one worker: a hierarchical wheel with a tick of 1 ms.
 *
 * Owner:  the worker; a timer is embedded in the object that waits. Thread: the worker's. No clock: told.
 * States: a timer is disarmed (zero) or armed; it is disarmed again just before expired() is called.
 * Costs:  arm and disarm are constant time, a timer is moved down at most once per level.
 * Never:  early; late by 1 ms and by what the worker slept over; calls expired() outside wheel_expire();
 *         allocates. An object with an armed timer is not released.
 */
#ifndef CORE_WHEEL_H
#define CORE_WHEEL_H

#include "core/instant.h"
#include "core/list.h"

/* Eight levels of 64 slots span 2^48 ms, more than an instant can hold: no timer is too far away. */
enum { WHEEL_BITS = 6, WHEEL_SLOTS = 1 << WHEEL_BITS, WHEEL_LEVELS = 8 };

struct wheel {
	uint32_t count;                  /* armed timers */
	uint64_t tick;                   /* the last one that was expired */
	uint64_t occupied[WHEEL_LEVELS]; /* a bit per slot that is not empty */
	struct link slots[WHEEL_LEVELS][WHEEL_SLOTS];
	struct link due;                 /* armed for a tick that is already over */
};

struct timer {
	void (*expired)(struct timer *timer); /* set once by the owner */
	/* private to the wheel from here on */
	struct wheel *wheel;                  /* NULL: disarmed */
	struct link wheel_link;
	uint64_t tick;
	uint8_t level, slot;
};

void wheel_init(struct wheel *wheel, struct instant now);
/* Expires at `at` or up to 1 ms later. An armed timer is moved. */
void timer_arm(struct wheel *wheel, struct timer *timer, struct instant at);
/* Nothing happens when it is not armed. */
void timer_disarm(struct timer *timer);
static inline bool timer_is_armed(const struct timer *timer) { return timer->wheel != NULL; }

/* When wheel_expire() should run again: never later than the first expiry, sometimes earlier, and in
 * the past when a timer is due already. INSTANT_NEVER when there is none. */
struct instant wheel_next(const struct wheel *wheel);
/* Runs expired() of every timer that is due, earliest tick first. It may arm and disarm any timer, its
 * own included; one that is armed for the past meanwhile waits for the next call. Returns how many. */
uint32_t wheel_expire(struct wheel *wheel, struct instant now);

#endif
