/* tests/unit/datagram_test.c - datagrams in a flow, for a socket, and over a ferry: limits, order, counts.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "core/datagram.h"
#include "core/hub.h"
#include "core/request.h"
#include "core/writer.h"
#include "ring/ferry.h"

enum { HEARD_MAX = 2048 };

struct heard {
	uint16_t port;
	char host[HOST_SIZE];
	size_t size;
	uint8_t first;
};

static struct limits limits;
static struct hub hubs[2];
static struct hub *const hub = &hubs[0];
static bool refuse;                  /* the sink has no room */
static struct heard heard[HEARD_MAX];
static uint32_t heard_count, closed_count;
static enum network opens_network;
static struct session *answerer;     /* whom the role joins to an OPEN */
static struct channel *asked;        /* the last one that said OPEN */

/* ---- a wire that listens, a role that joins ---- */

static enum status fake_encode(struct session *session, void *state, const struct event *event,
			       struct writer *writer)
{
	if (event->kind == EVENT_CLOSE || event->kind == EVENT_RESET)
		closed_count++;
	if (event->kind != EVENT_DATAGRAM)
		return STATUS_OK;
	if (refuse)
		return STATUS_FULL;
	assert_int_equal(event->piece_count, 1);
	assert_int_equal(event->size, event->pieces[0].bytes.size);
	assert_int_equal(event->target->network, NETWORK_UDP);
	struct heard *one = &heard[heard_count++ % HEARD_MAX];
	*one = (struct heard){.port = event->target->port, .size = event->size,
			      .first = event->size ? event->pieces[0].bytes.at[0] : 0};
	strcpy(one->host, event->target->host);
	for (size_t i = 0; i < event->size; i++)
		assert_int_equal(event->pieces[0].bytes.at[i], (uint8_t)(one->first + i * 7));
	return STATUS_OK;
}

static enum status fake_decode(struct session *session, void *state, const struct chunk *chunk,
			       size_t *consumed)
{
	*consumed = chunk->piece.bytes.size;
	return STATUS_OK;
}

static const struct wire wire_link = {
    .name = "link", .traits = TRAIT_CREDIT, .chunk_max = 4096, .decode = fake_decode, .encode = fake_encode};
static const struct wire wire_conn = {.name = "conn", .traits = TRAIT_CONN | TRAIT_SILENT_OPEN,
				      .chunk_max = 4096, .decode = fake_decode, .encode = fake_encode};

static void role_event(struct session *session, const struct event *event)
{
	if (event->kind != EVENT_OPEN)
		return;
	asked = event->channel;
	assert_non_null(channel_open(answerer, event->channel->pair, event->target));
}

static void fake_ferried(struct service *service, const struct event *event)
{
	asked = event->channel;
	assert_non_null(channel_open(answerer, event->channel->pair, event->target));
}

static void fake_destroy(struct service *service) {}

static const struct role role = {.name = "test", .event = role_event};
static const struct service_table table = {.name = "test", .ferried = fake_ferried, .destroy = fake_destroy};
static struct service services[2];

static struct session *session_make(struct hub *at, const struct wire *wire)
{
	struct session *session = session_create(at, &(struct session_options){
		.wire = wire, .carrier = &carrier_raw, .role = &role});
	assert_non_null(session);
	session_open(session);
	session->ready = true;
	return session;
}

static void pump(struct session *session)
{
	static struct writer writer;
	writer_init(&writer, session, &session->hub->bufs, SIZE_MAX);
	session_pump(session, &writer);
	writer_fini(&writer);
}

static void settle_hub(struct hub *at)
{
	struct link *link;
	while ((link = list_pull(&at->delivered)) != NULL)
		session_answer(OWNER(link, struct session, delivered_link));
	while ((link = list_pull(&at->readable)) != NULL)
		session_feed(OWNER(link, struct session, readable_link));
	struct link batch;
	list_init(&batch);
	list_join(&batch, &at->writable);
	while ((link = list_pull(&batch)) != NULL) {
		struct session *session = OWNER(link, struct session, writable_link);
		pump(session);
		if (session->state == SESSION_FLUSH && !session_has_output(session))
			session_end(session, session->why, NULL, false);
	}
	while ((link = list_pull(&at->ended)) != NULL) {
		struct session *session = OWNER(link, struct session, ended_link);
		if (session == answerer)
			answerer = NULL;
		session_destroy(session);
	}
	for (link = at->pairs.next; link != &at->pairs; link = link->next)
		pair_check(OWNER(link, struct pair, hub_link));
}

