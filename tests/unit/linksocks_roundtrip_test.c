/* tests/unit/linksocks_roundtrip_test.c - decode(encode(e)) == e for the wire of LinkSocks, as a law over
 * seeds: both roles, with and without features, packed and plain, over random frames and pieces, with slabs
 * that are refused. Then garbage, which may end the session and nothing else.
 *
 * linksocks_roundtrip_test [FIRST [COUNT]]: the seeds; a failing one is printed and repeats.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/log.h"
#include "tests/unit/linksocks_wire_world.h"
#include "tests/unit/seeds.h"

#include "tests/unit/carried.h"

enum { USERS_MAX = 16, TURNS_MAX = 6000, TEXT_MAX = 200 };

static uint64_t events;
static const struct carrier *const carriers[] = {&carrier_plain, &carrier_websocket};

/* ---- turns ---- */

static struct bytes flying[2]; /* said, in frames, and not heard yet */

/* Both ends hear each other, in frames that are cut on the way. */
static void turn(void)
{
	world_turn(false);
	for (int side = 0; side < 2; side++) {
		if (world.options.carrier == &carrier_plain && world.chop)
			fragment(&world.said[side]);
		bytes_add(&flying[side], world.said[side].at, world.said[side].size);
		world.said[side].size = 0;
		if (world.link[!side])
			world_feed(world.link[!side], &flying[side]);
		else
			flying[side].size = 0;
		world_drain();
	}
	/* what is held or waits for a batch leaves in time; the links never fall silent */
	world.hub.now = instant_after(world.hub.now, DURATION_MS(10));
	wheel_expire(&world.hub.wheel, world.hub.now);
	world_drain();
}

/* ---- the session ---- */

static const char *some_text(void)
{
	static const char *const parts[] = {"a", "Z",  "0",    "-", "\"", "\\",
					    "/", "\n", "\x7f", "é", "名", "<"};
	static char texts[16][TEXT_MAX];
	static size_t count;
	char *text = texts[count++ % COUNT_OF(texts)];
	text[0] = 0;
	for (uint64_t i = 1 + chance(8); i; i--)
		strcat(text, parts[chance(COUNT_OF(parts))]);
	return text;
}

static void expect_line(int side, const struct event *event)
{
	static char line[HEARD_SIZE];
	struct script expected = {.heard = line};
	event_add(&expected, event);
	events++;
	if (!strstr(world.script[side].heard, expected.heard))
		fail_msg("said:  %sheard: %s", expected.heard, world.script[side].heard);
}

static struct credentials said, expected;

static void some_credentials(bool message)
{
	static char path[600], secret[80];
	char instance[UUID_TEXT_SIZE];
	const char *const directions[] = {"", "&reverse=false", "&reverse=true"};
	uint64_t direction = message ? 1 + chance(2) : chance(3);
	for (size_t i = 0; i < 64; i++)
		secret[i] = "0123456789abcdef"[chance(16)];
	secret[64] = 0;
	said = (struct credentials){.host = slice_of("relay.example")};
	for (size_t i = 0; i < INSTANCE_SIZE; i++)
		said.instance[i] = (uint8_t)chance(256);
	uuid_format(said.instance, instance);
	snprintf(path, sizeof path, "/socket?instance=%s%s&token=%s", instance, directions[direction],
		 secret);
	expected = said;
	expected.secret = slice_of(secret);
	expected.direction = (enum direction)direction;
	expected.form = message ? CREDENTIAL_PLAIN : CREDENTIAL_SHA256;
	expected.features = link_options[CLIENT].features;
	if (message) {
		said.secret = expected.secret;
		said.direction = expected.direction;
	}
	said.path = slice_of(message ? "/ws" : path);
	world.script[CLIENT].credentials = said;
}

static void some_options(void)
{
	static const uint32_t all = FEATURE_CREDIT | FEATURE_LZ4 | FEATURE_HALF_CLOSE;
	for (int side = 0; side < 2; side++) {
		uint32_t features = chance(3) ? (uint32_t)random_next(&world.random) & all : 0;
		link_options[side] =
		    (struct linksocks_options){.features = features ? features | FEATURE_OURS : 0,
					       .compression_threshold = chance(2) ? 0 : 1 + chance(20000),
					       .provider = side == CLIENT && chance(2)};
	}
}

/* False: it was refused, as was asked for. */
static bool handshake(void)
{
	struct script *server = &world.script[SERVER], *client = &world.script[CLIENT];
	bool refuses = chance(8) == 0;
	some_options();
	some_credentials(chance(2));
	server->login = refuses ? REASON_AUTH : REASON_OK;
	server->text = slice_of(some_text());
	world_open(SERVER);
	world_open(CLIENT);
	for (int i = 0; i < 400 && !strstr(client->heard, "AUTHED"); i++)
		turn();
	expect_line(SERVER, &(struct event){.kind = EVENT_AUTH, .credentials = &expected});
	uint32_t both = link_options[SERVER].features & link_options[CLIENT].features;
	server->credentials.features = both;
	if (refuses) {
		expect_line(CLIENT, &(struct event){.kind = EVENT_AUTHED,
						    .reason = REASON_AUTH,
						    .text = server->text,
						    .credentials = &server->credentials});
		return false;
	}
	expect_line(CLIENT, &(struct event){.kind = EVENT_AUTHED, .credentials = &server->credentials});
	for (int side = 0; side < 2; side++) {
		assert_int_equal(linksocks_features(world.link[side]), both);
		assert_int_equal(!!(world.link[side]->traits & TRAIT_CREDIT), !!(both & FEATURE_CREDIT));
		assert_int_equal(!!(world.link[side]->traits & TRAIT_HALF_CLOSE),
				 !!(both & FEATURE_HALF_CLOSE));
	}
	return true;
}

