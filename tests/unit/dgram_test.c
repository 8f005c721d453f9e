/* tests/unit/dgram_test.c - datagram sockets of sessions, under a real worker on both engines: an exit of an
 * association, a socket beside a stream, names, access rules, limits, ends.
 */
#include <netinet/in.h>
#include <sys/socket.h>

#include "core/acl.h"
#include "core/datagram.h"
#include "protocols/frontends/dial.h"
#include "protocols/frontends/socks5.h"
#include "protocols/frontends/udp.h"
#include "ring/dgram.h"
#include "ring/names.h"
#include "ring/process.h"
#include "tests/unit/ring_world.h"

enum { HEARD_MAX = 256 };

static struct process process;
static struct worker *worker;
static struct session *asker;        /* whose channel is side 0 */
static struct channel *channel;
static enum reason answer;
static uint32_t answers, ends;
static enum reason end_reason;
static struct heard {
	uint16_t port;
	size_t size;
	char host[HOST_SIZE];
	uint8_t bytes[64];
} heard[HEARD_MAX];
static uint32_t heard_count;
static const struct acl *acl;

/* ---- names ---- */

static uint32_t questions;
static bool hold_answers;
static struct resolve_job *held[64];
static uint32_t held_count;

static void answer_name(struct process *of, struct resolve_job *job)
{
	job->reason = REASON_NAME;
	if (strcmp(job->host, "nowhere.example") != 0) {
		job->reason = REASON_OK;
		assert_true(address_of_literal(&job->addresses[job->count++], "127.0.0.1", 0));
	}
	process_post(of, &job->mail);
}

static void resolve(struct process *of, struct resolve_job *job)
{
	questions++;
	if (hold_answers)
		held[held_count++] = job;
	else
		answer_name(of, job);
}

static void release_answers(void)
{
	hold_answers = false;
	while (held_count)
		answer_name(&process, held[--held_count]);
}

/* ---- the asker ---- */

static enum status asker_encode(struct session *session, void *state, const struct event *event,
				struct writer *writer)
{
	if (event->kind == EVENT_OPENED) {
		answer = event->reason;
		answers++;
		return STATUS_OK;
	}
	if (event->kind == EVENT_RESET || event->kind == EVENT_CLOSE) {
		ends++;
		end_reason = event->reason;
		return STATUS_OK;
	}
	if (event->kind != EVENT_DATAGRAM)
		return STATUS_OK;
	struct heard *one = &heard[heard_count++ % HEARD_MAX];
	*one = (struct heard){.port = event->target->port, .size = event->size};
	strcpy(one->host, event->target->host);
	memcpy(one->bytes, event->pieces[0].bytes.at, size_min(event->size, sizeof one->bytes));
	return STATUS_OK;
}

static enum status nothing_decode(struct session *session, void *state, const struct chunk *chunk,
				  size_t *consumed)
{
	*consumed = chunk->piece.bytes.size;
	return STATUS_OK;
}

static void asker_event(struct session *session, const struct event *event)
{
	if (event->kind == EVENT_OPEN && !pair_associate(event->channel->pair, acl))
		channel_refuse(event->channel, REASON_LIMIT, NULL);
}

static const struct wire wire_asker = {
    .name = "asker", .chunk_max = 4096, .decode = nothing_decode, .encode = asker_encode};
static const struct role role_asker = {.name = "asker", .event = asker_event};

/* ---- the world ---- */

static void populate(struct process *of, struct hub *hub) {}

static void begin(void)
{
	char why[RING_WHY_SIZE] = "";
	process = (struct process){
	    .engine = table, .limits = LIMITS_DEFAULT, .populate = populate, .resolve = resolve};
	process.limits.process_memory = 128u << 20;
	assert_true(process_init(&process, 1, (struct instant){0}));
	worker = &process.workers[0];
	if (!worker_start(worker, why))
		fail_msg("%s", why);
	asker = NULL;
	channel = NULL;
	acl = NULL;
	answers = ends = heard_count = questions = held_count = 0;
	hold_answers = false;
}

static void turn_once(void)
{
	static struct writer writer;
	worker_turn(worker, instant_after(worker->hub.now, DURATION_MS(20)));
	if (!asker)
		return;
	writer_init(&writer, asker, &worker->hub.bufs, SIZE_MAX);
	session_pump(asker, &writer);
	writer_fini(&writer);
	for (struct link *link = worker->hub.pairs.next; link != &worker->hub.pairs; link = link->next)
		pair_check(OWNER(link, struct pair, hub_link));
}

