/* core/hub.c - one worker's lists and memory; see hub.h. Requests and mail: request.h. */
#include "core/hub.h"

#include <stdlib.h>

#include "core/log.h"
#include "core/request.h"
#include "core/role.h"

void hub_init(struct hub *hub, uint32_t index, uint32_t worker_count, const struct limits *limits,
	      struct instant now)
{
	*hub = (struct hub){.index = index, .worker_count = worker_count, .limits = limits, .now = now,
			    .random = 0x6c62272e07bb0142u + index, .batching = BATCHING_DEFAULT};
	size_t share = limits->process_memory / worker_count;
	hub->budget.max = share ? share : SIZE_MAX / 2;
	bufpool_init(&hub->bufs, HUB_RECEIVE_MAX, 0);
	hub->bufs.budget = hub->memory.budget = &hub->budget;
	wheel_init(&hub->wheel, now);
	list_init(&hub->sessions);
	list_init(&hub->pairs);
	list_init(&hub->delivered);
	list_init(&hub->writable);
	list_init(&hub->readable);
	list_init(&hub->ended);
	list_init(&hub->sending);
	list_init(&hub->requests);
}

void hub_fini(struct hub *hub)
{
	check(list_is_empty(&hub->sessions) && list_is_empty(&hub->pairs) && list_is_empty(&hub->requests));
	check(!hub->outgoing && hub->channel_count == 0);
	bufpool_fini(&hub->bufs);
	memory_fini(&hub->memory);
}

struct duration hub_jitter(struct hub *hub, struct duration delay)
{
	int64_t fifth = delay.ns / 5;
	return (struct duration){delay.ns - fifth +
				 (int64_t)(random_next(&hub->random) % (uint64_t)(2 * fifth + 1))};
}

void hub_secret_bytes(struct hub *hub, uint8_t *bytes, size_t size)
{
	if (hub->secret_bytes) {
		hub->secret_bytes(bytes, size);
		return;
	}
	for (size_t i = 0; i < size; i++)
		bytes[i] = (uint8_t)random_next(&hub->random);
}

bool hub_may_log(struct hub *hub)
{
	if (!instant_before(hub->now, instant_after(hub->log_since, DURATION_S(1)))) {
		if (hub->log_count > LOG_REPEATED_MAX) {
			hub_count(hub, COUNTER_log_lines_lost, hub->log_count - LOG_REPEATED_MAX);
			log_warn("more lines of that kind",
				 NUMBER("count", hub->log_count - LOG_REPEATED_MAX));
		}
		hub->log_since = hub->now;
		hub->log_count = 0;
	}
	return ++hub->log_count <= LOG_REPEATED_MAX;
}

bool hub_is_tight(const struct hub *hub)
{
	const struct budget *budget = &hub->budget;
	size_t objects = budget->used - hub->bufs.bytes;
	return budget->used > budget->max - budget->max / 8 || objects > budget->max - budget->max / 4;
}

static void hub_request(struct hub *hub, struct request *request, enum request_kind kind)
{
	request->kind = kind;
	list_push(&hub->requests, &request->link);
}

bool hub_dial(struct session *session, const char *host, uint16_t port, const struct tls_settings *tls,
	      struct duration timeout)
{
	struct hub *hub = session->hub;
	check(session->state == SESSION_STARTING && !session->dial && !session->stream);
	struct dial *dial = memory_acquire(&hub->memory, sizeof *dial);
	if (!dial) {
		session_end(session, REASON_MEMORY, NULL, false);
		return false;
	}
	dial->session = session;
	dial->tls = tls;
	dial->timeout = timeout;
	dial->port = port;
	text_copy(dial->host, sizeof dial->host, slice_of(host));
	session->dial = dial;
	hub_request(hub, &dial->request, REQUEST_DIAL);
	hub_count(hub, COUNTER_dials, 1);
	return true;
}

bool session_move(struct session *session, uint32_t worker)
{
	struct hub *hub = session->hub;
	check(session->held && !session->move && worker != hub->index && worker < hub->worker_count);
	struct move *move = memory_acquire(&hub->memory, sizeof *move);
	if (!move) {
		session_end(session, REASON_MEMORY, NULL, false);
		return false;
	}
	move->session = session;
	move->worker = worker;
	session->move = move;
	hub_request(hub, &move->request, REQUEST_MOVE);
	return true;
}

bool hub_bind(struct session *session, bool beside, const struct acl *acl)
{
	struct hub *hub = session->hub;
	check(!session->binding && !session->dgram && session->state <= SESSION_OPEN);
	struct binding *binding = memory_acquire(&hub->memory, sizeof *binding);
	if (!binding)
		return false;
	binding->session = session;
	binding->beside = beside;
	binding->acl = acl;
	session->binding = binding;
	hub_request(hub, &binding->request, REQUEST_BIND);
	return true;
}

void hub_resolve(struct hub *hub, struct inquiry *inquiry)
{
	check(!inquiry->asked);
	inquiry->asked = true;
	inquiry->asker = NULL;
	hub_request(hub, &inquiry->request, REQUEST_RESOLVE);
}

void hub_resolve_cancel(struct inquiry *inquiry)
{
	if (inquiry->asker)
		*inquiry->asker = NULL;
	inquiry->asker = NULL;
	inquiry->asked = false;
	link_remove(&inquiry->request.link);
}

void hub_forget(struct session *session)
{
	if (session->binding) {
		session->binding->session = NULL;
		session->binding = NULL;
	}
	if (session->dial) {
		struct dial *dial = session->dial;
		dial->session = NULL;
		session->dial = NULL;
		if (!link_is_linked(&dial->request.link))   /* the worker is at it already */
			hub_request(session->hub, &dial->request, REQUEST_UNDIAL);
	}
	if (session->move) {
		session->move->session = NULL;
		session->move = NULL;
	}
}

void hub_listen(struct hub *hub, struct listening *listening)
{
	check(!listening->asked);
	listening->asked = true;
	hub_request(hub, &listening->request, REQUEST_LISTEN);
}

void hub_unlisten(struct hub *hub, struct listening *listening)
{
	check(listening->asked);
	/* an unlisten overtakes a listen that the worker has not seen yet */
	link_remove(&listening->request.link);
	hub_request(hub, &listening->request, REQUEST_UNLISTEN);
}

void *mail_create(size_t size) { return calloc(1, size); }
void mail_free(struct mail *mail) { free(mail); }

void hub_post(struct hub *hub, struct mail *mail)
{
	check(mail->to < hub->worker_count && !mail->next);
	if (hub->outgoing_last)
		hub->outgoing_last->next = mail;
	else
		hub->outgoing = mail;
	hub->outgoing_last = mail;
}

void hub_add_service(struct hub *hub, struct service *service)
{
	check(hub->service_count < SERVICES_MAX && service->index == hub->service_count);
	hub->services[hub->service_count++] = service;
}
