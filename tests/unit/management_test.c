/* tests/unit/management_test.c - the management listener: who may ask what, the shape of answers, limits.
 *
 * Three workers without a kernel; mails are delivered by hand, a conn's role is asked and heard directly.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "protocols/frontends/http.h"
#include "protocols/management/inside.h"
#include "protocols/management/page.h"
#include "protocols/management/table.h"

enum { WORKERS = 3, SECOND = 1000000000 };

/* ---- who may ask, and what ---- */

static const char token_text[] = "0123456789abcdef0123456789abcdef";

static struct management_call call_of(const struct http_exchange *request, bool token, bool tls, bool local)
{
	struct secret none = {0}, secret = {0};
	struct management_call call;
	assert_true(secret_set(&secret, slice_of(token_text)));
	management_read(request,
			&(struct management_access){
			    .token = token ? &secret : &none, .tls = tls, .local = local},
			&call);
	secret_fini(&secret);
	return call;
}

static void paths_and_methods(void **state)
{
	static const struct {
		const char *method, *path;
		unsigned status;                 /* 0: it is asked of the workers, or answered by the role */
		enum management_action action;
		uint64_t id;
	} rows[] = {
		{"GET", "/", 0, MANAGEMENT_PAGE, 0},
		{"HEAD", "/", 0, MANAGEMENT_PAGE, 0},
		{"GET", "/stats", 0, MANAGEMENT_PUBLISHED, 0},
		{"GET", "/stats/", 0, MANAGEMENT_PUBLISHED, 0},
		{"GET", "/livez", 0, MANAGEMENT_LIVE, 0},
		{"GET", "/readyz", 0, MANAGEMENT_READY, 0},
		{"GET", "/api/v1/sessions", 0, MANAGEMENT_SESSIONS, 0},
		{"GET", "/api/v1/channels", 0, MANAGEMENT_CHANNELS, 0},
		{"GET", "/api/v1/workers", 0, MANAGEMENT_WORKERS, 0},
		{"DELETE", "/api/v1/sessions/7", 0, MANAGEMENT_END_SESSION, 7},
		{"DELETE", "/api/v1/channels/18446744073709551615", 0, MANAGEMENT_END_CHANNEL, UINT64_MAX},
		{"POST", "/stats", 405, MANAGEMENT_ANSWER, 0},
		{"DELETE", "/api/v1/sessions", 405, MANAGEMENT_ANSWER, 0},
		{"GET", "/api/v1/sessions/7", 405, MANAGEMENT_ANSWER, 0},
		{"get", "/", 405, MANAGEMENT_ANSWER, 0},
		{"DELETE", "/api/v1/channels/18446744073709551616", 404, MANAGEMENT_ANSWER, 0},
		{"DELETE", "/api/v1/sessions/", 404, MANAGEMENT_ANSWER, 0},
		{"DELETE", "/api/v1/sessions/-1", 404, MANAGEMENT_ANSWER, 0},
		{"DELETE", "/api/v1/sessions/1/2", 404, MANAGEMENT_ANSWER, 0},
		{"GET", "/metrics", 404, MANAGEMENT_ANSWER, 0},
		{"GET", "/events", 404, MANAGEMENT_ANSWER, 0},
		{"GET", "//", 404, MANAGEMENT_ANSWER, 0},
		{"GET", "", 404, MANAGEMENT_ANSWER, 0},
		{"GET", "/STATS", 404, MANAGEMENT_ANSWER, 0},
	};
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct http_exchange request = {.method = slice_of(rows[i].method),
						.path = slice_of(rows[i].path)};
		struct management_call call = call_of(&request, false, false, false);
		assert_int_equal(call.action, rows[i].action);
		assert_int_equal(call.status, rows[i].status);
		if (!rows[i].status)
			assert_int_equal(call.id, rows[i].id);
	}
}

