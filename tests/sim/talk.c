/* tests/sim/talk.c - talks as a whole: drawn, met, judged; see peer.h. */
#include <stdio.h>
#include <stdlib.h>

#include "tests/sim/peer.h"
#include "tests/sim/peer_inside.h"
#include "tests/sim/tally.h"

enum { RETRY_S = 30 };

struct peers peers;

void peers_start(void)
{
	memset(&peers, 0, sizeof peers);
	list_init(&peers.due);
	list_init(&peers.origins);
}

void peers_end(void)
{
	struct link *link;
	while ((link = list_pull(&peers.origins)) != NULL)
		free(OWNER(link, struct peer, all_link));
}

/* ---- drawing ---- */

/* Sizes at which something changes: frames, records, buffers, windows. */
static uint64_t draw_size(void)
{
	static const uint32_t edges[] = {0,	1,     16371, 16372, 16373,  16383,  16384,  16385, 65471,
					 65472, 65473, 65535, 65536, 131072, 262143, 262144, 262145};
	if (sim_below(8) == 0) {
		uint64_t edge = edges[sim_below(COUNT_OF(edges))];
		return edge <= peers.size_max ? edge : 0;
	}
	return sim_log_uniform(1, peers.size_max);
}

static void draw_pace(struct peer *peer)
{
	peer->read_max = sim_below(3) ? 65536 : (size_t)sim_log_uniform(64, 65536);
	peer->write_max =
	    sim_below(3) ? (size_t)sim_log_uniform(1024, 65536) : (size_t)sim_log_uniform(64, 4096);
	static const int64_t pauses_ms[] = {0, 0, 0, 0, 1, 20, 100};
	peer->read_pause_ns = DURATION_MS(pauses_ms[sim_below(COUNT_OF(pauses_ms))]).ns;
	peer->write_pause_ns = DURATION_MS(pauses_ms[sim_below(COUNT_OF(pauses_ms))]).ns;
	/* slow and small together would take for ever */
	if (peer->read_pause_ns && peer->read_max < 4096)
		peer->read_max = 4096;
	if (peer->write_pause_ns && peer->write_max < 4096)
		peer->write_max = 4096;
}

struct talk *talk_create(struct net_host *host, struct address address, enum user_kind user,
			 enum origin_kind origin, int64_t at_ns)
{
	if (peers.talk_count == TALKS_MAX)
		return NULL;
	struct talk *talk = &peers.talks[peers.talk_count];
	*talk = (struct talk){.id = ++peers.talk_count,
			      .user_kind = user,
			      .origin_kind = origin,
			      .host = host,
			      .address = address,
			      .strict = peers.strict,
			      .up = draw_size(),
			      .down = draw_size()};
	struct peer *peer = &talk->user;
	peer->talk = talk;
	peer->is_user = true;
	peer->total = TALK_HEADER + talk->up;
	peer->retry_until_ns = at_ns + DURATION_S(RETRY_S).ns;
	peer->leave_after = sim_below(TALK_HEADER + talk->up + talk->down + 1);
	put32(peer->header, talk->id);
	put32(peer->header + 4, (uint32_t)talk->up);
	put32(peer->header + 8, (uint32_t)talk->down);
	put32(peer->header + 12, 0x7a1c0de5u);
	memset(peer->header + 16, (int)talk->id, TALK_HEADER - 16);
	draw_pace(peer);
	peers.open_count++;
	sim_at(at_ns, peer_begin, peer);
	return talk;
}

struct talk *talk_draw(struct net_host *host, struct address address, bool rude, int64_t at_ns)
{
	enum user_kind user = rude && sim_below(3) == 0 ? (enum user_kind)sim_below(USER_KIND_COUNT)
							: (enum user_kind)sim_below(2);
	enum origin_kind origin = rude && sim_below(3) == 0 ? (enum origin_kind)sim_below(ORIGIN_KIND_COUNT) :
				  sim_below(5) ? ORIGIN_POLITE : ORIGIN_ENDS;
	if (user == USER_ENDS_FIRST && sim_below(4) == 0)
		origin = ORIGIN_ANSWERS;
	if (origin == ORIGIN_ANSWERS && user != USER_ENDS_FIRST)
		origin = ORIGIN_POLITE;
	return talk_create(host, address, user, origin, at_ns);
}

