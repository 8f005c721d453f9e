/* tests/unit/carried.h - conns that say and do what chance gives, and whether it came to the other end.
 * Include it behind a wire world.
 *
 * The test gives conn_says.
 */
#ifndef TESTS_UNIT_CARRIED_H
#define TESTS_UNIT_CARRIED_H

static struct bytes put_in[CONNS_MAX]; /* all that a conn was given */
static uint64_t moved;

static void conn_says(struct conn *conn);   /* of the test: more bytes, perhaps */

static inline void nothing_carried(void)
{
	for (size_t i = 0; i < CONNS_MAX; i++)
		free(put_in[i].at);
	memset(put_in, 0, sizeof put_in);
}

static inline void conn_give(struct conn *conn, const uint8_t *bytes, size_t size)
{
	bytes_add(&conn->in, bytes, size);
	bytes_add(&put_in[conn - world.conns], bytes, size);
	moved += size;
}

static void conn_acts(struct conn *conn)
{
	uint64_t what = chance(24);
	if (what < 18)
		conn_says(conn);
	else if (what < 20)
		conn->in_ended = true;
	else if (what == 20 && conn->session && !conn->gone)
		session_end(conn->session, REASON_LOST, NULL, false);
}

/* What left at one end is what went in at the other: all of it when both ended well, else a beginning.
 * Towards a peer that cannot half-close the answer's end is the end of the question too. */
static void assert_carried(const struct conn *from, const struct conn *to)
{
	const struct bytes *in = &put_in[from - world.conns];
	assert_true(to->out.size <= in->size);
	if (to->out.size)
		assert_memory_equal(to->out.at, in->at, to->out.size);
	bool halves = world.link[SERVER]->traits & world.link[CLIENT]->traits & TRAIT_HALF_CLOSE;
	bool lost =
	    to->why || (!halves && (from->why || from->asks)); /* never silently between our own ends */
	if (!lost && to->out.size != in->size)
		fail_msg("%zu of %zu bytes came, from %s (%s%s%s) to (%s%s%s)", to->out.size, in->size,
			 from->asks ? "asker" : "answerer", from->gone ? "gone " : "", reason_name(from->why),
			 from->in_ended ? " ended" : "", to->gone ? "gone " : "", reason_name(to->why),
			 to->shut ? " shut" : "");
}

static bool all_gone(void)
{
	for (uint32_t i = 0; i < world.conn_count; i++)
		if (!world.conns[i].gone)
			return false;
	return true;
}

#endif
