/* tests/unit/linksocks_link_test.c - the LinkSocks client's role against scripted servers, without a kernel:
 * logins, delays, redirections, the connector token, users with and without a link.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/request.h"
#include "protocols/frontends/socks5.h"
#include "protocols/linksocks/client_inside.h"
#include "protocols/linksocks/wire.h"
#include "tests/unit/mails.h"
#include "tests/unit/wire_world.h"

enum { PIPES_MAX = 64, ASKED_MAX = 8 };

/* One connection of the client: to a server, or to whatever says `raw`. */
struct pipe {
	struct session *client, *server; /* NULL: gone, or there never was one */
	struct bytes up, down;
	bool closed; /* the server's side has ended */
	bool deaf;   /* nothing goes either way */
};

static struct pipe pipes[PIPES_MAX];
static uint32_t pipe_count;

static struct config_endpoint gateways[2];
static struct config_client config;
static struct acl nothing_denied;
static struct linksocks_client_settings settings;
static struct client *client;

/* What the servers do, and what was seen. */
static struct {
	bool refuse_dials, silent_opens, no_provider;
	const char *raw; /* said instead of a server's answer */
	enum reason login;
	const char *login_text;
	const char *refusals[ASKED_MAX]; /* of the requests for tokens, in turn; NULL: granted */
	int port_error;			 /* of the next time that a port is to be opened */
	bool mute;			 /* requests for tokens are not answered */
} script;
static struct {
	uint32_t dials, ready, failed, opens, requests;
	char host[HOST_SIZE], proxy[HOST_SIZE], why[WHY_TEXT_SIZE], secret[256];
	enum direction direction;
	enum credential_form form;
	struct token_request request;
	char request_text[256];
	struct session *opened_on;
	struct target target;
	uint32_t target_dials;
	struct listening *listening;
	struct instant dialled_at;
} seen;

/* ---- the server ---- */

static void server_request(struct session *session, const struct token_request *request)
{
	char sign = request->remove ? '-' : '+';
	size_t used = strlen(seen.request_text);
	snprintf(seen.request_text + used, sizeof seen.request_text - used, "%c%.*s ", sign,
		 (int)request->token.size, (const char *)request->token.at);
	seen.request = *request;
	seen.request.token = slice_of("");
	seen.requests++;
	if (!script.mute)
		session_say(session, EVENT_RESPONSE);
}

static void server_open(struct session *session, const struct event *event)
{
	seen.opens++;
	seen.opened_on = session;
	seen.target = *event->target;
	if (script.silent_opens)
		return;
	if (script.no_provider) {
		channel_refuse(event->channel, REASON_NOT_FOUND, "no available reverse clients");
		return;
	}
	struct conn *conn = conn_create(SERVER, false, NULL, NULL);
	session_open(conn->session);
	check(channel_open(conn->session, event->channel->pair, event->target));
}

static void server_event(struct session *session, const struct event *event)
{
	if (event->kind == EVENT_AUTH) {
		text_copy(seen.secret, sizeof seen.secret, event->credentials->secret);
		seen.direction = event->credentials->direction;
		seen.form = event->credentials->form;
		session_say(session, EVENT_AUTHED);
	}
	if (event->kind == EVENT_REQUEST)
		server_request(session, event->token);
	if (event->kind == EVENT_OPEN)
		server_open(session, event);
}

static void server_fill(struct session *session, struct event *event)
{
	static struct credentials credentials;
	static struct token_request answer;
	if (event->kind == EVENT_AUTHED) {
		event->reason = script.login;
		event->text = slice_of(script.login_text ? script.login_text : "");
		event->credentials = &credentials;
	}
	if (event->kind == EVENT_RESPONSE) {
		const char *refusal =
		    seen.requests <= ASKED_MAX ? script.refusals[seen.requests - 1] : NULL;
		answer = seen.request;
		event->token = &answer;
		event->reason = refusal ? REASON_FORBIDDEN : REASON_OK;
		event->text = slice_of(refusal ? refusal : "");
	}
}

static void server_start(struct session *session)
{
	linksocks_configure(session, &(struct linksocks_options){0});
}

static const struct role server_role = {
    .name = "server", .start = server_start, .event = server_event, .fill = server_fill};

/* ---- the kernel's part ---- */

