/* core/datagram.c - datagrams that wait: in a flow, and for a socket; see datagram.h. */
#include "core/datagram.h"

#include "core/hub.h"

enum {
	HEAD_MIN = 3,              /* in front of the payload in its slab: port, length of the host, host */
	FLOW_SPARED = 16 * 1024,   /* a flow may have so much however much the streams of its session have */
};

/* ---- in a flow ---- */

static void datagram_drop(struct hub *hub) { hub_count(hub, COUNTER_datagrams_dropped, 1); }

static void drop_oldest(struct pair *pair, int side)
{
	struct flow *flow = &pair->flow[side];
	size_t size = flow->first->piece.bytes.size;
	flow->discarded += size;
	flow_pop(pair, side, size);
	datagram_drop(pair->hub);
}

/* With `kept` bytes in this flow, may `size` more wait? */
static bool session_has_room(const struct pair *pair, int side, size_t kept, size_t size)
{
	const struct channel *sink = pair->side[!side];
	size_t others = sink ? sink->session->queued_bytes - pair->flow[side].bytes : 0;
	return !sink || kept + size <= FLOW_SPARED ||
	       others + kept + size <= pair->hub->limits->session_bytes;
}

/* Room for `size` bytes more; the flow's own oldest ones make it. False: others hold what there is. */
static bool flow_makes_room(struct pair *pair, int side, size_t size)
{
	struct flow *flow = &pair->flow[side];
	if (!session_has_room(pair, side, 0, size))
		return false;
	while (flow->count >= CHANNEL_QUEUE_MAX || flow->bytes + size > DATAGRAM_FLOW_BYTES)
		drop_oldest(pair, side);
	while (flow->first && !session_has_room(pair, side, flow->bytes, size))
		drop_oldest(pair, side);
	return true;
}

/* Head and payload as one message in a slab of its own. */
static struct message *datagram_pack(struct hub *hub, const struct target *peer, struct slice payload)
{
	size_t host_size = strlen(peer->host), size = HEAD_MIN + host_size + payload.size;
	struct buf *slab = buf_acquire(&hub->bufs, size);
	struct message *message = slab ? memory_acquire(&hub->memory, sizeof *message) : NULL;
	if (!message) {
		buf_unref(slab);
		return NULL;
	}
	put16(slab->bytes, peer->port);
	slab->bytes[2] = (uint8_t)host_size;
	memcpy(slab->bytes + HEAD_MIN, peer->host, host_size);
	if (payload.size)
		memcpy(slab->bytes + HEAD_MIN + host_size, payload.at, payload.size);
	slab->used = (uint32_t)size;
	bufpool_copied(&hub->bufs, payload.size);
	message->piece = (struct piece){slab, {slab->bytes, size}};
	return message;
}

void flow_push_datagram(struct pair *pair, int side, const struct target *peer, struct slice payload)
{
	struct flow *flow = &pair->flow[side];
	struct channel *sink = pair->side[!side];
	size_t size = HEAD_MIN + strlen(peer->host) + payload.size;
	bool unwanted = flow->dead || flow->end || payload.size > DATAGRAM_MAX;
	struct message *message = !unwanted && flow_makes_room(pair, side, size)
				      ? datagram_pack(pair->hub, peer, payload)
				      : NULL;
	flow->pushed += size;
	if (!message) {
		flow->discarded += size;
		datagram_drop(pair->hub);
		return;
	}
	if (flow->last)
		flow->last->next = message;
	else
		flow->first = message;
	flow->last = message;
	flow->datagrams = true;
	flow->count++;
	flow->bytes += size;
	if (sink) {
		sink->session->queued_bytes += size;
		channel_wake(sink);
	}
}

