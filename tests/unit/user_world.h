/* tests/unit/user_world.h - one user of a front end without a kernel, and the role that answers him: what it
 * was asked is one text, what it answers the test says beforehand.
 *
 * Owner:  the test of one front end, which gives the role: its `event` notes what it was asked, then calls
 *         user_logs_in or user_opens. The login is the secret "pass". Include it in one file of a program.
 */
#ifndef TESTS_UNIT_USER_WORLD_H
#define TESTS_UNIT_USER_WORLD_H

#include "tests/unit/wire_world.h"

static enum reason answer;              /* to OPEN; OK: a target is joined */
static const char *answer_text;         /* with it */
static bool never_answers;              /* an OPEN waits, perhaps to be moved */
static char heard[4096];                /* what the role was asked */
static struct conn *user, *far;
static enum reason login;

__attribute__((format(printf, 1, 2))) static inline void note(const char *format, ...)
{
	size_t used = strlen(heard);
	va_list list;
	va_start(list, format);
	vsnprintf(heard + used, sizeof heard - used, format, list);
	va_end(list);
}

/* ---- the role ---- */

static inline void user_logs_in(struct session *session, const struct credentials *credentials)
{
	login = slice_is(credentials->secret, "pass") ? REASON_OK : REASON_AUTH;
	session_say(session, EVENT_AUTHED);
}

static inline void join(struct pair *pair, const struct target *target)
{
	far = conn_create(SERVER, false, &world_role, NULL);
	session_open(far->session);
	check(channel_open(far->session, pair, target));
}

static inline void user_opens(const struct event *event)
{
	if (never_answers)
		return;
	if (answer)
		channel_refuse(event->channel, answer, answer_text);
	else
		join(event->channel->pair, event->target);
}

static inline void user_fill(struct session *session, struct event *event) { event->reason = login; }

/* ---- the user ---- */

static inline void user_begin(const struct wire *wire, const struct role *role)
{
	const struct session_options options = {.wire = wire, .carrier = &carrier_raw, .role = role};
	world_init(7);
	heard[0] = 0;
	answer = REASON_OK;
	answer_text = NULL;
	never_answers = false;
	far = NULL;
	user = &world.conns[world.conn_count++];
	*user = (struct conn){.session = session_create(&world.hub, &options), .asks = true};
	session_open(user->session);
}

/* Time passes as far as the worker would let it; what ends is buried. */
static inline void wait_s(uint32_t seconds)
{
	world.hub.now = instant_after(world.hub.now, DURATION_S(seconds));
	wheel_expire(&world.hub.wheel, world.hub.now);
	world_turns(2, false);
}

static inline void say_in_pieces(struct slice bytes, size_t piece)
{
	for (size_t at = 0; at < bytes.size; at += piece) {
		bytes_add(&user->in, bytes.at + at, size_min(piece, bytes.size - at));
		world_turns(3, false);
	}
	world_turns(3, false);
}

#endif
