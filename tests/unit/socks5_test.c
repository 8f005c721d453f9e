/* tests/unit/socks5_test.c - the SOCKS5 front end without a kernel: every dialogue byte by byte, what is
 * refused and how, users that are moved in between, associations.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/datagram.h"
#include "core/request.h"
#include "protocols/frontends/socks5.h"
#include "tests/unit/user_world.h"

#define RAW(text) {(const uint8_t *)(text), sizeof(text) - 1}
#define ZEROS "\0\1\0\0\0\0\0\0"

/* ---- the role ---- */

static void user_event(struct session *session, const struct event *event)
{
	if (event->kind == EVENT_AUTH) {
		const struct credentials *credentials = event->credentials;
		note("%.*s:%.*s ", (int)credentials->user.size, (const char *)credentials->user.at,
		     (int)credentials->secret.size, (const char *)credentials->secret.at);
		user_logs_in(session, credentials);
		return;
	}
	note("%s %s:%u", event->target->network == NETWORK_UDP ? "udp" : "tcp", event->target->host,
	     event->target->port);
	user_opens(event);
}

static const struct role user_role = {.name = "user", .event = user_event, .fill = user_fill};

/* ---- one user ---- */

static uint8_t always_four(enum reason reason) { return 4; }

static const struct socks5_policy open_policy = {.udp = true},
				  any_policy = {.any_method = true, .udp = true},
				  no_udp_policy = {.any_method = true},
				  password_policy = {.password = true},
				  four_policy = {.reply = always_four};

static void begin(const struct socks5_policy *policy)
{
	user_begin(&wire_socks5, &user_role);
	if (policy)
		socks5_set_policy(user->session, policy);
}

/* ---- dialogues ---- */

struct talk {
	const char *name;
	const struct socks5_policy *policy;
	struct slice says;
	struct slice hears;             /* all of it */
	const char *role;               /* what the role was asked */
	enum reason answer;             /* to OPEN */
	const char *early;              /* bytes that the target gets; NULL: there is none */
	enum reason why;                /* of the user's end; OK also while it is open */
};

#define HELLO "\5\1\0"
#define CONNECT "\5\1\0"
#define NAME CONNECT "\3\6a.test\0\x50"
#define DONE "\5\0\5\0" ZEROS

