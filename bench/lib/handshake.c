/* bench/lib/handshake.c - see handshake.h. */
#include "bench/lib/handshake.h"

#include <pthread.h>
#include <stdlib.h>

#include "bench/lib/child.h"
#include "bench/lib/tls_client.h"
#include "tls/tls.h"

struct handshake_client {
	struct handshakes *all;
	struct tls_client tls;
	uint64_t count, refused;
	pthread_t thread;
};

/* One more call, from which the ticket is taken. */
static bool take_ticket(struct handshake_client *client)
{
	struct tls_call call;

	if (!tls_call_open(&client->tls, &call))
		return false;
	bool kept = tls_call_keep(&client->tls, &call);
	return tls_call_close(&client->tls, &call) && kept;
}

bool handshake_open(struct handshakes *handshakes, uint32_t client_count)
{
	handshakes->clients = calloc(client_count, sizeof(*handshakes->clients));
	handshakes->client_count = 0;
	check(handshakes->clients != NULL);
	while (handshakes->client_count < client_count && !child_is_interrupted()) {
		struct handshake_client *client = &handshakes->clients[handshakes->client_count];
		client->all = handshakes;
		client->tls = (struct tls_client){.port = handshakes->port, .fault = handshakes->fault};
		client->tls.psk_alone = handshakes->psk_alone;
		if (!tls_client_init(&client->tls))
			return false;
		handshakes->client_count++;
		if (handshakes->resumed && !take_ticket(client))
			return false;
	}
	return !child_is_interrupted();
}

void handshake_close(struct handshakes *handshakes)
{
	for (uint32_t i = 0; i < handshakes->client_count; i++)
		tls_client_fini(&handshakes->clients[i].tls);
	free(handshakes->clients);
	handshakes->clients = NULL;
	handshakes->client_count = 0;
}

static void *run(void *argument)
{
	struct handshake_client *client = argument;
	struct handshakes *all = client->all;
	struct tls_call call;

	while (!atomic_load(&all->stopping) && !fault_is_set(all->fault)) {
		if (!tls_call_open(&client->tls, &call))
			break;
		client->refused += all->resumed && !call.resumed;
		if (!tls_call_close(&client->tls, &call))
			break;
		client->count++;
	}
	tls_thread_stop();
	return NULL;
}

bool handshake_run(struct handshakes *handshakes, double seconds, struct handshake_result *result)
{
	uint32_t started = 0;
	double first = child_now();

	*result = (struct handshake_result){0};
	atomic_store(&handshakes->stopping, false);
	for (; started < handshakes->client_count; started++) {
		struct handshake_client *client = &handshakes->clients[started];
		client->count = client->refused = 0;
		if (pthread_create(&client->thread, NULL, run, client) == 0)
			continue;
		fault_set(handshakes->fault, "cannot start a thread");
		break;
	}
	child_sleep(seconds, &handshakes->fault->is_set);
	atomic_store(&handshakes->stopping, true);
	for (uint32_t i = 0; i < started; i++) {
		pthread_join(handshakes->clients[i].thread, NULL);
		result->count += handshakes->clients[i].count;
		result->refused += handshakes->clients[i].refused;
	}
	result->seconds = child_now() - first;
	return !fault_is_set(handshakes->fault) && !child_is_interrupted();
}
