/* ring/ferry.c - events over shared slots; see ferry.h. */
#include "ring/ferry.h"

#include <stdlib.h>

#include "core/writer.h"

/* ---- slots ---- */

static uint32_t ring_room(const struct ferry_ring *ring)
{
	uint32_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);
	return FERRY_SLOTS - (head - atomic_load_explicit(&ring->tail, memory_order_acquire));
}

/* False: the reader has been asked to tell when it has made some. It may have done so before it was asked. */
static bool ring_has_room(struct ferry_ring *ring, uint32_t slots)
{
	if (ring_room(ring) >= slots)
		return true;
	atomic_store(&ring->starved, true);
	return ring_room(ring) >= slots;
}

static void slot_put(struct ferry_end *end, uint32_t id, const struct event *event, struct piece piece)
{
	struct ferry_ring *ring = end->out;
	uint32_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);
	struct ferry_slot *slot = &ring->slots[head % FERRY_SLOTS];
	slot->kind = event->kind;
	slot->reason = event->reason;
	slot->amount = event->amount;
	slot->piece = piece;
	slot->id = id;
	if (event->target)
		slot->target = *event->target;
	text_copy(slot->text, sizeof slot->text, event->text);
	atomic_store_explicit(&ring->head, head + 1, memory_order_release);
	end->said = true;
}

/* ---- the wire ---- */

struct ferry_state {
	uint32_t serial;
	uint32_t refused[REFUSALS_MAX]; /* OPENs that found no memory here; decode waits while it is full */
	uint32_t refused_count;
};

static uint32_t id_of(const struct channel *channel)
{
	uint32_t id;
	memcpy(&id, channel->id_link.id, sizeof id);
	return id;
}

/* The home's own reference goes into the slot. A receive buffer that may not be kept is copied first. */
static bool piece_lend(struct hub *hub, struct piece *piece)
{
	if (buf_may_be_kept(piece->buf, piece->bytes.size)) {
		buf_ref(piece->buf);
		return true;
	}
	struct buf *slab = buf_acquire(&hub->bufs, piece->bytes.size);
	if (!slab)
		return false;
	memcpy(slab->bytes, piece->bytes.at, piece->bytes.size);
	bufpool_copied(&hub->bufs, piece->bytes.size);
	slab->used = (uint32_t)piece->bytes.size;
	*piece = (struct piece){slab, {slab->bytes, piece->bytes.size}};
	return true;
}

static enum status encode_data(struct session *session, const struct event *event, struct writer *writer)
{
	struct piece lent[FERRY_SLOTS];
	for (uint32_t i = 0; i < event->piece_count; i++) {
		lent[i] = event->pieces[i];
		if (piece_lend(session->hub, &lent[i]))
			continue;
		while (i)
			buf_unref(lent[--i].buf);
		writer->starved = true;
		return STATUS_FULL;
	}
	for (uint32_t i = 0; i < event->piece_count; i++)
		slot_put(session->ferry, id_of(event->channel), event, lent[i]);
	hub_count(session->hub, COUNTER_ferried_bytes, event->size);
	return STATUS_OK;
}

/* Its slab is the flow's own and of the right size, so it is lent as it is. */
static void encode_datagram(struct session *session, const struct event *event)
{
	struct piece lent = event->pieces[0];
	if (lent.bytes.size)
		buf_ref(lent.buf);
	else
		lent = (struct piece){0};
	slot_put(session->ferry, id_of(event->channel), event, lent);
	hub_count(session->hub, COUNTER_ferried_bytes, event->size);
}

static enum status encode_refusals(struct ferry_state *ferry, struct ferry_end *end)
{
	struct event event = {.kind = EVENT_OPENED, .reason = REASON_MEMORY, .text = slice_of("")};
	while (ferry->refused_count) {
		if (!ring_has_room(end->out, 1))
			return STATUS_FULL;
		slot_put(end, ferry->refused[--ferry->refused_count], &event, (struct piece){0});
	}
	return STATUS_OK;
}

static enum status ferry_encode(struct session *session, void *state, const struct event *event,
				struct writer *writer)
{
	struct ferry_state *ferry = state;
	struct ferry_end *end = session->ferry;
	if (!event->channel)
		return event->kind == EVENT_OWED ? encode_refusals(ferry, end) : STATUS_OK;
	if (event->kind == EVENT_OWED)
		return STATUS_OK;
	uint32_t slots = event->kind == EVENT_DATA ? event->piece_count : 1;
	if (!ring_has_room(end->out, slots))
		return STATUS_FULL;
	if (event->kind == EVENT_DATA)
		return encode_data(session, event, writer);
	if (event->kind == EVENT_DATAGRAM) {
		encode_datagram(session, event);
		return STATUS_OK;
	}
	if (event->kind == EVENT_OPEN) {
		uint32_t id;
		do                       /* serials start again in the end, while old channels live on */
			id = ++ferry->serial << 1 | session->client;
		while (session_find(session, &id, sizeof id));
		channel_set_id(event->channel, &id, sizeof id);
	}
	slot_put(end, id_of(event->channel), event, (struct piece){0});
	return STATUS_OK;
}

