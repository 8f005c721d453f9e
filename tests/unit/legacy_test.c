/* tests/unit/legacy_test.c - the handshakes before yamux, byte for byte, one end at a time: TLS
 * Tunnel 1.0, 1.1 to 1.4.1 and 1.4.y as the originals speak them, whatever the pieces are; their refusals;
 * what is hostile.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/wire_lines.h"

#include "protocols/codecs/yamux.h"
#include "protocols/tls_tunnel/tunnel.h"

static const struct publication both[] = {{.name = "web",
					   .type = "tcp",
					   .publish_addr = "0.0.0.0",
					   .publish_port = 8080,
					   .local_port = 3000,
					   .bind_addr = ""},
					  {.name = "mysql",
					   .type = "tcp",
					   .publish_addr = "",
					   .publish_port = 3306,
					   .visitor = true,
					   .bind_addr = "127.0.0.1",
					   .bind_port = 3306}};

/* The published vectors. */
#define KEY "00 00 00 10 30 31 32 33 34 35 36 37 38 39 61 62 63 64 65 66"
#define CONFIG                                                                                               \
	"00 00 00 88 7b2276657273696f6e223a312c2270726f78696573223a5b7b226e616d65223a22776562222c2270726f78" \
	"795f74797065223a22746370222c227075626c6973685f61646472223a22302e302e302e30222c227075626c6973685f70" \
	"6f7274223a383038302c226c6f63616c5f706f7274223a333030307d5d2c2276697369746f7273223a5b5d7d"
#define CONFIG_11                                                                                            \
	"00 00 00 7a '{\"version\":1,\"proxies\":[{\"name\":\"web\",\"proxy_type\":\"tcp\","                 \
	"\"publish_addr\":\"0.0.0.0\",\"publish_port\":8080,\"local_port\":3000}]}'"
#define LIST_10 "00 01 00 03 77 65 62 1f 90 0b b8"
#define KEY_14Y "00 00 00 1f '{\"auth_key\":\"0123456789abcdef\"}'"
#define SUCCESS "00 00 00 10 '{\"success\":true}'"
#define VALID "00 00 00 0e '{\"valid\":true}'"
#define ACCEPTED "00 00 00 27 '{\"accepted\":true,\"rejected_proxies\":[]}'"
#define PARTIAL "00 00 00 31 '{\"accepted\":true,\"rejected_proxies\":[\"web:8080\"]}'"
#define WRONG_KEY "00 00 1a 'Invalid authentication key'"
#define WRONG_KEY_14Y "00 00 00 36 '{\"success\":false,\"error\":\"Invalid authentication key\"}'"
#define TOO_LONG "00 00 2c 'Authentication key too long (max 1024 bytes)'"
#define PING "00 02 00 01 00 00 00 00 ?? ?? ?? ??"

#define HEARD_AUTH "AUTH 0123456789abcdef 00000000000000000000000000000000\n"

static struct tunnel *tunnel_here(void) { return world.link[us]->wire_state; }

static void heard_is(const char *part)
{
	struct script *script = &world.script[us];
	if (!strstr(script->heard, part))
		fail_msg("heard '%s' and not '%s'", script->heard, part);
	script_forget(script);
}

static void gone_for(const char *word)
{
	world_turns(4, false);
	assert_true(world.link_gone[us]);
	if (!strstr(world.link_text[us], word))
		fail_msg("ended with '%s' and not '%s'", world.link_text[us], word);
	world_close();
}

/* ---- handshakes ---- */

static void server_14(void **state)
{
	begin_as(SERVER, TUNNEL_UNKNOWN);
	assert_int_equal(tls_tunnel_generation(world.link[SERVER]), TUNNEL_UNKNOWN);
	hear(KEY);
	heard_is(HEARD_AUTH);
	expect("01");
	assert_int_equal(tls_tunnel_generation(world.link[SERVER]), TUNNEL_14);
	hear(CONFIG);
	heard_is("PUBLISH (0 web tcp 0.0.0.0:8080 3000 :0)\n");
	expect("01 " PING);
	assert_true(world.link[SERVER]->ready);
	assert_false(tunnel_here()->legacy.by_local_port);
	assert_int_equal(world.link[SERVER]->channels_max, CHANNELS_STOCK_MAX);
	assert_int_equal(tls_tunnel_features(world.link[SERVER]), 0);
	assert_null(tunnel_here()->legacy.text);
	assert_null(tunnel_here()->control.kept);
	hear("00 02 00 01 00 00 00 00 aa bb cc dd");
	expect("00 02 00 02 00 00 00 00 aa bb cc dd");
	world_close();
}

