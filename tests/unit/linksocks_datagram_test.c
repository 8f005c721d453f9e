/* tests/unit/linksocks_datagram_test.c - UDP over a link of LinkSocks: an association at each end, datagrams
 * from one to the other over the real carrier, and by hand what others may send.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "protocols/codecs/compress.h"
#include "tests/unit/linksocks_wire_world.h"

enum { HEARD_MAX = 64 };

/* What an association was given. */
struct heard {
	char host[HOST_SIZE];
	uint16_t port;
	size_t size;
	uint8_t bytes[DATAGRAM_MAX];
};

static struct heard heard[2][HEARD_MAX];
static uint32_t heard_count[2];
static struct session *local[2]; /* the association at each end */

/* ---- an association without a socket ---- */

static enum status local_decode(struct session *session, void *state, const struct chunk *chunk,
				size_t *consumed)
{
	*consumed = chunk->piece.bytes.size;
	return STATUS_OK;
}

static enum status local_encode(struct session *session, void *state, const struct event *event,
				struct writer *writer)
{
	int side = session == local[CLIENT];
	if (event->kind != EVENT_DATAGRAM)
		return STATUS_OK;
	struct heard *one = &heard[side][heard_count[side]++ % HEARD_MAX];
	text_copy(one->host, sizeof one->host, slice_of(event->target->host));
	one->port = event->target->port;
	one->size = event->size;
	if (event->size)
		memcpy(one->bytes, event->pieces[0].bytes.at, event->size);
	return STATUS_OK;
}

static const struct wire wire_local = {.name = "local",
				       .traits = TRAIT_CONN | TRAIT_SILENT_OPEN,
				       .chunk_max = 4096,
				       .decode = local_decode,
				       .encode = local_encode};

static void local_ended(struct session *session) { local[session == local[CLIENT]] = NULL; }

static const struct role local_role = {.name = "local", .ended = local_ended};

static void local_create(int side)
{
	local[side] = session_create(&world.hub, &(struct session_options){.wire = &wire_local,
									   .carrier = &carrier_raw,
									   .role = &local_role,
									   .client = true});
	assert_non_null(local[side]);
	session_open(local[side]);
}

/* The exit's policy: an association for each OPEN that wants one. */
static void join(struct session *session, const struct event *event)
{
	if (event->kind != EVENT_OPEN) {
		role_event(session, event);
		return;
	}
	assert_int_equal(event->target->network, NETWORK_UDP);
	assert_string_equal(event->target->host, "");
	local_create(session->client);
	assert_non_null(channel_open(local[session->client], event->channel->pair, event->target));
}

static const struct role join_role = {.name = "join", .start = link_start, .event = join, .fill = role_fill};

static void turn(void)
{
	static struct bytes nothing;
	bool shut = false;
	world_turn(true);
	for (int side = 0; side < 2; side++)
		if (local[side] && local[side]->state == SESSION_OPEN)
			world_pump(local[side], &nothing, &shut);
	world_drain();
}

static void turns(int count)
{
	while (count--)
		turn();
}

static void say(int side, const char *host, uint16_t port, const void *bytes, size_t size)
{
	struct target target = {.network = NETWORK_UDP, .port = port};
	struct buf *buf = buf_acquire(&world.hub.bufs, size);
	assert_non_null(buf);
	memcpy(buf->bytes, bytes, size);
	struct piece piece = {buf, {buf->bytes, size}};
	struct event event = {.kind = EVENT_DATAGRAM,
			      .channel = session_only_channel(local[side]),
			      .target = &target,
			      .pieces = &piece,
			      .piece_count = 1,
			      .size = size};
	text_copy(target.host, sizeof target.host, slice_of(host));
	assert_int_equal(session_deliver(local[side], &event), STATUS_OK);
	buf_unref(buf);
	turns(4);
}

static void assert_heard(int side, uint32_t at, const char *host, uint16_t port, const void *bytes,
			 size_t size)
{
	const struct heard *one = &heard[side][at];
	assert_true(heard_count[side] > at);
	assert_string_equal(one->host, host);
	assert_int_equal(one->port, port);
	assert_int_equal(one->size, size);
	assert_memory_equal(one->bytes, bytes, size);
}

/* The client asks; the server is the exit. */
static void begin(const struct carrier *carrier)
{
	linksocks_world(3);
	world.options.carrier = carrier;
	world.options.role = &join_role;
	local[0] = local[1] = NULL;
	heard_count[0] = heard_count[1] = 0;
	world.script[CLIENT].credentials =
	    (struct credentials){.host = slice_of("h"), .path = slice_of("/socket?token=x")};
	world_open(SERVER);
	world_open(CLIENT);
	turns(6);
	assert_true(world.link[CLIENT]->ready);
	local_create(CLIENT);
	struct channel *asker = session_channel(local[CLIENT]);
	assert_non_null(asker);
	asker->target = (struct target){.network = NETWORK_UDP};
	assert_non_null(channel_open(world.link[CLIENT], asker->pair, &asker->target));
	turns(4);
	assert_non_null(local[SERVER]);
}

static void end(void)
{
	for (int side = 0; side < 2; side++)
		if (local[side])
			session_end(local[side], REASON_STOPPING, NULL, false);
	world_close();
}

