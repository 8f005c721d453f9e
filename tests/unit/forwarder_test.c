/* tests/unit/forwarder_test.c - a client's forwarder without a kernel: a user whose name has to be looked up
 * and who leaves meanwhile.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/request.h"
#include "protocols/tls_tunnel/client_inside.h"
#include "tests/unit/wire_world.h"

static struct cidr direct = {.family = ADDRESS_IPV4, .prefix = 8, .bytes = {10}};
static struct config_endpoint gateway_at = {.host = "gateway.test", .port = 1};
static struct config_forwarder forwarder = {
	.name = "out",
	.type = FORWARDER_HTTP,
	.routed = true,
	.routing = {.direct_ips = &direct, .direct_ip_count = 1, .default_strategy = STRATEGY_PROXY}};
static struct config_client config = {
	.gateways = &gateway_at, .gateway_count = 1, .links = 1,
	.forwarders = &forwarder, .forwarder_count = 1};
static struct client_settings settings = {.config = &config};
static struct client *client;
static struct session *user;

static void begin(void)
{
	world_init(3);
	settings.links = client_links_create(1, 1);
	client = client_of(client_create(&world.hub, &settings));
	const struct listening *listening = &client->ports[0].listening;
	user = session_create(&world.hub, &(struct session_options){.wire = listening->wire,
								    .carrier = listening->carrier,
								    .role = listening->role,
								    .service = listening->service});
	session_open(user);
}

static void end(void)
{
	client->service.table->destroy(&client->service);
	client_links_destroy(settings.links);
	world_close();
}

static void asks_for(const char *text)
{
	struct bytes bytes = {0};
	bytes_add(&bytes, text, strlen(text));
	world_feed(user, &bytes);
	free(bytes.at);
	world_drain();
}

/* What the worker is asked to look up. */
static struct inquiry *asked(void)
{
	struct link *link = list_pull(&world.hub.requests);
	assert_non_null(link);
	struct request *request = OWNER(link, struct request, link);
	assert_int_equal(request->kind, REQUEST_RESOLVE);
	assert_true(list_is_empty(&world.hub.requests));
	return OWNER(request, struct inquiry, request);
}

static void a_name_is_looked_up(void **state)
{
	begin();
	asks_for("CONNECT some.test:443 HTTP/1.1\r\nHost: some.test:443\r\n\r\n");
	struct inquiry *inquiry = asked();
	assert_string_equal(inquiry->host, "some.test");
	inquiry->asked = false;
	inquiry->answered(inquiry, NULL, 0);     /* to the gateway, and there is no link */
	bool shut;
	struct bytes said = {0};
	world_pump(user, &said, &shut);
	assert_memory_equal(said.at, "HTTP/1.1 502 ", 13);
	free(said.at);
	session_end(user, REASON_OK, NULL, false);
	world_bury();
	end();
}

/* It ends between two rounds of the worker: its channel is gone, it itself is not, and its question is taken
 * up before it is buried. */
static void a_user_leaves_before_the_name_is_asked(void **state)
{
	begin();
	asks_for("CONNECT some.test:443 HTTP/1.1\r\nHost: some.test:443\r\n\r\n");
	struct channel *channel = session_only_channel(user);
	size_t size = sizeof *channel + user->wire->channel_size;
	session_end(user, REASON_LOST, NULL, false);
	uint8_t *next = memory_acquire(&world.hub.memory, size); /* who gets the memory of the channel */
	memset(next, 'x', size);
	struct inquiry *inquiry = asked();
	assert_string_equal(inquiry->host, "some.test");
	memory_release(&world.hub.memory, next, size);
	world_bury();
	end();
}

static void a_user_leaves_before_the_answer(void **state)
{
	struct inquiry *heard = NULL;
	begin();
	asks_for("GET http://some.test/ HTTP/1.1\r\nHost: some.test\r\n\r\n");
	struct inquiry *inquiry = asked();
	inquiry->asker = &heard;
	heard = inquiry;
	session_end(user, REASON_LOST, NULL, false);
	world_bury();
	assert_null(heard);                      /* the worker answers nobody */
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_name_is_looked_up),
		cmocka_unit_test(a_user_leaves_before_the_name_is_asked),
		cmocka_unit_test(a_user_leaves_before_the_answer),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