static void bury(void)
{
	struct link *link = world.hub.ended.next;
	for (; link != &world.hub.ended; link = link->next) {
		const struct session *session = OWNER(link, struct session, ended_link);
		for (uint32_t i = 0; i < pipe_count; i++) {
			if (pipes[i].client == session)
				pipes[i].client = NULL;
			if (pipes[i].server == session) {
				pipes[i].server = NULL;
				pipes[i].closed = true;
			}
		}
	}
	world_bury();
}

/* A connection of the client to a server. */
static void connected(struct session *session)
{
	check(pipe_count < PIPES_MAX);
	struct pipe *pipe = &pipes[pipe_count++];
	pipe->client = session;
	if (!script.raw) {
		pipe->server = session_create(
		    &world.hub, &(struct session_options){.wire = &wire_linksocks,
							  .carrier = &carrier_websocket,
							  .role = &server_role});
		session_open(pipe->server);
	} else {
		bytes_add(&pipe->down, script.raw, strlen(script.raw));
	}
	session_open(session);
}

static void take_dial(struct dial *dial)
{
	struct session *session = dial->session;
	bool ours = session && session->role; /* else a target */
	if (ours) {
		seen.dials++;
		seen.dialled_at = world.hub.now;
		text_copy(seen.host, sizeof seen.host, slice_of(dial->host));
		text_copy(seen.proxy, sizeof seen.proxy, slice_of(dial->via ? dial->via->at.host : ""));
	} else if (session) {
		seen.target_dials++;
		seen.target.port = dial->port;
	}
	memory_release(&world.hub.memory, dial, sizeof *dial);
	if (!session)
		return;
	session->dial = NULL;
	if (script.refuse_dials || !ours)
		session_end(session, REASON_REFUSED, NULL, false);
	else
		connected(session);
}

static void take_listen(struct listening *listening)
{
	bool opens = listening->request.kind == REQUEST_LISTEN;
	if (opens && script.port_error) {
		listening->asked = false;
		listening->opened(listening, script.port_error);
		return;
	}
	seen.listening = opens ? listening : NULL;
	if (!opens)
		listening->asked = false;
	if (opens)
		listening->opened(listening, 0);
	else
		listening->closed(listening);
}

static void take_requests(void)
{
	struct link *link;
	while ((link = list_pull(&world.hub.requests)) != NULL) {
		struct request *request = OWNER(link, struct request, link);
		if (request->kind == REQUEST_DIAL || request->kind == REQUEST_UNDIAL)
			take_dial(OWNER(request, struct dial, request));
		else
			take_listen(OWNER(request, struct listening, request));
	}
	mails_deliver(&world.hub, 0);
}

static void drain(void)
{
	struct link *link;
	while ((link = list_pull(&world.hub.delivered)) != NULL)
		session_answer(OWNER(link, struct session, delivered_link));
	while ((link = list_pull(&world.hub.readable)) != NULL)
		session_feed(OWNER(link, struct session, readable_link));
	take_requests();
	bury();
}

static void pipe_turn(struct pipe *pipe)
{
	bool shut = false;
	if (pipe->deaf)
		return;
	if (pipe->client)
		world_pump(pipe->client, &pipe->up, &shut);
	drain();
	if (pipe->server)
		world_feed(pipe->server, &pipe->up);
	drain();
	if (pipe->server)
		world_pump(pipe->server, &pipe->down, &shut);
	drain();
	if (pipe->client)
		world_feed(pipe->client, &pipe->down);
	drain();
	if (pipe->client && pipe->closed && !pipe->down.size && session_wants_input(pipe->client) &&
	    !pipe->client->input_ended)
		session_input_end(pipe->client);
	drain();
}

static void turns(int count)
{
	while (count--) {
		drain();
		for (uint32_t i = 0; i < pipe_count; i++)
			pipe_turn(&pipes[i]);
		for (uint32_t i = 0; i < world.conn_count; i++) {
			struct conn *conn = &world.conns[i];
			if (conn->session)
				world_pump(conn->session, &conn->out, &conn->shut);
			drain();
			if (conn->session)
				world_feed(conn->session, &conn->in);
			drain();
		}
	}
}

static void sleep_ms(int64_t span_ms)
{
	for (; span_ms > 0; span_ms -= 50) {
		world.hub.now = instant_after(world.hub.now, DURATION_MS(50));
		wheel_expire(&world.hub.wheel, world.hub.now);
		turns(1);
	}
}

