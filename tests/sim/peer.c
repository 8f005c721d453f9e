/* tests/sim/peer.c - users and origins, step by step; see peer.h. Talks as a whole: talk.c. */
#include "tests/sim/peer.h"

#include <errno.h>
#include <stdlib.h>

#include "tests/lib/pattern.h"
#include "tests/sim/peer_inside.h"

enum { READ_MAX = 65536, RETRY_MS = 700 };

static void wake(struct peer *peer)
{
	if (peer->state != PEER_DONE && !link_is_linked(&peer->due_link))
		list_push(&peers.due, &peer->due_link);
}

static void peer_wake(void *object) { wake(object); }
static void socket_changed(struct net_socket *socket) { wake(socket->owner); }

static void watch(struct peer *peer, struct net_socket *socket)
{
	peer->socket = socket;
	socket->owner = peer;
	socket->changed = socket_changed;
}

void peer_done(struct peer *peer)
{
	check(peer->state != PEER_DONE);
	peer->state = PEER_DONE;
	peers.open_count--;
	link_remove(&peer->due_link);
	sim_trace("%s %u: done%s%s%s%s%s%s sent %llu/%llu received %llu", peer->is_user ? "user" : "origin",
		  peer->talk ? peer->talk->id : 0, peer->said_end ? " said-end" : "",
		  peer->said_abort ? " said-abort" : "", peer->saw_end ? " saw-end" : "",
		  peer->saw_reset ? " saw-reset" : "", peer->refused ? " refused" : "",
		  peer->excused ? " excused" : "", (unsigned long long)peer->sent,
		  (unsigned long long)peer->total, (unsigned long long)peer->received);
}

/* A close with unread bytes, or after an error, is no end that anybody hears as one. */
static void leave(struct peer *peer, bool abort)
{
	struct net_socket *socket = peer->socket;
	bool clean = !abort && !socket->in.ready && !socket->gone && !socket->error && !socket->dead;
	if (!peer->said_end)
		peer->said_end = clean;
	if (!clean)
		peer->said_abort = true;
	net_close(socket, abort);
	peer_done(peer);
}

static void say_end(struct peer *peer)
{
	if (peer->said_end || peer->socket->gone || peer->socket->error)
		return;
	peer->said_end = true;
	peer->ended_early = !peer->is_user && !peer->saw_end && peer->received < peer->talk->up + TALK_HEADER;
	net_shutdown(peer->socket);
}

/* ---- connecting ---- */

static void user_connect(struct peer *peer)
{
	int error;
	struct net_socket *socket = net_connect(peer->talk->host, &peer->talk->address, false, &error);
	check(socket);
	peer->state = PEER_CONNECTING;
	watch(peer, socket);
}

void peer_begin(void *object)
{
	struct peer *peer = object;
	if (peer->state == PEER_IDLE)
		user_connect(peer);
}

static void user_connecting(struct peer *peer)
{
	struct net_socket *socket = peer->socket;
	if (socket->state == NET_OPEN) {
		sim_trace("user %u: connected to port %u", peer->talk->id, peer->talk->address.port);
		peer->state = PEER_TALKING;
		wake(peer);
		return;
	}
	if (!socket->error)
		return;
	net_close(socket, false);
	peer->state = PEER_IDLE;
	if (sim.now_ns < peer->retry_until_ns) {
		sim_after(DURATION_MS(RETRY_MS), peer_begin, peer);
		return;
	}
	peer->refused = true;
	peer_done(peer);
}

static void origin_arrived(struct net_socket *listener)
{
	int error;
	struct net_socket *socket;
	while ((socket = net_accept(listener, false, &error)) != NULL) {
		struct peer *peer = calloc(1, sizeof *peer);
		check(peer);
		peer->state = PEER_TALKING;
		peer->read_max = READ_MAX;
		list_push(&peers.origins, &peer->all_link);
		peers.open_count++;
		watch(peer, socket);
		wake(peer);
	}
}

void origin_accepts(struct net_socket *listener) { listener->changed = origin_arrived; }

/* ---- reading ---- */

static bool is_answered(const struct peer *peer) { return peer->answer.done == peer->answer.size; }

