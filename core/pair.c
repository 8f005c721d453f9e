/* core/pair.c - flows, their limits and their ends; see pair.h. */
#include "core/pair.h"

#include "core/hub.h"
#include "core/pace.h"
#include "core/reader.h"
#include "core/tally.h"
#include "core/window.h"

enum { UNHEARD_S = 10 };

static void pair_expired(struct timer *timer);

struct pair *pair_create(struct session *session)
{
	struct hub *hub = session->hub;
	struct pair *pair = memory_acquire(&hub->memory, sizeof *pair);
	if (!pair)
		return NULL;
	pair->hub = hub;
	pair->id = (uint64_t)hub->index << 48 | ++hub->pair_serial << 1;
	pair->since = hub->now;
	pair->role = session->role;
	pair->service = session->service;
	pair->moved_at = hub->now;
	pair->timer.expired = pair_expired;
	list_push(&hub->pairs, &pair->hub_link);
	hub->pair_count++;
	pair_wait_until(pair, instant_after(hub->now, hub->limits->channel_idle));
	return pair;
}

static void pair_destroy(struct pair *pair)
{
	struct hub *hub = pair->hub;
	flow_drop(pair, 0);
	flow_drop(pair, 1);
	tally_remove(pair);
	pace_release(pair, 0);
	pace_release(pair, 1);
	timer_disarm(&pair->timer);
	link_remove(&pair->hub_link);
	hub->pair_count--;
	memory_release(&hub->memory, pair, sizeof *pair);
}

/* The timer never moves later: its expiry looks at everything and arms it again. */
void pair_wait_until(struct pair *pair, struct instant at)
{
	if (timer_is_armed(&pair->timer) && !instant_before(at, pair->timer_at))
		return;
	pair->timer_at = at;
	timer_arm(&pair->hub->wheel, &pair->timer, at);
}

void pair_retry_after(struct pair *pair, struct duration delay)
{
	pair->retry_at = instant_after(pair->hub->now, delay);
	pair_wait_until(pair, pair->retry_at);
}

/* ---- what waits ---- */

/* The session that will send this flow, once there is one. */
static struct session *flow_sink(const struct pair *pair, int side)
{
	return pair->side[!side] ? pair->side[!side]->session : NULL;
}

/* A link for which so many channels speak takes only a turn's worth from each of them: what is read early
 * waits long, in a buffer that is cold when its turn comes, and the kernel runs out of them. */
static bool flow_is_crowded(const struct pair *pair, int side)
{
	const struct session *sink = flow_sink(pair, side);
	return sink && sink->speakers >= SESSION_CROWD && pair->side[side] &&
	       pair->side[side]->traits & TRAIT_CONN;
}

static void source_resume(struct pair *pair, int side)
{
	struct flow *flow = &pair->flow[side];
	if (!flow->source_blocked)
		return;
	flow->source_blocked = false;
	struct channel *source = pair->side[side];
	if (!source)
		return;
	link_remove(&source->source_link);
	source->session->blocked = false;
	source->session->heard_at = pair->hub->now;   /* its silence was ours */
	if (!link_is_linked(&source->session->readable_link))
		list_push(&pair->hub->readable, &source->session->readable_link);
}

void session_let_in(struct session *session)
{
	/* Nobody speaks: there may be no pump behind this one, so nobody may stay outside. */
	for (uint32_t count = session->speakers; count < SESSION_CROWD || !session->speakers; count++) {
		if (list_is_empty(&session->sources))
			return;
		struct channel *source = OWNER(session->sources.next, struct channel, source_link);
		source_resume(source->pair, source->side);
	}
}

/* The session's queue has room again: every source that it held back goes on. */
static void session_relieve(struct session *session)
{
	session->pushes_back = false;
	for (struct link *link = session->channels.next; link != &session->channels; link = link->next) {
		struct channel *channel = OWNER(link, struct channel, session_link);
		if (channel->pair)
			source_resume(channel->pair, !channel->side);
	}
}

void flow_pop(struct pair *pair, int side, uint64_t size)
{
	struct flow *flow = &pair->flow[side];
	struct session *sink = flow_sink(pair, side);
	flow->bytes -= size;
	if (sink) {
		sink->queued_bytes -= size;
		if (sink->pushes_back && sink->queued_bytes <= pair->hub->limits->session_bytes / 2)
			session_relieve(sink);
	}
	while (size) {
		struct message *message = flow->first;
		size_t taken = message->piece.bytes.size < size ? message->piece.bytes.size : (size_t)size;
		message->piece.bytes.at += taken;
		message->piece.bytes.size -= taken;
		size -= taken;
		if (message->piece.bytes.size)
			break;
		if (!(flow->first = message->next))
			flow->last = NULL;
		flow->count--;
		buf_unref(message->piece.buf);
		memory_release(&pair->hub->memory, message, sizeof *message);
	}
}

