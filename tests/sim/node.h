/* tests/sim/node.h - one process of the world: a gateway or a client, its workers stepped one by one.
 *
 * Owner:  world.c. It is put together as tools/tunnel/run.c does it, but for threads: no worker has one.
 * States: OFF -> RUNNING -> STOPPING (process_stop was said) -> OFF; killed: RUNNING -> OFF at once.
 */
#ifndef TESTS_SIM_NODE_H
#define TESTS_SIM_NODE_H

#include "protocols/tls_tunnel/client.h"
#include "protocols/tls_tunnel/gateway.h"
#include "ring/process.h"
#include "tests/sim/forwards.h"
#include "tests/sim/net.h"
#include "tests/sim/socks.h"
#include "tls/tls.h"

enum {
	NODE_WORKERS_MAX = 4,
	NODE_PROXIES_MAX = 4,
	NODE_VISITORS_MAX = 4,
	NODE_MOVERS_MAX = 16,
	NAME_SIZE = 32
};

enum node_state { NODE_OFF, NODE_RUNNING, NODE_STOPPING };

/* A listening on one worker for a proxy whose link may be on another: its users are moved there. */
struct mover {
	char name[NAME_SIZE];
	uint16_t port;               /* the published one */
	uint16_t listen_port;        /* + 100 per worker */
	bool greets;                 /* its users speak the wire of greeting.h */
};

struct node {
	bool is_gateway;
	enum node_state state;
	struct net_host *host;
	const struct ring_table *engine;
	uint32_t worker_count;
	uint32_t link_count;         /* of a client: what it asks for */
	struct process process;
	struct limits limits;
	uint32_t receive_max;
	bool done[NODE_WORKERS_MAX];
	bool draining;
	uint32_t idle_turns[NODE_WORKERS_MAX];
	int64_t turned_ns[NODE_WORKERS_MAX], paused_until_ns[NODE_WORKERS_MAX];
	uint32_t fail;               /* permille of allocations that fail */
	bool is_stock;               /* stock.h */
	bool is_socks;               /* its clients speak LinkSocks, and nothing else */
	struct socks socks;
	struct forwards forwards;
	bool is_intruder;            /* a client with a wrong key */
	struct tls_settings tls;
	struct config_gateway gateway_config;
	struct gateway_settings gateway;
	struct mover movers[NODE_MOVERS_MAX];
	uint32_t mover_count;
	struct config_client client_config;
	struct client_settings client;
	struct config_endpoint endpoint;
	struct config_proxy proxies[NODE_PROXIES_MAX];
	struct config_visitor visitors[NODE_VISITORS_MAX];
	char names[NODE_PROXIES_MAX][NAME_SIZE], visited[NODE_VISITORS_MAX][NAME_SIZE];
};

void node_start(struct node *node);
/* Its workers are told; they go on until all is let go. */
void node_stop(struct node *node);
/* Gone without a goodbye. */
void node_kill(struct node *node, enum net_death how);
/* Has this worker anything to do now? */
bool node_is_runnable(struct node *node, uint32_t worker);
void node_turn(struct node *node, uint32_t worker);
/* When a timer of it is due at the latest; INT64_MAX: none. */
int64_t node_next(const struct node *node);
/* Every worker has stopped: frees it. False: not yet. */
bool node_finish(struct node *node);
/* A client whose links are up. */
bool node_is_ready(const struct node *node);
/* The invariants of everything that it relays. */
void node_check(const struct node *node);
/* Nothing runs: have the buffers come home, are the pairs gone? NULL, or what is left. */
const char *node_residue(const struct node *node);
/* What is left, with --verbose. */
void node_trace(const struct node *node);

/* ---- the resolver: resolve.c ---- */
struct resolve_faults { uint32_t unknown, slow; };   /* permille */
extern struct resolve_faults resolve_faults;
void resolve_start(void);
void resolve(struct process *process, struct resolve_job *job);
/* Answers what is open for that process. */
void resolve_stop(struct process *process);

#endif
