/* tests/unit/source_wire_test.c - a user's address in the headers of TLS Tunnel's streams, byte by byte; and
 * addresses as they travel with OPEN.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/wire_world.h"

static void begin(uint32_t client, uint32_t server)
{
	world_init(11);
	world.script[CLIENT].credentials =
	    (struct credentials){.secret = slice_of("0123456789abcdef"), .features = client};
	world.script[SERVER].credentials = (struct credentials){.features = server};
	world_open(SERVER);
	world_open(CLIENT);
	for (int i = 0; i < 50; i++)
		world_turn(true);
	assert_non_null(strstr(world.script[SERVER].heard, "READY"));
	world.said[SERVER].size = world.said[CLIENT].size = 0;
}

static const struct user_address ipv4 = {4, 0x1234, {192, 0, 2, 1}};
static const struct user_address ipv6 = {6, 0x50, {0x20, 1, 0xd, 0xb8, [15] = 7}};

/* What that end says of a user: the last `size` bytes. */
static void expect_said(int side, const struct user_address *source, const char *host, const uint8_t *bytes,
			size_t size)
{
	world.source = *source;
	world_ask(side, host, 8080);
	for (int i = 0; i < 3; i++)
		world_turn(false);
	struct bytes *said = &world.said[side];
	assert_true(said->size >= size);
	assert_memory_equal(said->at + said->size - size, bytes, size);
	for (int i = 0; i < 20; i++)
		world_turn(true);
	const struct conn *there = world.conns[world.conn_count - 2].peer;
	assert_non_null(there);
}

static void a_proxy_stream_begins_with_it(void **state)
{
	static const uint8_t unknown[] = {0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0x1f, 0x90, 0};
	static const uint8_t four[] = {0, 0, 0, 1, 0, 0, 0, 4, 0, 0, 0, 9, 0x1f, 0x90, 4, 192, 0, 2, 1,
				       0x12, 0x34};
	static const uint8_t six[] = {0, 0, 0, 1, 0, 0, 0, 6, 0, 0, 0, 21, 0x1f, 0x90, 6, 0x20, 1, 0xd, 0xb8,
				      0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0x50};
	begin(FEATURE_OURS | FEATURE_SOURCE, FEATURE_OURS | FEATURE_SOURCE);
	expect_said(SERVER, &(struct user_address){0}, "", unknown, sizeof unknown);
	assert_int_equal(world.conns[1].source.family, 0);
	expect_said(SERVER, &ipv4, "", four, sizeof four);
	assert_memory_equal(&world.conns[3].source, &ipv4, sizeof ipv4);
	expect_said(SERVER, &ipv6, "", six, sizeof six);
	assert_memory_equal(&world.conns[5].source, &ipv6, sizeof ipv6);
	world_close();
}

static void a_visitor_stream_ends_its_header_with_it(void **state)
{
	static const uint8_t four[] = {0, 0, 0, 1, 0, 0, 0, 3, 0, 0, 0, 14, 0, 3, 'w', 'e', 'b', 0x1f, 0x90,
				       4, 192, 0, 2, 1, 0x12, 0x34};
	begin(FEATURE_OURS | FEATURE_SOURCE, FEATURE_OURS | FEATURE_SOURCE);
	expect_said(CLIENT, &ipv4, "web", four, sizeof four);
	assert_memory_equal(&world.conns[1].source, &ipv4, sizeof ipv4);
	assert_int_equal(world.link[CLIENT]->channel_count, 1);
	world_close();
}

static void a_peer_without_the_feature_sees_nothing(void **state)
{
	static const uint32_t shown[][2] = {{0, FEATURE_OURS | FEATURE_SOURCE},
					    {FEATURE_OURS, FEATURE_OURS | FEATURE_SOURCE},
					    {FEATURE_OURS | FEATURE_SOURCE, FEATURE_OURS}};
	static const uint8_t proxy[] = {0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 2, 0x1f, 0x90};
	static const uint8_t visitor[] = {0, 0, 0, 1, 0,   0,   0,   3,    0,   0,
					  0, 7, 0, 3, 'w', 'e', 'b', 0x1f, 0x90};
	for (size_t i = 0; i < COUNT_OF(shown); i++) {
		begin(shown[i][0], shown[i][1]);
		expect_said(SERVER, &ipv4, "", proxy, sizeof proxy);
		expect_said(CLIENT, &ipv4, "web", visitor, sizeof visitor);
		assert_int_equal(world.conns[1].source.family, 0);
		assert_int_equal(world.conns[3].source.family, 0);
		world_close();
	}
}

static void another_family_resets_the_stream(void **state)
{
	static const uint8_t stream[] = {0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 4, 0x1f, 0x90, 5, 1};
	static const uint8_t reset[] = {0, 0, 0, 8, 0, 0, 0, 2, 0, 0, 0, 0};
	begin(FEATURE_OURS | FEATURE_SOURCE, FEATURE_OURS | FEATURE_SOURCE);
	struct bytes bytes = {0};
	bytes_add(&bytes, stream, sizeof stream);
	while (bytes.size)
		world_feed(world.link[CLIENT], &bytes);
	free(bytes.at);
	for (int i = 0; i < 3; i++)
		world_turn(false);
	struct bytes *said = &world.said[CLIENT];
	assert_non_null(memmem(said->at, said->size, reset, sizeof reset));
	assert_non_null(world.link[CLIENT]);
	assert_int_equal(world.link[CLIENT]->channel_count, 0);
	world_close();
}

static void addresses_there_and_back(void **state)
{
	static const char *const texts[] = {"192.0.2.1:80", "[2001:db8::7]:65535", "none"};
	struct address address, mapped = {.family = ADDRESS_IPV6, .port = 9, .bytes = {[10] = 255, 255, 1, 2,
											3, 4}};
	struct user_address user;
	char text[ADDRESS_TEXT_SIZE];
	for (size_t i = 0; i < COUNT_OF(texts); i++) {
		if (!address_parse(&address, texts[i]))
			address = (struct address){.family = ADDRESS_UNIX, .path = "/run/x"};
		user = user_address_of(&address);
		address = user_address_to(&user);
		assert_string_equal(address_format(&address, text), texts[i]);
	}
	user = user_address_of(&mapped);
	assert_int_equal(user.family, 4);
	address = user_address_to(&user);
	assert_string_equal(address_format(&address, text), "1.2.3.4:9");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_proxy_stream_begins_with_it),
	    cmocka_unit_test(a_visitor_stream_ends_its_header_with_it),
	    cmocka_unit_test(a_peer_without_the_feature_sees_nothing),
	    cmocka_unit_test(another_family_resets_the_stream),
	    cmocka_unit_test(addresses_there_and_back),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