void flow_drop(struct pair *pair, int side)
{
	struct flow *flow = &pair->flow[side];
	uint64_t size = flow->bytes;
	if (size) {
		flow->discarded += size;
		hub_count(pair->hub, COUNTER_bytes_discarded, size);
		if (flow->datagrams)
			hub_count(pair->hub, COUNTER_datagrams_dropped, flow->count);
		flow_pop(pair, side, size);
		if (pair->side[side])            /* or a peer that writes before it reads never hears why */
			channel_ate(pair->side[side], size);
	}
	if (pair->side[!side] && pair->side[!side]->stall)
		channel_stall(pair->side[!side], STALL_NONE);
	source_resume(pair, side);
}

void flow_restart(struct pair *pair, int side)
{
	struct flow *flow = &pair->flow[side];
	flow_drop(pair, side);
	flow->end = END_NONE;
	flow->reason = REASON_OK;
	flow->end_sent = flow->dead = false;
}

/* Can `size` bytes go behind the last message in its own buffer? Only when nobody else looks at it. */
static bool flow_can_append(const struct pair *pair, const struct flow *flow, size_t size)
{
	const struct message *last = flow->last;
	if (!last)
		return false;
	const struct buf *buf = last->piece.buf;
	return buf->refs == 1 && buf->home == &pair->hub->bufs && !buf->parent &&
	       buf->used + size <= buf->size &&
	       last->piece.bytes.at + last->piece.bytes.size == buf->bytes + buf->used;
}

void pair_reset(struct pair *pair, enum reason reason)
{
	for (int side = 0; side < 2; side++) {
		struct flow *flow = &pair->flow[side];
		flow->end = END_RESET;
		flow->reason = reason;
		flow->end_sent = false;
		flow->dead = true;
		flow_drop(pair, side);
	}
	hub_count(pair->hub, COUNTER_channels_reset, 1);
	for (int side = 0; side < 2; side++) {
		struct channel *channel = pair->side[side];
		if (!channel)
			continue;
		if (channel->state == CHANNEL_ASKED) {
			channel_refuse(channel, reason, NULL);
			continue;
		}
		channel->in_done = true;
		channel->out_done = false;
		channel_say(channel, SAYS_RESET);
	}
}

/* From here on two messages of a link hold a large slab together at least, and none keeps its receive buffer.
 * So the largest window of a channel with credit, which is never full, fits into the rest of the queue. What
 * comes without credit is full by its bytes and not by the number of its pieces, and holds no more than an
 * eighth of the receive buffers. */
enum { QUEUE_CROWDED = 400, QUEUE_CROWDED_NO_CREDIT = HUB_RECEIVE_MAX / 8 };
_Static_assert(QUEUE_CROWDED + 2 * (WINDOW_MAX / BUF_RECEIVE_SIZE + 1) < CHANNEL_QUEUE_MAX, "a window fits");

static bool flow_is_long(const struct pair *pair, int side)
{
	uint32_t traits = pair->side[side]->traits;
	uint32_t crowded = traits & TRAIT_CREDIT ? QUEUE_CROWDED : QUEUE_CROWDED_NO_CREDIT;
	return !(traits & TRAIT_CONN) && pair->flow[side].count >= crowded;
}

/* Of what is collected for a batch only the first piece gets a slab of its size. */
static bool flow_collects(const struct flow *flow)
{
	return flow->pace && flow->pace->batcher.delay.ns && flow->bytes;
}

/* A message of its own: the buffer it is in (`keep`), else a slab of the right size. */
static struct message *message_create(struct pair *pair, int side, struct piece piece, bool keep)
{
	struct hub *hub = pair->hub;
	bool large = flow_is_long(pair, side) || flow_collects(&pair->flow[side]);
	size_t least = large ? BUF_RECEIVE_SIZE : 0;
	size_t size = size_max(piece.bytes.size, least);
	struct buf *slab = keep ? NULL : buf_acquire(&hub->bufs, size);
	struct message *message = keep || slab ? memory_acquire(&hub->memory, sizeof *message) : NULL;
	if (!message) {
		buf_unref(slab);
		return NULL;
	}
	if (keep) {
		buf_ref(piece.buf);
	} else {
		memcpy(slab->bytes, piece.bytes.at, piece.bytes.size);
		slab->used = (uint32_t)piece.bytes.size;
		piece = (struct piece){slab, {slab->bytes, piece.bytes.size}};
		hub_count(hub, COUNTER_pieces_copied, 1);
		bufpool_copied(&hub->bufs, piece.bytes.size);
	}
	message->piece = piece;
	return message;
}

