/* tests/unit/rate_sources_test.c - each source has a bucket of its own, and who is exempt. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/rate_sources.h"

static const struct instant now = {5000000000};

static struct user_address of(const char *text)
{
	struct address address;
	assert_true(address_of_literal(&address, text, 1));
	return user_address_of(&address);
}

static bool takes(struct rate_sources *sources, const char *text)
{
	struct user_address source = of(text);
	return rate_sources_take(sources, &source, now);
}

static void each_has_its_own(void **state)
{
	struct rate_sources *sources = rate_sources_create(1, 3, 77);
	for (int i = 0; i < 3; i++)
		assert_true(takes(sources, "203.0.113.7"));
	assert_false(takes(sources, "203.0.113.7"));
	assert_false(takes(sources, "::ffff:203.0.113.7"));
	assert_true(takes(sources, "203.0.113.8"));
	struct user_address source = of("203.0.113.7");
	assert_true(rate_sources_take(sources, &source, (struct instant){6000000000}));
	assert_false(rate_sources_take(sources, &source, (struct instant){6000000000}));
	rate_sources_destroy(sources);
}

static void a_site_of_ipv6_is_one(void **state)
{
	struct rate_sources *sources = rate_sources_create(1, 1, 78);
	assert_true(takes(sources, "2001:db8:1:2::1"));
	assert_false(takes(sources, "2001:db8:1:2:ffff::9"));
	assert_true(takes(sources, "2001:db8:1:3::1"));
	rate_sources_destroy(sources);
}

static void who_is_exempt(void **state)
{
	struct rate_sources *sources = rate_sources_create(1, 1, 79);
	struct user_address unknown = {0};
	for (int i = 0; i < 10; i++) {
		assert_true(takes(sources, "127.0.0.1"));
		assert_true(takes(sources, "::1"));
		assert_true(rate_sources_take(sources, &unknown, now));
	}
	rate_sources_destroy(sources);
}

/* With 400 busy sources in 8192 cells a stranger is refused with (400/8192)^2: one of 400 or so. */
static void the_busy_do_not_refuse_strangers(void **state)
{
	struct rate_sources *sources = rate_sources_create(1, 1, 80);
	struct user_address source = {.family = 4};
	uint32_t refused = 0;
	for (uint32_t i = 0; i < 800; i++) {
		put32(source.bytes, 0x0a000000 + i * 7919);
		refused += !rate_sources_take(sources, &source, now) && i >= 400;
	}
	assert_in_range(refused, 0, 8);
	rate_sources_destroy(sources);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_has_its_own),
		cmocka_unit_test(a_site_of_ipv6_is_one),
		cmocka_unit_test(who_is_exempt),
		cmocka_unit_test(the_busy_do_not_refuse_strangers),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
