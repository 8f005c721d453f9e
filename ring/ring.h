/* ring/ring.h - our wrapper of one kernel queue: completions in, nothing else.
 *
 * Owner:  the worker; one ring, one thread (ring_wake alone may come from any thread).
 * Engines: ring_uring.c, ring_epoll.c, and in tests ring_sim.c: a table chosen at start. Each gives
 *         completion semantics: what was asked for completes later, inside ring_run, exactly once with
 *         final = true (accept and recv: any number of times before that without it).
 * Errors: res is -errno as the kernel said it, and is interpreted in the one done function of each op.
 *         ENOBUFS never leaves an engine: a receive without a free buffer waits in the engine, stays
 *         submitted, and goes on when a buffer comes home.
 * Limits: buffers per socket and turn RING_TURN_BUFFERS, so that one socket cannot starve the others.
 * Never:  two sends in flight on one socket; closes a descriptor with a recv or send submitted.
 */
#ifndef RING_RING_H
#define RING_RING_H

#include "core/instant.h"
#include "ring/op.h"

enum { RING_WHY_SIZE = 256, RING_TURN_BUFFERS = 16, RING_SEND_PARTS = 64 };

struct ring;

struct ring_options {
	struct bufpool *bufs;     /* where receive buffers come from; the worker's */
	uint32_t entries;         /* operations in flight that are expected; sizes the queues */
	struct instant *now;      /* where the time is kept: that of a turn before its first done() runs */
};

enum ring_option {
	RING_NODELAY,             /* TCP_NODELAY, value 0 or 1 */
	RING_KEEPALIVE,           /* TCP keep-alive, value = seconds of silence before the first probe */
	RING_USER_TIMEOUT,        /* TCP_USER_TIMEOUT, value in ms */
};

struct ring_table {
	const char *name;         /* "io_uring", "epoll", "sim" */
	/* 0, or -errno with one line in `why` that names the cause and what would help. */
	int (*create)(struct ring **ring, const struct ring_options *options, char why[RING_WHY_SIZE]);
	/* All ops must have had their final completion. */
	void (*destroy)(struct ring *ring);
	/* One turn: submits what waits, sleeps until a completion, a wake or `deadline` (an instant in the
	 * past: does not sleep), then runs done() for everything that has completed. Returns how many;
	 * -errno only when the kernel refuses the queue itself, which ring_choose() finds beforehand. */
	int (*run)(struct ring *ring, struct instant deadline);
	/* A listening socket, non-blocking, close-on-exec, SO_REUSEADDR. ADDRESS_ANY listens on both
	 * families. Returns the descriptor or -errno; port 0 picks one (ask ring_local). */
	int (*listen)(struct ring *ring, const struct address *address, int backlog);
	/* Multishot; res = descriptor of a new connection. On EMFILE and ENFILE the engine sheds one waiting
	 * connection through a reserve descriptor, then completes finally with that error. */
	void (*accept)(struct ring *ring, struct op *op, int fd);
	/* Makes the socket and connects it; res = the descriptor, owned by the receiver, or -errno. */
	void (*connect)(struct ring *ring, struct op *op, const struct address *address);
	/* Multishot; res > 0 with buf (start 0, used = res), 0 at the end of the stream (final), -errno. */
	void (*recv)(struct ring *ring, struct op *op, int fd);
	/* Sends everything: res is the sum of the parts, or -errno, or less than the sum when cancelled.
	 * `parts` (1..RING_SEND_PARTS, none empty) and their bytes stay untouched until it is over. */
	void (*send)(struct ring *ring, struct op *op, int fd, const struct iovec *parts, unsigned count);
	/* Datagrams: see ring_datagram.h. A bound socket, or -errno; ADDRESS_ANY is of both families. */
	int (*bind)(struct ring *ring, const struct address *address);
	void (*recv_from)(struct ring *ring, struct op *op, int fd);
	void (*send_to)(struct ring *ring, struct op *op, int fd, struct ring_datagram *datagrams,
			unsigned count);
	/* How many datagrams the kernel has dropped that found the socket full. NULL: it does not tell. */
	uint32_t (*overruns)(struct ring *ring, int fd);
	/* Asks for an early end. The op still completes finally, with -ECANCELED or with what won the race;
	 * what a receive has taken from the socket already comes before that, some buffers at most. */
	void (*cancel)(struct ring *ring, struct op *op);
	/* No more will be sent; what was sent still arrives. */
	void (*shutdown)(struct ring *ring, int fd);
	/* Closes; `abort`: the peer sees a reset instead of an end. */
	void (*close)(struct ring *ring, int fd, bool abort);
	/* From any thread: the ring's run() returns soon. */
	void (*wake)(struct ring *ring);
	int (*option)(struct ring *ring, int fd, enum ring_option option, int value);
	int (*peer)(struct ring *ring, int fd, struct address *address);   /* 0 or -errno */
	int (*local)(struct ring *ring, int fd, struct address *address);
	/* The descriptor goes to another worker's ring; no op is submitted on it. NULL: nothing to do. */
	void (*forget)(struct ring *ring, int fd);
	/* Once in some seconds: what has not been needed since the last time may go. NULL: nothing to do. */
	void (*rest)(struct ring *ring);
};