static bool flow_is_full(struct pair *pair, int side, bool append)
{
	const struct flow *flow = &pair->flow[side];
	const struct channel *source = pair->side[side];
	const struct limits *limits = pair->hub->limits;
	if (source->traits & TRAIT_CREDIT)
		return false;
	uint64_t bytes_max = !(source->traits & TRAIT_CONN) ? limits->channel_bytes_no_credit
			     : flow_is_crowded(pair, side)  ? size_min(CHANNEL_TURN, limits->channel_bytes)
							    : limits->channel_bytes;
	if (flow->bytes >= bytes_max || (!append && flow->count == CHANNEL_QUEUE_MAX))
		return true;
	struct session *sink = flow_sink(pair, side);
	if (!sink || sink->queued_bytes < limits->session_bytes)
		return false;
	sink->pushes_back = true;
	hub_count(pair->hub, COUNTER_session_bytes_blocked, 1);
	return flow->bytes > 0;   /* one that has nothing queued would never be resumed by its own progress */
}

static void source_block(struct pair *pair, int side)
{
	struct flow *flow = &pair->flow[side];
	if (!flow->source_blocked) {
		flow->full_at = pair->hub->now;
		flow->full_pulled = flow->pulled;
		hub_count(pair->hub, COUNTER_flows_blocked, 1);
	}
	flow->source_blocked = true;
	pair->side[side]->session->blocked = true;
	pair->side[side]->session->sparing = flow_is_crowded(pair, side);
	if (!(pair->side[side]->traits & TRAIT_CONN))
		flow_is_stalled(pair, side);     /* sets the timer that asks */
	if (pair->side[!side])
		channel_wake(pair->side[!side]);
}

enum status flow_push(struct pair *pair, int side, struct piece piece)
{
	struct flow *flow = &pair->flow[side];
	size_t size = piece.bytes.size;
	if (!size)
		return STATUS_OK;
	if (flow->dead || flow->end) {
		flow->pushed += size;
		flow->discarded += size;
		hub_count(pair->hub, COUNTER_bytes_discarded, size);
		return STATUS_OK;
	}
	bool keep = piece.buf && !flow_is_long(pair, side) && buf_may_be_kept(piece.buf, size);
	bool append = !keep && flow_can_append(pair, flow, size);
	if (flow_is_full(pair, side, append)) {
		source_block(pair, side);
		return STATUS_FULL;
	}
	if (append) {
		struct buf *buf = flow->last->piece.buf;
		memcpy(buf->bytes + buf->used, piece.bytes.at, size);
		bufpool_copied(&pair->hub->bufs, size);
		buf->used += (uint32_t)size;
		flow->last->piece.bytes.size += size;
	} else {
		struct message *message =
		    flow->count < CHANNEL_QUEUE_MAX ? message_create(pair, side, piece, keep) : NULL;
		if (!message) {
			hub_count(pair->hub, COUNTER_channels_memory, 1);
			flow->pushed += size;
			flow->discarded += size;
			pair_reset(pair, REASON_MEMORY);
			return STATUS_OK;
		}
		if (flow->last)
			flow->last->next = message;
		else
			flow->first = message;
		flow->last = message;
		flow->count++;
	}
	flow->bytes += size;
	flow->pushed += size;
	struct channel *sink = pair->side[!side];
	if (sink) {
		sink->session->queued_bytes += size;
		if (sink->traits & TRAIT_WHOLE)
			pace_add(pair, side, size);
		channel_wake(sink);
	}
	if (flow_is_crowded(pair, side) && flow_is_full(pair, side, false))
		source_block(pair, side);        /* before more is read */
	return STATUS_OK;
}

/* The low watermark of what comes from a link. Everybody else there waits while it is not read: it is read
 * again as soon as there is room worth reading for. */
static uint64_t part_of_link(uint64_t max) { return max - max / 16; }

