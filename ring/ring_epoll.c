/* ring/ring_epoll.c - the epoll engine; see ring.h. Completions outside, readiness inside.
 *
 * A socket is registered once, edge-triggered and for both directions, when it first has to wait, so that
 * interest never costs a system call. Whether it is ready is remembered per descriptor; a receive or send
 * is simply tried, and only EAGAIN (or a short receive) makes it wait for the next edge.
 *
 * A turn: try the sends that were submitted, sleep if nothing else is to be done, then try everything that
 * has become possible, the receives one buffer at a time so that the next one finds it warm again. A socket
 * gets at most RING_TURN_BUFFERS buffers in a turn and then goes to the end of the queue.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "ring/poller.h"
#include "ring/ring_choose.h"
#include "ring/ring_socket.h"
#include "ring/slots.h"

enum { EVENTS_MAX = 512, ACCEPTS_MAX = 64 };

struct poller *poller_of(struct ring *ring)
{
	struct poller *poller = OWNER(ring, struct poller, ring);
	check(pthread_equal(poller->thread, pthread_self()));
	return poller;
}

/* Valid until the next descriptor is new. */
static struct slot *slot_of(struct poller *poller, int fd)
{
	check(fd >= 0);
	if ((uint32_t)fd >= poller->slot_count)
		poller->slots =
		    slots_cover(poller->slots, &poller->slot_count, (uint32_t)fd, sizeof *poller->slots);
	struct slot *slot = &poller->slots[fd];
	/* Nothing is known of a descriptor that is not registered: it may well be ready. */
	if (!slot->registered)
		slot->is_readable = slot->is_writable = true;
	return slot;
}

/* --- the places of an op --- */

void poller_ready(struct poller *poller, struct op *op)
{
	bool is_in = op->kind == OP_ACCEPT || op->kind == OP_RECV || op->kind == OP_RECV_FROM;
	op->place = AT_READY;
	list_push(is_in ? &poller->receives : &poller->sends, &op->link);
}

void poller_finish_later(struct poller *poller, struct op *op, int32_t res)
{
	op->res = res;
	op->place = AT_FINISHED;
	list_push(&poller->finished, &op->link);
}

void poller_finish(struct poller *poller, struct op *op, int32_t res)
{
	check(op->submitted && !link_is_linked(&op->link));
	struct slot *slot = op->fd >= 0 ? slot_of(poller, op->fd) : NULL;
	if (slot && slot->in == op)
		slot->in = NULL;
	if (slot && slot->out == op)
		slot->out = NULL;
	op->submitted = false;
	poller->outstanding--;
	if (op->kind == OP_RECV_FROM)
		dgram_room_leave(&poller->room);
	op->done(op, (struct op_result){.res = res, .final = true});
}

static int subscribe(struct poller *poller, int fd, struct slot *slot)
{
	struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.fd = fd};
	if (epoll_ctl(poller->epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0)
		return -errno;
	slot->registered = true;
	return 0;
}