/* ---- judging ---- */

struct talk *talk_meet(struct peer *origin)
{
	uint32_t id = get32(origin->header);
	if (id == 0 || id > peers.talk_count || get32(origin->header + 12) != 0x7a1c0de5u)
		sim_fail("an origin got a header that no user sent");
	struct talk *talk = &peers.talks[id - 1];
	if (memcmp(talk->user.header, origin->header, TALK_HEADER) != 0)
		sim_fail("an origin got a damaged header of talk %u", id);
	if (talk->origin)
		sim_fail("talk %u came to two origins", id);
	if (talk->must_fail)
		sim_fail("talk %u came to an origin, and nobody should have answered it", id);
	talk->origin = origin;
	origin->talk = talk;
	origin->total = talk->down;
	origin->leave_after = sim_below(TALK_HEADER + talk->up + talk->down + 1);
	draw_pace(origin);
	origin->write_at_ns = sim.now_ns + (int64_t)sim_below((uint64_t)peers.late_ns);
	sim_trace("origin %u: up %u down %u", id, (unsigned)talk->up, (unsigned)talk->down);
	return talk;
}

/* Does everything arrive when nothing happens? */
static bool is_plain(const struct talk *talk)
{
	return talk->user_kind <= USER_ENDS_FIRST &&
	       talk->origin_kind <= (talk->stock ? ORIGIN_POLITE : ORIGIN_ENDS);
}

static const char *side_name(const struct peer *peer) { return peer->is_user ? "user" : "origin"; }

/* Did a user say its end after so many bytes? */
static bool header_was_left(uint64_t size)
{
	for (uint32_t i = 0; i < peers.talk_count; i++) {
		const struct talk *talk = &peers.talks[i];
		const struct peer *user = &talk->user;
		if (!talk->origin && user->said_end && user->sent == size)
			return true;
		if (!talk->origin && talk->stock && user->sent >= size)
			return true;         /* on a link to an original, a loss looks like an end */
	}
	return false;
}

void talk_ended(struct peer *peer)
{
	const struct talk *talk = peer->talk;
	if (peer->excused)
		return;
	if (!talk) {
		if (!header_was_left(peer->received))
			sim_fail("an origin saw a clean end after %llu bytes of a header, and no user had "
				 "ended there",
				 (unsigned long long)peer->received);
		return;
	}
	const struct peer *far = peer->is_user ? talk->origin : &talk->user;
	if (talk->asks && !peer->is_user && !talk->stock && peer->received != TALK_HEADER + talk->up)
		sim_fail("origin %u saw a clean end in a body", talk->id);
	if (talk->asks && !peer->is_user && peer->said_end)
		return;                      /* the answer is over too: the proxy does not wait for ever */
	/* without half-close and without a reset that is told from a close, less can be promised */
	if (talk->stock && (peer->said_end || !talk->strict || !is_plain(talk)))
		return;
	if (!far && talk->mute)
		return;                      /* a 502 of another cause */
	if (!far)
		sim_fail("user %u saw a clean end, and there was no origin", talk->id);
	if (!far->said_end)
		sim_fail("%s %u saw a clean end after %llu bytes, which the other side never said (it sent "
			 "%llu of %llu)",
			 side_name(peer), talk->id, (unsigned long long)peer->received,
			 (unsigned long long)far->sent, (unsigned long long)far->total);
	if (peer->received != far->sent)
		sim_fail("%s %u saw a clean end after %llu of %llu bytes: truncated", side_name(peer),
			 talk->id, (unsigned long long)peer->received, (unsigned long long)far->sent);
}

