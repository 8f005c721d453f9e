/* tests/unit/own_ports_test.c - which targets are our own listeners. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/config_read.h"
#include "tools/tunnel/own_ports.h"

static bool is_denied(const struct config *config, const char *host, uint16_t port)
{
	return acl_ask_host(&config->access, host, port) == ACL_DENIED;
}

static void load(struct config *config, const char *text)
{
	struct config_errors errors;
	if (!config_parse(config, "f", slice_of(text), NULL, &errors))
		fail_msg("%s", errors.items[0].text);
	config_errors_fini(&errors);
	assert_true(own_ports_deny(config));
}

static void listeners_are_denied(void **state)
{
	struct config config;
	load(&config, "access: {deny: ['re:^never$']}\n"
		      "gateway:\n  listen_addr: ':8443'\n  linksocks:\n    listen_addr: '127.0.0.1:8765'\n"
		      "    tokens: [{token: a, type: reverse, socks_addr: '10.9.8.7:1080'}]\n"
		      "client:\n  - {protocol: linksocks, gateway_addr: 'g:1', "
		      "socks5: {listen_addr: '0.0.0.0:9870'}}\n"
		      "  - {protocol: linksocks, gateway_addr: 'g:1', reverse: true}\n"
		      "  - {protocol: tls-tunnel, gateway_addr: 'g:1', auth_key: 0123456789abcdef, "
		      "visitors: [{name: n, publish_port: 1, bind_addr: '::1', bind_port: 2}]}\n");
	static const struct { const char *host; uint16_t port; bool denied; } cases[] = {
	    {"127.0.0.1", 8443, true}, {"127.1.2.3", 8443, true}, {"::1", 8443, true},
	    {"0.0.0.0", 8443, true},   {"::", 8443, true},	  {"::ffff:127.0.0.1", 8443, true},
	    {"127.0.0.1", 8444, false}, {"10.9.8.7", 8443, false}, {"127.0.0.1", 8765, true},
	    {"127.0.0.2", 8765, false}, {"10.9.8.7", 1080, true}, {"127.0.0.1", 1080, false},
	    {"127.5.5.5", 9870, true}, {"::1", 9870, false},	  {"::1", 2, true},
	    {"127.0.0.1", 2, false},   {"never", 1, true},	  {"8.8.8.8", 8443, false},
	};
	for (size_t i = 0; i < COUNT_OF(cases); i++)
		if (is_denied(&config, cases[i].host, cases[i].port) != cases[i].denied)
			fail_msg("%s:%u", cases[i].host, cases[i].port);
	config_fini(&config);
}

static void a_config_without_listeners_stays_as_it_is(void **state)
{
	struct config config;
	load(&config, "access: {deny: []}\n"
		      "client: {protocol: linksocks, gateway_addr: 'g:1', reverse: true}\n");
	assert_int_equal(config.access.deny_count, 0);
	assert_false(is_denied(&config, "127.0.0.1", 9870));
	config_fini(&config);
	load(&config, "gateway: {listen_addr: 'unix:/run/a'}\n");
	assert_true(is_denied(&config, "127.0.0.1", 1));    /* by the default list */
	assert_false(is_denied(&config, "10.0.0.1", 1));
	config_fini(&config);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(listeners_are_denied),
		cmocka_unit_test(a_config_without_listeners_stays_as_it_is),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