/* Time passes until the client dials again; how long that took. */
static int64_t until_dial_ms(void)
{
	struct instant began = world.hub.now;
	uint32_t dials = seen.dials;
	for (int i = 0; i < 100000 && seen.dials == dials; i++)
		sleep_ms(50);
	assert_int_equal(seen.dials, dials + 1);
	return duration_ms(instant_since(world.hub.now, began));
}

/* ---- the client ---- */

static void told_ready(const struct linksocks_client_settings *of) { seen.ready++; }

static void told_failed(const struct linksocks_client_settings *of, const char *why)
{
	seen.failed++;
	text_copy(seen.why, sizeof seen.why, slice_of(why));
}

static int setup(void **state)
{
	world_init(7);
	memset(&seen, 0, sizeof seen);
	memset(&script, 0, sizeof script);
	memset(pipes, 0, sizeof pipes);
	pipe_count = 0;
	gateways[0] = (struct config_endpoint){.host = "one.example", .port = 80};
	gateways[1] = (struct config_endpoint){.host = "two.example", .port = 80};
	config = (struct config_client){
	    .protocol = PROTOCOL_LINKSOCKS,
	    .plaintext = true,
	    .gateways = gateways,
	    .gateway_count = 1,
	    .reconnect = {.enabled = true, .min = DURATION_S(1), .max = DURATION_S(600)},
	    .linksocks = {.path = "/socket", .threads = 1, .connect_timeout = DURATION_S(10)}};
	assert_true(secret_set(&config.linksocks.token, slice_of("test")));
	assert_true(address_parse(&config.linksocks.socks_addr, "127.0.0.1:9870"));
	return 0;
}

static bool needs_port;

static void start(void)
{
	settings = (struct linksocks_client_settings){
	    .config = &config,
	    .access = &nothing_denied,
	    .instance = {1, 2, 3},
	    .needs_port = needs_port,
	    .links = linksocks_client_links_create(config.linksocks.threads),
	    .ready = told_ready,
	    .failed = told_failed};
	client = client_of(linksocks_client_create(&world.hub, &settings));
	client->service.table->start(&client->service);
	turns(8);
}

static int teardown(void **state)
{
	client->service.table->drain(&client->service);
	turns(4);
	for (uint32_t i = 0; i < pipe_count; i++) {
		if (pipes[i].client)
			session_end(pipes[i].client, REASON_STOPPING, NULL, false);
		if (pipes[i].server)
			session_end(pipes[i].server, REASON_STOPPING, NULL, false);
		bury();
		free(pipes[i].up.at);
		free(pipes[i].down.at);
	}
	for (uint32_t i = 0; i < world.conn_count; i++)
		if (world.conns[i].session)
			session_end(world.conns[i].session, REASON_STOPPING, NULL, false);
	drain();
	drain();
	client->service.table->destroy(&client->service);
	linksocks_client_links_destroy(settings.links);
	secret_fini(&config.linksocks.token);
	secret_fini(&config.linksocks.connector_token);
	world_close();
	return 0;
}

static struct client_link *link_of_client(uint32_t number) { return &client->links[number]; }

/* The last connection is cut. */
static void cut(void)
{
	struct pipe *pipe = &pipes[pipe_count - 1];
	session_end(pipe->server, REASON_LOST, NULL, false);
	turns(4);
}

/* ---- logins ---- */

static void login_by_path(void **state)
{
	start();
	assert_int_equal(link_of_client(0)->state, LINK_READY);
	assert_int_equal(seen.ready, 1);
	assert_int_equal(seen.form, CREDENTIAL_SHA256);
	assert_string_equal(seen.secret, "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08");
	assert_int_equal(seen.direction, DIRECTION_FORWARD);
	assert_non_null(seen.listening);
}

static void login_by_message(void **state)
{
	config.linksocks.path = "/socket/else";
	config.linksocks.reverse = true;
	start();
	assert_int_equal(link_of_client(0)->state, LINK_READY);
	assert_int_equal(seen.form, CREDENTIAL_PLAIN);
	assert_string_equal(seen.secret, "test");
	assert_int_equal(seen.direction, DIRECTION_REVERSE);
	assert_null(seen.listening);
}

static void wrong_token_is_final(void **state)
{
	script.login = REASON_AUTH;
	script.login_text = "invalid token";
	start();
	assert_int_equal(seen.failed, 1);
	assert_string_equal(seen.why, "authentication failed: invalid token");
	sleep_ms(5000);
	assert_int_equal(seen.dials, 1);
}