static void say_news(void)
{
	int side = (int)chance(2);
	struct script *script = &world.script[side], *other = &world.script[!side];
	uint64_t what = chance(4);
	struct event event = {.kind = EVENT_NOTE, .note = &script->note};
	script->note =
	    (struct note){.level = (uint8_t)chance(LOG_LEVEL_COUNT), .text = slice_of(some_text())};
	if (what == 0)
		script->note = (struct note){
		    .kind = NOTE_PARTNERS, .level = LOG_DEBUG, .count = (uint32_t)chance(UINT32_MAX)};
	if (what > 1) {
		static struct token_request token;
		event = (struct event){.kind = what == 2 ? EVENT_REQUEST : EVENT_RESPONSE, .token = &token};
		token =
		    (struct token_request){.remove = what == 2 && chance(2), .token = slice_of(some_text())};
		for (size_t i = 0; i < sizeof token.id; i++)
			token.id[i] = (uint8_t)chance(256);
		if (what == 3 && chance(2)) {
			event.reason = REASON_FORBIDDEN;
			event.text = slice_of(reason_text(REASON_FORBIDDEN));
			token.token = (struct slice){0};
		}
		link_news[side] = event;
	}
	script_forget(other);
	session_say(world.link[side], event.kind);
	for (int i = 0; i < 200 && !strstr(other->heard, event_name(event.kind)); i++)
		turn();
	expect_line(!side, &event);
}

/* ---- channels ---- */

static void conn_says(struct conn *conn)
{
	static uint8_t bytes[150000];
	size_t size = chance(3) ? 1 + chance(300) : chance(sizeof bytes);
	if (conn->in_ended || conn->gone || put_in[conn - world.conns].size > 900000)
		return;
	bool random = chance(2);
	for (size_t i = 0; i < size; i++)
		bytes[i] = random ? (uint8_t)random_next(&world.random) : (uint8_t)(i / 9 % 8);
	conn_give(conn, bytes, size);
}

static void relay(void)
{
	uint64_t users = 1 + chance(USERS_MAX), steps = 20 + chance(150);
	world.refuse_odd = chance(2);
	for (uint64_t step = 0; step < steps; step++) {
		if (world.conn_count < 2 * users && chance(4) == 0) {
			world_ask((int)chance(2), "host.example", (uint16_t)(1000 + world.conn_count));
			events++;
		}
		if (world.conn_count)
			conn_acts(&world.conns[chance(world.conn_count)]);
		if (chance(2))
			turn();
	}
	int turns = 0;
	for (; turns < TURNS_MAX && !all_gone(); turns++) {
		for (uint32_t i = 0; i < world.conn_count; i++)
			world.conns[i].in_ended = world.conns[i].in_ended || chance(4) == 0;
		turn();
	}
	if (turns == TURNS_MAX)
		fail_msg("conns are left; links: %s, %s", world.link_text[0], world.link_text[1]);
	for (int i = 0; i < 20; i++)
		turn();
	for (int i = 0; i < 2; i++) {
		if (!world.link[i])
			fail_msg("link %d is gone: %s", i, world.link_text[i]);
		assert_int_equal(world.link[i]->channel_count, 0);
		assert_int_equal(world.link[i]->queued_bytes, 0);
	}
	for (uint32_t i = 0; i < world.conn_count; i++) {
		const struct conn *conn = &world.conns[i];
		if (conn->peer)
			assert_carried(conn, conn->peer);
	}
}

static void garbage(void)
{
	for (int i = 0; i < 40; i++) {
		struct session *link = world.link[chance(2)];
		struct bytes bytes = {0};
		size_t size = chance(200);
		uint8_t head[PLAIN_HEAD] = {(uint8_t)(chance(3) ? CHUNK_BINARY : chance(8)), chance(2)};
		put32(head + 2, (uint32_t)size);
		bytes_add(&bytes, head, sizeof head);
		for (size_t k = 0; k < size; k++)
			bytes_add(&bytes, &(uint8_t){chance(3) ? (uint8_t)chance(5) : (uint8_t)chance(256)},
				  1);
		if (link && !link->input.buf)
			world_feed(link, &bytes);
		turn();
		free(bytes.at);
	}
}

static void seed_run(uint64_t seed)
{
	linksocks_world(seed);
	world.options.carrier = carriers[seed % COUNT_OF(carriers)];
	world.chop = chance(8);
	world.hub.batching.enabled = chance(2);
	nothing_carried();
	flying[0].size = flying[1].size = 0;
	if (handshake()) {
		for (uint64_t i = chance(4); i; i--)
			say_news();
		relay();
		if (chance(2))
			garbage();
	}
	world_close();
}

int main(int argc, char **argv)
{
	int failed = seeds_main(argc, argv, 600);
	printf("%llu seeds, %llu events equal, %llu MiB carried\n", (unsigned long long)seed_count,
	       (unsigned long long)events, (unsigned long long)moved >> 20);
	return failed;
}
