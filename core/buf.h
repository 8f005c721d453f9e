/* core/buf.h - counted buffers, and the pool of one worker that they come from.
 *
 * Owner:  whoever holds a reference; the pool's worker is the buffer's home. Thread: the home worker.
 *         A reference count is never touched abroad: what crosses to another worker is a loan (below).
 * Sizes:  receive buffers are BUF_RECEIVE_SIZE and limited in number (`receive_max`); slabs come in
 *         classes, larger ones are made to measure. Free ones are kept last in, first out (warm).
 * Limits: the budget, for everything the pool has given out; a receive buffer beyond receive_max or
 *         anything beyond the budget is refused with NULL and counted. What is free never adds to that.
 * Never:  calls the kernel for I/O, looks at a clock, gives memory to two holders.
 */
#ifndef CORE_BUF_H
#define CORE_BUF_H

#include "core/budget.h"

enum {
	/* A quarter of it is just under one full yamux body (16,372), so that one frame keeps its buffer. */
	BUF_RECEIVE_SIZE = 65472,
	BUF_CLASS_COUNT = 5, /* slabs of 1, 4, 16 KiB and BUF_RECEIVE_SIZE; receive buffers */
};

struct bufpool;

struct buf {
	struct bufpool *home;
	struct buf *next;    /* of the list that holds it: free list, bufqueue, returns */
	struct buf *parent;  /* a loan: the buffer of another worker whose bytes these are; else NULL */
	uint8_t *bytes;
	uint32_t refs;
	uint32_t size;       /* room at bytes */
	uint32_t start;      /* in a bufqueue: first unread byte */
	uint32_t used;       /* bytes written so far */
	uint8_t class;
};

/* A slice and what keeps it alive. */
struct piece {
	struct buf *buf;
	struct slice bytes;
};

struct bufpool {
	struct buf *free[BUF_CLASS_COUNT];
	uint32_t free_count[BUF_CLASS_COUNT];
	uint32_t free_low[BUF_CLASS_COUNT]; /* the fewest since the last bufpool_rest */
	uint32_t receive_used, receive_max; /* receive buffers away from home, and how many may be */
	uint32_t used;                      /* buffers away from home, of all classes, loans included */
	size_t bytes;                       /* of everything given out */
	struct budget *budget;              /* its own, or one that it shares */
	struct budget own;
	struct buf *returns;                /* loans that came back, to be sent home by the worker */
	uint64_t refused;                   /* counter: acquisitions that hit a limit */
	uint64_t bytes_copied;              /* counter: payload that had to be copied; of tls, too */
	uint32_t (*fail)(void *state);      /* the simulator's failing allocations; NULL otherwise */
	void *fail_state;
};

void bufpool_init(struct bufpool *pool, uint32_t receive_max, size_t bytes_max);
/* Frees what is home; checks that everything is. */
void bufpool_fini(struct bufpool *pool);
/* So many bytes of payload were copied from one buffer to another. */
static inline void bufpool_copied(struct bufpool *pool, size_t size) { pool->bytes_copied += size; }
/* Frees buffers that are home, but for `keep` of each class. */
void bufpool_trim(struct bufpool *pool, uint32_t keep);
/* Frees those that nobody has needed since the last call. */
void bufpool_rest(struct bufpool *pool);

/* One reference to at least `size` bytes, or NULL at a limit. */
struct buf *buf_acquire(struct bufpool *pool, size_t size);
/* One receive buffer, or NULL when receive_max are away. */
struct buf *buf_receive(struct bufpool *pool);
struct buf *buf_ref(struct buf *buf);
/* Gives a reference back; NULL is allowed. The last one sends it home, a loan to pool->returns. */
void buf_unref(struct buf *buf);

/* May a queued message keep its buffer? Only while it fills a quarter of it and at least a quarter of the
 * pool's receive buffers are free (design: queues never starve the kernel). While half of them are, the piece
 * of a frame that two of them share may stay where it is, unless it is hardly anything: a sixteenth. */
bool buf_may_be_kept(const struct buf *buf, size_t size);
/* A piece that has to wait moves out of a receive buffer that it may not keep. Without memory it stays. */
void piece_shelve(struct piece *piece);

/* A buffer of `here` that shows the bytes of `parent`, whose home keeps one reference for it until the
 * loan is back (buf_loan_return on the home worker). NULL at a limit. */
struct buf *buf_loan(struct bufpool *here, struct buf *parent);
/* On the home worker of `loan->parent`: drops the reference that was kept for it, frees the loan. */
void buf_loan_return(struct buf *loan);

/* First in, first out; holds one reference to each. */
struct bufqueue {
	struct buf *first, *last;
	uint32_t count;
	size_t bytes; /* unread, of all of them */
};

void bufqueue_push(struct bufqueue *queue, struct buf *buf); /* takes the reference; unread: start..used */
struct buf *bufqueue_pull(struct bufqueue *queue);           /* gives the reference; NULL when empty */
void bufqueue_ate(struct bufqueue *queue,
		  size_t size); /* of the first one's unread bytes; gone when none are left */
void bufqueue_drop(struct bufqueue *queue);

#endif