/* Every engine's struct ring begins with this. */
struct ring {
	const struct ring_table *table;
	struct instant *now;
};

static inline void ring_destroy(struct ring *ring) { ring->table->destroy(ring); }
static inline struct instant ring_now(const struct ring *ring) { return *ring->now; }
static inline int ring_run(struct ring *ring, struct instant deadline)
{
	return ring->table->run(ring, deadline);
}
static inline int ring_listen(struct ring *ring, const struct address *address, int backlog)
{
	return ring->table->listen(ring, address, backlog);
}
static inline void ring_accept(struct ring *ring, struct op *op, int fd)
{
	ring->table->accept(ring, op, fd);
}
static inline void ring_connect(struct ring *ring, struct op *op, const struct address *address)
{
	ring->table->connect(ring, op, address);
}
static inline void ring_recv(struct ring *ring, struct op *op, int fd) { ring->table->recv(ring, op, fd); }
static inline void ring_send(struct ring *ring, struct op *op, int fd, const struct iovec *parts,
			     unsigned count)
{
	ring->table->send(ring, op, fd, parts, count);
}
static inline void ring_cancel(struct ring *ring, struct op *op) { ring->table->cancel(ring, op); }
static inline void ring_shutdown(struct ring *ring, int fd) { ring->table->shutdown(ring, fd); }
static inline void ring_close(struct ring *ring, int fd, bool abort) { ring->table->close(ring, fd, abort); }
static inline void ring_wake(struct ring *ring) { ring->table->wake(ring); }
static inline int ring_option(struct ring *ring, int fd, enum ring_option option, int value)
{
	return ring->table->option(ring, fd, option, value);
}
static inline int ring_peer(struct ring *ring, int fd, struct address *address)
{
	return ring->table->peer(ring, fd, address);
}
static inline int ring_local(struct ring *ring, int fd, struct address *address)
{
	return ring->table->local(ring, fd, address);
}
static inline void ring_forget(struct ring *ring, int fd)
{
	if (ring->table->forget)
		ring->table->forget(ring, fd);
}
static inline void ring_rest(struct ring *ring)
{
	if (ring->table->rest)
		ring->table->rest(ring);
}

extern const struct ring_table ring_uring, ring_epoll;

/* Finds the engine for `wanted` ("auto", "io_uring", "epoll") by trying it, a round trip included. NULL
 * when `wanted` cannot be had. `why` is one line: for auto on epoll, the cause and what would help. */
const struct ring_table *ring_choose(const char *wanted, char why[RING_WHY_SIZE]);
/* What this kernel offers to the io_uring engine, or why not: one fact a line, for `tunnel doctor`. */
void ring_probe_text(char *text, size_t size);

#endif
