/* tests/sim/ring_sim.c - see ring_sim.h. */
#include "tests/sim/ring_sim.h"

#include "ring/ring_datagram.h"

#include <errno.h>
#include <stdlib.h>

#include "tests/sim/tally.h"

enum place {
	AT_WAIT,     /* for news of its socket */
	AT_READY,    /* to be tried in the next turn */
	AT_STALLED,  /* a receive without a buffer */
	AT_FINISHED, /* over, done() is still to be called */
};

enum { STALL_RETRY_MS = 2 };
/* So long may all receive buffers be away while somebody waits for one; a long sleep counts as a second. */
static const struct duration starved_max = {5000000000}, starved_step_max = {1000000000};

/* What the engine knows of one descriptor. */
struct slot {
	struct op *in, *out;
};

struct ring_sim_state {
	struct ring ring;
	struct ring_sim_state *next; /* of the run: events may still ask for it when it is destroyed */
	struct net_host *host;
	struct bufpool *bufs;
	bool woken, running;
	bool starved; /* a receive was refused below the limit: nobody will come home and wake it */
	bool retry_asked, retry_due;
	int64_t exhausted_ns;        /* all receive buffers have been away for so long */
	struct op *current;          /* being tried; NULL: it has ended */
	struct slot slots[NET_FDS_MAX];
	struct link ready, stalled, finished;
	uint32_t outstanding;
};

struct ring_sim_faults ring_sim_faults;
struct net_host *ring_sim_host;

static struct ring_sim_state *all_states;

static struct ring_sim_state *state_of(struct ring *ring) { return OWNER(ring, struct ring_sim_state, ring); }

static struct slot *slot_of(struct ring_sim_state *state, int fd)
{
	check(fd >= 0 && fd < NET_FDS_MAX);
	return &state->slots[fd];
}

/* ---- the places of an op ---- */

static void ready(struct ring_sim_state *state, struct op *op)
{
	op->place = AT_READY;
	list_push(&state->ready, &op->link);
}

static void finish_later(struct ring_sim_state *state, struct op *op, int32_t res)
{
	op->res = res;
	op->place = AT_FINISHED;
	list_push(&state->finished, &op->link);
}

static void finish(struct ring_sim_state *state, struct op *op, struct op_result result)
{
	check(op->submitted && !link_is_linked(&op->link));
	if (op->fd >= 0) {
		struct slot *slot = slot_of(state, op->fd);
		if (slot->in == op)
			slot->in = NULL;
		if (slot->out == op)
			slot->out = NULL;
	}
	op->submitted = false;
	if (state->current == op)
		state->current = NULL;
	state->outstanding--;
	sim.moved++;
	result.final = true;
	op->done(op, result);
}

/* The network has news for a socket of this ring. */
static void socket_changed(struct net_socket *socket)
{
	struct ring_sim_state *state = socket->owner;
	if (socket->fd < 0)
		return;
	struct slot *slot = slot_of(state, socket->fd);
	struct op *ops[] = {slot->in, slot->out};
	for (size_t i = 0; i < COUNT_OF(ops); i++)
		if (ops[i] && ops[i]->place == AT_WAIT)
			ready(state, ops[i]);
}

static void stall_over(void *object)
{
	struct ring_sim_state *state = object;
	state->retry_asked = false;
	state->retry_due = true;
}

/* ---- trying; these run done(), after which only a submitted op may be touched ---- */

static bool is_armed(const struct op *op) { return op->submitted && op->place == AT_READY && !op->cancelled; }

/* What a multishot op does after a result: goes on, or ends with this one. */
static bool ends_now(void)
{
	if (!sim_chance(ring_sim_faults.ends))
		return false;
	tally(TALLY_multishots_ended);
	return true;
}

static int try_accept(struct ring_sim_state *state, struct op *op)
{
	struct net_socket *listener = net_socket_of(state->host, op->fd);
	for (int count = 0;; count++) {
		int error;
		struct net_socket *socket = net_accept(listener, true, &error);
		if (!socket && error == -EAGAIN) {
			op->place = AT_WAIT;
			return count;
		}
		if (!socket) {
			struct net_socket *shed = net_accept(listener, false, &error);
			if (shed)
				net_close(shed, true);
			finish(state, op, (struct op_result){.res = -EMFILE});
			return count + 1;
		}
		socket->owner = state;
		socket->changed = socket_changed;
		if (ends_now()) {
			finish(state, op, (struct op_result){.res = socket->fd});
			return count + 1;
		}
		op->done(op, (struct op_result){.res = socket->fd});
		if (!is_armed(op))
			return count + 1;
	}
}

