/* tests/unit/relay_world.h - pairs of channels without a kernel: two links that hear each other, and the
 * local connections at their ends, which are dialled, refused or held back as the test says.
 *
 * The invariants of every pair are checked after every step. Include it in one file of a program, after
 * cmocka.
 */
#ifndef TESTS_UNIT_RELAY_WORLD_H
#define TESTS_UNIT_RELAY_WORLD_H

#include "core/request.h"
#include "protocols/codecs/yamux.h"
#include "protocols/frontends/dial.h"
#include "tests/unit/wire_world.h"

enum { ASKER = 0, ANSWERER = 1 };

static uint32_t refuse_dials; /* so many connections of the next ones are refused */
static bool hold_dials;	      /* connections are not made yet */
static uint32_t retries;      /* what the role allows */

/* ---- the kernel's part ---- */

static inline void take_dials(void)
{
	struct link *link;
	while (!hold_dials && (link = list_pull(&world.hub.requests)) != NULL) {
		struct dial *dial = OWNER(OWNER(link, struct request, link), struct dial, request);
		struct session *session = dial->session;
		memory_release(&world.hub.memory, dial, sizeof *dial);
		if (!session)
			continue;
		session->dial = NULL;
		if (refuse_dials) {
			refuse_dials--;
			session_end(session, REASON_REFUSED, NULL, false);
			continue;
		}
		world.conns[world.conn_count++] = (struct conn){.session = session, .side = CLIENT};
		session_open(session);
	}
}

/* What it says until the writer holds so many bytes. */
static inline void pump_some(struct session *session, struct bytes *out, bool *shut, size_t budget)
{
	static struct writer writer;
	if (session->state != SESSION_OPEN && session->state != SESSION_FLUSH)
		return;
	writer_init(&writer, session, &world.hub.bufs, budget);
	session_pump(session, &writer);
	for (uint32_t i = 0; i < writer.count; i++)
		bytes_add(out, writer.parts[i].piece.bytes.at, writer.parts[i].piece.bytes.size);
	*shut = *shut || writer.shut;
	writer_fini(&writer);
	if (session->state == SESSION_FLUSH && !session_has_output(session))
		session_end(session, session->why, NULL, false);
}

static inline void pump(struct session *session, struct bytes *out, bool *shut)
{
	pump_some(session, out, shut, 65536);
}

static inline void feed(struct session *session, struct bytes *bytes)
{
	while (bytes->size && session_wants_input(session)) {
		size_t size = size_min(bytes->size, 20000);
		struct buf *buf = buf_receive(&world.hub.bufs);
		if (!buf)
			return;
		memcpy(buf->bytes, bytes->at, size);
		buf->used = (uint32_t)size;
		bytes_cut(bytes, size);
		session_input(session, (struct piece){buf, {buf->bytes, size}});
	}
}

static inline void settle(void)
{
	world_drain();
	take_dials();
	world_drain();
	for (struct link *link = world.hub.pairs.next; link != &world.hub.pairs; link = link->next)
		pair_check(OWNER(link, struct pair, hub_link));
}

static inline void turn(void)
{
	settle();
	for (uint32_t i = 0; i < world.conn_count; i++) {
		struct conn *conn = &world.conns[i];
		if (conn->session && session_has_output(conn->session))
			pump(conn->session, &conn->out, &conn->shut);
		settle();
		if (conn->session)
			feed(conn->session, &conn->in);
		settle();
		if (conn->session && conn->in_ended && !conn->in.size && session_wants_input(conn->session) &&
		    !conn->session->input_ended)
			session_input_end(conn->session);
		settle();
	}
	for (int side = 0; side < 2; side++) {
		bool shut = false;
		if (world.link[side] && session_has_output(world.link[side]))
			pump(world.link[side], &world.said[side], &shut);
		settle();
		if (world.link[!side])
			feed(world.link[!side], &world.said[side]);
		settle();
	}
}

static inline void turns(uint32_t count)
{
	while (count--)
		turn();
}

