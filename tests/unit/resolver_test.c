/* tests/unit/resolver_test.c - names to addresses against a name server of our own on loopback. */
#include "core/acl.h"
#include "ring/resolver.h"
#include "ring/route.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

static int64_t now_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* ---- the name server: what it says depends on the first label ---- */

enum { PACKET_SIZE = 4096, LATE_MAX = 64, SLOW_MS = 300, TYPE_A = 1, TYPE_AAAA = 28 };

struct packet {
	uint8_t bytes[PACKET_SIZE];
	size_t size;
	struct sockaddr_in peer;
	int64_t due;
};

struct server {
	pthread_t thread;
	int udp, tcp;
	uint16_t port;
	uint8_t network;                       /* second byte of what it answers */
	_Atomic bool stopping;
	_Atomic uint32_t questions, tcp_questions;
	struct packet late[LATE_MAX];
	size_t late_count;
};

static void record_add(struct packet *packet, uint16_t type, const void *bytes, size_t size)
{
	uint8_t *at = packet->bytes + packet->size;
	put16(at, 0xc00c);
	put16(at + 2, type);
	put16(at + 4, 1);
	put32(at + 6, 60);
	put16(at + 10, (uint16_t)size);
	memcpy(at + 12, bytes, size);
	packet->size += 12 + size;
	put16(packet->bytes + 6, (uint16_t)(get16(packet->bytes + 6) + 1));
}

static void records_add(struct packet *packet, struct server *server, uint16_t type, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		uint8_t ipv4[4] = {10, server->network, 0, (uint8_t)(i + 1)};
		uint8_t ipv6[16] = {0xfd, [1] = server->network, [15] = (uint8_t)(i + 1)};
		record_add(packet, type, type == TYPE_A ? ipv4 : ipv6, type == TYPE_A ? 4 : 16);
	}
}

/* Makes the answer of the question in place. False: it stays without one. */
static bool reply(struct server *server, struct packet *packet, bool tcp)
{
	char label[64] = "";
	size_t end = 12;
	if (packet->size < 17)
		return false;
	text_copy(label, size_min(sizeof label, packet->bytes[12] + 1u),
		  (struct slice){packet->bytes + 13, 63});
	for (char *at = label; *at; at++)
		*at = (char)tolower(*at);
	while (packet->bytes[end])
		end += packet->bytes[end] + 1u;
	uint16_t type = get16(packet->bytes + end + 1);
	packet->size = end + 5;
	memset(packet->bytes + 6, 0, 6);
	put16(packet->bytes + 2, 0x8580);
	atomic_fetch_add(&server->questions, 1);
	atomic_fetch_add(&server->tcp_questions, tcp);
	packet->due = now_ms();
	if (!strcmp(label, "never") || (!strcmp(label, "mute6") && type == TYPE_AAAA))
		return false;
	if (!strcmp(label, "slow"))
		packet->due += SLOW_MS;
	if (!strcmp(label, "broken"))
		put16(packet->bytes + 2, 0x8582);
	else if (!strcmp(label, "big") && !tcp)
		put16(packet->bytes + 2, 0x8780);
	else if (!strcmp(label, "big"))
		records_add(packet, server, type, 100);
	else if (!strcmp(label, "two"))
		records_add(packet, server, type, 2);
	else if (!strncmp(label, "fast", 4) || !strcmp(label, "slow") || !strcmp(label, "mute6"))
		records_add(packet, server, type, type == TYPE_A ? 1 : 0);
	else if (strcmp(label, "empty"))
		put16(packet->bytes + 2, 0x8583);
	return true;
}

static void serve_udp(struct server *server)
{
	for (;;) {
		struct packet packet;
		socklen_t peer_size = sizeof packet.peer;
		ssize_t size = recvfrom(server->udp, packet.bytes, 512, MSG_DONTWAIT,
					(struct sockaddr *)&packet.peer, &peer_size);
		if (size < 0)
			return;
		packet.size = (size_t)size;
		if (!reply(server, &packet, false))
			continue;
		if (packet.due > now_ms() && server->late_count < LATE_MAX)
			server->late[server->late_count++] = packet;
		else
			sendto(server->udp, packet.bytes, packet.size, 0, (struct sockaddr *)&packet.peer,
			       sizeof packet.peer);
	}
}

static void serve_late(struct server *server)
{
	for (size_t i = 0; i < server->late_count;) {
		struct packet *packet = &server->late[i];
		if (packet->due > now_ms()) {
			i++;
			continue;
		}
		sendto(server->udp, packet->bytes, packet->size, 0, (struct sockaddr *)&packet->peer,
		       sizeof packet->peer);
		*packet = server->late[--server->late_count];
	}
}