static void no_token_is_said(void **state)
{
	script.login = REASON_AUTH;
	config.linksocks.anonymous = true;
	start();
	assert_string_equal(seen.why,
			    "authentication failed: please provide a token with -t or set LINKSOCKS_TOKEN");
}

static void wrong_token_is_tried_again_when_asked(void **state)
{
	script.login = REASON_AUTH;
	config.reconnect.retry_auth = true;
	start();
	assert_int_equal(seen.failed, 0);
	assert_in_range(until_dial_ms(), 750, 1300);
	script.login = REASON_OK;
	until_dial_ms();
	assert_int_equal(link_of_client(0)->state, LINK_READY);
}

/* ---- delays ---- */

static void delays_grow_and_begin_anew(void **state)
{
	static const int64_t expected_ms[] = {1000, 1500, 2250, 3375};
	script.refuse_dials = true;
	start();
	for (size_t i = 0; i < COUNT_OF(expected_ms); i++)
		assert_in_range(until_dial_ms(), expected_ms[i] * 8 / 10 - 50,
				expected_ms[i] * 12 / 10 + 100);
	script.refuse_dials = false;
	until_dial_ms();
	turns(8);
	assert_int_equal(link_of_client(0)->state, LINK_READY);
	cut();
	assert_in_range(until_dial_ms(), 750, 1300);
}

static void gateways_in_order(void **state)
{
	config.gateway_count = 2;
	script.refuse_dials = true;
	start();
	assert_string_equal(seen.host, "one.example");
	until_dial_ms();
	assert_string_equal(seen.host, "two.example");
	until_dial_ms();
	assert_string_equal(seen.host, "one.example");
}

static void no_reconnect_ends(void **state)
{
	config.reconnect.enabled = false;
	start();
	assert_int_equal(seen.failed, 0);
	cut();
	assert_int_equal(seen.failed, 1);
	sleep_ms(5000);
	assert_int_equal(seen.dials, 1);
}

static void changed_network_tries_at_once(void **state)
{
	script.refuse_dials = true;
	start();
	for (int i = 0; i < 8; i++)
		until_dial_ms();
	client->service.table->network_changed(&client->service);
	assert_in_range(until_dial_ms(), 0, 600);
}

static void changed_network_asks_for_a_sign(void **state)
{
	start();
	client->service.table->network_changed(&client->service);
	sleep_ms(6000);
	assert_int_equal(link_of_client(0)->state, LINK_READY);
	pipes[0].deaf = true;
	client->service.table->network_changed(&client->service);
	sleep_ms(4500);
	assert_int_equal(link_of_client(0)->state, LINK_READY);
	until_dial_ms();
	turns(8);
	assert_int_equal(link_of_client(0)->state, LINK_READY);
	assert_int_equal(seen.dials, 2);
}

/* ---- redirections ---- */

static void redirection_is_followed(void **state)
{
	script.raw = "HTTP/1.1 307 Moved\r\nLocation: http://other.example:81/socket?token=x\r\n"
		     "Content-Length: 0\r\n\r\n";
	script.refuse_dials = false;
	start();
	assert_true(seen.dials > 1);
	assert_string_equal(seen.host, "other.example");
	/* always the same answer: so many, then the delay */
	assert_int_equal(seen.dials, 1 + REDIRECTS_MAX);
	script.raw = NULL;
	until_dial_ms();
	assert_string_equal(seen.host, "one.example");
	turns(8);
	assert_int_equal(link_of_client(0)->state, LINK_READY);
}

static void redirection_into_tls_needs_settings(void **state)
{
	script.raw = "HTTP/1.1 301 Moved\r\nLocation: wss://other.example/\r\nContent-Length: 0\r\n\r\n";
	start();
	assert_int_equal(seen.dials, 1);
	assert_int_equal(link_of_client(0)->state, LINK_WAITING);
}

static void answer_that_is_no_upgrade(void **state)
{
	script.raw = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";
	start();
	assert_int_equal(seen.failed, 0);
	assert_int_equal(link_of_client(0)->state, LINK_WAITING);
	assert_in_range(until_dial_ms(), 750, 1300);
}

/* ---- through a proxy ---- */

static void behind_proxy(void)
{
	config.upstream_proxy =
	    (struct config_via){.kind = VIA_HTTP, .at = {.host = "proxy.example", .port = 3128}};
}

