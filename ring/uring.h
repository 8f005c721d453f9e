/* ring/uring.h - the parts of the io_uring engine: ring_uring.c runs it, uring_queue.c talks to the queue.
 *
 * Owner: the worker. Thread: the worker's. Private to the engine.
 * An op's address is its completion's user_data; a completion without one, of a cancel, is ignored.
 */
#ifndef RING_URING_H
#define RING_URING_H

#include <pthread.h>
#include <stdatomic.h>

#include "ring/ring_datagram.h"
#include "ring/uring_compat.h"
#include "ring/uring_lend.h"

/* Where an op is that is submitted. */
enum place {
	AT_KERNEL,   /* or in the batch */
	AT_PARKED,   /* a receive that waits for its turn or a buffer */
	AT_FINISHED, /* over, done() is still to be called */
};

/* What is known of one descriptor. */
struct slot {
	struct op *in;  /* accept, recv or recv_from */
	struct op *out; /* connect, send or send_to */
	uint32_t turn;  /* in which `taken` was counted */
	uint16_t taken; /* buffers */
	bool paused;    /* over its share: the receive is being cancelled, to be armed again */
};

struct completion {
	struct op *op;
	struct buf *buf;
	int32_t res;
	uint16_t id;    /* of the buffer */
	bool more;
};

struct uring {
	struct ring ring;
	struct io_uring queue;
	struct lend lend;
	pthread_t thread;
	int wake_fd, reserve_fd;
	bool wake_armed;
	bool wake_seen;              /* the next turn does not sleep */
	bool broken;                 /* the kernel does not let us in */
	atomic_bool woken;
	struct slot *slots;          /* by descriptor */
	uint32_t slot_count;
	struct completion *batch;
	uint32_t batch_count, batch_max;
	struct link parked, finished;
	struct link parked_from;     /* receives of datagrams */
	struct dgram_room room;      /* for them; the kernel has all of it while `room_slots` is there */
	struct io_uring_buf_ring *room_slots;
	uint32_t outstanding;        /* submitted ops */
	uint32_t turn, turn_sockets; /* of this turn: its number, and how many sockets have received */
	uint32_t busy_turns, completions_before;
	uint64_t overflows;          /* turns in which the completion queue was found too small */
};

/* Takes what has completed into the batch, wakes apart. Returns how many there were. */
uint32_t uring_collect(struct uring *uring);
/* After a system call on the queue: what passes by itself is ignored, a refusal makes it `broken`. */
void uring_entered(struct uring *uring, int result);

void uring_submit_accept(struct uring *uring, struct op *op);
void uring_submit_connect(struct uring *uring, struct op *op, socklen_t size);
void uring_submit_recv(struct uring *uring, struct op *op);
/* What is left of a send; a part that was cut goes alone. */
void uring_submit_send(struct uring *uring, struct op *op);
void uring_submit_cancel(struct uring *uring, struct op *op);
void uring_submit_wake(struct uring *uring);
/* A free entry, tagged; preparing it leaves the tag alone. */
struct io_uring_sqe *uring_entry(struct uring *uring, void *tag);

/* ---- the ends of ops: ring_uring.c ---- */
struct uring *uring_of(struct ring *ring);
struct slot *uring_slot(struct uring *uring, int fd);
void uring_finish(struct uring *uring, struct op *op, int32_t res);
/* Decided here, told in this turn or the next one. */
void uring_finish_later(struct uring *uring, struct op *op, int32_t res);
/* A receive that is not in the kernel for a while. */
void uring_park(struct uring *uring, struct op *op);

/* ---- datagrams: uring_datagram.c ---- */
void uring_recv_from(struct ring *ring, struct op *op, int fd);
void uring_send_to(struct ring *ring, struct op *op, int fd, struct ring_datagram *datagrams, unsigned count);
void uring_submit_recv_from(struct uring *uring, struct op *op);
void uring_recv_from_done(struct uring *uring, struct op *op, const struct completion *completion);
void uring_send_to_done(struct uring *uring, struct op *op, int32_t res);
/* When nobody receives. */
void uring_room_free(struct uring *uring);

#endif
