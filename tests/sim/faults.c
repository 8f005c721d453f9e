/* tests/sim/faults.c - what strikes, and when: each class by its own coin; see world.h. */
#include "tests/sim/ring_sim.h"
#include "tests/sim/tally.h"
#include "tests/sim/world.h"

enum { STRIKES_MAX = 6, WINDOW_MS = 4000, BUSY_NS = 200000000, STRANGERS_MAX = 200 };

static int64_t soon_ns(int64_t max_ns) { return sim.now_ns + (int64_t)sim_below((uint64_t)max_ns); }

/* ---- processes ---- */

static void restart(void *object)
{
	struct node *node = object;
	if (node->state == NODE_STOPPING && !node_finish(node)) {
		sim_after(DURATION_MS(100), restart, node);
		return;
	}
	if (node->state == NODE_OFF && !world.stopping)
		node_start(node);
}

static struct node *any_node(bool gateway_too)
{
	uint32_t first = gateway_too ? 0 : 1;
	return &world.nodes[first + sim_below(world.node_count - first)];
}

/* A port was in use, or a client gives up: the process ends and is started again. */
static void node_failed(void *object)
{
	struct node *node = object;
	if (node->state == NODE_RUNNING && !world.stopping)
		node_stop(node);
	restart(node);
}

void gateway_listens(const struct address *address, int error)
{
	if (error)
		sim_after(DURATION_S(1), node_failed, &world.nodes[0]);
}

void node_gives_up(struct node *node) { sim_after(DURATION_S(1), node_failed, node); }

static void kill_client(void *unused)
{
	struct node *node = any_node(false);
	if (world.over || node->state == NODE_OFF)
		return;
	tally(TALLY_clients_killed);
	node_kill(node, (enum net_death)sim_below(3));
	sim_at(soon_ns(DURATION_S(40).ns), restart, node);
}

/* Its machine and its path are gone without a word, and soon it is somewhere else. */
static void client_vanishes(void *unused)
{
	struct node *node = any_node(false);
	if (world.over || node->state == NODE_OFF)
		return;
	tally(TALLY_clients_vanished);
	for (struct link *link = net.sockets.next; link != &net.sockets; link = link->next) {
		struct net_socket *socket = OWNER(link, struct net_socket, all_link);
		if (socket->host == node->host && socket->state == NET_OPEN && socket->is_link &&
		    !socket->cut)
			net_cut(socket, true);
	}
	node_kill(node, NET_DEATH_SILENT);
	sim_at(soon_ns(DURATION_S(20).ns), restart, node);
}

static void kill_gateway(void *unused)
{
	struct node *node = &world.nodes[0];
	if (world.over || node->state == NODE_OFF)
		return;
	tally(TALLY_gateways_killed);
	node_kill(node, (enum net_death)sim_below(2));
	sim_at(soon_ns(DURATION_S(20).ns), restart, node);
}

static void stop_node(void *unused)
{
	struct node *node = any_node(true);
	if (world.over || node->state != NODE_RUNNING)
		return;
	tally(TALLY_nodes_stopped);
	node_stop(node);
	sim_at(soon_ns(DURATION_S(10).ns), restart, node);
}

static void drain_done(void *object)
{
	struct node *node = object;
	if (node->state != NODE_RUNNING || !node->draining)
		return;
	bool patient = !world.over || sim.scenario == SCENARIO_DRAIN;
	if (patient && !process_is_idle(&node->process)) {
		sim_after(DURATION_MS(500), drain_done, node);
		return;
	}
	node_stop(node);
	sim_at(soon_ns(DURATION_S(5).ns), restart, node);
}

/* What runs goes on to its end, what comes now is refused. */
static void drain_node(void *object)
{
	struct node *node = object ? object : any_node(true);
	if (world.over || node->state != NODE_RUNNING || node->draining)
		return;
	sim_trace("node %u: drains", node->host->index);
	tally(TALLY_nodes_drained);
	peers.strict = false;
	for (uint32_t i = 0; i < peers.talk_count; i++)
		if (!peers.talks[i].origin)
			peers.talks[i].strict = false;
	node->draining = true;
	process_drain(&node->process);
	sim_after(DURATION_MS(500), drain_done, node);
}

