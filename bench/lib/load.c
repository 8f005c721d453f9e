/* bench/lib/load.c - see load.h. */
#include "bench/lib/load.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench/lib/child.h"

enum {
	READ_SIZE = 256 * 1024,
	WINDOW_SIZE = 64,
	EVENTS_MAX = 64,
	IDLE_MS = 50,	    /* how late a thread without traffic sees that it is to stop */
	STALL_SECONDS = 15, /* bytes that were sent and are not there by then are lost */
	END_MS = 5000,
};

/* One source or one sink: every thread_count-th stream, from `index`. */
struct loader {
	struct load *load;
	uint32_t index;
	int epoll;
	uint8_t *buffer;
	uint64_t random;
	double last; /* when this sink last got bytes */
	pthread_t thread;
};

static int source_fd(const struct load *load, const struct load_stream *stream)
{
	return load->direction == DIRECTION_UP ? stream->circuit.user : stream->circuit.origin;
}

static int sink_fd(const struct load *load, const struct load_stream *stream)
{
	return load->direction == DIRECTION_UP ? stream->circuit.origin : stream->circuit.user;
}

static const char *direction_name(const struct load *load)
{
	return load->direction == DIRECTION_UP ? "up" : "down";
}

static struct pattern_id pattern_of(const struct load *load, uint32_t index)
{
	return (struct pattern_id){load->run, index * 2 + (uint32_t)load->direction};
}

static bool watch(struct loader *loader, bool source)
{
	struct load *load = loader->load;

	for (uint32_t i = loader->index; i < load->stream_count; i += load->thread_count) {
		struct load_stream *stream = &load->streams[i];
		struct epoll_event event = {.events = source ? EPOLLOUT : EPOLLIN, .data.u32 = i};
		int fd = source ? source_fd(load, stream) : sink_fd(load, stream);
		if (epoll_ctl(loader->epoll, EPOLL_CTL_ADD, fd, &event) != 0) {
			fault_set(load->fault, "epoll: %s", strerror(errno));
			return false;
		}
	}
	return true;
}

static void send_some(struct loader *loader, uint32_t index)
{
	struct load *load = loader->load;
	struct load_stream *stream = &load->streams[index];
	const uint8_t *bytes = pattern_fill(loader->buffer, pattern_of(load, index), stream->sent);
	ssize_t size = send(source_fd(load, stream), bytes, PATTERN_WRITE_MAX, MSG_NOSIGNAL | MSG_DONTWAIT);

	if (size > 0)
		stream->sent += (uint64_t)size;
	else if (errno != EAGAIN && errno != EINTR)
		fault_set(load->fault, "stream %u %s: write after %" PRIu64 " bytes: %s", index,
			  direction_name(load), stream->sent, strerror(errno));
}

static void *run_source(void *argument)
{
	struct loader *loader = argument;
	struct load *load = loader->load;
	struct epoll_event events[EVENTS_MAX];

	pattern_prepare(loader->buffer);
	if (!watch(loader, true))
		return NULL;
	while (!atomic_load(&load->stopping) && !fault_is_set(load->fault)) {
		int count = epoll_wait(loader->epoll, events, EVENTS_MAX, IDLE_MS);
		for (int i = 0; i < count && !atomic_load(&load->stopping); i++)
			send_some(loader, events[i].data.u32);
	}
	return NULL;
}

/* A displaced byte shows in the next stamp; the window is there for damage in place. */
static bool is_right(struct loader *loader, struct pattern_id id, uint64_t offset, struct slice bytes)
{
	if (loader->load->thorough || bytes.size <= WINDOW_SIZE)
		return pattern_matches(id, offset, bytes);
	size_t at = (size_t)(random_next(&loader->random) % (bytes.size - WINDOW_SIZE + 1));
	return pattern_stamps_match(id, offset, bytes) &&
	       pattern_matches(id, offset + at, (struct slice){bytes.at + at, WINDOW_SIZE});
}

