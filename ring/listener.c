/* ring/listener.c - accepting; see listener.h. */
#include "ring/listener.h"

#include <errno.h>

#include "core/log.h"
#include "ring/process.h"

enum { BACKLOG = 1024, REST_MS = 50 };

static void accept_arm(struct listener *listener)
{
	ring_accept(listener->worker->ring, &listener->accept, listener->fd);
}

static void listener_rested(struct timer *timer)
{
	accept_arm(OWNER(timer, struct listener, rest));
}

/* ---- placing ---- */

struct placement {
	struct mail mail;
	int fd;
	struct address peer;
	struct welcome welcome;
};

static void placed(struct hub *to, struct mail *mail)
{
	struct placement *placement = OWNER(mail, struct placement, mail);
	struct worker *worker = worker_of(to);
	if (worker->stopping) {
		if (placement->welcome.guarded && !welcome_trusts(&placement->welcome, &placement->peer))
			sources_leave(worker->process->sources, &placement->peer);
		ring_close(worker->ring, placement->fd, true);
	} else {
		stream_accept(worker, placement->fd, &placement->peer, &placement->welcome);
	}
	worker_show_load(worker);                /* before it stops to count as arriving */
	atomic_fetch_sub_explicit(&worker->arriving, 1, memory_order_relaxed);
	mail_free(mail);
}

static void place(struct listener *listener, int fd, const struct address *peer)
{
	struct worker *worker = listener->worker;
	uint32_t to = listener->spread ? process_least_loaded(worker->process) : worker->hub.index;
	struct placement *placement = to == worker->hub.index ? NULL : mail_create(sizeof *placement);
	if (!placement) {
		stream_accept(worker, fd, peer, &listener->welcome);
		worker_show_load(worker);        /* links of one client come together: the next one is now */
		return;
	}
	*placement = (struct placement){.mail = {.deliver = placed, .to = to},
					.fd = fd,
					.peer = *peer,
					.welcome = listener->welcome};
	atomic_fetch_add_explicit(&worker->process->workers[to].arriving, 1, memory_order_relaxed);
	ring_forget(worker->ring, fd);
	hub_post(&worker->hub, &placement->mail);
}

/* ---- accepting ---- */

static void refuse(struct listener *listener, int fd, const struct address *peer, const char *why)
{
	struct worker *worker = listener->worker;
	char text[ADDRESS_TEXT_SIZE];
	hub_count(&worker->hub, COUNTER_connections_refused_source, 1);
	if (hub_may_log(&worker->hub))
		log_warn("connection refused", TEXT("peer", address_format(peer, text)), TEXT("reason", why));
	ring_close(worker->ring, fd, true);
}

static void accepted(struct listener *listener, int fd)
{
	struct worker *worker = listener->worker;
	struct hub *hub = &worker->hub;
	const struct welcome *welcome = &listener->welcome;
	struct address peer = {0};
	hub_count(hub, COUNTER_connections_accepted, 1);
	if (listener->closing || worker->stopping) {
		ring_close(worker->ring, fd, true);
		return;
	}
	ring_peer(worker->ring, fd, &peer);      /* once: of a connection that was reset it is not known */
	if (welcome_trusts(welcome, &peer)) {
		place(listener, fd, &peer);      /* it is judged by what it says */
		return;
	}
	if (!welcome_lets_in(welcome, &peer)) {
		refuse(listener, fd, &peer, "its address is not allowed here (gateway.sources)");
		return;
	}
	if (welcome->guarded &&
	    !sources_enter(worker->process->sources, &peer, hub->limits->connections_per_source)) {
		refuse(listener, fd, &peer, "limits.connections_per_source is reached");
		return;
	}
	place(listener, fd, &peer);
}

static void listener_join(struct listener *listener)
{
	struct worker *worker = listener->worker;
	if (!listener->closing || listener->accept.submitted)
		return;
	if (listener->fd >= 0)
		ring_close(worker->ring, listener->fd, false);
	own_remove(worker->process->own, &listener->address);
	timer_disarm(&listener->rest);
	link_remove(&listener->worker_link);
	struct listening *listening = listener->listening;
	memory_release(&worker->hub.memory, listener, sizeof *listener);
	if (!listening)
		return;
	listening->listener = NULL;
	listening->asked = false;
	listening->closed(listening);
}

