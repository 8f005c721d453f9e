/* tests/fuzz/wire_acts.h - what our own end of a link does while it hears anything: users come and go, and
 * time passes. Include it behind a wire world.
 */
#ifndef TESTS_FUZZ_WIRE_ACTS_H
#define TESTS_FUZZ_WIRE_ACTS_H

/* What a byte stands for. False: its three lowest bits mean something of the fuzzer's own. */
static bool act_of_users(int side, uint8_t what)
{
	struct conn *conn = world.conn_count ? &world.conns[what / 8 % world.conn_count] : NULL;
	switch (what % 8) {
	case 0:
		if (world.conn_count < CONNS_MAX / 2)
			world_ask(side, "name", 80);
		return true;
	case 1:
		world_sleep(DURATION_S(31), false);
		return true;
	case 3:
		world.refuse_odd = !world.refuse_odd;
		return true;
	case 4:
		if (conn && conn->session)
			session_end(conn->session, REASON_LOST, NULL, false);
		return true;
	case 5:
		if (conn)
			conn->in_ended = true;
		return true;
	default:
		return false;
	}
}

static inline void users_say(uint8_t what, int times)
{
	struct conn *conn = world.conn_count ? &world.conns[what / 8 % world.conn_count] : NULL;
	for (int i = 0; conn && !conn->in_ended && i < times; i++)
		bytes_add(&conn->in, "payload payload payload", 23);
}

#endif