static int try_recv(struct ring_sim_state *state, struct op *op)
{
	for (int count = 0; count < RING_TURN_BUFFERS; count++) {
		struct net_socket *socket = net_socket_of(state->host, op->fd);
		if (!net_can_read(socket)) {
			op->place = AT_WAIT;
			return count;
		}
		struct buf *buf = buf_receive(state->bufs);
		if (!buf) {
			tally(TALLY_receives_starved);
			op->place = AT_STALLED;
			state->starved =
			    state->starved || state->bufs->receive_used < state->bufs->receive_max;
			list_push(&state->stalled, &op->link);
			return count;
		}
		long size = net_read(socket, buf->bytes, buf->size);
		if (size <= 0) {
			buf_unref(buf);
			check(size != -EAGAIN);
			finish(state, op, (struct op_result){.res = (int32_t)size});
			return count + 1;
		}
		buf->used = (uint32_t)size;
		struct op_result result = {.res = (int32_t)size, .buf = buf};
		if (ends_now()) {
			finish(state, op, result);
			return count + 1;
		}
		op->done(op, result);
		if (!is_armed(op))
			return count + 1;
	}
	ready(state, op);
	return RING_TURN_BUFFERS;
}

static void send_ate(struct op *op, size_t size)
{
	op->sent += (uint32_t)size;
	op->first.iov_base = (char *)op->first.iov_base + size;
	op->first.iov_len -= size;
	if (op->first.iov_len)
		return;
	op->parts++;
	if (--op->count)
		op->first = op->parts[0];
}

static int try_send(struct ring_sim_state *state, struct op *op)
{
	struct net_socket *socket = net_socket_of(state->host, op->fd);
	while (op->sent < (uint32_t)op->res) {
		long size = net_write(socket, op->first.iov_base, op->first.iov_len);
		if (size == -EAGAIN) {
			op->place = AT_WAIT;
			return 0;
		}
		if (size < 0) {
			finish(state, op, (struct op_result){.res = (int32_t)size});
			return 1;
		}
		send_ate(op, (size_t)size);
	}
	finish(state, op, (struct op_result){.res = op->res});
	return 1;
}

/* What is received is told from memory that is gone after the call, so that whoever keeps it is found. */
static int try_recv_from(struct ring_sim_state *state, struct op *op)
{
	for (int count = 0; count < RING_TURN_BUFFERS; count++) {
		int error;
		struct net_socket *socket = net_socket_of(state->host, op->fd);
		struct net_datagram *datagram = net_recv_from(socket, &error);
		if (!datagram && error == -EAGAIN) {
			op->place = AT_WAIT;
			return count;
		}
		struct op_result result = {.res = error};
		struct received received;
		if (datagram) {
			received.from = datagram->from;
			received.payload = (struct slice){datagram->bytes, datagram->size};
			result = (struct op_result){.res = (int32_t)datagram->size, .received = &received};
		}
		op->done(op, result);
		net_datagram_free(datagram);
		if (!is_armed(op))
			return count + 1;
		if (sim_chance(ring_sim_faults.fails)) {
			tally(TALLY_receives_failed);
			finish(state, op, (struct op_result){.res = -ENOMEM});
			return count + 1;
		}
	}
	ready(state, op);
	return RING_TURN_BUFFERS;
}

static int try_send_to(struct ring_sim_state *state, struct op *op)
{
	static uint8_t bytes[DATAGRAM_BUF_SIZE];
	struct net_socket *socket = net_socket_of(state->host, op->fd);
	for (; op->left; op->next++, op->left--) {
		const struct ring_datagram *datagram = &op->datagrams[op->next];
		size_t size = 0;
		for (unsigned i = 0; i < datagram->count; i++) {
			const struct iovec *part = &datagram->parts[i];
			check(size + part->iov_len <= sizeof bytes);
			memcpy(bytes + size, part->iov_base, part->iov_len);
			size += part->iov_len;
		}
		long sent = net_send_to(socket, &datagram->to, bytes, size);
		if (sent == -EAGAIN) {
			op->place = AT_WAIT;
			return 0;
		}
		op->sent += sent >= 0;
	}
	finish(state, op, (struct op_result){.res = (int32_t)op->sent});
	return 1;
}