static void tokens(void **state)
{
	static const struct { const char *shown; bool good; } rows[] = {
		{"Bearer 0123456789abcdef0123456789abcdef", true},
		{"bearer 0123456789abcdef0123456789abcdef", true},
		{"Bearer 0123456789abcdef0123456789abcde", false},
		{"Bearer 0123456789abcdef0123456789abcdef0", false},
		{"Bearer  0123456789abcdef0123456789abcdef", false},
		{"Basic 0123456789abcdef0123456789abcdef", false},
		{"0123456789abcdef0123456789abcdef", false},
		{"Bearer ", false},
		{"Bearer", false},
		{"", false},
	};
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct http_exchange request = {.method = slice_of("DELETE"),
						.path = slice_of("/api/v1/sessions/1"),
						.host = slice_of("a.name.of.the.certificate"),
						.authorization = slice_of(rows[i].shown)};
		struct management_call call = call_of(&request, true, true, false);
		assert_int_equal(call.action, rows[i].good ? MANAGEMENT_END_SESSION : MANAGEMENT_ANSWER);
		if (rows[i].good)
			continue;
		assert_int_equal(call.status, 401);
		assert_non_null(strstr(call.fields, "WWW-Authenticate: Bearer"));
	}
}

static void hosts_and_origins(void **state)
{
	static const struct { const char *host, *origin; bool tls, good; } rows[] = {
		{"127.0.0.1:9090", "", false, true},
		{"127.0.0.1", "", false, true},
		{"10.1.2.3:80", "", false, true},
		{"[::1]:9090", "", false, true},
		{"localhost:9090", "", false, true},
		{"LocalHost", "", false, true},
		{"", "", false, true},
		{"evil.example:9090", "", false, false},
		{"localhost.evil.example", "", false, false},
		{"127.0.0.1.evil.example", "", false, false},
		{"[::1", "", false, false},
		{"[evil.example]:80", "", false, false},
		{":9090", "", false, false},
		{"127.0.0.1:9090", "http://127.0.0.1:9090", false, true},
		{"127.0.0.1:9090", "HTTP://127.0.0.1:9090", false, true},
		{"127.0.0.1:9090", "https://127.0.0.1:9090", true, true},
		{"127.0.0.1:9090", "http://127.0.0.1:9090", true, false},
		{"127.0.0.1:9090", "http://127.0.0.1:9091", false, false},
		{"127.0.0.1:9090", "http://127.0.0.1:90901", false, false},
		{"127.0.0.1:9090", "http://evil.example", false, false},
		{"127.0.0.1:9090", "null", false, false},
		{"", "http://", false, false},
	};
	static const char *const asked[][2] = {{"GET", "/stats"}, {"DELETE", "/api/v1/channels/1"}};
	for (size_t i = 0; i < COUNT_OF(rows) * 2; i++) {
		struct http_exchange request = {.method = slice_of(asked[i % 2][0]),
						.path = slice_of(asked[i % 2][1]),
						.host = slice_of(rows[i / 2].host),
						.origin = slice_of(rows[i / 2].origin)};
		struct management_call call = call_of(&request, false, rows[i / 2].tls, false);
		if (rows[i / 2].good != (call.action != MANAGEMENT_ANSWER))
			fail_msg("host \"%s\" origin \"%s\"", rows[i / 2].host, rows[i / 2].origin);
		if (!rows[i / 2].good)
			assert_int_equal(call.status, 403);
	}
	struct http_exchange request = {
	    .method = slice_of("GET"), .path = slice_of("/"), .host = slice_of("any.name")};
	assert_int_equal(call_of(&request, false, false, true).action, MANAGEMENT_PAGE);
}

/* ---- three workers ---- */

/* A service that tells what the test has put there for its worker. */
static struct teller {
	struct service service;
	struct published_row rows[3];
	size_t count, times;
} tellers[WORKERS];

static struct {
	struct limits limits;
	struct config_stats config;
	struct management_settings settings;
	struct hub hubs[WORKERS];
	_Atomic size_t held;
	size_t held_most;
	struct session *conn;
	const char *unready;
	struct http_exchange answer;             /* the last one */
	char body[64 * 1024];
} world;

static void tell(struct service *service, struct published_sink *sink)
{
	const struct teller *teller = OWNER(service, struct teller, service);
	for (size_t time = 0; time < teller->times; time++) {
		for (size_t i = 0; i < teller->count; i++) {
			struct published_row row = teller->rows[i];
			if (time)
				snprintf(row.name, sizeof row.name, "n%05zu", time);
			sink->add(sink, &row);
		}
	}
}

static const struct service_table teller_table = {.name = "teller", .published = tell};

static const char *is_unready(void) { return world.unready; }