#define UNTIL(condition) \
	do { \
		struct instant limit_ = instant_after(worker->hub.now, DURATION_S(PATIENCE_S)); \
		while (!(condition)) { \
			assert_true(instant_before(worker->hub.now, limit_)); \
			turn_once(); \
		} \
	} while (0)

static void turns(int count)
{
	while (count--)
		turn_once();
}

static void end(void)
{
	asker = NULL;                            /* the worker ends it with all others */
	worker_stop(worker);
	while (worker_turn(worker, instant_after(worker->hub.now, DURATION_MS(20))))
		;
	release_answers();
	worker_fini(worker);
	process_fini(&process);
}

/* A link that asks for an association. */
static void ask(void)
{
	struct target target = {.network = NETWORK_UDP};
	asker = session_create(&worker->hub, &(struct session_options){
		.wire = &wire_asker, .carrier = &carrier_raw, .role = &role_asker});
	assert_non_null(asker);
	session_open(asker);
	asker->ready = true;
	channel = session_channel(asker);
	assert_non_null(channel);
	struct event event = {.kind = EVENT_OPEN, .channel = channel, .target = &target};
	assert_int_equal(session_deliver(asker, &event), STATUS_OK);
	UNTIL(answers == 1);
}

static void say(const char *host, uint16_t port, const void *bytes, size_t size)
{
	struct target to = {.network = NETWORK_UDP, .port = port};
	strcpy(to.host, host);
	struct piece piece = {NULL, {bytes, size}};
	struct event event = {.kind = EVENT_DATAGRAM, .channel = channel, .target = &to, .pieces = &piece,
			      .piece_count = 1, .size = size};
	assert_int_equal(session_deliver(asker, &event), STATUS_OK);
}

static uint64_t dropped(void) { return worker->hub.counters[COUNTER_datagrams_dropped]; }

/* ---- a peer of the kernel ---- */

static int peer_open(int family, uint16_t *port)
{
	struct sockaddr_in ipv4 = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct sockaddr_in6 ipv6 = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
	bool is_4 = family == AF_INET;
	socklen_t size = is_4 ? sizeof ipv4 : sizeof ipv6;
	struct sockaddr *name = is_4 ? (struct sockaddr *)&ipv4 : (struct sockaddr *)&ipv6;
	int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	assert_int_equal(bind(fd, name, size), 0);
	assert_int_equal(getsockname(fd, name, &size), 0);
	*port = ntohs(is_4 ? ipv4.sin_port : ipv6.sin6_port);
	return fd;
}

static uint8_t heap[70000];

/* One datagram there; its size. It is sent back. */
static ssize_t peer_echo(int fd)
{
	struct sockaddr_storage from;
	socklen_t from_size = sizeof from;
	ssize_t size;
	UNTIL((size = recvfrom(fd, heap, sizeof heap, 0, (struct sockaddr *)&from, &from_size)) >= 0);
	assert_int_equal(sendto(fd, heap, (size_t)size, 0, (struct sockaddr *)&from, from_size), size);
	return size;
}

static ssize_t peer_take(int fd) { return recv(fd, heap, sizeof heap, 0); }

/* ---- associations ---- */

static void echoes(void **state)
{
	static const size_t sizes[] = {0, 1, 1400, 60000, 65507};
	static uint8_t bytes[65507];
	uint16_t port_4, port_6;
	int before = descriptors();
	begin();
	int peer_4 = peer_open(AF_INET, &port_4), peer_6 = peer_open(AF_INET6, &port_6);
	ask();
	assert_int_equal(answer, REASON_OK);
	for (size_t i = 0; i < sizeof bytes; i++)
		bytes[i] = (uint8_t)(i * 11 + 3);
	for (size_t i = 0; i < COUNT_OF(sizes); i++) {
		heard_count = 0;
		say("127.0.0.1", port_4, bytes, sizes[i]);
		assert_int_equal(peer_echo(peer_4), sizes[i]);
		assert_memory_equal(heap, bytes, sizes[i]);
		UNTIL(heard_count == 1);
		assert_string_equal(heard[0].host, "127.0.0.1");  /* from a socket of both families */
		assert_int_equal(heard[0].port, port_4);
		assert_int_equal(heard[0].size, sizes[i]);
		say("::1", port_6, bytes, sizes[i]);
		assert_int_equal(peer_echo(peer_6), sizes[i]);
		UNTIL(heard_count == 2);
		assert_string_equal(heard[1].host, "::1");
		say("host.example", port_4, bytes, sizes[i]);
		assert_int_equal(peer_echo(peer_4), sizes[i]);
		UNTIL(heard_count == 3);
	}
	assert_int_equal(questions, 1);
	assert_int_equal(dropped(), 0);
	assert_int_equal(worker->hub.counters[COUNTER_datagrams_in], 3 * COUNT_OF(sizes));
	assert_int_equal(worker->hub.counters[COUNTER_datagrams_out], 3 * COUNT_OF(sizes));
	close(peer_4);
	close(peer_6);
	end();
	assert_int_equal(descriptors(), before);
}

