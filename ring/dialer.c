/* ring/dialer.c - see dialer.h. */
#include "ring/dialer.h"

#include <errno.h>

#include "core/acl.h"
#include "core/log.h"
#include "core/config_linksocks.h"
#include "ring/introduction.h"
#include "ring/process.h"
#include "ring/stream.h"

enum { ATTEMPT_MS_MIN = 2000 };

struct dialing {
	struct link worker_link;
	struct worker *worker;
	struct dial *dial;              /* NULL: cancelled */
	struct op connect;
	struct timer timer;             /* this attempt, or all */
	struct instant deadline;
	uint64_t serial; /* tells an answer of the resolver from one to a dialing that is gone */
	bool resolving;
	bool timed_out;                 /* the attempt was cancelled by its timer */
	uint32_t count, next;
	struct address addresses[RESOLVE_ADDRESSES_MAX];
	struct introduction *introduction; /* to a proxy; NULL: none */
	enum reason why;                /* of the last attempt */
};

/* ---- ends ---- */

static void dialing_destroy(struct dialing *dialing)
{
	struct worker *worker = dialing->worker;
	timer_disarm(&dialing->timer);
	link_remove(&dialing->worker_link);
	if (dialing->dial) {
		dialing->dial->worker_state = NULL;
		link_remove(&dialing->dial->request.link);
		memory_release(&worker->hub.memory, dialing->dial, sizeof *dialing->dial);
	}
	memory_release(&worker->hub.memory, dialing, sizeof *dialing);
}

static void dialing_end(struct dialing *dialing, enum reason reason, const char *text)
{
	struct session *session = dialing->dial->session;
	hub_count(&dialing->worker->hub, COUNTER_dials_failed, 1);
	if (session) {
		dialing->dial->session = NULL;
		session->dial = NULL;
		session_end(session, reason, text, false);
	}
	dialing_destroy(dialing);
}

/* Whose name is looked up: that of a proxy, where there is one. */
static const char *where(const struct dial *dial) { return dial->via ? dial->via->at.host : dial->host; }
static uint16_t where_port(const struct dial *dial) { return dial->via ? dial->via->at.port : dial->port; }

static void dialing_fail_with(struct dialing *dialing, enum reason reason, const char *words)
{
	const struct dial *dial = dialing->dial;
	const char *const parts[] = {dial->via ? "proxy " : "", where(dial), ": ", words};
	char text[HOST_SIZE + DIALOGUE_TEXT_SIZE];
	size_t used = 0;
	for (size_t i = 0; i < COUNT_OF(parts); i++) {
		text_copy(text + used, sizeof text - used, slice_of(parts[i]));
		used += strlen(text + used);
	}
	dialing_end(dialing, reason, text);
}

static void dialing_fail(struct dialing *dialing, enum reason reason)
{
	dialing_fail_with(dialing, reason, reason_text(reason));
}

/* Whoever asked hears which keys decide. */
static void dialing_forbid(struct dialing *dialing)
{
	struct session *session = dialing->dial->session;
	struct channel *channel = session->traits & TRAIT_CONN ? session_only_channel(session) : NULL;
	char text[ACL_TEXT_SIZE];
	acl_refusal(text, dialing->dial->host);
	if (hub_may_log(session->hub))
		acl_log_refusal(dialing->dial->host, dialing->dial->port);
	if (channel)
		session_deliver(session, &(struct event){.kind = EVENT_OPENED,
							 .channel = channel,
							 .reason = REASON_FORBIDDEN,
							 .text = slice_of(text)});
	dialing_end(dialing, REASON_FORBIDDEN, text);
}

/* ---- connecting ---- */

/* `ahead` (NULL: nothing) has come already. */
static void dialing_connected(struct dialing *dialing, int fd, struct bufqueue *ahead)
{
	struct worker *worker = dialing->worker;
	struct dial *dial = dialing->dial;
	struct session *session = dial->session;
	struct tls *tls = NULL;
	if (dial->tls) {
		struct tls_endpoint *endpoint = worker_endpoint(worker, dial->tls);
		tls = endpoint ? tls_create(endpoint, &worker->hub.bufs,
					    dial->tls_name[0] ? dial->tls_name : dial->host)
			       : NULL;
	}
	session->dial = NULL;
	dial->session = NULL;
	bool made = (tls || !dial->tls) && stream_dialled(worker, fd, session, tls, ahead, dialing->deadline);
	if (!made) {
		if (tls)
			tls_destroy(tls);
		ring_close(worker->ring, fd, true);
		session_end(session, REASON_MEMORY, NULL, false);
	}
	dialing_destroy(dialing);
}

