/* protocols/management/conn.c - one connection to the management listener: what it asks, and its answer.
 *
 * One exchange at a time. A conn that has ended meanwhile gets no answer; what it has closed stays closed.
 */
#include <stdio.h>
#include <stdlib.h>

#include "core/log.h"
#include "protocols/management/inside.h"

enum { FIELDS_SIZE = 512, WHY_SIZE = 256 };

struct conn {                            /* role_state */
	struct idtable_link id_link;     /* while it waits for workers */
	struct session *session;
	struct management_call call;
	struct http_exchange response;
	struct json_text body;           /* of the response; none: constant text */
	char fields[FIELDS_SIZE], why[WHY_SIZE];
	struct part *parts;              /* by worker */
	uint32_t awaited;
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

/* Bytes of it that count against limits.exchange_bytes. */
static size_t body_size(const struct conn *conn) { return conn->body.buf ? conn->body.buf->size : 0; }

static void say_collected(struct management *management, struct conn *conn)
{
	size_t omitted = 0;
	bool page = conn->call.action == MANAGEMENT_PAGE;
	json_text_init(&conn->body, &management->service.hub->bufs);
	bool made = answer_make(management, &conn->call, conn->parts, &conn->body, &omitted);
	if (!made || management->held + body_size(conn) > management->service.hub->limits->exchange_bytes) {
		json_text_fini(&conn->body);
		say(conn, 503, management_text, "503 Service Unavailable: out of memory\n");
		return;
	}
	management->held += body_size(conn);
	say(conn, 200, page ? management_html : management_json, NULL);
	conn->response.body = (struct slice){conn->body.buf->bytes, conn->body.buf->used};
	conn->response.fields = page ? management_page_fields : management_fields;
	if (!omitted || page)
		return;
	snprintf(conn->fields, sizeof conn->fields, "%sX-Rows-Omitted: %zu\r\n", management_fields, omitted);
	conn->response.fields = conn->fields;
}

static void say_ended(struct conn *conn)
{
	bool found = false;
	for (const struct part *part = conn->parts; part; part = part->next)
		found = found || part->found;
	if (found)
		say(conn, 204, NULL, NULL);
	else
		say(conn, 404, management_text, "404 Not Found\n");
}

/* ---- collecting ---- */

static void parts_free(struct conn *conn)
{
	while (conn->parts) {
		struct part *part = conn->parts;
		conn->parts = part->next;
		collect_free(conn->session->hub, part);
	}
}

static void complete(struct management *management, struct conn *conn)
{
	bool failed = false;
	idtable_remove(&management->conns, &conn->id_link);
	for (const struct part *part = conn->parts; part; part = part->next)
		failed = failed || part->failed;
	if (failed)
		say(conn, 503, management_text, "503 Service Unavailable: out of memory\n");
	else if (conn->call.action >= MANAGEMENT_END_SESSION)
		say_ended(conn);
	else
		say_collected(management, conn);
	parts_free(conn);
}

void conn_part_came(struct management *management, struct part *part)
{
	struct idtable_link *found =
	    idtable_find(&management->conns, &part->session_id, sizeof part->session_id);
	struct conn *conn = found ? OWNER(found, struct conn, id_link) : NULL;
	if (!conn) {
		collect_free(management->service.hub, part);
		return;
	}
	struct part **at = &conn->parts;
	while (*at && (*at)->worker < part->worker)
		at = &(*at)->next;
	part->next = *at;
	*at = part;
	if (--conn->awaited == 0)
		complete(management, conn);
}

static void collect(struct management *management, struct conn *conn)
{
	struct session *session = conn->session;
	uint32_t count = session->hub->worker_count;
	if (management->conns.count >= MANAGEMENT_WAITING_MAX) {
		say(conn, 503, management_text, "503 Service Unavailable: too many ask at once\n");
		conn->response.fields = management_busy_fields;
		return;
	}
	conn->awaited = 0;
	idtable_insert(&management->conns, &conn->id_link, &session->id, sizeof session->id);
	while (conn->awaited < count && collect_ask(session, conn->awaited, &conn->call))
		conn->awaited++;
	if (conn->awaited == count)
		return;
	idtable_remove(&management->conns, &conn->id_link);
	session_end(session, REASON_MEMORY, NULL, false);
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
	management_of(session->service)->held -= conn->response.status == 200 ? body_size(conn) : 0;
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
	idtable_remove(&management_of(session->service)->conns, &conn->id_link);
	parts_free(conn);
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
