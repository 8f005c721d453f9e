/* tests/unit/relay_any_test.c - pairs of channels through anything in any order: users and a link ask,
 * answer, end and fall silent, memory fails, time passes. What must hold after each step is checked: sums,
 * lists, and that whoever waits is woken by somebody.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/datagram.h"
#include "core/reader.h"
#include "tests/unit/lump_world.h"

enum { IDS = 6, STEPS = 500, SEEDS = 120, TICK_NS = 1000000 };

/* ---- what must hold ---- */

static uint32_t count_of(const struct link *list)
{
	uint32_t count = 0;
	for (const struct link *at = list->next; at != list; at = at->next)
		count++;
	return count;
}

/* The pair's timer looks no later than that. */
static void assert_watched(const struct pair *pair, struct instant at)
{
	assert_true(timer_is_armed(&pair->timer));
	assert_true(pair->timer_at.ns <= at.ns || pair->timer_at.ns <= world.hub.now.ns + TICK_NS);
}

static void assert_channel(const struct session *session, const struct channel *channel)
{
	bool listed = link_is_linked(&channel->active_link);
	assert_ptr_equal(channel->session, session);
	if (!channel->pair) {
		assert_true(channel->says == SAYS_RESET && !listed && !channel->stall);
		return;
	}
	assert_ptr_equal(channel->pair->side[channel->side], channel);
	/* by less than a tick */
	bool late = channel->paced && channel->pair->timer_at.ns <= world.hub.now.ns;
	assert_true(listed || late || channel->says & SAYS_RESET || !channel_is_ready(channel));
	assert_true(!channel->says || link_is_linked(&channel->control_link));
}

static void assert_session(const struct session *session)
{
	size_t queued = 0;
	uint32_t blocking = 0;
	for (struct link *at = session->channels.next; at != &session->channels; at = at->next) {
		const struct channel *channel = OWNER(at, struct channel, session_link);
		assert_channel(session, channel);
		if (!channel->pair)
			continue;
		queued += channel->pair->flow[!channel->side].bytes;
		blocking += channel->pair->flow[channel->side].source_blocked;
	}
	assert_int_equal(session->queued_bytes, queued);
	assert_int_equal(session->speakers, count_of(&session->fresh) + count_of(&session->active));
	assert_int_equal(session->channel_count, count_of(&session->channels));
	assert_int_equal(session->blocked, blocking > 0);
}

static void assert_pair(const struct pair *pair)
{
	pair_check(pair);
	assert_true(pair->side[0] || pair->side[1]);
	if (pair->flow[0].dead && pair->flow[1].dead)
		return;                          /* it is over */
	if (instant_is_set(pair->retry_at))
		assert_watched(pair, pair->retry_at);
	if (instant_is_set(pair->answer_at))
		assert_watched(pair, pair->answer_at);
	for (int side = 0; side < 2; side++) {
		const struct flow *flow = &pair->flow[side];
		const struct channel *source = pair->side[side];
		if (flow->source_blocked && source)
			assert_true(flow->bytes || link_is_linked(&source->source_link));
		if (flow->source_blocked && source && !(source->traits & TRAIT_CONN))
			assert_watched(pair, instant_after(flow->full_at, DURATION_S(READER_STALLED_S)));
	}
}

static void assert_all(void)
{
	for (struct link *at = world.hub.sessions.next; at != &world.hub.sessions; at = at->next)
		assert_session(OWNER(at, struct session, hub_link));
	for (struct link *at = world.hub.pairs.next; at != &world.hub.pairs; at = at->next)
		assert_pair(OWNER(at, struct pair, hub_link));
}

/* ---- what may happen ---- */

static uint32_t sometimes(void *state) { return chance(12) == 0; }

static struct conn *any_conn(void)
{
	struct conn *conn = world.conn_count ? &world.conns[chance(world.conn_count)] : NULL;
	return conn && conn->session ? conn : NULL;
}

/* The conns that are gone make room. */
static void forget_conns(void)
{
	uint32_t kept = 0;
	for (uint32_t i = 0; i < world.conn_count; i++) {
		if (world.conns[i].session) {
			world.conns[kept++] = world.conns[i];
			continue;
		}
		free(world.conns[i].in.at);
		free(world.conns[i].out.at);
	}
	memset(&world.conns[kept], 0, (world.conn_count - kept) * sizeof world.conns[0]);
	world.conn_count = kept;
}

static bool any_refused(struct pair *pair, enum reason reason)
{
	static const struct target target = {.port = 81};
	switch (chance(4)) {
	case 0:
		pair_retry_after(pair, DURATION_MS(chance(4000)));
		return true;
	case 1:
		if (lump->state > SESSION_OPEN || !channel_open(lump, pair, &target))
			return false;
		channel_open_within(pair->side[1], DURATION_MS(chance(5000)));
		return true;
	default:
		return false;
	}
}

static void any_retry(struct pair *pair)
{
	if (pair->side[0] && !pair->side[1] && !pair_dial(pair, "127.0.0.1", 1, &relay_dial) &&
	    pair->side[0] && !pair->side[1])
		channel_refuse(pair->side[0], REASON_LIMIT, NULL);
}