static void proxy_leads_to_the_server(void **state)
{
	behind_proxy();
	start();
	assert_string_equal(seen.host, "one.example");
	assert_string_equal(seen.proxy, "proxy.example");
	assert_int_equal(link_of_client(0)->state, LINK_READY);
}

/* ---- the connector token ---- */

static void start_provider(void)
{
	config.linksocks.reverse = true;
	assert_true(secret_set(&config.linksocks.connector_token, slice_of("mine")));
	start();
}

static void connector_token_is_added(void **state)
{
	start_provider();
	assert_string_equal(seen.request_text, "+mine ");
	assert_true(client->registered);
	cut();
	until_dial_ms();
	turns(8);
	assert_string_equal(seen.request_text, "+mine +mine ");
	assert_int_equal(seen.failed, 0);
}

static void stale_connector_token_is_removed_first(void **state)
{
	script.refusals[0] = "connector token already exists";
	start_provider();
	assert_string_equal(seen.request_text, "+mine -mine +mine ");
	assert_true(client->registered);
}

static void connector_token_of_another(void **state)
{
	script.refusals[0] = script.refusals[2] = "connector token already exists";
	start_provider();
	assert_string_equal(seen.request_text, "+mine -mine +mine ");
	assert_string_equal(seen.why, "cannot add the connector token: connector token already exists");
}

static void refusal_later_is_a_warning(void **state)
{
	script.refusals[1] = "Unauthorized connector management attempt";
	start_provider();
	cut();
	until_dial_ms();
	turns(8);
	assert_int_equal(seen.requests, 2);
	assert_int_equal(seen.failed, 0);
	assert_int_equal(link_of_client(0)->state, LINK_READY);
}

static void no_answer_about_the_token(void **state)
{
	script.mute = true;
	start_provider();
	assert_int_equal(seen.failed, 0);
	sleep_ms(10200);
	assert_string_equal(seen.why, "cannot add the connector token: the server does not answer");
}

/* ---- targets ---- */

static void server_asks(void)
{
	struct target target = {.port = 443};
	text_copy(target.host, sizeof target.host, slice_of("target.example"));
	struct conn *conn = conn_create(SERVER, true, &world_role, &target);
	world.link[SERVER] = pipes[pipe_count - 1].server;
	session_open(conn->session);
	turns(4);
	world.link[SERVER] = NULL;
}

static void provider_dials_the_target(void **state)
{
	config.linksocks.reverse = true;
	start();
	server_asks();
	assert_int_equal(seen.target_dials, 1);
	assert_int_equal(seen.target.port, 443);
}

static void client_dials_nothing(void **state)
{
	start();
	server_asks();
	assert_int_equal(seen.target_dials, 0);
}

/* ---- users ---- */

static struct conn *user(void)
{
	const struct listening *listening = &client->listening;
	struct session_options options = {.wire = listening->wire,
					  .carrier = listening->carrier,
					  .role = listening->role,
					  .service = listening->service};
	struct conn *conn = &world.conns[world.conn_count++];
	*conn = (struct conn){.session = session_create(&world.hub, &options), .side = CLIENT, .asks = true};
	session_open(conn->session);
	static const uint8_t hello[] = {5, 1, 0};
	static const uint8_t request[] = {5, 1, 0, 1, 10, 0, 0, 1, 0, 80};
	bytes_add(&conn->in, hello, sizeof hello);
	turns(2);
	bytes_add(&conn->in, request, sizeof request);
	turns(8);
	return conn;
}

/* The reply, or -1: none yet. */
static int reply_of(const struct conn *conn) { return conn->out.size >= 4 ? conn->out.at[3] : -1; }

static void user_is_served(void **state)
{
	start();
	struct conn *conn = user();
	assert_int_equal(seen.opens, 1);
	assert_string_equal(seen.target.host, "10.0.0.1");
	assert_int_equal(reply_of(conn), 0);
}

static void user_waits_for_a_link(void **state)
{
	config.linksocks.socks_no_wait = true;
	script.refuse_dials = true;
	start();
	assert_non_null(seen.listening);
	struct conn *conn = user();
	assert_int_equal(reply_of(conn), -1);
	script.refuse_dials = false;
	until_dial_ms();
	sleep_ms(400);
	assert_int_equal(reply_of(conn), 0);
}

static void user_waits_in_vain(void **state)
{
	config.linksocks.socks_no_wait = true;
	script.refuse_dials = true;
	start();
	struct conn *conn = user();
	sleep_ms(9500);
	assert_int_equal(reply_of(conn), -1);
	sleep_ms(1000);
	assert_int_equal(reply_of(conn), 3);
}