static void judge(struct loader *loader, uint32_t index, uint64_t offset, struct slice bytes)
{
	struct load *load = loader->load;
	char text[PATTERN_TEXT_SIZE];

	if (is_right(loader, pattern_of(load, index), offset, bytes))
		return;
	pattern_explain(pattern_of(load, index), offset, bytes, text);
	fault_set(load->fault, "stream %u %s: %s", index, direction_name(load), text);
}

static void receive_some(struct loader *loader, uint32_t index)
{
	struct load *load = loader->load;
	struct load_stream *stream = &load->streams[index];
	uint64_t offset = atomic_load_explicit(&stream->received, memory_order_relaxed);
	ssize_t size = recv(sink_fd(load, stream), loader->buffer, READ_SIZE, MSG_DONTWAIT);

	if (size > 0) {
		judge(loader, index, offset, (struct slice){loader->buffer, (size_t)size});
		atomic_store_explicit(&stream->received, offset + (uint64_t)size, memory_order_relaxed);
	} else if (size == 0) {
		fault_set(load->fault, "stream %u %s: ended after %" PRIu64 " bytes", index,
			  direction_name(load), offset);
	} else if (errno != EAGAIN && errno != EINTR) {
		fault_set(load->fault, "stream %u %s: read after %" PRIu64 " bytes: %s", index,
			  direction_name(load), offset, strerror(errno));
	}
}

static bool has_all(const struct loader *loader)
{
	const struct load *load = loader->load;

	for (uint32_t i = loader->index; i < load->stream_count; i += load->thread_count)
		if (atomic_load_explicit(&load->streams[i].received, memory_order_relaxed) <
		    load->streams[i].sent)
			return false;
	return true;
}

/* Only sockets know whether more than was sent has come, so the excess is looked for at the end. */
static void report_missing(const struct loader *loader)
{
	struct load *load = loader->load;

	for (uint32_t i = loader->index; i < load->stream_count; i += load->thread_count) {
		uint64_t received = atomic_load(&load->streams[i].received);
		if (received != load->streams[i].sent)
			fault_set(load->fault,
				  "stream %u %s: %" PRIu64 " bytes were sent, %" PRIu64 " arrived", i,
				  direction_name(load), load->streams[i].sent, received);
	}
}

static void *run_sink(void *argument)
{
	struct loader *loader = argument;
	struct load *load = loader->load;
	struct epoll_event events[EVENTS_MAX];

	loader->last = child_now();
	if (!watch(loader, false))
		return NULL;
	while (!fault_is_set(load->fault) && !child_is_interrupted()) {
		bool final = atomic_load(&load->sent_known);
		if (final && (has_all(loader) || child_now() > loader->last + STALL_SECONDS))
			break;
		int count =
		    epoll_wait(loader->epoll, events, EVENTS_MAX, atomic_load(&load->stopping) ? 1 : IDLE_MS);
		for (int i = 0; i < count; i++)
			receive_some(loader, events[i].data.u32);
		if (count > 0)
			loader->last = child_now();
	}
	if (atomic_load(&load->sent_known) && !child_is_interrupted())
		report_missing(loader);
	return NULL;
}

static bool start(struct loader *loader, struct load *load, uint32_t index, void *(*run)(void *))
{
	*loader = (struct loader){.load = load, .index = index, .random = load->run + index};
	loader->epoll = epoll_create1(EPOLL_CLOEXEC);
	loader->buffer = aligned_alloc(4096, size_max(READ_SIZE, PATTERN_BUFFER));
	if (loader->epoll >= 0 && loader->buffer != NULL &&
	    pthread_create(&loader->thread, NULL, run, loader) == 0)
		return true;
	fault_set(load->fault, "cannot start a load thread: %s", strerror(errno));
	if (loader->epoll >= 0)
		close(loader->epoll);
	free(loader->buffer);
	return false;
}

static void join(struct loader *loader)
{
	pthread_join(loader->thread, NULL);
	close(loader->epoll);
	free(loader->buffer);
}

static void begin(struct load *load)
{
	atomic_store(&load->stopping, false);
	atomic_store(&load->sent_known, false);
	for (uint32_t i = 0; i < load->stream_count; i++)
		load->streams[i].received_before = atomic_load(&load->streams[i].received);
}