static void server_10(void **state)
{
	begin_as(SERVER, TUNNEL_UNKNOWN);
	hear(KEY);
	expect("01");
	hear(LIST_10);
	expect("01 " PING);
	assert_int_equal(tls_tunnel_generation(world.link[SERVER]), TUNNEL_10);
	heard_is("PUBLISH (0 web tcp :8080 3000 :0)\n");
	world_close();
}

static void server_14y(void **state)
{
	begin_as(SERVER, TUNNEL_UNKNOWN);
	hear(KEY_14Y);
	heard_is(HEARD_AUTH);
	expect(SUCCESS);
	assert_int_equal(tls_tunnel_generation(world.link[SERVER]), TUNNEL_14Y);
	hear(CONFIG);
	expect(VALID ACCEPTED PING);
	world_close();
	begin_as(SERVER, TUNNEL_UNKNOWN);
	world.script[SERVER].refused = (const struct slice[]){slice_of("web:8080")};
	world.script[SERVER].refused_count = 1;
	hear(KEY_14Y);
	expect(SUCCESS);
	hear(CONFIG);
	expect(VALID PARTIAL PING);
	world_close();
}

static void client_14(void **state)
{
	begin_as(CLIENT, TUNNEL_14);
	expect(KEY);
	assert_int_equal(tls_tunnel_generation(world.link[CLIENT]), TUNNEL_UNKNOWN);
	hear("01");
	expect_heard("AUTHED\n");
	expect(CONFIG);
	hear("01");
	expect_heard("PUBLISHED\n");
	expect(PING);
	assert_int_equal(tls_tunnel_generation(world.link[CLIENT]), TUNNEL_14);
	assert_null(tunnel_here()->legacy.text);
	world_close();
}

static void client_14_visits(void **state)
{
	begin_as(CLIENT, TUNNEL_14);
	world.script[CLIENT].publications = both;
	world.script[CLIENT].publication_count = 2;
	expect(KEY);
	hear("01");
	expect("# '{\"version\":1,\"proxies\":[{\"name\":\"web\",\"proxy_type\":\"tcp\","
	       "\"publish_addr\":\"0.0.0.0\",\"publish_port\":8080,\"local_port\":3000}],\"visitors\":["
	       "{\"name\":\"mysql\",\"proxy_type\":\"tcp\",\"bind_addr\":\"127.0.0.1\",\"bind_port\":3306,"
	       "\"publish_port\":3306}],\"features\":[\"visitor-port\"]}'");
	world_close();
}

static void client_10(void **state)
{
	begin_as(CLIENT, TUNNEL_10);
	world.script[CLIENT].publications = both;
	world.script[CLIENT].publication_count = 2;
	expect(KEY);
	hear("01");
	expect(LIST_10);
	hear("01");
	expect(PING);
	/* there are no visitors */
	struct conn *user = world_ask(CLIENT, "mysql", 3306);
	world_turns(6, false);
	assert_true(user->gone);
	assert_int_equal(user->why, REASON_FORBIDDEN);
	expect("");
	/* streams are ours to accept as ever */
	hear("00 00 00 01 00 00 00 02 00 00 00 02 0b b8");
	heard_is("OPEN :3000");
	world_close();
}

static void client_14y(void **state)
{
	begin_as(CLIENT, TUNNEL_14Y);
	expect(KEY_14Y);
	hear(SUCCESS);
	expect_heard("AUTHED\n");
	expect(CONFIG);
	hear(VALID);
	expect_heard("");
	hear(PARTIAL);
	expect_heard("PUBLISHED -web:8080\n");
	expect(PING);
	world_close();
}

/* What is behind the last 01 in the same bytes is yamux already. */
static void yamux_follows_at_once(void **state)
{
	begin_as(CLIENT, TUNNEL_14);
	expect(KEY);
	hear("01");
	expect(CONFIG);
	hear("01 00 02 00 01 00 00 00 00 11 22 33 44");
	expect(PING "00 02 00 02 00 00 00 00 11 22 33 44");
	world_close();
	/* a client that does not wait for its answers */
	begin_as(SERVER, TUNNEL_UNKNOWN);
	hear(KEY CONFIG "00 02 00 01 00 00 00 00 11 22 33 44");
	expect("01 01" PING "00 02 00 02 00 00 00 00 11 22 33 44");
	world_close();
}