static void users_take_turns(void **state)
{
	const struct session *on[4];
	config.linksocks.threads = 2;
	start();
	assert_int_equal(seen.ready, 1);
	for (size_t i = 0; i < COUNT_OF(on); i++) {
		user();
		on[i] = seen.opened_on;
	}
	assert_ptr_equal(on[0], pipes[1].server);
	assert_ptr_equal(on[1], pipes[0].server);
	assert_ptr_equal(on[2], on[0]);
	assert_ptr_equal(on[3], on[1]);
}

static void user_gets_another_link(void **state)
{
	config.linksocks.threads = 2;
	start();
	script.silent_opens = true;
	struct conn *conn = user();
	assert_ptr_equal(seen.opened_on, pipes[1].server);
	script.silent_opens = false;
	cut();
	sleep_ms(200);
	assert_ptr_equal(seen.opened_on, pipes[0].server);
	assert_int_equal(reply_of(conn), 0);
}

/* Only the lack of a link to the server is a network that cannot be reached. */
static void server_without_provider(void **state)
{
	script.no_provider = true;
	start();
	assert_int_equal(reply_of(user()), 4);
}

static void user_is_not_kept_for_ever(void **state)
{
	start();
	script.silent_opens = true;
	struct conn *conn = user();
	sleep_ms(14500);
	assert_int_equal(reply_of(conn), -1);
	sleep_ms(1000);
	assert_int_equal(reply_of(conn), 4);
}

/* Success was said at once; that the far end never answers is told by the end of the connection. */
static void fast_user_is_not_kept_for_ever(void **state)
{
	config.linksocks.fast_open = true;
	start();
	script.silent_opens = true;
	struct conn *conn = user();
	sleep_ms(14500);
	assert_int_equal(reply_of(conn), 0);
	assert_false(conn->gone);
	sleep_ms(1000);
	assert_true(conn->gone);
	assert_int_equal(link_of_client(0)->session->channel_count, 0);
	assert_int_equal(link_of_client(0)->state, LINK_READY);
}

/* A service that runs for long does not end because somebody else has its port for a while. */
static void port_in_use_is_tried_again(void **state)
{
	script.port_error = -EADDRINUSE;
	start();
	assert_null(seen.listening);
	sleep_ms(30500);
	assert_null(seen.listening);
	script.port_error = 0;
	sleep_ms(9000);
	assert_null(seen.listening);
	sleep_ms(1000);
	assert_non_null(seen.listening);
	assert_int_equal(seen.failed, 0);
	assert_int_equal(link_of_client(0)->state, LINK_READY);
}

static void port_in_use_is_final_when_needed(void **state)
{
	needs_port = true;
	script.port_error = -EADDRINUSE;
	start();
	needs_port = false;
	assert_int_equal(seen.failed, 1);
	assert_non_null(
	    strstr(seen.why, "cannot listen for SOCKS5 at 127.0.0.1:9870: another process listens there"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(login_by_path),
	    TEST(login_by_message),
	    TEST(wrong_token_is_final),
	    TEST(no_token_is_said),
	    TEST(wrong_token_is_tried_again_when_asked),
	    TEST(delays_grow_and_begin_anew),
	    TEST(gateways_in_order),
	    TEST(no_reconnect_ends),
	    TEST(changed_network_tries_at_once),
	    TEST(changed_network_asks_for_a_sign),
	    TEST(redirection_is_followed),
	    TEST(redirection_into_tls_needs_settings),
	    TEST(answer_that_is_no_upgrade),
	    TEST(proxy_leads_to_the_server),
	    TEST(connector_token_is_added),
	    TEST(stale_connector_token_is_removed_first),
	    TEST(connector_token_of_another),
	    TEST(refusal_later_is_a_warning),
	    TEST(no_answer_about_the_token),
	    TEST(provider_dials_the_target),
	    TEST(client_dials_nothing),
	    TEST(user_is_served),
	    TEST(user_waits_for_a_link),
	    TEST(user_waits_in_vain),
	    TEST(users_take_turns),
	    TEST(user_gets_another_link),
	    TEST(port_in_use_is_tried_again),
	    TEST(port_in_use_is_final_when_needed),
	    TEST(server_without_provider),
	    TEST(user_is_not_kept_for_ever),
	    TEST(fast_user_is_not_kept_for_ever),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
