/* tests/sim/node.c - see node.h. */
#include "tests/sim/node.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/pair.h"
#include "protocols/frontends/plain.h"
#include "protocols/tls_tunnel/wire.h"
#include "ring/ferry.h"
#include "ring/stream.h"
#include "tests/sim/associations.h"
#include "tests/sim/greeting.h"
#include "tests/sim/kernel.h"
#include "tests/sim/refusals.h"
#include "tests/sim/ring_sim.h"
#include "tests/sim/stock.h"
#include "tests/sim/tally.h"

enum { IDLE_TURNS_MAX = 400, KILL_TURNS_MAX = 100000, CHECK_EVERY = 16 };

/* ---- what the gateway listens on besides: users for the wrong worker ---- */

struct mover_service {
	struct service service;
	struct node *node;
	struct listening listenings[NODE_MOVERS_MAX];
};

static void mover_opened(struct listening *listening, int error) {}
static void mover_closed(struct listening *listening) {}

static void movers_start(struct service *service)
{
	struct mover_service *movers = OWNER(service, struct mover_service, service);
	struct hub *hub = service->hub;
	for (uint32_t i = 0; i < movers->node->mover_count; i++) {
		const struct mover *mover = &movers->node->movers[i];
		struct listening *listening = &movers->listenings[i];
		*listening = (struct listening){
		    .address = {.family = ADDRESS_ANY,
				.port = (uint16_t)(mover->listen_port + 100 * hub->index)},
		    .service = hub->services[movers->node->gateway.detector.tls_tunnel_service],
		    .wire = mover->greets ? &wire_greeting : &wire_plain,
		    .carrier = &carrier_raw,
		    .role = &role_gateway_user,
		    .target = {.published = true, .port = mover->port},
		    .opened = mover_opened,
		    .closed = mover_closed,
		    .guarded = sim_below(2)};
		text_copy(listening->target.host, HOST_SIZE, slice_of(mover->name));
		hub_listen(hub, listening);
	}
}

static void movers_destroy(struct service *service) { free(OWNER(service, struct mover_service, service)); }

static const struct service_table mover_table = {
    .name = "movers", .start = movers_start, .destroy = movers_destroy};

static void movers_create(struct hub *hub, struct node *node)
{
	struct mover_service *movers = calloc(1, sizeof *movers);
	check(movers);
	movers->service = (struct service){.table = &mover_table, .hub = hub, .index = hub->service_count};
	movers->node = node;
	hub->services[hub->service_count++] = &movers->service;
}

/* ---- starting ---- */

static void populate(struct process *process, struct hub *hub)
{
	struct node *node = process->populate_state;
	if (node->is_socks) {
		socks_populate(node, hub);
		return;
	}
	if (!node->is_gateway) {
		struct service *client = client_create(hub, &node->client);
		check(client);
		if (node->is_stock)
			client_become_stock(client);
		return;
	}
	struct service *service = gateway_create(hub, &node->gateway);
	check(service);
	node->gateway.detector.tls_tunnel_service = service->index;
	movers_create(hub, node);
	socks_populate(node, hub);
	associations_serve(hub);
}

static uint32_t allocation_fails(void *state)
{
	const struct node *node = state;
	if (!sim_chance(node->fail))
		return false;
	tally(TALLY_allocations_failed);
	return true;
}

void node_start(struct node *node)
{
	check(node->state == NODE_OFF);
	char why[RING_WHY_SIZE];
	struct process *process = &node->process;
	sim_trace("node %u: starts with %u workers", node->host->index, node->worker_count);
	*process = (struct process){.engine = node->engine,
				    .limits = node->limits,
				    .populate = populate,
				    .populate_state = node,
				    .resolve = resolve,
				    .seed = random_next(&sim.random)};
	node->host->down = false;
	node->draining = false;
	node->fail = 0;
	check(process_init(process, node->worker_count, sim_now()));
	for (size_t i = 0; i < INSTANCE_SIZE; i++)
		node->client.instance[i] = (uint8_t)sim_below(256);
	node->client.worker = (uint32_t)sim_below(node->worker_count);
	socks_start(node);
	bool speaks = !node->is_gateway && !node->is_socks;
	if (speaks && !(node->client.links = client_links_create(node->link_count, FORWARDERS_COUNT)))
		sim_fail("no memory for links");
	ring_sim_host = kernel_host = node->host;
	for (uint32_t i = 0; i < node->worker_count; i++) {
		struct worker *worker = &process->workers[i];
		if (node->receive_max)
			worker->hub.bufs.receive_max = node->receive_max;
		worker->hub.bufs.fail = allocation_fails;
		worker->hub.memory.fail = allocation_fails;
		worker->hub.bufs.fail_state = worker->hub.memory.fail_state = node;
		node->done[i] = false;
		node->idle_turns[i] = 0;
		node->paused_until_ns[i] = 0;
		if (!worker_start(worker, why))
			sim_fail("a worker does not start: %s", why);
	}
	node->state = NODE_RUNNING;
}

