/* protocols/linksocks/api_conn.c - a conn of the admin API: what it asks is done on worker 0, answered here.
 *
 * One exchange at a time. A conn that has ended meanwhile gets no answer; what it asked for is done all the
 * same.
 */
#include <stdlib.h>

#include "core/log.h"
#include "protocols/linksocks/api.h"

/* A call on its way to worker 0, and the body of its answer on the way back. */
struct errand {
	struct mail mail;
	uint32_t service, worker;
	uint64_t session_id;
	struct api_call call;
	uint8_t *body;                   /* NULL: there was no memory */
	size_t size;
};

struct api_conn {                        /* role_state */
	struct idtable_link id_link;
	struct session *session;
	struct http_exchange response;
	struct errand *answer;           /* what `response` shows; NULL: constant text */
	struct timer delay;              /* of a refusal */
	bool delayed;
};

static void errand_free(struct errand *errand)
{
	if (!errand)
		return;
	api_wipe(&errand->call);
	if (errand->body)
		secret_wipe(errand->body, errand->size);
	free(errand->body);
	mail_free(&errand->mail);
}

/* ---- there and back ---- */

static void errand_home(struct hub *to, struct mail *mail)
{
	static const char trouble[] = "{\"success\":false,\"error\":\"out of memory\"}\n";
	struct errand *errand = OWNER(mail, struct errand, mail);
	struct linksocks_server *server = server_at(to, errand->service);
	struct idtable_link *found =
	    server ? idtable_find(&server->api_conns, &errand->session_id, sizeof errand->session_id) : NULL;
	struct api_conn *conn = found ? OWNER(found, struct api_conn, id_link) : NULL;
	if (!conn || conn->answer) {
		errand_free(errand);
		return;
	}
	conn->answer = errand;
	conn->response = (struct http_exchange){.status = errand->body ? 200 : 503,
						.content_type = "application/json",
						.body = {errand->body, errand->size}};
	if (!errand->body)
		conn->response.body = slice_of(trouble);
	session_say(conn->session, EVENT_RESPONSE);
}

static void keep_body(struct errand *errand, const struct json_text *text)
{
	if (text->failed || !text->buf)
		return;
	errand->body = malloc(text->buf->used);
	if (!errand->body)
		return;
	errand->size = text->buf->used;
	memcpy(errand->body, text->buf->bytes, errand->size);
}

static void errand_run(struct hub *to, struct mail *mail)
{
	struct errand *errand = OWNER(mail, struct errand, mail);
	struct linksocks_server *server = server_at(to, errand->service);
	struct json_text body;
	if (!server) {
		errand_free(errand);
		return;
	}
	json_text_init(&body, &to->bufs);
	api_run(server, &errand->call, &body);
	keep_body(errand, &body);
	json_text_fini(&body);
	mail->deliver = errand_home;
	mail->to = errand->worker;
	mail->next = NULL;
	hub_post(to, mail);
}

static void send(struct session *session, const struct api_call *call)
{
	struct errand *errand = mail_create(sizeof *errand);
	if (!errand) {
		session_end(session, REASON_MEMORY, NULL, false);
		return;
	}
	errand->mail = (struct mail){.deliver = errand_run, .to = 0};
	errand->service = session->service->index;
	errand->worker = session->hub->index;
	errand->session_id = session->id;
	errand->call = *call;
	hub_post(session->hub, &errand->mail);
}

/* ---- the conn ---- */

static void delay_over(struct timer *timer)
{
	struct api_conn *conn = OWNER(timer, struct api_conn, delay);
	conn->delayed = false;
	server_of(conn->session->service)->logins.delayed--;
	session_say(conn->session, EVENT_RESPONSE);
}

static void api_start(struct session *session)
{
	struct api_conn *conn = session->role_state;
	struct linksocks_server *server = server_of(session->service);
	conn->session = session;
	conn->delay.expired = delay_over;
	idtable_insert(&server->api_conns, &conn->id_link, &session->id, sizeof session->id);
}

/* A wrong key costs what a wrong token costs. */
static void refuse(struct session *session)
{
	struct api_conn *conn = session->role_state;
	struct hub *hub = session->hub;
	struct linksocks_server *server = server_of(session->service);
	struct login_key key = login_key_of(session->peer);
	bool often = logins_failed(&server->logins, &key, hub->now);
	hub_count(hub, COUNTER_logins_refused, 1);
	if (hub_may_log(hub))
		log_info("API call refused", TEXT("peer", session->peer), TEXT("reason", "wrong X-API-Key"),
			 TEXT(often ? "limited" : NULL, "too many failures from there"));
	if (!often) {
		session_say(session, EVENT_RESPONSE);
		return;
	}
	hub_count(hub, COUNTER_logins_limited, 1);
	if (server->logins.delayed >= LOGINS_DELAYED_MAX) {
		session_end(session, REASON_AUTH, NULL, false);
		return;
	}
	conn->delayed = true;
	server->logins.delayed++;
	timer_arm(&hub->wheel, &conn->delay, instant_after(hub->now, DURATION_S(LOGIN_DELAY_S)));
}

static void api_event(struct session *session, const struct event *event)
{
	struct api_conn *conn = session->role_state;
	const struct linksocks_server *server = server_of(session->service);
	struct api_call call;
	if (event->kind != EVENT_REQUEST || !event->exchange)
		return;
	bool own = session->tag == OWN_LISTENER_TAG;
	api_read(event->exchange, &server->settings->config->api_key, own, &call);
	if (call.action == API_ANSWER) {
		conn->response = (struct http_exchange){.status = call.status,
							.content_type = call.content_type,
							.body = slice_of(call.body)};
		if (call.wrong_key)
			refuse(session);
		else
			session_say(session, EVENT_RESPONSE);
	} else {
		send(session, &call);
	}
	api_wipe(&call);
}

static void api_fill(struct session *session, struct event *event)
{
	const struct api_conn *conn = session->role_state;
	if (event->kind == EVENT_RESPONSE)
		event->exchange = &conn->response;
}

static void api_said(struct session *session, enum event_kind kind)
{
	struct api_conn *conn = session->role_state;
	if (kind != EVENT_RESPONSE)
		return;
	errand_free(conn->answer);
	conn->answer = NULL;
	conn->response = (struct http_exchange){0};
}

static void api_ended(struct session *session)
{
	struct api_conn *conn = session->role_state;
	struct linksocks_server *server = server_of(session->service);
	idtable_remove(&server->api_conns, &conn->id_link);
	timer_disarm(&conn->delay);
	if (conn->delayed)
		server->logins.delayed--;
	errand_free(conn->answer);
}

const struct role role_linksocks_api = {
	.name = "linksocks api",
	.session_size = sizeof(struct api_conn),
	.start = api_start,
	.event = api_event,
	.fill = api_fill,
	.said = api_said,
	.ended = api_ended,
};
