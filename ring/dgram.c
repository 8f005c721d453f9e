/* ring/dgram.c - see dgram.h. */
#include "ring/dgram.h"

#include <errno.h>

#include "core/acl.h"
#include "core/datagram.h"
#include "ring/names.h"
#include "ring/ring_datagram.h"
#include "ring/stream.h"

/* What is being sent; only while there is any. */
struct batch {
	uint32_t count;
	struct sending *sendings[RING_DATAGRAMS];
	struct ring_datagram datagrams[RING_DATAGRAMS];
};

struct dgram_socket {
	struct dgram dgram;
	struct link worker_link;
	struct worker *worker;
	const struct acl *acl;
	struct address local;
	int fd;
	bool closing;
	struct op recv, send;
	struct batch *batch;
	struct sending *waiting, *waiting_last; /* for the addresses of their names */
	uint32_t waiting_count;
	struct names names;
};

static struct dgram_socket *socket_of(struct dgram *dgram)
{
	return OWNER(dgram, struct dgram_socket, dgram);
}

static void drop(struct dgram_socket *socket, struct sending *sending)
{
	dgram_done(&socket->dgram, &socket->worker->hub, sending, true);
}

/* ---- where to ---- */

/* Can this socket reach it, and may it? */
static bool may_send(const struct dgram_socket *socket, const char *host, const struct address *address)
{
	bool reaches = socket->local.family == ADDRESS_ANY || address->family == socket->local.family;
	return reaches && acl_allows(socket->acl, host, address);
}

/* "[::1]" means what "::1" means. */
static bool literal(struct address *address, const char *host, uint16_t port)
{
	char bare[HOST_SIZE];
	size_t size = strlen(host);
	if (size < 3 || host[0] != '[' || host[size - 1] != ']')
		return address_of_literal(address, host, port);
	text_copy(bare, sizeof bare, (struct slice){(const uint8_t *)host + 1, size - 2});
	return address_of_literal(address, bare, port);
}

/* May it be a name, for a resolver and a log? */
static bool is_name(const char *host)
{
	for (const char *at = host; *at; at++)
		if ((uint8_t)*at <= ' ' || *at == 0x7f || *at == '/')
			return false;
	return host[0];
}

/* OK: the address; MORE: its name is being resolved; else it cannot be sent. */
static enum status find_address(struct dgram_socket *socket, const struct sending *sending,
				struct address *address)
{
	const char *host = sending->text;
	const struct name *name = NULL;
	if (!sending->port || acl_ask_host(socket->acl, host, sending->port) == ACL_DENIED)
		return STATUS_UNREACHABLE;
	if (literal(address, host, sending->port))
		return may_send(socket, host, address) ? STATUS_OK : STATUS_UNREACHABLE;
	if (!is_name(host) || socket->closing)
		return STATUS_UNREACHABLE;
	enum status status = names_find(&socket->names, host, &name);
	if (status != STATUS_OK)
		return status;
	for (uint32_t i = 0; i < name->count; i++) {
		*address = name->addresses[i];
		address->port = sending->port;
		if (may_send(socket, host, address))
			return STATUS_OK;
	}
	return STATUS_UNREACHABLE;
}

/* ---- sending ---- */

static void wait_for_name(struct dgram_socket *socket, struct sending *sending)
{
	if (socket->waiting_count >= NAME_WAITS_MAX) {
		drop(socket, sending);
		return;
	}
	if (socket->waiting_last)
		socket->waiting_last->next = sending;
	else
		socket->waiting = sending;
	socket->waiting_last = sending;
	socket->waiting_count++;
}

static void batch_add(struct dgram_socket *socket, struct sending *sending, const struct address *address)
{
	struct batch *batch = socket->batch;
	struct ring_datagram *datagram = &batch->datagrams[batch->count];
	datagram->to = *address;
	datagram->count = 0;
	if (sending->head_size)
		datagram->parts[datagram->count++] =
		    (struct iovec){sending->text + sending->host_size, sending->head_size};
	if (sending->payload.bytes.size)
		datagram->parts[datagram->count++] =
		    (struct iovec){(void *)sending->payload.bytes.at, sending->payload.bytes.size};
	batch->sendings[batch->count++] = sending;
}

