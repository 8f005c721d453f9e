/* ring/uring_datagram.c - datagrams on the io_uring engine; see uring.h.
 *
 * All receives share one ring of buffers that are the engine's own: what is in one is looked at by done() and
 * then the kernel has it again. A socket that finds none is armed again in the next turn, when all are home.
 */
#include <netinet/in.h>
#include <sys/mman.h>

#include "ring/ring_socket.h"
#include "ring/uring.h"

enum { SLOTS_SIZE = DATAGRAM_BUFS_MAX * sizeof(struct io_uring_buf) };

static void room_lend(struct uring *uring, uint16_t id, int at)
{
	struct buf *buf = uring->room.bufs[id];
	io_uring_buf_ring_add(uring->room_slots, buf->bytes, buf->size, id, DATAGRAM_BUFS_MAX - 1, at);
}

/* The kernel gets all of the room. 0 or -errno. */
static int room_share(struct uring *uring)
{
	if (uring->room_slots)
		return 0;
	void *slots = mmap(NULL, SLOTS_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (slots == MAP_FAILED)
		return -errno;
	struct io_uring_buf_reg buffers = {.ring_addr = (uint64_t)(uintptr_t)slots,
					   .ring_entries = DATAGRAM_BUFS_MAX, .bgid = DATAGRAM_GROUP};
	int error = io_uring_register_buf_ring(&uring->queue, &buffers, 0);
	if (error) {
		munmap(slots, SLOTS_SIZE);
		return error;
	}
	uring->room_slots = slots;
	io_uring_buf_ring_init(uring->room_slots);
	for (uint16_t i = 0; i < DATAGRAM_BUFS_MAX; i++)
		room_lend(uring, i, i);
	io_uring_buf_ring_advance(uring->room_slots, DATAGRAM_BUFS_MAX);
	return 0;
}

void uring_room_free(struct uring *uring)
{
	if (uring->room_slots) {
		io_uring_unregister_buf_ring(&uring->queue, DATAGRAM_GROUP);
		munmap(uring->room_slots, SLOTS_SIZE);
		uring->room_slots = NULL;
	}
	if (uring->broken)
		uring->room.users = 0;
	dgram_room_free(&uring->room);
}

/* ---- receiving ---- */

void uring_submit_recv_from(struct uring *uring, struct op *op)
{
	struct io_uring_sqe *sqe = uring_entry(uring, op);
	op->message = (struct msghdr){.msg_namelen = sizeof(struct sockaddr_in6)};
	io_uring_prep_recvmsg_multishot(sqe, op->fd, &op->message, 0);
	sqe->flags |= IOSQE_BUFFER_SELECT;
	sqe->buf_group = DATAGRAM_GROUP;
	op->place = AT_KERNEL;
}

void uring_recv_from(struct ring *ring, struct op *op, int fd)
{
	struct uring *uring = uring_of(ring);
	struct slot *slot = uring_slot(uring, fd);
	check(!slot->in);
	op_start(op, OP_RECV_FROM, fd);
	slot->in = op;
	uring->outstanding++;
	bool has_room = dgram_room_enter(&uring->room, uring->lend.bufs, DATAGRAM_BUFS_MAX);
	int error = has_room ? room_share(uring) : -ENOMEM;
	if (error)
		uring_finish_later(uring, op, error);
	else
		uring_submit_recv_from(uring, op);
}

/* What the kernel has put into a buffer. False: it was cut. */
static bool parse(struct op *op, const struct completion *completion, struct received *received)
{
	struct io_uring_recvmsg_out *head =
	    io_uring_recvmsg_validate(completion->buf->bytes, completion->res, &op->message);
	if (!head || head->flags & MSG_TRUNC)
		return false;
	struct sockaddr_storage name = {0};
	size_t size = size_min(head->namelen, sizeof(struct sockaddr_in6));
	memcpy(&name, io_uring_recvmsg_name(head), size);
	address_of_sockaddr(&received->from, &name, (socklen_t)size);
	received->payload = (struct slice){io_uring_recvmsg_payload(head, &op->message),
					   io_uring_recvmsg_payload_length(head, completion->res,
									   &op->message)};
	return true;
}

void uring_recv_from_done(struct uring *uring, struct op *op, const struct completion *completion)
{
	int32_t res = completion->res;
	struct received received;
	bool has_come = completion->buf && res >= 0 && parse(op, completion, &received);
	bool passes = res >= 0 || res == -ENOBUFS || res == -EAGAIN || datagram_error_passes(res);
	bool ends = !completion->more && !passes;
	if (!completion->more && passes)
		uring_park(uring, op);
	if (has_come)
		op->done(op, (struct op_result){.res = (int32_t)received.payload.size,
						.received = &received});
	else if (!ends && res < 0 && res != -ENOBUFS && res != -EAGAIN && res != -EINTR)
		op->done(op, (struct op_result){.res = res});
	if (completion->buf) {
		room_lend(uring, completion->id, 0);
		io_uring_buf_ring_advance(uring->room_slots, 1);
	}
	if (ends)
		uring_finish(uring, op, res);
}

/* ---- sending ---- */

/* The datagrams of one op are entries of their own, which complete in any order. */
void uring_send_to(struct ring *ring, struct op *op, int fd, struct ring_datagram *datagrams, unsigned count)
{
	struct uring *uring = uring_of(ring);
	struct slot *slot = uring_slot(uring, fd);
	check(!slot->out && count > 0 && count <= RING_DATAGRAMS);
	op_start(op, OP_SEND_TO, fd);
	op->datagrams = datagrams;
	op->sent = op->left = 0;
	slot->out = op;
	uring->outstanding++;
	for (unsigned i = 0; i < count; i++) {
		if (!datagram_prepare(&datagrams[i]))
			continue;
		struct io_uring_sqe *sqe = uring_entry(uring, op);
		io_uring_prep_sendmsg(sqe, fd, &datagrams[i].message, MSG_NOSIGNAL);
		op->left++;
	}
	op->place = AT_KERNEL;
	if (!op->left)
		uring_finish_later(uring, op, 0);
}

void uring_send_to_done(struct uring *uring, struct op *op, int32_t res)
{
	op->sent += res >= 0;
	if (--op->left == 0)
		uring_finish(uring, op, (int32_t)op->sent);
}