static const struct talk dialogues[] = {
	{"a name", NULL, RAW(HELLO NAME), RAW(DONE), "tcp a.test:80", 0, "", 0},
	{"early data", NULL, RAW(HELLO NAME "GET /"), RAW(DONE), "tcp a.test:80", 0, "GET /", 0},
	{"several methods", NULL, RAW("\5\3\1\2\0" NAME), RAW(DONE), "tcp a.test:80", 0, "", 0},
	{"IPv4", NULL, RAW(HELLO CONNECT "\1\xc0\0\2\7\1\xbb"), RAW(DONE), "tcp 192.0.2.7:443", 0, "", 0},
	{"IPv6", NULL, RAW(HELLO CONNECT "\4\x20\1\xd\xb8\0\0\0\0\0\0\0\0\0\0\0\1\xff\xff"), RAW(DONE),
	 "tcp 2001:db8::1:65535", 0, "", 0},
	{"IPv4 in IPv6", NULL, RAW(HELLO CONNECT "\4\0\0\0\0\0\0\0\0\0\0\xff\xff\x7f\0\0\1\0\x50"), RAW(DONE),
	 "tcp 127.0.0.1:80", 0, "", 0},
	{"a literal as a name", NULL, RAW(HELLO CONNECT "\3\x5[::1]\0\x50"), RAW(DONE), "tcp [::1]:80", 0, "",
	 0},
	{"port 0 is the role's", NULL, RAW(HELLO CONNECT "\3\1a\0\0"), RAW("\5\0\5\2" ZEROS), "tcp a:0",
	 REASON_FORBIDDEN, NULL, 0},
	{"RSV is not looked at", NULL, RAW(HELLO "\5\1\x7f\3\1a\0\1"), RAW(DONE), "tcp a:1", 0, "", 0},
	{"any method", &any_policy, RAW("\5\1\2" NAME), RAW(DONE), "tcp a.test:80", 0, "", 0},
	{"login", &password_policy, RAW("\5\2\0\2\1\4user\4pass" NAME "x"), RAW("\5\2\1\0\5\0" ZEROS),
	 "user:pass tcp a.test:80", 0, "x", 0},
	{"empty login", &password_policy, RAW("\5\1\2\1\0\0"), RAW("\5\2\1\1"), ": ", 0, NULL, REASON_AUTH},
	{"bad login", &password_policy, RAW("\5\1\2\1\4user\3pas" NAME), RAW("\5\2\1\1"), "user:pas ", 0,
	 NULL, REASON_AUTH},
	{"a login of version 5", &password_policy, RAW("\5\1\2\5\4user\4pass"), RAW("\5\2\1\1"), "", 0, NULL,
	 REASON_AUTH},
	{"no login offered", &password_policy, RAW("\5\1\0" NAME), RAW("\5\xff"), "", 0, NULL, REASON_AUTH},
	{"no method that is known", NULL, RAW("\5\1\2" NAME), RAW("\5\xff"), "", 0, NULL, REASON_AUTH},
	{"no method", NULL, RAW("\5\0" NAME), RAW("\5\1" ZEROS), "", 0, NULL, REASON_PROTOCOL},
	{"SOCKS4", NULL, RAW("\4\1\0\x50\x7f\0\0\1user\0"), RAW("\5\1" ZEROS), "", 0, NULL, REASON_PROTOCOL},
	{"HTTP", NULL, RAW("CONNECT a:1 HTTP/1.1\r\n"), RAW("\5\1" ZEROS), "", 0, NULL, REASON_PROTOCOL},
	{"a request of version 4", NULL, RAW(HELLO "\4\1\0\3\1a\0\1"), RAW("\5\0\5\1" ZEROS), "", 0, NULL,
	 REASON_PROTOCOL},
	{"no such ATYP", NULL, RAW(HELLO CONNECT "\2\1a\0\1"), RAW("\5\0\5\x8" ZEROS), "", 0, NULL,
	 REASON_PROTOCOL},
	{"ATYP 0", NULL, RAW(HELLO CONNECT "\0"), RAW("\5\0\5\x8" ZEROS), "", 0, NULL, REASON_PROTOCOL},
	{"BIND", NULL, RAW(HELLO "\5\2\0\3\1a\0\1"), RAW("\5\0\5\7" ZEROS), "", 0, NULL, REASON_PROTOCOL},
	{"no such command", NULL, RAW(HELLO "\5\4\0\3\1a\0\1"), RAW("\5\0\5\7" ZEROS), "", 0, NULL,
	 REASON_PROTOCOL},
	{"command 0", NULL, RAW(HELLO "\5\0\0\3\1a\0\1"), RAW("\5\0\5\7" ZEROS), "", 0, NULL,
	 REASON_PROTOCOL},
	{"ASSOCIATE without UDP", &no_udp_policy, RAW(HELLO "\5\3\0\1\0\0\0\0\0\0"), RAW("\5\0\5\7" ZEROS),
	 "", 0, NULL, REASON_PROTOCOL},
	{"an empty name", NULL, RAW(HELLO CONNECT "\3\0\0\1"), RAW("\5\0\5\4" ZEROS), "", 0, NULL,
	 REASON_PROTOCOL},
	{"a blank", NULL, RAW(HELLO CONNECT "\3\3a b\0\1"), RAW("\5\0\5\4" ZEROS), "", 0, NULL,
	 REASON_PROTOCOL},
	{"a zero", NULL, RAW(HELLO CONNECT "\3\3a\0b\0\1"), RAW("\5\0\5\4" ZEROS), "", 0, NULL,
	 REASON_PROTOCOL},
	{"a line end", NULL, RAW(HELLO CONNECT "\3\3a\r\n\0\1"), RAW("\5\0\5\4" ZEROS), "", 0, NULL,
	 REASON_PROTOCOL},
	{"DEL", NULL, RAW(HELLO CONNECT "\3\1\x7f\0\1"), RAW("\5\0\5\4" ZEROS), "", 0, NULL, REASON_PROTOCOL},
#define REFUSAL(why, code) \
	{#why, NULL, RAW(HELLO NAME "early"), RAW("\5\0\5" code ZEROS), "tcp a.test:80", why, NULL, 0}
	REFUSAL(REASON_FORBIDDEN, "\2"),
	REFUSAL(REASON_UNREACHABLE, "\4"),
	REFUSAL(REASON_NOT_FOUND, "\4"),
	REFUSAL(REASON_NAME, "\4"),
	REFUSAL(REASON_REFUSED, "\5"),
	REFUSAL(REASON_TIMEOUT, "\6"),
	REFUSAL(REASON_LIMIT, "\1"),
	REFUSAL(REASON_MEMORY, "\1"),
	REFUSAL(REASON_LOST, "\1"),
	REFUSAL(REASON_OTHER, "\1"),
	{"a policy's replies", &four_policy, RAW(HELLO NAME), RAW("\5\0\5\4" ZEROS), "tcp a.test:80",
	 REASON_LIMIT, NULL, 0},
};

static void run_dialogue(const struct talk *one, size_t piece)
{
	begin(one->policy);
	answer = one->answer;
	say_in_pieces(one->says, piece);
	assert_string_equal(heard, one->role);
	assert_int_equal(user->out.size, one->hears.size);
	assert_memory_equal(user->out.at, one->hears.at, one->hears.size);
	bool refused = one->why || one->answer;
	assert_int_equal(user->gone, refused);
	assert_int_equal(user->why, one->why);
	assert_int_equal(far != NULL, one->early != NULL);
	if (far) {
		assert_int_equal(far->out.size, strlen(one->early));
		assert_memory_equal(far->out.at, one->early, far->out.size);
	}
	world_close();
}

static const char *running;

static void dialogue_table(void **state)
{
	for (size_t i = 0; i < COUNT_OF(dialogues); i++) {
		running = dialogues[i].name;
		for (size_t piece = 1; piece <= dialogues[i].says.size; piece++)
			run_dialogue(&dialogues[i], piece);
	}
	running = NULL;
}

static int name_running(void **state)
{
	if (running)
		print_message("case: %s\n", running);
	return 0;
}

/* The longest of everything: a greeting with 255 methods, a login and a name of 255 bytes each. */
static void long_dialogue(void **state)
{
	struct bytes bytes = {0};
	uint8_t field[256];
	memset(field, 'n', sizeof field);
	bytes_add(&bytes, "\5\xff", 2);
	bytes_add(&bytes, field, 254);
	bytes_add(&bytes, "\2\1\xff", 3);
	bytes_add(&bytes, field, 255);
	bytes_add(&bytes, "\4pass\5\1\0\3\xff", 10);
	bytes_add(&bytes, field, 255);
	bytes_add(&bytes, "\0\1", 2);
	for (size_t piece = 1; piece <= bytes.size; piece += 1 + piece / 3) {
		begin(&password_policy);
		say_in_pieces((struct slice){bytes.at, bytes.size}, piece);
		assert_int_equal(user->out.size, 2 + 2 + 10);
		assert_non_null(far);
		assert_int_equal(strlen(heard), 255 + 6 + 4 + 255 + 2);
		world_close();
	}
	free(bytes.at);
}

/* ---- the rest of its life ---- */

static void begin_relay(void)
{
	static const struct slice bytes = RAW(HELLO NAME);
	begin(NULL);
	say_in_pieces(bytes, SIZE_MAX);
	assert_int_equal(user->out.size, 12);
	user->out.size = 0;
}

static void relays(void **state)
{
	begin_relay();
	bytes_add(&user->in, "ask", 3);
	bytes_add(&far->in, "banner", 6);
	world_turns(3, false);
	assert_memory_equal(far->out.at, "ask", 3);
	assert_memory_equal(user->out.at, "banner", 6);
	user->in_ended = true;                 /* half-close */
	world_turns(3, false);
	assert_true(far->shut && !user->shut && !user->gone);
	bytes_add(&far->in, "late", 4);
	far->in_ended = true;
	world_turns(3, false);
	assert_memory_equal(user->out.at, "bannerlate", 10);
	assert_true(user->gone && far->gone && user->shut && !user->why && !far->why);
	world_close();
}

static void resets(void **state)
{
	begin_relay();
	session_end(far->session, REASON_LOST, NULL, false);
	world_turns(3, false);
	assert_true(user->gone);
	assert_int_equal(user->why, REASON_LOST);
	world_close();
}

static void leaves_early(void **state)
{
	static const struct slice parts[] = {RAW(""), RAW("\5"), RAW(HELLO), RAW(HELLO "\5\1")};
	for (size_t i = 0; i < COUNT_OF(parts); i++) {
		begin(NULL);
		say_in_pieces(parts[i], SIZE_MAX);
		user->in_ended = true;
		world_turns(3, false);
		assert_true(user->gone);
		assert_int_equal(user->why, i ? REASON_LOST : REASON_OK);
		world_close();
	}
	/* while its target is dialled: the target hears of it at once */
	begin(NULL);
	never_answers = true;
	say_in_pieces((struct slice)RAW(HELLO NAME), SIZE_MAX);
	user->in_ended = true;
	world_turns(3, false);
	assert_false(user->gone);              /* held: it is not read before its role has placed it */
	never_answers = false;
	struct channel *channel = session_only_channel(user->session);
	join(channel->pair, &channel->target);
	world_turns(4, false);
	assert_true(far->gone && user->gone);
	assert_int_equal(user->why, REASON_LOST);
	world_close();
	/* but who has spoken may have said all that it had to say */
	begin(NULL);
	never_answers = true;
	say_in_pieces((struct slice)RAW(HELLO NAME "late"), SIZE_MAX);
	user->in_ended = true;
	world_turns(3, false);
	never_answers = false;
	channel = session_only_channel(user->session);
	join(channel->pair, &channel->target);
	world_turns(4, false);
	assert_true(far->shut && !user->gone && far->out.size == 4);
	world_close();
}

/* Each step has its own time; whoever waits for a target is not hurried by us. */
static void time_limits(void **state)
{
	static const struct slice parts[] = {RAW(""), RAW("\5"), RAW("\5\1\2"), RAW("\5\1\2\1\4use"),
					     RAW("\5\1\2\1\1u\4pass"), RAW("\5\1\2\1\1u\4pass\5\1")};
	for (size_t i = 0; i < COUNT_OF(parts); i++) {
		begin(&password_policy);
		wait_s(9);
		say_in_pieces(parts[i], SIZE_MAX);
		bool begun = parts[i].size >= 3;
		wait_s(2);
		assert_int_equal(user->gone, !begun);
		wait_s(7);
		assert_int_equal(user->gone, !begun);
		wait_s(2);
		assert_true(user->gone);
		assert_int_equal(user->why, REASON_TIMEOUT);
		world_close();
	}
	begin(NULL);
	never_answers = true;
	say_in_pieces((struct slice)RAW(HELLO NAME), SIZE_MAX);
	wait_s(60);
	assert_false(user->gone);
	world_close();
}

/* A user who has found the wrong worker takes along what it said behind its request, and what it is owed. */
static void moved(void **state)
{
	static const struct slice says = RAW(HELLO NAME "early");
	static const size_t pieces[] = {1, 7, 14, SIZE_MAX};
	for (size_t i = 0; i < COUNT_OF(pieces); i++) {
		begin(NULL);
		never_answers = true;
		say_in_pieces(says, pieces[i]);
		assert_true(user->session->held);
		assert_int_equal(conn_move(user), 5);
		never_answers = false;
		world_turns(4, false);
		assert_string_equal(heard, "tcp a.test:80tcp a.test:80");
		assert_int_equal(user->out.size, 12);
		assert_memory_equal(user->out.at, DONE, 12);
		assert_int_equal(far->out.size, 5);
		assert_memory_equal(far->out.at, "early", 5);
		world_close();
	}
}

/* ---- associations ---- */

static struct dgram dgram;
static uint32_t taken;

struct sent {
	char to[HOST_SIZE + 8];
	struct bytes bytes;
};

static void far_datagram(struct session *session, const struct event *event)
{
	taken++;
	note("[%s:%u %.*s]", event->target->host, event->target->port, (int)event->size,
	     (const char *)event->pieces[0].bytes.at);
}

static enum status far_encode(struct session *session, void *state, const struct event *event,
			      struct writer *writer)
{
	if (event->kind == EVENT_DATAGRAM)
		far_datagram(session, event);
	return STATUS_OK;
}

static enum status far_decode(struct session *session, void *state, const struct chunk *chunk,
			      size_t *consumed)
{
	*consumed = chunk->piece.bytes.size;
	return STATUS_OK;
}

static const struct wire wire_far = {
	.name = "far", .traits = TRAIT_CONN | TRAIT_SILENT_OPEN, .chunk_max = 65536,
	.decode = far_decode, .encode = far_encode,
};

static void begin_association(const char *peer, struct slice request)
{
	begin(&open_policy);
	strcpy(user->session->peer, peer);
	never_answers = true;
	taken = 0;
	say_in_pieces((struct slice)RAW(HELLO), SIZE_MAX);
	say_in_pieces(request, SIZE_MAX);
	assert_string_equal(heard, "udp :0");
	heard[0] = 0;
	assert_int_equal(user->out.size, 2);
	user->out.size = 0;
	struct channel *channel = session_only_channel(user->session);
	struct session_options options = {.wire = &wire_far, .carrier = &carrier_raw, .client = true};
	far = &world.conns[world.conn_count++];
	*far = (struct conn){.session = session_create(&world.hub, &options)};
	session_open(far->session);
	assert_non_null(channel_open(far->session, channel->pair, &channel->target));
	world_turns(3, false);
	assert_int_equal(user->out.size, 0);   /* not before its socket is bound */
}

/* What the worker does for REQUEST_BIND. */
static void bind_now(const char *local, int error)
{
	struct address address = {0};
	struct link *link = list_pull(&world.hub.requests);
	assert_non_null(link);
	struct request *request = OWNER(link, struct request, link);
	struct binding *binding = OWNER(request, struct binding, request);
	assert_int_equal(request->kind, REQUEST_BIND);
	assert_true(binding->beside && !binding->acl && binding->session == user->session);
	user->session->binding = NULL;
	memory_release(&world.hub.memory, binding, sizeof *binding);
	assert_true(error || address_parse(&address, local));
	if (!error) {
		dgram = (struct dgram){.session = user->session};
		user->session->dgram = &dgram;
	}
	wire_socks5.bound(user->session, user->session->wire_state, &address, error);
	world_turns(3, false);
}

static void unbind(void)
{
	struct sending *sending;
	while ((sending = dgram_take(&dgram)) != NULL)
		dgram_done(&dgram, &world.hub, sending, true);
	link_remove(&dgram.sending_link);
	if (user->session)
		user->session->dgram = NULL;
}

static void datagram_from(const char *from, const void *bytes, size_t size)
{
	struct address address;
	struct buf *buf = buf_receive(&world.hub.bufs);
	assert_true(address_parse(&address, from));
	memcpy(buf->bytes, bytes, size);
	buf->used = (uint32_t)size;
	wire_socks5.datagram(user->session, user->session->wire_state, &address,
			     (struct piece){buf, {buf->bytes, size}});
	buf_unref(buf);
	world_turns(2, false);
}

static void datagram_back(const char *host, uint16_t port, const char *text)
{
	struct target target = {.network = NETWORK_UDP, .port = port};
	strcpy(target.host, host);
	flow_push_datagram(session_only_channel(user->session)->pair, 1, &target, slice_of(text));
	world_turns(2, false);
}

static void expect_sent(const char *host, uint16_t port, const void *bytes, size_t size)
{
	struct sending *sending = dgram_take(&dgram);
	assert_non_null(sending);
	assert_string_equal(sending->text, host);
	assert_int_equal(sending->port, port);
	assert_int_equal(sending->head_size + sending->payload.bytes.size, size);
	assert_memory_equal(sending->text + sending->host_size, bytes, sending->head_size);
	if (sending->payload.bytes.size)
		assert_memory_equal(sending->payload.bytes.at, (const char *)bytes + sending->head_size,
				    sending->payload.bytes.size);
	dgram_done(&dgram, &world.hub, sending, false);
}

#define ASSOCIATE "\5\3\0"
#define ANYWHERE ASSOCIATE "\1\0\0\0\0\0\0"
static const struct slice anywhere = RAW(ANYWHERE);
static const char ipv6[] = "[2001:db8::7]:50000", ipv4[] = "[::ffff:192.0.2.7]:50000";

static void associates(void **state)
{
	static const char six[] = "\5\0\0\4\x20\1\xd\xb8\0\0\0\0\0\0\0\0\0\0\0\1\x13\x88";
	begin_association(ipv6, anywhere);
	bind_now("[2001:db8::1]:5000", 0);
	assert_int_equal(user->out.size, sizeof six - 1);
	assert_memory_equal(user->out.at, six, sizeof six - 1);
	datagram_back("192.0.2.1", 53, "nobody knows where to");
	assert_null(dgram_take(&dgram));
	datagram_from("[2001:db8::7]:6000", "\0\0\0\1\x8\x8\x8\x8\0\x35hi", 12);
	datagram_from("[2001:db8::7]:6000", "\0\0\0\3\6a.test\0\x35", 13);
	datagram_from("[2001:db8::7]:6001",
		      "\0\0\0\4\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1\xff\xff" "x", 23);
	datagram_from("[2001:db8::8]:6000", "\0\0\0\1\x8\x8\x8\x8\0\x35no", 12); /* somebody else */
	datagram_from("[2001:db8::7]:6000", "\0\0\1\1\x8\x8\x8\x8\0\x35no", 12); /* FRAG */
	datagram_from("[2001:db8::7]:6000", "\0\0\0\2\x8\x8\x8\x8\0\x35no", 12);
	datagram_from("[2001:db8::7]:6000", "\0\0\0\1\1", 5);
	datagram_from("[2001:db8::7]:6000", "", 0);
	assert_string_equal(heard, "[8.8.8.8:53 hi][a.test:53 ][::1:65535 x]");
	assert_int_equal(world.hub.counters[COUNTER_datagrams_dropped], 6);
	datagram_back("192.0.2.1", 53, "answer");
	expect_sent("2001:db8::7", 6001, "\0\0\0\1\xc0\0\2\1\0\x35" "answer", 16);
	datagram_back("a.test", 53, "");
	expect_sent("2001:db8::7", 6001, "\0\0\0\3\6a.test\0\x35", 13);
	assert_false(user->gone);
	unbind();
	world_close();
}

/* The reply tells an IPv4 socket as such, in whatever disguise it and its user come. */
static void associates_over_ipv4(void **state)
{
	begin_association(ipv4, anywhere);
	bind_now("[::ffff:192.0.2.1]:5000", 0);
	assert_int_equal(user->out.size, 10);
	assert_memory_equal(user->out.at, "\5\0\0\1\xc0\0\2\1\x13\x88", 10);
	datagram_from("[::ffff:192.0.2.7]:9", "\0\0\0\1\x8\x8\x8\x8\0\x35" "a", 11);
	datagram_from("192.0.2.7:9", "\0\0\0\1\x8\x8\x8\x8\0\x35" "b", 11);
	assert_string_equal(heard, "[8.8.8.8:53 a][8.8.8.8:53 b]");
	datagram_back("2001:db8::1", 1, "x");
	expect_sent("192.0.2.7", 9, "\0\0\0\4\x20\1\xd\xb8\0\0\0\0\0\0\0\0\0\0\0\1\0\1x", 23);
	unbind();
	world_close();
}

/* Who tells where it will send from is held to that, where it knows its own address. */
static void expected_ports(void **state)
{
	static const struct {
		struct slice request;
		bool any;
	} cases[] = {
		{RAW(ASSOCIATE "\1\0\0\0\0\0\0"), true},
		{RAW(ASSOCIATE "\1\0\0\0\0\x17\x70"), false},
		{RAW(ASSOCIATE "\4\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x17\x70"), false},
		{RAW(ASSOCIATE "\4\x20\1\xd\xb8\0\0\0\0\0\0\0\0\0\0\0\7\x17\x70"), false},
		{RAW(ASSOCIATE "\4\x20\1\xd\xb8\0\0\0\0\0\0\0\0\0\0\0\7\0\0"), true},
		{RAW(ASSOCIATE "\1\xa\0\0\1\x17\x70"), true},
		{RAW(ASSOCIATE "\3\1a\x17\x70"), true},
		{RAW(ASSOCIATE "\3\0\x17\x70"), true},
	};
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		begin_association(ipv6, cases[i].request);
		bind_now("[::1]:5000", 0);
		datagram_from("[2001:db8::7]:6001", "\0\0\0\1\x8\x8\x8\x8\0\x35", 10);
		assert_int_equal(taken, cases[i].any);
		datagram_from("[2001:db8::7]:6000", "\0\0\0\1\x8\x8\x8\x8\0\x35", 10);
		assert_int_equal(taken, 1 + cases[i].any);
		unbind();
		world_close();
	}
}