/* A proxy's; a no is as good as a reset. */
static size_t hear_answer(struct peer *peer, const uint8_t *bytes, size_t size)
{
	struct words *answer = &peer->answer;
	size_t taken = size_min(size, (size_t)(answer->size - answer->done));
	memcpy(answer->bytes + answer->done, bytes, taken);
	answer->done = (uint16_t)(answer->done + taken);
	if (answer->done < answer->size || peer->talk->agrees(answer->bytes))
		return taken;
	talk_refused(peer->talk);
	peer->refused = peer->saw_reset = true;
	return size;
}

static void heard(struct peer *peer, const uint8_t *bytes, size_t size)
{
	struct talk *talk = peer->talk;
	char why[160];
	size_t skip = 0;
	size_t before = !peer->is_user	    ? prelude_hear(peer, bytes, size)
			: is_answered(peer) ? 0
					    : hear_answer(peer, bytes, size);
	bytes += before;
	size -= before;
	talk = peer->talk;
	if (peer->is_user && talk->mute)
		return;                          /* why there is no answer */
	if (!peer->is_user && peer->received < TALK_HEADER) {
		skip = size_min(size, TALK_HEADER - peer->received);
		memcpy(peer->header + peer->received, bytes, skip);
		peer->received += skip;
		if (peer->received == TALK_HEADER)
			talk = talk_meet(peer);
	}
	if (size == skip)
		return;
	uint64_t at = peer->received - (peer->is_user ? 0 : TALK_HEADER);
	if (!pattern_check(bytes + skip, size - skip, talk->id, peer->is_user, at, why))
		sim_fail("%s %u: %s", peer->is_user ? "user" : "origin", talk->id, why);
	peer->received += size - skip;
	peers.checked_bytes += size - skip;
}

/* True: there may be more at once. */
static bool read_some(struct peer *peer)
{
	static uint8_t bytes[READ_MAX];
	struct net_socket *socket = peer->socket;
	if (peer->saw_end || peer->saw_reset)
		return false;
	if (peer->read_at_ns > sim.now_ns) {
		sim_at(peer->read_at_ns, peer_wake, peer);
		return false;
	}
	long size = net_read(socket, bytes, peer->read_max);
	if (size == -EAGAIN)
		return false;
	if (size > 0) {
		heard(peer, bytes, (size_t)size);
		if (peer->read_pause_ns) {
			peer->read_at_ns = sim.now_ns + (int64_t)sim_below((uint64_t)peer->read_pause_ns);
			sim_at(peer->read_at_ns, peer_wake, peer);
		}
		return !peer->read_pause_ns;
	}
	bool unanswered = peer->is_user && !is_answered(peer);
	if (unanswered && size == 0 && socket->in.end_ready && !socket->other->dead)
		talk_unanswered(peer->talk);
	if (size < 0 || !socket->in.end_ready || unanswered) {
		peer->saw_reset = true;
		return false;
	}
	peer->saw_end = true;
	peer->excused = socket->other->dead;
	talk_ended(peer);
	return false;
}

/* ---- writing ---- */

static bool has_sent(const struct peer *peer)
{
	return peer->sent == peer->total && peer->front.done == peer->front.size;
}

static size_t next_bytes(struct peer *peer, uint8_t *bytes, size_t size)
{
	uint64_t at = peer->sent;
	size = size_min(size, (size_t)(peer->total - peer->sent));
	size_t header = 0;
	if (peer->is_user && at < TALK_HEADER) {
		header = size_min(size, (size_t)(TALK_HEADER - at));
		memcpy(bytes, peer->header + at, header);
	}
	if (size > header)
		pattern_fill(bytes + header, size - header, peer->talk->id, !peer->is_user,
			     at + header - (peer->is_user ? TALK_HEADER : 0));
	return size;
}

/* True: it has been said. */
static bool greet(struct peer *peer)
{
	struct words *front = &peer->front;
	if (front->done == front->size)
		return true;
	long written = net_write(peer->socket, front->bytes + front->done,
				 size_min(front->size - front->done, peer->write_max));
	if (written < 0 && written != -EAGAIN)
		peer->write_failed = true;
	if (written > 0)
		front->done = (uint16_t)(front->done + written);
	if (written > 0)
		wake(peer);
	return front->done == front->size;
}

