/* core/flow.c - what waits on its way from one side of a pair to the other: its limits; see pair.h. */
#include "core/hub.h"
#include "core/pace.h"
#include "core/pair.h"
#include "core/reader.h"
#include "core/window.h"

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

void source_resume(struct pair *pair, int side)
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