static struct session *conn_create(void)
{
	struct session *conn = session_create(
	    &world.hubs[0], &(struct session_options){.wire = &wire_http,
						      .carrier = &carrier_raw,
						      .role = &role_management,
						      .service = world.hubs[0].services[1]});
	assert_non_null(conn);
	session_open(conn);
	return conn;
}

static void session_over(struct session *session)
{
	struct hub *hub = session->hub;
	struct link *link;
	session_end(session, REASON_STOPPING, NULL, false);
	while ((link = list_pull(&hub->ended)) != NULL)
		session_destroy(OWNER(link, struct session, ended_link));
}

static int begin(void **state)
{
	memset(&world, 0, sizeof world);
	memset(tellers, 0, sizeof tellers);
	world.limits = LIMITS_DEFAULT;
	assert_true(address_parse(&world.config.listen_addr, "127.0.0.1:9090"));
	world.settings = (struct management_settings){
	    .config = &world.config, .held = &world.held,
	    .wall_offset_ns = 1700000000ll * SECOND, .unready = is_unready};
	for (uint32_t i = 0; i < WORKERS; i++) {
		struct hub *hub = &world.hubs[i];
		hub_init(hub, i, WORKERS, &world.limits, (struct instant){5ll * SECOND});
		tellers[i].service = (struct service){.table = &teller_table, .hub = hub, .index = 0};
		tellers[i].times = 1;
		hub_add_service(hub, &tellers[i].service);
		assert_non_null(management_create(hub, &world.settings));
	}
	world.conn = conn_create();
	return 0;
}

static void settle(void)
{
	for (bool busy = true; busy;) {
		busy = false;
		for (uint32_t i = 0; i < WORKERS; i++) {
			struct mail *mail = world.hubs[i].outgoing;
			world.hubs[i].outgoing = world.hubs[i].outgoing_last = NULL;
			for (struct mail *next; mail; mail = next) {
				next = mail->next;
				mail->next = NULL;
				mail->deliver(&world.hubs[mail->to], mail);
				if (world.held > world.held_most)
					world.held_most = world.held;
				busy = true;
			}
		}
	}
}

static int end(void **state)
{
	settle();
	if (world.conn)
		session_over(world.conn);
	for (uint32_t i = 0; i < WORKERS; i++) {
		struct hub *hub = &world.hubs[i];
		while (!list_is_empty(&hub->sessions))
			session_over(OWNER(hub->sessions.next, struct session, hub_link));
		hub->services[1]->table->destroy(hub->services[1]);
		assert_int_equal(hub->budget.used, 0);
		hub_fini(hub);
	}
	assert_int_equal(world.held, 0);
	return 0;
}

static void request(const char *method, const char *path)
{
	struct http_exchange exchange = {.method = slice_of(method), .path = slice_of(path)};
	struct event event = {.kind = EVENT_REQUEST, .exchange = &exchange};
	role_management.event(world.conn, &event);
}

/* The answer, and the end of it. */
static void heard(void)
{
	struct event event = {.kind = EVENT_RESPONSE};
	assert_true(world.conn->says & 1u << EVENT_RESPONSE);
	world.conn->says = 0;
	role_management.fill(world.conn, &event);
	world.answer = *event.exchange;
	size_t size = size_min(world.answer.body.size, sizeof world.body - 1);
	if (size)
		memcpy(world.body, world.answer.body.at, size);
	world.body[size] = 0;
	role_management.said(world.conn, EVENT_RESPONSE);
}

static void ask(const char *method, const char *path, unsigned status)
{
	request(method, path);
	settle();
	heard();
	assert_int_equal(world.answer.status, status);
}

/* ---- what is published ---- */

static struct published_row held(const char *name, uint16_t port, uint64_t users)
{
	struct published_row row = {.since = {2ll * SECOND},
				    .publish_port = port,
				    .users = {.active = users, .total = 10 * users, .sent = 1, .received = 2},
				    .visitors = {.total = users}};
	text_copy(row.name, sizeof row.name, slice_of(name));
	return row;
}

static struct published_row held_here(const char *name, uint16_t port, uint64_t users)
{
	struct published_row row = held(name, port, users);
	row.whole = true;
	row.links = 2;
	row.local_port = 3000;
	text_copy(row.type, sizeof row.type, slice_of("ssh"));
	text_copy(row.publish_addr, sizeof row.publish_addr, slice_of("0.0.0.0"));
	text_copy(row.identity, sizeof row.identity, slice_of("edge-1"));
	text_copy(row.peer, sizeof row.peer, slice_of("192.0.2.1:4000"));
	return row;
}