/* ---- turns ---- */

static bool has_work(const struct hub *hub)
{
	return !(list_is_empty(&hub->delivered) && list_is_empty(&hub->readable) &&
		 list_is_empty(&hub->writable) && list_is_empty(&hub->ended) &&
		 list_is_empty(&hub->sending) && list_is_empty(&hub->requests) && !hub->outgoing);
}

static bool ring_is_ready(const struct node *node, struct ring *ring)
{
	return node->engine == &ring_epoll ? kernel_has_news(ring) : ring_sim_is_ready(ring);
}

bool node_is_runnable(struct node *node, uint32_t index)
{
	struct worker *worker = &node->process.workers[index];
	if (node->state == NODE_OFF || node->done[index] || sim.now_ns < node->paused_until_ns[index])
		return false;
	return ring_is_ready(node, worker->ring) || has_work(&worker->hub) ||
	       wheel_next(&worker->hub.wheel).ns <= sim.now_ns;
}

int64_t node_next(const struct node *node)
{
	int64_t next = INT64_MAX;
	for (uint32_t i = 0; node->state != NODE_OFF && i < node->worker_count; i++) {
		int64_t at = wheel_next(&node->process.workers[i].hub.wheel).ns;
		if (at < node->paused_until_ns[i])
			at = node->paused_until_ns[i];
		if (!node->done[i] && at < next)
			next = at;
		if (!node->done[i] && node->paused_until_ns[i] > sim.now_ns &&
		    node->paused_until_ns[i] < next)
			next = node->paused_until_ns[i];
	}
	return next;
}

static void ferries_look(const struct worker *worker)
{
	for (uint32_t i = 0; i < worker->process->worker_count; i++) {
		const struct ferry_end *end = worker->ferries[i];
		if (end && end->out->starved)
			tally(TALLY_ferries_full);
	}
}

/* What a session counts is what its channels hold, and who may speak is on the list of those who will. */
static void session_check(const struct session *session)
{
	uint64_t queued = 0;
	uint32_t count = 0;
	bool blocked = false;
	for (const struct link *link = session->channels.next; link != &session->channels;
	     link = link->next, count++) {
		const struct channel *channel = OWNER(link, struct channel, session_link);
		check(channel->session == session);
		if (!channel->pair)
			continue;
		queued += channel->pair->flow[!channel->side].bytes;
		blocked = blocked || channel->pair->flow[channel->side].source_blocked;
		bool waits = channel->paced;     /* the timer may be as late as a tick */
		if (session->state == SESSION_OPEN && session->ready && !waits && channel_is_ready(channel))
			check(link_is_linked(&channel->active_link) || channel->says & SAYS_RESET);
	}
	check(queued == session->queued_bytes && count == session->channel_count);
	check(!session->burden || atomic_load(&session->burden->channels) == count);
	check(session->state != SESSION_OPEN || session->blocked == blocked);
	if (refusals_wait(session))
		tally(TALLY_refusals_in_ring);
}

void node_check(const struct node *node)
{
	for (uint32_t i = 0; node->state != NODE_OFF && i < node->worker_count; i++) {
		const struct hub *hub = &node->process.workers[i].hub;
		uint32_t count = 0;
		for (const struct link *link = hub->pairs.next; link != &hub->pairs;
		     link = link->next, count++)
			pair_check(OWNER(link, struct pair, hub_link));
		check(count == hub->pair_count);
		count = 0;
		for (const struct link *link = hub->sessions.next; link != &hub->sessions;
		     link = link->next, count++)
			session_check(OWNER(link, struct session, hub_link));
		check(count == hub->session_count);
	}
}

/* What grows when a worker does something: on the network, over a ferry, by mail. */
static uint64_t progress_of(const struct hub *hub)
{
	const uint64_t *counters = hub->counters;
	return sim.moved + counters[COUNTER_bytes_in] + counters[COUNTER_bytes_out] + counters[COUNTER_mails];
}