static void association_ends(void **state)
{
	for (int how = 0; how < 4; how++) {
		begin_association(ipv6, anywhere);
		if (how < 3)
			bind_now("[::1]:5000", 0);
		if (how == 0)
			bytes_add(&user->in, "x", 1);
		else if (how == 2)
			session_end(far->session, REASON_OK, NULL, false);
		else
			user->in_ended = true;
		unbind();
		world_turns(4, false);
		assert_true(user->gone && far->gone);
		assert_int_equal(far->why, REASON_OK);
		assert_int_equal(user->why, REASON_OK);
		while (!list_is_empty(&world.hub.requests)) {
			struct request *request =
			    OWNER(list_pull(&world.hub.requests), struct request, link);
			memory_release(&world.hub.memory, OWNER(request, struct binding, request),
				       sizeof(struct binding));
		}
		world_close();
	}
}

static void cannot_bind(void **state)
{
	begin_association(ipv6, anywhere);
	bind_now(NULL, -24);
	assert_int_equal(user->out.size, 10);
	assert_memory_equal(user->out.at, "\5\1" ZEROS, 10);
	assert_true(user->gone && far->gone);
	world_close();
}

static void association_refused(void **state)
{
	begin(&open_policy);
	answer = REASON_FORBIDDEN;
	say_in_pieces((struct slice)RAW(HELLO ANYWHERE), SIZE_MAX);
	assert_int_equal(user->out.size, 12);
	assert_memory_equal(user->out.at, "\5\0\5\2" ZEROS, 12);
	assert_true(user->gone);
	world_close();
}