static void settle(void)
{
	for (int i = 0; i < 8; i++)
		settle_hub(hub);
}

static void begin(void)
{
	limits = LIMITS_DEFAULT;
	limits.process_memory = 256u << 20;
	hub_init(hub, 0, 1, &limits, (struct instant){1000000000});
	refuse = false;
	heard_count = closed_count = 0;
	opens_network = NETWORK_UDP;
	answerer = NULL;
	asked = NULL;
}

static void end(void)
{
	for (struct link *link = hub->sessions.next, *next; link != &hub->sessions; link = next) {
		next = link->next;
		session_end(OWNER(link, struct session, hub_link), REASON_STOPPING, NULL, false);
	}
	settle();
	hub_fini(hub);
}

/* The channel of a link that has asked, and been joined to a conn. */
static struct channel *open_channel(struct session *link, enum network network)
{
	struct target target = {.network = network, .port = 7, .host = "far"};
	answerer = session_make(hub, &wire_conn);
	struct event event = {.kind = EVENT_OPEN, .channel = session_channel(link), .target = &target};
	assert_non_null(event.channel);
	assert_int_equal(session_deliver(link, &event), STATUS_OK);
	settle();
	assert_int_equal(event.channel->state, CHANNEL_OPEN);
	return event.channel;
}

static void deliver(struct channel *channel, const char *host, uint16_t port, size_t size, uint8_t first)
{
	static uint8_t bytes[DATAGRAM_MAX + 1];
	struct target from = {.network = NETWORK_UDP, .port = port};
	strcpy(from.host, host);
	for (size_t i = 0; i < size; i++)
		bytes[i] = (uint8_t)(first + i * 7);
	struct piece piece = {NULL, {bytes, size}};
	struct event event = {.kind = EVENT_DATAGRAM, .channel = channel, .target = &from, .pieces = &piece,
			      .piece_count = 1, .size = size};
	assert_int_equal(session_deliver(channel->session, &event), STATUS_OK);
}

/* ---- flows ---- */

static void every_host_length(void **state)
{
	static const size_t sizes[] = {0, 1, 1400, DATAGRAM_MAX};
	begin();
	struct channel *channel = open_channel(session_make(hub, &wire_link), NETWORK_UDP);
	for (size_t length = 0; length < HOST_SIZE; length++) {
		char host[HOST_SIZE] = "";
		memset(host, 'a' + (int)(length % 26), length);
		size_t size = sizes[length % COUNT_OF(sizes)];
		deliver(channel, host, (uint16_t)(60000 + length), size, (uint8_t)length);
		settle();
		assert_int_equal(heard_count, length + 1);
		assert_string_equal(heard[length].host, host);
		assert_int_equal(heard[length].port, 60000 + length);
		assert_int_equal(heard[length].size, size);
		assert_true(!size || heard[length].first == (uint8_t)length);
	}
	assert_int_equal(hub->counters[COUNTER_datagrams_dropped], 0);
	end();
}

static void limit_by_count(void **state)
{
	begin();
	struct channel *channel = open_channel(session_make(hub, &wire_link), NETWORK_UDP);
	const struct flow *flow = &channel->pair->flow[0];
	refuse = true;
	for (uint16_t i = 0; i < 1500; i++) {
		deliver(channel, "10.0.0.1", i, 5, (uint8_t)i);
		if (i % 100 == 0)
			settle();
	}
	settle();
	assert_int_equal(flow->count, CHANNEL_QUEUE_MAX);
	assert_int_equal(hub->counters[COUNTER_datagrams_dropped], 500);
	assert_int_equal(answerer->queued_bytes, flow->bytes);
	assert_false(channel->session->blocked);
	refuse = false;
	session_touch(answerer);
	settle();
	assert_int_equal(heard_count, CHANNEL_QUEUE_MAX);
	for (uint32_t i = 0; i < CHANNEL_QUEUE_MAX; i++)
		assert_int_equal(heard[i].port, 500 + i);   /* the oldest were dropped */
	assert_int_equal(flow->pushed, flow->pulled + flow->discarded);
	end();
}