/* Many at once: more than a batch, more than may be handed over; none is lost, none overtakes. */
static void many(void **state)
{
	uint16_t port;
	begin();
	int peer = peer_open(AF_INET, &port);
	ask();
	for (int round = 0; round < 5; round++) {
		for (uint16_t i = 0; i < 200; i++)
			say("127.0.0.1", port, &i, sizeof i);
		for (uint16_t i = 0; i < 200; i++) {
			uint16_t found;
			assert_int_equal(peer_echo(peer), sizeof found);
			memcpy(&found, heap, sizeof found);
			assert_int_equal(found, i);
		}
		UNTIL(heard_count == 200u * (unsigned)(round + 1));
	}
	assert_int_equal(dropped(), 0);
	close(peer);
	end();
}

static void names_that_wait(void **state)
{
	uint16_t port;
	begin();
	int peer = peer_open(AF_INET, &port);
	ask();
	hold_answers = true;
	for (uint8_t i = 0; i < NAME_WAITS_MAX + 6; i++)
		say("slow.example", port, &i, 1);
	turns(5);
	say("127.0.0.1", port, "now", 3);        /* a literal does not wait behind a name */
	assert_int_equal(peer_echo(peer), 3);
	assert_int_equal(questions, 1);
	assert_int_equal(dropped(), 6);
	release_answers();
	for (uint8_t i = 0; i < NAME_WAITS_MAX; i++) {
		assert_int_equal(peer_echo(peer), 1);
		assert_int_equal(heap[0], i);
	}
	say("nowhere.example", port, "x", 1);
	say("nowhere.example", port, "y", 1);
	say("", port, "z", 1);
	say("127.0.0.1", 0, "z", 1);
	say("a b", port, "z", 1);
	say("a/b", port, "z", 1);
	UNTIL(dropped() == 6 + 6);
	say("[127.0.0.1]", port, "z", 1);
	assert_int_equal(peer_echo(peer), 1);
	assert_int_equal(questions, 2);
	assert_int_equal(ends, 0);
	close(peer);
	end();
}

/* It ends while a name is asked for: the answer finds nobody. */
static void ended_while_waiting(void **state)
{
	begin();
	ask();
	hold_answers = true;
	for (int i = 0; i < 5; i++)
		say("slow.example", 9, "x", 1);
	turns(5);
	assert_int_equal(held_count, 1);
	session_end(asker, REASON_OK, NULL, false);
	asker = NULL;
	UNTIL(list_is_empty(&worker->dgrams) && list_is_empty(&worker->hub.sessions));
	assert_int_equal(dropped(), 5);
	release_answers();
	turns(3);
	end();
}

static void access_rules(void **state)
{
	struct acl_rule deny[2];
	uint16_t port;
	begin();
	int peer = peer_open(AF_INET, &port);
	assert_true(acl_rule_parse(&deny[0], "127.0.0.0/8"));
	assert_true(acl_rule_parse(&deny[1], "*.bad.example"));
	struct acl rules = {.deny = deny, .deny_count = 2};
	acl = &rules;
	ask();
	say("127.0.0.1", port, "a", 1);
	say("::ffff:127.0.0.1", port, "b", 1);
	say("x.bad.example", port, "c", 1);
	UNTIL(dropped() == 3);
	assert_int_equal(questions, 0);
	say("host.example", port, "d", 1);       /* leads to what is denied */
	UNTIL(dropped() == 4);
	assert_int_equal(questions, 1);
	assert_true(peer_take(peer) < 0);
	uint16_t port_6;
	int peer_6 = peer_open(AF_INET6, &port_6);
	say("::1", port_6, "e", 1);
	assert_int_equal(peer_echo(peer_6), 1);
	close(peer);
	close(peer_6);
	end();
	acl_rule_fini(&deny[0]);
	acl_rule_fini(&deny[1]);
}

