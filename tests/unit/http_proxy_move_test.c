/* tests/unit/http_proxy_move_test.c - users of the HTTP proxy who came to the wrong worker, under real
 * workers on both engines: their request, rewritten where they have gone, and what they said behind it.
 */
#include "protocols/frontends/http_proxy.h"
#include "tests/unit/move_world.h"

#define LOGIN "Proxy-Authorization: Basic dXNlcjpwYXNz\r\n"
#define DONE "HTTP/1.1 200 Connection Established\r\n\r\n"

static void user_starts(struct session *session)
{
	static const struct http_proxy_policy policy = {.password = true};
	http_proxy_set_policy(session, &policy);
}

static char text[24000];

static void say_text(int fd, const char *bytes) { say(fd, bytes, strlen(bytes)); }
static void hear_text(int fd, const char *bytes) { hear(fd, bytes, strlen(bytes)); }

/* Everything at once, and much more right behind it: all arrives, in order, and once. */
static void a_tunnel(void **state)
{
	begin(&wire_http_proxy);
	snprintf(text, sizeof text, "CONNECT 127.0.0.1:%u HTTP/1.1\r\nHost: 127.0.0.1:%u\r\n" LOGIN "\r\n",
		 origin_port, origin_port);
	struct iovec parts[] = {{text, strlen(text)}, {block, 100000}};
	ssize_t sent = writev(user, parts, 2);
	assert_true(sent > (ssize_t)strlen(text));
	size_t early = (size_t)sent - strlen(text);
	origin_accepts();
	hear_text(user, DONE);
	hear(far, block, early);
	say(user, block, SIZE / 2);
	assert_int_equal(shutdown(user, SHUT_WR), 0);
	hear(far, block, SIZE / 2);
	say_text(far, "the answer");
	hear_text(user, "the answer");
	assert_true(moved == 1 && opened_at == 1);
	end();
}

/* Without a password it is told to log in, and does so on the same connection. */
static void in_pieces(void **state)
{
	static char expected[1024];
	begin(&wire_http_proxy);
	snprintf(text, sizeof text, "GET http://127.0.0.1:%u/a HTTP/1.1\r\nHost: 127.0.0.1:%u\r\n",
		 origin_port, origin_port);
	say_text(user, text);
	say_text(user, "\r\n");
	char heard[1024] = "";
	for (size_t at = 0; !strstr(heard, "password.\n");) {
		ssize_t got = recv(user, heard + at, sizeof heard - 1 - at, 0);
		assert_true(got > 0 || (got < 0 && errno == EAGAIN));
		at += got > 0 ? (size_t)got : 0;
		turn_both();
	}
	assert_memory_equal(heard, "HTTP/1.1 407 ", 13);
	strcat(text, LOGIN "\r\n");
	for (size_t i = 0; text[i]; i++)
		say(user, text + i, 1);
	origin_accepts();
	snprintf(expected, sizeof expected,
		 "GET /a HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nConnection: close\r\n\r\n", origin_port);
	hear_text(far, expected);
	say_text(far, "HTTP/1.1 200 OK\r\n\r\nbody");
	close(far);
	far = -1;
	hear_text(user, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nbody");
	assert_true(moved == 1 && opened_at == 1);
	end();
}

/* The longest head, in two pieces, and a body behind it that is longer than any buffer. */
static void a_large_request(void **state)
{
	static char expected[24000];
	enum { FIELD = 16000 };
	begin(&wire_http_proxy);
	int size = snprintf(text, sizeof text,
			    "PUT http://127.0.0.1:%u/ HTTP/1.1\r\nHost: 127.0.0.1:%u\r\n" LOGIN
			    "Content-Length: %d\r\nX: ", origin_port, origin_port, SIZE);
	memset(text + size, 'x', FIELD);
	strcpy(text + size + FIELD, "\r\n\r\n");
	size = snprintf(expected, sizeof expected,
			"PUT / HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nContent-Length: %d\r\nX: ",
			origin_port, SIZE);
	memset(expected + size, 'x', FIELD);
	strcpy(expected + size + FIELD, "\r\nConnection: close\r\n\r\n");
	say(user, text, 9000);
	struct iovec parts[] = {{text + 9000, strlen(text) - 9000}, {block, 50000}};
	size_t rest = parts[0].iov_len;
	ssize_t sent = writev(user, parts, 2);
	assert_true(sent > (ssize_t)rest);
	size_t early = (size_t)sent - rest;
	origin_accepts();
	hear_text(far, expected);
	hear(far, block, early);
	for (size_t at = early; at < SIZE; at += 65536) {
		size_t part = size_min(65536, SIZE - at);
		say(user, block + at, part);
		hear(far, block + at, part);
	}
	say_text(user, "behind");
	say_text(far, "HTTP/1.1 204 No Content\r\n\r\n");
	hear_text(user, "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n");
	char byte;
	assert_true(recv(far, &byte, 1, 0) < 0 && errno == EAGAIN);
	assert_true(moved == 1 && opened_at == 1);
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_tunnel),
		cmocka_unit_test(in_pieces),
		cmocka_unit_test(a_large_request),
	};
	return RUN_WITH_BLOCK(tests);
}