static void limit_by_bytes(void **state)
{
	begin();
	struct channel *channel = open_channel(session_make(hub, &wire_link), NETWORK_UDP);
	const struct flow *flow = &channel->pair->flow[0];
	refuse = true;
	for (uint16_t i = 0; i < 60; i++) {
		deliver(channel, "10.0.0.1", i, i % 2 ? 20000 : 9000, (uint8_t)i);
		assert_true(flow->bytes <= DATAGRAM_FLOW_BYTES);
		settle();
	}
	assert_true(flow->bytes > DATAGRAM_FLOW_BYTES - 20100);
	uint32_t waiting = flow->count;
	assert_int_equal(hub->counters[COUNTER_datagrams_dropped], 60 - waiting);
	refuse = false;
	session_touch(answerer);
	settle();
	assert_int_equal(heard_count, waiting);
	assert_int_equal(heard[waiting - 1].port, 59);
	end();
}

/* One association cannot push out another's, and a session's limit holds for all of them together. */
static void limit_of_the_session(void **state)
{
	begin();
	limits.session_bytes = 100000;
	struct session *link = session_make(hub, &wire_link);
	struct channel *back = open_channel(link, NETWORK_UDP);
	struct session *first = answerer;
	struct channel *other = open_channel(link, NETWORK_UDP);
	refuse = true;
	struct channel *from = session_only_channel(first), *from_other = session_only_channel(answerer);
	for (uint16_t i = 0; i < 9; i++)
		deliver(from, "10.0.0.1", i, 10000, 0);
	for (uint16_t i = 0; i < 5; i++)
		deliver(from_other, "10.0.0.2", i, 30000, 0);
	assert_int_equal(back->pair->flow[1].count, 9);
	assert_int_equal(other->pair->flow[1].count, 0);
	assert_true(link->queued_bytes <= limits.session_bytes);
	assert_int_equal(hub->counters[COUNTER_datagrams_dropped], 5);
	deliver(from, "10.0.0.1", 9, 12000, 0);          /* its own oldest makes room */
	assert_int_equal(back->pair->flow[1].count, 9);
	assert_int_equal(hub->counters[COUNTER_datagrams_dropped], 6);
	for (uint16_t i = 0; i < 20; i++)                /* a call goes on beside them */
		deliver(from_other, "10.0.0.2", i, 700, 0);
	assert_int_equal(other->pair->flow[1].count, 20);
	for (uint16_t i = 0; i < 20; i++)
		deliver(from_other, "10.0.0.2", i, 700, 0);
	assert_true(other->pair->flow[1].bytes <= 16 * 1024);
	end();
}

static void wrong_kind(void **state)
{
	begin();
	struct session *link = session_make(hub, &wire_link);
	struct channel *stream = open_channel(link, NETWORK_TCP);
	struct channel *association = open_channel(link, NETWORK_UDP);
	deliver(stream, "10.0.0.1", 1, 10, 0);
	assert_int_equal(stream->pair->flow[0].count, 0);
	assert_int_equal(hub->counters[COUNTER_datagrams_dropped], 1);
	struct piece piece = {NULL, slice_of("bytes of a stream")};
	struct event event = {.kind = EVENT_DATA, .channel = association, .pieces = &piece, .piece_count = 1,
			      .size = piece.bytes.size};
	assert_int_equal(session_deliver(link, &event), STATUS_OK);
	assert_int_equal(association->pair->flow[0].count, 0);
	assert_int_equal(hub->counters[COUNTER_datagrams_dropped], 2);
	deliver(association, "10.0.0.1", 1, DATAGRAM_MAX + 1, 0);
	assert_int_equal(hub->counters[COUNTER_datagrams_dropped], 3);
	settle();
	assert_int_equal(heard_count, 0);
	end();
}

