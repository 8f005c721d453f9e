/* protocols/management/conn.c - one connection to the management listener: what it asks, and its answer.
 *
 * One exchange at a time of a conn, and one collection at a time of all: the others wait for their turn. A
 * conn that has ended meanwhile gets no answer; what it has closed stays closed.
 */
#include <stdio.h>

#include "core/log.h"
#include "protocols/management/inside.h"

enum { FIELDS_SIZE = 512, WHY_SIZE = 256 };

struct conn {                            /* role_state */
	struct link waiting_link;        /* until its turn comes */
	struct session *session;
	struct management_call call;
	struct http_exchange response;
	struct json_text body;           /* of the response; none: constant text */
	char fields[FIELDS_SIZE], why[WHY_SIZE];
};

/* ---- answering ---- */

static void say(struct conn *conn, unsigned status, const char *content_type, const char *body)
{
	conn->response = (struct http_exchange){.status = status,
						.content_type = content_type,
						.fields = management_fields,
						.body = slice_of(body ? body : "")};
	session_say(conn->session, EVENT_RESPONSE);
}

static void say_call(struct conn *conn, const struct management_call *call)
{
	const struct session *session = conn->session;
	if ((call->status == 401 || call->status == 403) && hub_may_log(session->hub))
		log_info("management request refused", TEXT("peer", session->peer),
			 NUMBER("status", call->status));
	say(conn, call->status, call->content_type, call->body);
	conn->response.fields = call->fields;
}

static void say_readiness(struct conn *conn, const struct management_settings *settings)
{
	const char *why = settings->unready ? settings->unready() : NULL;
	snprintf(conn->why, sizeof conn->why, "%s\n", why ? why : "ready");
	say(conn, why ? 503 : 200, management_text, conn->why);
}

/* It may be had later. */
static void say_busy(struct conn *conn, const char *why)
{
	hub_count(conn->session->hub, COUNTER_answers_refused, 1);
	say(conn, 503, management_text, why);
	conn->response.fields = management_busy_fields;
}

static void say_no_memory(struct conn *conn)
{
	say_busy(conn, "503 Service Unavailable: out of memory for answers; ask again when others have been "
		       "read, or raise limits.exchange_bytes\n");
}

/* Bytes of it that count for the process' share. */
static size_t body_size(const struct conn *conn) { return conn->body.buf ? conn->body.buf->size : 0; }

static void say_collected(struct management *management, struct conn *conn)
{
	size_t omitted = 0;
	bool page = conn->call.action == MANAGEMENT_PAGE;
	json_text_init(&conn->body, &management->service.hub->bufs);
	bool made = answer_make(management, &conn->call, management->parts, &conn->body, &omitted);
	if (!made || !management_take(management, body_size(conn))) {
		json_text_fini(&conn->body);
		say_no_memory(conn);
		return;
	}
	say(conn, 200, page ? management_html : management_json, NULL);
	conn->response.body = (struct slice){conn->body.buf->bytes, conn->body.buf->used};
	conn->response.fields = page ? management_page_fields : management_fields;
	if (!omitted || page)
		return;
	snprintf(conn->fields, sizeof conn->fields, "%sX-Rows-Omitted: %zu\r\n", management_fields, omitted);
	conn->response.fields = conn->fields;
}

static void say_ended(const struct management *management, struct conn *conn)
{
	bool found = false;
	for (const struct part *part = management->parts; part; part = part->next)
		found = found || part->found;
	if (found)
		say(conn, 204, NULL, NULL);
	else
		say(conn, 404, management_text, "404 Not Found\n");
}

/* ---- collecting ---- */

static void complete(struct management *management, struct conn *conn)
{
	bool failed = false;
	for (const struct part *part = management->parts; part; part = part->next)
		failed = failed || part->failed;
	if (failed)
		say_no_memory(conn);
	else if (conn->call.action >= MANAGEMENT_END_SESSION)
		say_ended(management, conn);
	else
		say_collected(management, conn);
}

static void ask_next(struct management *management)
{
	uint32_t count = management->service.hub->worker_count;
	while (!management->awaited && management->waiting_count) {
		struct conn *conn = OWNER(list_pull(&management->waiting), struct conn, waiting_link);
		management->waiting_count--;
		while (management->awaited < count &&
		       collect_ask(conn->session, management->awaited, &conn->call))
			management->awaited++;
		if (management->awaited == count)
			management->asker = conn;
		else
			session_end(conn->session, REASON_MEMORY, NULL, false);
	}
}

void conn_part_came(struct management *management, struct part *part)
{
	struct conn *conn = management->asker;
	struct part **at = &management->parts;
	while (*at && (*at)->worker < part->worker)
		at = &(*at)->next;
	part->next = *at;
	*at = part;
	if (--management->awaited)
		return;
	management->asker = NULL;
	if (conn)
		complete(management, conn);
	collect_free(management);
	ask_next(management);
}

static void collect(struct management *management, struct conn *conn)
{
	if (management->waiting_count + (management->awaited > 0) >= MANAGEMENT_WAITING_MAX) {
		say_busy(conn, "503 Service Unavailable: too many ask at once\n");
		return;
	}
	list_push(&management->waiting, &conn->waiting_link);
	management->waiting_count++;
	ask_next(management);
}

/* ---- the role ---- */

static void conn_start(struct session *session)
{
	struct conn *conn = session->role_state;
	conn->session = session;
}

static void conn_event(struct session *session, const struct event *event)
{
	struct conn *conn = session->role_state;
	struct management *management = management_of(session->service);
	const struct management_settings *settings = management->settings;
	const struct management_access access = {.token = &settings->config->token,
						 .tls = settings->tls != NULL,
						 .local =
						     settings->config->listen_addr.family == ADDRESS_UNIX};
	if (event->kind != EVENT_REQUEST || !event->exchange)
		return;
	management_read(event->exchange, &access, &conn->call);
	switch (conn->call.action) {
	case MANAGEMENT_ANSWER:
		say_call(conn, &conn->call);
		break;
	case MANAGEMENT_LIVE:
		say(conn, 200, management_text, "alive\n");
		break;
	case MANAGEMENT_READY:
		say_readiness(conn, settings);
		break;
	default:
		collect(management, conn);
		break;
	}
}

static void conn_fill(struct session *session, struct event *event)
{
	const struct conn *conn = session->role_state;
	if (event->kind == EVENT_RESPONSE)
		event->exchange = &conn->response;
}

static void body_free(struct session *session)
{
	struct conn *conn = session->role_state;
	management_give(management_of(session->service), body_size(conn));
	json_text_fini(&conn->body);
}

static void conn_said(struct session *session, enum event_kind kind)
{
	struct conn *conn = session->role_state;
	if (kind != EVENT_RESPONSE)
		return;
	body_free(session);
	conn->response = (struct http_exchange){0};
}

static void conn_ended(struct session *session)
{
	struct conn *conn = session->role_state;
	struct management *management = management_of(session->service);
	if (link_is_linked(&conn->waiting_link)) {
		link_remove(&conn->waiting_link);
		management->waiting_count--;
	}
	if (management->asker == conn)
		management->asker = NULL;
	body_free(session);
}

const struct role role_management = {
	.name = "management",
	.session_size = sizeof(struct conn),
	.start = conn_start,
	.event = conn_event,
	.fill = conn_fill,
	.said = conn_said,
	.ended = conn_ended,
};