/* Time passes in steps that keep the links alive. */
static inline void sleep_s(uint32_t seconds)
{
	for (; seconds; seconds -= seconds < 10 ? seconds : 10) {
		world.hub.now = instant_after(world.hub.now, DURATION_S(seconds < 10 ? seconds : 10));
		wheel_expire(&world.hub.wheel, world.hub.now);
		turns(4);
	}
}

/* ---- the roles ---- */

static const struct dial_options relay_dial = {.timeout = DURATION_S(10)};

static inline void relay_event(struct session *session, const struct event *event)
{
	if (event->kind != EVENT_OPEN || conn_of(session)) {
		role_event(session, event);
		return;
	}
	event->channel->pair->tries = 1;
	if (!pair_dial(event->channel->pair, "127.0.0.1", event->target->port, &relay_dial))
		channel_refuse(event->channel, REASON_MEMORY, NULL);
}

static inline bool relay_refused(struct pair *pair, enum reason reason)
{
	if (pair->tries > retries)
		return false;
	pair_retry_after(pair, DURATION_S(1));
	return true;
}

static inline void relay_retry(struct pair *pair)
{
	pair->tries++;
	if (!pair_dial(pair, "127.0.0.1", 1, &relay_dial))
		channel_refuse(pair->side[0], REASON_LIMIT, NULL);
}

static const struct role relay_role = {.name = "relay",
				       .start = role_start,
				       .event = relay_event,
				       .fill = role_fill,
				       .refused = relay_refused,
				       .retry = relay_retry};

static inline void open_link(int side)
{
	struct session_options options = {
	    .wire = &wire_tls_tunnel, .carrier = &carrier_raw, .role = &relay_role, .client = side == CLIENT};
	world.link[side] = session_create(&world.hub, &options);
	if (world.link[side])
		session_open(world.link[side]);
}

static inline void begin(bool ours)
{
	world_init(11);
	refuse_dials = retries = 0;
	hold_dials = false;
	for (int side = 0; side < 2; side++)
		world.script[side].credentials =
		    (struct credentials){.secret = slice_of("secret"), .features = ours ? FEATURE_OURS : 0};
}

static inline void begin_linked(bool ours)
{
	begin(ours);
	open_link(SERVER);
	open_link(CLIENT);
	turns(10);
	assert_true(world.link[SERVER]->ready && world.link[CLIENT]->ready);
	assert_int_equal(!!(world.link[SERVER]->traits & TRAIT_HALF_CLOSE), ours);
}

/* A user of a published port at the server. NULL: no memory. */
static inline struct conn *ask(void)
{
	struct session_options options = {.wire = &wire_plain, .carrier = &carrier_raw, .role = &world_role};
	struct session *session = session_create(&world.hub, &options);
	if (!session)
		return NULL;
	struct conn *conn = &world.conns[world.conn_count++];
	*conn = (struct conn){.session = session, .side = SERVER, .asks = true};
	session->target = (struct target){.published = true, .port = 80};
	session_open(session);
	return conn;
}

static inline void say(struct conn *conn, const char *text) { bytes_add(&conn->in, text, strlen(text)); }

static inline void say_many(struct conn *conn, size_t size)
{
	static uint8_t block[1 << 16];
	for (size_t i = 0; i < sizeof block; i++)
		block[i] = (uint8_t)(i * 131 >> 3);
	for (; size; size -= size_min(size, sizeof block))
		bytes_add(&conn->in, block, size_min(size, sizeof block));
}

static inline void assert_out(const struct conn *conn, const char *text)
{
	assert_int_equal(conn->out.size, strlen(text));
	assert_memory_equal(conn->out.at, text, strlen(text));
}

static struct conn *ends[2];

static inline void begin_joined(bool ours)
{
	begin_linked(ours);
	ends[ASKER] = ask();
	turns(3);
	assert_int_equal(world.conn_count, 2);
	ends[ANSWERER] = &world.conns[1];
}

#endif
