/* ring/worker.c - the loop of one worker; see worker.h. */
#include "ring/worker.h"

#include <malloc.h>

#include "core/datagram.h"
#include "core/log.h"
#include "ring/dgram.h"
#include "ring/dialer.h"
#include "ring/ferry.h"
#include "ring/inquiry.h"
#include "ring/listener.h"
#include "ring/process.h"
#include "ring/stream.h"
#include "tls/tls.h"

enum { ROUNDS_MAX = 8, RING_ENTRIES = 1024, TRIM_S = 5, STARVED_MS = 10, FREED_MIN = 256 * 1024 };

static void housekeeping(struct timer *timer);

void worker_init(struct worker *worker, struct process *process, uint32_t index, struct instant now)
{
	*worker = (struct worker){.process = process, .housekeeping = {.expired = housekeeping}};
	hub_init(&worker->hub, index, process->worker_count, &process->limits, now);
	worker->hub.random ^= process->seed * 0x9e3779b97f4a7c15u;
	worker->hub.secret_bytes = process->secret_bytes;
	worker->hub.usage = process->usage;
	worker->hub.access = process->access;
	if (process->batching.max.ns)
		worker->hub.batching = process->batching;
	list_init(&worker->streams);
	list_init(&worker->listeners);
	list_init(&worker->dialings);
	list_init(&worker->dgrams);
	list_init(&worker->gone);
}

bool worker_start(struct worker *worker, char why[RING_WHY_SIZE])
{
	struct process *process = worker->process;
	struct hub *hub = &worker->hub;
	struct ring_options options = {.bufs = &hub->bufs, .entries = RING_ENTRIES, .now = &hub->now};
	if (process->engine->create(&worker->ring, &options, why) < 0)
		return false;
	for (uint32_t i = 0; i < process->worker_count; i++) {
		if (!worker->ferries || !worker->ferries[i])
			continue;
		if (!ferry_board(worker->ferries[i], &worker->hub, i > worker->hub.index)) {
			text_copy(why, RING_WHY_SIZE, slice_of("out of memory"));
			return false;
		}
		worker->hub.ferries[i] = worker->ferries[i]->session;
	}
	process->populate(process, &worker->hub);
	for (uint32_t i = 0; i < worker->hub.service_count; i++)
		if (worker->hub.services[i]->table->start)
			worker->hub.services[i]->table->start(worker->hub.services[i]);
	timer_arm(&worker->hub.wheel, &worker->housekeeping,
		  instant_after(worker->hub.now, DURATION_S(TRIM_S)));
	return true;
}

struct tls_endpoint *worker_endpoint(struct worker *worker, const struct tls_settings *settings)
{
	for (uint32_t i = 0; i < worker->endpoint_count; i++)
		if (worker->endpoints[i].settings == settings)
			return worker->endpoints[i].endpoint;
	char why[TLS_TEXT_SIZE] = "too many TLS settings";
	struct tls_endpoint *endpoint =
	    worker->endpoint_count < ENDPOINTS_MAX ? tls_endpoint_create(settings, why) : NULL;
	if (!endpoint) {
		log_error("no TLS endpoint", TEXT("reason", why));
		return NULL;
	}
	worker->endpoints[worker->endpoint_count].settings = settings;
	worker->endpoints[worker->endpoint_count++].endpoint = endpoint;
	return endpoint;
}

/* ---- memory ---- */

void worker_starves(struct worker *worker)
{
	if (worker->starving)
		return;
	worker->starving = true;
	timer_arm(&worker->hub.wheel, &worker->housekeeping,
		  instant_after(worker->hub.now, DURATION_MS(STARVED_MS)));
}

/* What a burst took goes back to the system: free lists to the allocator, its free pages to the kernel. The
 * latter looks at the whole heap, so it waits until it is worth while. */
static void rest(struct worker *worker)
{
	struct hub *hub = &worker->hub;
	bufpool_rest(&hub->bufs);
	memory_rest(&hub->memory);
	ring_rest(worker->ring);
	if (budget_fell(&hub->budget, FREED_MIN))
		malloc_trim(0);
}

static void housekeeping(struct timer *timer)
{
	struct worker *worker = OWNER(timer, struct worker, housekeeping);
	struct hub *hub = &worker->hub;
	bool starved = worker->starving;
	worker->starving = false;
	timer_arm(&hub->wheel, timer, instant_after(hub->now, DURATION_S(TRIM_S)));
	if (!starved) {
		rest(worker);
		return;
	}
	for (struct link *link = hub->sessions.next; link != &hub->sessions; link = link->next)
		session_touch(OWNER(link, struct session, hub_link));
	for (struct link *link = worker->streams.next, *next; link != &worker->streams; link = next) {
		next = link->next;               /* it may end by that, and leave the list */
		stream_process(OWNER(link, struct stream, worker_link));
	}
}

/* ---- what arrived ---- */

static void take_mails(struct worker *worker)
{
	struct mail *mail = mailbox_take(&worker->mailbox);
	while (mail) {
		struct mail *next = mail->next;
		mail->next = NULL;
		hub_count(&worker->hub, COUNTER_mails, 1);
		mail->deliver(&worker->hub, mail);
		mail = next;
	}
}

