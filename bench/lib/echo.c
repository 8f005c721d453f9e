/* bench/lib/echo.c - see echo.h. */
#include "bench/lib/echo.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "bench/lib/child.h"
#include "bench/lib/message.h"

enum { STACK_SIZE = 128 * 1024 };

struct echo_stream {
	struct echo *echo;
	struct circuit circuit;
	uint32_t index;
	uint64_t asked, answered; /* by the user, by the origin; equal between runs */
	struct histogram times;
	pthread_t user, origin;
};

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static struct message_id id_of(const struct echo_stream *stream, uint64_t number, uint64_t answers)
{
	return (struct message_id){(uint64_t)stream->echo->run << 32 | stream->index, number, answers};
}

static bool set_urgency(bool urgent)
{
	struct sched_param one = {.sched_priority = urgent ? 1 : 0};

	return pthread_setschedparam(pthread_self(), urgent ? SCHED_FIFO : SCHED_OTHER, &one) == 0;
}

bool echo_is_urgent(void)
{
	bool urgent = set_urgency(true);

	set_urgency(false);
	return urgent;
}

/* What a receive of one message has brought. False: not that message, and the fault says so. */
static bool judge(struct echo_stream *stream, const uint8_t *bytes, int size, struct message_id id)
{
	struct fault *fault = stream->echo->fault;
	const char *where = id.answers ? "down" : "up";

	if (size < 0)
		fault_set(fault, "echo %" PRIu64 " of stream %u %s: %s", id.number, stream->index, where,
			  errno == EAGAIN ? "did not arrive" : strerror(errno));
	else if (size < ECHO_SIZE)
		fault_set(fault, "echo %" PRIu64 " of stream %u %s: the end came after %d bytes", id.number,
			  stream->index, where, size);
	else if (!message_matches(bytes, ECHO_SIZE, id))
		fault_set(fault, "echo %" PRIu64 " of stream %u %s: wrong bytes", id.number, stream->index,
			  where);
	else
		return true;
	return false;
}

static bool say(struct echo_stream *stream, int fd, struct message_id id)
{
	if (message_send(fd, ECHO_SIZE, id))
		return true;
	fault_set(stream->echo->fault, "echo %" PRIu64 " of stream %u: write: %s", id.number, stream->index,
		  strerror(errno));
	return false;
}

/* Number of the message that ends a run: the user alone knows when that is. */
#define LAST UINT64_MAX

/* False: there is nothing more to answer. */
static bool answer(struct echo_stream *stream)
{
	uint8_t bytes[ECHO_SIZE];
	int size = message_receive(stream->circuit.origin, bytes, sizeof(bytes));
	bool last = size == ECHO_SIZE && message_id(bytes).number == LAST;
	uint64_t number = last ? LAST : stream->answered;

	if (!judge(stream, bytes, size, id_of(stream, number, 0)) || last)
		return false;
	stream->answered++;
	return say(stream, stream->circuit.origin, id_of(stream, number, 1));
}

static bool hear(struct echo_stream *stream, uint64_t number)
{
	uint8_t bytes[ECHO_SIZE];
	int size = message_receive(stream->circuit.user, bytes, sizeof(bytes));

	return judge(stream, bytes, size, id_of(stream, number, 1));
}

static void *run_origin(void *argument)
{
	struct echo_stream *stream = argument;

	if (stream->echo->stream_count == 1)
		set_urgency(true);
	while (!fault_is_set(stream->echo->fault) && answer(stream))
		continue;
	return NULL;
}

static void *run_user(void *argument)
{
	struct echo_stream *stream = argument;
	struct echo *echo = stream->echo;

	if (echo->stream_count == 1)
		set_urgency(true);
	while (!atomic_load(&echo->stopping) && !fault_is_set(echo->fault)) {
		uint64_t number = stream->asked++, start = now_ns();
		if (!say(stream, stream->circuit.user, id_of(stream, number, 0)) || !hear(stream, number))
			break;
		histogram_add(&stream->times, now_ns() - start);
	}
	say(stream, stream->circuit.user, id_of(stream, LAST, 0));
	return NULL;
}