static int try_connect(struct ring_sim_state *state, struct op *op)
{
	int fd = op->fd;
	struct net_socket *socket = net_socket_of(state->host, fd);
	int error = socket->dead ? -ECONNRESET : socket->error;
	if (!error && socket->state == NET_CONNECTING) {
		op->place = AT_WAIT;
		return 0;
	}
	if (error) {
		slot_of(state, fd)->out = NULL;
		op->fd = -1;
		net_close(socket, false);
	}
	finish(state, op, (struct op_result){.res = error ? error : fd});
	return 1;
}

/* A cancelled op ends, unless it has something to say first. */
static int end_cancelled(struct ring_sim_state *state, struct op *op)
{
	bool has_sent = (op->kind == OP_SEND && op->sent > 0) || op->kind == OP_SEND_TO;
	if (op->kind == OP_CONNECT) {
		struct net_socket *socket = net_socket_of(state->host, op->fd);
		slot_of(state, op->fd)->out = NULL;
		op->fd = -1;
		net_close(socket, true);
	}
	finish(state, op, (struct op_result){.res = has_sent ? (int32_t)op->sent : -ECANCELED});
	return 1;
}

static int try(struct ring_sim_state *state, struct op *op)
{
	if (op->cancelled && !sim_chance(ring_sim_faults.lost_race))
		return end_cancelled(state, op);
	if (op->cancelled)
		tally(TALLY_cancels_late);
	state->current = op;
	int count = op->kind == OP_ACCEPT      ? try_accept(state, op)
		    : op->kind == OP_RECV      ? try_recv(state, op)
		    : op->kind == OP_SEND      ? try_send(state, op)
		    : op->kind == OP_RECV_FROM ? try_recv_from(state, op)
		    : op->kind == OP_SEND_TO   ? try_send_to(state, op)
					       : try_connect(state, op);
	if (state->current && op->cancelled &&
	    op->place != AT_FINISHED) { /* it was heard too late for this time */
		link_remove(&op->link);
		ready(state, op);
	}
	state->current = NULL;
	return count;
}

/* ---- a turn ---- */

static void unstall(struct ring_sim_state *state)
{
	const struct bufpool *bufs = state->bufs;
	if (list_is_empty(&state->stalled) || bufs->receive_used >= bufs->receive_max)
		return;
	state->starved = state->retry_due = false;
	struct link *link;
	while ((link = list_pull(&state->stalled)) != NULL)
		ready(state, OWNER(link, struct op, link));
}

static void retry_stalled(struct ring_sim_state *state)
{
	if (!state->starved || state->retry_asked)
		return;
	state->retry_asked = true;
	sim_after(DURATION_MS(STALL_RETRY_MS), stall_over, state);
}

/* Queues must never keep all of them: then a link could not be read whose news would empty the queues. */
static void check_exhausted(struct ring_sim_state *state, int64_t passed_ns)
{
	const struct bufpool *bufs = state->bufs;
	bool exhausted = !list_is_empty(&state->stalled) && bufs->receive_used >= bufs->receive_max;
	if (passed_ns > starved_step_max.ns)
		passed_ns = starved_step_max.ns;
	state->exhausted_ns = exhausted ? state->exhausted_ns + passed_ns : 0;
	if (state->exhausted_ns > starved_max.ns)
		sim_fail("host %u: all %u receive buffers of a worker are held, and it cannot read any more",
			 state->host->index, bufs->receive_max);
}

/* Everything that is on the list now, in any order; some of it later. */
static int try_ready(struct ring_sim_state *state)
{
	struct op *ops[2 * NET_FDS_MAX];
	uint32_t op_count = 0;
	struct link *link;
	int count = 0;
	while ((link = list_pull(&state->ready)) != NULL)
		ops[op_count++] = OWNER(link, struct op, link);
	for (uint32_t i = 0; i < op_count; i++)
		list_push(&state->ready,
			  &ops[i]->link); /* so that a cancel meanwhile finds it where it says it is */
	while (op_count) {
		uint32_t at = (uint32_t)sim_below(op_count);
		struct op *op = ops[at];
		ops[at] = ops[--op_count];
		if (!op->submitted || op->place != AT_READY || !link_is_linked(&op->link))
			continue;
		if (sim_chance(ring_sim_faults.late)) {
			tally(TALLY_ops_late);
			continue;
		}
		link_remove(&op->link);
		count += try(state, op);
	}
	return count;
}