/* ---- the header of a datagram ---- */

static void headers(void **state)
{
	static const struct {
		struct slice bytes;
		const char *host;      /* NULL: refused */
		uint16_t port;
		size_t head;
	} cases[] = {
		{RAW("\0\0\0\1\x8\x8\x8\x8\0\x35\xde\xad"), "8.8.8.8", 53, 10},
		{RAW("\0\0\0\1\x8\x8\x8\x8\0\x35"), "8.8.8.8", 53, 10},
		{RAW("\0\0\0\3\x9localhost\x14\xe9hi"), "localhost", 5353, 16},
		{RAW("\0\0\0\4\x20\1\xd\xb8\0\0\0\0\0\0\0\0\0\0\0\1\x12\x34x"), "2001:db8::1", 4660, 22},
		{RAW("\0\0\0\4\0\0\0\0\0\0\0\0\0\0\xff\xff\1\2\3\4\0\1"), "1.2.3.4", 1, 22},
		{RAW("\1\2\0\1\x8\x8\x8\x8\0\x35"), "8.8.8.8", 53, 10},
		{RAW(""), NULL, 0, 0},
		{RAW("\0\0\0"), NULL, 0, 0},
		{RAW("\0\0\0\1"), NULL, 0, 0},
		{RAW("\0\0\0\1\1"), NULL, 0, 0},
		{RAW("\0\0\0\1\x8\x8\x8\x8\0"), NULL, 0, 0},
		{RAW("\0\0\0\3"), NULL, 0, 0},
		{RAW("\0\0\0\3\0\0\1"), NULL, 0, 0},
		{RAW("\0\0\0\3\5abcd\0\1"), NULL, 0, 0},
		{RAW("\0\0\0\3\3a\0b\0\1"), NULL, 0, 0},
		{RAW("\0\0\0\4\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1\0"), NULL, 0, 0},
		{RAW("\0\0\0\0\x8\x8\x8\x8\0\x35"), NULL, 0, 0},
		{RAW("\0\0\1\1\x8\x8\x8\x8\0\x35"), NULL, 0, 0},
		{RAW("\0\0\x80\1\x8\x8\x8\x8\0\x35"), NULL, 0, 0},
	};
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		/* in memory of its own, so that a byte too far is seen */
		uint8_t *copy = malloc(cases[i].bytes.size ? cases[i].bytes.size : 1);
		uint8_t head[SOCKS5_UDP_HEAD_MAX];
		struct target target;
		size_t used = 0;
		memcpy(copy, cases[i].bytes.at, cases[i].bytes.size);
		enum status status =
		    socks5_parse_datagram((struct slice){copy, cases[i].bytes.size}, &target, &used);
		free(copy);
		assert_int_equal(status, cases[i].host ? STATUS_OK : STATUS_PROTOCOL);
		if (status != STATUS_OK)
			continue;
		assert_string_equal(target.host, cases[i].host);
		assert_int_equal(target.port, cases[i].port);
		assert_int_equal(used, cases[i].head);
		struct target again;
		size_t size = socks5_write_datagram(head, &target);
		assert_int_equal(socks5_parse_datagram((struct slice){head, size}, &again, &used), STATUS_OK);
		assert_int_equal(used, size);
		assert_string_equal(again.host, target.host);
		assert_int_equal(again.port, target.port);
	}
}