/* ---- any split is the same ---- */

static void feed_split(const char *line, size_t at)
{
	struct bytes bytes = {0};
	memset(wild, 0, sizeof wild);
	size_t size = parse(line, scratch, wild);
	uint8_t *copy = malloc(size);
	check(copy);
	memcpy(copy, scratch, size);
	for (size_t from = 0; from < size;) {
		size_t piece = at ? (from ? size - from : size_min(at, size)) : 1;
		bytes_add(&bytes, copy + from, piece);
		from += piece;
		for (int i = 0; i < 20 && bytes.size && world.link[us]; i++) {
			world_feed(world.link[us], &bytes);
			world_turn(false);
		}
	}
	free(bytes.at);
	free(copy);
	world_turns(2, false);
}

static void splits(void **state)
{
	static const struct {
		const char *said, *answer;
		size_t size;
	} table[] = {{KEY CONFIG, "01 01" PING, 160},
		     {KEY CONFIG_11, "01 01" PING, 146},
		     {KEY LIST_10, "01 01" PING, 31},
		     {KEY_14Y CONFIG, SUCCESS VALID ACCEPTED PING, 175}};
	for (size_t i = 0; i < COUNT_OF(table); i++)
		for (size_t at = 0; at <= table[i].size; at++) {
			begin_as(SERVER, TUNNEL_UNKNOWN);
			feed_split(table[i].said, at);
			expect(table[i].answer);
			world_close();
		}
	for (size_t at = 0; at < 60; at++) {
		begin_as(CLIENT, TUNNEL_14Y);
		feed_split(SUCCESS, size_min(at, 19));
		feed_split(VALID PARTIAL, at);
		heard_is("AUTHED\nPUBLISHED -web:8080\n");
		world_close();
	}
}

/* ---- refusals ---- */

static void server_refuses_keys(void **state)
{
	begin_as(SERVER, TUNNEL_UNKNOWN);
	world.script[SERVER].login = REASON_AUTH;
	hear("00 00 00 10 '0123456789abcdeX'");
	expect(WRONG_KEY);
	gone_for("");
	begin_as(SERVER, TUNNEL_UNKNOWN);
	world.script[SERVER].login = REASON_AUTH;
	hear("00 00 00 1f '{\"auth_key\":\"0123456789abcdeX\"}'");
	expect(WRONG_KEY_14Y);
	gone_for("");
	begin_as(SERVER, TUNNEL_UNKNOWN); /* JSON, but no key in it: it is the key of another generation */
	world.script[SERVER].login = REASON_AUTH;
	hear("# '{\"auth\":\"0123456789\"}'");
	expect(WRONG_KEY);
	gone_for("");
	begin_as(SERVER, TUNNEL_UNKNOWN); /* not one byte of it is waited for */
	hear("00 00 28 01");
	expect(TOO_LONG);
	gone_for("more than 1024");
	begin_as(SERVER, TUNNEL_UNKNOWN);
	hear("00 00 ff ff");
	expect(TOO_LONG);
	gone_for("more than 1024");
	begin_as(SERVER, TUNNEL_UNKNOWN);
	hear("00 00 04 01 'k'");
	expect(TOO_LONG);
	gone_for("more than 1024");
	begin_as(SERVER, TUNNEL_UNKNOWN); /* this one might be an object */
	hear("00 00 04 01 '{'");
	expect("");
	for (int i = 0; i < 64; i++)
		hear("'0123456789abcdef'");
	expect(TOO_LONG);
	gone_for("more than 1024");
	begin_as(SERVER, TUNNEL_UNKNOWN);
	hear("00 00 00 10 '0123456789abcde' ff");
	expect("");
	gone_for("UTF-8");
}

static void long_object_with_key(void **state)
{
	char line[8192];
	begin_as(SERVER, TUNNEL_UNKNOWN);
	snprintf(line, sizeof line, "# '{\"auth_key\":\"0123456789abcdef\",\"pad\":\"%0*d\"}'", 4000 - 39, 0);
	hear(line);
	heard_is(HEARD_AUTH);
	expect(SUCCESS);
	world_close();
}