/* Said once a second, however often it happens. */
static void cannot_accept(struct listener *listener, int error)
{
	struct hub *hub = &listener->worker->hub;
	hub_count(hub, COUNTER_connections_shed, 1);
	listener->shed++;
	if (instant_before(hub->now, instant_after(listener->shed_logged_at, DURATION_S(1))))
		return;
	bool full = error == -EMFILE || error == -ENFILE;
	log_error("cannot accept", TEXT("reason", full ? "out of descriptors: raise the limit (ulimit -n)"
						       : reason_text(reason_of_errno(error))),
		  NUMBER("connections_shed", listener->shed));
	listener->shed_logged_at = hub->now;
	listener->shed = 0;
}

/* Re-enters itself: armed once, delivers until its final completion; armed again at once, or after a rest
 * when there are no descriptors. */
static void accept_done(struct op *op, struct op_result result)
{
	struct listener *listener = OWNER(op, struct listener, accept);
	struct worker *worker = listener->worker;
	if (result.res >= 0)
		accepted(listener, result.res);
	else if (result.res != -ECANCELED)
		cannot_accept(listener, result.res);
	if (!result.final)
		return;
	if (listener->closing)
		listener_join(listener);
	else if (result.res >= 0)
		accept_arm(listener);
	else
		timer_arm(&worker->hub.wheel, &listener->rest,
			  instant_after(worker->hub.now, DURATION_MS(REST_MS)));
}

/* ---- opening and closing ---- */

void listener_open(struct worker *worker, struct listening *listening)
{
	struct listener *listener = memory_acquire(&worker->hub.memory, sizeof *listener);
	int fd = listener ? ring_listen(worker->ring, &listening->address, BACKLOG) : -ENOMEM;
	if (fd < 0) {
		memory_release(&worker->hub.memory, listener, sizeof *listener);
		listening->asked = false;
		listening->opened(listening, fd);
		return;
	}
	struct address local;
	if (listening->address.port == 0 && ring_local(worker->ring, fd, &local) == 0)
		listening->address.port = local.port;
	if (!own_add(worker->process->own, &listening->address)) {
		ring_close(worker->ring, fd, false);
		memory_release(&worker->hub.memory, listener, sizeof *listener);
		listening->asked = false;
		listening->opened(listening, -ENOMEM);
		return;
	}
	*listener = (struct listener){
	    .worker = worker,
	    .listening = listening,
	    .fd = fd,
	    .address = listening->address,
	    .spread = listening->spread,
	    .accept = {.done = accept_done},
	    .rest = {.expired = listener_rested},
	    .welcome = {.detector = listening->detector,
			.tls = listening->tls,
			.wire = listening->wire,
			.carrier = listening->carrier,
			.role = listening->role,
			.service = listening->service->index,
			.guarded = listening->guarded,
			.target = listening->target,
			.tag = listening->tag,
			.voucher = listening->voucher,
			.sources = listening->sources},
	};
	list_push(&worker->listeners, &listener->worker_link);
	listening->listener = listener;
	accept_arm(listener);
	listening->opened(listening, 0);
}

static void listener_end(struct listener *listener)
{
	if (listener->closing)
		return;
	listener->closing = true;
	if (listener->accept.submitted)
		ring_cancel(listener->worker->ring, &listener->accept);
	listener_join(listener);
}

void listener_close(struct worker *worker, struct listening *listening)
{
	if (listening->listener) {
		listener_end(listening->listener);
		return;
	}
	listening->asked = false;
	listening->closed(listening);
}

void listener_close_all(struct worker *worker)
{
	struct link *link = worker->listeners.next, *next;
	for (; link != &worker->listeners; link = next) {
		next = link->next;
		listener_end(OWNER(link, struct listener, worker_link));
	}
}