/* What is no literal becomes a name, even nothing; the longest fits. */
static void odd_headers(void **state)
{
	uint8_t head[SOCKS5_UDP_HEAD_MAX];
	struct target target = {.port = 258};
	assert_int_equal(socks5_write_datagram(head, &target), 7);
	assert_memory_equal(head, "\0\0\0\3\0\1\2", 7);
	strcpy(target.host, "fe80::1%eth0");
	assert_int_equal(socks5_write_datagram(head, &target), 7 + 12);
	memset(target.host, 'a', sizeof target.host - 1);
	assert_int_equal(socks5_write_datagram(head, &target), SOCKS5_UDP_HEAD_MAX);
	strcpy(target.host, "::ffff:1.2.3.4");
	assert_int_equal(socks5_write_datagram(head, &target), 10);
	assert_memory_equal(head, "\0\0\0\1\1\2\3\4\1\2", 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(dialogue_table, name_running),
		cmocka_unit_test(long_dialogue),
		cmocka_unit_test(relays),
		cmocka_unit_test(resets),
		cmocka_unit_test(leaves_early),
		cmocka_unit_test(time_limits),
		cmocka_unit_test(moved),
		cmocka_unit_test(associates),
		cmocka_unit_test(associates_over_ipv4),
		cmocka_unit_test(expected_ports),
		cmocka_unit_test(association_ends),
		cmocka_unit_test(cannot_bind),
		cmocka_unit_test(association_refused),
		cmocka_unit_test(headers),
		cmocka_unit_test(odd_headers),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