/* A link with windows says datagrams without one, and takes them without granting. */
static void no_credit(void **state)
{
	begin();
	struct channel *channel = open_channel(session_make(hub, &wire_link), NETWORK_UDP);
	struct channel *conn = session_only_channel(answerer);
	uint64_t granted = channel->granted;
	channel->credit = 0;
	for (uint16_t i = 0; i < 40; i++) {
		deliver(conn, "10.0.0.1", i, 9000, 0);
		deliver(channel, "10.0.0.1", i, 9000, 0);
		settle();
	}
	assert_int_equal(heard_count, 80);
	assert_int_equal(channel->granted, granted);
	assert_int_equal(channel->consumed, 0);
	end();
}

static uint32_t always_fails(void *state) { return 1; }

static void no_memory(void **state)
{
	begin();
	struct channel *channel = open_channel(session_make(hub, &wire_link), NETWORK_UDP);
	hub->bufs.fail = always_fails;
	deliver(channel, "10.0.0.1", 1, 100, 0);
	hub->bufs.fail = NULL;
	hub->memory.fail = always_fails;
	deliver(channel, "10.0.0.1", 2, 100, 0);
	hub->memory.fail = NULL;
	deliver(channel, "10.0.0.1", 3, 100, 0);
	settle();
	assert_int_equal(hub->counters[COUNTER_datagrams_dropped], 2);
	assert_int_equal(heard_count, 1);
	assert_int_equal(heard[0].port, 3);
	end();
}

/* What waits before a close is said before it; what comes behind it is not. */
static void around_a_close(void **state)
{
	begin();
	struct channel *channel = open_channel(session_make(hub, &wire_link), NETWORK_UDP);
	struct pair *pair = channel->pair;
	refuse = true;
	for (uint16_t i = 0; i < 10; i++)
		deliver(channel, "10.0.0.1", i, 0, 0);
	flow_end(pair, 0, END_CLOSE, REASON_OK);
	deliver(channel, "10.0.0.1", 99, 0, 0);
	settle();
	assert_int_equal(hub->counters[COUNTER_datagrams_dropped], 1);
	assert_int_equal(pair->flow[0].count, 10);
	refuse = false;
	session_touch(answerer);
	settle();
	assert_int_equal(heard_count, 10);
	assert_int_equal(closed_count, 1);
	end();
}

/* ---- for a socket ---- */

static void handed_over(void **state)
{
	begin();
	struct session *session = session_make(hub, &wire_conn);
	struct target to = {.network = NETWORK_UDP, .port = 53, .host = "name.example"};
	struct piece piece = {NULL, slice_of("question")};
	assert_int_equal(session_send_datagram(session, &to, slice_of("head"), piece), STATUS_OK);
	assert_int_equal(hub->counters[COUNTER_datagrams_dropped], 1);    /* there is no socket */
	struct dgram dgram = {.session = session};
	session->dgram = &dgram;
	for (uint32_t i = 0; i < DATAGRAMS_SENDING_MAX; i++)
		assert_int_equal(session_send_datagram(session, &to, slice_of("head"), piece), STATUS_OK);
	assert_int_equal(session_send_datagram(session, &to, slice_of("head"), piece), STATUS_FULL);
	assert_ptr_equal(list_pull(&hub->sending), &dgram.sending_link);
	link_remove(&session->writable_link);
	for (uint32_t i = 0; i < DATAGRAMS_SENDING_MAX; i++) {
		struct sending *sending = dgram_take(&dgram);
		assert_string_equal(sending->text, "name.example");
		assert_int_equal(sending->port, 53);
		assert_int_equal(sending->head_size, 4);
		assert_memory_equal(sending->text + sending->host_size, "head", 4);
		assert_int_equal(sending->payload.bytes.size, 8);
		assert_memory_equal(sending->payload.bytes.at, "question", 8);
		dgram_done(&dgram, hub, sending, i % 2);
	}
	assert_null(dgram_take(&dgram));
	assert_true(link_is_linked(&session->writable_link));   /* it may have waited for room */
	assert_int_equal(hub->counters[COUNTER_datagrams_dropped], 1 + DATAGRAMS_SENDING_MAX / 2);
	static uint8_t large[DATAGRAM_MAX];
	piece.bytes = (struct slice){large, sizeof large};
	assert_int_equal(session_send_datagram(session, &to, slice_of("head"), piece), STATUS_OK);
	assert_int_equal(dgram.count, 0);                /* with its head it is none any more */
	session->dgram = NULL;
	end();
}