static void nothing_is_an_empty_list(void **state)
{
	ask("GET", "/stats", 200);
	assert_string_equal(world.body, "[]");
	assert_string_equal(world.answer.content_type, "application/json");
	ask("GET", "/api/v1/sessions", 200);
	assert_string_equal(world.body, "[]\n");
	ask("GET", "/", 200);
	assert_non_null(strstr(world.body, "Nothing is published"));
}

static void workers_add_up(void **state)
{
	tellers[0].rows[0] = held("web", 80, 1);
	tellers[0].rows[1] = held("gone", 81, 1);
	tellers[0].count = 2;
	tellers[2].rows[0] = held_here("web", 80, 2);
	tellers[2].count = 1;
	ask("GET", "/stats", 200);
	assert_string_equal(world.body, "[\n  {\n"
					"    \"name\": \"web\",\n"
					"    \"publish_addr\": \"0.0.0.0\",\n"
					"    \"publish_port\": 80,\n"
					"    \"local_port\": 3000,\n"
					"    \"total_connections\": 30,\n"
					"    \"active_connections\": 3,\n"
					"    \"bytes_sent\": 2,\n"
					"    \"bytes_received\": 4,\n"
					"    \"start_time\": 1700000002,\n"
					"    \"kind\": \"proxy\",\n"
					"    \"proxy_type\": \"Ssh\",\n"
					"    \"identity\": \"edge-1\",\n"
					"    \"peer\": \"192.0.2.1:4000\",\n"
					"    \"links\": 2,\n"
					"    \"visitor_total_connections\": 3,\n"
					"    \"visitor_active_connections\": 0,\n"
					"    \"visitor_bytes_sent\": 0,\n"
					"    \"visitor_bytes_received\": 0\n"
					"  }\n]");
}

static struct published_row own(enum published_kind kind, uint32_t position)
{
	struct published_row row = {.client = true,
				    .whole = true,
				    .kind = kind,
				    .position = position,
				    .since = {2ll * SECOND},
				    .bind_port = 3000,
				    .target_port = 8080,
				    .publish_port = 8080,
				    .local_port = 3000};
	text_copy(row.name, sizeof row.name, slice_of(kind == PUBLISHED_PROXY ? "zebra" : "ape"));
	text_copy(row.type, sizeof row.type, slice_of(kind == PUBLISHED_PROXY ? "http/1.1" : "socks5"));
	text_copy(row.bind_addr, sizeof row.bind_addr, slice_of("127.0.0.1"));
	text_copy(row.publish_addr, sizeof row.publish_addr, slice_of("::"));
	text_copy(row.target_addr, sizeof row.target_addr, slice_of("gw.example"));
	return row;
}

static void gateway_comes_first_and_clients_keep_their_order(void **state)
{
	for (uint32_t i = 0; i < WORKERS; i++) {
		tellers[i].rows[0] = own(PUBLISHED_FORWARDER, 1);
		tellers[i].rows[1] = own(PUBLISHED_PROXY, 0);
		tellers[i].count = 2;
	}
	tellers[1].rows[1].users = (struct published_count){1, 2, 3, 4};
	tellers[1].rows[2] = held_here("web", 80, 0);
	tellers[1].count = 3;
	ask("GET", "/stats", 200);
	const char *web = strstr(world.body, "\"web\""), *zebra = strstr(world.body, "\"zebra\"");
	const char *ape = strstr(world.body, "\"ape\"");
	assert_true(web && zebra && ape && web < zebra && zebra < ape);
	assert_memory_equal(zebra - 8,
			    "\"name\": \"zebra\",\n"
			    "    \"proxy_type\": \"Http11\",\n"
			    "    \"bind_addr\": \"127.0.0.1\",\n"
			    "    \"bind_port\": 3000,\n"
			    "    \"target_addr\": \"gw.example\",\n"
			    "    \"target_port\": 8080,\n"
			    "    \"active_connections\": 1,\n"
			    "    \"total_connections\": 2,\n"
			    "    \"bytes_sent\": 3,\n"
			    "    \"bytes_received\": 4,\n"
			    "    \"start_time\": 1700000002,\n"
			    "    \"status\": \"Connected\",\n"
			    "    \"publish_addr\": \"::\",\n"
			    "    \"publish_port\": 8080,\n"
			    "    \"local_port\": 3000,\n"
			    "    \"kind\": \"proxy\"\n  },",
			    400);
	assert_non_null(strstr(ape, "\"proxy_type\": \"Socks5Proxy\""));
	assert_non_null(strstr(ape, "\"status\": \"Idle\""));
}

