/* tests/unit/wire_world.h - two ends of one link in one thread, without a kernel: bytes said by one are heard
 * by the other (or by the test), local connections are plain conns whose bytes the test puts in and takes
 * out. All that is random comes from world.random: a seed repeats a run. Include it in one file of a program.
 */
#ifndef TESTS_UNIT_WIRE_WORLD_H
#define TESTS_UNIT_WIRE_WORLD_H

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/hub.h"
#include "core/moved.h"
#include "core/session.h"
#include "core/writer.h"
#include "protocols/frontends/plain.h"
#include "protocols/tls_tunnel/wire.h"
#include "tests/unit/bytes.h"

enum { CONNS_MAX = 256, HEARD_SIZE = 1 << 20, SERVER = 0, CLIENT = 1 };

struct conn {
	struct session *session; /* NULL: gone */
	int side;		 /* the end whose local connection it is */
	bool asks;		 /* accepted (asks for a channel), else dialled */
	struct conn *peer;	 /* at the other end, once it is dialled */
	struct bytes in, out;
	bool in_ended, shut, gone, refused;
	struct user_address source; /* asker: whose it is; else whose it was said to be */
	enum reason why;
};

/* What the role of one end says when it is asked, and what it has heard. */
struct script {
	bool silent; /* only listens: says nothing by itself */
	struct credentials credentials;
	enum reason login, config; /* the answers */
	struct slice text;
	const struct publication *publications;
	uint32_t publication_count;
	const struct slice *refused;
	uint32_t refused_count;
	struct note note;
	char *heard; /* a line an event; HEARD_SIZE */
	size_t heard_size;
};

struct world {
	struct session_options options; /* of the links */
	enum tunnel_generation speaks;	/* the client; UNKNOWN: 1.5 */
	struct script script[2];
	struct limits limits;
	struct hub hub;
	struct session *link[2];
	bool link_gone[2];
	enum reason link_why[2];
	char link_text[2][WHY_TEXT_SIZE];
	struct bytes said[2]; /* by that end, not heard by the other yet */
	struct conn conns[CONNS_MAX];
	uint32_t conn_count;
	uint64_t random;
	bool chop;	 /* random pieces, budgets and failing slabs */
	bool refuse_odd; /* a link's OPEN of an odd port is refused */
	struct user_address source; /* of users that come */
};

static struct world world;
static const struct role world_role;

static inline void script_forget(struct script *script)
{
	script->heard_size = 0;
	script->heard[0] = 0;
}

static inline uint64_t chance(uint64_t below) { return random_next(&world.random) % below; }

static uint32_t slab_fails(void *state) { return chance(8) == 0; }

/* All that a session wants to say now, into `out`. */
static inline void world_pump(struct session *session, struct bytes *out, bool *shut)
{
	static struct writer writer;
	if (session->state != SESSION_OPEN && session->state != SESSION_FLUSH)
		return;
	link_remove(&session->writable_link);
	for (int turn = 0; turn < (world.chop ? 2 : 20); turn++) {
		writer_init(&writer, session, &world.hub.bufs, world.chop ? 1 + chance(40000) : 65536);
		world.hub.bufs.fail = world.chop ? slab_fails : NULL;
		session_pump(session, &writer);
		world.hub.bufs.fail = NULL;
		for (uint32_t i = 0; i < writer.count; i++)
			bytes_add(out, writer.parts[i].piece.bytes.at, writer.parts[i].piece.bytes.size);
		*shut = *shut || writer.shut;
		writer_fini(&writer);
	}
	if (session->state == SESSION_FLUSH && !session_has_output(session))
		session_end(session, session->why, NULL, false);
}

/* Gives what it wants of the bytes, in pieces. */
static inline void world_feed(struct session *session, struct bytes *bytes)
{
	while (bytes->size && session_wants_input(session)) {
		size_t size = size_min(bytes->size, BUF_RECEIVE_SIZE);
		if (world.chop)
			size = size_min(size, 1 + chance(chance(3) ? 60 : 20000));
		struct buf *buf = buf_receive(&world.hub.bufs);
		check(buf);
		memcpy(buf->bytes, bytes->at, size);
		buf->used = (uint32_t)size;
		bytes_cut(bytes, size);
		session_input(session, (struct piece){buf, {buf->bytes, size}});
		if (world.chop && chance(3) == 0)
			return;
	}
}