/* Nobody is there, the kernel refuses: it goes on. */
static void refusals(void **state)
{
	uint16_t port, gone;
	begin();
	int peer = peer_open(AF_INET, &port);
	close(peer_open(AF_INET, &gone));
	ask();
	for (int i = 0; i < 5; i++) {
		say("127.0.0.1", gone, "x", 1);
		turns(2);
	}
	say("255.255.255.255", 9, "x", 1);       /* EACCES */
	UNTIL(dropped() >= 1);
	say("127.0.0.1", port, "y", 1);
	assert_int_equal(peer_echo(peer), 1);
	UNTIL(heard_count == 1);
	assert_int_equal(ends, 0);
	close(peer);
	end();
}

/* More comes than the kernel holds while the worker is busy: what it dropped is counted as well. */
static void overrun(void **state)
{
	enum { COUNT = 5000 };
	struct sockaddr_storage from;
	socklen_t from_size = sizeof from;
	uint16_t port;
	begin();
	int peer = peer_open(AF_INET, &port);
	ask();
	say("127.0.0.1", port, "x", 1);
	UNTIL(recvfrom(peer, heap, sizeof heap, 0, (struct sockaddr *)&from, &from_size) == 1);
	for (int i = 0; i < COUNT; i++)
		assert_int_equal(sendto(peer, heap, 1000, 0, (struct sockaddr *)&from, from_size), 1000);
	uint64_t before;
	do {
		before = heard_count;
		turns(3);
	} while (heard_count != before);
	session_end(asker, REASON_OK, NULL, false);
	asker = NULL;
	UNTIL(list_is_empty(&worker->dgrams));
	assert_true(heard_count < COUNT);
	assert_int_equal(heard_count + dropped(), COUNT);
	close(peer);
	end();
}

static void idle(void **state)
{
	uint16_t port;
	begin();
	process.limits.udp_idle = DURATION_MS(300);
	int peer = peer_open(AF_INET, &port);
	ask();
	say("127.0.0.1", port, "x", 1);
	assert_int_equal(peer_echo(peer), 1);
	UNTIL(ends == 1);
	assert_int_equal(end_reason, REASON_TIMEOUT);
	UNTIL(list_is_empty(&worker->dgrams));
	assert_int_equal(worker->hub.counters[COUNTER_channels_idle], 1);
	close(peer);
	end();
}

/* The last datagrams of an association that is over still leave. */
static void last_words(void **state)
{
	uint16_t port;
	begin();
	int peer = peer_open(AF_INET, &port);
	ask();
	for (uint8_t i = 0; i < 40; i++)
		say("127.0.0.1", port, &i, 1);
	struct event event = {.kind = EVENT_CLOSE, .channel = channel, .text = slice_of("")};
	assert_int_equal(session_deliver(asker, &event), STATUS_OK);
	UNTIL(list_is_empty(&worker->dgrams));
	for (uint8_t i = 0; i < 40; i++) {
		assert_int_equal(peer_take(peer), 1);
		assert_int_equal(heap[0], i);
	}
	close(peer);
	end();
}

static uint32_t always_fails(void *state) { return 1; }

static void no_memory(void **state)
{
	begin();
	worker->hub.bufs.fail = always_fails;    /* the engine's own buffers */
	ask();
	worker->hub.bufs.fail = NULL;
	if (answer == REASON_OK)
		UNTIL(ends == 1);
	turns(3);
	assert_true(list_is_empty(&worker->dgrams));
	end();
}

/* ---- beside a stream ---- */

static struct address bound_at;
static int bound_error;
static uint32_t bounds;

static enum status beside_start(struct session *session, void *state)
{
	assert_true(hub_bind(session, true, NULL));
	return STATUS_OK;
}

static void beside_bound(struct session *session, void *state, const struct address *local, int error)
{
	bound_at = *local;
	bound_error = error;
	bounds++;
}

static void beside_datagram(struct session *session, void *state, const struct address *from,
			    struct piece piece)
{
	char host[ADDRESS_TEXT_SIZE];
	struct target to = {.network = NETWORK_UDP, .port = from->port};
	strcpy(to.host, address_host(from, host));
	assert_int_equal(session_send_datagram(session, &to, slice_of("back: "), piece), STATUS_OK);
}

static enum status quiet_encode(struct session *session, void *state, const struct event *event,
				struct writer *writer)
{
	return STATUS_OK;
}