static void server_is_silent(void **state)
{
	static const struct {
		const char *config, *word;
	} table[] = {
	    {"00 00 00 00", "empty"},
	    {"00 a0 00 01 '{\"'", "too large"},
	    {"ff ff ff ff '{\"'", "too large"},
	    {"# 'nope'", "JSON"},
	    {"# '{}'", "version 1"},
	    {"# '{\"version\":1}'", "list of proxies"},
	    {"# '{\"version\":2,\"proxies\":[]}'", "version 1"},
	    {"# '{\"version\":\"1\",\"proxies\":[]}'", "version 1"},
	    {"# '{\"version\":1,\"proxies\":[{}]}'", "not valid"},
	    {"27 11 00 01", "too large"},
	    {"80 00 00 00", "too large"},
	    {"00 01 00 01 ff 00 01 00 02", "UTF-8"},
	    {"00 01 00 01 00 00 01 00 02", "UTF-8"},
	};
	for (size_t i = 0; i < COUNT_OF(table); i++) {
		begin_as(SERVER, TUNNEL_UNKNOWN);
		hear(KEY);
		expect("01");
		hear(table[i].config);
		expect("");
		gone_for(table[i].word);
	}
}

static void server_refuses_configs(void **state)
{
	for (int y = 0; y < 2; y++) {
		begin_as(SERVER, TUNNEL_UNKNOWN);
		world.script[SERVER].config = REASON_FORBIDDEN;
		world.script[SERVER].text =
		    slice_of("Proxy configuration validation failed: Proxy 'web' publish_port 8443 conflicts "
			     "with server bind port");
		hear(y ? KEY_14Y : KEY);
		world.said[SERVER].size = 0;
		hear(CONFIG);
		world_turns(2, false);
		const uint8_t *said = world.said[SERVER].at;
		if (y) {
			assert_memory_equal(said, "\0\0\0\x7e{\"valid\":false,\"error\":\"Proxy conf", 36);
			assert_int_equal(world.said[SERVER].size, 0x7e + 4);
		} else {
			assert_memory_equal(said, "\0\0\x64Proxy configuration", 22);
			assert_int_equal(world.said[SERVER].size, 0x64 + 3);
		}
		gone_for("");
	}
	/* all of it is held by others: 1.1 to 1.4.1 have but a text for that */
	const struct slice refused[] = {slice_of("web:8080"), slice_of("ssh:2222")};
	for (int y = 0; y < 2; y++) {
		begin_as(SERVER, TUNNEL_UNKNOWN);
		world.script[SERVER].config = REASON_LIMIT;
		world.script[SERVER].refused = refused;
		world.script[SERVER].refused_count = 2;
		hear(y ? KEY_14Y : KEY);
		world.said[SERVER].size = 0;
		hear(CONFIG);
		expect(y ? VALID "# '{\"accepted\":false,\"rejected_proxies\":[\"web:8080\","
				 "\"ssh:2222\"]}'"
			 : "00 00 28 'All proxies rejected: web:8080, ssh:2222'");
		gone_for("");
	}
}

static void a_text_has_its_limit(void **state)
{
	static char name[5001];
	memset(name, 'x', 5000);
	memcpy(name + 4094 - strlen("All proxies rejected: ") + 1, "é", 2); /* where it would be cut */
	begin_as(SERVER, TUNNEL_UNKNOWN);
	world.script[SERVER].config = REASON_LIMIT;
	world.script[SERVER].refused = &(struct slice){(const uint8_t *)name, 5000};
	world.script[SERVER].refused_count = 1;
	hear(KEY);
	hear(CONFIG);
	world_turns(2, false);
	assert_int_equal(world.said[SERVER].size, 1 + 3 + 4095);
	assert_memory_equal(world.said[SERVER].at + 1, "\x00\x0f\xff", 3);
	world_close();
}

static void legacy_switched_off(void **state)
{
	begin_as(SERVER, TUNNEL_UNKNOWN);
	tls_tunnel_refuse_legacy(world.link[SERVER]);
	hear(KEY);
	expect("");
	gone_for("legacy: false");
	begin_as(SERVER, TUNNEL_UNKNOWN);
	tls_tunnel_refuse_legacy(world.link[SERVER]);
	hear("00 02 00 01 00 00 00 00 aa bb cc dd");
	expect(PING "00 02 00 02 00 00 00 00 aa bb cc dd");
	assert_int_equal(tls_tunnel_generation(world.link[SERVER]), TUNNEL_15);
	world_close();
}