/* ---- memory, descriptors, names ---- */

static void memory_returns(void *object) { ((struct node *)object)->fail = 0; }

static void memory_fails(void *unused)
{
	struct node *node = any_node(true);
	if (world.over || node->state == NODE_OFF)
		return;
	node->fail = 1 + (uint32_t)sim_log_uniform(1, 300);
	sim_trace("node %u: %u of 1000 allocations fail", node->host->index, node->fail);
	sim_at(soon_ns(DURATION_MS(4 * WINDOW_MS).ns), memory_returns, node);
}

static void descriptors_return(void *unused) { net.faults.accept_emfile = net.faults.connect_emfile = 0; }

static void descriptors_run_out(void *unused)
{
	if (world.over)
		return;
	net.faults.accept_emfile = (uint32_t)sim_below(1000);
	net.faults.connect_emfile = (uint32_t)sim_below(1000);
	sim_at(soon_ns(DURATION_MS(WINDOW_MS).ns), descriptors_return, NULL);
}

static void names_return(void *unused) { resolve_faults = (struct resolve_faults){0}; }

static void names_fail(void *unused)
{
	if (world.over)
		return;
	resolve_faults =
	    (struct resolve_faults){.unknown = (uint32_t)sim_below(1000), .slow = (uint32_t)sim_below(500)};
	sim_at(soon_ns(DURATION_MS(WINDOW_MS).ns), names_return, NULL);
}

static void ports_return(void *unused) { net.faults.listen_in_use = 0; }

static void ports_in_use(void *unused)
{
	if (world.over)
		return;
	net.faults.listen_in_use = 200 + (uint32_t)sim_below(800);
	sim_at(soon_ns(DURATION_MS(3 * WINDOW_MS).ns), ports_return, NULL);
}

static void paths_return(void *unused)
{
	net.faults.connect_refused = net.faults.connect_lost = net.faults.connect_unreachable = 0;
}

static void paths_fail(void *unused)
{
	if (world.over)
		return;
	net.faults.connect_refused = (uint32_t)sim_below(400);
	net.faults.connect_lost = (uint32_t)sim_below(300);
	net.faults.connect_unreachable = (uint32_t)sim_below(300);
	sim_at(soon_ns(DURATION_MS(2 * WINDOW_MS).ns), paths_return, NULL);
}

static void service_returns(void *object) { service_up(object); }

static void service_fails(void *unused)
{
	struct local_service *service = &world.services[sim_below(world.service_count)];
	if (world.over)
		return;
	tally(TALLY_services_down);
	service_down(service);
	sim_at(soon_ns(DURATION_S(6).ns), service_returns, service);
}

/* ---- paths ---- */

/* A connection that is there now; links only: between the gateway and a client. NULL: there is none. */
static struct net_socket *any_socket(bool link)
{
	struct net_socket *found = NULL;
	uint64_t seen = 0;
	for (struct link *at = net.sockets.next; at != &net.sockets; at = at->next) {
		struct net_socket *socket = OWNER(at, struct net_socket, all_link);
		bool fits = socket->state == NET_OPEN && socket->other && socket->other->state == NET_OPEN &&
			    socket->is_link == link;
		if (fits && sim_below(++seen) == 0)
			found = socket;
	}
	return found;
}

static void path_resets(void *link)
{
	struct net_socket *socket = any_socket(link != NULL);
	if (world.over || !socket)
		return;
	sim_trace("net: %s %llu is reset", link ? "link" : "connection", (unsigned long long)socket->serial);
	net_reset(socket);
}

static void path_heals(void *object)
{
	struct net_socket *socket = object;
	if (socket->cut)
		net_cut(socket, false);
}

static void path_breaks(void *unused)
{
	struct net_socket *socket = any_socket(true);
	if (world.over || !socket || socket->cut)
		return;
	sim_trace("net: link %llu is cut", (unsigned long long)socket->serial);
	net_cut(socket, true);
	if (sim_below(2))
		sim_at(soon_ns((int64_t)sim_log_uniform(10000000, (uint64_t)DURATION_S(200).ns)), path_heals,
		       socket);
}

