/* ring/poller_datagram.c - datagrams on the epoll engine: several a system call; see poller.h. */
#include <errno.h>
#include <netinet/in.h>

#include "ring/poller.h"
#include "ring/ring_socket.h"

enum { RECEIVES_AT_ONCE = 8, RECEIVES_MAX = 2 };

void poller_recv_from(struct ring *ring, struct op *op, int fd)
{
	struct poller *poller = poller_of(ring);
	poller_start_in(poller, op, OP_RECV_FROM, fd);
	if (dgram_room_enter(&poller->room, poller->bufs, RECEIVES_AT_ONCE))
		return;
	link_remove(&op->link);
	poller_finish_later(poller, op, -ENOMEM);
}

/* As many as there are, up to the room's size. How many, or -errno. */
static int receive(struct poller *poller, int fd, struct mmsghdr *messages, struct iovec *parts,
		   struct sockaddr_storage *names)
{
	int count;
	for (int i = 0; i < RECEIVES_AT_ONCE; i++) {
		struct buf *buf = poller->room.bufs[i];
		parts[i] = (struct iovec){buf->bytes, buf->size};
		messages[i] = (struct mmsghdr){.msg_hdr = {.msg_name = &names[i],
							   .msg_namelen = sizeof names[i],
							   .msg_iov = &parts[i], .msg_iovlen = 1}};
	}
	do
		count = recvmmsg(fd, messages, RECEIVES_AT_ONCE, MSG_DONTWAIT, NULL);
	while (count < 0 && errno == EINTR);
	return count < 0 ? -errno : count;
}

/* Tells them until the op ends or is cancelled: the rest is lost then. */
static void tell(struct op *op, const struct mmsghdr *messages, int count)
{
	for (int i = 0; i < count && poller_is_armed(op); i++) {
		const struct msghdr *message = &messages[i].msg_hdr;
		struct received received = {
		    .payload = {message->msg_iov->iov_base, messages[i].msg_len}};
		address_of_sockaddr(&received.from, message->msg_name, message->msg_namelen);
		if (!(message->msg_flags & MSG_TRUNC))
			op->done(op, (struct op_result){.res = (int32_t)messages[i].msg_len,
							.received = &received});
	}
}

int poller_try_recv_from(struct poller *poller, struct op *op)
{
	struct mmsghdr messages[RECEIVES_AT_ONCE];
	struct iovec parts[RECEIVES_AT_ONCE];
	struct sockaddr_storage names[RECEIVES_AT_ONCE];
	int total = 0;
	for (int i = 0; i < RECEIVES_MAX; i++) {
		int count = receive(poller, op->fd, messages, parts, names);
		if (count == -EAGAIN) {
			poller_wait_edge(poller, op);
			return total;
		}
		if (count < 0 && !datagram_error_passes(count)) {
			poller_finish(poller, op, count);
			return total + 1;
		}
		total += count > 0 ? count : 1;
		if (count < 0)
			op->done(op, (struct op_result){.res = count});
		else
			tell(op, messages, count);
		if (!poller_is_armed(op))
			return total;
	}
	poller_ready(poller, op);
	return total;
}

void poller_send_to(struct ring *ring, struct op *op, int fd, struct ring_datagram *datagrams,
		    unsigned count)
{
	check(count > 0 && count <= RING_DATAGRAMS);
	op_start(op, OP_SEND_TO, fd);
	op->datagrams = datagrams;
	op->next = op->sent = 0;
	op->left = count;
	poller_start_out(poller_of(ring), op, fd);
}

/* From the next one on, up to one that has no address. How many were taken, or -errno of the first. */
static int transmit(struct op *op)
{
	struct mmsghdr messages[RING_DATAGRAMS];
	unsigned count = 0;
	int sent;
	while (count < op->left && datagram_prepare(&op->datagrams[op->next + count])) {
		messages[count] = (struct mmsghdr){.msg_hdr = op->datagrams[op->next + count].message};
		count++;
	}
	if (!count)
		return -EAFNOSUPPORT;
	do
		sent = sendmmsg(op->fd, messages, count, MSG_DONTWAIT | MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	return sent < 0 ? -errno : sent;
}

int poller_try_send_to(struct poller *poller, struct op *op)
{
	while (op->left) {
		int sent = transmit(op);
		if (sent == -EAGAIN) {
			poller_wait_edge(poller, op);
			return 0;
		}
		uint32_t over = sent > 0 ? (uint32_t)sent : 1;   /* one that is refused is lost */
		op->sent += sent > 0 ? (uint32_t)sent : 0;
		op->next += over;
		op->left -= over;
	}
	poller_finish(poller, op, (int32_t)op->sent);
	return 1;
}