static bool start(struct echo *echo, pthread_t *thread, void *(*run)(void *), struct echo_stream *stream)
{
	pthread_attr_t attributes;

	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, STACK_SIZE);
	int cause = pthread_create(thread, &attributes, run, stream);
	pthread_attr_destroy(&attributes);
	if (cause != 0)
		fault_set(echo->fault, "cannot start an echo thread: %s", strerror(cause));
	return cause == 0;
}

bool echo_run(struct echo *echo, double seconds, struct echo_result *result)
{
	uint32_t users = 0, origins = 0;
	double first = child_now();

	atomic_store(&echo->stopping, false);
	memset(result, 0, sizeof(*result));
	for (; origins < echo->stream_count; origins++)
		if (!start(echo, &echo->streams[origins].origin, run_origin, &echo->streams[origins]))
			break;
	for (; users < origins; users++) {
		memset(&echo->streams[users].times, 0, sizeof(struct histogram));
		if (!start(echo, &echo->streams[users].user, run_user, &echo->streams[users]))
			break;
	}
	child_sleep(seconds, &echo->fault->is_set);
	result->seconds = child_now() - first;
	atomic_store(&echo->stopping, true);
	for (uint32_t i = 0; i < users; i++) {
		pthread_join(echo->streams[i].user, NULL);
		histogram_merge(&result->times, &echo->streams[i].times);
	}
	for (uint32_t i = 0; i < origins; i++)
		pthread_join(echo->streams[i].origin, NULL);
	return !fault_is_set(echo->fault) && !child_is_interrupted();
}

bool echo_once(struct echo *echo)
{
	for (uint32_t i = 0; i < echo->stream_count && !child_is_interrupted(); i++) {
		struct echo_stream *stream = &echo->streams[i];
		uint64_t number = stream->asked++;
		if (!say(stream, stream->circuit.user, id_of(stream, number, 0)) || !answer(stream) ||
		    !hear(stream, number))
			return false;
	}
	return !child_is_interrupted();
}

static void close_all(struct echo *echo)
{
	for (uint32_t i = 0; i < echo->stream_count; i++)
		circuit_close(&echo->streams[i].circuit);
	free(echo->streams);
	echo->streams = NULL;
	echo->stream_count = 0;
}

bool echo_open(struct echo *echo, uint32_t stream_count, uint16_t port, int listener)
{
	echo->streams = calloc(stream_count, sizeof(*echo->streams));
	check(echo->streams != NULL);
	for (echo->stream_count = 0; echo->stream_count < stream_count; echo->stream_count++) {
		struct echo_stream *stream = &echo->streams[echo->stream_count];
		char why[CIRCUIT_TEXT_SIZE] = "";
		stream->echo = echo;
		stream->index = echo->stream_count;
		if (!child_is_interrupted() &&
		    circuit_open(&stream->circuit, port, listener, id_of(stream, 0, 0).name, why)) {
			circuit_block(&stream->circuit);
			continue;
		}
		fault_set(echo->fault, "stream %u: %s", echo->stream_count, why);
		close_all(echo);
		return false;
	}
	return true;
}

static void finish(struct echo_stream *stream)
{
	struct fault *fault = stream->echo->fault;
	uint8_t byte;

	shutdown(stream->circuit.user, SHUT_WR);
	int size = message_receive(stream->circuit.origin, &byte, 1);
	if (size > 0)
		fault_set(fault, "stream %u: bytes arrived that were not sent", stream->index);
	else if (size < 0)
		fault_set(fault, "stream %u: instead of its end: %s", stream->index, strerror(errno));
}

bool echo_close(struct echo *echo)
{
	for (uint32_t i = 0; i < echo->stream_count && !fault_is_set(echo->fault); i++)
		if (!child_is_interrupted())
			finish(&echo->streams[i]);
	close_all(echo);
	return !fault_is_set(echo->fault);
}