/* One connection at a time, until it has been silent for a little. */
static void serve_tcp(struct server *server)
{
	int fd = accept(server->tcp, NULL, NULL);
	struct timeval patience = {.tv_usec = 300000};
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
	for (;;) {
		struct packet packet;
		uint8_t head[2];
		if (recv(fd, head, 2, MSG_WAITALL) != 2 ||
		    recv(fd, packet.bytes, get16(head), MSG_WAITALL) != get16(head))
			break;
		packet.size = get16(head);
		if (!reply(server, &packet, true))
			continue;
		put16(head, (uint16_t)packet.size);
		if (send(fd, head, 2, MSG_NOSIGNAL) != 2 ||
		    send(fd, packet.bytes, packet.size, MSG_NOSIGNAL) < 0)
			break;
	}
	close(fd);
}

static void *serve(void *state)
{
	struct server *server = state;
	while (!atomic_load(&server->stopping)) {
		struct pollfd fds[2] = {
			{.fd = server->udp, .events = POLLIN}, {.fd = server->tcp, .events = POLLIN},
		};
		poll(fds, 2, 10);
		serve_udp(server);
		serve_late(server);
		if (fds[1].revents & POLLIN)
			serve_tcp(server);
	}
	return NULL;
}

/* On 127.0.0.NETWORK; port 0: any. */
static void server_start(struct server *server, uint8_t network, uint16_t port)
{
	struct sockaddr_in in = {
		.sin_family = AF_INET, .sin_port = htons(port),
		.sin_addr.s_addr = htonl(0x7f000000u + network),
	};
	socklen_t size = sizeof in;
	int bound = -1, buffer = 4 << 20;
	*server = (struct server){.network = network, .udp = -1, .tcp = -1};
	/* A port that is free for one protocol may be taken for the other: then the next one. */
	for (int attempt = 0; bound && attempt < 20; attempt++) {
		close(server->udp);
		close(server->tcp);
		in.sin_port = htons(port);
		server->udp = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
		assert_int_equal(bind(server->udp, (struct sockaddr *)&in, size), 0);
		assert_int_equal(getsockname(server->udp, (struct sockaddr *)&in, &size), 0);
		server->tcp = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		bound = bind(server->tcp, (struct sockaddr *)&in, size);
	}
	assert_int_equal(bound, 0);
	setsockopt(server->udp, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof buffer);
	server->port = ntohs(in.sin_port);
	assert_int_equal(listen(server->tcp, 8), 0);
	assert_int_equal(pthread_create(&server->thread, NULL, serve, server), 0);
}

static void server_stop(struct server *server)
{
	atomic_store(&server->stopping, true);
	pthread_join(server->thread, NULL);
	close(server->udp);
	close(server->tcp);
}

/* ---- jobs and their mailbox ---- */

struct mailbox {
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	struct mail *first, **last;
	uint32_t count;
};

struct fixture {
	struct server server;
	struct mailbox mailbox;
	struct resolver *resolver;
};

static void post(void *state, struct mail *mail)
{
	struct mailbox *mailbox = state;
	mail->next = NULL;
	pthread_mutex_lock(&mailbox->mutex);
	*mailbox->last = mail;
	mailbox->last = &mail->next;
	mailbox->count++;
	pthread_cond_signal(&mailbox->changed);
	pthread_mutex_unlock(&mailbox->mutex);
}

static struct resolve_job *next_answer(struct fixture *fixture)
{
	struct mailbox *mailbox = &fixture->mailbox;
	pthread_mutex_lock(&mailbox->mutex);
	while (!mailbox->first)
		pthread_cond_wait(&mailbox->changed, &mailbox->mutex);
	struct mail *mail = mailbox->first;
	mailbox->first = mail->next;
	if (!mailbox->first)
		mailbox->last = &mailbox->first;
	mailbox->count--;
	pthread_mutex_unlock(&mailbox->mutex);
	return OWNER(mail, struct resolve_job, mail);
}

static void submit(struct fixture *fixture, const char *host, int timeout_ms)
{
	struct resolve_job *job = calloc(1, sizeof *job);
	text_copy(job->host, sizeof job->host, slice_of(host));
	job->port = 443;
	job->timeout = DURATION_MS(timeout_ms);
	resolver_submit(fixture->resolver, job);
}