static void place(struct dgram_socket *socket, struct sending *sending)
{
	struct address address;
	switch (find_address(socket, sending, &address)) {
	case STATUS_OK:
		batch_add(socket, sending, &address);
		break;
	case STATUS_MORE:
		wait_for_name(socket, sending);
		break;
	default:
		drop(socket, sending);
	}
}

static void batch_release(struct dgram_socket *socket)
{
	memory_release(&socket->worker->hub.memory, socket->batch, sizeof *socket->batch);
	socket->batch = NULL;
}

static void drop_all(struct dgram_socket *socket)
{
	struct sending *sending;
	while ((sending = dgram_take(&socket->dgram)))
		drop(socket, sending);
}

/* What may go goes into one batch; the rest follows when that has been sent. */
static void flush(struct dgram_socket *socket)
{
	struct sending *sending;
	if (socket->send.submitted || !socket->dgram.first)
		return;
	socket->batch = memory_acquire(&socket->worker->hub.memory, sizeof *socket->batch);
	if (!socket->batch) {
		drop_all(socket);
		return;
	}
	while (socket->batch->count < RING_DATAGRAMS && (sending = dgram_take(&socket->dgram)))
		place(socket, sending);
	if (socket->batch->count)
		ring_send_to(socket->worker->ring, &socket->send, socket->fd, socket->batch->datagrams,
			     socket->batch->count);
	else
		batch_release(socket);
}

void dgram_flush(struct dgram *dgram) { flush(socket_of(dgram)); }

/* Those that wait are handed over again, before what has come since: those of other names wait again. */
static void take_back(struct dgram_socket *socket)
{
	if (!socket->waiting)
		return;
	socket->waiting_last->next = socket->dgram.first;
	if (!socket->dgram.first)
		socket->dgram.last = socket->waiting_last;
	socket->dgram.first = socket->waiting;
	socket->waiting = socket->waiting_last = NULL;
	socket->waiting_count = 0;
}

static void name_answered(struct names *names)
{
	struct dgram_socket *socket = OWNER(names, struct dgram_socket, names);
	take_back(socket);
	flush(socket);
}

/* ---- ends ---- */

/* Both ops are home: it is closed. */
static void join(struct dgram_socket *socket)
{
	struct worker *worker = socket->worker;
	if (!socket->closing || socket->recv.submitted || socket->send.submitted)
		return;
	drop_all(socket);
	hub_count(&worker->hub, COUNTER_datagrams_dropped, ring_overruns(worker->ring, socket->fd));
	link_remove(&socket->dgram.sending_link);
	link_remove(&socket->worker_link);
	ring_close(worker->ring, socket->fd, false);
	memory_release(&worker->hub.memory, socket, sizeof *socket);
}

static void send_done(struct op *op, struct op_result result)
{
	struct dgram_socket *socket = OWNER(op, struct dgram_socket, send);
	struct batch *batch = socket->batch;
	uint32_t sent = result.res > 0 ? (uint32_t)result.res : 0;
	for (uint32_t i = 0; i < batch->count; i++)
		dgram_done(&socket->dgram, &socket->worker->hub, batch->sendings[i], i >= sent);
	hub_count(&socket->worker->hub, COUNTER_datagrams_out, sent);
	batch_release(socket);
	flush(socket);
	join(socket);
}

static void received(struct dgram_socket *socket, const struct received *received)
{
	struct session *session = socket->dgram.session;
	struct piece piece = {NULL, received->payload};
	hub_count(&socket->worker->hub, COUNTER_datagrams_in, 1);
	if (!session || session->state != SESSION_OPEN || !session->wire->datagram) {
		hub_count(&socket->worker->hub, COUNTER_datagrams_dropped, 1);
		return;
	}
	session->heard_at = session->hub->now;
	session->bytes_in += piece.bytes.size;
	session->wire->datagram(session, session->wire_state, &received->from, piece);
}