void flow_pulled(struct pair *pair, int side, size_t size)
{
	struct flow *flow = &pair->flow[side];
	struct channel *source = pair->side[side];
	const struct limits *limits = pair->hub->limits;
	flow_pop(pair, side, size);
	flow->pulled += size;
	pair->moved_at = pair->hub->now;
	if (!source)
		return;
	channel_ate(source, size);
	if (!flow->source_blocked)
		return;
	bool crowded = flow_is_crowded(pair, side), link = !(source->traits & TRAIT_CONN);
	uint64_t low = link	 ? part_of_link(limits->channel_bytes_no_credit)
		       : crowded ? 0
				 : limits->channel_bytes / 2;
	uint64_t count_low = link ? part_of_link(CHANNEL_QUEUE_MAX) : CHANNEL_QUEUE_MAX / 2;
	struct session *sink = flow_sink(pair, side);
	if (flow->bytes > low || flow->count > count_low || (sink && sink->pushes_back && flow->bytes))
		return;
	if (!crowded)
		source_resume(pair, side);
	else if (!link_is_linked(&source->source_link))
		list_push(&sink->sources, &source->source_link);
}

/* ---- ends ---- */

/* The question has ended, the answer has not, and nothing has moved for http_idle: our decision, not an end,
 * so the asker sees a reset. */
static void flow_give_up(struct pair *pair, int side)
{
	struct flow *back = &pair->flow[!side];
	pair->flow[side].end = END_CLOSE;
	flow_drop(pair, !side);
	back->end = END_RESET;
	back->reason = REASON_TIMEOUT;
	back->dead = true;
	hub_count(pair->hub, COUNTER_channels_idle, 1);
	if (pair->side[side])
		channel_say(pair->side[side], SAYS_RESET);
	channel_wake(pair->side[!side]);
}

void flow_settle(struct pair *pair, int side)
{
	struct flow *flow = &pair->flow[side], *back = &pair->flow[!side];
	struct channel *sink = pair->side[!side];
	struct instant now = pair->hub->now;
	if (flow->end != END_EOF || flow->end_sent || !sink || sink->traits & TRAIT_HALF_CLOSE)
		return;
	if (side == 1 || back->end || back->dead) {
		flow->end = END_CLOSE;
		channel_wake(sink);
		return;
	}
	/* an answer that is on its way, or that we do not read, is not silence */
	if (flow->bytes || back->bytes || sink->session->blocked || !instant_is_set(flow->withheld_at))
		flow->withheld_at = now;
	if (instant_before(flow->withheld_at, pair->moved_at))
		flow->withheld_at = pair->moved_at;
	struct instant until = instant_after(flow->withheld_at, pair->hub->limits->http_idle);
	if (instant_before(now, until))
		pair_wait_until(pair, until);
	else
		flow_give_up(pair, side);
}

void pair_reclaim(struct pair *pair, struct duration quiet)
{
	const struct flow *flow = &pair->flow[0];
	bool withheld =
	    flow->end == END_EOF && !flow->end_sent && instant_is_set(flow->withheld_at) && !flow->bytes;
	if (withheld && instant_since(pair->hub->now, pair->moved_at).ns >= quiet.ns)
		flow_give_up(pair, 0);
}

/* Is what waits for the sink lost? An original that has said its end takes nothing more and grants no credit,
 * and says nothing of it. */
static bool flow_is_unheard(struct pair *pair, int side)
{
	const struct flow *flow = &pair->flow[side], *back = &pair->flow[!side];
	const struct channel *sink = pair->side[!side];
	struct instant now = pair->hub->now;
	if (!sink || !sink->in_done || (sink->traits & (TRAIT_CREDIT | TRAIT_HALF_CLOSE)) != TRAIT_CREDIT)
		return false;
	bool late = !instant_before(now, instant_after(pair->moved_at, DURATION_S(UNHEARD_S)));
	if (late && flow->bytes && !sink->credit && !back->bytes)
		return true;
	pair_wait_until(pair, instant_after(now, DURATION_S(UNHEARD_S)));
	return false;
}