static void client_is_refused(void **state)
{
	begin_as(CLIENT, TUNNEL_14);
	hear(WRONG_KEY);
	expect_heard("AUTHED auth 'Invalid authentication key'\n");
	world_close();
	begin_as(CLIENT, TUNNEL_10);
	hear("01");
	hear("00 00 05 'so so'");
	expect_heard("AUTHED\nPUBLISHED forbidden 'so so'\n");
	world_close();
	begin_as(CLIENT, TUNNEL_14);
	hear("00 00 00");
	expect_heard("AUTHED auth\n");
	world_close();
	begin_as(CLIENT, TUNNEL_14); /* too long to be read */
	hear("00 10 01");
	expect_heard("AUTHED auth 'refused, with a text that is too long'\n");
	world_close();
	begin_as(CLIENT, TUNNEL_14Y);
	hear(WRONG_KEY_14Y);
	expect_heard("AUTHED auth 'Invalid authentication key'\n");
	world_close();
	begin_as(CLIENT, TUNNEL_14Y);
	hear(SUCCESS);
	hear("# '{\"valid\":false,\"error\":\"no\"}  '");
	expect_heard("AUTHED\nPUBLISHED forbidden 'no'\n");
	world_close();
	begin_as(CLIENT, TUNNEL_14Y);
	hear(SUCCESS VALID "# '{\"accepted\":false,\"rejected_proxies\":[\"a\"]}'");
	expect_heard("AUTHED\nPUBLISHED forbidden -a\n");
	world_close();
}

static void client_faults(void **state)
{
	static const struct {
		enum tunnel_generation speaks;
		const char *answer, *word;
	} table[] = {
	    {TUNNEL_14, "02", "neither 0 nor 1"},
	    {TUNNEL_10, "ff", "neither 0 nor 1"},
	    {TUNNEL_14, "00 02 00 01 00 00 00 00 11 22 33 44", "1.5"},
	    {TUNNEL_14Y, "00 02 00 01 00 00 00 00 11 22 33 44", "1.5"},
	    {TUNNEL_14Y, WRONG_KEY, "not JSON"},
	    {TUNNEL_14Y, "00 01 00 01", "too large"},
	    {TUNNEL_14Y, "00 00 00 00", "empty"},
	    {TUNNEL_14Y, "# '{]'", "JSON"},
	    {TUNNEL_14Y, "# '{}'", "yes nor no"},
	    {TUNNEL_14Y, "# '{\"success\":1}'", "yes nor no"},
	    {TUNNEL_14Y, SUCCESS VALID "# '{\"accepted\":true,\"rejected_proxies\":[1]}'",
	     "list that is not valid"},
	};
	for (size_t i = 0; i < COUNT_OF(table); i++) {
		begin_as(CLIENT, table[i].speaks);
		hear(table[i].answer);
		gone_for(table[i].word);
	}
}

/* ---- a client of 1.5 finds out ---- */

static enum tunnel_generation shown;

static void note_shown(struct session *session)
{
	if (session->wire == &wire_tls_tunnel)
		shown = tls_tunnel_generation(session);
}

static void client_15_learns(void **state)
{
	static struct role watched;
	watched = world_role;
	watched.ended = note_shown;
	begin_as(CLIENT, TUNNEL_15);
	world.link[CLIENT]->role = &watched;
	assert_int_equal(tls_tunnel_generation(world.link[CLIENT]), TUNNEL_UNKNOWN);
	hear("00 00 2c 'Authentication key too'");
	gone_for("1.4 or older");
	assert_int_equal(shown, TUNNEL_14);
	begin_as(CLIENT, TUNNEL_15); /* only that answer counts */
	world.link[CLIENT]->role = &watched;
	hear("00 00 1a 'Invalid authentication key'");
	gone_for("");
	assert_int_equal(shown, TUNNEL_UNKNOWN);
	begin_as(CLIENT, TUNNEL_15);
	hear("00 02 00 01 00 00 00 00 11 22 33 44");
	assert_int_equal(tls_tunnel_generation(world.link[CLIENT]), TUNNEL_15);
	world_close();
}

