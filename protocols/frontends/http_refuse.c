/* protocols/frontends/http_refuse.c - roles of conns whose request nobody serves; see http.h. */
#include "protocols/frontends/http.h"

#include "core/hub.h"
#include "core/log.h"

enum { PATH_SHOWN = 100, SEGMENTS_SHOWN = 2 };

static const struct http_exchange answers[] = {
	{.status = 404, .content_type = "text/plain; charset=utf-8",
	 .body = {(const uint8_t *)"404 page not found\n", 19}},
	{.status = 403, .content_type = "text/plain; charset=utf-8",
	 .body = {(const uint8_t *)"Forbidden\n", 10}},
};

/* Where it was headed; what comes behind may be a token, as in the API of LinkSocks. */
static struct slice shown(struct slice path)
{
	uint32_t slashes = 0;
	for (size_t i = 0; i < path.size; i++)
		if (path.at[i] == '/' && slashes++ == SEGMENTS_SHOWN)
			return (struct slice){path.at, i};
	return path;
}

static void refuse(struct session *session, const struct event *event, const struct http_exchange *answer)
{
	char path[PATH_SHOWN + 1];
	if (event->kind != EVENT_REQUEST)
		return;
	text_copy(path, sizeof path, shown(event->exchange->path));
	if (hub_may_log(session->hub))
		log_info("HTTP request refused", TEXT("peer", session->peer), TEXT("path", path),
			 NUMBER("status", answer->status));
	session_drain(session);          /* the answer is the last */
	session_say(session, EVENT_RESPONSE);
}

static void refuse_unknown(struct session *session, const struct event *event)
{
	refuse(session, event, &answers[0]);
}

static void refuse_foreign(struct session *session, const struct event *event)
{
	refuse(session, event, &answers[1]);
}

/* What the wire has refused itself, with 400 and the like, no request tells. */
static void refuse_ended(struct session *session)
{
	if (session->why == REASON_PROTOCOL && hub_may_log(session->hub))
		log_info("HTTP request refused", TEXT("peer", session->peer),
			 TEXT("detail", session->why_text));
}

static void fill_unknown(struct session *session, struct event *event) { event->exchange = &answers[0]; }
static void fill_foreign(struct session *session, struct event *event) { event->exchange = &answers[1]; }

const struct role role_http_not_found = {
	.name = "http 404", .event = refuse_unknown, .fill = fill_unknown, .ended = refuse_ended};
const struct role role_http_forbidden = {
	.name = "http 403", .event = refuse_foreign, .fill = fill_foreign, .ended = refuse_ended};