static enum status ferry_wire_decode(struct session *session, void *state, const struct chunk *chunk,
				     size_t *consumed)
{
	const struct ferry_slot *slot = &session->ferry->now;
	struct event event = {
	    .kind = slot->kind, .reason = slot->reason, .amount = slot->amount, .text = slice_of(slot->text)};
	*consumed = chunk->piece.bytes.size;
	event.channel = session_find(session, &slot->id, sizeof slot->id);
	if (slot->kind == EVENT_OPEN) {
		check(!event.channel);
		if (!(event.channel = session_channel(session))) {
			struct ferry_state *ferry = state;
			ferry->refused[ferry->refused_count++] = slot->id;
			session_owes(session);
			return STATUS_OK;
		}
		channel_set_id(event.channel, &slot->id, sizeof slot->id);
		event.target = &slot->target;
	}
	if (!event.channel) {                    /* it is gone here */
		hub_count(session->hub, COUNTER_datagrams_dropped, event.kind == EVENT_DATAGRAM);
		return STATUS_OK;
	}
	if (event.kind == EVENT_DATAGRAM)
		event.target = &slot->target;
	if (event.kind == EVENT_DATA || event.kind == EVENT_DATAGRAM) {
		event.pieces = &chunk->piece;
		event.piece_count = 1;
		event.size = chunk->piece.bytes.size;
	}
	return session_deliver(session, &event);
}

static const struct wire wire_ferry = {
	.name = "ferry",
	.traits = TRAIT_CREDIT | TRAIT_HALF_CLOSE,
	.session_size = sizeof(struct ferry_state),
	.chunk_max = 65536,
	.decode = ferry_wire_decode,
	.encode = ferry_encode,
};

/* ---- the carrier ---- */

static enum status ferry_carrier_decode(struct session *session, void *state, struct piece *input,
					struct chunk *chunk)
{
	struct ferry_end *end = session->ferry;
	struct ferry_ring *ring = end->in;
	uint32_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
	const struct ferry_state *ferry = session->wire_state;
	if (atomic_load_explicit(&ring->head, memory_order_acquire) == tail ||
	    ferry->refused_count == REFUSALS_MAX)
		return STATUS_MORE;
	const struct ferry_slot *slot = &ring->slots[tail % FERRY_SLOTS];
	struct piece piece = slot->piece;
	if (piece.buf && !(piece.buf = buf_loan(&session->hub->bufs, piece.buf)))
		return STATUS_MORE;              /* no memory: the slot stays, ferry_has_input says so */
	end->now = *slot;
	atomic_store_explicit(&ring->tail, tail + 1, memory_order_release);
	if (atomic_load(&ring->starved)) {
		atomic_store(&ring->starved, false);
		end->made_room = true;
	}
	*chunk = (struct chunk){.kind = CHUNK_BINARY, .last = true, .piece = piece};
	return STATUS_OK;
}

static enum status ferry_seal(struct session *session, void *state, struct writer *writer)
{
	return STATUS_OK;
}

static const struct carrier carrier_ferry = {
    .name = "ferry", .decode = ferry_carrier_decode, .seal = ferry_seal};

/* ---- the role: an OPEN is the business of the service that asked, here ---- */

static void ferry_event(struct session *session, const struct event *event)
{
	struct hub *hub = session->hub;
	if (event->kind != EVENT_OPEN)
		return;
	struct service *service = hub_service(hub, event->target->service);
	if (service && service->table->ferried)
		service->table->ferried(service, event);
	else
		channel_refuse(event->channel, REASON_NOT_FOUND, NULL);
}

static const struct role role_ferry = {.name = "ferry", .event = ferry_event};

/* ---- ends ---- */

struct ferry *ferry_create(uint32_t first_worker, uint32_t second_worker)
{
	struct ferry *ferry = aligned_alloc(64, (sizeof *ferry + 63) / 64 * 64);
	if (!ferry)
		return NULL;
	memset(ferry, 0, sizeof *ferry);
	for (int i = 0; i < 2; i++)
		ferry->ends[i] = (struct ferry_end){.out = &ferry->rings[i],
						    .in = &ferry->rings[!i],
						    .away = &ferry->loans[i],
						    .home = &ferry->loans[!i],
						    .peer = i ? first_worker : second_worker};
	return ferry;
}

bool ferry_board(struct ferry_end *end, struct hub *hub, bool client)
{
	struct session *session = session_create(hub, &(struct session_options){
		.wire = &wire_ferry, .carrier = &carrier_ferry, .role = &role_ferry, .client = client});
	if (!session)
		return false;
	session->ferry = end;
	end->session = session;
	session->channels_max = UINT32_MAX;
	hub->link_count--;                       /* it is no link in the sense of load */
	session_open(session);
	return true;
}

static void loans_home(struct ferry_end *end)
{
	struct buf *loan = atomic_exchange_explicit(end->home, NULL, memory_order_acquire);
	while (loan) {
		struct buf *next = loan->next;
		buf_loan_return(loan);
		loan = next;
	}
}

void ferry_return(struct ferry_end *end, struct buf *loan)
{
	struct buf *top = atomic_load_explicit(end->away, memory_order_relaxed);
	do
		loan->next = top;
	while (!atomic_compare_exchange_weak_explicit(end->away, &top, loan, memory_order_release,
						      memory_order_relaxed));
	end->said = true;
}

bool ferry_has_input(const struct ferry_end *end)
{
	return atomic_load_explicit(&end->in->head, memory_order_acquire) !=
	       atomic_load_explicit(&end->in->tail, memory_order_relaxed);
}

void ferry_feed(struct ferry_end *end)
{
	loans_home(end);
	if (!end->session)
		return;
	session_feed(end->session);
	if (session_has_output(end->session))    /* the ring was full; there may be room now */
		session_touch(end->session);
}

void ferry_destroy(struct ferry *ferry)
{
	for (int i = 0; i < 2; i++) {
		struct ferry_ring *ring = &ferry->rings[i];
		for (; ring->tail != ring->head; ring->tail++)
			buf_unref(ring->slots[ring->tail % FERRY_SLOTS].piece.buf);
		loans_home(&ferry->ends[i]);
	}
	free(ferry);
}
