/* ring/process.h - the set of workers and what they share: limits, resolver, counters of sources.
 *
 * Owner: main (or the simulator). Everything here is set before the workers start and read-only afterwards,
 * but for what is atomic or has its own thread.
 */
#ifndef RING_PROCESS_H
#define RING_PROCESS_H

#include "ring/own.h"
#include "ring/resolver.h"
#include "ring/sources.h"
#include "ring/worker.h"

enum { WORKERS_MAX = 256 };

struct process {
	const struct ring_table *engine;
	struct limits limits;
	struct worker *workers;
	uint32_t worker_count;
	struct sources *sources;
	struct own *own;
	own_is_here_fn *is_here;         /* NULL: loopback alone is known to be of this machine */
	struct resolver *resolver;
	/* Takes over the job: resolver_submit, or the simulator's own answer. */
	void (*resolve)(struct process *process, struct resolve_job *job);
	/* Makes this worker's services and puts them on hub->services; runs on the worker's thread. */
	void (*populate)(struct process *process, struct hub *hub);
	void *populate_state;
	uint64_t seed;                   /* of the hubs' generators */
	void (*secret_bytes)(uint8_t *bytes, size_t size); /* the hubs'; NULL: seeded, in the simulator */
	void (*usage)(struct hub_usage *usage);            /* the hubs'; NULL: not told, in the simulator */
	const struct acl *access;        /* the hubs'; NULL: everything */
	struct batching batching;        /* the hubs' */
	bool pinned;                     /* workers are tied to cores */
	_Atomic uint32_t started, failed;
	pthread_barrier_t stopped, resolved; /* the workers and process_join */
	char why[RING_WHY_SIZE];         /* of the first worker that failed to start */
};

/* Allocates the workers. limits.process_memory must be resolved (not 0). */
bool process_init(struct process *process, uint32_t worker_count, struct instant now);
/* Starts a thread per worker and waits until all run. False: `process->why`; nothing runs any more. */
bool process_start(struct process *process);
/* From any thread. */
void process_post(struct process *process, struct mail *mail);
/* From any thread: every worker drains (first call) or stops (second). */
void process_drain(struct process *process);
void process_stop(struct process *process);
/* From any thread: every service hears that the network has changed. */
void process_network_changed(struct process *process);
/* Has every worker let go of its channels? For the end of a drain. */
bool process_is_idle(const struct process *process);
/* Waits for the threads. */
void process_join(struct process *process);
void process_fini(struct process *process);
/* The worker with the least load. */
uint32_t process_least_loaded(const struct process *process);
/* Sum over all workers. */
uint64_t process_counter(const struct process *process, enum counter counter);

#endif