struct piece datagram_first(const struct flow *flow, struct target *peer)
{
	struct piece piece = flow->first->piece;
	size_t host_size = piece.bytes.at[2], head = HEAD_MIN + host_size;
	*peer = (struct target){.network = NETWORK_UDP, .port = get16(piece.bytes.at)};
	text_copy(peer->host, sizeof peer->host, (struct slice){piece.bytes.at + HEAD_MIN, host_size});
	piece.bytes.at += head;
	piece.bytes.size -= head;
	return piece;
}

void flow_pull_datagram(struct pair *pair, int side)
{
	struct flow *flow = &pair->flow[side];
	size_t size = flow->first->piece.bytes.size;
	flow_pop(pair, side, size);
	flow->pulled += size;
	pair->moved_at = pair->hub->now;
}

/* ---- for a socket ---- */

static size_t sending_size(const struct sending *sending)
{
	return sizeof *sending + sending->host_size + sending->head_size;
}

/* The payload keeps its slab; a receive buffer is needed elsewhere. */
static struct piece payload_keep(struct hub *hub, struct piece payload)
{
	if (!payload.bytes.size)
		return (struct piece){0};
	if (payload.buf && payload.buf->size < BUF_RECEIVE_SIZE) {
		buf_ref(payload.buf);
		return payload;
	}
	struct buf *slab = buf_acquire(&hub->bufs, payload.bytes.size);
	if (!slab)
		return (struct piece){0};
	memcpy(slab->bytes, payload.bytes.at, payload.bytes.size);
	slab->used = (uint32_t)payload.bytes.size;
	bufpool_copied(&hub->bufs, payload.bytes.size);
	return (struct piece){slab, {slab->bytes, payload.bytes.size}};
}

static struct sending *sending_create(struct hub *hub, const struct target *to, struct slice head,
				      struct piece payload)
{
	size_t host_size = strlen(to->host) + 1;
	struct piece kept = payload_keep(hub, payload);
	if (payload.bytes.size && !kept.buf)
		return NULL;
	struct sending *sending = memory_acquire(&hub->memory, sizeof *sending + host_size + head.size);
	if (!sending) {
		buf_unref(kept.buf);
		return NULL;
	}
	sending->payload = kept;
	sending->port = to->port;
	sending->host_size = (uint16_t)host_size;
	sending->head_size = (uint16_t)head.size;
	memcpy(sending->text, to->host, host_size);
	if (head.size)
		memcpy(sending->text + host_size, head.at, head.size);
	return sending;
}

enum status session_send_datagram(struct session *session, const struct target *to, struct slice head,
				  struct piece payload)
{
	struct hub *hub = session->hub;
	struct dgram *dgram = session->dgram;
	check(head.size <= UINT16_MAX);
	if (dgram && dgram->count >= DATAGRAMS_SENDING_MAX)
		return STATUS_FULL;
	bool fits = head.size + payload.bytes.size <= DATAGRAM_MAX;
	struct sending *sending = dgram && fits ? sending_create(hub, to, head, payload) : NULL;
	if (!sending) {
		datagram_drop(hub);
		return STATUS_OK;
	}
	if (dgram->last)
		dgram->last->next = sending;
	else
		dgram->first = sending;
	dgram->last = sending;
	dgram->count++;
	if (!link_is_linked(&dgram->sending_link))
		list_push(&hub->sending, &dgram->sending_link);
	return STATUS_OK;
}

struct sending *dgram_take(struct dgram *dgram)
{
	struct sending *sending = dgram->first;
	if (!sending)
		return NULL;
	if (!(dgram->first = sending->next))
		dgram->last = NULL;
	sending->next = NULL;
	return sending;
}

void dgram_done(struct dgram *dgram, struct hub *hub, struct sending *sending, bool dropped)
{
	if (dropped)
		datagram_drop(hub);
	buf_unref(sending->payload.buf);
	memory_release(&hub->memory, sending, sending_size(sending));
	if (--dgram->count == DATAGRAMS_SENDING_MAX / 2 && dgram->session)
		session_touch(dgram->session);   /* it may have been full */
}
