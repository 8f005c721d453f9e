/* tests/unit/roundtrip_test.c - decode(encode(e)) == e for the wire of TLS Tunnel, as a law over seeds:
 * random events on random channels, cut into random pieces, with small writers and slabs that are refused,
 * must come out at the other end as they went in. Then garbage, which may end the session and nothing else.
 *
 * roundtrip_test [FIRST [COUNT]]: the seeds; a failing one is printed and repeats.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/log.h"
#include "protocols/tls_tunnel/control.h"
#include "tests/unit/seeds.h"
#include "tests/unit/wire_world.h"

#include "tests/unit/carried.h"

enum { LISTED_MAX = 24, USERS_MAX = 24, TURNS_MAX = 4000 };

static uint64_t events;

/* ---- random values ---- */

static char texts[512][48];
static size_t text_count;

/* A text with what JSON and UTF-8 make difficult in it. */
static const char *some_text(size_t size_min_)
{
	static const char *const parts[] = {"a",    "Z",    "0", "-",  "\"", "\\", "/", "\n",
					    "\x01", "\x7f", "é", "名", "😀",  " ",  "{", "\t"};
	char *text = texts[text_count++ % COUNT_OF(texts)];
	size_t count = size_min_ + chance(8);
	text[0] = 0;
	for (size_t i = 0; i < count; i++)
		strcat(text, parts[chance(COUNT_OF(parts))]);
	return text;
}

static void some_credentials(struct credentials *credentials)
{
	*credentials = (struct credentials){.secret = slice_of(some_text(1))};
	if (chance(4))
		credentials->features = FEATURE_OURS | (chance(2) ? FEATURE_SOURCE : 0);
	for (size_t i = 0; chance(2) && i < INSTANCE_SIZE; i++)
		credentials->instance[i] = (uint8_t)chance(256);
	if (credentials->features && credentials->instance[0] && chance(2)) {
		credentials->features |= FEATURE_LINKS;
		credentials->link = (uint32_t)chance(LINKS_MAX);
	}
}

static uint32_t some_publications(struct publication *list)
{
	uint32_t count = (uint32_t)chance(LISTED_MAX), proxies = (uint32_t)chance(count + 1);
	for (uint32_t i = 0; i < count; i++) {
		bool visitor = i >= proxies;
		list[i] = (struct publication){.name = some_text(1),
					       .type = chance(2) ? "tcp" : "ssh",
					       .publish_addr = visitor ? "" : some_text(0),
					       .bind_addr = visitor ? some_text(0) : "",
					       .publish_port = (uint16_t)chance(65536),
					       .visitor = visitor};
		*(visitor ? &list[i].bind_port : &list[i].local_port) = (uint16_t)chance(65536);
	}
	return count;
}

static uint32_t some_items(struct slice *list)
{
	uint32_t count = (uint32_t)chance(LISTED_MAX);
	for (uint32_t i = 0; i < count; i++)
		list[i] = slice_of(some_text(0));
	return count;
}

static void some_note(struct note *note, struct publication *about)
{
	*note = (struct note){.kind = (enum note_kind)chance(NOTE_ALL_REFUSED + 1),
			      .level = (uint8_t)chance(LOG_INFO + 1),
			      .text = slice_of(some_text(0))};
	if (note->kind != NOTE_BIND_RETRY && note->kind != NOTE_BIND_FAILED)
		return;
	*about = (struct publication){
	    .name = some_text(1), .publish_addr = some_text(1), .publish_port = (uint16_t)chance(65536)};
	note->about = about;
	note->retry_max = (unsigned)chance(100);
	if (note->kind == NOTE_BIND_RETRY) {
		note->retry = (unsigned)chance(100);
		note->delay_s = (unsigned)chance(100);
	}
}

/* ---- messages ---- */

static struct publication publications[LISTED_MAX], about;
static struct slice items[LISTED_MAX];

static void expect_line(int side, const struct event *event)
{
	static char line[HEARD_SIZE];
	struct script expected = {.heard = line};
	event_add(&expected, event);
	events++;
	if (strstr(world.script[side].heard, expected.heard))
		return;
	fail_msg("said:  %sheard: %s", expected.heard, world.script[side].heard);
}

