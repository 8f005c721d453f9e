/* tests/sim/course.c - see course.h. */
#include "tests/sim/course.h"

#include "tests/sim/associations.h"
#include "tests/sim/spread.h"
#include "tests/sim/world.h"

enum { CROWD_STAYS_NS = 200000000 };

/* Where a crowd goes: preferably to a visitor, which leads over two links and may lead over a ferry. */
static const struct port *favourite_port(void)
{
	const struct port *port = NULL;
	for (int tries = 0; tries < 4 && !(port && port->visitor); tries++)
		port = &world.ports[sim_below(world.port_count)];
	return port;
}

/* What a user names his target to, if there is any; else any port. */
static const struct port *forwarder_port(void)
{
	const struct port *port = NULL;
	for (int tries = 0; tries < 64 && !(port && (port->http || port->socks)); tries++)
		port = &world.ports[sim_below(world.port_count)];
	return port;
}

/* Users come one by one, or all at once and most of them to the same port. When, so that something may happen
 * just then. */
static int64_t users_come(void)
{
	const struct knobs *knobs = &world.knobs;
	int64_t begin_ns = sim.now_ns, width_ns = knobs->span_ns;
	if (knobs->crowd) {
		begin_ns += (int64_t)sim_below((uint64_t)width_ns);
		width_ns = (int64_t)sim_log_uniform(100000, 200000000);
	}
	const struct port *favourite = favourite_port();
	for (uint32_t i = 0; i < knobs->users; i++) {
		const struct port *port = &world.ports[sim_below(world.port_count)];
		if (knobs->crowd && sim_below(4))
			port = favourite;
		if (knobs->exchanges && sim_below(4))
			port = forwarder_port();
		world_talk(port, knobs->rude, begin_ns + (int64_t)sim_below((uint64_t)width_ns));
	}
	return begin_ns + (int64_t)sim_below((uint64_t)width_ns) + (int64_t)sim_below(CROWD_STAYS_NS);
}

static void start_node(void *object)
{
	struct node *node = object;
	if (node->state == NODE_OFF)
		node_start(node);
}

static void start_all(void)
{
	node_start(&world.nodes[0]);
	for (uint32_t i = 1; i < world.node_count; i++)
		sim_after(DURATION_MS(sim_below(2000)), start_node, &world.nodes[i]);
	if (!world_run(world_is_ready, DURATION_S(60)))
		sim_fail("the links are not up after a minute without faults");
	world_run(NULL, DURATION_S(2));
}

static void wait_talks(const char *what)
{
	if (world_run(world_talks_are_over, DURATION_S(900)))
		return;
	peers_trace();
	for (uint32_t i = 0; i < world.node_count; i++)
		node_trace(&world.nodes[i]);
	sim_fail("%s: %u peers are still there 15 minutes later", what, peers.open_count);
}

/* Everything is well again: one user for each port must come through. */
static void probe(void)
{
	if (!world_run(world_is_ready, DURATION_S(1200)))
		sim_fail("the links are not up 20 minutes after the last fault");
	world_run(NULL, DURATION_S(90));     /* ports that were in use are tried again within a minute */
	if (!world_is_ready())
		sim_fail("a link did not stay up");
	peers.strict = sim.scenario != SCENARIO_LIMITS;
	for (uint32_t i = 0; i < world.port_count; i++) {
		const struct port *port = &world.ports[i];
		if (!port->visitor || !world_may_be_refused(&world.nodes[port->visitor]))
			world_talk(port, false, sim.now_ns + (int64_t)sim_below(10000000000));
	}
	wait_talks("probes");
}

/* A heartbeat may be half heard at any moment, so what is there once may go. */
static const char *residue_that_stays(const struct node *node)
{
	const char *left = node_residue(node);
	for (int tries = 0; left && tries < 20; tries++) {
		world_run(NULL, DURATION_MS(500));
		left = node_residue(node);
	}
	return left;
}

static void check_quiet(void)
{
	world_run(NULL, DURATION_S(20));
	for (uint32_t i = 0; i < world.node_count; i++) {
		node_check(&world.nodes[i]);
		const char *left = residue_that_stays(&world.nodes[i]);
		if (!left)
			continue;
		node_trace(&world.nodes[i]);
		sim_fail("nobody talks any more, and node %u still holds %s", world.nodes[i].host->index,
			 left);
	}
}

static void stop_all(void)
{
	world.stopping = true;
	for (uint32_t i = 0; i < world.node_count; i++)
		if (world.nodes[i].state == NODE_RUNNING)
			node_stop(&world.nodes[i]);
	if (!world_run(world_has_stopped, DURATION_S(120)))
		sim_fail("not everything has stopped after two minutes");
}

static void run_faults(void)
{
	int64_t busy_ns = users_come();
	faults_plan(busy_ns);
	if (sim.scenario == SCENARIO_STOP) {
		world_run(NULL, (struct duration){busy_ns - sim.now_ns});
		return;
	}
	world_run(NULL, (struct duration){world.knobs.span_ns});
	faults_end();
	wait_talks("users");
	probe();
	check_quiet();
}

void course_run(void)
{
	world_build();
	start_all();
	if (sim.scenario == SCENARIO_CALM)
		spread_try();
	if (sim.scenario == SCENARIO_SERVICE)
		services_try();
	run_faults();
	stop_all();
	talks_check();
	associations_check();
	world_free();
}