static inline struct conn *conn_of(const struct session *session)
{
	for (uint32_t i = 0; i < world.conn_count; i++)
		if (world.conns[i].session == session)
			return &world.conns[i];
	return NULL;
}

static inline void world_bury(void)
{
	struct link *link;
	while ((link = list_pull(&world.hub.ended)) != NULL) {
		struct session *session = OWNER(link, struct session, ended_link);
		struct conn *conn = conn_of(session);
		if (conn) {
			conn->session = NULL;
			conn->gone = true;
			conn->why = session->why;
		}
		for (int side = 0; side < 2; side++) {
			if (world.link[side] != session)
				continue;
			world.link[side] = NULL;
			world.link_gone[side] = true;
			world.link_why[side] = session->why;
			strcpy(world.link_text[side], session->why_text);
		}
		session_destroy(session);
	}
}

/* Lists of what core left behind. */
static inline void world_drain(void)
{
	struct link *link;
	while ((link = list_pull(&world.hub.delivered)) != NULL)
		session_answer(OWNER(link, struct session, delivered_link));
	while ((link = list_pull(&world.hub.readable)) != NULL)
		session_feed(OWNER(link, struct session, readable_link));
	while ((link = list_pull(&world.hub.writable)) != NULL)
		;
	world_bury();
}

static inline void conn_turn(struct conn *conn)
{
	if (conn->session) /* as the worker: what it says comes before anything is read */
		world_pump(conn->session, &conn->out, &conn->shut);
	world_drain();
	if (conn->session)
		world_feed(conn->session, &conn->in);
	world_drain();
	if (conn->session && conn->in_ended && !conn->in.size && session_wants_input(conn->session) &&
	    !conn->session->input_ended)
		session_input_end(conn->session);
	world_drain();
	if (conn->session)
		world_pump(conn->session, &conn->out, &conn->shut);
	world_drain();
}

/* Everybody once. `joined`: the two links hear each other. */
static inline void world_turn(bool joined)
{
	world_drain();
	for (uint32_t i = 0; i < world.conn_count; i++)
		conn_turn(&world.conns[i]);
	for (int side = 0; side < 2; side++) {
		bool shut = false;
		if (world.link[side])
			world_pump(world.link[side], &world.said[side], &shut);
		world_drain();
		if (joined && world.link[!side])
			world_feed(world.link[!side], &world.said[side]);
		world_drain();
	}
}

static inline void world_turns(uint32_t count, bool joined)
{
	while (count--)
		world_turn(joined);
}

static inline void world_sleep(struct duration span, bool joined)
{
	world.hub.now = instant_after(world.hub.now, span);
	wheel_expire(&world.hub.wheel, world.hub.now);
	world_turns(4, joined);
}

static inline struct conn *conn_create(int side, bool asks, const struct role *role,
				       const struct target *target)
{
	struct session_options options = {
	    .wire = &wire_plain, .carrier = &carrier_raw, .role = role, .client = !asks};
	check(world.conn_count < CONNS_MAX);
	struct conn *conn = &world.conns[world.conn_count++];
	*conn = (struct conn){.session = session_create(&world.hub, &options), .side = side, .asks = asks};
	check(conn->session);
	if (target)
		conn->session->target = *target;
	return conn;
}

/* ---- the role of everybody ---- */

static inline int side_of(const struct session *session)
{
	const struct conn *conn = conn_of(session);
	return conn ? conn->side : session->client;
}

static inline void heard_add(struct script *script, const char *format, ...)
{
	va_list list;
	va_start(list, format);
	size_t room = HEARD_SIZE - script->heard_size;
	int size = vsnprintf(script->heard + script->heard_size, room, format, list);
	va_end(list);
	check(size >= 0 && (size_t)size < room);
	script->heard_size += (size_t)size;
}

