/* tests/unit/socks5_move_test.c - SOCKS5 users who came to the wrong worker, under real workers on both
 * engines: what they are owed, what they have said behind their request, and their associations go along.
 */
#include "protocols/frontends/socks5.h"
#include "tests/unit/move_world.h"

static void user_starts(struct session *session)
{
	static const struct socks5_policy policy = {.password = true, .udp = true};
	socks5_set_policy(session, &policy);
}

static size_t request(uint8_t *bytes, const char *head, size_t head_size)
{
	memcpy(bytes, head, head_size);
	put16(bytes + head_size, origin_port);
	return head_size + 2;
}

/* ---- the tests ---- */

#define LOGIN "\5\1\2\1\4user\4pass"
#define CONNECT "\5\1\0\1\x7f\0\0\1"
#define DONE "\5\0\0\1\0\0\0\0\0\0"

/* Everything at once, and much more right behind it: all arrives, in order, and once. */
static void all_at_once(void **state)
{
	begin(&wire_socks5);
	uint8_t head[64];
	size_t size = request(head, LOGIN CONNECT, sizeof LOGIN CONNECT - 1);
	struct iovec parts[] = {{head, size}, {block, 100000}};
	ssize_t sent = writev(user, parts, 2);
	assert_true(sent > (ssize_t)size);
	size_t early = (size_t)sent - size;
	origin_accepts();
	hear(user, "\5\2\1\0" DONE, 14);
	hear(far, block, early);
	say(user, block, SIZE / 2);
	assert_int_equal(shutdown(user, SHUT_WR), 0);
	hear(far, block, SIZE / 2);
	say(far, "the answer", 10);
	hear(user, "the answer", 10);
	assert_true(moved == 1 && opened_at == 1);
	end();
}

static void step_by_step(void **state)
{
	begin(&wire_socks5);
	uint8_t bytes[64];
	size_t size = request(bytes, CONNECT, sizeof CONNECT - 1);
	say(user, "\5\1\2", 3);
	hear(user, "\5\2", 2);
	say(user, "\1\4user\4pass", 11);
	hear(user, "\1\0", 2);
	for (size_t i = 0; i < size; i++)
		say(user, bytes + i, 1);
	origin_accepts();
	hear(user, DONE, 10);
	say(far, "banner", 6);
	hear(user, "banner", 6);
	assert_true(moved == 1 && opened_at == 1);
	end();
}

/* The socket for datagrams is made where the user has gone. */
static void association(void **state)
{
	begin(&wire_socks5);
	uint16_t own, peer_port;
	int own_fd = socket_of(SOCK_DGRAM, &own), peer = socket_of(SOCK_DGRAM, &peer_port);
	uint8_t reply[14], datagram[64];
	say(user, LOGIN "\5\3\0\1\0\0\0\0\0\0", sizeof LOGIN - 1 + 10);
	for (size_t at = 0; at < sizeof reply;) {
		ssize_t got = recv(user, reply + at, sizeof reply - at, 0);
		assert_true(got > 0 || errno == EAGAIN);
		at += got > 0 ? (size_t)got : 0;
		turn_both();
	}
	assert_memory_equal(reply, "\5\2\1\0\5\0\0\1\x7f\0\0\1", 12);
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(get16(reply + 12)),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	memcpy(datagram, "\0\0\0\1\x7f\0\0\1", 8);
	put16(datagram + 8, peer_port);
	memcpy(datagram + 10, "ask", 3);
	assert_int_equal(sendto(own_fd, datagram, 13, 0, (struct sockaddr *)&to, sizeof to), 13);
	struct sockaddr_in from;
	socklen_t from_size = sizeof from;
	uint8_t heard[64];
	while (recvfrom(peer, heard, sizeof heard, 0, (struct sockaddr *)&from, &from_size) != 3)
		turn_both();
	assert_memory_equal(heard, "ask", 3);
	assert_int_equal(sendto(peer, "answer", 6, 0, (struct sockaddr *)&from, from_size), 6);
	while (recv(own_fd, heard, sizeof heard, 0) != 16)
		turn_both();
	assert_memory_equal(heard, datagram, 10);
	assert_memory_equal(heard + 10, "answer", 6);
	assert_true(moved == 1 && opened_at == 1);
	close(own_fd);
	close(peer);
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_at_once),
		cmocka_unit_test(step_by_step),
		cmocka_unit_test(association),
	};
	return RUN_WITH_BLOCK(tests);
}
