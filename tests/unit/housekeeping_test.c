/* tests/unit/housekeeping_test.c - after a shortage the worker goes on with all of its streams, and some end
 * by that.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/detect.h"
#include "ring/stream.h"
#include "tests/unit/one_worker.h"

enum { STREAMS = 3, PATIENCE_S = 60 };

static enum status never_enough(const struct detector *detector, const struct detect_question *question,
				struct detect_answer *answer)
{
	return STATUS_MORE;
}

static const struct detector detector = {.detect = never_enough};
static const struct welcome welcome = {.detector = &detector};

static struct stream *newest(void) { return OWNER(worker->streams.prev, struct stream, worker_link); }

/* One whose peer has said something, and whose socket has come to its end, which was not seen yet. */
static int accept_one(void)
{
	int ends[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
	stream_accept(worker, ends[0], &(struct address){0}, &welcome);
	struct stream *stream = newest();
	struct instant until = instant_after(ring_now(worker->ring), DURATION_S(PATIENCE_S));
	assert_int_equal(write(ends[1], "x", 1), 1);
	while (!stream->pending.buf && instant_before(ring_now(worker->ring), until))
		turn();
	assert_non_null(stream->pending.buf);
	stream->paused = true;
	ring_cancel(worker->ring, &stream->recv);
	while (stream->recv.submitted && instant_before(ring_now(worker->ring), until))
		turn();
	assert_false(stream->recv.submitted);
	stream->in_ended = true;
	return ends[1];
}

static void streams_end_while_all_are_looked_at(void **state)
{
	int ends[STREAMS];
	for (int i = 0; i < STREAMS; i++)
		ends[i] = accept_one();
	assert_int_equal(worker->stream_count, STREAMS);
	worker->starving = true;
	worker->housekeeping.expired(&worker->housekeeping);
	assert_true(list_is_empty(&worker->streams));
	turn();
	assert_int_equal(worker->stream_count, 0);
	for (int i = 0; i < STREAMS; i++)
		close(ends[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(streams_end_while_all_are_looked_at),
	};
	return cmocka_run_group_tests(tests, worker_begin, worker_end);
}