static void dialing_next(struct dialing *dialing)
{
	struct hub *hub = &dialing->worker->hub;
	struct duration left = instant_since(dialing->deadline, hub->now);
	if (left.ns <= 0)
		dialing->why = REASON_TIMEOUT;
	if (dialing->next == dialing->count || left.ns <= 0) {
		dialing_fail(dialing, dialing->why ? dialing->why : REASON_UNREACHABLE);
		return;
	}
	uint32_t others = dialing->count - dialing->next - 1;
	struct duration share = {left.ns / (others + 1)};
	if (others && duration_ms(share) < ATTEMPT_MS_MIN && duration_ms(left) > ATTEMPT_MS_MIN)
		share = DURATION_MS(ATTEMPT_MS_MIN);
	dialing->timed_out = false;
	timer_arm(&hub->wheel, &dialing->timer, instant_after(hub->now, share));
	ring_connect(dialing->worker->ring, &dialing->connect, &dialing->addresses[dialing->next++]);
}

/* The proxy has agreed or refused, or the dial was called off. */
static void introduced(struct introduction *introduction, void *state)
{
	struct dialing *dialing = state;
	struct worker *worker = dialing->worker;
	int fd = introduction->fd;
	bool wanted = dialing->dial && dialing->dial->session;
	enum reason reason = introduction->reason;
	if (reason == REASON_AUTH)
		reason = REASON_FORBIDDEN;       /* it is not the peer that refuses a login */
	timer_disarm(&dialing->timer);
	dialing->introduction = NULL;
	if (wanted && introduction->reason == REASON_OK) {
		dialing_connected(dialing, fd, &introduction->ahead);
	} else {
		ring_close(worker->ring, fd, true);
		if (wanted)
			dialing_fail_with(dialing, reason, introduction->text);
		else
			dialing_destroy(dialing);
	}
	introduction_destroy(introduction);
}

static void dialing_introduce(struct dialing *dialing, int fd)
{
	struct worker *worker = dialing->worker;
	dialing->introduction = introduction_create(worker, dialing->dial, fd, introduced, dialing);
	if (!dialing->introduction) {
		ring_close(worker->ring, fd, true);
		dialing_fail(dialing, REASON_MEMORY);
		return;
	}
	timer_arm(&worker->hub.wheel, &dialing->timer, dialing->deadline);
}

/* Is it one of our own listeners, named by somebody else? */
static bool is_own(const struct worker *worker, const struct dial *dial, const struct address *address)
{
	const struct process *process = worker->process;
	return dial->acl && own_has(process->own, address, process->is_here);
}

/* Goes on with those of its addresses that may be reached. A proxy is not what the rules are about. */
static void dialing_try(struct dialing *dialing)
{
	const struct dial *dial = dialing->dial;
	uint32_t allowed = dial->via ? dialing->count : 0;
	for (uint32_t i = allowed; i < dialing->count; i++)
		if (acl_allows(dial->acl, dial->host, &dialing->addresses[i]) &&
		    !is_own(dialing->worker, dial, &dialing->addresses[i]))
			dialing->addresses[allowed++] = dialing->addresses[i];
	bool forbidden = dialing->count && !allowed;
	dialing->count = allowed;
	if (forbidden)
		dialing_forbid(dialing);
	else
		dialing_next(dialing);
}

static void connect_done(struct op *op, struct op_result result)
{
	struct dialing *dialing = OWNER(op, struct dialing, connect);
	timer_disarm(&dialing->timer);
	if (!dialing->dial || !dialing->dial->session) {
		if (result.res >= 0)
			ring_close(dialing->worker->ring, result.res, true);
		dialing_destroy(dialing);
	} else if (result.res >= 0 && dialing->dial->via) {
		dialing_introduce(dialing, result.res);
	} else if (result.res >= 0) {
		dialing_connected(dialing, result.res, NULL);
	} else {
		dialing->why = dialing->timed_out ? REASON_TIMEOUT : reason_of_errno(result.res);
		dialing_next(dialing);
	}
}

static void dialing_expired(struct timer *timer)
{
	struct dialing *dialing = OWNER(timer, struct dialing, timer);
	if (dialing->connect.submitted) {
		dialing->timed_out = true;
		ring_cancel(dialing->worker->ring, &dialing->connect);
	} else if (dialing->introduction) {
		introduction_cancel(dialing->introduction, REASON_TIMEOUT);
	} else if (!dialing->resolving) {
		dialing_next(dialing);
	}
}

/* ---- resolving ---- */

