/* tests/sim/associations.c - see associations.h. */
#include "tests/sim/associations.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/datagram.h"
#include "core/request.h"
#include "protocols/frontends/dial.h"
#include "ring/ferry.h"
#include "tests/lib/bridge.h"
#include "tests/sim/tally.h"
#include "tests/sim/world.h"

enum { ASSOCIATIONS_MAX = 64, SAID_MAX = 300, AGAIN_MAX = 6, ECHOES = 3, HEAD_SIZE = 12, PAUSE_MS = 400 };

/* A user, and the front end that it has at the gateway. */
struct association {
	struct session *front;       /* NULL: it has ended */
	struct net_socket *user;
	struct address to;           /* the front's socket */
	uint32_t said;
	bool provided;               /* its exit is a LinkSocks provider's */
	bool heard[SAID_MAX];
};

struct associations {
	struct association all[ASSOCIATIONS_MAX];
	uint32_t count;
	struct net_socket *echoes[ECHOES];
	uint64_t said, heard, dropped;
	bool doubled;                /* some come twice in this run */
	bool uncounted;              /* some travel in links, where nobody counts those that are cut */
};

static struct associations associations;

struct front_service {
	struct service service;
	uint32_t again;              /* so many front ends may be made yet */
};

/* ---- who sends back ---- */

static void echo(struct net_socket *socket)
{
	struct net_datagram *datagram;
	int error;
	while ((datagram = net_recv_from(socket, &error)) != NULL || error != -EAGAIN) {
		if (!datagram)
			continue;
		if (net_send_to(socket, &datagram->from, datagram->bytes, datagram->size) < 0)
			net.datagrams_lost++;
		net_datagram_free(datagram);
	}
}

/* ---- users ---- */

static uint8_t pattern_at(uint32_t serial, uint32_t number, size_t at)
{
	return (uint8_t)(serial * 31 + number * 7 + at * 13 + (at >> 8));
}

/* What a user says: whom it is for, then who says it, which one it is and how large, then a pattern. */
static size_t compose(uint8_t *bytes, uint32_t serial, uint32_t number, size_t size)
{
	const struct net_socket *echoes = associations.echoes[number % ECHOES];
	char host[64];
	bool named = echoes->host->index == HOST_REMOTE && number % 2;
	if (named)
		snprintf(host, sizeof host, "host%u.example", echoes->host->index);
	else
		snprintf(host, sizeof host, "10.0.%u.1", echoes->host->index);
	size_t host_size = strlen(host);
	put16(bytes, echoes->local.port);
	bytes[2] = (uint8_t)host_size;
	memcpy(bytes + 3, host, host_size);
	uint8_t *body = bytes + 3 + host_size;
	put32(body, serial);
	put32(body + 4, number);
	put32(body + 8, (uint32_t)size);
	for (size_t i = HEAD_SIZE; i < size; i++)
		body[i] = pattern_at(serial, number, i);
	return 3 + host_size + size;
}

static void user_speaks(void *object)
{
	static uint8_t bytes[DATAGRAM_MAX];
	struct association *association = object;
	if (world.over || world.stopping || !association->front || association->said == SAID_MAX)
		return;
	uint64_t left = sim_below(4) ? 1 : 1 + sim_below(40);
	for (; left && association->said < SAID_MAX; left--) {
		uint32_t serial = (uint32_t)(association - associations.all), number = association->said;
		bool small = (association->provided && world.knobs.strict) || sim_below(8);
		size_t size = sim_log_uniform(HEAD_SIZE, small ? 1500 : 65000);
		size = compose(bytes, serial, number, size);
		if (net_send_to(association->user, &association->to, bytes, size) < 0)
			continue;
		association->said++;
		associations.said++;
	}
	sim_after(DURATION_MS(sim_below(PAUSE_MS)), user_speaks, association);
}

/* From whom, as the exit has it; then exactly what was said. */
static void check_heard(struct association *association, const struct net_datagram *datagram)
{
	const uint8_t *body = datagram->bytes + 3 + datagram->bytes[2];
	size_t size = datagram->size - 3 - datagram->bytes[2];
	uint32_t serial = (uint32_t)(association - associations.all);
	char host[64];
	if (datagram->size < 3u + datagram->bytes[2] + HEAD_SIZE || get32(body) != serial ||
	    get32(body + 4) >= association->said || get32(body + 8) != size)
		sim_fail("a datagram of another association, or a cut one, came to a user");
	uint32_t number = get32(body + 4);
	const struct net_socket *from = associations.echoes[number % ECHOES];
	snprintf(host, sizeof host, "10.0.%u.1", from->host->index);
	bool right = strlen(host) == datagram->bytes[2] &&
		     memcmp(host, datagram->bytes + 3, datagram->bytes[2]) == 0 &&
		     get16(datagram->bytes) == from->local.port;
	if (!right)
		sim_fail("a datagram came back from somebody whom it was not for");
	for (size_t i = HEAD_SIZE; i < size; i++)
		if (body[i] != pattern_at(serial, number, i))
			sim_fail("a datagram was changed at byte %zu of %zu", i, size);
	if (association->heard[number] && !net.faults.datagrams_twice && world.knobs.strict)
		sim_fail("a datagram came back twice");
	association->heard[number] = true;
	associations.heard++;
	tally(association->provided ? TALLY_datagrams_provided : TALLY_datagrams_back);
}