static void turns_until_quiet(bool joined)
{
	for (int i = 0; i < 12; i++)
		world_turn(joined);
}

/* Of generations before 1.5 a key of 16 bytes and more, and nothing else. */
static void some_key(struct credentials *credentials)
{
	static char key[64];
	snprintf(key, sizeof key, "0123456789abcdef%s", some_text(0));
	*credentials = (struct credentials){.secret = slice_of(key)};
}

static bool legacy_is_over(void)
{
	const struct session *server = world.link[SERVER];
	return strstr(world.script[CLIENT].heard, "PUBLISHED") && server && !server->held;
}

/* 1.0 has neither addresses, types nor visitors. */
static uint32_t as_10(struct publication *list, const struct publication *of, uint32_t count)
{
	uint32_t kept = 0;
	for (uint32_t i = 0; i < count; i++) {
		if (of[i].visitor)
			continue;
		list[kept] = of[i];
		list[kept].type = "tcp";
		list[kept++].publish_addr = "";
	}
	return kept;
}

static const struct publication one = {
    .name = "one", .type = "tcp", .publish_addr = "", .bind_addr = "", .local_port = 1};

static void legacy_handshake(void)
{
	struct script *server = &world.script[SERVER], *client = &world.script[CLIENT];
	static struct publication list[LISTED_MAX];
	some_key(&client->credentials);
	client->publications = publications;
	client->publication_count = some_publications(publications);
	if (world.speaks == TUNNEL_10) {
		publications[0] = one;           /* an empty list of 1.0 is not over yet */
		client->publication_count += client->publication_count == 0;
	}
	for (uint32_t i = 0; i < client->publication_count; i++)
		publications[i].publish_port |= 0x8000; /* none that a user asks for: no local port instead */
	server->refused = items;
	server->refused_count = world.speaks == TUNNEL_14Y ? some_items(items) : 0;
	world_open(SERVER);
	world_open(CLIENT);
	for (int i = 0; i < 400 && !legacy_is_over(); i++)
		world_turn(true);
	if (!legacy_is_over())
		fail_msg("no handshake: server heard '%s', client '%s', %s, %s", server->heard, client->heard,
			 world.link_text[SERVER], world.link_text[CLIENT]);
	memcpy(list, publications, sizeof list);
	uint32_t count = client->publication_count;
	if (world.speaks == TUNNEL_10)
		count = as_10(list, publications, count);
	static const struct credentials none;
	expect_line(SERVER, &(struct event){.kind = EVENT_AUTH, .credentials = &client->credentials});
	expect_line(CLIENT, &(struct event){.kind = EVENT_AUTHED, .credentials = &none});
	expect_line(SERVER, &(struct event){
				.kind = EVENT_PUBLISH, .publications = list, .publication_count = count});
	expect_line(CLIENT, &(struct event){.kind = EVENT_PUBLISHED,
					    .refused = items,
					    .refused_count = server->refused_count});
	assert_int_equal(tls_tunnel_generation(world.link[SERVER]), world.speaks);
	assert_int_equal(tls_tunnel_generation(world.link[CLIENT]), world.speaks);
}

static void handshake(void)
{
	struct script *server = &world.script[SERVER], *client = &world.script[CLIENT];
	some_credentials(&client->credentials);
	some_credentials(&server->credentials);
	client->publications = publications;
	client->publication_count = some_publications(publications);
	server->refused = items;
	server->refused_count = some_items(items);
	world_open(SERVER);
	world_open(CLIENT);
	for (int i = 0; i < 400 && !strstr(server->heard, "READY"); i++)
		world_turn(true);
	if (!strstr(server->heard, "READY\n"))
		fail_msg("no handshake: server heard '%s', client '%s', %s, %s", server->heard, client->heard,
			 world.link_text[SERVER], world.link_text[CLIENT]);
	expect_line(SERVER, &(struct event){.kind = EVENT_AUTH, .credentials = &client->credentials});
	struct credentials answered = server->credentials;
	answered.features &= client->credentials.features ? CONTROL_FEATURES : 0;
	expect_line(CLIENT, &(struct event){.kind = EVENT_AUTHED, .credentials = &answered});
	expect_line(SERVER, &(struct event){.kind = EVENT_PUBLISH,
					    .publications = client->publications,
					    .publication_count = client->publication_count});
	expect_line(CLIENT, &(struct event){.kind = EVENT_PUBLISHED,
					    .refused = items,
					    .refused_count = server->refused_count});
}

