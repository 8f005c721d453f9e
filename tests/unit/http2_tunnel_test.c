/* tests/unit/http2_tunnel_test.c - TLS Tunnel over carriers that keep its units apart: each yamux header is
 * in a frame of its own, and whole relays pass through HTTP/2 whatever the pieces are.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "protocols/codecs/yamux.h"
#include "tests/unit/wire_world.h"
#include "tls/tls.h"

static const struct opening opening = {.host = "example.com", .path = "/"};

static const struct publication publication = {
    .name = "web", .type = "tcp", .publish_addr = "127.0.0.1", .publish_port = 8080, .local_port = 80};

static void begin(uint64_t seed, const struct carrier *carrier)
{
	world_init(seed);
	world.options.carrier = carrier;
	for (int side = 0; side < 2; side++)
		world.script[side].credentials =
		    (struct credentials){.secret = slice_of("secret"), .features = FEATURE_OURS};
	world.script[CLIENT].publications = &publication;
	world.script[CLIENT].publication_count = 1;
	for (int side = 0; side < 2; side++) {
		world.options.client = side == CLIENT;
		world.link[side] = session_create(&world.hub, &world.options);
		assert_non_null(world.link[side]);
		world.link[side]->opening = side == CLIENT ? &opening : NULL;
		session_open(world.link[side]);
	}
}

/* ---- a carrier that looks at the units ---- */

static uint64_t headers_seen, bodies_seen;

/* What was said between two cuts is a header, or all of the body that it announces. */
static enum status keeping_seal(struct session *session, void *state, struct writer *writer)
{
	uint32_t i = writer->mark_count;
	while (i < writer->count) {
		const struct slice header = writer->parts[i].piece.bytes;
		assert_int_equal(header.size, YAMUX_HEADER_SIZE);
		assert_true(i == writer->mark_count || writer->parts[i].cut);
		size_t left = header.at[1] == YAMUX_DATA ? get32(header.at + 8) : 0;
		headers_seen++;
		bodies_seen += left > 0;
		i++;
		for (bool first = true; left; first = false, i++) {
			assert_true(i < writer->count);
			assert_true(writer->parts[i].cut == first);
			assert_true(writer->parts[i].piece.bytes.size <= left);
			left -= writer->parts[i].piece.bytes.size;
		}
	}
	return STATUS_OK;
}

static enum status keeping_decode(struct session *session, void *state, struct piece *input,
				  struct chunk *chunk)
{
	return carrier_raw.decode(session, state, input, chunk);
}

static const struct carrier carrier_keeping = {
    .name = "keeping", .keeps_parts = true, .decode = keeping_decode, .seal = keeping_seal};

/* ---- relays ---- */

static void fill(struct bytes *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		uint8_t byte = (uint8_t)(i * 131 + i / 251);
		bytes_add(bytes, &byte, 1);
	}
}

/* Users at both ends ask, say as much, and hear as much from the other. */
static void relay(uint64_t seed, const struct carrier *carrier)
{
	struct conn *askers[6] = {0};
	size_t sizes[6];
	begin(seed, carrier);
	world.chop = seed % 2;
	world_turns(200, true);
	assert_non_null(world.link[SERVER]);
	assert_non_null(world.link[CLIENT]);
	assert_true(world.link[SERVER]->ready && world.link[CLIENT]->ready);
	world.refuse_odd = true;
	for (size_t i = 0; i < COUNT_OF(askers); i++) {
		int side = i % 3 ? SERVER : CLIENT;
		sizes[i] = chance(4) ? 1 + chance(70000) : 1 + chance(600000);
		askers[i] = world_ask(side, side == SERVER ? "" : "web", (uint16_t)(2 * i + (i == 5)));
		fill(&askers[i]->in, sizes[i]);
		askers[i]->in_ended = true;
	}
	for (int turn = 0; turn < 6000; turn++) {
		bool done = true;
		world_turn(true);
		for (size_t i = 0; i < COUNT_OF(askers); i++) {
			struct conn *peer = askers[i]->peer;
			if (peer && peer->out.size == sizes[i] && !peer->in_ended) {
				bytes_add(&peer->in, peer->out.at, peer->out.size);
				peer->in_ended = true;
			}
			done = done && (i == 5 ? askers[i]->gone : askers[i]->out.size == sizes[i]);
		}
		if (done)
			break;
	}
	for (size_t i = 0; i < COUNT_OF(askers); i++) {
		if (i == 5)
			continue;
		struct bytes expected = {0};
		fill(&expected, sizes[i]);
		assert_int_equal(askers[i]->out.size, sizes[i]);
		assert_memory_equal(askers[i]->out.at, expected.at, sizes[i]);
		free(expected.at);
	}
	world.chop = false;
	for (int side = 0; side < 2; side++)
		session_drain(world.link[side]);
	world_turns(20, true);
	world_close();
}

static void headers_are_kept_apart(void **state)
{
	for (uint64_t seed = 1; seed < 20; seed++)
		relay(seed, &carrier_keeping);
	assert_true(headers_seen > 1000 && bodies_seen > 500);
}

static void relays_over_http2(void **state)
{
	for (uint64_t seed = 1; seed < 40; seed++)
		relay(seed, &carrier_http2);
}

/* A login that is refused: the client hears why, behind an agreement of the carriers. */
static void a_refused_login(void **state)
{
	begin(1, &carrier_http2);
	world.script[SERVER].login = REASON_AUTH;
	world.script[SERVER].text = slice_of("Invalid authentication key");
	world_turns(20, true);
	assert_null(world.link[CLIENT]);
	assert_null(world.link[SERVER]);
	assert_non_null(strstr(world.script[CLIENT].heard, "Invalid authentication key"));
	world_close();
}

static const struct carrier *measured;
static size_t longest;

/* What a message has become; those of a link go into records one by one. */
static enum status measuring_seal(struct session *session, void *state, struct writer *writer)
{
	enum status status = measured->seal(session, state, writer);
	size_t size = writer->bytes - writer->mark_bytes;
	longest = size > longest ? size : longest;
	return status;
}

/* Bulk goes in full frames, and each of them with all that is in front of it fills one record of TLS, or all
 * but a few bytes of it where our headers are shorter than our peer's. */
static void full_frames_are_full_records(void **state)
{
	static const struct {
		const struct carrier *carrier;
		size_t size[2];
	} cases[] = {
	    {&carrier_raw, {TLS_RECORD_MAX, TLS_RECORD_MAX}},
	    {&carrier_http2, {TLS_RECORD_MAX, TLS_RECORD_MAX}},
	    {&carrier_websocket_bytes, {TLS_RECORD_MAX - 4, TLS_RECORD_MAX}},
	};
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		for (int from = 0; from < 2; from++) {
			struct carrier measuring = *cases[i].carrier;
			measuring.seal = measuring_seal;
			measured = cases[i].carrier;
			begin(1, &measuring);
			world_turns(20, true);
			struct conn *asker = world_ask(from, from == SERVER ? "" : "web", 80);
			fill(&asker->in, 200000);
			longest = 0;
			for (int turn = 0; turn < 200 && asker->out.size == 0; turn++)
				world_turn(true);
			assert_int_equal(longest, cases[i].size[from]);
			world_close();
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(headers_are_kept_apart),
	    cmocka_unit_test(relays_over_http2),
	    cmocka_unit_test(a_refused_login),
	    cmocka_unit_test(full_frames_are_full_records),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