static void user_hears(struct net_socket *socket)
{
	struct net_datagram *datagram;
	int error;
	while ((datagram = net_recv_from(socket, &error)) != NULL || error != -EAGAIN) {
		if (!datagram)
			continue;
		check_heard(socket->owner, datagram);
		net_datagram_free(datagram);
	}
}

static void user_comes(struct session *front, const struct address *local)
{
	struct association **slot = front->wire_state;
	int error;
	if (associations.count == ASSOCIATIONS_MAX)
		return;
	struct association *association = &associations.all[associations.count++];
	*slot = association;
	association->front = front;
	association->to = net_address(HOST_GATEWAY, local->port);
	association->user = net_bind(&net.hosts[HOST_USERS], &(struct address){.family = ADDRESS_ANY}, false,
				     &error);
	check(association->user);
	association->user->changed = user_hears;
	association->user->owner = association;
	sim_after(DURATION_MS(sim_below(PAUSE_MS)), user_speaks, association);
}

/* ---- the front end ---- */

static void front_dropped(struct session *session) { hub_count(session->hub, COUNTER_datagrams_dropped, 1); }

static enum status front_start(struct session *session, void *state)
{
	struct target target = {.network = NETWORK_UDP, .service = session->service->index};
	struct event event = {.kind = EVENT_OPEN, .channel = session_channel(session), .target = &target};
	return event.channel ? session_deliver(session, &event) : STATUS_IO;
}

static void front_bound(struct session *session, void *state, const struct address *local, int error)
{
	if (!error)
		user_comes(session, local);
}

static void front_datagram(struct session *session, void *state, const struct address *from,
			   struct piece piece)
{
	struct association *association = *(struct association **)state;
	struct channel *channel = session_only_channel(session);
	struct target to = {.network = NETWORK_UDP, .port = get16(piece.bytes.at)};
	size_t head = 3 + (size_t)piece.bytes.at[2];
	if (!association || !channel) {
		front_dropped(session);
		return;
	}
	check(from->port == association->user->local.port && piece.bytes.size > head);
	text_copy(to.host, sizeof to.host, (struct slice){piece.bytes.at + 3, piece.bytes.at[2]});
	piece.bytes.at += head;
	piece.bytes.size -= head;
	struct event event = {.kind = EVENT_DATAGRAM, .channel = channel, .target = &to, .pieces = &piece,
			      .piece_count = 1, .size = piece.bytes.size};
	check(session_deliver(session, &event) == STATUS_OK);
}

static enum status front_decode(struct session *session, void *state, const struct chunk *chunk,
				size_t *consumed)
{
	*consumed = chunk->piece.bytes.size;
	return STATUS_OK;
}

static enum status front_encode(struct session *session, void *state, const struct event *event,
				struct writer *writer)
{
	struct association *association = *(struct association **)state;
	uint8_t head[3 + HOST_SIZE];
	if (event->kind == EVENT_OPENED)
		return event->reason == REASON_OK ? STATUS_OK : STATUS_IO;
	if (event->kind != EVENT_DATAGRAM || !association)
		return STATUS_OK;
	size_t host_size = strlen(event->target->host);
	put16(head, event->target->port);
	head[2] = (uint8_t)host_size;
	memcpy(head + 3, event->target->host, host_size);
	struct target to = {.network = NETWORK_UDP, .port = association->user->local.port};
	snprintf(to.host, sizeof to.host, "10.0.%u.1", association->user->host->index);
	return session_send_datagram(session, &to, (struct slice){head, 3 + host_size}, event->pieces[0]);
}

static const struct wire wire_front = {.name = "front",
				       .traits = TRAIT_CONN,
				       .session_size = sizeof(struct association *),
				       .chunk_max = DATAGRAM_MAX,
				       .start = front_start,
				       .decode = front_decode,
				       .encode = front_encode,
				       .bound = front_bound,
				       .datagram = front_datagram};

static void front_create(struct front_service *fronts);

/* By LinkSocks: the provider's links bring datagrams as messages among others. Not where a link takes so few
 * bytes at a time that users behind them would wait for longer than they may. */
static bool is_provided(struct session *session, const struct event *event)
{
	struct association *association = *(struct association **)session->wire_state;
	bool here;
	if (!world.knobs.socks || !association || net.faults.pipe_small || sim_below(2))
		return false;
	if (bridge_join(session->hub, event->channel->pair, event->target, &here) != REASON_OK)
		return false;
	association->provided = true;
	associations.uncounted = associations.uncounted || sim.scenario != SCENARIO_CALM;
	return true;
}