void node_turn(struct node *node, uint32_t index)
{
	struct worker *worker = &node->process.workers[index];
	uint64_t before = progress_of(&worker->hub);
	bool slept = sim.now_ns - node->turned_ns[index] > 1000000;
	node->turned_ns[index] = sim.now_ns;
	kernel_host = node->host;
	node->done[index] = !worker_turn(worker, (struct instant){0});
	ferries_look(worker);
	node->idle_turns[index] =
	    slept || progress_of(&worker->hub) != before ? 0 : node->idle_turns[index] + 1;
	if (node->idle_turns[index] > IDLE_TURNS_MAX) {
		node_trace(node);
		sim_fail("worker %u of node %u is busy with nothing: %d turns (ring %d, delivered %d, "
			 "readable %d, writable %d, ended %d, requests %d, "
			 "outgoing %d, timer in %lld us)",
			 index, node->host->index, IDLE_TURNS_MAX, ring_is_ready(node, worker->ring),
			 !list_is_empty(&worker->hub.delivered), !list_is_empty(&worker->hub.readable),
			 !list_is_empty(&worker->hub.writable), !list_is_empty(&worker->hub.ended),
			 !list_is_empty(&worker->hub.requests), worker->hub.outgoing != NULL,
			 (long long)(wheel_next(&worker->hub.wheel).ns - sim.now_ns) / 1000);
	}
	if (sim.steps % CHECK_EVERY == 0)
		node_check(node);
}

/* ---- ending ---- */

void node_stop(struct node *node)
{
	check(node->state == NODE_RUNNING);
	sim_trace("node %u: stops", node->host->index);
	process_stop(&node->process);
	node->state = NODE_STOPPING;
	node->fail = 0;
}

bool node_finish(struct node *node)
{
	for (uint32_t i = 0; i < node->worker_count; i++)
		if (!node->done[i])
			return false;
	kernel_host = node->host;
	resolve_stop(&node->process);
	for (uint32_t i = 0; i < node->worker_count; i++)
		tally_counters(node->process.workers[i].hub.counters);
	associations_stopped(&node->process);
	for (uint32_t i = 0; i < node->worker_count; i++)
		worker_fini(&node->process.workers[i]);
	for (uint32_t i = 0; i < NET_HOSTS_MAX; i++) {
		struct address address = net_address(i, 1);
		if (sources_count(node->process.sources, &address))
			sim_fail("node %u still counts connections of host %u", node->host->index, i);
	}
	process_fini(&node->process);
	client_links_destroy(node->client.links);
	node->client.links = NULL;
	socks_finish(node);
	if (node->host->fd_count)
		sim_fail("node %u left %u descriptors open", node->host->index, node->host->fd_count);
	node->state = NODE_OFF;
	sim_trace("node %u: is gone", node->host->index);
	return true;
}

void node_kill(struct node *node, enum net_death how)
{
	sim_trace("node %u: killed (%d)", node->host->index, (int)how);
	net_kill(node->host, how);
	if (node->state == NODE_RUNNING)
		node_stop(node);
	/* its memory is given back by the usual way, beside the world: its sockets are dead, nobody hears of
	 * it */
	for (uint32_t turns = 0; !node_finish(node); turns++) {
		if (turns == KILL_TURNS_MAX)
			node_trace(node);
		if (turns == KILL_TURNS_MAX)
			sim_fail("node %u does not let go of dead sockets", node->host->index);
		kernel_host = node->host;
		for (uint32_t i = 0; i < node->worker_count; i++)
			if (!node->done[i])
				node->done[i] = !worker_turn(&node->process.workers[i], (struct instant){0});
	}
	node->host->down = how == NET_DEATH_SILENT;
}

/* ---- asking ---- */

/* Only a link that is up shows what it carries. */
static uint32_t links_up(const struct hub *hub)
{
	uint32_t count = 0;
	for (const struct link *link = hub->sessions.next; link != &hub->sessions; link = link->next) {
		const struct session *session = OWNER(link, struct session, hub_link);
		count += session->burden && session->state == SESSION_OPEN && !session->draining;
	}
	return count;
}

bool node_is_ready(const struct node *node)
{
	if (node->state != NODE_RUNNING || node->is_intruder)
		return false;
	uint32_t count = 0;
	for (uint32_t i = 0; i < node->worker_count; i++)
		count += links_up(&node->process.workers[i].hub);
	return count == (node->is_stock ? 1 : node->link_count);
}