static inline void heard_add_hex(struct script *script, const uint8_t bytes[16])
{
	for (size_t i = 0; i < 16; i++)
		heard_add(script, "%s%02x", i ? "" : " ", bytes[i]);
}
/* An event as a line of text, the same for what is said and for what is heard. */
static inline void event_add(struct script *script, const struct event *event)
{
	heard_add(script, "%s", event_name(event->kind));
	if (event->target)
		heard_add(script, " %s:%u", event->target->host, event->target->port);
	if (event->reason)
		heard_add(script, " %s", reason_name(event->reason));
	if (event->text.size)
		heard_add(script, " '%.*s'", (int)event->text.size, (const char *)event->text.at);
	if (event->kind == EVENT_AUTH)
		heard_add(script, " %.*s", (int)event->credentials->secret.size,
			  (const char *)event->credentials->secret.at);
	if (event->credentials && event->credentials->features)
		heard_add(script, " features %u", event->credentials->features);
	if (event->kind == EVENT_AUTH && event->credentials->features & FEATURE_LINKS)
		heard_add(script, " link %u", event->credentials->link);
	if (event->kind == EVENT_AUTH)
		heard_add_hex(script, event->credentials->instance);
	for (uint32_t i = 0; i < event->publication_count; i++) {
		const struct publication *publication = &event->publications[i];
		heard_add(script, " (%d %s %s %s:%u %u %s:%u)", publication->visitor, publication->name,
			  publication->type, publication->publish_addr, publication->publish_port,
			  publication->local_port, publication->bind_addr, publication->bind_port);
	}
	for (uint32_t i = 0; i < event->refused_count; i++)
		heard_add(script, " -%.*s", (int)event->refused[i].size, (const char *)event->refused[i].at);
	if (event->token) {
		heard_add(script, " %d '%.*s'", event->token->remove, (int)event->token->token.size,
			  (const char *)event->token->token.at);
		heard_add_hex(script, event->token->id);
	}
	if (event->note) {
		const struct note *note = event->note;
		heard_add(script, " %d level %d '%.*s' %u/%u %u %u", note->kind, note->level,
			  (int)note->text.size, (const char *)note->text.at, note->retry, note->retry_max,
			  note->delay_s, note->count);
		if (note->about)
			heard_add(script, " %s %s:%u", note->about->name, note->about->publish_addr,
				  note->about->publish_port);
	}
	heard_add(script, "\n");
}

static inline void conn_asks(struct session *session, const struct event *event)
{
	struct session *link = world.link[side_of(session)];
	if (!link || !channel_open(link, event->channel->pair, event->target))
		channel_refuse(event->channel, REASON_LIMIT, "no link");
}

static inline void link_asks(struct session *session, const struct event *event)
{
	if (world.refuse_odd && event->target->port & 1) {
		channel_refuse(event->channel, REASON_NOT_FOUND, "not found or client not connected");
		return;
	}
	struct conn *conn = conn_create(session->client, false, &world_role, NULL);
	conn->source = event->target->source;
	session_open(conn->session);
	check(channel_open(conn->session, event->channel->pair, event->target));
	for (uint32_t i = 0; i < world.conn_count; i++) {
		struct conn *asker = &world.conns[i];
		bool mine = asker->asks && !asker->peer && asker->side != conn->side && asker->session &&
			    asker->session->target.port == event->target->port;
		if (!mine)
			continue;
		asker->peer = conn;
		conn->peer = asker;
		return;
	}
}

static inline void role_event(struct session *session, const struct event *event)
{
	struct script *script = &world.script[side_of(session)];
	if (conn_of(session)) {
		conn_asks(session, event);
		return;
	}
	event_add(script, event);
	if (event->kind == EVENT_OPEN)
		link_asks(session, event);
	if (script->silent)
		return;
	if (event->kind == EVENT_AUTH)
		session_say(session, EVENT_AUTHED);
	if (event->kind == EVENT_PUBLISH)
		session_say(session, EVENT_PUBLISHED);
	if (event->kind == EVENT_AUTHED && event->reason == REASON_OK)
		session_say(session, EVENT_PUBLISH);
	if (event->kind == EVENT_PUBLISHED && event->reason == REASON_OK)
		session_say(session, EVENT_READY);
}