static void names_are_never_markup(void **state)
{
	static const char name[] = "<i>\"q\"\\&'\x01\x7f\xff\xc3\xa4</i>\n";
	tellers[0].rows[0] = held_here(name, 80, 0);
	tellers[0].rows[1] = own(PUBLISHED_VISITOR, 0);
	text_copy(tellers[0].rows[1].target_addr, HOST_SIZE, slice_of("</td><script>"));
	tellers[0].count = 2;
	ask("GET", "/stats", 200);
	assert_non_null(strstr(world.body, "\"<i>\\\"q\\\"\\\\&'\\u0001\x7f\xef\xbf\xbd\xc3\xa4</i>\\n\""));
	ask("GET", "/", 200);
	assert_null(strstr(world.body, "<i>"));
	assert_null(strstr(world.body, "<script"));
	assert_non_null(strstr(world.body, "&lt;i&gt;&quot;q&quot;\\&amp;&#39;&#65533;&#65533;"));
	assert_non_null(strstr(world.answer.fields, "default-src 'none'"));
}

static void page_has_its_formats(void **state)
{
	static const struct { int64_t up_s; uint64_t bytes; const char *up, *text; } rows[] = {
		{0, 0, ">0s<", ">0 B<"},           {61, 1023, ">1m 1s<", ">1023 B<"},
		{3600, 1024, ">1h 0m<", ">1.00 KB<"}, {90000, 1536 * 1024, ">1d 1h<", ">1.50 MB<"},
		{1, 3ull << 30, ">1s<", ">3.00 GB<"}, {1, 5ull << 50, ">1s<", ">5120.00 TB<"},
	};
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		tellers[0].rows[0] = held_here("web", 80, 0);
		tellers[0].rows[0].since.ns = 5ll * SECOND - rows[i].up_s * SECOND;
		tellers[0].rows[0].users.sent = rows[i].bytes;
		tellers[0].count = 1;
		ask("GET", "/", 200);
		assert_non_null(strstr(world.body, rows[i].up));
		assert_non_null(strstr(world.body, rows[i].text));
	}
}

/* ---- links ---- */

static void describe(const struct session *session, struct session_facts *facts)
{
	*facts = (struct session_facts){.protocol = "test",
					.role = "gateway",
					.identity = "a\"b",
					.features = FEATURE_OURS | FEATURE_HALF_CLOSE};
}

static const struct wire link_wire = {.name = "test"};
static const struct role link_role = {.name = "test", .describe = describe};

static struct session *link_create(uint32_t worker)
{
	struct session *link =
	    session_create(&world.hubs[worker], &(struct session_options){.wire = &link_wire,
									  .carrier = &carrier_raw,
									  .role = &link_role});
	assert_non_null(link);
	session_open(link);
	link->ready = true;
	snprintf(link->peer, sizeof link->peer, "192.0.2.%u:1", worker);
	return link;
}

static void links_are_told(void **state)
{
	struct session *link = link_create(1);
	char wanted[1024];
	link->bytes_in = 12;
	link->rtt = DURATION_MS(1);
	ask("GET", "/api/v1/sessions", 200);
	snprintf(wanted, sizeof wanted,
		 "[\n{\"id\": \"%llu\", \"protocol\": \"test\", \"role\": \"gateway\", \"peer\": "
		 "\"192.0.2.1:1\", \"identity\": \"a\\\"b\", \"worker\": 1, \"since\": 1700000005.000, "
		 "\"channels\": 0, \"bytes_in\": 12, \"bytes_out\": 0, \"rtt_ms\": 1.000, \"tls\": \"\", "
		 "\"features\": [\"ours\", \"half-close\"], \"state\": \"open\", \"peer_role\": \"\", "
		 "\"transport\": \"\", \"generation\": \"\"}\n]\n",
		 (unsigned long long)link->id);
	assert_string_equal(world.body, wanted);
	ask("GET", "/api/v1/workers", 200);
	assert_non_null(strstr(world.body, "{\"id\": 1, \"cpu\": -1, \"busy\": 0.000, \"links\": 1, "
					   "\"conns\": 0"));
	assert_non_null(strstr(world.body, "{\"id\": 0, \"cpu\": -1, \"busy\": 0.000, \"links\": 0, "
					   "\"conns\": 1"));
}

