/* ring/ring_uring.c - the io_uring engine; see ring.h.
 *
 * A turn: lend buffers, arm the receives that waited for one, submit and sleep in one system call, collect
 * what has completed, then run done() for it.
 *
 * Fairness: a socket gets at most RING_TURN_BUFFERS buffers in a turn. What the kernel has completed beyond
 * that stays in the batch, in order, for the next turn, and the socket's receive is cancelled so that no
 * more is added meanwhile. A socket that found no buffer waits first in, first out, and is armed before
 * the kernel goes on with the others: receives are tried as they are submitted, deferred work runs later.
 */
#include <stdlib.h>
#include <sys/eventfd.h>

#include "ring/ring_choose.h"
#include "ring/ring_datagram.h"
#include "ring/ring_socket.h"
#include "ring/slots.h"
#include "ring/uring.h"
#include "ring/uring_setup.h"

enum {
	BUSY_COMPLETIONS = 8, /* a turn with so many, on so many sockets, is busy; */
	BUSY_SOCKETS = 4,
	BUSY_TURNS = 4,       /* after so many of them in a row, a turn waits for more of them, */
	BATCH_MAX = 16,       /* up to so many, */
	BATCH_WAIT_US = 20,   /* but no longer */
};

struct uring *uring_of(struct ring *ring)
{
	struct uring *uring = OWNER(ring, struct uring, ring);
	check(pthread_equal(uring->thread, pthread_self()));
	return uring;
}

struct slot *uring_slot(struct uring *uring, int fd)
{
	check(fd >= 0);
	if ((uint32_t)fd >= uring->slot_count)
		uring->slots =
		    slots_cover(uring->slots, &uring->slot_count, (uint32_t)fd, sizeof *uring->slots);
	return &uring->slots[fd];
}

/* --- the ends of ops --- */

void uring_finish_later(struct uring *uring, struct op *op, int32_t res)
{
	op->res = res;
	op->place = AT_FINISHED;
	list_push(&uring->finished, &op->link);
}

void uring_park(struct uring *uring, struct op *op)
{
	uring_slot(uring, op->fd)->paused = false;
	if (op->cancelled) {
		uring_finish_later(uring, op, -ECANCELED);
		return;
	}
	op->place = AT_PARKED;
	list_push(op->kind == OP_RECV_FROM ? &uring->parked_from : &uring->parked, &op->link);
}

void uring_finish(struct uring *uring, struct op *op, int32_t res)
{
	check(op->submitted && !link_is_linked(&op->link));
	struct slot *slot = op->fd >= 0 ? uring_slot(uring, op->fd) : NULL;
	if (slot && slot->in == op)
		slot->in = NULL;
	if (slot && slot->out == op)
		slot->out = NULL;
	op->submitted = false;
	uring->outstanding--;
	if (op->kind == OP_RECV_FROM)
		dgram_room_leave(&uring->room);
	op->done(op, (struct op_result){.res = res, .final = true});
}

static void accept_done(struct uring *uring, struct op *op, const struct completion *completion)
{
	int32_t res = completion->res;
	bool again = !op->cancelled && (res >= 0 || accept_error_passes(res));
	if (!completion->more && again)
		uring_submit_accept(uring, op);
	else if (!completion->more && res >= 0)
		uring_finish_later(uring, op, -ECANCELED);
	if (res >= 0) {
		op->done(op, (struct op_result){.res = res});
		return;
	}
	if (completion->more || again)
		return;
	if (res == -EMFILE || res == -ENFILE)
		reserve_shed(&uring->reserve_fd, op->fd);
	uring_finish(uring, op, res);
}

static void connect_done(struct uring *uring, struct op *op, int32_t res)
{
	int fd = op->fd;
	if (res < 0)
		socket_close(fd, true);          /* it may be connected in spite of the cancel */
	if (res == -EINTR && op->cancelled)
		res = -ECANCELED;
	uring_finish(uring, op, res < 0 ? res : fd);
}

/* Counts a buffer of this turn. */
static void count_taken(struct uring *uring, struct slot *slot)
{
	if (slot->turn != uring->turn) {
		slot->turn = uring->turn;
		slot->taken = 0;
		uring->turn_sockets++;
	}
	slot->taken++;
}