static void front_event(struct session *session, const struct event *event)
{
	struct hub *hub = session->hub;
	if (event->kind != EVENT_OPEN || is_provided(session, event))
		return;
	struct session *ferry = hub->ferries[sim_below(hub->worker_count)];
	bool placed = ferry ? channel_open(ferry, event->channel->pair, event->target) != NULL
			    : pair_associate(event->channel->pair, NULL);
	if (!placed)
		channel_refuse(event->channel, REASON_LIMIT, NULL);
}

static void front_ended(struct session *session)
{
	struct front_service *fronts = OWNER(session->service, struct front_service, service);
	struct association *association = *(struct association **)session->wire_state;
	if (association)
		association->front = NULL;
	bool more = !world.over && !world.stopping && !session->hub->draining &&
		    !worker_of(session->hub)->stopping;
	if (more && fronts->again) {
		fronts->again--;
		front_create(fronts);
	}
}

static const struct role role_front = {.name = "front", .event = front_event, .ended = front_ended};

static void front_create(struct front_service *fronts)
{
	struct session *session = session_create(fronts->service.hub, &(struct session_options){
		.wire = &wire_front, .carrier = &carrier_raw, .role = &role_front,
		.service = &fronts->service});
	if (session && !hub_bind(session, false, NULL))
		session_end(session, REASON_MEMORY, NULL, false);
}

/* ---- its service ---- */

static void fronts_start(struct service *service)
{
	struct front_service *fronts = OWNER(service, struct front_service, service);
	if (!world.knobs.associations)
		return;
	for (uint64_t left = 1 + sim_below(3); left; left--)
		front_create(fronts);
}

static void fronts_ferried(struct service *service, const struct event *event)
{
	if (!pair_associate(event->channel->pair, NULL))
		channel_refuse(event->channel, REASON_LIMIT, NULL);
}

static void fronts_destroy(struct service *service)
{
	free(OWNER(service, struct front_service, service));
}

static const struct service_table front_table = {
    .name = "fronts", .start = fronts_start, .ferried = fronts_ferried, .destroy = fronts_destroy};

void associations_serve(struct hub *hub)
{
	struct front_service *fronts = calloc(1, sizeof *fronts);
	check(fronts);
	associations.doubled = associations.doubled || net.faults.datagrams_twice;
	*fronts = (struct front_service){
	    .service = {.table = &front_table, .hub = hub, .index = hub->service_count}, .again = AGAIN_MAX};
	hub->services[hub->service_count++] = &fronts->service;
}

static uint64_t count_ferried(const struct ferry_ring *ring)
{
	uint64_t count = 0;
	for (uint32_t at = ring->tail; at != ring->head; at++)
		count += ring->slots[at % FERRY_SLOTS].kind == EVENT_DATAGRAM;
	return count;
}

void associations_stopped(const struct process *process)
{
	for (uint32_t i = 0; i < process->worker_count; i++) {
		const struct worker *worker = &process->workers[i];
		associations.dropped += worker->hub.counters[COUNTER_datagrams_dropped];
		for (uint32_t k = 0; k < process->worker_count; k++)
			if (worker->ferries[k])
				associations.dropped += count_ferried(worker->ferries[k]->in);
	}
}

/* ---- the run ---- */

void associations_start(void)
{
	static const uint32_t hosts[ECHOES] = {HOST_REMOTE, HOST_CLIENTS, HOST_GATEWAY};
	int error;
	associations = (struct associations){0};
	for (uint32_t i = 0; i < ECHOES; i++) {
		struct address any = {.family = ADDRESS_ANY, .port = (uint16_t)(5000 + i)};
		associations.echoes[i] = net_bind(&net.hosts[hosts[i]], &any, false, &error);
		check(associations.echoes[i]);
		associations.echoes[i]->changed = echo;
	}
}

/* Those that are on their way when everything has stopped. */
static uint64_t count_left(void)
{
	uint64_t count = 0;
	for (struct link *link = net.datagrams.next; link != &net.datagrams; link = link->next)
		count++;
	for (struct link *link = net.sockets.next; link != &net.sockets; link = link->next)
		if (OWNER(link, struct net_socket, all_link)->state == NET_BOUND)
			count += OWNER(link, struct net_socket, all_link)->datagram_count;
	return count;
}

void associations_check(void)
{
	uint64_t lost = net.datagrams_lost + associations.dropped + count_left();
	sim_trace("datagrams: %llu said, %llu came back, %llu lost on the way, %llu dropped and counted",
		  (unsigned long long)associations.said, (unsigned long long)associations.heard,
		  (unsigned long long)net.datagrams_lost, (unsigned long long)associations.dropped);
	bool counted = !associations.doubled && !associations.uncounted;
	if (counted && associations.said != associations.heard + lost)
		sim_fail("%llu datagrams were said, %llu came back, and %llu were counted as lost",
			 (unsigned long long)associations.said, (unsigned long long)associations.heard,
			 (unsigned long long)lost);
}