static struct resolve_job *resolve(struct fixture *fixture, const char *host, int timeout_ms)
{
	submit(fixture, host, timeout_ms);
	return next_answer(fixture);
}

static void check_reason(const struct resolve_job *job, enum reason reason)
{
	if (job->reason != reason)
		print_error("%s: %s\n", job->host, reason_text(job->reason));
	assert_int_equal(job->reason, reason);
}

static void expect_reason(struct fixture *fixture, const char *host, enum reason reason)
{
	struct resolve_job *job = resolve(fixture, host, 5000);
	check_reason(job, reason);
	if (reason != REASON_OK)
		assert_int_equal(job->count, 0);
	free(job);
}

static void expect_first(struct fixture *fixture, const char *host, const char *text)
{
	char found[ADDRESS_TEXT_SIZE];
	struct resolve_job *job = resolve(fixture, host, 5000);
	check_reason(job, REASON_OK);
	assert_true(job->count > 0);
	assert_string_equal(address_format(&job->addresses[0], found), text);
	free(job);
}

static int setup(void **state)
{
	struct fixture *fixture = calloc(1, sizeof *fixture);
	char why[256], servers[64];
	pthread_mutex_init(&fixture->mailbox.mutex, NULL);
	pthread_cond_init(&fixture->mailbox.changed, NULL);
	fixture->mailbox.last = &fixture->mailbox.first;
	server_start(&fixture->server, 1, 0);
	fixture->resolver = resolver_start(post, &fixture->mailbox, why);
	assert_non_null(fixture->resolver);
	snprintf(servers, sizeof servers, "127.0.0.1:%u", fixture->server.port);
	assert_true(resolver_set_servers(fixture->resolver, servers));
	*state = fixture;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *fixture = *state;
	if (fixture->resolver)
		resolver_stop(fixture->resolver);
	server_stop(&fixture->server);
	assert_int_equal(fixture->mailbox.count, 0);
	free(fixture);
	return 0;
}

/* ---- what is asked ---- */

static void literals(void **state)
{
	expect_first(*state, "192.0.2.7", "192.0.2.7:443");
	expect_first(*state, "127.0.0.1", "127.0.0.1:443");
	expect_first(*state, "::1", "[::1]:443");
}

static void localhost(void **state)
{
	static const char *names[] = {"localhost", "LOCALHOST", "a.localhost", "localhost."};
	struct fixture *fixture = *state;
	for (size_t n = 0; n < COUNT_OF(names); n++) {
		struct resolve_job *job = resolve(fixture, names[n], 5000);
		check_reason(job, REASON_OK);
		for (uint32_t i = 0; i < job->count; i++)
			assert_true(address_is_loopback(&job->addresses[i]));
		free(job);
	}
	assert_int_equal(fixture->server.questions, 0);
}

/* The first name of the machine's own hosts file that is not localhost and has an IPv4 address. */
static bool hosts_name(char name[HOST_SIZE], char address[64])
{
	FILE *file = fopen("/etc/hosts", "r");
	char line[512];
	bool found = false;
	while (file && !found && fgets(line, sizeof line, file))
		found = sscanf(line, " %63[0-9.] %255s", address, name) == 2 && !strstr(name, "localhost") &&
			address[0] != '0';
	if (file)
		fclose(file);
	return found;
}

static void hosts_file(void **state)
{
	struct fixture *fixture = *state;
	char name[HOST_SIZE], address[64];
	if (!hosts_name(name, address))
		skip();
	expect_reason(fixture, name, REASON_OK);
	assert_int_equal(fixture->server.questions, 0);
}

/* Whatever is made of them here, by c-ares or by the machine's hosts file: the rules for addresses see it. */
static void odd_spellings_of_loopback(void **state)
{
	static const char *names[] = {
		"127.1", "127.0.1", "0x7f000001", "0x7f.0.0.1", "2130706433", "017700000001", "0177.0.0.1",
		"127.000.000.001", "0", "0x0", "127.0.0.1.", "localhost", "localhost.localdomain",
		"ip6-localhost", "::1%lo", "[::1]",
	};
	struct acl_rule deny[16];
	struct acl acl = {.deny = deny};
	for (; acl_default[acl.deny_count]; acl.deny_count++)
		assert_true(acl_rule_parse(&deny[acl.deny_count], acl_default[acl.deny_count]));
	for (size_t n = 0; n < COUNT_OF(names); n++) {
		struct resolve_job *job = resolve(*state, names[n], 5000);
		for (uint32_t i = 0; i < job->count; i++) {
			const struct address *found = &job->addresses[i];
			bool inside = address_is_loopback(found) ||
				      (found->family == ADDRESS_IPV4 && !found->bytes[0]);
			assert_int_equal(acl_allows(&acl, names[n], found), !inside);
		}
		free(job);
	}
}

