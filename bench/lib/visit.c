/* bench/lib/visit.c - see visit.h. */
#include "bench/lib/visit.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "bench/lib/child.h"
#include "bench/lib/circuit.h"
#include "bench/lib/message.h"

/* An origin without a visitor looks that often whether more will come. */
enum { STACK_SIZE = 128 * 1024, ACCEPT_US = 50000 };

struct visitor {
	struct visits *visits;
	uint32_t index;
	uint64_t count;
	pthread_t thread;
};

static struct message_id id_of(const struct visitor *visitor)
{
	return (struct message_id){(uint64_t)visitor->visits->run << 32 | visitor->index, visitor->count, 0};
}

/* The whole answer and then the end; nothing in between, nothing behind. */
static bool hear(int fd, struct message_id id, struct fault *fault)
{
	uint8_t bytes[VISIT_ANSWER_SIZE + 1];
	int size = message_receive(fd, bytes, sizeof(bytes));

	id.answers = 1;
	if (size < 0)
		fault_set(fault, "connection %" PRIu64 ": its answer: %s", id.number,
			  errno == EAGAIN ? "did not arrive" : strerror(errno));
	else if (size != VISIT_ANSWER_SIZE)
		fault_set(fault, "connection %" PRIu64 ": %d bytes came of an answer of %d", id.number, size,
			  VISIT_ANSWER_SIZE);
	else if (!message_matches(bytes, VISIT_ANSWER_SIZE, id))
		fault_set(fault, "connection %" PRIu64 ": wrong bytes in the answer", id.number);
	else
		return true;
	return false;
}

static bool visit(struct visitor *visitor)
{
	struct visits *visits = visitor->visits;
	struct message_id id = id_of(visitor);
	int fd = circuit_connect(visits->port);

	if (fd < 0) {
		fault_set(visits->fault, "cannot connect to 127.0.0.1:%u: %s", visits->port, strerror(errno));
		return false;
	}
	bool good = message_send(fd, VISIT_QUESTION_SIZE, id);
	if (!good)
		fault_set(visits->fault, "connection %" PRIu64 ": write: %s", id.number, strerror(errno));
	good = good && hear(fd, id, visits->fault);
	close(fd);
	return good;
}

static void *run_user(void *argument)
{
	struct visitor *visitor = argument;
	struct visits *visits = visitor->visits;

	while (!atomic_load(&visits->stopping) && !fault_is_set(visits->fault) && visit(visitor))
		visitor->count++;
	return NULL;
}

/* Ours goes first; the user's follows, with nothing before it. Whoever relays may make a reset of it. */
static void see_end(int fd, struct message_id id, struct fault *fault)
{
	uint8_t byte;

	shutdown(fd, SHUT_WR);
	int size = message_receive(fd, &byte, 1);
	if (size > 0)
		fault_set(fault, "connection %" PRIu64 ": bytes came behind its question", id.number);
	else if (size < 0 && errno != ECONNRESET)
		fault_set(fault, "connection %" PRIu64 ": its end: %s", id.number,
			  errno == EAGAIN ? "did not arrive" : strerror(errno));
}

/* A connection that ends without a byte is none of ours: some peers open one to see who is there. */
static void serve(struct visits *visits, int fd)
{
	uint8_t bytes[VISIT_QUESTION_SIZE];
	int size = message_receive(fd, bytes, sizeof(bytes));

	if (size <= 0)
		return;
	struct message_id id = message_id(bytes);
	if (size < VISIT_QUESTION_SIZE || id.name >> 32 != visits->run || id.answers != 0 ||
	    !message_matches(bytes, VISIT_QUESTION_SIZE, id)) {
		fault_set(visits->fault, "wrong bytes in a question of %d", size);
		return;
	}
	id.answers = 1;
	message_send(fd, VISIT_ANSWER_SIZE, id);
	see_end(fd, id, visits->fault);
}

static void *run_origin(void *argument)
{
	struct visitor *visitor = argument;
	struct visits *visits = visitor->visits;

	while (!atomic_load(&visits->finished)) {
		int fd = circuit_accept(visits->listener);
		if (fd < 0)
			continue;
		serve(visits, fd);
		close(fd);
	}
	return NULL;
}

static uint32_t start(struct visits *visits, struct visitor *visitors, void *(*run)(void *))
{
	pthread_attr_t attributes;
	uint32_t count = 0;

	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, STACK_SIZE);
	for (; count < visits->concurrency; count++) {
		visitors[count] = (struct visitor){.visits = visits, .index = count};
		int cause = pthread_create(&visitors[count].thread, &attributes, run, &visitors[count]);
		if (cause == 0)
			continue;
		fault_set(visits->fault, "cannot start a thread: %s", strerror(cause));
		break;
	}
	pthread_attr_destroy(&attributes);
	return count;
}

/* accept() obeys the receive time-out of its listener. */
static void limit_accept(int listener, long microseconds)
{
	struct timeval limit = {.tv_usec = microseconds};

	setsockopt(listener, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
}

bool visit_run(struct visits *visits, double seconds, struct visit_result *result)
{
	struct visitor *users = calloc(visits->concurrency, sizeof(*users));
	struct visitor *origins = calloc(visits->concurrency, sizeof(*origins));
	double first = child_now();

	check(users != NULL && origins != NULL);
	*result = (struct visit_result){0};
	atomic_store(&visits->stopping, false);
	atomic_store(&visits->finished, false);
	limit_accept(visits->listener, ACCEPT_US);
	uint32_t origin_count = start(visits, origins, run_origin);
	uint32_t user_count = start(visits, users, run_user);
	child_sleep(seconds, &visits->fault->is_set);
	atomic_store(&visits->stopping, true);
	for (uint32_t i = 0; i < user_count; i++) {
		pthread_join(users[i].thread, NULL);
		result->count += users[i].count;
	}
	result->seconds = child_now() - first;
	atomic_store(&visits->finished, true);
	for (uint32_t i = 0; i < origin_count; i++)
		pthread_join(origins[i].thread, NULL);
	limit_accept(visits->listener, 0);
	free(users);
	free(origins);
	return !fault_is_set(visits->fault) && !child_is_interrupted();
}