static int finish_all(struct ring_sim_state *state)
{
	struct link these, *link;
	int count = 0;
	list_init(&these);
	list_join(&these, &state->finished);
	for (; (link = list_pull(&these)) != NULL; count++) {
		struct op *op = OWNER(link, struct op, link);
		finish(state, op, (struct op_result){.res = op->res});
	}
	return count;
}

static int sim_run(struct ring *ring, struct instant deadline)
{
	struct ring_sim_state *state = state_of(ring);
	check(!state->running);
	state->running = true;
	state->woken = false;
	check_exhausted(state, sim_now().ns - ring->now->ns);
	*ring->now = sim_now();
	unstall(state);
	int count = finish_all(state) + try_ready(state);
	while (!list_is_empty(&state->ready) && sim_chance(ring_sim_faults.eager)) {
		tally(TALLY_ops_early);
		count += try_ready(state);
	}
	retry_stalled(state);
	state->running = false;
	return count;
}

bool ring_sim_is_ready(struct ring *ring)
{
	const struct ring_sim_state *state = state_of(ring);
	bool stalled = !list_is_empty(&state->stalled) &&
		       state->bufs->receive_used < state->bufs->receive_max &&
		       (!state->starved || state->retry_due);
	return state->woken || stalled || !list_is_empty(&state->ready) || !list_is_empty(&state->finished);
}

/* ---- the other entries of the table ---- */


static void op_begin(struct ring_sim_state *state, struct op *op, enum op_kind kind, int fd)
{
	check(op->done && !op->submitted && !link_is_linked(&op->link));
	op->submitted = true;
	op->cancelled = false;
	op->kind = kind;
	op->fd = fd;
	op->res = 0;
	op->place = AT_WAIT;
	state->outstanding++;
	sim.moved++;
}

static void start_in(struct ring *ring, struct op *op, enum op_kind kind, int fd)
{
	struct ring_sim_state *state = state_of(ring);
	struct slot *slot = slot_of(state, fd);
	struct net_socket *socket = net_socket_of(state->host, fd);
	check(!slot->in);
	op_begin(state, op, kind, fd);
	slot->in = op;
	socket->owner = state;
	socket->changed = socket_changed;
	ready(state, op);
}

static void sim_accept(struct ring *ring, struct op *op, int fd) { start_in(ring, op, OP_ACCEPT, fd); }
static void sim_recv(struct ring *ring, struct op *op, int fd) { start_in(ring, op, OP_RECV, fd); }

static void sim_send(struct ring *ring, struct op *op, int fd, const struct iovec *parts, unsigned count)
{
	struct ring_sim_state *state = state_of(ring);
	struct slot *slot = slot_of(state, fd);
	struct net_socket *socket = net_socket_of(state->host, fd);
	size_t sum = 0;
	check(!slot->out && count > 0 && count <= RING_SEND_PARTS);
	for (unsigned i = 0; i < count; i++) {
		check(parts[i].iov_len > 0);
		sum += parts[i].iov_len;
	}
	op_begin(state, op, OP_SEND, fd);
	slot->out = op;
	op->res = (int32_t)sum;
	op->sent = 0;
	op->parts = parts;
	op->count = count;
	op->first = parts[0];
	socket->owner = state;
	socket->changed = socket_changed;
	ready(state, op);
}

static int sim_bind(struct ring *ring, const struct address *address)
{
	struct ring_sim_state *state = state_of(ring);
	int error;
	struct net_socket *socket = net_bind(state->host, address, true, &error);
	return socket ? socket->fd : error;
}

static void sim_recv_from(struct ring *ring, struct op *op, int fd) { start_in(ring, op, OP_RECV_FROM, fd); }

static void sim_send_to(struct ring *ring, struct op *op, int fd, struct ring_datagram *datagrams,
			unsigned count)
{
	struct ring_sim_state *state = state_of(ring);
	struct slot *slot = slot_of(state, fd);
	struct net_socket *socket = net_socket_of(state->host, fd);
	check(!slot->out && count > 0 && count <= RING_DATAGRAMS);
	op_begin(state, op, OP_SEND_TO, fd);
	slot->out = op;
	op->datagrams = datagrams;
	op->next = op->sent = 0;
	op->left = count;
	socket->owner = state;
	socket->changed = socket_changed;
	ready(state, op);
}