static bool write_some(struct peer *peer)
{
	static uint8_t bytes[READ_MAX];
	if (has_sent(peer) || peer->write_failed || peer->said_end)
		return false;
	if (peer->write_at_ns > sim.now_ns) {
		sim_at(peer->write_at_ns, peer_wake, peer);
		return false;
	}
	if (!greet(peer) || peer->sent == peer->total)
		return false;
	size_t size = next_bytes(peer, bytes, peer->write_max);
	long written = net_write(peer->socket, bytes, size);
	if (written == -EAGAIN)
		return false;
	if (written < 0) {
		peer->write_failed = true;
		return false;
	}
	peer->sent += (uint64_t)written;
	if (peer->write_pause_ns) {
		peer->write_at_ns = sim.now_ns + (int64_t)sim_below((uint64_t)peer->write_pause_ns);
		sim_at(peer->write_at_ns, peer_wake, peer);
	}
	return !peer->write_pause_ns;
}

/* ---- what each kind does ---- */

static bool is_over(const struct peer *peer)
{
	return peer->saw_reset || (peer->saw_end && peer->write_failed);
}

static void user_step(struct peer *peer)
{
	struct talk *talk = peer->talk;
	bool more = write_some(peer);
	if (talk->user_kind != USER_DEAD || peers.awake)
		more = read_some(peer) || more;
	if (is_over(peer)) {
		leave(peer, false);
		return;
	}
	if (has_sent(peer) && talk->user_kind == USER_ENDS_FIRST)
		say_end(peer);
	bool early = talk->user_kind == USER_ABORTS || talk->user_kind == USER_LEAVES;
	if (early && peer->sent + peer->received >= peer->leave_after)
		leave(peer, talk->user_kind == USER_ABORTS);
	else if (talk->user_kind == USER_DEAD && peers.awake)
		leave(peer, sim_below(2));
	else if (peer->saw_end && (has_sent(peer) || peer->said_end))
		leave(peer, false);
	else if (more)
		wake(peer);
}

static bool origin_may_send(const struct peer *peer)
{
	const struct talk *talk = peer->talk;
	return talk && talk->origin_kind != ORIGIN_DEAD &&
	       (talk->origin_kind != ORIGIN_ANSWERS || peer->saw_end);
}

/* Has it done what it is there for? */
static bool origin_is_done(const struct peer *peer)
{
	const struct talk *talk = peer->talk;
	if (!has_sent(peer))
		return false;
	if (talk->origin_kind == ORIGIN_ENDS || talk->origin_kind == ORIGIN_LEAVES)
		return true;
	bool ends_first = talk->user_kind == USER_ENDS_FIRST && !talk->stock;
	return peer->saw_end || (!ends_first && peer->received == talk->up + TALK_HEADER);
}

static void origin_step(struct peer *peer)
{
	const struct talk *before = peer->talk, *talk = before;
	bool ended = peer->saw_end, more = origin_may_send(peer) && write_some(peer);
	if (!talk || talk->origin_kind != ORIGIN_DEAD || peers.awake)
		more = read_some(peer) || more;
	talk = peer->talk;
	if (is_over(peer) || (!talk && peer->saw_end)) {
		leave(peer, false);
		return;
	}
	if (!talk) {
		if (more)
			wake(peer);
		return;
	}
	if (talk->origin_kind == ORIGIN_ABORTS && peer->sent + peer->received >= peer->leave_after)
		leave(peer, true);
	else if (talk->origin_kind == ORIGIN_DEAD && peers.awake)
		leave(peer, sim_below(2));
	else if (origin_is_done(peer) && (peer->saw_end || talk->origin_kind == ORIGIN_LEAVES))
		leave(peer, false);
	else if (origin_is_done(peer))
		say_end(peer);
	bool news = talk != before || peer->saw_end != ended;   /* what it waited for to speak */
	if (more || news)
		wake(peer);
}

static void peer_step(struct peer *peer)
{
	if (peer->state == PEER_CONNECTING)
		user_connecting(peer);
	else if (peer->state == PEER_TALKING && peer->is_user)
		user_step(peer);
	else if (peer->state == PEER_TALKING)
		origin_step(peer);
}

bool peers_are_due(void) { return !list_is_empty(&peers.due); }

bool peers_step(void)
{
	struct link *link = list_pull(&peers.due);
	if (!link)
		return false;
	peer_step(OWNER(link, struct peer, due_link));
	return true;
}

void peers_wake_all(void)
{
	peers.awake = true;
	for (uint32_t i = 0; i < peers.talk_count; i++)
		wake(&peers.talks[i].user);
	for (struct link *link = peers.origins.next; link != &peers.origins; link = link->next)
		wake(OWNER(link, struct peer, all_link));
}