struct dial_question {
	struct resolve_job job;
	uint64_t serial;
};

static struct dialing *dialing_find(struct worker *worker, uint64_t serial)
{
	for (struct link *link = worker->dialings.next; link != &worker->dialings; link = link->next) {
		struct dialing *dialing = OWNER(link, struct dialing, worker_link);
		if (dialing->serial == serial)
			return dialing;
	}
	return NULL;
}

static void resolved(struct hub *to, struct mail *mail)
{
	struct dial_question *question = OWNER(mail, struct dial_question, job.mail);
	struct dialing *dialing = dialing_find(worker_of(to), question->serial);
	if (dialing) {
		dialing->resolving = false;
		dialing->count = question->job.count;
		memcpy(dialing->addresses, question->job.addresses, sizeof dialing->addresses);
		dialing->why = question->job.reason;
		if (!dialing->dial || !dialing->dial->session)
			dialing_destroy(dialing);
		else if (dialing->why != REASON_OK)
			dialing_fail(dialing, dialing->why);
		else
			dialing_try(dialing);
	}
	mail_free(mail);
}

static void dialing_resolve(struct dialing *dialing)
{
	struct worker *worker = dialing->worker;
	struct dial_question *question = mail_create(sizeof *question);
	if (!question) {
		dialing_fail(dialing, REASON_MEMORY);
		return;
	}
	question->serial = dialing->serial;
	question->job.mail.deliver = resolved;
	question->job.mail.to = worker->hub.index;
	question->job.port = where_port(dialing->dial);
	question->job.timeout = dialing->dial->timeout;
	text_copy(question->job.host, sizeof question->job.host, slice_of(where(dialing->dial)));
	dialing->resolving = true;
	worker->process->resolve(worker->process, &question->job);
}

/* ---- requests ---- */

static bool is_permitted(const struct worker *worker, const struct dial *dial)
{
	struct address literal;
	if (dial->via && address_of_literal(&literal, dial->host, dial->port) &&
	    is_own(worker, dial, &literal))
		return false;            /* the proxy may be on this machine */
	if (dial->via)
		return acl_allows_host(dial->acl, dial->host, dial->port);
	return acl_ask_host(dial->acl, dial->host, dial->port) != ACL_DENIED;
}

void dialer_start(struct worker *worker, struct dial *dial)
{
	struct dialing *dialing = dial->session ? memory_acquire(&worker->hub.memory, sizeof *dialing) : NULL;
	if (!dialing) {
		struct session *session = dial->session;
		if (session) {
			session->dial = NULL;
			session_end(session, REASON_MEMORY, NULL, false);
		}
		memory_release(&worker->hub.memory, dial, sizeof *dial);
		return;
	}
	*dialing = (struct dialing){.worker = worker,
				    .dial = dial,
				    .connect = {.done = connect_done},
				    .timer = {.expired = dialing_expired},
				    .deadline = instant_after(worker->hub.now, dial->timeout),
				    .serial = ++worker->dial_serial};
	dial->worker_state = dialing;
	list_push(&worker->dialings, &dialing->worker_link);
	struct address *first = &dialing->addresses[0];
	if (where(dial)[0] == '/') {
		first->family = ADDRESS_UNIX;
		text_copy(first->path, sizeof first->path, slice_of(where(dial)));
		dialing->count = 1;
	} else if (address_of_literal(first, where(dial), where_port(dial))) {
		dialing->count = 1;
	}
	if (!is_permitted(worker, dial))
		dialing_forbid(dialing);
	else if (dialing->count)
		dialing_try(dialing);
	else
		dialing_resolve(dialing);
}

void dialer_cancel(struct worker *worker, struct dial *dial)
{
	struct dialing *dialing = dial->worker_state;
	if (!dialing) {
		memory_release(&worker->hub.memory, dial, sizeof *dial);
		return;
	}
	if (dialing->connect.submitted)
		ring_cancel(worker->ring, &dialing->connect);
	else if (dialing->introduction)
		introduction_cancel(dialing->introduction, REASON_STOPPING);
	else
		dialing_destroy(dialing);
}

void dialer_cancel_all(struct worker *worker)
{
	struct link *link = worker->dialings.next, *next;
	for (; link != &worker->dialings; link = next) {
		struct dialing *dialing = OWNER(link, struct dialing, worker_link);
		next = link->next;
		if (dialing->connect.submitted)
			ring_cancel(worker->ring, &dialing->connect);
		else if (dialing->introduction)
			introduction_cancel(dialing->introduction, REASON_STOPPING);
		else if (!dialing->dial->session)
			dialing_destroy(dialing);
	}
}