static void path_half_dies(void *unused)
{
	struct net_socket *socket = any_socket(true);
	if (world.over || !socket || socket->cut)
		return;
	sim_trace("net: link %llu is dead for its end alone", (unsigned long long)socket->serial);
	net_half_dead(socket);
}

/* A worker does not get its core for a while. */
static void worker_sleeps(void *unused)
{
	struct node *node = any_node(true);
	if (world.over || node->state != NODE_RUNNING)
		return;
	tally(TALLY_workers_paused);
	node->paused_until_ns[sim_below(node->worker_count)] =
		sim.now_ns + (int64_t)sim_log_uniform(1000000, 2000000000);
}

/* Whole programs do not get the machine: then much is due at once, timers and sockets. Where all must come
 * through it is less than any deadline, and seldom. */
static void programs_sleep(void *unused)
{
	uint64_t max_ns = (uint64_t)(world.knobs.strict ? DURATION_S(4) : DURATION_S(25)).ns;
	uint64_t in = 1 + sim_below(3);
	if (world.over || (world.knobs.strict && sim.now_ns < world.slept_ns + DURATION_S(10).ns))
		return;
	world.slept_ns = sim.now_ns;
	tally(TALLY_programs_paused);
	for (uint32_t i = 0; i < world.node_count; i++) {
		int64_t until_ns = sim.now_ns + (int64_t)sim_log_uniform(1000000, max_ns);
		bool sleeps = sim_below(in) == 0;
		for (uint32_t k = 0; sleeps && k < world.nodes[i].worker_count; k++)
			world.nodes[i].paused_until_ns[k] = until_ns;
	}
}

/* Some of the gateway's workers while a crowd comes: what the others have for them piles up. */
static void gateway_sleeps(void *unused)
{
	struct node *node = &world.nodes[0];
	for (uint32_t i = 0; i < node->worker_count; i++)
		if (sim_below(2))
			node->paused_until_ns[i] =
			    sim.now_ns + (int64_t)sim_log_uniform(10000000, 1000000000);
}

/* The machine's addresses have changed, or so its kernel says. */
static void network_changes(void *unused)
{
	struct node *node = any_node(true);
	if (world.over || node->state != NODE_RUNNING)
		return;
	tally(TALLY_networks_changed);
	process_network_changed(&node->process);
}

/* ---- clocks, strangers ---- */

static void clock_jumps(void *unused)
{
	if (world.over)
		return;
	tally(TALLY_clocks_jumped);
	int64_t span = (int64_t)sim_log_uniform(1000000, (uint64_t)DURATION_S(3600).ns);
	sim.wall_ns += sim_below(2) ? span : -span;
	if (sim_below(3) == 0)               /* the machine slept */
		sim.now_ns += (int64_t)sim_log_uniform(1000000, (uint64_t)DURATION_S(30).ns);
}

static void stranger_leaves(void *object)
{
	struct net_socket *socket = object;
	if (socket->state != NET_CLOSED)
		net_close(socket, sim_below(2));
}

static void stranger_speaks(struct net_socket *socket)
{
	uint8_t bytes[256];
	static const char *const words[] = {"GET / HTTP/1.1\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
					    "\x05\x01\x00", "\x16\x03\x01\x02\x00\x01"};
	if (socket->state != NET_OPEN || socket->error)
		return;
	socket->changed = NULL;
	size_t size = 1 + sim_below(sizeof bytes);
	for (size_t i = 0; i < size; i++)
		bytes[i] = sim_below(4) ? (uint8_t)sim_below(256) : 0;
	if (sim_below(3) == 0) {
		const char *word = words[sim_below(COUNT_OF(words))];
		size = strlen(word);
		memcpy(bytes, word, size);
	}
	if (sim_below(3) == 0) {             /* the beginning of something right, and no more */
		size = 1 + sim_below(4);
		memset(bytes, 0, size);
	}
	if (sim_below(4))
		net_write(socket, bytes, size);
	sim_at(soon_ns(DURATION_S(20).ns), stranger_leaves, socket);
}

