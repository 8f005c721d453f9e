/* ring/op.h - one kernel operation, embedded in the object that waits for it.
 *
 * Owner:  its object; lent to the kernel while `submitted`. Thread: the worker's.
 * Rule:   submitted is true from submit to the final completion, and an object with a submitted op is
 *         never released, nor are the bytes that it points to. Finality is told by `final`, never
 *         inferred from res. Completions are collected first and run afterwards, never inside submit.
 */
#ifndef RING_OP_H
#define RING_OP_H

#include <sys/socket.h>
#include <sys/uio.h>

#include "core/address.h"
#include "core/buf.h"
#include "core/list.h"

struct op;
struct received;
struct ring_datagram;

struct op_result {
	int32_t res;      /* bytes, a descriptor, or -errno, as the kernel said it */
	struct buf *buf;  /* recv: the bytes, one reference that is the receiver's now; else NULL */
	bool final;       /* the kernel will not touch this op again */
	const struct received *received; /* recv_from: a datagram, borrowed for the call; else NULL */
};

typedef void op_done_fn(struct op *op, struct op_result result);

enum op_kind { OP_NONE, OP_ACCEPT, OP_CONNECT, OP_RECV, OP_SEND, OP_RECV_FROM, OP_SEND_TO, OP_WAKE };

struct op {
	op_done_fn *done;    /* set once by the owner */
	bool submitted : 1;   /* set by submit, cleared by the engine just before the final done() */
	bool single : 1;      /* recv, by the owner before submit: one buffer at a time, not what there is */
	/* private to the engine from here on */
	bool cancelled;
	uint8_t kind;
	uint8_t place;             /* of the engine's lists, which one `link` is on */
	int fd;
	int32_t res;               /* a result that waits for its turn; send: the sum of the parts */
	uint32_t sent;             /* send: of that sum, so far */
	struct link link;
	struct msghdr message;
	const struct iovec *parts; /* send: what is left of it, the first one included */
	unsigned count;
	union {
		struct iovec first;             /* send: what is left of the first part */
		struct {                        /* send_to */
			struct ring_datagram *datagrams;
			uint32_t next, left; /* next: to be tried; left: not completed */
		};
		struct address address;         /* connect */
		struct sockaddr_storage target; /* connect, as the kernel wants it */
	};
};

_Static_assert(sizeof(struct op) <= 256, "an op is embedded in every object that waits");

#endif