/* ---- streams ---- */

static void logged_in_as(const char *key, const char *config)
{
	begin_as(SERVER, TUNNEL_UNKNOWN);
	hear(key);
	hear(config);
	world.said[SERVER].size = 0;
	script_forget(&world.script[SERVER]);
}

/* Nothing is opened before the client has gone over to yamux, or a second has gone. */
static void streams_by_port(void **state)
{
	static const struct {
		const char *key, *config, *port;
	} table[] = {{KEY, CONFIG, "1f 90"},
		     {KEY, CONFIG_11, "0b b8"},
		     {KEY, LIST_10, "0b b8"},
		     {KEY_14Y, CONFIG, "1f 90"},
		     {KEY_14Y, CONFIG_11, "1f 90"}};
	for (size_t i = 0; i < COUNT_OF(table); i++) {
		char line[128];
		logged_in_as(table[i].key, table[i].config);
		world_ask(SERVER, "web", 8080);
		world_turns(4, false);
		expect("");
		if (i & 1) {
			world_sleep(DURATION_S(READY_S), false);
			snprintf(line, sizeof line, "00 00 00 01 00 00 00 02 00 00 00 02 %s", table[i].port);
		} else {
			hear("00 02 00 01 00 00 00 00 aa bb cc dd");
			snprintf(line, sizeof line,
				 "00 02 00 02 00 00 00 00 aa bb cc dd 00 00 00 01 00 00 00 02 00 00 00 02 %s",
				 table[i].port);
		}
		expect(line);
		world_close();
	}
}

/* The first stream of a legacy client is a visitor's, there is no control stream. */
static void visitor_of_the_original(void **state)
{
	logged_in_as(KEY, CONFIG);
	hear("00 00 00 01 00 00 00 01 00 00 00 09 00 05 'mysql' 0c ea");
	heard_is("OPEN mysql:3306");
	hear("00 00 00 00 00 00 00 01 00 00 00 04 'data'");
	assert_int_equal(world.conns[0].out.size, 4);
	world_close();
}

#define VISITS "# '{\"version\":1,\"proxies\":[],\"visitors\":[],\"features\":[\"visitor-port\"]}'"

static void visitor_of_ours(void **state)
{
	logged_in_as(KEY, VISITS);
	hear("00 00 00 01 00 00 00 01 00 00 00 09 00 05 'mysql' 0c ea");
	heard_is("OPEN mysql:3306");
	hear("00 00 00 00 00 00 00 01 00 00 00 01 0c");
	hear("00 00 00 00 00 00 00 01 00 00 00 05 ea 'data'");
	assert_int_equal(world.conns[0].out.size, 4);
	assert_memory_equal(world.conns[0].out.at, "data", 4);
	/* it may be all that comes */
	hear("00 00 00 01 00 00 00 03 00 00 00 0b 00 05 'mysql' 0c eb 0c eb");
	hear("00 00 00 04 00 00 00 03 00 00 00 00");
	assert_true(world.conns[1].shut);
	assert_int_equal(world.conns[1].out.size, 0);
	hear("00 00 00 05 00 00 00 05 00 00 00 0a 00 05 'mysql' 0c ec 0c");
	assert_true(world.conns[2].shut);
	assert_int_equal(world.conns[2].out.size, 0);
	world_close();
}

static void our_visitor(void **state)
{
	begin_as(CLIENT, TUNNEL_14);
	world.script[CLIENT].publications = both;
	world.script[CLIENT].publication_count = 2;
	hear("01");
	hear("01");
	world.said[CLIENT].size = 0;
	struct conn *user = world_ask(CLIENT, "mysql", 3306);
	bytes_add(&user->in, "data", 4);
	world_turns(4, false);
	expect("00 00 00 01 00 00 00 01 00 00 00 09 00 05 'mysql' 0c ea");
	hear("00 00 00 02 00 00 00 01 00 00 00 01 01");
	expect("00 00 00 00 00 00 00 01 00 00 00 02 0c ea 00 00 00 00 00 00 00 01 00 00 00 04 'data'");
	/* without a word the port comes all the same */
	struct conn *mute = world_ask(CLIENT, "mysql", 3306);
	mute->in_ended = true;
	world_turns(4, false);
	expect("00 00 00 01 00 00 00 03 00 00 00 09 00 05 'mysql' 0c ea");
	hear("00 00 00 02 00 00 00 03 00 00 00 01 01");
	hear("00 00 00 04 00 00 00 03 00 00 00 00");
	expect("00 00 00 00 00 00 00 03 00 00 00 02 0c ea 00 00 00 04 00 00 00 03 00 00 00 00");
	world_close();
}