/* Once an origin has been asked, there is its answer or a reset; or nothing is what it said. What runs out
 * here is told all the same, by a 503, and LinkSocks sends early what may still be refused. */
void talk_refused(const struct talk *talk)
{
	const struct peer *origin = talk->origin;
	bool silent = origin && origin->said_end && !origin->front.done && talk->asks;
	bool failed = talk->asks && memcmp(talk->user.answer.bytes, "HTTP/1.1 502", 12) == 0;
	if (origin && failed && !silent && !talk->stock)
		sim_fail("user %u was refused (%.12s), and its origin has heard it (it sent %llu)", talk->id,
			 talk->user.answer.bytes, (unsigned long long)origin->sent);
}

void talk_unanswered(const struct talk *talk)
{
	if (talk->origin && !talk->stock)
		sim_fail("user %u saw a clean end and no answer, and its origin has heard it (it sent %llu)",
			 talk->id, (unsigned long long)talk->origin->sent);
}

static void talk_check(const struct talk *talk)
{
	const struct peer *user = &talk->user, *origin = talk->origin;
	bool whole = origin && user->saw_end && origin->saw_end && user->received == talk->down &&
		     origin->received == talk->up + TALK_HEADER && !user->excused && !origin->excused;
	if (whole && origin->ended_early)
		tally(TALLY_early_ends);
	if (whole)
		peers.clean_talks++;
	else if (user->refused)
		peers.refused_talks++;
	else
		peers.broken_talks++;
	if (!talk->strict || !is_plain(talk) || whole)
		return;
	sim_fail(
	    "talk %u (user kind %d, origin kind %d, port %u) did not come through, and nothing had happened "
	    "to it: user%s%s%s %llu of %llu, "
	    "origin%s%s%s %llu of %llu",
	    talk->id, (int)talk->user_kind, (int)talk->origin_kind, talk->address.port,
	    user->refused ? " refused" : "", user->saw_end ? " end" : "", user->saw_reset ? " reset" : "",
	    (unsigned long long)user->received, (unsigned long long)talk->down, origin ? "" : " (none)",
	    origin && origin->saw_end ? " end" : "", origin && origin->saw_reset ? " reset" : "",
	    (unsigned long long)(origin ? origin->received : 0), (unsigned long long)talk->up + TALK_HEADER);
}

void talks_check(void)
{
	for (uint32_t i = 0; i < peers.talk_count; i++)
		talk_check(&peers.talks[i]);
}

void peers_trace(void)
{
	for (uint32_t i = 0; i < peers.talk_count; i++) {
		const struct talk *talk = &peers.talks[i];
		const struct peer *user = &talk->user, *origin = talk->origin;
		if (user->state == PEER_DONE && (!origin || origin->state == PEER_DONE))
			continue;
		fprintf(stderr,
			"talk %u port %u kinds %d %d: user state %d sent %llu/%llu got %llu/%llu end %d said "
			"%d; ",
			talk->id, talk->address.port, (int)talk->user_kind, (int)talk->origin_kind,
			(int)user->state, (unsigned long long)user->sent, (unsigned long long)user->total,
			(unsigned long long)user->received, (unsigned long long)talk->down, user->saw_end,
			user->said_end);
		if (!origin)
			fprintf(stderr, "no origin\n");
		else
			fprintf(stderr, "origin state %d sent %llu/%llu got %llu end %d said %d\n",
				(int)origin->state, (unsigned long long)origin->sent,
				(unsigned long long)origin->total, (unsigned long long)origin->received,
				origin->saw_end, origin->said_end);
	}
	for (struct link *link = peers.origins.next; link != &peers.origins; link = link->next) {
		const struct peer *origin = OWNER(link, struct peer, all_link);
		if (!origin->talk && origin->state != PEER_DONE)
			fprintf(stderr, "an origin with %llu bytes of a header\n",
				(unsigned long long)origin->received);
	}
}
