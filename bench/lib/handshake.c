/* bench/lib/handshake.c - see handshake.h. */
#include "bench/lib/handshake.h"

#include <pthread.h>
#include <stdlib.h>

#include "bench/lib/child.h"
#include "bench/lib/tls_client.h"
#include "tls/tls.h"

/* wolfSSL computes tables for a thread when it meets a point of the curve for the second time: that takes as
 * long as a hundred handshakes, and belongs into the first run. */
enum { PRIMING = 3 };

struct handshake_client {
	struct handshakes *all;
	struct tls_client tls;
	uint64_t count, refused, total;
	sem_t go;
	pthread_t thread;
};

static void await(sem_t *semaphore)
{
	while (sem_wait(semaphore) != 0)
		continue;
}

/* One more call, from which the ticket is taken. */
static bool take_ticket(struct handshake_client *client)
{
	struct tls_call call;

	if (!tls_call_open(&client->tls, &call))
		return false;
	bool kept = tls_call_keep(&client->tls, &call);
	return tls_call_close(&client->tls, &call) && kept;
}

static void shake_hands(struct handshake_client *client)
{
	struct handshakes *all = client->all;
	struct tls_call call;

	while ((client->total < PRIMING || !atomic_load(&all->stopping)) && !fault_is_set(all->fault)) {
		if (!tls_call_open(&client->tls, &call))
			return;
		client->refused += all->resumed && !call.resumed;
		if (!tls_call_close(&client->tls, &call))
			return;
		client->count++;
		client->total++;
	}
}

static void *run(void *argument)
{
	struct handshake_client *client = argument;

	for (;;) {
		await(&client->go);
		if (atomic_load(&client->all->closing))
			break;
		shake_hands(client);
		sem_post(&client->all->rested);
	}
	tls_thread_stop();
	return NULL;
}

static bool start(struct handshakes *handshakes, struct handshake_client *client)
{
	client->all = handshakes;
	client->tls = (struct tls_client){.port = handshakes->port, .fault = handshakes->fault};
	client->tls.psk_alone = handshakes->psk_alone;
	if (!tls_client_init(&client->tls))
		return false;
	sem_init(&client->go, 0, 0);
	if (pthread_create(&client->thread, NULL, run, client) == 0)
		return true;
	fault_set(handshakes->fault, "cannot start a thread");
	tls_client_fini(&client->tls);
	return false;
}

bool handshake_open(struct handshakes *handshakes, uint32_t client_count)
{
	handshakes->clients = calloc(client_count, sizeof(*handshakes->clients));
	handshakes->client_count = 0;
	check(handshakes->clients != NULL);
	sem_init(&handshakes->rested, 0, 0);
	while (handshakes->client_count < client_count && !child_is_interrupted()) {
		struct handshake_client *client = &handshakes->clients[handshakes->client_count];
		if (!start(handshakes, client))
			return false;
		handshakes->client_count++;
		if (handshakes->resumed && !take_ticket(client))
			return false;
	}
	return !child_is_interrupted();
}

void handshake_close(struct handshakes *handshakes)
{
	atomic_store(&handshakes->closing, true);
	for (uint32_t i = 0; i < handshakes->client_count; i++) {
		struct handshake_client *client = &handshakes->clients[i];
		sem_post(&client->go);
		pthread_join(client->thread, NULL);
		sem_destroy(&client->go);
		tls_client_fini(&client->tls);
	}
	sem_destroy(&handshakes->rested);
	free(handshakes->clients);
	handshakes->clients = NULL;
	handshakes->client_count = 0;
}

bool handshake_run(struct handshakes *handshakes, double seconds, struct handshake_result *result)
{
	double first = child_now();

	*result = (struct handshake_result){0};
	atomic_store(&handshakes->stopping, false);
	for (uint32_t i = 0; i < handshakes->client_count; i++) {
		handshakes->clients[i].count = handshakes->clients[i].refused = 0;
		sem_post(&handshakes->clients[i].go);
	}
	child_sleep(seconds, &handshakes->fault->is_set);
	atomic_store(&handshakes->stopping, true);
	for (uint32_t i = 0; i < handshakes->client_count; i++)
		await(&handshakes->rested);
	for (uint32_t i = 0; i < handshakes->client_count; i++) {
		result->count += handshakes->clients[i].count;
		result->refused += handshakes->clients[i].refused;
	}
	result->seconds = child_now() - first;
	return !fault_is_set(handshakes->fault) && !child_is_interrupted();
}