static void there_and_back(void **state)
{
	static const struct carrier *const carriers[] = {&carrier_plain, &carrier_websocket};
	static uint8_t large[DATAGRAM_MAX];
	for (size_t i = 0; i < sizeof large; i++)
		large[i] = (uint8_t)(i * 7 >> 3);
	for (size_t i = 0; i < COUNT_OF(carriers); i++) {
		begin(carriers[i]);
		say(CLIENT, "8.8.8.8", 53, "question", 8);
		say(CLIENT, "localhost", 5353, "", 0);
		say(CLIENT, "2001:db8::1", 65535, large, sizeof large);
		assert_int_equal(heard_count[SERVER], 3);
		assert_heard(SERVER, 0, "8.8.8.8", 53, "question", 8);
		assert_heard(SERVER, 1, "localhost", 5353, "", 0);
		assert_heard(SERVER, 2, "2001:db8::1", 65535, large, sizeof large);
		say(SERVER, "8.8.8.8", 53, "answer", 6);
		say(SERVER, "192.0.2.99", 1, "stranger", 8);
		assert_int_equal(heard_count[CLIENT], 2);
		assert_heard(CLIENT, 0, "8.8.8.8", 53, "answer", 6);
		assert_heard(CLIENT, 1, "192.0.2.99", 1, "stranger", 8);
		assert_int_equal(world.hub.counters[COUNTER_datagrams_dropped], 0);
		end();
	}
}

/* ---- by hand ---- */

static void hear_at(int side, const struct linksocks_message *message, bool one_block)
{
	struct bytes bytes = {0};
	uint8_t part[600];
	bytes_add(&bytes, (uint8_t[]){CHUNK_BINARY, 1, 0, 0, 0, 0}, PLAIN_HEAD);
	bytes_add(&bytes, part, linksocks_write(message, part, sizeof part));
	bytes_add(&bytes, message->payload.at, message->payload.size);
	size_t tail = linksocks_write_tail(message, part, sizeof part);
	bytes_add(&bytes, part, one_block ? 1 + message->source.size + 2 : tail);
	put32(bytes.at + 2, (uint32_t)(bytes.size - PLAIN_HEAD));
	for (int i = 0; i < 20 && bytes.size && world.link[side]; i++) {
		world_feed(world.link[side], &bytes);
		world_drain();
	}
	turns(3);
	free(bytes.at);
}

static struct linksocks_message datagram(int side, struct slice payload)
{
	struct linksocks_message message = {.type = LINKSOCKS_DATA,
					    .network = LINKSOCKS_UDP,
					    .source = slice_of("1.1.1.1"),
					    .target = slice_of("2.2.2.2"),
					    .source_port = 11,
					    .target_port = 22,
					    .payload = payload};
	memcpy(message.id, session_only_channel(world.link[side])->id_link.id, 16);
	return message;
}

/* An older document has one address block. */
static void of_others(void **state)
{
	begin(&carrier_plain);
	for (int side = 0; side < 2; side++) {
		struct linksocks_message message = datagram(side, slice_of("x"));
		hear_at(side, &message, false);
		assert_heard(side, 0, side == CLIENT ? "1.1.1.1" : "2.2.2.2", side == CLIENT ? 11 : 22, "x",
			     1);
		hear_at(side, &message, true);
		assert_heard(side, 1, "1.1.1.1", 11, "x", 1);
		message.source = message.target = slice_of("with\x01odd bytes");
		hear_at(side, &message, false);
		assert_string_equal(heard[side][2].host, "with\x01odd bytes");
		message.source = message.target = (struct slice){(const uint8_t *)"a\0b", 3};
		hear_at(side, &message, false);
		assert_string_equal(heard[side][3].host, "");
	}
	end();
}

static void packed(void **state)
{
	static uint8_t text[300000], out[300000];
	size_t size = 0;
	begin(&carrier_plain);
	memset(text, 'x', sizeof text);
	struct piece piece = {.bytes = {text, DATAGRAM_MAX}};
	assert_int_equal(gzip_pack(&world.hub.bufs, &piece, 1, out, sizeof out, &size), STATUS_OK);
	struct linksocks_message message = datagram(SERVER, (struct slice){out, size});
	message.compression = LINKSOCKS_GZIP;
	hear_at(SERVER, &message, false);
	assert_heard(SERVER, 0, "2.2.2.2", 22, text, DATAGRAM_MAX);
	/* one that unpacks to more than a datagram is dropped, and counted */
	piece.bytes.size = sizeof text;
	assert_int_equal(gzip_pack(&world.hub.bufs, &piece, 1, out, sizeof out, &size), STATUS_OK);
	message.payload.size = size;
	hear_at(SERVER, &message, false);
	assert_int_equal(heard_count[SERVER], 1);
	assert_int_equal(world.hub.counters[COUNTER_datagrams_dropped], 1);
	message.payload = (struct slice){text, 200000};
	hear_at(SERVER, &message, false);
	message.compression = LINKSOCKS_PLAIN;
	message.payload = (struct slice){text, DATAGRAM_MAX + 1};
	hear_at(SERVER, &message, false);
	assert_int_equal(heard_count[SERVER], 1);
	assert_int_equal(world.hub.counters[COUNTER_datagrams_dropped], 3);
	/* a stream's data has no place there */
	message.network = LINKSOCKS_TCP;
	message.payload = slice_of("stream");
	hear_at(SERVER, &message, false);
	assert_int_equal(heard_count[SERVER], 1);
	assert_non_null(world.link[SERVER]);
	/* what is no gzip ends the session */
	message = datagram(SERVER, slice_of("x"));
	message.compression = LINKSOCKS_GZIP;
	hear_at(SERVER, &message, false);
	assert_true(world.link_gone[SERVER]);
	end();
}

static void the_control_connection_ends(void **state)
{
	begin(&carrier_websocket);
	session_end(local[CLIENT], REASON_OK, NULL, false);
	turns(6);
	assert_null(local[CLIENT]);
	assert_null(local[SERVER]);
	assert_int_equal(world.link[SERVER]->channel_count, 0);
	assert_int_equal(world.link[CLIENT]->channel_count, 0);
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(there_and_back), cmocka_unit_test(of_others),
					   cmocka_unit_test(packed),
					   cmocka_unit_test(the_control_connection_ends)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
