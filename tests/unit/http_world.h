/* tests/unit/http_world.h - one conn of wire_http without a kernel, and a role that answers what it is asked.
 *
 * What the role hears becomes a line each in http_world.heard; the answer is the request's own body, or what
 * the test has put into http_world.answer. Include it in one file of a program.
 */
#ifndef TESTS_UNIT_HTTP_WORLD_H
#define TESTS_UNIT_HTTP_WORLD_H

#include <stdio.h>
#include <stdlib.h>

#include "core/hub.h"
#include "core/writer.h"
#include "protocols/frontends/http.h"

static struct {
	struct limits limits;
	struct hub hub;
	struct session *session;         /* NULL: gone */
	enum reason why;
	char why_text[WHY_TEXT_SIZE];
	char heard[1 << 16];
	uint8_t *said;
	size_t said_size, said_room;
	bool shut, silent;               /* silent: the role does not answer by itself */
	struct http_exchange answer;     /* status 0: an echo */
	struct http_exchange asked;
} http_world;

static inline void http_heard(const struct http_exchange *exchange)
{
	size_t used = strlen(http_world.heard);
	snprintf(http_world.heard + used, sizeof http_world.heard - used, "%.*s %.*s ?%.*s k%.*s b%.*s\n",
		 (int)exchange->method.size, (const char *)exchange->method.at, (int)exchange->path.size,
		 (const char *)exchange->path.at, (int)exchange->query.size, (const char *)exchange->query.at,
		 (int)exchange->api_key.size, (const char *)exchange->api_key.at, (int)exchange->body.size,
		 (const char *)exchange->body.at);
}

static inline void http_event(struct session *session, const struct event *event)
{
	check(event->kind == EVENT_REQUEST && event->exchange);
	http_world.asked = *event->exchange;
	http_heard(event->exchange);
	if (!http_world.silent)
		session_say(session, EVENT_RESPONSE);
}

static inline void http_fill(struct session *session, struct event *event)
{
	static struct http_exchange echo;
	echo = (struct http_exchange){
	    .status = 200, .content_type = "text/plain", .body = http_world.asked.body};
	event->exchange = http_world.answer.status ? &http_world.answer : &echo;
}

static const struct role http_role = {.name = "http", .event = http_event, .fill = http_fill};

static inline void http_begin(void)
{
	uint8_t *said = http_world.said;
	size_t room = http_world.said_room;
	memset(&http_world, 0, sizeof http_world);
	http_world.said = said;
	http_world.said_room = room;
	http_world.limits = LIMITS_DEFAULT;
	hub_init(&http_world.hub, 0, 1, &http_world.limits, (struct instant){1000000000});
	http_world.session = session_create(
	    &http_world.hub,
	    &(struct session_options){.wire = &wire_http, .carrier = &carrier_raw, .role = &http_role});
	check(http_world.session);
	session_open(http_world.session);
}

static inline void http_said(struct slice bytes)
{
	if (http_world.said_size + bytes.size + 1 > http_world.said_room) {
		http_world.said_room = 2 * (http_world.said_size + bytes.size) + 1024;
		http_world.said = realloc(http_world.said, http_world.said_room);
		check(http_world.said);
	}
	memcpy(http_world.said + http_world.said_size, bytes.at, bytes.size);
	http_world.said_size += bytes.size;
	http_world.said[http_world.said_size] = 0;
}

static inline void http_pump(size_t budget)
{
	static struct writer writer;
	struct session *session = http_world.session;
	writer_init(&writer, session, &http_world.hub.bufs, budget);
	session_pump(session, &writer);
	for (uint32_t i = 0; i < writer.count; i++)
		http_said(writer.parts[i].piece.bytes);
	http_world.shut |= writer.shut;
	writer_fini(&writer);
	if (session->state == SESSION_FLUSH && !session_has_output(session))
		session_end(session, session->why, NULL, false);
}

/* What a worker does between two completions, until nothing moves. */
static inline void http_turn(size_t budget)
{
	struct hub *hub = &http_world.hub;
	for (int turn = 0; turn < 400 && http_world.session; turn++) {
		struct link *link;
		while ((link = list_pull(&hub->delivered)) != NULL)
			session_answer(http_world.session);
		while ((link = list_pull(&hub->readable)) != NULL)
			session_feed(http_world.session);
		while ((link = list_pull(&hub->writable)) != NULL)
			http_pump(budget);
		bool moves = !list_is_empty(&hub->delivered) || !list_is_empty(&hub->readable) ||
			     session_has_output(http_world.session);
		if (moves)
			session_touch(http_world.session);
		if ((link = list_pull(&hub->ended)) != NULL) {
			http_world.why = http_world.session->why;
			strcpy(http_world.why_text, http_world.session->why_text);
			session_destroy(http_world.session);
			http_world.session = NULL;
		} else if (!moves) {
			return;
		}
	}
}

static inline void http_feed(struct slice bytes, size_t step)
{
	while (bytes.size && http_world.session && session_wants_input(http_world.session)) {
		size_t size = size_min(size_min(bytes.size, step), BUF_RECEIVE_SIZE);
		struct buf *buf = buf_receive(&http_world.hub.bufs);
		check(buf);
		memcpy(buf->bytes, bytes.at, size);
		buf->used = (uint32_t)size;
		bytes = (struct slice){bytes.at + size, bytes.size - size};
		session_input(http_world.session, (struct piece){buf, {buf->bytes, size}});
		http_turn(65536);
	}
}

static inline void http_end(void)
{
	if (http_world.session && session_wants_input(http_world.session)) {
		session_input_end(http_world.session);
		http_turn(65536);
	}
}

static inline void http_close(void)
{
	if (http_world.session)
		session_end(http_world.session, REASON_STOPPING, NULL, false);
	http_turn(65536);
	check(!http_world.session && http_world.hub.session_count == 0 && http_world.hub.bufs.used == 0);
	hub_fini(&http_world.hub);
}

#endif