static void unsubscribe(struct poller *poller, int fd)
{
	struct slot *slot = slot_of(poller, fd);
	check(!slot->in && !slot->out);
	if (slot->registered)
		epoll_ctl(poller->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
	*slot = (struct slot){0};
}

/* Its socket is the engine's until it has succeeded. One that was connected when it was called off is reset:
 * its target must not take it for a user who has come and gone in order. */
static void connect_drop(struct poller *poller, struct op *op)
{
	slot_of(poller, op->fd)->out = NULL;
	unsubscribe(poller, op->fd);
	socket_close(op->fd, true);
	op->fd = -1;
}

/* Not before the next edge. The first registration tells what is so already, so nothing is missed. */
void poller_wait_edge(struct poller *poller, struct op *op)
{
	struct slot *slot = slot_of(poller, op->fd);
	bool is_in = slot->in == op;
	int error = slot->registered ? 0 : subscribe(poller, op->fd, slot);
	if (error) {
		if (op->kind == OP_CONNECT)
			connect_drop(poller, op);
		poller_finish_later(poller, op, error);
		return;
	}
	if (is_in)
		slot->is_readable = false;
	else
		slot->is_writable = false;
	op->place = AT_WAIT;
}

/* --- trying; these run done(), after which only a submitted op may be touched --- */

static int try_accept(struct poller *poller, struct op *op)
{
	int count = 0;
	for (int i = 0; i < ACCEPTS_MAX; i++) {
		int fd = accept4(op->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		int error = fd < 0 ? -errno : 0;
		if (error == -EAGAIN) {
			poller_wait_edge(poller, op);
			return count;
		}
		if (error && accept_error_passes(error))
			continue;
		count++;
		if (error == -EMFILE || error == -ENFILE)
			reserve_shed(&poller->reserve_fd, op->fd);
		if (error) {
			poller_finish(poller, op, error);
			return count;
		}
		op->done(op, (struct op_result){.res = fd});
		if (!poller_is_armed(op))
			return count;
	}
	poller_ready(poller, op);
	return count;
}

/* One receive. The bytes or -errno; *buf is a buffer exactly if there are bytes. */
static ssize_t receive(struct poller *poller, int fd, struct buf **buf)
{
	ssize_t size;
	*buf = buf_receive(poller->bufs);
	if (!*buf)
		return -ENOBUFS;
	do
		size = recv(fd, (*buf)->bytes, (*buf)->size, MSG_DONTWAIT);
	while (size < 0 && errno == EINTR);
	if (size > 0) {
		(*buf)->used = (uint32_t)size;
		return size;
	}
	int error = size < 0 ? -errno : 0;
	buf_unref(*buf);
	*buf = NULL;
	return error;
}

static int try_recv(struct poller *poller, struct op *op)
{
	for (int count = 0; count < RING_TURN_BUFFERS; count++) {
		struct buf *buf;
		ssize_t size = receive(poller, op->fd, &buf);
		if (size == -ENOBUFS && !buf) {
			op->place = AT_STALLED;
			list_push(&poller->stalled, &op->link);
			return count;
		}
		if (size == -EAGAIN) {
			poller_wait_edge(poller, op);
			return count;
		}
		if (size <= 0) {
			poller_finish(poller, op, (int32_t)size);
			return count + 1;
		}
		/* A short receive has emptied the socket: the next byte is an edge, and so is the end. */
		bool is_empty = (size_t)size < buf->size && !slot_of(poller, op->fd)->has_ended;
		if (is_empty)
			poller_wait_edge(poller, op);
		op->done(op, (struct op_result){.res = (int32_t)size, .buf = buf});
		if (!poller_is_armed(op))
			return count + 1;
	}
	poller_ready(poller, op);
	return RING_TURN_BUFFERS;
}

/* One attempt for what is left. The bytes or -errno. */
static ssize_t transmit(const struct op *op)
{
	struct iovec parts[RING_SEND_PARTS];
	struct msghdr message = {.msg_iov = (struct iovec *)op->parts, .msg_iovlen = op->count};
	ssize_t size;
	/* The parts are the caller's: a first one that was cut needs a list of our own. */
	if (op->first.iov_len != op->parts[0].iov_len) {
		memcpy(parts, op->parts, op->count * sizeof *parts);
		parts[0] = op->first;
		message.msg_iov = parts;
	}
	do
		size = sendmsg(op->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
	while (size < 0 && errno == EINTR);
	return size < 0 ? -errno : size;
}

static int try_send(struct poller *poller, struct op *op)
{
	while (op->sent < (uint32_t)op->res) {
		ssize_t size = transmit(op);
		if (size == -EAGAIN) {
			poller_wait_edge(poller, op);
			return 0;
		}
		if (size <= 0) {
			poller_finish(poller, op, size < 0 ? (int32_t)size : -EPIPE);
			return 1;
		}
		op_ate(op, (size_t)size);
	}
	poller_finish(poller, op, op->res);
	return 1;
}

static int try_connect(struct poller *poller, struct op *op)
{
	struct sockaddr_storage name;
	int fd = op->fd, error = 0;
	socklen_t size = sizeof error, name_size = sizeof name;
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0)
		error = errno;
	if (!error && getpeername(fd, (struct sockaddr *)&name, &name_size) != 0)
		error = errno;
	/* No error and no peer: not yet, unless it is over already. */
	if (error == ENOTCONN && !slot_of(poller, fd)->has_ended) {
		poller_wait_edge(poller, op);
		return 0;
	}
	if (error)
		connect_drop(poller, op);
	poller_finish(poller, op, error ? -error : fd);
	return 1;
}

static int try(struct poller *poller, struct op *op)
{
	switch (op->kind) {
	case OP_ACCEPT:
		return try_accept(poller, op);
	case OP_CONNECT:
		return try_connect(poller, op);
	case OP_RECV:
		return try_recv(poller, op);
	case OP_SEND:
		return try_send(poller, op);
	case OP_RECV_FROM:
		return poller_try_recv_from(poller, op);
	case OP_SEND_TO:
		return poller_try_send_to(poller, op);
	default:
		check(false);
		return 0;
	}
}

/* Everything that is on the list now; what joins it meanwhile waits for the next turn. */
static int try_all(struct poller *poller, struct link *list)
{
	struct link these, *link;
	int count = 0;
	list_init(&these);
	list_join(&these, list);
	while ((link = list_pull(&these)))
		count += try(poller, OWNER(link, struct op, link));
	return count;
}

static int finish_all(struct poller *poller)
{
	struct link these, *link;
	int count = 0;
	list_init(&these);
	list_join(&these, &poller->finished);
	while ((link = list_pull(&these))) {
		struct op *op = OWNER(link, struct op, link);
		poller_finish(poller, op, op->res);
		count++;
	}
	return count;
}

/* --- a turn --- */

static void note_event(struct poller *poller, const struct epoll_event *event)
{
	if (event->data.fd == poller->wake_fd) {
		atomic_store(&poller->woken, false);
		return;
	}
	struct slot *slot = slot_of(poller, event->data.fd);
	if (event->events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		slot->has_ended = true;
	if (event->events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		slot->is_readable = true;
	if (event->events & (EPOLLOUT | EPOLLHUP | EPOLLERR))
		slot->is_writable = true;
	if (slot->in && slot->in->place == AT_WAIT && slot->is_readable)
		poller_ready(poller, slot->in);
	if (slot->out && slot->out->place == AT_WAIT && slot->is_writable)
		poller_ready(poller, slot->out);
}

static int wait_events(struct poller *poller, struct epoll_event *events, struct instant deadline)
{
	int64_t span = instant_since(deadline, clock_read()).ns;
	struct timespec limit = {.tv_sec = span / 1000000000, .tv_nsec = span % 1000000000};
	if (span <= 0)
		return epoll_wait(poller->epoll_fd, events, EVENTS_MAX, 0);
	if (deadline.ns == INT64_MAX)
		return epoll_wait(poller->epoll_fd, events, EVENTS_MAX, -1);
	if (poller->has_pwait2) {
		int count = epoll_pwait2(poller->epoll_fd, events, EVENTS_MAX, &limit, NULL);
		if (count >= 0 || (errno != ENOSYS && errno != EPERM))
			return count;
		poller->has_pwait2 = false;
	}
	int64_t ms = (span + 999999) / 1000000;
	return epoll_wait(poller->epoll_fd, events, EVENTS_MAX, ms < 3600000 ? (int)ms : 3600000);
}

/* Nothing can be done before the kernel or another thread has news. */
static bool is_idle(const struct poller *poller)
{
	return list_is_empty(&poller->receives) && list_is_empty(&poller->sends) &&
	       list_is_empty(&poller->finished);
}

/* Receives that had no buffer are tried again, at most as many as there may be buffers now. */
static void unstall(struct poller *poller)
{
	struct bufpool *bufs = poller->bufs;
	if (list_is_empty(&poller->stalled) || bufs->receive_used >= bufs->receive_max)
		return;
	struct buf *one = buf_receive(bufs);
	if (!one)
		return;
	buf_unref(one);
	for (uint32_t spare = bufs->receive_max - bufs->receive_used; spare > 0; spare--) {
		struct link *link = list_pull(&poller->stalled);
		if (!link)
			return;
		poller_ready(poller, OWNER(link, struct op, link));
	}
}

static int poller_run(struct ring *ring, struct instant deadline)
{
	struct poller *poller = poller_of(ring);
	struct epoll_event events[EVENTS_MAX];
	int count = 0;
	unstall(poller);
	if (!list_is_empty(&poller->sends)) {
		*ring->now = clock_read();
		count = try_all(poller, &poller->sends);
	}
	if (count > 0 || !is_idle(poller))
		deadline = (struct instant){0};
	int event_count = wait_events(poller, events, deadline);
	*ring->now = clock_read();
	check(event_count >= 0 || errno == EINTR);
	for (int i = 0; i < event_count; i++)
		note_event(poller, &events[i]);
	count += try_all(poller, &poller->sends);
	count += try_all(poller, &poller->receives);
	count += finish_all(poller);
	return count;
}

/* --- the other entries of the table --- */


void poller_start_in(struct poller *poller, struct op *op, enum op_kind kind, int fd)
{
	struct slot *slot = slot_of(poller, fd);
	check(!slot->in);
	op_start(op, kind, fd);
	slot->in = op;
	poller->outstanding++;
	if (slot->is_readable)
		poller_ready(poller, op);
}

static void poller_accept(struct ring *ring, struct op *op, int fd)
{
	poller_start_in(poller_of(ring), op, OP_ACCEPT, fd);
}

static void poller_recv(struct ring *ring, struct op *op, int fd)
{
	poller_start_in(poller_of(ring), op, OP_RECV, fd);
}

void poller_start_out(struct poller *poller, struct op *op, int fd)
{
	struct slot *slot = slot_of(poller, fd);
	check(!slot->out);
	slot->out = op;
	poller->outstanding++;
	if (slot->is_writable)
		poller_ready(poller, op);
}

static void poller_send(struct ring *ring, struct op *op, int fd, const struct iovec *parts, unsigned count)
{
	op_start(op, OP_SEND, fd);
	op_parts(op, parts, count);
	poller_start_out(poller_of(ring), op, fd);
}

static void poller_connect(struct ring *ring, struct op *op, const struct address *address)
{
	struct poller *poller = poller_of(ring);
	struct sockaddr_storage target;
	socklen_t size = sockaddr_of_address(&target, address);
	int fd = size ? socket_open(address) : -EINVAL, error = 0;
	if (fd >= 0 && connect(fd, (struct sockaddr *)&target, size) != 0)
		error = -errno;
	if (error && error != -EINPROGRESS && error != -EINTR) {
		socket_close(fd, false);
		fd = error;
	}
	op_start(op, OP_CONNECT, fd);
	poller->outstanding++;
	if (fd < 0) {
		poller_finish_later(poller, op, fd);
		return;
	}
	check(!slot_of(poller, fd)->out);
	slot_of(poller, fd)->out = op;
	if (error)
		poller_wait_edge(poller, op);
	else
		poller_ready(poller, op);
}

static void poller_cancel(struct ring *ring, struct op *op)
{
	struct poller *poller = poller_of(ring);
	check(op->submitted);
	if (op->place == AT_FINISHED)
		return;
	op->cancelled = true;
	link_remove(&op->link);
	if (op->kind == OP_CONNECT)
		connect_drop(poller, op);
	bool has_sent = (op->kind == OP_SEND && op->sent > 0) || op->kind == OP_SEND_TO;
	poller_finish_later(poller, op, has_sent ? (int32_t)op->sent : -ECANCELED);
}

static void poller_forget(struct ring *ring, int fd) { unsubscribe(poller_of(ring), fd); }

static void poller_close_fd(struct ring *ring, int fd, bool abort)
{
	unsubscribe(poller_of(ring), fd);
	socket_close(fd, abort);
}

static void poller_wake(struct ring *ring)
{
	struct poller *poller = OWNER(ring, struct poller, ring);
	static const uint64_t one = 1;
	if (!atomic_exchange(&poller->woken, true))
		check(write(poller->wake_fd, &one, sizeof one) == sizeof one);
}

static void release(struct poller *poller)
{
	int fds[] = {poller->epoll_fd, poller->wake_fd, poller->reserve_fd};
	for (size_t i = 0; i < COUNT_OF(fds); i++)
		if (fds[i] >= 0)
			close(fds[i]);
	free(poller->slots);
	free(poller);
}

static void poller_destroy(struct ring *ring)
{
	struct poller *poller = poller_of(ring);
	check(poller->outstanding == 0);
	dgram_room_free(&poller->room);
	release(poller);
}

static int poller_create(struct ring **ring, const struct ring_options *options, char why[RING_WHY_SIZE])
{
	struct poller *poller = calloc(1, sizeof *poller);
	if (!poller) {
		ring_why(why, -ENOMEM, "malloc");
		return -ENOMEM;
	}
	poller->ring.table = &ring_epoll;
	poller->bufs = options->bufs;
	poller->thread = pthread_self();
	poller->ring.now = options->now;
	*options->now = clock_read();
	poller->has_pwait2 = true;
	list_init(&poller->receives);
	list_init(&poller->sends);
	list_init(&poller->stalled);
	list_init(&poller->finished);
	poller->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	poller->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	poller->reserve_fd = reserve_open();
	struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.fd = poller->wake_fd};
	if (poller->epoll_fd < 0 || poller->wake_fd < 0 || poller->reserve_fd < 0 ||
	    epoll_ctl(poller->epoll_fd, EPOLL_CTL_ADD, poller->wake_fd, &event) != 0) {
		int error = -errno;
		ring_why(why, error, "epoll");
		release(poller);
		return error;
	}
	*ring = &poller->ring;
	return 0;
}

/* Slots behind the last one in use go by halves. */
static void poller_rest(struct ring *ring)
{
	struct poller *poller = poller_of(ring);
	uint32_t used = poller->slot_count;
	if (!poller->room.users)
		dgram_room_free(&poller->room);
	for (const struct slot *last; used > 0; used--)
		if ((last = &poller->slots[used - 1])->in || last->out || last->registered)
			break;
	poller->slots = slots_shrink(poller->slots, &poller->slot_count, used, sizeof *poller->slots);
}

const struct ring_table ring_epoll = {
	.name = "epoll",
	.create = poller_create,
	.destroy = poller_destroy,
	.run = poller_run,
	.listen = socket_listen,
	.accept = poller_accept,
	.connect = poller_connect,
	.recv = poller_recv,
	.send = poller_send,
	.bind = socket_bind,
	.overruns = socket_overruns,
	.recv_from = poller_recv_from,
	.send_to = poller_send_to,
	.cancel = poller_cancel,
	.shutdown = socket_shutdown,
	.close = poller_close_fd,
	.wake = poller_wake,
	.option = socket_option,
	.peer = socket_peer,
	.local = socket_local,
	.forget = poller_forget,
	.rest = poller_rest,
};