static struct role any_user, any_link;

static void user_comes(void)
{
	struct session_options options = {.wire = &wire_plain, .carrier = &carrier_raw, .role = &any_user};
	if (world.conn_count >= CONNS_MAX / 2)
		return;
	struct session *session = session_create(&world.hub, &options);
	if (!session)
		return;
	world.conns[world.conn_count++] = (struct conn){.session = session, .side = SERVER, .asks = true};
	session_open(session);
	settle();
}

static void lump_hears_any(void)
{
	static const char kinds[] = "AANDDDDDDDDDDECR+";
	bool own = chance(2);
	uint8_t id = (uint8_t)(1 + chance(IDS));
	if (own && lump_serial)
		id = (uint8_t)(LUMP_SERIAL + (uint8_t)(lump_serial - 1 - chance(size_min(lump_serial, IDS))));
	char kind = kinds[chance(sizeof kinds - 1)];
	struct channel *channel = session_find(lump, &id, 1);
	bool known = idtable_find(&lump->ids, &id, 1);
	if (channel && kind == 'A')
		channel_confirm(channel);
	if (!known && !own && session_wants_input(lump) && !lump->draining &&
	    lump->channel_count < lump->channels_max && !hub_is_tight(&world.hub) && !world.hub.memory.fail)
		lump_hears(id, 'O', 0);
	else if (channel && (kind != 'A' || channel->opener) && (kind != 'N' || channel->opener))
		lump_hears(id, kind, kind == 'D' ? 1 + chance(chance(2) ? 100 : 30000) : 2);
}

static void channel_meets_any(void)
{
	struct link *at = lump->channels.next;
	for (uint64_t skip = chance(lump->channel_count + 1); skip && at != &lump->channels; skip--)
		at = at->next;
	if (at == &lump->channels)
		return;
	struct channel *channel = OWNER(at, struct channel, session_link);
	if (!channel->pair)
		return;
	if (chance(2))
		channel_hold(channel, instant_after(world.hub.now, DURATION_MS(chance(100))));
	else if (channel->opener && channel->state == CHANNEL_OPENING)
		channel_open_within(channel, DURATION_MS(chance(5000)));
	if (channel->says & SAYS_OPEN && chance(2))
		channel_trust(channel);
}

static void conn_meets_any(void)
{
	struct conn *conn = any_conn();
	if (!conn)
		return;
	switch (chance(8)) {
	case 0:
		session_end(conn->session, chance(2) ? REASON_OK : REASON_LOST, NULL, chance(2));
		settle();
		break;
	case 1:
		conn->in_ended = true;
		if (session_wants_input(conn->session) && !conn->in.size && !conn->session->input_ended)
			session_input_end(conn->session);
		settle();
		break;
	case 2:
	case 3:
		pump_some(conn->session, &conn->out, &conn->shut, 1 + chance(100000));
		settle();
		break;
	default:
		if (!conn->in_ended)
			conn_says(conn, 1 + chance(chance(2) ? 300 : 90000));
		else
			hear_conn(conn);
	}
}

static void step(void)
{
	forget_conns();
	refuse_dials = chance(3) == 0;
	hold_dials = chance(3) == 0;
	switch (chance(12)) {
	case 0:
		user_comes();
		break;
	case 1:
	case 2:
	case 3:
		lump_hears_any();
		break;
	case 4:
		lump_count = 0;
		lump_says(1 + chance(200000));
		break;
	case 5:
		channel_meets_any();
		break;
	case 6:
		pass_us((int64_t)chance(chance(3) ? 3000 : 1500000));
		break;
	case 7:
		if (chance(10) == 0)
			pass_us(10000000);
		break;
	default:
		conn_meets_any();
	}
}

static void anything(void **state)
{
	for (uint64_t seed = 0; seed < SEEDS; seed++) {
		wire_lump.traits = seed & 1 ? TRAIT_WHOLE : 0;
		wire_lump.traits |= seed & 2 ? TRAIT_HALF_CLOSE : 0;
		wire_lump.traits |= seed % 5 == 4 ? TRAIT_SILENT_OPEN : 0;
		wire_lump.chunk_max = seed & 4 ? 512 * 1024 : 20000;
		begin_lump();
		world.limits.session_bytes = seed & 8 ? 300000 : 1 << 24;
		world.limits.channel_bytes_no_credit = seed % 3 ? 20000 : 100000;
		any_user = world_role;
		any_link = relay_role;
		any_user.refused = any_link.refused = any_refused;
		any_user.retry = any_link.retry = any_retry;
		lump->role = &any_link;
		world.random = seed * 7919 + 1;
		for (int i = 0; i < STEPS && lump_serial < 100 && !world.link_gone[SERVER]; i++) {
			world.hub.memory.fail = seed % 7 == 6 && chance(2) ? sometimes : NULL;
			step();
			world.hub.memory.fail = NULL;
			assert_all();
		}
		hold_dials = false;
		settle();
		if (!world.link_gone[SERVER])
			session_end(lump, REASON_LOST, NULL, false);
		settle();
		assert_all();
		world_close();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(anything),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