/* ---- over a ferry ---- */

static void carry(struct ferry *ferry)
{
	for (int i = 0; i < 12; i++) {
		for (int at = 0; at < 2; at++) {
			settle_hub(&hubs[at]);
			ferry_feed(&ferry->ends[at]);
			settle_hub(&hubs[at]);
			for (struct buf *loan = hubs[at].bufs.returns, *next; loan; loan = next) {
				next = loan->next;
				hubs[at].bufs.returns = next;
				ferry_return(&ferry->ends[at], loan);
			}
		}
	}
}

static void over_a_ferry(void **state)
{
	struct session *ferries[2][2] = {{NULL}};
	begin();
	hub_fini(hub);
	struct ferry *ferry = ferry_create(0, 1);
	assert_non_null(ferry);
	for (uint32_t i = 0; i < 2; i++) {
		hub_init(&hubs[i], i, 2, &limits, (struct instant){1000000000});
		hubs[i].ferries = ferries[i];
		services[i] = (struct service){.table = &table, .hub = &hubs[i]};
		hub_add_service(&hubs[i], &services[i]);
		assert_true(ferry_board(&ferry->ends[i], &hubs[i], i == 0));
	}
	answerer = session_make(&hubs[1], &wire_conn);
	struct session *link = session_make(&hubs[0], &wire_link);
	struct channel *channel = session_channel(link);
	channel->target = (struct target){.network = NETWORK_UDP};
	assert_non_null(channel_open(ferry->ends[0].session, channel->pair, &channel->target));
	carry(ferry);
	assert_int_equal(channel->state, CHANNEL_OPEN);
	static const size_t sizes[] = {0, 1, 200, 1400, DATAGRAM_MAX, 5000};
	uint32_t sent = 0, all = 0;
	for (int round = 0; round < 50; round++) {
		for (size_t i = 0; i < COUNT_OF(sizes); i++) {
			deliver(channel, "host.example", (uint16_t)all++, sizes[i], (uint8_t)i);
			deliver(session_only_channel(answerer), "::1", (uint16_t)all++, sizes[i], 1);
			sent += 2;
		}
		carry(ferry);
		assert_int_equal(heard_count, sent);
		assert_int_equal(heard[sent - 1].size, sizes[COUNT_OF(sizes) - 1]);
	}
	/* More than the ring of slots holds at once: some wait in the flow, in order. */
	for (int i = 0; i < 500; i++)
		deliver(channel, "host.example", (uint16_t)i, 10, 9);
	heard_count = 0;
	carry(ferry);
	assert_int_equal(heard_count, 500);
	for (uint16_t i = 0; i < 500; i++)
		assert_int_equal(heard[i].port, i);
	assert_int_equal(hubs[0].counters[COUNTER_datagrams_dropped], 0);
	session_end(link, REASON_OK, NULL, false);
	carry(ferry);
	assert_null(answerer);
	for (int i = 0; i < 2; i++) {
		session_end(ferry->ends[i].session, REASON_STOPPING, NULL, false);
		ferry->ends[i].session = NULL;
		settle_hub(&hubs[i]);
	}
	carry(ferry);
	ferry_destroy(ferry);
	hub_fini(&hubs[0]);
	hub_fini(&hubs[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_host_length),
	    cmocka_unit_test(limit_by_count),
	    cmocka_unit_test(limit_by_bytes),
	    cmocka_unit_test(limit_of_the_session),
	    cmocka_unit_test(wrong_kind),
	    cmocka_unit_test(no_credit),
	    cmocka_unit_test(no_memory),
	    cmocka_unit_test(around_a_close),
	    cmocka_unit_test(handed_over),
	    cmocka_unit_test(over_a_ferry),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
