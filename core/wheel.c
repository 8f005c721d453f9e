/* core/wheel.c - the hierarchical timer wheel; see wheel.h.
 *
 * The level of a timer is that of the highest group of bits in which its tick differs from the wheel's,
 * its slot is that group of its own tick. All slots in use are therefore ahead of the wheel's position on
 * their level, and the lowest level in use has the earliest timer.
 */
#include "core/wheel.h"

enum { LEVEL_DUE = WHEEL_LEVELS };

static const int64_t tick_ns = 1000000;

static uint64_t tick_floor(struct instant at) { return at.ns <= 0 ? 0 : (uint64_t)(at.ns / tick_ns); }

static uint64_t tick_ceil(struct instant at)
{
	return tick_floor(at) + (at.ns > 0 && at.ns % tick_ns != 0);
}

void wheel_init(struct wheel *wheel, struct instant now)
{
	*wheel = (struct wheel){.tick = tick_floor(now)};
	list_init(&wheel->due);
	for (int level = 0; level < WHEEL_LEVELS; level++)
		for (int slot = 0; slot < WHEEL_SLOTS; slot++)
			list_init(&wheel->slots[level][slot]);
}

/* Puts a timer where its tick belongs, as seen from the wheel's. */
static void place(struct wheel *wheel, struct timer *timer)
{
	uint64_t apart = timer->tick ^ wheel->tick;
	if (timer->tick <= wheel->tick) {
		timer->level = LEVEL_DUE;
		list_push(&wheel->due, &timer->wheel_link);
		return;
	}
	int level = (63 - __builtin_clzll(apart)) / WHEEL_BITS;
	check(level < WHEEL_LEVELS);
	timer->level = (uint8_t)level;
	timer->slot = (uint8_t)(timer->tick >> (level * WHEEL_BITS) & (WHEEL_SLOTS - 1));
	wheel->occupied[level] |= 1ull << timer->slot;
	list_push(&wheel->slots[level][timer->slot], &timer->wheel_link);
}

void timer_arm(struct wheel *wheel, struct timer *timer, struct instant at)
{
	check(timer->expired);
	timer_disarm(timer);
	timer->wheel = wheel;
	timer->tick = tick_ceil(at);
	wheel->count++;
	place(wheel, timer);
}

void timer_disarm(struct timer *timer)
{
	struct wheel *wheel = timer->wheel;
	if (!wheel)
		return;
	check(wheel->count > 0);
	wheel->count--;
	timer->wheel = NULL;
	link_remove(&timer->wheel_link);
	if (timer->level < WHEEL_LEVELS && list_is_empty(&wheel->slots[timer->level][timer->slot]))
		wheel->occupied[timer->level] &= ~(1ull << timer->slot);
}

/* The first slot in use and the tick at which it begins; false when there is none. */
static bool first(const struct wheel *wheel, int *level, int *slot, uint64_t *tick)
{
	for (int at = 0; at < WHEEL_LEVELS; at++) {
		if (!wheel->occupied[at])
			continue;
		*level = at;
		*slot = __builtin_ctzll(wheel->occupied[at]);
		uint64_t above = wheel->tick >> ((at + 1) * WHEEL_BITS) << ((at + 1) * WHEEL_BITS);
		*tick = above | (uint64_t)*slot << (at * WHEEL_BITS);
		check(*tick > wheel->tick);
		return true;
	}
	return false;
}

struct instant wheel_next(const struct wheel *wheel)
{
	int level, slot;
	uint64_t tick;
	if (!list_is_empty(&wheel->due))
		return (struct instant){(int64_t)wheel->tick * tick_ns};
	if (!first(wheel, &level, &slot, &tick) || tick > (uint64_t)(INT64_MAX / tick_ns))
		return INSTANT_NEVER;
	return (struct instant){(int64_t)tick * tick_ns};
}

/* Advances to `now`; every timer that is due is on the due list afterwards, in order of its tick. */
static void advance(struct wheel *wheel, uint64_t now)
{
	int level, slot;
	uint64_t tick;
	while (first(wheel, &level, &slot, &tick) && tick <= now) {
		struct link reached, *link;
		list_init(&reached);
		list_join(&reached, &wheel->slots[level][slot]);
		wheel->occupied[level] &= ~(1ull << slot);
		wheel->tick = tick;
		while ((link = list_pull(&reached)))
			place(wheel, OWNER(link, struct timer, wheel_link));
	}
	if (now > wheel->tick)
		wheel->tick = now;
}

uint32_t wheel_expire(struct wheel *wheel, struct instant now)
{
	struct link due, *link;
	uint32_t count = 0;
	advance(wheel, tick_floor(now));
	list_init(&due);
	list_join(&due, &wheel->due);
	while ((link = list_pull(&due))) {
		struct timer *timer = OWNER(link, struct timer, wheel_link);
		check(timer->wheel == wheel);
		timer->wheel = NULL;
		wheel->count--;
		count++;
		timer->expired(timer);
	}
	return count;
}