static void stranger_comes(void *unused)
{
	int error;
	struct address address = net_address(HOST_GATEWAY, GATEWAY_PORT);
	struct net_socket *socket = net_connect(&net.hosts[HOST_STRANGERS], &address, false, &error);
	tally(TALLY_strangers);
	socket->changed = stranger_speaks;
	sim_after(DURATION_S(30), stranger_leaves, socket);
}

/* Many of them, to all of whom the gateway listens for a while. */
static void strangers_come(void *unused)
{
	for (uint64_t left = 1 + sim_below(STRANGERS_MAX); left; left--)
		sim_at(sim.now_ns + (int64_t)sim_below(BUSY_NS), stranger_comes, NULL);
}

/* ---- the plan ---- */

static void strikes(event_fire_fn *fire, void *object, uint32_t in)
{
	if (sim_below(in))
		return;
	for (uint64_t left = 1 + sim_below(STRIKES_MAX); left; left--)
		sim_at(soon_ns(world.knobs.span_ns), fire, object);
}

static void plan_contest(void)
{
	static event_fire_fn *const strikers[] = {kill_client, client_vanishes, stop_node};
	for (uint64_t left = 1 + sim_below(STRIKES_MAX); left; left--)
		sim_at(soon_ns(world.knobs.span_ns), strikers[sim_below(COUNT_OF(strikers))], NULL);
}

static void plan_all(void)
{
	static char is_link;
	strikes(kill_client, NULL, 4);
	strikes(client_vanishes, NULL, 6);
	strikes(kill_gateway, NULL, 8);
	strikes(stop_node, NULL, 8);
	strikes(drain_node, NULL, 8);
	strikes(memory_fails, NULL, 3);
	strikes(descriptors_run_out, NULL, 6);
	strikes(names_fail, NULL, 6);
	strikes(ports_in_use, NULL, 6);
	strikes(paths_fail, NULL, 5);
	strikes(service_fails, NULL, 5);
	strikes(path_resets, &is_link, 4);
	strikes(path_resets, NULL, 4);
	strikes(path_breaks, NULL, 4);
	strikes(path_half_dies, NULL, 5);
	strikes(worker_sleeps, NULL, 3);
	strikes(programs_sleep, NULL, 3);
	strikes(network_changes, NULL, 5);
	if (sim_below(5) == 0)
		net.faults.breaks = 100 + (uint32_t)sim_below(600);
	strikes(clock_jumps, NULL, 5);
	strikes(stranger_comes, NULL, 4);
}

void faults_plan(int64_t busy_ns)
{
	if (world.knobs.crowd && sim_below(2))
		sim_at(busy_ns - (int64_t)sim_below(BUSY_NS), gateway_sleeps, NULL);
	if (sim.scenario == SCENARIO_STOP || sim_below(8) == 0)
		sim_at(busy_ns - BUSY_NS, strangers_come, NULL);
	switch (sim.scenario) {
	case SCENARIO_CALM:
	case SCENARIO_SERVICE:
	case SCENARIO_EXCHANGES:
		strikes(stranger_comes, NULL, 3);
		strikes(worker_sleeps, NULL, 2);
		strikes(programs_sleep, NULL, 2);
		break;
	case SCENARIO_DRAIN:
		sim_at(soon_ns(world.knobs.span_ns), drain_node, sim_below(2) ? &world.nodes[0] : NULL);
		break;
	case SCENARIO_CONTEST:
		plan_contest();
		break;
	default:
		plan_all();
	}
}

void faults_end(void)
{
	world.over = true;
	net_calm();
	descriptors_return(NULL);
	names_return(NULL);
	for (uint32_t i = 0; i < world.service_count; i++)
		service_up(&world.services[i]);
	for (uint32_t i = 0; i < world.node_count; i++) {
		world.nodes[i].fail = 0;
		if (world.nodes[i].state == NODE_OFF)
			node_start(&world.nodes[i]);
	}
	peers_wake_all();
}