static inline void role_start(struct session *session)
{
	if (session->client && !conn_of(session) && !world.script[CLIENT].silent)
		session_say(session, EVENT_AUTH);
}

static inline void role_fill(struct session *session, struct event *event)
{
	struct script *script = &world.script[side_of(session)];
	bool answer = event->kind == EVENT_AUTHED || event->kind == EVENT_PUBLISHED;
	event->reason = event->kind == EVENT_AUTHED	 ? script->login
			: event->kind == EVENT_PUBLISHED ? script->config
							 : REASON_OK;
	if (answer && event->reason != REASON_OK)
		event->text = script->text;
	if (event->kind == EVENT_AUTH || event->kind == EVENT_AUTHED)
		event->credentials = &script->credentials;
	event->note = event->kind == EVENT_NOTE ? &script->note : NULL;
	bool lists =
	    event->note && (event->note->kind == NOTE_PARTIAL || event->note->kind == NOTE_ALL_REFUSED);
	if (event->kind == EVENT_PUBLISH || lists) {
		event->publications = script->publications;
		event->publication_count = script->publication_count;
	}
	if (event->kind == EVENT_PUBLISHED || lists) {
		event->refused = script->refused;
		event->refused_count = script->refused_count;
	}
}

static const struct role world_role = {
    .name = "world", .start = role_start, .event = role_event, .fill = role_fill};

/* ---- start and end ---- */

static inline void world_init(uint64_t seed)
{
	static char heard[2][HEARD_SIZE];
	memset(&world, 0, sizeof world);
	world.options = (struct session_options){&wire_tls_tunnel, &carrier_raw, &world_role, NULL, false};
	for (int side = 0; side < 2; side++) {
		world.script[side].heard = heard[side];
		heard[side][0] = 0;
	}
	world.limits = LIMITS_DEFAULT;
	world.random = seed;
	hub_init(&world.hub, 0, 1, &world.limits, (struct instant){1000000000});
	world.hub.random = seed * 3 + 1;
}

static inline void world_open(int side)
{
	world.options.client = side == CLIENT;
	world.link[side] = session_create(&world.hub, &world.options);
	check(world.link[side]);
	if (side == CLIENT && world.speaks)
		tls_tunnel_speak(world.link[side], world.speaks);
	session_open(world.link[side]);
}

/* A user comes to that end and asks for the target. */
static inline struct conn *world_ask(int side, const char *host, uint16_t port)
{
	struct target target = {.published = true, .port = port, .source = world.source};
	text_copy(target.host, sizeof target.host, slice_of(host));
	struct conn *conn = conn_create(side, true, &world_role, &target);
	conn->source = world.source;
	session_open(conn->session);
	return conn;
}

/* It goes to another worker (the same one) with what was not read. Returns how many bytes that were. */
static inline size_t conn_move(struct conn *conn)
{
	struct session *old = conn->session;
	struct moved *moved = session_pack(old, (struct slice){conn->in.at, conn->in.size});
	check(moved);
	size_t unread = moved->unread_size;
	conn->session = session_unpack(&world.hub, moved);
	conn->in.size = 0;
	bytes_add(&conn->in, moved->unread, unread);
	free(moved);
	session_end(old, REASON_OK, NULL, false);
	return unread;
}

/* Ends everything; checks that nothing is left over. */
static inline void world_close(void)
{
	for (uint32_t i = 0; i < world.conn_count; i++)
		if (world.conns[i].session)
			session_end(world.conns[i].session, REASON_STOPPING, NULL, false);
	for (int side = 0; side < 2; side++)
		if (world.link[side])
			session_end(world.link[side], REASON_STOPPING, NULL, false);
	world_bury();
	for (uint32_t i = 0; i < world.conn_count; i++) {
		free(world.conns[i].in.at);
		free(world.conns[i].out.at);
	}
	free(world.said[0].at);
	free(world.said[1].at);
	check(world.hub.pair_count == 0 && world.hub.channel_count == 0 && world.hub.session_count == 0);
	hub_fini(&world.hub);
}

#endif
