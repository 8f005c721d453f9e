/* tests/unit/linksocks_client_test.c - the pure parts of the LinkSocks client: the path that logs in, Host,
 * redirections, delays, whose turn it is.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/burden.h"
#include "protocols/linksocks/client_inside.h"

/* SHA-256 of "test", and the instance of the protocol's own examples. */
#define DIGEST "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
#define UUID "00112233-4455-6677-8899-aabbccddeeff"
#define LOGIN(reverse) "instance=" UUID "&reverse=" reverse "&token=" DIGEST

static const uint8_t instance[INSTANCE_SIZE] = {0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77,
						0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff};

/* ---- the path ---- */

static void assert_path(const char *configured, bool reverse, const char *expected)
{
	struct config_linksocks_client config = {.path = configured, .reverse = reverse};
	assert_true(secret_set(&config.token, slice_of("test")));
	char *path = linksocks_path_create(&config, instance);
	assert_string_equal(path, expected);
	linksocks_path_destroy(path);
	secret_fini(&config.token);
}

static void path_logs_in(void **state)
{
	assert_path("/socket", false, "/socket?" LOGIN("false"));
	assert_path("/socket", true, "/socket?" LOGIN("true"));
	assert_path("/socket?", false, "/socket?" LOGIN("false"));
}

static void query_is_kept(void **state)
{
	assert_path("/socket?a=1", false, "/socket?a=1&" LOGIN("false"));
	assert_path("/socket?a=1&b=%20", true, "/socket?a=1&b=%20&" LOGIN("true"));
	/* a server believes the first of two */
	assert_path("/socket?token=x&a=1&reverse&instance=&tokens=2", false,
		    "/socket?a=1&tokens=2&" LOGIN("false"));
}

static void other_paths_log_in_by_message(void **state)
{
	assert_path("/socket/", false, "/socket/");
	assert_path("/ws?a=1", true, "/ws?a=1");
	assert_path("/sockets", true, "/sockets");
	assert_true(linksocks_path_has_login("/socket?x"));
	assert_false(linksocks_path_has_login("/socket/"));
	assert_false(linksocks_path_has_login("/"));
}

static struct linksocks_url url_of(bool tls, const char *host, uint16_t port, const char *path)
{
	struct linksocks_url url = {.tls = tls, .port = port, .path = path};
	text_copy(url.host, sizeof url.host, slice_of(host));
	return url;
}

static void host_field(void **state)
{
	char host[URL_HOST_SIZE];
	struct linksocks_url url = url_of(true, "example.com", 443, "/");
	assert_string_equal(linksocks_url_host(&url, host), "example.com");
	url = url_of(false, "example.com", 443, "/");
	assert_string_equal(linksocks_url_host(&url, host), "example.com:443");
	url = url_of(false, "::1", 80, "/");
	assert_string_equal(linksocks_url_host(&url, host), "[::1]");
	url = url_of(false, "::1", 8765, "/");
	assert_string_equal(linksocks_url_host(&url, host), "[::1]:8765");
}

/* ---- redirections ---- */

static char room[URL_PATH_SIZE];

static void assert_follows(const char *location, bool tls, const char *host, uint16_t port, const char *path)
{
	struct linksocks_url url = url_of(true, "from.example", 8443, "/a/b?q=1");
	assert_true(linksocks_url_follow(&url, slice_of(location), room));
	assert_int_equal(url.tls, tls);
	assert_string_equal(url.host, host);
	assert_int_equal(url.port, port);
	assert_string_equal(url.path, path);
}

static void absolute_redirections(void **state)
{
	assert_follows("https://to.example/socket?token=1", true, "to.example", 443, "/socket?token=1");
	assert_follows("wss://to.example:1/x", true, "to.example", 1, "/x");
	assert_follows("http://to.example", false, "to.example", 80, "/");
	assert_follows("WS://to.example?a=1", false, "to.example", 80, "/?a=1");
	assert_follows("ws://to.example:/x", false, "to.example", 80, "/x");
	assert_follows("wss://[2001:db8::1]:9/x", true, "2001:db8::1", 9, "/x");
	assert_follows("wss://[2001:db8::1]/x#part", true, "2001:db8::1", 443, "/x");
	assert_follows("//to.example/x", true, "to.example", 443, "/x");
}

