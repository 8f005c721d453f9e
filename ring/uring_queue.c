/* ring/uring_queue.c - submissions to the kernel's queue and completions from it; see uring.h. */
#include "ring/uring.h"

#include <poll.h>
#include <stdlib.h>

static void batch_push(struct uring *uring, struct completion completion)
{
	if (uring->batch_count == uring->batch_max) {
		uring->batch_max = uring->batch_max ? uring->batch_max * 2 : 256;
		uring->batch = realloc(uring->batch, uring->batch_max * sizeof *uring->batch);
		check(uring->batch);
	}
	uring->batch[uring->batch_count++] = completion;
}

static void take(struct uring *uring, const struct io_uring_cqe *cqe)
{
	struct completion completion = {.op = io_uring_cqe_get_data(cqe), .res = cqe->res,
					.more = cqe->flags & IORING_CQE_F_MORE};
	/* A completion with a buffer hands it over, whatever its result is. */
	if (cqe->flags & IORING_CQE_F_BUFFER) {
		completion.id = (uint16_t)(cqe->flags >> IORING_CQE_BUFFER_SHIFT);
		completion.buf = completion.op->kind == OP_RECV_FROM ? uring->room.bufs[completion.id]
								     : lend_take(&uring->lend, completion.id);
	}
	if (cqe->user_data == (uint64_t)(uintptr_t)&uring->wake_fd) {
		uring->wake_armed = completion.more;
		uring->wake_seen = true;
		atomic_store(&uring->woken, false);
	} else if (completion.op) {
		check(completion.op->submitted && completion.op->place == AT_KERNEL);
		batch_push(uring, completion);
	}
}

uint32_t uring_collect(struct uring *uring)
{
	struct io_uring_cqe *cqe;
	unsigned head, count = 0;
	io_uring_for_each_cqe(&uring->queue, head, cqe) {
		count++;
		take(uring, cqe);
	}
	io_uring_cq_advance(&uring->queue, count);
	return count;
}

void uring_entered(struct uring *uring, int result)
{
	switch (result) {
	case -EPERM:
	case -EACCES:
	case -ENOSYS:
		uring->broken = true;
		break;
	default:
		check(result >= 0 || result == -EINTR || result == -ETIME || result == -EAGAIN ||
		      result == -EBUSY || result == -EBADR || result == -ENOMEM);
		break;
	}
}

struct io_uring_sqe *uring_entry(struct uring *uring, void *tag)
{
	struct io_uring_sqe *sqe;
	/* Full: what is there goes now. A busy kernel wants its completions to be taken first. */
	while (!(sqe = io_uring_get_sqe(&uring->queue))) {
		int result = io_uring_submit(&uring->queue);
		uring_entered(uring, result);
		check(!uring->broken);
		if (result < 0) {
			io_uring_get_events(&uring->queue);
			uring_collect(uring);
		}
	}
	io_uring_sqe_set_data(sqe, tag);
	return sqe;
}

void uring_submit_accept(struct uring *uring, struct op *op)
{
	struct io_uring_sqe *sqe = uring_entry(uring, op);
	io_uring_prep_multishot_accept(sqe, op->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	op->place = AT_KERNEL;
}

void uring_submit_connect(struct uring *uring, struct op *op, socklen_t size)
{
	struct io_uring_sqe *sqe = uring_entry(uring, op);
	io_uring_prep_connect(sqe, op->fd, (struct sockaddr *)&op->target, size);
	op->place = AT_KERNEL;
}

void uring_submit_recv(struct uring *uring, struct op *op)
{
	struct io_uring_sqe *sqe = uring_entry(uring, op);
	if (op->single)
		io_uring_prep_recv(sqe, op->fd, NULL, 0, 0);   /* parked when done, armed in the next turn */
	else
		io_uring_prep_recv_multishot(sqe, op->fd, NULL, 0, 0);
	sqe->flags |= IOSQE_BUFFER_SELECT;
	sqe->buf_group = LEND_GROUP;
	op->place = AT_KERNEL;
}

void uring_submit_send(struct uring *uring, struct op *op)
{
	struct io_uring_sqe *sqe = uring_entry(uring, op);
	const int flags = MSG_WAITALL | MSG_NOSIGNAL;
	if (op->count == 1 || op->first.iov_len != op->parts[0].iov_len) {
		io_uring_prep_send(sqe, op->fd, op->first.iov_base, op->first.iov_len, flags);
	} else {
		op->message = (struct msghdr){.msg_iov = (struct iovec *)op->parts, .msg_iovlen = op->count};
		io_uring_prep_sendmsg(sqe, op->fd, &op->message, (unsigned)flags);
	}
	op->place = AT_KERNEL;
}

/* The completion that finds nothing to cancel, or succeeds, has no op and is ignored. */
void uring_submit_cancel(struct uring *uring, struct op *op)
{
	struct io_uring_sqe *sqe = uring_entry(uring, NULL);
	io_uring_prep_cancel(sqe, op, op->kind == OP_SEND_TO ? IORING_ASYNC_CANCEL_ALL : 0);
	sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
}

void uring_submit_wake(struct uring *uring)
{
	struct io_uring_sqe *sqe = uring_entry(uring, &uring->wake_fd);
	io_uring_prep_poll_multishot(sqe, uring->wake_fd, POLLIN);
	uring->wake_armed = true;
}