static void say_note(void)
{
	struct script *server = &world.script[SERVER], *client = &world.script[CLIENT];
	some_note(&server->note, &about);
	server->refused_count = some_items(items);
	script_forget(client);
	session_say(world.link[SERVER], EVENT_NOTE);
	for (int i = 0; i < 100 && !strstr(client->heard, "NOTE"); i++)
		world_turn(true);
	bool listed = server->note.kind == NOTE_PARTIAL || server->note.kind == NOTE_ALL_REFUSED;
	expect_line(CLIENT, &(struct event){.kind = EVENT_NOTE,
					    .note = &server->note,
					    .refused = items,
					    .refused_count = listed ? server->refused_count : 0});
}

static void refused_handshake(void)
{
	struct script *server = &world.script[SERVER], *client = &world.script[CLIENT];
	bool login = chance(2);
	if (world.speaks) {
		some_key(&client->credentials);
		client->publications = &one;
		client->publication_count = 1;
	} else {
		some_credentials(&client->credentials);
	}
	*(login ? &server->login : &server->config) = login ? REASON_AUTH : REASON_FORBIDDEN;
	server->text = slice_of(some_text(1));
	server->refused = items;
	server->refused_count = some_items(items);
	world_open(SERVER);
	world_open(CLIENT);
	for (int i = 0; i < 400 && !world.link_gone[SERVER]; i++)
		world_turn(true);
	turns_until_quiet(true);
	for (int i = 0; i < 400 && world.said[SERVER].size; i++)
		world_turn(true);
	struct event event = {.kind = login ? EVENT_AUTHED : EVENT_PUBLISHED,
			      .reason = login ? REASON_AUTH : REASON_FORBIDDEN,
			      .text = server->text};
	if (!login && !world.speaks) {
		event.refused = items;
		event.refused_count = server->refused_count;
	}
	expect_line(CLIENT, &event);
}

/* ---- channels ---- */

static void conn_says(struct conn *conn)
{
	static uint8_t bytes[70000];
	size_t size = chance(3) ? 1 + chance(300) : chance(sizeof bytes);
	if (conn->in_ended || conn->gone || put_in[conn - world.conns].size > 600000)
		return;
	for (size_t i = 0; i < size; i += 1 + chance(7))
		bytes[i] = (uint8_t)random_next(&world.random);
	conn_give(conn, bytes, size);
}

/* Whose the question is travels where both ends have shown that they can. */
static void assert_source(const struct conn *from, const struct conn *to)
{
	static const struct user_address unknown;
	bool told = tls_tunnel_features(world.link[SERVER]) & tls_tunnel_features(world.link[CLIENT]) &
		    FEATURE_SOURCE;
	const struct user_address *expected = told ? &from->source : &unknown;
	if (to->asks)
		return;
	assert_int_equal(to->source.family, expected->family);
	assert_int_equal(to->source.port, expected->port);
	assert_memory_equal(to->source.bytes, expected->bytes, sizeof expected->bytes);
}

static struct user_address some_source(void)
{
	struct user_address source = {.family = (uint8_t)(2 * chance(4))};
	if (source.family == 2)
		source.family = 0;
	for (size_t i = 0; source.family && i < (source.family == 4 ? 4 : 16); i++)
		source.bytes[i] = (uint8_t)chance(256);
	source.port = source.family ? (uint16_t)chance(65536) : 0;
	return source;
}