static enum status beside_decode(struct session *session, void *state, const struct chunk *chunk,
				 size_t *consumed)
{
	*consumed = chunk->piece.bytes.size;
	if (chunk->kind == CHUNK_END)
		session_end(session, REASON_OK, NULL, true);
	return STATUS_OK;
}

static const struct wire wire_beside = {.name = "beside", .traits = TRAIT_CONN, .chunk_max = 4096,
					.start = beside_start, .decode = beside_decode,
					.encode = quiet_encode, .bound = beside_bound,
					.datagram = beside_datagram};
static const struct role role_quiet = {.name = "quiet", .event = asker_event};
static struct service service;
static uint16_t listen_port;

static void listen_opened(struct listening *listening, int error)
{
	assert_int_equal(error, 0);
	listen_port = listening->address.port;
}

static void listen_closed(struct listening *listening) {}

static void beside_a_stream(void **state)
{
	static const char *const places[] = {"127.0.0.1", "::1"};
	begin();
	service = (struct service){.hub = &worker->hub};
	for (size_t i = 0; i < COUNT_OF(places); i++) {
		struct listening listening = {.wire = &wire_beside, .carrier = &carrier_raw,
					      .role = &role_quiet, .service = &service,
					      .opened = listen_opened, .closed = listen_closed};
		int family = i ? AF_INET6 : AF_INET;
		assert_true(address_of_literal(&listening.address, places[i], 0));
		hub_listen(&worker->hub, &listening);
		turns(2);
		struct sockaddr_in ipv4 = {.sin_family = AF_INET, .sin_port = htons(listen_port),
					   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
		struct sockaddr_in6 ipv6 = {.sin6_family = AF_INET6, .sin6_port = htons(listen_port),
					    .sin6_addr = IN6ADDR_LOOPBACK_INIT};
		struct sockaddr *name = i ? (struct sockaddr *)&ipv6 : (struct sockaddr *)&ipv4;
		socklen_t name_size = i ? sizeof ipv6 : sizeof ipv4;
		bounds = 0;
		int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
		assert_int_equal(connect(fd, name, name_size), 0);
		UNTIL(bounds == 1);
		assert_int_equal(bound_error, 0);
		char host[ADDRESS_TEXT_SIZE];
		assert_string_equal(address_host(&bound_at, host), places[i]);
		uint16_t port;
		int peer = peer_open(family, &port);
		ipv4.sin_port = ipv6.sin6_port = htons(bound_at.port);
		assert_int_equal(sendto(peer, "hello", 5, 0, name, name_size), 5);
		UNTIL(peer_take(peer) == 11);
		assert_memory_equal(heap, "back: hello", 11);
		close(fd);                       /* the stream ends, and the socket with it */
		UNTIL(list_is_empty(&worker->dgrams) && list_is_empty(&worker->hub.sessions));
		close(peer);
		hub_unlisten(&worker->hub, &listening);
		UNTIL(list_is_empty(&worker->listeners));
	}
	end();
}

/* ---- a user of SOCKS5, all the way ---- */

static const struct socks5_policy socks5_policy = {.udp = true};

static void socks5_begins(struct session *session) { socks5_set_policy(session, &socks5_policy); }

static const struct role role_socks5 = {.name = "socks5", .start = socks5_begins, .event = asker_event};

static void exchange(int fd, const void *said, size_t said_size, void *answered, size_t size)
{
	assert_int_equal(send(fd, said, said_size, 0), said_size);
	for (size_t at = 0; at < size;) {
		ssize_t more;
		UNTIL((more = recv(fd, (uint8_t *)answered + at, size - at, MSG_DONTWAIT)) >= 0);
		assert_true(more > 0);
		at += (size_t)more;
	}
}

static void socks5_user(void **state)
{
	uint8_t reply[10], datagram[1500] = {0, 0, 0, 1, 127, 0, 0, 1};
	uint16_t port, own_port;
	begin();
	service = (struct service){.hub = &worker->hub};
	struct listening listening = {.wire = &wire_socks5, .carrier = &carrier_raw, .role = &role_socks5,
				      .service = &service, .opened = listen_opened, .closed = listen_closed};
	assert_true(address_of_literal(&listening.address, "127.0.0.1", 0));
	hub_listen(&worker->hub, &listening);
	turns(2);
	struct sockaddr_in name = {.sin_family = AF_INET, .sin_port = htons(listen_port),
				   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int control = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(control, (struct sockaddr *)&name, sizeof name), 0);
	exchange(control, "\5\1\0", 3, reply, 2);
	assert_memory_equal(reply, "\5\0", 2);
	exchange(control, "\5\3\0\1\0\0\0\0\0\0", 10, reply, 10);
	assert_memory_equal(reply, "\5\0\0\1\x7f\0\0\1", 8);
	name.sin_port = htons(get16(reply + 8));
	int peer = peer_open(AF_INET, &port), user = peer_open(AF_INET, &own_port);
	put16(datagram + 8, port);
	for (int i = 0; i < 30; i++) {
		memset(datagram + 10, i, 1000);
		size_t size = 10 + (size_t)i * 30;
		ssize_t sent = sendto(user, datagram, size, 0, (struct sockaddr *)&name, sizeof name);
		assert_int_equal(sent, size);
		assert_int_equal(peer_echo(peer), size - 10);
		UNTIL(peer_take(user) == (ssize_t)size);
		assert_memory_equal(heap, datagram, size);
	}
	assert_int_equal(dropped(), 0);
	close(control);
	UNTIL(list_is_empty(&worker->dgrams) && list_is_empty(&worker->hub.sessions));
	close(user);
	close(peer);
	hub_unlisten(&worker->hub, &listening);
	UNTIL(list_is_empty(&worker->listeners));
	end();
}

/* Ended before the worker has taken the request. */
static void forgotten(void **state)
{
	begin();
	struct session *session = session_create(&worker->hub, &(struct session_options){
		.wire = &wire_udp, .carrier = &carrier_raw, .role = &role_quiet});
	assert_true(hub_bind(session, false, NULL));
	session_end(session, REASON_OK, NULL, false);
	assert_null(session->binding);
	turns(3);
	assert_true(list_is_empty(&worker->hub.sessions) && list_is_empty(&worker->dgrams));
	end();
}

/* ---- names alone ---- */

static uint32_t name_answers;
static void count_answer(struct names *names) { name_answers++; }

static void names_are_kept(void **state)
{
	struct names names;
	const struct name *name;
	char host[32];
	begin();
	turns(1);
	name_answers = 0;
	names_init(&names, worker, count_answer);
	assert_int_equal(names_find(&names, "a.example", &name), STATUS_MORE);
	assert_int_equal(names_find(&names, "a.example", &name), STATUS_MORE);
	UNTIL(name_answers == 1);
	assert_int_equal(names_find(&names, "a.example", &name), STATUS_OK);
	assert_int_equal(name->count, 1);
	assert_int_equal(questions, 1);
	struct instant now = worker->hub.now;
	worker->hub.now = instant_after(now, DURATION_S(NAME_KEEP_S - 1));
	assert_int_equal(names_find(&names, "a.example", &name), STATUS_OK);
	worker->hub.now = instant_after(now, DURATION_S(NAME_KEEP_S + 1));
	assert_int_equal(names_find(&names, "a.example", &name), STATUS_MORE);
	assert_int_equal(names_find(&names, "nowhere.example", &name), STATUS_MORE);
	UNTIL(name_answers == 3);
	assert_int_equal(names_find(&names, "nowhere.example", &name), STATUS_OK);
	assert_int_equal(name->count, 0);
	worker->hub.now = instant_after(worker->hub.now, DURATION_S(NAME_FAILED_S + 1));
	hold_answers = true;
	assert_int_equal(names_find(&names, "nowhere.example", &name), STATUS_MORE);
	for (int i = 1; i < NAMES_MAX; i++) {    /* a.example makes room */
		snprintf(host, sizeof host, "n%d.example", i);
		assert_int_equal(names_find(&names, host, &name), STATUS_MORE);
	}
	assert_int_equal(names.count, NAMES_MAX);
	assert_int_equal(names_find(&names, "more.example", &name), STATUS_FULL);
	names_fini(&names);
	release_answers();
	turns(2);
	assert_int_equal(name_answers, 3);
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(echoes),
		cmocka_unit_test(many),
		cmocka_unit_test(names_that_wait),
		cmocka_unit_test(ended_while_waiting),
		cmocka_unit_test(access_rules),
		cmocka_unit_test(refusals),
		cmocka_unit_test(overrun),
		cmocka_unit_test(idle),
		cmocka_unit_test(last_words),
		cmocka_unit_test(no_memory),
		cmocka_unit_test(beside_a_stream),
		cmocka_unit_test(socks5_user),
		cmocka_unit_test(forgotten),
		cmocka_unit_test(names_are_kept),
	};
	return RUN_ON_BOTH(tests);
}
