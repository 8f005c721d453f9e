/* ring/worker.h - one thread, one core, one ring: the imperative shell around a hub.
 *
 * Owner:  the process. Thread: its own, pinned and named "tunnel/N"; in the simulator all workers are stepped
 * by one thread. Share-nothing: what crosses workers is a mail, a descriptor, or a loan over a ferry. Turn:
 * completions -> timers -> mails and requests -> events to roles -> bytes to sessions -> bytes to sockets.
 * States: RUNNING -> DRAINING (no new work, channels go on) -> STOPPED (everything let go).
 */
#ifndef RING_WORKER_H
#define RING_WORKER_H

#include <pthread.h>
#include <stdatomic.h>

#include "core/hub.h"
#include "core/writer.h"
#include "ring/mailbox.h"
#include "ring/ring.h"

struct process;
struct tls_endpoint;
struct tls_settings;

enum { ENDPOINTS_MAX = 64 };

struct worker {
	struct hub hub;
	struct ring *ring;
	struct process *process;
	struct mailbox mailbox;
	struct writer writer;
	struct link streams, listeners, dialings, dgrams;
	struct link gone;                /* streams that are closed; freed at the end of the turn */
	uint32_t stream_count, half_open_count;
	uint64_t dial_serial;
	struct {
		const struct tls_settings *settings;
		struct tls_endpoint *endpoint;
	} endpoints[ENDPOINTS_MAX];
	uint32_t endpoint_count;
	struct ferry_end **ferries;      /* by worker index; NULL for ourselves */
	struct timer housekeeping;       /* trims pools; fires once a while while anything is in use */
	bool starving;
	bool stopping;                   /* everything is being let go */
	bool stopped;
	pthread_t thread;
	_Alignas(64) _Atomic uint32_t load;  /* links here; read by acceptors */
	_Atomic uint32_t arriving;       /* connections on their way here */
	_Atomic uint32_t busy;           /* pairs; read by whoever waits for a drain */
};

/* Before its thread runs; `ring` comes later, in the thread. */
void worker_init(struct worker *worker, struct process *process, uint32_t index, struct instant now);
/* In its thread: the ring, then the services. False: `why`. */
bool worker_start(struct worker *worker, char why[RING_WHY_SIZE]);
/* One turn; sleeps at most until `deadline`. False: it has stopped and may be finished. */
bool worker_turn(struct worker *worker, struct instant deadline);
void worker_fini(struct worker *worker);

/* Ends everything at once; worker_turn goes on until all is let go. */
void worker_stop(struct worker *worker);
/* Takes no new work. */
void worker_drain(struct worker *worker);

/* This worker's contexts for the settings, made at first use. NULL: they cannot be made (logged). */
struct tls_endpoint *worker_endpoint(struct worker *worker, const struct tls_settings *settings);
/* What acceptors see of its load, as it is now. */
static inline void worker_show_load(struct worker *worker)
{
	atomic_store_explicit(&worker->load, worker->hub.link_count + worker->half_open_count,
			      memory_order_relaxed);
}
/* Something waits for memory: everything is tried again soon. */
void worker_starves(struct worker *worker);
/* The worker of a hub. */
static inline struct worker *worker_of(struct hub *hub) { return OWNER(hub, struct worker, hub); }

#endif