static void say_why_not(void)
{
	for (uint32_t i = 0; i < world.conn_count; i++) {
		const struct conn *conn = &world.conns[i];
		fprintf(stderr, "conn %u side %d %s%s%s%s in %zu left %zu out %zu\n", i, conn->side,
			conn->asks ? "asks " : "", conn->gone ? "gone " : "", conn->in_ended ? "ended " : "",
			conn->shut ? "shut " : "", put_in[i].size, conn->in.size, conn->out.size);
	}
}

/* A user comes in at the client for what is visited. */
static bool has_visitors(void)
{
	const struct script *client = &world.script[CLIENT];
	bool visits = !world.speaks;
	for (uint32_t i = 0; i < client->publication_count && world.speaks != TUNNEL_10; i++)
		visits = visits || client->publications[i].visitor;
	return visits;
}

static void relay(void)
{
	bool visits = has_visitors(), both = visits && chance(2);
	uint64_t users = 1 + chance(USERS_MAX), steps = 20 + chance(200);
	int side = visits ? (int)chance(2) : SERVER;
	world.refuse_odd = chance(2);
	for (uint64_t step = 0; step < steps; step++) {
		if (world.conn_count < 2 * users && chance(4) == 0) {
			side = both ? (int)chance(2) : side;
			world.source = some_source();
			world_ask(side, side == CLIENT ? some_text(1) : "",
				  (uint16_t)(1000 + world.conn_count));
			events++;
		}
		if (world.conn_count)
			conn_acts(&world.conns[chance(world.conn_count)]);
		if (chance(2))
			world_turn(true);
	}
	int turns = 0;
	for (; turns < TURNS_MAX && !all_gone(); turns++) {
		for (uint32_t i = 0; i < world.conn_count; i++)
			world.conns[i].in_ended = world.conns[i].in_ended || chance(4) == 0;
		world_turn(true);
	}
	if (turns == TURNS_MAX)
		say_why_not();
	assert_true(turns < TURNS_MAX);
	turns_until_quiet(true);
	for (int i = 0; i < 2; i++) {
		if (!world.link[i])
			fail_msg("link %d is gone: %s", i, world.link_text[i]);
		assert_int_equal(world.link[i]->channel_count, 0);
		assert_int_equal(world.link[i]->queued_bytes, 0);
	}
	for (uint32_t i = 0; i < world.conn_count; i++) {
		const struct conn *conn = &world.conns[i];
		if (conn->peer) {
			assert_carried(conn, conn->peer);
			assert_source(conn, conn->peer);
		}
		bool refused = conn->asks && !conn->peer && world.refuse_odd && conn->side == CLIENT;
		if (refused && conn->why != REASON_LOST)
			assert_int_equal(conn->why, REASON_NOT_FOUND);
	}
}

static void garbage(void)
{
	for (int i = 0; i < 40; i++) {
		struct session *link = world.link[chance(2)];
		struct bytes bytes = {0};
		size_t size = 1 + chance(300);
		for (size_t k = 0; k < size; k++)
			bytes_add(&bytes, &(uint8_t){chance(3) ? (uint8_t)chance(5) : (uint8_t)chance(256)},
				  1);
		if (link)
			world_feed(link, &bytes);
		world_turn(chance(2));
		free(bytes.at);
	}
}

static void seed_run(uint64_t seed)
{
	world_init(seed);
	world.chop = chance(8);
	static const enum tunnel_generation older[] = {TUNNEL_14, TUNNEL_14Y, TUNNEL_10};
	world.speaks = chance(3) ? TUNNEL_UNKNOWN : older[chance(COUNT_OF(older))];
	nothing_carried();
	if (chance(8) == 0) {
		refused_handshake();
	} else {
		if (world.speaks)
			legacy_handshake();
		else
			handshake();
		for (uint64_t i = chance(3); i && !world.speaks; i--)
			say_note();
		relay();
		if (chance(2))
			garbage();
	}
	world_close();
}

int main(int argc, char **argv)
{
	int failed = seeds_main(argc, argv, 2000);
	printf("%llu seeds, %llu events equal, %llu MiB carried\n", (unsigned long long)seed_count,
	       (unsigned long long)events, (unsigned long long)moved >> 20);
	return failed;
}
