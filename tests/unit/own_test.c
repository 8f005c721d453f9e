/* tests/unit/own_test.c - which targets are our own listeners. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "ring/own.h"

static const char *const listeners[] = {":8443",       "127.0.0.1:8765", "10.9.8.7:1080", "0.0.0.0:9870",
					"[::1]:2",     "[::]:3",	 "unix:/run/a",	  "10.9.8.7:1080",
					"[fe80::1]:4", "10.9.8.7:5"};

/* The machine of these tests. */
static bool is_here(const struct address *address)
{
	struct address own, own6;
	assert_true(address_parse(&own, "10.9.8.7:1") && address_parse(&own6, "[2001:db8::7]:1"));
	own.port = own6.port = address->port;
	return address_is_equal(address, &own) || address_is_equal(address, &own6);
}

static struct own *own_of_all(void)
{
	struct own *own = own_create();
	struct address address;
	for (size_t i = 0; i < COUNT_OF(listeners); i++) {
		assert_true(address_parse(&address, listeners[i]));
		assert_true(own_add(own, &address));
	}
	return own;
}

static bool has(struct own *own, const char *host, uint16_t port)
{
	struct address address;
	assert_true(address_of_literal(&address, host, port));
	return own_has(own, &address, is_here);
}

static void own_listeners_are_known(void **state)
{
	static const struct { const char *host; uint16_t port; bool own; } cases[] = {
	    {"127.0.0.1", 8443, true},	{"127.1.2.3", 8443, true},	  {"::1", 8443, true},
	    {"0.0.0.0", 8443, true},	{"::", 8443, true},		  {"::ffff:127.0.0.1", 8443, true},
	    {"10.9.8.7", 8443, true},	{"2001:db8::7", 8443, true},	  {"10.9.8.6", 8443, false},
	    {"127.0.0.1", 8444, false}, {"127.0.0.1", 8765, true},	  {"127.0.0.2", 8765, false},
	    {"0.0.0.0", 8765, true},	{"10.9.8.7", 8765, false},	  {"10.9.8.7", 1080, true},
	    {"127.0.0.1", 1080, false}, {"::ffff:10.9.8.7", 1080, true}, {"127.5.5.5", 9870, true},
	    {"::1", 9870, false},	{"::1", 2, true},		  {"127.0.0.1", 2, false},
	    {"::1", 3, true},		{"2001:db8::7", 3, true},	  {"127.0.0.1", 3, false},
	    {"8.8.8.8", 8443, false},	{"10.9.8.7", 0, false},
	};
	struct own *own = own_of_all();
	for (size_t i = 0; i < COUNT_OF(cases); i++)
		if (has(own, cases[i].host, cases[i].port) != cases[i].own)
			fail_msg("%s:%u", cases[i].host, cases[i].port);
	struct address here;
	assert_true(address_of_literal(&here, "10.9.8.7", 8443));
	assert_false(own_has(own, &here, NULL));
	own_destroy(own);
}

static void what_is_closed_is_forgotten(void **state)
{
	struct own *own = own_of_all();
	struct address address;
	assert_true(address_parse(&address, "10.9.8.7:1080"));
	own_remove(own, &address);
	assert_true(has(own, "10.9.8.7", 1080)); /* it was there twice: two workers listen */
	own_remove(own, &address);
	assert_false(has(own, "10.9.8.7", 1080));
	own_remove(own, &address);
	assert_true(address_parse(&address, ":8443"));
	own_remove(own, &address);
	assert_false(has(own, "127.0.0.1", 8443));
	assert_true(has(own, "127.0.0.1", 8765));
	own_destroy(own);
	own_destroy(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(own_listeners_are_known),
		cmocka_unit_test(what_is_closed_is_forgotten),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