static void recv_done(struct uring *uring, struct op *op, const struct completion *completion)
{
	struct slot *slot = uring_slot(uring, op->fd);
	int32_t res = completion->res;
	if (res > 0) {
		struct buf *buf = completion->buf;
		check(buf && (uint32_t)res <= buf->size);
		buf->used = (uint32_t)res;
		count_taken(uring, slot);
		if (!completion->more)
			uring_park(uring, op);
		op->done(op, (struct op_result){.res = res, .buf = buf});
		return;
	}
	buf_unref(completion->buf);
	if (completion->more)
		return;
	if (res == -ENOBUFS)
		lend_ran_out(&uring->lend, uring->turn_sockets);
	if (res == -ENOBUFS || res == -EINTR || res == -EAGAIN || (res == -ECANCELED && slot->paused))
		uring_park(uring, op);
	else
		uring_finish(uring, op, res);
}

static void send_done(struct uring *uring, struct op *op, int32_t res)
{
	bool again = res > 0 || res == -EINTR || res == -EAGAIN;
	if (res > 0)
		op_ate(op, (size_t)res);
	if (op->sent == (uint32_t)op->res)
		uring_finish(uring, op, op->res);
	else if (again && !op->cancelled)
		uring_submit_send(uring, op);
	else if (op->cancelled && op->sent > 0)
		uring_finish(uring, op, (int32_t)op->sent);
	else
		uring_finish(uring, op, again ? -ECANCELED : res == 0 ? -EPIPE : res);
}

static void complete(struct uring *uring, const struct completion *completion)
{
	struct op *op = completion->op;
	check(op->submitted && op->place == AT_KERNEL);
	switch (op->kind) {
	case OP_ACCEPT:
		accept_done(uring, op, completion);
		break;
	case OP_CONNECT:
		connect_done(uring, op, completion->res);
		break;
	case OP_RECV:
		recv_done(uring, op, completion);
		break;
	case OP_SEND:
		send_done(uring, op, completion->res);
		break;
	case OP_RECV_FROM:
		uring_recv_from_done(uring, op, completion);
		break;
	case OP_SEND_TO:
		uring_send_to_done(uring, op, completion->res);
		break;
	default:
		check(false);
	}
}

/* A completion of a socket that has had its share in this turn. */
static bool is_over_share(struct uring *uring, const struct completion *completion)
{
	struct op *op = completion->op;
	if (op->kind != OP_RECV)
		return false;
	struct slot *slot = uring_slot(uring, op->fd);
	if (slot->turn != uring->turn || slot->taken < RING_TURN_BUFFERS)
		return false;
	if (completion->more && !slot->paused && !op->cancelled) {
		slot->paused = true;
		uring_submit_cancel(uring, op);
	}
	return true;
}

/* Runs done() for the batch, which may grow meanwhile, and for what was finished without the kernel. */
static uint32_t deliver(struct uring *uring)
{
	uint32_t count = 0, kept = 0;
	for (uint32_t i = 0; i < uring->batch_count; i++) {
		struct completion completion = uring->batch[i];
		if (is_over_share(uring, &completion)) {
			uring->batch[kept++] = completion;
			continue;
		}
		complete(uring, &completion);
		count++;
	}
	uring->batch_count = kept;
	struct link finished, *link;
	list_init(&finished);
	list_join(&finished, &uring->finished);
	while ((link = list_pull(&finished))) {
		struct op *op = OWNER(link, struct op, link);
		uring_finish(uring, op, op->res);
		count++;
	}
	return count;
}

/* --- a turn --- */

/* Arms what is parked, as far as there are buffers. An armed receive without one would fail at once. */
static void arm_parked(struct uring *uring)
{
	struct link *link;
	while ((link = list_pull(&uring->parked_from)))
		uring_submit_recv_from(uring, OWNER(link, struct op, link));
	for (uint32_t count = lend_count(&uring->lend); count > 0; count--) {
		if (!(link = list_pull(&uring->parked)))
			return;
		uring_submit_recv(uring, OWNER(link, struct op, link));
	}
}

