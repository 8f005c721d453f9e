/* tests/unit/listener_test.c - whose an accepted connection is: asked once, and held against that source
 * until it is over, whatever becomes of the connection meanwhile.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/detect.h"
#include "ring/ring_socket.h"
#include "ring/sources.h"
#include "ring/stream.h"
#include "tests/unit/one_worker.h"

enum { PATIENCE_S = 60 };

static struct ring_table table;
static struct address source;            /* loopback does not count, so the ring tells of another one */
static unsigned answers;
static uint16_t port;
static bool closed;

/* The kernel knows the peer of a connection until that has reset it. */
static int peer_for_a_while(struct ring *ring, int fd, struct address *address)
{
	if (answers == 0)
		return -ENOTCONN;
	answers--;
	*address = source;
	return 0;
}

static enum status never_enough(const struct detector *detector, const struct detect_question *question,
				struct detect_answer *answer)
{
	return STATUS_MORE;
}

static const struct detector detector = {.detect = never_enough};

static void opened(struct listening *listening, int error)
{
	assert_int_equal(error, 0);
	port = listening->address.port;
}

static void is_closed(struct listening *listening) { closed = true; }

static int call(void)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
	return fd;
}

static void turn_until_streams(uint32_t count)
{
	struct instant until = instant_after(ring_now(worker->ring), DURATION_S(PATIENCE_S));
	while (worker->stream_count != count && instant_before(ring_now(worker->ring), until))
		turn();
	assert_int_equal(worker->stream_count, count);
}

static void reset_connection_is_counted_off(void **state)
{
	struct service service = {.hub = &worker->hub};
	struct listening listening = {.detector = &detector, .service = &service, .guarded = true,
				      .opened = opened, .closed = is_closed};
	assert_true(address_of_literal(&listening.address, "127.0.0.1", 0));
	assert_true(address_of_literal(&source, "192.0.2.1", 4000));
	table = *worker->ring->table;
	table.peer = peer_for_a_while;
	worker->ring->table = &table;
	hub_listen(&worker->hub, &listening);
	while (!port)
		turn();
	for (unsigned known = 0; known <= 2; known++) {
		answers = known;
		int fd = call();
		turn_until_streams(1);
		assert_int_equal(sources_count(process.sources, &source), known ? 1 : 0);
		socket_close(fd, true);
		turn_until_streams(0);
		assert_int_equal(sources_count(process.sources, &source), 0);
	}
	hub_unlisten(&worker->hub, &listening);
	while (!closed)
		turn();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reset_connection_is_counted_off),
	};
	return cmocka_run_group_tests(tests, worker_begin, worker_end);
}