/* ---- time ---- */

/* It says nothing by itself, but answers what it is asked. */
static void an_idle_client_lives(void **state)
{
	logged_in_as(KEY, CONFIG);
	for (int i = 0; i < 20; i++) {
		world_sleep(DURATION_S(PING_S), false);
		assert_int_equal(world.said[SERVER].size, YAMUX_HEADER_SIZE);
		struct bytes pong = {0};
		bytes_add(&pong, world.said[SERVER].at, YAMUX_HEADER_SIZE);
		world.said[SERVER].size = 0;
		pong.at[3] = YAMUX_ACK;
		world_feed(world.link[SERVER], &pong);
		world_turns(2, false);
		free(pong.at);
		assert_non_null(world.link[SERVER]);
	}
	for (int i = 0; i < 3; i++)
		world_sleep(DURATION_S(PING_S), false);
	gone_for("90 s");
}

static void a_silent_one_does_not(void **state)
{
	begin_as(SERVER, TUNNEL_UNKNOWN);
	hear(KEY);
	for (int i = 0; i < CONFIG_S / PING_S - 1; i++) {
		world_sleep(DURATION_S(PING_S), false);
		hear(i ? "00" : "00 00 10 00");
	}
	assert_false(world.link_gone[SERVER]);
	expect("01"); /* and no ping */
	world_sleep(DURATION_S(PING_S), false);
	gone_for("120 s");
	begin_as(CLIENT, TUNNEL_14);
	world_sleep(DURATION_S(ANSWER_S), false);
	gone_for("no answer to authenticate");
	begin_as(CLIENT, TUNNEL_14Y);
	hear(SUCCESS);
	world_sleep(DURATION_S(ANSWER_S), false);
	gone_for("no answer to submit_config");
}

static void closed_early(void **state)
{
	begin_as(CLIENT, TUNNEL_14);
	session_input_end(world.link[CLIENT]);
	gone_for("wrong key?");
	begin_as(CLIENT, TUNNEL_14);
	hear("01");
	session_input_end(world.link[CLIENT]);
	gone_for("during configuration");
	begin_as(SERVER, TUNNEL_UNKNOWN);
	hear("00 00 00 10 '0123'");
	session_input_end(world.link[SERVER]);
	gone_for("");
}

/* ---- memory ---- */

/* Nothing is taken by what is announced. */
static void announced_sizes(void **state)
{
	begin_as(SERVER, TUNNEL_UNKNOWN);
	hear(KEY);
	size_t before = world.hub.bufs.bytes;
	hear("00 9f ff ff '{\"version'");
	assert_true(world.hub.bufs.bytes <= before + 4096);
	world_close();
	begin_as(SERVER, TUNNEL_UNKNOWN);
	hear(KEY);
	before = world.hub.memory.bytes;
	hear("27 10 ff ff 'a'");
	assert_true(world.hub.bufs.bytes <= before + 4096);
	assert_true(world.hub.memory.bytes <= before + 4096);
	world_close();
}

static void a_large_configuration(void **state)
{
	struct bytes text = {0};
	char item[160];
	enum { COUNT = 900 };
	bytes_add(&text, "\0\0\0\0{\"version\":1,\"proxies\":[", 28);
	for (int i = 0; i < COUNT; i++) {
		int size =
		    snprintf(item, sizeof item,
			     "%s{\"name\":\"proxy-%d\",\"proxy_type\":\"tcp\",\"publish_addr\":\"0.0.0.0\","
			     "\"publish_port\":%d,\"local_port\":%d}",
			     i ? "," : "", i, 1000 + i, 2000 + i);
		bytes_add(&text, item, (size_t)size);
	}
	bytes_add(&text, "],\"visitors\":[]}", 16);
	assert_true(text.size > 65536);
	put32(text.at, (uint32_t)text.size - 4);
	begin_as(SERVER, TUNNEL_UNKNOWN);
	hear(KEY);
	expect("01");
	for (int i = 0; i < 100 && text.size; i++) {
		world_feed(world.link[SERVER], &text);
		world_turn(false);
	}
	free(text.at);
	heard_is("proxy-899");
	expect("01" PING);
	assert_int_equal(tls_tunnel_generation(world.link[SERVER]), TUNNEL_14);
	world_close();
}