/* Nothing can be done before the kernel or another thread has news. */
static bool is_idle(const struct uring *uring)
{
	bool must_arm = !list_is_empty(&uring->parked_from) ||
			(!list_is_empty(&uring->parked) && lend_count(&uring->lend) > 0);
	return !must_arm && !uring->wake_seen && uring->batch_count == 0 && list_is_empty(&uring->finished);
}

/* Submits everything and sleeps until `deadline`. */
static int enter(struct uring *uring, struct instant deadline)
{
	struct io_uring *queue = &uring->queue;
	struct instant now = clock_read();
	if (!is_idle(uring) || !instant_before(now, deadline))
		return io_uring_submit_and_get_events(queue);
	struct __kernel_timespec limit, *timeout = NULL;
	if (deadline.ns != INT64_MAX) {
		int64_t span = instant_since(deadline, now).ns;
		limit = (struct __kernel_timespec){.tv_sec = span / 1000000000, .tv_nsec = span % 1000000000};
		timeout = &limit;
	}
	if (uring->busy_turns >= BUSY_TURNS && queue->features & IORING_FEAT_MIN_TIMEOUT) {
		uint32_t count = uring->completions_before;
		return uring_wait_batch(queue, count < BATCH_MAX ? count : BATCH_MAX, timeout, BATCH_WAIT_US);
	}
	struct io_uring_cqe *first;
	return io_uring_submit_and_wait_timeout(queue, &first, 1, timeout, NULL);
}

static void collect_turn(struct uring *uring)
{
	uint32_t count = uring_collect(uring);
	while (io_uring_cq_has_overflow(&uring->queue)) {
		uring->overflows++;
		if (io_uring_get_events(&uring->queue) < 0)
			break;
		count += uring_collect(uring);
	}
	uring->completions_before = count;
}

static int uring_run(struct ring *ring, struct instant deadline)
{
	struct uring *uring = uring_of(ring);
	lend_fill(&uring->lend);
	arm_parked(uring);
	if (!uring->wake_armed)
		uring_submit_wake(uring);
	int result = enter(uring, deadline);
	*ring->now = clock_read();
	uring_entered(uring, result);
	if (uring->broken)
		return result;
	uring->turn++;
	uring->turn_sockets = 0;
	collect_turn(uring);
	uring->wake_seen = false;
	uint32_t count = deliver(uring);
	bool is_busy = uring->completions_before >= BUSY_COMPLETIONS && uring->turn_sockets >= BUSY_SOCKETS;
	uring->busy_turns = is_busy ? uring->busy_turns + 1 : 0;
	return (int)count;
}

/* --- the other entries of the table --- */


static void uring_accept(struct ring *ring, struct op *op, int fd)
{
	struct uring *uring = uring_of(ring);
	struct slot *slot = uring_slot(uring, fd);
	check(!slot->in);
	op_start(op, OP_ACCEPT, fd);
	slot->in = op;
	uring->outstanding++;
	uring_submit_accept(uring, op);
}

static void uring_connect(struct ring *ring, struct op *op, const struct address *address)
{
	struct uring *uring = uring_of(ring);
	struct sockaddr_storage target;
	socklen_t size = sockaddr_of_address(&target, address);
	int fd = size ? socket_open(address) : -EINVAL;
	op_start(op, OP_CONNECT, fd);
	uring->outstanding++;
	if (fd < 0) {
		uring_finish_later(uring, op, fd);
		return;
	}
	op->target = target;
	check(!uring_slot(uring, fd)->out);
	uring_slot(uring, fd)->out = op;
	uring_submit_connect(uring, op, size);
}

static void uring_recv(struct ring *ring, struct op *op, int fd)
{
	struct uring *uring = uring_of(ring);
	struct slot *slot = uring_slot(uring, fd);
	check(!slot->in);
	op_start(op, OP_RECV, fd);
	slot->in = op;
	slot->paused = false;
	uring->outstanding++;
	if (lend_count(&uring->lend) > 0)
		uring_submit_recv(uring, op);
	else
		uring_park(uring, op);
}

static void uring_send(struct ring *ring, struct op *op, int fd, const struct iovec *parts, unsigned count)
{
	struct uring *uring = uring_of(ring);
	struct slot *slot = uring_slot(uring, fd);
	check(!slot->out);
	op_start(op, OP_SEND, fd);
	op_parts(op, parts, count);
	slot->out = op;
	uring->outstanding++;
	uring_submit_send(uring, op);
}

