/* core/burden.h - what one link carries at the moment, for whoever has to choose between several links.
 *
 * Owner:  the link's worker shows what it carries; any worker may read it and announce what it sends there.
 *         Memory: of nobody's pool; counted by references, or part of something that outlives all workers.
 * Thread: any, without a lock. Every value is an estimate, stored and read relaxed. A burden has a cache line
 *         of its own that is read when somebody new comes and never on the way of a byte: to the link's
 *         worker it is a line that is mostly its own.
 * Never:  decides who may use the link; keeps an announcement for ever (BURDEN_COMING_MS), so that one who
 *         never arrives does no harm.
 */
#ifndef CORE_BURDEN_H
#define CORE_BURDEN_H

#include <stdatomic.h>

#include "core/instant.h"

enum {
	BURDEN_CHANNEL = 1024 * 1024, /* a channel weighs as much as so many bytes that wait: what four full
					 ones have. So equal users are spread by their number, and a link
					 that is clogged gets fewer of them */
	BURDEN_COMING_MS = 250,	      /* a channel that was announced is there by then, or never */
};

struct burden {
	_Alignas(64) _Atomic uint32_t channels;
	_Atomic uint32_t coming;      /* announced, and not there yet */
	_Atomic uint64_t bytes;       /* waiting to be sent */
	_Atomic int64_t announced_ns; /* the last one */
	_Atomic bool open;            /* it takes new channels */
	_Atomic uint32_t refs;
};

/* With one reference, closed and empty. NULL: no memory. */
struct burden *burden_create(void);
/* An array of them, closed, empty and without references, of what outlives all workers. free() ends it. */
struct burden *burdens_create(uint32_t count);
struct burden *burden_ref(struct burden *burden);
/* NULL is allowed. */
void burden_unref(struct burden *burden);

/* ---- by the link's worker ---- */
void burden_open(struct burden *burden);
void burden_close(struct burden *burden);
void burden_show_channels(struct burden *burden, uint32_t channels);
void burden_show_bytes(struct burden *burden, uint64_t bytes);
/* One of those that were announced is there. */
void burden_came(struct burden *burden);

/* ---- by whoever chooses ---- */
static inline bool burden_is_open(const struct burden *burden)
{
	return atomic_load_explicit(&burden->open, memory_order_relaxed);
}
/* The less, the better. */
uint64_t burden_weight(const struct burden *burden, struct instant now);
/* One more is on its way there. */
void burden_announce(struct burden *burden, struct instant now);

#endif