static void answers(void **state)
{
	expect_first(*state, "fast.test", "10.1.0.1:443");
	expect_first(*state, "FAST.test.", "10.1.0.1:443");
	expect_reason(*state, "nx.test", REASON_NAME);
	expect_reason(*state, "empty.test", REASON_NAME);
	expect_reason(*state, "broken.test", REASON_NAME);
}

static void bad_names(void **state)
{
	char host[HOST_SIZE];
	memset(host, 'a', sizeof host);
	host[sizeof host - 1] = 0;
	expect_reason(*state, host, REASON_NAME);
	host[70] = '.';
	expect_reason(*state, host, REASON_NAME);
	expect_reason(*state, "a..b", REASON_NAME);
	expect_reason(*state, "x.onion", REASON_NAME);
}

static void families_alternate(void **state)
{
	struct fixture *fixture = *state;
	struct resolve_job *job = resolve(fixture, "two.test", 5000);
	struct address ipv6 = {.family = ADDRESS_IPV6, .port = 443, .bytes = {0xfd, 1, [15] = 1}};
	check_reason(job, REASON_OK);
	bool both = route_families() == ADDRESS_ANY && route_exists(&ipv6);
	assert_int_equal(job->count, both ? 4 : 2);
	for (uint32_t i = 1; i < job->count; i++)
		assert_int_equal(job->addresses[i].family != job->addresses[i - 1].family, both);
	free(job);
}

static void over_tcp(void **state)
{
	struct fixture *fixture = *state;
	struct resolve_job *job = resolve(fixture, "big.test", 5000);
	check_reason(job, REASON_OK);
	assert_int_equal(job->count, RESOLVE_ADDRESSES_MAX);
	assert_true(fixture->server.tcp_questions > 0);
	free(job);
}

/* ---- time ---- */

static void timeout(void **state)
{
	int64_t start = now_ms();
	struct resolve_job *job = resolve(*state, "never.test", 250);
	int64_t took = now_ms() - start;
	check_reason(job, REASON_TIMEOUT);
	assert_true(took >= 250 && took < 2000);
	free(job);
	job = resolve(*state, "never.test", 0);
	check_reason(job, REASON_TIMEOUT);
	free(job);
}

static void ipv6_never_answers(void **state)
{
	int64_t start = now_ms();
	expect_first(*state, "mute6.test", "10.1.0.1:443");
	assert_true(now_ms() - start < 4000);
}

/* Names that get no answer, and one that gets it late, do not hold up the others. */
static void others_go_on(void **state)
{
	enum { SILENT = 60, FAST = 30 };   /* fit a default receive buffer: a lost one would come late */
	struct fixture *fixture = *state;
	for (int i = 0; i < SILENT; i++)
		submit(fixture, "never.test", 60000);
	submit(fixture, "slow.test", 60000);
	for (int i = 0; i < FAST; i++)
		submit(fixture, "fast.test", 60000);
	for (int i = 0; i <= FAST; i++) {
		struct resolve_job *job = next_answer(fixture);
		check_reason(job, REASON_OK);
		if (i < FAST)
			assert_string_equal(job->host, "fast.test");
		free(job);
	}
	resolver_stop(fixture->resolver);
	fixture->resolver = NULL;
	for (int i = 0; i < SILENT; i++) {
		struct resolve_job *job = next_answer(fixture);
		check_reason(job, REASON_STOPPING);
		free(job);
	}
}

static void many_at_once(void **state)
{
	enum { COUNT = 5000 };
	struct fixture *fixture = *state;
	uint32_t ok = 0, limit = 0, timed_out = 0;
	for (int i = 0; i < COUNT; i++) {
		char host[32];
		snprintf(host, sizeof host, i < RESOLVE_JOBS_MAX ? "never.test" : "fast%d.test", i);
		submit(fixture, host, 2000);
	}
	for (int i = 0; i < COUNT; i++) {
		struct resolve_job *job = next_answer(fixture);
		ok += job->reason == REASON_OK;
		limit += job->reason == REASON_LIMIT;
		timed_out += job->reason == REASON_TIMEOUT;
		free(job);
	}
	assert_int_equal(timed_out, RESOLVE_JOBS_MAX);
	assert_int_equal(limit, COUNT - RESOLVE_JOBS_MAX);
	assert_int_equal(ok, 0);
	/* What c-ares still asks for does not count: as many again are taken, and all are answered. */
	for (int i = 0; i < RESOLVE_JOBS_MAX; i++) {
		char host[32];
		snprintf(host, sizeof host, "fast%d.test", i);
		submit(fixture, host, 30000);
	}
	for (int i = 0; i < RESOLVE_JOBS_MAX; i++) {
		struct resolve_job *job = next_answer(fixture);
		check_reason(job, REASON_OK);
		free(job);
	}
}