static void take_move(struct worker *worker, struct move *move)
{
	if (move->session && move->session->stream)
		stream_move(move->session->stream, move);
	else
		memory_release(&worker->hub.memory, move, sizeof *move);
}

static void take_requests(struct worker *worker)
{
	struct link *link;
	while ((link = list_pull(&worker->hub.requests)) != NULL) {
		struct request *request = OWNER(link, struct request, link);
		switch (request->kind) {
		case REQUEST_DIAL:
			dialer_start(worker, OWNER(request, struct dial, request));
			break;
		case REQUEST_UNDIAL:
			dialer_cancel(worker, OWNER(request, struct dial, request));
			break;
		case REQUEST_LISTEN:
			listener_open(worker, OWNER(request, struct listening, request));
			break;
		case REQUEST_UNLISTEN:
			listener_close(worker, OWNER(request, struct listening, request));
			break;
		case REQUEST_MOVE:
			take_move(worker, OWNER(request, struct move, request));
			break;
		case REQUEST_BIND:
			dgram_bind(worker, OWNER(request, struct binding, request));
			break;
		case REQUEST_RESOLVE:
			inquiry_start(worker, OWNER(request, struct inquiry, request));
			break;
		}
	}
}

static void feed_ferries(struct worker *worker)
{
	uint64_t refused = worker->hub.bufs.refused;
	for (uint32_t i = 0; worker->ferries && i < worker->process->worker_count; i++)
		if (worker->ferries[i] && worker->ferries[i]->session)
			ferry_feed(worker->ferries[i]);
	if (worker->hub.bufs.refused != refused)
		worker_starves(worker);          /* a slot waits for a loan */
}

/* ---- what leaves ---- */

static void post_mails(struct worker *worker)
{
	struct mail *mail = worker->hub.outgoing;
	worker->hub.outgoing = worker->hub.outgoing_last = NULL;
	while (mail) {
		struct mail *next = mail->next;
		mail->next = NULL;
		process_post(worker->process, mail);
		mail = next;
	}
}

/* Borrowed buffers that nobody holds any more go home over the ferry that they came by. */
static void return_loans(struct worker *worker)
{
	struct buf *loan = worker->hub.bufs.returns;
	worker->hub.bufs.returns = NULL;
	while (loan) {
		struct buf *next = loan->next;
		struct hub *home = OWNER(loan->parent->home, struct hub, bufs);
		ferry_return(worker->ferries[home->index], loan);
		loan = next;
	}
}

static void wake_ferries(struct worker *worker)
{
	for (uint32_t i = 0; worker->ferries && i < worker->process->worker_count; i++) {
		struct ferry_end *end = worker->ferries[i];
		if (!end || !(end->said || end->made_room))
			continue;
		end->said = end->made_room = false;
		ring_wake(worker->process->workers[end->peer].ring);
	}
}

static void pump(struct worker *worker, struct session *session)
{
	if (session->burden)                     /* also when there is no room to send: then it counts most */
		burden_show_bytes(session->burden, session->queued_bytes);
	if (session->stream) {
		stream_pump(session->stream);
		return;
	}
	if (!session->ferry && !session->dgram && !session->dial)
		return;
	writer_init(&worker->writer, session, &worker->hub.bufs, SIZE_MAX);
	session_pump(session, &worker->writer);
	if (worker->writer.starved)
		worker_starves(worker);
	writer_fini(&worker->writer);
	if (session->state == SESSION_FLUSH && !session->ferry && !session_has_output(session))
		session_end(session, session->why, NULL, false);
	session_feed(session);                   /* refusals that have left make room to hear more */
}

static void bury(struct worker *worker, struct session *session)
{
	if (session->ferry) {
		worker->hub.ferries[session->ferry->peer] = NULL;
		session->ferry->session = NULL;
	} else if (session->stream)
		stream_release(session->stream);
	if (session->dgram)
		dgram_release(session);
	session_destroy(session);
}

/* One round over the lists; what it leaves on them is for the next. */
static bool round_once(struct worker *worker)
{
	struct hub *hub = &worker->hub;
	struct link *link, batch;
	bool busy = false;
	take_requests(worker);
	while ((link = list_pull(&hub->delivered)) != NULL) {
		struct session *session = OWNER(link, struct session, delivered_link);
		busy = true;
		session_answer(session);
		if (session->stream)
			stream_feed(session->stream);
	}
	list_init(&batch);
	list_join(&batch, &hub->readable);
	while ((link = list_pull(&batch)) != NULL) {
		struct session *session = OWNER(link, struct session, readable_link);
		busy = true;
		if (session->stream)
			stream_feed(session->stream);
		else
			session_feed(session);
	}
	list_join(&batch, &hub->writable);
	while ((link = list_pull(&batch)) != NULL) {
		busy = true;
		pump(worker, OWNER(link, struct session, writable_link));
	}
	while ((link = list_pull(&hub->sending)) != NULL) {
		busy = true;
		dgram_flush(OWNER(link, struct dgram, sending_link));
	}
	while ((link = list_pull(&hub->ended)) != NULL) {
		busy = true;
		bury(worker, OWNER(link, struct session, ended_link));
	}
	return busy || !list_is_empty(&hub->requests);
}