static void channel_trace(const struct channel *channel)
{
	if (!channel) {
		sim_trace("      no channel");
		return;
	}
	sim_trace("      %s %s, state %d, says %x, in_done %d, out_done %d, credit %llu, consumed %llu, "
		  "traits %x, session state %d%s%s%s",
		  channel->session->wire->name, channel->opener ? "opener" : "asked", (int)channel->state,
		  channel->says, channel->in_done, channel->out_done, (unsigned long long)channel->credit,
		  (unsigned long long)channel->consumed, channel->traits, (int)channel->session->state,
		  channel->session->held ? " held" : "", channel->session->blocked ? " blocked" : "",
		  channel->session->input_ended ? " input-ended" : "");
}

static void stream_trace(const struct stream *stream)
{
	sim_trace("   stream %d, state %d%s%s%s%s%s%s%s, in %zu bytes", stream->fd, (int)stream->state,
		  stream->recv.submitted ? " recv" : "", stream->send.submitted ? " send" : "",
		  stream->out ? " out" : "", stream->paused ? " paused" : "",
		  stream->in_ended ? " in-ended" : "", stream->shut_done ? " shut" : "",
		  stream->session ? "" : " no session", stream->in.bytes);
}

static void session_trace(const struct node *node, const struct session *session)
{
	const struct stream *stream = session->stream;
	sim_trace(
	    "node %u worker %u: a session of %s%s, state %d%s%s%s%s%s%s%s, says %x, channels %u, queued %zu",
	    node->host->index, session->hub->index, session->wire->name, session->client ? " (client)" : "",
	    (int)session->state, session->ready ? " ready" : "", session->draining ? " draining" : "",
	    session->owes ? " owes" : "", session->blocked ? " blocked" : "",
	    list_is_empty(&session->control) ? "" : " control",
	    list_is_empty(&session->active) ? "" : " active",
	    link_is_linked(&session->writable_link) ? " writable" : "", session->says, session->channel_count,
	    session->queued_bytes);
	if (stream)
		stream_trace(stream);
}

void node_trace(const struct node *node)
{
	for (uint32_t i = 0; node->state != NODE_OFF && i < node->worker_count; i++) {
		const struct hub *hub = &node->process.workers[i].hub;
		for (const struct link *link = hub->sessions.next; link != &hub->sessions; link = link->next)
			session_trace(node, OWNER(link, struct session, hub_link));
		const struct worker *worker = &node->process.workers[i];
		for (const struct link *link = worker->streams.next; link != &worker->streams;
		     link = link->next)
			if (!OWNER(link, struct stream, worker_link)->session)
				stream_trace(OWNER(link, struct stream, worker_link));
		for (const struct link *link = hub->pairs.next; link != &hub->pairs; link = link->next) {
			const struct pair *pair = OWNER(link, struct pair, hub_link);
			sim_trace("node %u worker %u: a pair, tries %u, waits for %lld ms", node->host->index,
				  i, pair->tries,
				  (long long)duration_ms(instant_since(pair->timer_at, sim_now())));
			for (int side = 0; side < 2; side++) {
				const struct flow *flow = &pair->flow[side];
				sim_trace("   flow %d: bytes %llu, end %d%s%s%s, pushed %llu, pulled %llu, "
					  "reason %s",
					  side, (unsigned long long)flow->bytes, (int)flow->end,
					  flow->end_sent ? " sent" : "", flow->dead ? " dead" : "",
					  flow->source_blocked ? " source blocked" : "",
					  (unsigned long long)flow->pushed, (unsigned long long)flow->pulled,
					  reason_name(flow->reason));
				channel_trace(pair->side[side]);
			}
		}
	}
}

const char *node_residue(const struct node *node)
{
	for (uint32_t i = 0; node->state != NODE_OFF && i < node->worker_count; i++) {
		const struct hub *hub = &node->process.workers[i].hub;
		if (hub->pair_count)
			return "pairs";
		if (hub->channel_count)
			return "channels";
		if (hub->bufs.used)
			return "buffers";
		for (const struct link *link = node->process.workers[i].streams.next;
		     link != &node->process.workers[i].streams; link = link->next)
			if (!OWNER(link, struct stream, worker_link)->session)
				return "connections that nobody uses";
	}
	return NULL;
}