static void sim_connect(struct ring *ring, struct op *op, const struct address *address)
{
	struct ring_sim_state *state = state_of(ring);
	int error;
	struct net_socket *socket = net_connect(state->host, address, true, &error);
	op_begin(state, op, OP_CONNECT, socket ? socket->fd : -1);
	if (!socket) {
		finish_later(state, op, error);
		return;
	}
	check(!slot_of(state, socket->fd)->out);
	slot_of(state, socket->fd)->out = op;
	socket->owner = state;
	socket->changed = socket_changed;
}

static void sim_cancel(struct ring *ring, struct op *op)
{
	struct ring_sim_state *state = state_of(ring);
	check(op->submitted);
	if (op->place == AT_FINISHED || op->cancelled)
		return;
	op->cancelled = true;
	sim.moved++;
	if (op->place != AT_READY) {
		link_remove(&op->link);
		ready(state, op);
	} else if (!link_is_linked(&op->link)) {
		ready(state, op);            /* it is being tried now */
	}
}

static void check_unused(struct ring_sim_state *state, int fd)
{
	struct slot *slot = slot_of(state, fd);
	check(!slot->in && !slot->out);
}

static void sim_shutdown(struct ring *ring, int fd) { net_shutdown(net_socket_of(state_of(ring)->host, fd)); }

static void sim_close(struct ring *ring, int fd, bool abort)
{
	struct ring_sim_state *state = state_of(ring);
	check_unused(state, fd);
	net_close(net_socket_of(state->host, fd), abort);
}

static void sim_forget(struct ring *ring, int fd)
{
	struct ring_sim_state *state = state_of(ring);
	check_unused(state, fd);
	net_socket_of(state->host, fd)->changed = NULL;
}

static void sim_wake(struct ring *ring) { state_of(ring)->woken = true; }

static int sim_listen(struct ring *ring, const struct address *address, int backlog)
{
	struct ring_sim_state *state = state_of(ring);
	int error;
	struct net_socket *socket = net_listen(state->host, address, backlog, true, &error);
	if (!socket)
		return error;
	socket->owner = state;
	return socket->fd;
}

static int sim_option(struct ring *ring, int fd, enum ring_option option, int value)
{
	if (option == RING_USER_TIMEOUT)
		net_socket_of(state_of(ring)->host, fd)->is_link = true;
	return 0;
}

static int sim_peer(struct ring *ring, int fd, struct address *address)
{
	*address = net_socket_of(state_of(ring)->host, fd)->remote;
	return 0;
}

static int sim_local(struct ring *ring, int fd, struct address *address)
{
	*address = net_socket_of(state_of(ring)->host, fd)->local;
	return 0;
}

static int sim_create(struct ring **ring, const struct ring_options *options, char why[RING_WHY_SIZE])
{
	struct ring_sim_state *state = calloc(1, sizeof *state);
	check(state && ring_sim_host);
	state->ring.table = &ring_sim;
	state->host = ring_sim_host;
	state->bufs = options->bufs;
	state->ring.now = options->now;
	*options->now = sim_now();
	list_init(&state->ready);
	list_init(&state->stalled);
	list_init(&state->finished);
	state->next = all_states;
	all_states = state;
	*ring = &state->ring;
	return 0;
}

static void sim_destroy(struct ring *ring) { check(state_of(ring)->outstanding == 0); }

void ring_sim_end(void)
{
	while (all_states) {
		struct ring_sim_state *state = all_states;
		all_states = state->next;
		free(state);
	}
}

const struct ring_table ring_sim = {
    .name = "sim",
    .create = sim_create,
    .destroy = sim_destroy,
    .run = sim_run,
    .listen = sim_listen,
    .accept = sim_accept,
    .connect = sim_connect,
    .recv = sim_recv,
    .send = sim_send,
    .bind = sim_bind,
    .recv_from = sim_recv_from,
    .send_to = sim_send_to,
    .cancel = sim_cancel,
    .shutdown = sim_shutdown,
    .close = sim_close,
    .wake = sim_wake,
    .option = sim_option,
    .peer = sim_peer,
    .local = sim_local,
    .forget = sim_forget,
};