static void recv_done(struct op *op, struct op_result result)
{
	struct dgram_socket *socket = OWNER(op, struct dgram_socket, recv);
	struct session *session = socket->dgram.session;
	if (result.received)
		received(socket, result.received);
	else if (!result.final)
		hub_count(&socket->worker->hub, COUNTER_datagrams_dropped, 1);
	if (!result.final)
		return;
	if (session)                         /* nobody has cancelled it */
		session_end(session, result.res == -ENOMEM ? REASON_MEMORY : reason_of_errno(result.res),
			    "the datagram socket has failed", false);
	join(socket);
}

void dgram_release(struct session *session)
{
	struct dgram_socket *socket = socket_of(session->dgram);
	struct worker *worker = socket->worker;
	session->dgram = NULL;
	socket->dgram.session = NULL;
	socket->closing = true;
	take_back(socket);
	names_fini(&socket->names);
	flush(socket);
	if (socket->recv.submitted)
		ring_cancel(worker->ring, &socket->recv);
	join(socket);
}

void dgram_cancel_all(struct worker *worker)
{
	for (struct link *link = worker->dgrams.next; link != &worker->dgrams; link = link->next) {
		struct dgram_socket *socket = OWNER(link, struct dgram_socket, worker_link);
		if (!socket->closing)
			continue;
		drop_all(socket);
		if (socket->send.submitted)
			ring_cancel(worker->ring, &socket->send);
	}
}

/* ---- beginnings ---- */

/* 0 or -errno. A user that has come over a unix socket is on this machine. */
static int find_place(struct worker *worker, const struct binding *binding, struct address *address)
{
	*address = (struct address){.family = ADDRESS_ANY};
	if (!binding->beside)
		return 0;
	struct stream *stream = binding->session->stream;
	int error = stream ? ring_local(worker->ring, stream->fd, address) : -ENOTCONN;
	if (!error && address->family == ADDRESS_UNIX)
		*address = (struct address){.family = ADDRESS_IPV4, .bytes = {127, 0, 0, 1}};
	address->port = 0;
	return error;
}

static int dgram_open(struct worker *worker, const struct binding *binding, struct address *local)
{
	struct address address;
	int error = find_place(worker, binding, &address);
	int fd = error ? error : ring_bind(worker->ring, &address);
	if (fd < 0)
		return fd;
	struct dgram_socket *socket = memory_acquire(&worker->hub.memory, sizeof *socket);
	if (!socket) {
		ring_close(worker->ring, fd, false);
		return -ENOMEM;
	}
	ring_local(worker->ring, fd, local);
	*socket = (struct dgram_socket){.dgram.session = binding->session, .worker = worker,
					.acl = binding->acl, .fd = fd, .local = *local,
					.recv.done = recv_done, .send.done = send_done};
	bool dual = address.family == ADDRESS_ANY && local->family == ADDRESS_IPV6;
	if (dual)
		socket->local.family = ADDRESS_ANY;
	names_init(&socket->names, worker, name_answered);
	list_push(&worker->dgrams, &socket->worker_link);
	binding->session->dgram = &socket->dgram;
	ring_recv_from(worker->ring, &socket->recv, fd);
	return 0;
}

void dgram_bind(struct worker *worker, struct binding *binding)
{
	struct session *session = binding->session;
	struct address local = {0};
	int error = session ? dgram_open(worker, binding, &local) : 0;
	bool beside = binding->beside;
	memory_release(&worker->hub.memory, binding, sizeof *binding);
	if (!session)
		return;
	session->binding = NULL;
	if (!error && !beside)
		session_open(session);
	if (session->state <= SESSION_OPEN && session->wire->bound)
		session->wire->bound(session, session->wire_state, &local, error);
	if (error && session->state == SESSION_STARTING)
		session_end(session, error == -ENOMEM ? REASON_MEMORY : reason_of_errno(error),
			    "no datagram socket", false);
}