static void relative_redirections(void **state)
{
	assert_follows("/x?y=2", true, "from.example", 8443, "/x?y=2");
	assert_follows("c", true, "from.example", 8443, "/a/c");
	assert_follows("c/?z", true, "from.example", 8443, "/a/c/?z");
	assert_follows("?q=2", true, "from.example", 8443, "/a/b?q=2");
	assert_follows("#part", true, "from.example", 8443, "/a/b?q=1");
	assert_follows("../c", true, "from.example", 8443, "/c");
	assert_follows("../../../c/./d/..", true, "from.example", 8443, "/c/");
	assert_follows("/..", true, "from.example", 8443, "/");
	assert_follows("/x?next=http://a:b", true, "from.example", 8443, "/x?next=http://a:b");
}

static void second_redirection_beside_the_first(void **state)
{
	struct linksocks_url url = url_of(false, "from.example", 80, "/socket");
	assert_true(linksocks_url_follow(&url, slice_of("/one/two?a"), room));
	assert_true(linksocks_url_follow(&url, slice_of("three"), room));
	assert_string_equal(url.path, "/one/three");
	assert_ptr_equal(url.path, room);
}

static void assert_goes_nowhere(const char *location, size_t size)
{
	struct linksocks_url url = url_of(true, "from.example", 8443, "/a");
	struct slice slice = {(const uint8_t *)location, size};
	assert_false(linksocks_url_follow(&url, slice, room));
	assert_string_equal(url.host, "from.example");
	assert_string_equal(url.path, "/a");
}

static void redirections_to_nowhere(void **state)
{
	static const char *const bad[] = {
	    "",		       "ftp://to.example/",   "mailto:a",	      "http://",
	    "http:///x",       "http://a@b/",	      "http://to.example:0/", "http://to.example:99999/",
	    "http://[::1/x",   "http://to.example:x", "/a b",		      "/a\r\nX: y",
	    "http:\\\\to/x",   "javascript://x",
	};
	for (size_t i = 0; i < COUNT_OF(bad); i++)
		assert_goes_nowhere(bad[i], strlen(bad[i]));
	assert_goes_nowhere("/a\0b", 4);
	static char longest[URL_PATH_SIZE + 1];
	memset(longest, '/', sizeof longest);
	longest[1] = 'x';
	for (size_t size = URL_PATH_SIZE - 1; size <= URL_PATH_SIZE; size++)
		assert_goes_nowhere(longest, size);
}

/* ---- turns ---- */

static void links_take_turns(void **state)
{
	struct linksocks_client_links *links = linksocks_client_links_create(3);
	uint32_t turn = 0;
	assert_non_null(links);
	assert_int_equal(linksocks_client_next_link(links, &turn), 3);
	for (uint32_t i = 0; i < 3; i++)
		burden_open(&links->burdens[i]);
	/* the first user gets the second link, as with the original */
	for (uint32_t i = 1; i < 8; i++)
		assert_int_equal(linksocks_client_next_link(links, &turn), i % 3);
	burden_close(&links->burdens[2]);
	assert_int_equal(linksocks_client_next_link(links, &turn), 0);
	assert_int_equal(linksocks_client_next_link(links, &turn), 1);
	assert_int_equal(linksocks_client_next_link(links, &turn), 0);
	burden_close(&links->burdens[1]);
	assert_int_equal(linksocks_client_next_link(links, &turn), 0);
	linksocks_client_links_destroy(links);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(path_logs_in),
	    cmocka_unit_test(query_is_kept),
	    cmocka_unit_test(other_paths_log_in_by_message),
	    cmocka_unit_test(host_field),
	    cmocka_unit_test(absolute_redirections),
	    cmocka_unit_test(relative_redirections),
	    cmocka_unit_test(second_redirection_beside_the_first),
	    cmocka_unit_test(redirections_to_nowhere),
	    cmocka_unit_test(links_take_turns),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