static void stop_in_flight(void **state)
{
	enum { COUNT = 1000 };
	struct fixture *fixture = *state;
	for (int i = 0; i < COUNT; i++)
		submit(fixture, i % 2 ? "never.test" : "slow.test", 60000);
	int64_t start = now_ms();
	resolver_stop(fixture->resolver);
	fixture->resolver = NULL;
	assert_true(now_ms() - start < 2000);
	assert_int_equal(fixture->mailbox.count, COUNT);
	for (int i = 0; i < COUNT; i++) {
		struct resolve_job *job = next_answer(fixture);
		assert_true(job->reason == REASON_STOPPING || job->reason == REASON_OK);
		free(job);
	}
}

/* ---- servers ---- */

static void write_servers(int fd, const struct server *server)
{
	char line[64];
	int size = snprintf(line, sizeof line, "nameserver 127.0.0.%u\n", server->network);
	assert_int_equal(ftruncate(fd, 0), 0);
	assert_int_equal(pwrite(fd, line, (size_t)size, 0), size);
}

/* The machine has moved to another network: its resolv.conf says so. */
static void file_changes(void **state)
{
	struct fixture *fixture = *state;
	struct server *other = calloc(1, sizeof *other);
	char path[64];
	int fd = memfd_create("resolv.conf", MFD_CLOEXEC);
	server_start(other, 2, fixture->server.port);
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	write_servers(fd, &fixture->server);
	resolver_set_file(fixture->resolver, path, fixture->server.port);
	expect_first(fixture, "fast.test", "10.1.0.1:443");
	submit(fixture, "slow.test", 5000);
	usleep(50000);
	write_servers(fd, other);
	submit(fixture, "fast.test", 5000);
	/* What was asked before the change is still answered by whom it was asked of. */
	for (int i = 0; i < 2; i++) {
		struct resolve_job *job = next_answer(fixture);
		check_reason(job, REASON_OK);
		assert_int_equal(job->addresses[0].bytes[1], strcmp(job->host, "slow.test") ? 2 : 1);
		free(job);
	}
	server_stop(other);
	free(other);
	close(fd);
}

static void bad_servers(void **state)
{
	struct fixture *fixture = *state;
	char endless[2000];
	memset(endless, '1', sizeof endless);
	endless[sizeof endless - 1] = 0;
	assert_false(resolver_set_servers(fixture->resolver, ""));
	assert_false(resolver_set_servers(fixture->resolver, "not an address"));
	assert_false(resolver_set_servers(fixture->resolver, endless));
	expect_first(fixture, "fast.test", "10.1.0.1:443");
}

/* The first server is dead: the second answers. */
static void dead_server(void **state)
{
	struct fixture *fixture = *state;
	char servers[64];
	snprintf(servers, sizeof servers, "127.0.0.1:1,127.0.0.1:%u", fixture->server.port);
	assert_true(resolver_set_servers(fixture->resolver, servers));
	expect_first(fixture, "fast.test", "10.1.0.1:443");
}

static void *submit_many(void *state)
{
	for (int i = 0; i < 200; i++)
		submit(state, "fast.test", 20000);
	return NULL;
}

static void from_threads(void **state)
{
	pthread_t threads[4];
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, submit_many, *state), 0);
	for (int i = 0; i < 800; i++) {
		struct resolve_job *job = next_answer(*state);
		check_reason(job, REASON_OK);
		free(job);
	}
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(odd_spellings_of_loopback),
		TEST(literals),     TEST(localhost),          TEST(hosts_file),   TEST(answers),
		TEST(bad_names),    TEST(families_alternate), TEST(over_tcp),     TEST(timeout),
		TEST(ipv6_never_answers),                     TEST(others_go_on), TEST(many_at_once),
		TEST(stop_in_flight),                         TEST(file_changes), TEST(bad_servers),
		TEST(dead_server),  TEST(from_threads),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
