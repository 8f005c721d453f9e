/* ring/poller.h - the parts of the epoll engine: ring_epoll.c runs it, poller_datagram.c knows datagrams.
 *
 * Owner: the worker. Thread: the worker's. Private to the engine.
 */
#ifndef RING_POLLER_H
#define RING_POLLER_H

#include <pthread.h>
#include <stdatomic.h>

#include "ring/ring_datagram.h"

/* Where an op is that is submitted. */
enum place {
	AT_WAIT,     /* for an edge */
	AT_READY,    /* to be tried in the next turn */
	AT_STALLED,  /* a receive without a buffer */
	AT_FINISHED, /* over, done() is still to be called */
};

/* What is known of one descriptor. */
struct slot {
	struct op *in;   /* accept, recv or recv_from */
	struct op *out;  /* connect, send or send_to */
	bool registered;
	bool is_readable, is_writable; /* as far as we know: trying it is worth while */
	bool has_ended;  /* readable for good: the end of the stream or an error is there */
};

struct poller {
	struct ring ring;
	struct bufpool *bufs;
	pthread_t thread;
	int epoll_fd, wake_fd, reserve_fd;
	bool has_pwait2;
	atomic_bool woken;
	struct slot *slots;   /* by descriptor */
	uint32_t slot_count;
	struct link receives; /* ready: what goes into `in` of a slot */
	struct link sends;    /* ready: what goes into `out` */
	struct link stalled, finished;
	uint32_t outstanding; /* submitted ops */
	struct dgram_room room;
};

struct poller *poller_of(struct ring *ring);
/* ---- the places of an op ---- */
void poller_ready(struct poller *poller, struct op *op);
/* Not before the next edge. */
void poller_wait_edge(struct poller *poller, struct op *op);
void poller_finish(struct poller *poller, struct op *op, int32_t res);
void poller_finish_later(struct poller *poller, struct op *op, int32_t res);
/* May the loop of a multishot op go on after its done()? */
static inline bool poller_is_armed(const struct op *op) { return op->submitted && op->place == AT_READY; }
void poller_start_in(struct poller *poller, struct op *op, enum op_kind kind, int fd);
void poller_start_out(struct poller *poller, struct op *op, int fd);

/* ---- datagrams ---- */
void poller_recv_from(struct ring *ring, struct op *op, int fd);
void poller_send_to(struct ring *ring, struct op *op, int fd, struct ring_datagram *datagrams,
		    unsigned count);
/* These run done(), after which only a submitted op may be touched. */
int poller_try_recv_from(struct poller *poller, struct op *op);
int poller_try_send_to(struct poller *poller, struct op *op);

#endif