static void links_are_closed_on_their_worker(void **state)
{
	struct session *link = link_create(2);
	char path[64];
	snprintf(path, sizeof path, "/api/v1/sessions/%llu", (unsigned long long)link->id);
	ask("DELETE", path, 204);
	assert_int_equal(link->why, REASON_ADMINISTRATOR);
	snprintf(path, sizeof path, "/api/v1/sessions/%llu", (unsigned long long)world.conn->id);
	ask("DELETE", path, 404);                /* a conn is no link */
}

/* ---- limits ---- */

static size_t count_of(struct slice text, const char *word)
{
	size_t count = 0, size = strlen(word);
	const uint8_t *at = text.at, *last = text.at + text.size;
	while ((at = memmem(at, (size_t)(last - at), word, size)) != NULL) {
		at += size;
		count++;
	}
	return count;
}

static void rows_have_a_limit_and_the_rest_is_counted(void **state)
{
	struct event event = {.kind = EVENT_RESPONSE};
	for (uint32_t i = 0; i < MANAGEMENT_ROWS_MAX + 5; i++)
		link_create(i < 6000 ? 0 : 1);
	request("GET", "/api/v1/sessions");
	settle();
	role_management.fill(world.conn, &event);
	assert_int_equal(count_of(event.exchange->body, "{\"id\""), MANAGEMENT_ROWS_MAX);
	assert_non_null(strstr(event.exchange->fields, "X-Rows-Omitted: 5\r\n"));
	const uint8_t *last = event.exchange->body.at + event.exchange->body.size - 4;
	assert_memory_equal(last, "}\n]\n", 4);
	assert_true(world.held >= event.exchange->body.size);
	role_management.said(world.conn, EVENT_RESPONSE);
	ask("GET", "/", 200);
	assert_non_null(strstr(world.body, "<b>10005</b><span>links"));

	tellers[1].rows[0] = held_here("web", 80, 0);
	tellers[1].count = 1;
	tellers[1].times = 6000;
	tellers[2] = (struct teller){.service = tellers[2].service, .times = 6000, .count = 1};
	tellers[2].rows[0] = held_here("beside", 81, 0);
	request("GET", "/stats");
	settle();
	role_management.fill(world.conn, &event);
	assert_int_equal(count_of(event.exchange->body, "\"name\""), MANAGEMENT_ROWS_MAX);
	assert_non_null(strstr(event.exchange->fields, "X-Rows-Omitted: 2000\r\n"));
	role_management.said(world.conn, EVENT_RESPONSE);
}

static void memory_has_a_limit(void **state)
{
	world.limits.exchange_bytes = 64;
	ask("GET", "/", 503);
	world.limits.exchange_bytes = 1 << 20;
	ask("GET", "/", 200);
	size_t max = world.hubs[0].budget.max;
	world.hubs[0].budget.max = world.hubs[0].budget.used + 100;
	tellers[1].rows[0] = held_here("web", 80, 0);
	tellers[1].count = 1;
	ask("GET", "/stats", 503);
	world.hubs[0].budget.max = max;
	ask("GET", "/stats", 200);
}

/* Also a worker that is asked does not collect more than it has. */
static void worker_that_is_asked_has_a_limit(void **state)
{
	struct budget *budget = &world.hubs[1].budget;
	size_t max = budget->max;
	tellers[1].rows[0] = held_here("web", 80, 0);
	tellers[1].count = 1;
	tellers[1].times = 6000;
	budget->peak = 0;
	budget->max = 1000 * sizeof(struct published_row);
	ask("GET", "/stats", 503);
	assert_non_null(strstr(world.body, "limits.exchange_bytes"));
	assert_non_null(strstr(world.answer.fields, "Retry-After: 1\r\n"));
	assert_int_equal(world.hubs[0].counters[COUNTER_answers_refused], 1);
	assert_true(budget->peak >= 512 * sizeof(struct published_row) && budget->peak <= budget->max);
	assert_int_equal(budget->used, 0);
	tellers[1].times = 100;
	ask("GET", "/stats", 200);
	budget->max = max;
}

