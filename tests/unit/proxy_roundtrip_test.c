/* tests/unit/proxy_roundtrip_test.c - what one end of SOCKS5 says the other one hears: via.c and socks5.c,
 * as a law over seeds. Names, logins, refusals and bytes cut into random pieces, with small writers and slabs
 * that are refused, come out as they went in.
 *
 * proxy_roundtrip_test [FIRST [COUNT]]: the seeds; a failing one is printed and repeats.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/request.h"
#include "protocols/frontends/dial.h"
#include "protocols/frontends/socks5.h"
#include "tests/unit/seeds.h"
#include "tests/unit/wire_world.h"

enum { TURNS_MAX = 4000, BYTES_MAX = 200000 };

/* asker -> proxy's client (via) ~~~ proxy's user (socks5) -> target */
static struct conn *asker, *via, *user, *target;
static struct config_via proxy;
static uint8_t secret_bytes[256];
static char user_name[256], wanted[HOST_SIZE], expected[HOST_SIZE];
static uint16_t port;
static enum reason answer;
static bool logged_in;

/* ---- random values ---- */

static void some_name(char *text, size_t max)
{
	static const char letters[] = "abcXYZ019-_";
	size_t size = 1 + chance(chance(4) ? 20 : max - 1);
	for (size_t i = 0; i < size; i++)
		text[i] = i % 40 == 39 ? '.' : letters[chance(sizeof letters - 1)];
	text[size] = 0;
}

static void some_target(void)
{
	struct address address = {.family = chance(2) ? ADDRESS_IPV4 : ADDRESS_IPV6};
	char text[ADDRESS_TEXT_SIZE];
	port = (uint16_t)chance(65536);
	some_name(wanted, HOST_SIZE - 1);
	if (chance(2)) {
		for (size_t i = 0; i < sizeof address.bytes; i++)
			address.bytes[i] = (uint8_t)(chance(2) ? 0 : chance(256));
		text_copy(wanted, sizeof wanted, slice_of(address_host(&address, text)));
	}
	strcpy(expected, wanted);
}

static void some_proxy(void)
{
	size_t size = 1 + chance(255);
	proxy = (struct config_via){.kind = VIA_SOCKS5, .at = {"proxy.test", 1080}};
	if (chance(2))
		return;
	some_name(user_name, sizeof user_name);
	for (size_t i = 0; i < size; i++)
		secret_bytes[i] = (uint8_t)chance(256);
	proxy.user = user_name;
	proxy.password = (struct secret){secret_bytes, size};
}

/* ---- roles ---- */

static void asker_event(struct session *session, const struct event *event)
{
	const struct dial_options options = {.via = &proxy, .timeout = DURATION_S(10)};
	assert_true(pair_dial(event->channel->pair, wanted, port, &options));
}

static void user_event(struct session *session, const struct event *event)
{
	if (event->kind == EVENT_AUTH) {
		const struct credentials *credentials = event->credentials;
		assert_true(proxy.user && slice_is(credentials->user, proxy.user));
		assert_int_equal(credentials->secret.size, proxy.password.size);
		assert_memory_equal(credentials->secret.at, proxy.password.bytes, proxy.password.size);
		logged_in = true;
		session_say(session, EVENT_AUTHED);
		return;
	}
	assert_string_equal(event->target->host, expected);
	assert_int_equal(event->target->port, port);
	assert_int_equal(logged_in, proxy.user != NULL);
	if (answer) {
		channel_refuse(event->channel, answer, NULL);
		return;
	}
	target = conn_create(SERVER, false, &world_role, NULL);
	session_open(target->session);
	assert_non_null(channel_open(target->session, event->channel->pair, event->target));
}

static void user_fill(struct session *session, struct event *event) { event->reason = REASON_OK; }

static const struct role asker_role = {.name = "asker", .event = asker_event};
static const struct role user_role = {.name = "user", .event = user_event, .fill = user_fill};

/* ---- a run ---- */

static struct conn *accept_conn(const struct wire *wire, const struct role *role)
{
	struct session_options options = {.wire = wire, .carrier = &carrier_raw, .role = role};
	struct conn *conn = &world.conns[world.conn_count++];
	*conn = (struct conn){.session = session_create(&world.hub, &options), .asks = true};
	assert_non_null(conn->session);
	return conn;
}

/* The connection to the proxy is made: both of its ends are there. */
static void take_dial(void)
{
	struct link *link = list_pull(&world.hub.requests);
	if (!link)
		return;
	struct dial *dial = OWNER(OWNER(link, struct request, link), struct dial, request);
	via = &world.conns[world.conn_count++];
	*via = (struct conn){.session = dial->session, .side = CLIENT};
	assert_string_equal(dial->host, "proxy.test");
	dial->session->dial = NULL;
	memory_release(&world.hub.memory, dial, sizeof *dial);
	user = accept_conn(&wire_socks5, &user_role);
	static const struct socks5_policy open = {0}, password = {.password = true};
	session_open(user->session);
	socks5_set_policy(user->session, proxy.user ? &password : &open);
	session_open(via->session);
}

static void carry(struct conn *from, struct conn *to)
{
	bytes_add(&to->in, from->out.at, from->out.size);
	from->out.size = 0;
	to->in_ended = to->in_ended || from->shut || from->gone;
}

static void step(void)
{
	world_turn(false);
	take_dial();
	if (!user)
		return;
	carry(via, user);
	carry(user, via);
}

static void fill(struct bytes *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++)
		bytes_add(bytes, &(uint8_t){(uint8_t)random_next(&world.random)}, 1);
}

static void seed_run(uint64_t seed)
{
	static const enum reason answers[] = {REASON_OK,	 REASON_OK,	 REASON_OK,
					      REASON_FORBIDDEN,	 REASON_REFUSED, REASON_UNREACHABLE,
					      REASON_OTHER,	 REASON_TIMEOUT};
	struct bytes question = {0}, reply = {0};
	world_init(seed);
	world.chop = chance(4);
	asker = via = user = target = NULL;
	logged_in = false;
	some_target();
	some_proxy();
	answer = answers[chance(COUNT_OF(answers))];
	asker = accept_conn(&wire_plain, &asker_role);
	fill(&question, chance(2) ? chance(50) : chance(BYTES_MAX));
	fill(&reply, chance(2) ? chance(50) : chance(BYTES_MAX));
	bytes_add(&asker->in, question.at, question.size);
	asker->in_ended = true;
	session_open(asker->session);
	for (int i = 0; i < TURNS_MAX && !target && !asker->gone; i++)
		step();
	if (target) {
		bytes_add(&target->in, reply.at, reply.size);
		target->in_ended = true;
	}
	for (int i = 0; i < TURNS_MAX && !(asker->gone && user && user->gone); i++)
		step();
	assert_true(asker->gone && user->gone);
	assert_int_equal(asker->why, answer);
	assert_int_equal(target != NULL, !answer);
	if (target) {
		assert_int_equal(target->out.size, question.size);
		assert_memory_equal(target->out.at, question.at, question.size);
		assert_int_equal(asker->out.size, reply.size);
		assert_memory_equal(asker->out.at, reply.at, reply.size);
	}
	free(question.at);
	free(reply.at);
	world_close();
}

int main(int argc, char **argv) { return seeds_main(argc, argv, 600); }
