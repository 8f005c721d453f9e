/* ring/uring_lend.h - receive buffers that are lent to the kernel, which fills one per completion.
 *
 * Owner:  its engine. Thread: the engine's. Buffers come from the worker's pool and are whole: one
 *         completion, one buffer, whose reference then belongs to the receiver.
 * Limits: `target` are lent at once. It doubles (to LEND_MAX, or to what the pool has to spare) when
 *         many sockets ran out of them together, and falls again when they stay unused.
 * Never:  takes for granted that buffers come back in order; lends less than the pool can give.
 */
#ifndef RING_URING_LEND_H
#define RING_URING_LEND_H

#include "core/buf.h"
#include "ring/uring_compat.h"

enum { LEND_MIN = 16, LEND_MAX = 256, LEND_GROUP = 0, DATAGRAM_GROUP = 1 };

struct lend {
	struct bufpool *bufs;
	struct io_uring_buf_ring *slots; /* shared with the kernel */
	struct buf *lent[LEND_MAX];      /* by buffer id */
	uint16_t free[LEND_MAX];         /* ids that are not in use */
	uint32_t free_count;
	uint32_t target, target_max;
	uint32_t taken, taken_peak;      /* in this turn, and in the turns since the last look */
	uint32_t turns;
	uint32_t taken_since;            /* the last lend_rest */
	bool rested;                     /* their pages have gone */
};

/* 0 or -errno. */
int lend_init(struct lend *lend, struct io_uring *queue, struct bufpool *bufs);
/* The kernel gives back what is lent; no receive may be submitted. */
void lend_fini(struct lend *lend, struct io_uring *queue);
/* How many the kernel has, as far as its completions have been seen. */
static inline uint32_t lend_count(const struct lend *lend) { return LEND_MAX - lend->free_count; }
/* Once a turn: lends again what was taken, as far as the pool can give. */
void lend_fill(struct lend *lend);
/* A completion took that one. */
struct buf *lend_take(struct lend *lend, uint16_t id);
/* Only while no completion is pending. When less than a round of buffers was taken since the last time, the
 * pages of those that are lent go back to the system. */
void lend_rest(struct lend *lend);
/* The kernel had none left, while so many sockets were receiving. */
void lend_ran_out(struct lend *lend, uint32_t sockets);

#endif