static void uring_cancel(struct ring *ring, struct op *op)
{
	struct uring *uring = uring_of(ring);
	check(op->submitted);
	if (op->cancelled || op->place == AT_FINISHED)
		return;
	op->cancelled = true;
	if (op->place == AT_KERNEL) {
		uring_submit_cancel(uring, op);
		return;
	}
	link_remove(&op->link);
	uring_finish_later(uring, op, -ECANCELED);
}

static void uring_forget(struct ring *ring, int fd)
{
	struct slot *slot = uring_slot(uring_of(ring), fd);
	check(!slot->in && !slot->out);
}

/* Slots behind the last one in use go by halves. */
static void uring_rest(struct ring *ring)
{
	struct uring *uring = uring_of(ring);
	if (!io_uring_cq_ready(&uring->queue) && !io_uring_cq_has_overflow(&uring->queue))
		lend_rest(&uring->lend);
	if (!uring->room.users)
		uring_room_free(uring);
	uint32_t used = uring->slot_count;
	while (used > 0 && !uring->slots[used - 1].in && !uring->slots[used - 1].out)
		used--;
	uring->slots = slots_shrink(uring->slots, &uring->slot_count, used, sizeof *uring->slots);
}

static void uring_close_fd(struct ring *ring, int fd, bool abort)
{
	uring_forget(ring, fd);
	socket_close(fd, abort);
}

static void uring_wake(struct ring *ring)
{
	struct uring *uring = OWNER(ring, struct uring, ring);
	static const uint64_t one = 1;
	if (!atomic_exchange(&uring->woken, true))
		check(write(uring->wake_fd, &one, sizeof one) == sizeof one);
}

static void uring_destroy(struct ring *ring)
{
	struct uring *uring = uring_of(ring);
	check(uring->outstanding == 0 || uring->broken);
	check(uring->batch_count == 0);
	uring_room_free(uring);
	lend_fini(&uring->lend, &uring->queue);
	uring_close(&uring->queue);
	close(uring->wake_fd);
	if (uring->reserve_fd >= 0)
		close(uring->reserve_fd);
	free(uring->slots);
	free(uring->batch);
	free(uring);
}

static int uring_create(struct ring **ring, const struct ring_options *options, char why[RING_WHY_SIZE])
{
	struct uring *uring = calloc(1, sizeof *uring);
	int error = uring ? uring_open(&uring->queue, options->entries, why) : -ENOMEM;
	if (error) {
		if (!uring)
			ring_why(why, error, "malloc");
		free(uring);
		return error;
	}
	uring->ring.table = &ring_uring;
	uring->thread = pthread_self();
	uring->ring.now = options->now;
	*options->now = clock_read();
	list_init(&uring->parked);
	list_init(&uring->parked_from);
	list_init(&uring->finished);
	uring->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	uring->reserve_fd = reserve_open();
	error = uring->wake_fd < 0 || uring->reserve_fd < 0 ? -errno : 0;
	const char *step = "eventfd";
	if (!error) {
		error = lend_init(&uring->lend, &uring->queue, options->bufs);
		step = "io_uring buffer ring";
	}
	if (!error) {
		*ring = &uring->ring;
		return 0;
	}
	ring_why(why, error, step);
	uring_close(&uring->queue);
	if (uring->wake_fd >= 0)
		close(uring->wake_fd);
	if (uring->reserve_fd >= 0)
		close(uring->reserve_fd);
	free(uring);
	return error;
}

const struct ring_table ring_uring = {
	.name = "io_uring",
	.create = uring_create,
	.destroy = uring_destroy,
	.run = uring_run,
	.listen = socket_listen,
	.accept = uring_accept,
	.connect = uring_connect,
	.recv = uring_recv,
	.send = uring_send,
	.bind = socket_bind,
	.overruns = socket_overruns,
	.recv_from = uring_recv_from,
	.send_to = uring_send_to,
	.cancel = uring_cancel,
	.shutdown = socket_shutdown,
	.close = uring_close_fd,
	.wake = uring_wake,
	.option = socket_option,
	.peer = socket_peer,
	.local = socket_local,
	.forget = uring_forget,
	.rest = uring_rest,
};