/* Bytes of this run so far: their sum and the smallest share of it. */
static uint64_t count_bytes(const struct load *load, double *share)
{
	uint64_t sum = 0, least = UINT64_MAX;

	for (uint32_t i = 0; i < load->stream_count; i++) {
		uint64_t bytes = atomic_load(&load->streams[i].received) - load->streams[i].received_before;
		sum += bytes;
		if (bytes < least)
			least = bytes;
	}
	*share = sum > 0 ? (double)least * load->stream_count / (double)sum : 0;
	return sum;
}

bool load_run(struct load *load, double seconds, struct load_result *result)
{
	struct loader *sinks = calloc(load->thread_count, sizeof(*sinks));
	struct loader *sources = calloc(load->thread_count, sizeof(*sources));
	uint32_t sink_count = 0, source_count = 0;
	double ignored, first = child_now(), last = first;

	check(sinks != NULL && sources != NULL);
	begin(load);
	while (sink_count < load->thread_count && start(&sinks[sink_count], load, sink_count, run_sink))
		sink_count++;
	while (source_count < load->thread_count &&
	       start(&sources[source_count], load, source_count, run_source))
		source_count++;
	child_sleep(seconds, &load->fault->is_set);
	count_bytes(load, &result->share);
	atomic_store(&load->stopping, true);
	for (uint32_t i = 0; i < source_count; i++)
		join(&sources[i]);
	atomic_store(&load->sent_known, true);
	for (uint32_t i = 0; i < sink_count; i++) {
		join(&sinks[i]);
		if (sinks[i].last > last)
			last = sinks[i].last;
	}
	result->bytes = count_bytes(load, &ignored);
	result->seconds = last - first;
	free(sinks);
	free(sources);
	return !fault_is_set(load->fault) && !child_is_interrupted();
}

static void close_all(struct load *load)
{
	for (uint32_t i = 0; i < load->stream_count; i++)
		circuit_close(&load->streams[i].circuit);
	free(load->streams);
	load->streams = NULL;
	load->stream_count = 0;
}

bool load_open(struct load *load, uint32_t stream_count, uint16_t port, int listener)
{
	load->streams = calloc(stream_count, sizeof(*load->streams));
	check(load->streams != NULL);
	for (load->stream_count = 0; load->stream_count < stream_count; load->stream_count++) {
		char why[CIRCUIT_TEXT_SIZE] = "";
		uint64_t name = (uint64_t)load->run << 32 | load->stream_count;
		if (!child_is_interrupted() &&
		    circuit_open(&load->streams[load->stream_count].circuit, port, listener, name, why))
			continue;
		fault_set(load->fault, "stream %u: %s", load->stream_count, why);
		close_all(load);
		return false;
	}
	return true;
}

/* Closes the source and reads its sink to the end. */
static void finish(struct load *load, uint32_t index)
{
	struct load_stream *stream = &load->streams[index];
	struct pollfd wait = {.fd = sink_fd(load, stream), .events = POLLIN};
	uint8_t byte;

	shutdown(source_fd(load, stream), SHUT_WR);
	if (poll(&wait, 1, END_MS) <= 0) {
		fault_set(load->fault, "stream %u %s: its end did not arrive", index, direction_name(load));
		return;
	}
	ssize_t size = recv(wait.fd, &byte, sizeof(byte), MSG_DONTWAIT);
	if (size > 0)
		fault_set(load->fault, "stream %u %s: more bytes arrived than the %" PRIu64 " that were sent",
			  index, direction_name(load), stream->sent);
	else if (size < 0)
		fault_set(load->fault, "stream %u %s: its end was an error: %s", index, direction_name(load),
			  strerror(errno));
}

bool load_close(struct load *load)
{
	for (uint32_t i = 0; i < load->stream_count && !fault_is_set(load->fault); i++)
		if (!child_is_interrupted())
			finish(load, i);
	close_all(load);
	return !fault_is_set(load->fault);
}