void flow_end(struct pair *pair, int side, enum end end, enum reason reason)
{
	struct flow *flow = &pair->flow[side], *back = &pair->flow[!side];
	struct channel *source = pair->side[side], *sink = pair->side[!side];
	if (end == END_RESET && (flow->end == END_EOF || flow->end == END_CLOSE))
		end = END_CLOSE;                 /* all bytes are here: nothing was lost */
	if (flow->end >= end)
		return;                          /* the worse end wins, the first of equals sticks */
	/* nothing was asked of a target that is still to answer: it need not */
	bool needless = end == END_CLOSE && side == 0 && !flow->bytes && !flow->pulled && sink &&
			sink->state == CHANNEL_OPENING;
	flow->end = end;
	flow->reason = end == END_RESET && reason == REASON_OK ? REASON_OTHER
		       : needless			      ? REASON_LOST
							      : reason;
	if (flow->end_sent && sink) {            /* EOF went out; CLOSE or RESET must follow */
		flow->end_sent = false;
		sink->out_done = false;
	}
	if (end == END_RESET)
		flow_drop(pair, side);
	if (end != END_EOF) {
		flow_drop(pair, !side);
		back->dead = true;
		if (source)
			source->out_done = true;
		if (sink && (end == END_RESET || needless))
			channel_say(sink, SAYS_RESET);
	}
	flow_settle(pair, side);
	flow_settle(pair, !side);
	if (end == END_EOF)
		flow_is_unheard(pair, !side);    /* sets the timer that asks */
	if (sink)
		channel_wake(sink);
}

void pair_leave(struct pair *pair, int side)
{
	source_resume(pair, side);
	struct session *session = pair->side[side]->session;
	session->queued_bytes -= pair->flow[!side].bytes;
	pair->side[side] = NULL;
	flow_drop(pair, !side);
	pair->flow[!side].dead = true;
	if (!pair->side[!side])
		pair_destroy(pair);
}

void pair_abandon(struct pair *pair)
{
	check(!pair->side[0] && !pair->side[1]);
	pair_destroy(pair);
}

/* ---- time ---- */

/* True: the pair may be gone. */
static bool pair_is_unanswered(struct pair *pair)
{
	struct channel *channel = pair->side[1];
	if (!instant_is_set(pair->answer_at))
		return false;
	if (instant_before(pair->hub->now, pair->answer_at)) {
		pair_wait_until(pair, pair->answer_at);
		return false;
	}
	pair->answer_at = (struct instant){0};
	bool opening = channel && channel->state == CHANNEL_OPENING;
	bool trusted = channel && channel->state == CHANNEL_OPEN && channel->on_trust;
	if (opening)
		channel_unanswered(channel);
	else if (trusted)
		pair_reset(pair, REASON_TIMEOUT);
	return opening || trusted;
}

/* The pair may be gone afterwards. */
static void pair_retry(struct pair *pair)
{
	if (!instant_is_set(pair->retry_at))
		return;
	if (instant_before(pair->hub->now, pair->retry_at)) {
		pair_wait_until(pair, pair->retry_at);
		return;
	}
	pair->retry_at = (struct instant){0};
	pair->role->retry(pair);
}

static void pair_expired(struct timer *timer)
{
	struct pair *pair = OWNER(timer, struct pair, timer);
	struct hub *hub = pair->hub;
	struct instant idle_until = instant_after(pair->moved_at, hub->limits->channel_idle);
	if (!instant_before(hub->now, idle_until)) {
		hub_count(hub, COUNTER_channels_idle, 1);
		pair_reset(pair, REASON_TIMEOUT);
		return;
	}
	pair_wait_until(pair, idle_until);
	pace_expired(pair);
	for (int side = 0; side < 2; side++) {
		flow_settle(pair, side);
		if (flow_is_stalled(pair, side)) {
			flow_reset_stalled(pair, side);
			return;
		}
		if (flow_is_unheard(pair, side)) {
			hub_count(hub, COUNTER_channels_stalled, 1);
			pair_reset(pair, REASON_STALLED);
			return;
		}
	}
	/* Last: what a role does then may end the pair, and everything else has its instant already. */
	if (!pair_is_unanswered(pair))
		pair_retry(pair);
}

void pair_check(const struct pair *pair)
{
	for (int side = 0; side < 2; side++) {
		const struct flow *flow = &pair->flow[side];
		uint64_t bytes = 0;
		uint32_t count = 0;
		for (const struct message *message = flow->first; message; message = message->next) {
			check(message->piece.bytes.size > 0 && message->piece.buf->refs > 0);
			bytes += message->piece.bytes.size;
			count++;
		}
		check(bytes == flow->bytes && count == flow->count && count <= CHANNEL_QUEUE_MAX);
		check(flow->pushed == flow->pulled + flow->bytes + flow->discarded);
		const struct channel *source = pair->side[side];
		if (source && source->traits & TRAIT_CREDIT && !channel_has_datagrams(source))
			check(source->granted <= source->window && flow->bytes <= source->window);
	}
}