static bool has_work(const struct worker *worker)
{
	const struct hub *hub = &worker->hub;
	return !(list_is_empty(&hub->delivered) && list_is_empty(&hub->readable) &&
		 list_is_empty(&hub->writable) && list_is_empty(&hub->ended) &&
		 list_is_empty(&hub->sending) && list_is_empty(&hub->requests) && !hub->outgoing);
}

/* ---- stopping ---- */

static bool is_let_go(const struct worker *worker)
{
	return list_is_empty(&worker->hub.sessions) && list_is_empty(&worker->streams) &&
	       list_is_empty(&worker->gone) && list_is_empty(&worker->listeners) &&
	       list_is_empty(&worker->dialings) && list_is_empty(&worker->dgrams) &&
	       list_is_empty(&worker->hub.requests);
}

static void end_everything(struct worker *worker)
{
	struct hub *hub = &worker->hub;
	listener_close_all(worker);
	dialer_cancel_all(worker);
	dgram_cancel_all(worker);
	for (struct link *link = hub->sessions.next, *next; link != &hub->sessions; link = next) {
		next = link->next;
		session_end(OWNER(link, struct session, hub_link), REASON_STOPPING, NULL, false);
	}
	for (struct link *link = worker->streams.next, *next; link != &worker->streams; link = next) {
		struct stream *stream = OWNER(link, struct stream, worker_link);
		next = link->next;
		if (!stream->session && stream->state != STREAM_CLOSING)
			stream_terminate(stream, true);
	}
}

void worker_stop(struct worker *worker)
{
	worker->stopping = true;
	for (struct link *link = worker->streams.next; link != &worker->streams; link = link->next) {
		struct stream *stream = OWNER(link, struct stream, worker_link);
		if (stream->state == STREAM_CLOSING && stream->lingers)
			stream_linger(stream);
	}
}

void worker_drain(struct worker *worker)
{
	struct hub *hub = &worker->hub;
	if (hub->draining)
		return;
	hub->draining = true;
	for (uint32_t i = 0; i < hub->service_count; i++)
		if (hub->services[i]->table->drain)
			hub->services[i]->table->drain(hub->services[i]);
}

static void worker_stopped(struct worker *worker)
{
	struct hub *hub = &worker->hub;
	for (uint32_t i = 0; i < hub->service_count; i++)
		hub->services[i]->table->destroy(hub->services[i]);
	hub->service_count = 0;
	timer_disarm(&worker->housekeeping);
	for (uint32_t i = 0; i < worker->endpoint_count; i++)
		tls_endpoint_destroy(worker->endpoints[i].endpoint);
	worker->endpoint_count = 0;
	worker->stopped = true;
}

/* ---- the turn ---- */

static void free_gone(struct worker *worker)
{
	struct link *link;
	while ((link = list_pull(&worker->gone)) != NULL)
		stream_destroy(OWNER(link, struct stream, worker_link));
}

/* Users whose pair is gone and whose last bytes are still on their way: a drain waits for them too. */
static uint32_t flushing(const struct worker *worker)
{
	uint32_t count = 0;
	for (const struct link *link = worker->streams.next; link != &worker->streams; link = link->next) {
		const struct stream *stream = OWNER(link, struct stream, worker_link);
		bool is_link = stream->session && !(stream->session->traits & TRAIT_CONN);
		count += !is_link && !stream_out_is_empty(stream);
	}
	return count;
}

bool worker_turn(struct worker *worker, struct instant deadline)
{
	struct hub *hub = &worker->hub;
	struct instant until = has_work(worker) ? hub->now : instant_min(deadline, wheel_next(&hub->wheel));
	ring_run(worker->ring, until);
	hub_count(hub, COUNTER_turns, 1);
	hub_count(hub, COUNTER_bytes_copied, hub->bufs.bytes_copied - hub->counters[COUNTER_bytes_copied]);
	wheel_expire(&hub->wheel, hub->now);
	take_mails(worker);
	if (worker->stopping)
		end_everything(worker);
	feed_ferries(worker);
	for (int round = 0; round < ROUNDS_MAX && round_once(worker); round++)
		;
	post_mails(worker);
	if (hub->bufs.returns)
		return_loans(worker);
	wake_ferries(worker);
	free_gone(worker);
	worker_show_load(worker);
	atomic_store_explicit(&worker->busy, hub->pair_count + (hub->draining ? flushing(worker) : 0),
			      memory_order_relaxed);
	if (!worker->stopping || !is_let_go(worker))
		return true;
	if (!worker->stopped)
		worker_stopped(worker);
	return false;
}

void worker_fini(struct worker *worker)
{
	take_mails(worker); /* what was under way is let go by its deliver function: `stopping` is set */
	post_mails(worker);
	return_loans(worker);
	ring_destroy(worker->ring);
}