/* ---- rules, in the order of the original ---- */

static void rule_is(enum tunnel_generation generation, const struct publication *list, uint32_t count,
		    const char *reason)
{
	static const char prefix[] = "Proxy configuration validation failed: ";
	char text[LEGACY_RULE_SIZE];
	bool broken = legacy_rule(generation, list, count, count - 1, 8443, text);
	assert_int_equal(broken, reason != NULL);
	if (!reason)
		return;
	assert_memory_equal(text, prefix, sizeof prefix - 1);
	assert_string_equal(text + sizeof prefix - 1, reason);
}

static void rules(void **state)
{
	struct publication list[3] = {both[1], web, web};
	rule_is(TUNNEL_14, list, 2, NULL);
	rule_is(TUNNEL_14, list, 3, "Duplicate proxy name 'web': each proxy must have a unique name");
	list[2].name = "other";
	rule_is(TUNNEL_14, list, 3,
		"Duplicate publish binding 0.0.0.0:8080: each proxy must use a different server bind "
		"address/port");
	rule_is(TUNNEL_10, list, 3,
		"Duplicate publish_port 8080: each proxy must use a different server port");
	list[2].publish_addr = "127.0.0.1";
	rule_is(TUNNEL_14, list, 3,
		"Duplicate local_port 3000: each proxy must connect to a different client port");
	list[2].local_port = 3001;
	rule_is(TUNNEL_14, list, 3, NULL);
	list[2].publish_port = 8443;
	list[2].publish_addr = " ";
	rule_is(TUNNEL_14, list, 3, "Proxy 'other' publish_port 8443 conflicts with server bind port");
	list[2].publish_port = 0;
	list[2].local_port = 0;
	rule_is(TUNNEL_14, list, 3, "Proxy 'other': publish_addr cannot be empty");
	rule_is(TUNNEL_10, list, 3, "Proxy 'other': publish_port cannot be 0");
	list[2].publish_port = 1;
	rule_is(TUNNEL_10, list, 3, "Proxy 'other': local_port cannot be 0");
	list[2].local_port = 1;
	list[2].name = "";
	rule_is(TUNNEL_10, list, 3, "Proxy name cannot be empty");
	list[2].name = " \t";
	list[2].publish_addr = "::";
	rule_is(TUNNEL_14, list, 3, "Proxy name cannot be empty");
	list[0].visitor = false; /* a visitor is no proxy, whatever it is called */
	list[0].name = list[2].name = "";
	rule_is(TUNNEL_10, list, 3, "Duplicate proxy name '': each proxy must have a unique name");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(server_14),
	    cmocka_unit_test(server_10),
	    cmocka_unit_test(server_14y),
	    cmocka_unit_test(client_14),
	    cmocka_unit_test(client_14_visits),
	    cmocka_unit_test(client_10),
	    cmocka_unit_test(client_14y),
	    cmocka_unit_test(yamux_follows_at_once),
	    cmocka_unit_test(splits),
	    cmocka_unit_test(server_refuses_keys),
	    cmocka_unit_test(long_object_with_key),
	    cmocka_unit_test(server_is_silent),
	    cmocka_unit_test(server_refuses_configs),
	    cmocka_unit_test(a_text_has_its_limit),
	    cmocka_unit_test(legacy_switched_off),
	    cmocka_unit_test(client_is_refused),
	    cmocka_unit_test(client_faults),
	    cmocka_unit_test(client_15_learns),
	    cmocka_unit_test(streams_by_port),
	    cmocka_unit_test(visitor_of_the_original),
	    cmocka_unit_test(visitor_of_ours),
	    cmocka_unit_test(our_visitor),
	    cmocka_unit_test(an_idle_client_lives),
	    cmocka_unit_test(a_silent_one_does_not),
	    cmocka_unit_test(closed_early),
	    cmocka_unit_test(announced_sizes),
	    cmocka_unit_test(a_large_configuration),
	    cmocka_unit_test(rules),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