static void askers_share_what_there_is(void **state)
{
	enum { SHARE = 32 << 20 };
	struct session *conns[MANAGEMENT_WAITING_MAX];
	struct http_exchange exchange = {.method = slice_of("GET"), .path = slice_of("/stats")};
	struct event event = {.kind = EVENT_REQUEST, .exchange = &exchange};
	size_t refused = 0;
	world.limits.exchange_bytes = SHARE;
	for (uint32_t i = 0; i < WORKERS; i++) {
		tellers[i].rows[0] = held_here("web", 80, 0);
		tellers[i].count = 1;
		tellers[i].times = 6000;
	}
	for (size_t i = 0; i < COUNT_OF(conns); i++) {
		conns[i] = conn_create();
		role_management.event(conns[i], &event);
	}
	settle();
	for (size_t i = 0; i < COUNT_OF(conns); i++) {
		struct event said = {.kind = EVENT_RESPONSE};
		role_management.fill(conns[i], &said);
		refused += said.exchange->status == 503;
		session_over(conns[i]);
	}
	assert_in_range(refused, 1, COUNT_OF(conns) - 1);
	assert_in_range(world.held_most, SHARE / 4, SHARE);
	assert_int_equal(world.hubs[0].counters[COUNTER_answers_refused], refused);
	tellers[0].times = tellers[1].times = tellers[2].times = 500; /* and they can be asked again */
	ask("GET", "/stats", 200);
}

static void many_at_once_are_refused(void **state)
{
	struct session *conns[MANAGEMENT_WAITING_MAX];
	struct http_exchange exchange = {.method = slice_of("GET"), .path = slice_of("/stats")};
	struct event event = {.kind = EVENT_REQUEST, .exchange = &exchange};
	for (size_t i = 0; i < COUNT_OF(conns); i++) {
		conns[i] = conn_create();
		role_management.event(conns[i], &event);
	}
	request("GET", "/stats");
	heard();
	assert_int_equal(world.answer.status, 503);
	assert_non_null(strstr(world.answer.fields, "Retry-After: 1\r\n"));
	settle();
	for (size_t i = 0; i < COUNT_OF(conns); i++)
		session_over(conns[i]);
	ask("GET", "/stats", 200);
}

static void one_that_has_gone_costs_nothing(void **state)
{
	tellers[1].rows[0] = held_here("web", 80, 0);
	tellers[1].count = 1;
	request("GET", "/");
	session_over(world.conn);
	world.conn = NULL;
	settle();
	world.conn = conn_create();
	request("GET", "/stats");                /* answered, never read */
	settle();
	session_over(world.conn);
	world.conn = NULL;
}

static void readiness(void **state)
{
	ask("GET", "/readyz", 200);
	assert_string_equal(world.body, "ready\n");
	world.unready = "no link to a gateway is up";
	ask("GET", "/readyz", 503);
	assert_string_equal(world.body, "no link to a gateway is up\n");
	ask("GET", "/livez", 200);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(paths_and_methods),
		cmocka_unit_test(tokens),
		cmocka_unit_test(hosts_and_origins),
		cmocka_unit_test_setup_teardown(nothing_is_an_empty_list, begin, end),
		cmocka_unit_test_setup_teardown(workers_add_up, begin, end),
		cmocka_unit_test_setup_teardown(gateway_comes_first_and_clients_keep_their_order, begin, end),
		cmocka_unit_test_setup_teardown(names_are_never_markup, begin, end),
		cmocka_unit_test_setup_teardown(page_has_its_formats, begin, end),
		cmocka_unit_test_setup_teardown(links_are_told, begin, end),
		cmocka_unit_test_setup_teardown(links_are_closed_on_their_worker, begin, end),
		cmocka_unit_test_setup_teardown(rows_have_a_limit_and_the_rest_is_counted, begin, end),
		cmocka_unit_test_setup_teardown(memory_has_a_limit, begin, end),
		cmocka_unit_test_setup_teardown(worker_that_is_asked_has_a_limit, begin, end),
		cmocka_unit_test_setup_teardown(askers_share_what_there_is, begin, end),
		cmocka_unit_test_setup_teardown(many_at_once_are_refused, begin, end),
		cmocka_unit_test_setup_teardown(one_that_has_gone_costs_nothing, begin, end),
		cmocka_unit_test_setup_teardown(readiness, begin, end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
