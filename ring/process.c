/* ring/process.c - threads and what they share; see process.h. */
#include "ring/process.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

#include "ring/ferry.h"
#include "tls/tls.h"

static bool ferries_create(struct process *process)
{
	uint32_t count = process->worker_count;
	for (uint32_t i = 0; i < count; i++) {
		process->workers[i].ferries = calloc(count, sizeof(struct ferry_end *));
		process->workers[i].hub.ferries = calloc(count, sizeof(struct session *));
		if (!process->workers[i].ferries || !process->workers[i].hub.ferries)
			return false;
	}
	for (uint32_t i = 0; i < count; i++) {
		for (uint32_t j = i + 1; j < count; j++) {
			struct ferry *ferry = ferry_create(i, j);
			if (!ferry)
				return false;
			process->workers[i].ferries[j] = &ferry->ends[0];
			process->workers[j].ferries[i] = &ferry->ends[1];
		}
	}
	return true;
}

bool process_init(struct process *process, uint32_t worker_count, struct instant now)
{
	check(worker_count > 0 && worker_count <= WORKERS_MAX);
	process->worker_count = worker_count;
	process->workers = aligned_alloc(_Alignof(struct worker), worker_count * sizeof *process->workers);
	process->sources = sources_create();
	process->own = own_create();
	if (!process->workers || !process->sources || !process->own)
		return false;
	for (uint32_t i = 0; i < worker_count; i++)
		worker_init(&process->workers[i], process, i, now);
	return ferries_create(process);
}

void process_fini(struct process *process)
{
	for (uint32_t i = 0; i < process->worker_count; i++) {
		for (uint32_t j = i + 1; j < process->worker_count; j++)
			if (process->workers[i].ferries[j])
				ferry_destroy(OWNER(process->workers[i].ferries[j], struct ferry, ends[0]));
	}
	for (uint32_t i = 0; i < process->worker_count; i++) {
		struct worker *worker = &process->workers[i];
		free(worker->ferries);
		free(worker->hub.ferries);
		hub_fini(&worker->hub);
	}
	sources_destroy(process->sources);
	own_destroy(process->own);
	free(process->workers);
	process->workers = NULL;
}

/* ---- threads ---- */

/* The index-th CPU of those this process may use. */
static void pin(uint32_t index)
{
	cpu_set_t allowed, one;
	if (sched_getaffinity(0, sizeof allowed, &allowed) != 0)
		return;
	uint32_t left = index % (uint32_t)CPU_COUNT(&allowed);
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (!CPU_ISSET(cpu, &allowed) || left--)
			continue;
		CPU_ZERO(&one);
		CPU_SET(cpu, &one);
		pthread_setaffinity_np(pthread_self(), sizeof one, &one);
		return;
	}
}

/* Its ring is made and destroyed in its own thread; the latter after everybody has stopped, because any
 * worker may still wake any other until then. */
static void worker_end(struct worker *worker)
{
	struct process *process = worker->process;
	pthread_barrier_wait(&process->stopped);
	pthread_barrier_wait(&process->resolved);
	if (worker->ring)
		worker_fini(worker);
	tls_thread_stop();
}

static void *worker_main(void *argument)
{
	struct worker *worker = argument;
	struct process *process = worker->process;
	char name[16], why[RING_WHY_SIZE] = "";
	snprintf(name, sizeof name, "tunnel/%u", worker->hub.index);
	pthread_setname_np(pthread_self(), name);
	if (process->pinned)
		pin(worker->hub.index);
	bool works = worker_start(worker, why);
	if (!works && atomic_fetch_add(&process->failed, 1) == 0)
		text_copy(process->why, sizeof process->why, slice_of(why));
	if (works)
		atomic_fetch_add(&process->started, 1);
	/* nobody may post to a worker whose ring is not there yet */
	while (atomic_load(&process->started) + atomic_load(&process->failed) < process->worker_count)
		sched_yield();
	if (atomic_load(&process->failed))
		worker_stop(worker);
	while (worker->ring && worker_turn(worker, INSTANT_NEVER))
		;
	worker_end(worker);
	return NULL;
}

bool process_start(struct process *process)
{
	pthread_barrier_init(&process->stopped, NULL, process->worker_count + 1);
	pthread_barrier_init(&process->resolved, NULL, process->worker_count + 1);
	for (uint32_t i = 0; i < process->worker_count; i++)
		check(pthread_create(&process->workers[i].thread, NULL, worker_main, &process->workers[i]) ==
		      0);
	while (atomic_load(&process->started) + atomic_load(&process->failed) < process->worker_count)
		sched_yield();
	if (!atomic_load(&process->failed))
		return true;
	process_join(process);
	return false;
}

void process_join(struct process *process)
{
	pthread_barrier_wait(&process->stopped);
	if (process->resolver)
		resolver_stop(process->resolver);        /* its last answers find their workers' mailboxes */
	process->resolver = NULL;
	pthread_barrier_wait(&process->resolved);
	for (uint32_t i = 0; i < process->worker_count; i++)
		pthread_join(process->workers[i].thread, NULL);
	pthread_barrier_destroy(&process->stopped);
	pthread_barrier_destroy(&process->resolved);
}

/* ---- mail ---- */

void process_post(struct process *process, struct mail *mail)
{
	struct worker *worker = &process->workers[mail->to];
	if (mailbox_push(&worker->mailbox, mail))
		ring_wake(worker->ring);
}

static void drain_worker(struct hub *to, struct mail *mail)
{
	worker_drain(worker_of(to));
	mail_free(mail);
}

static void stop_worker(struct hub *to, struct mail *mail)
{
	worker_stop(worker_of(to));
	mail_free(mail);
}

static void tell_services(struct hub *to, struct mail *mail)
{
	for (uint32_t i = 0; i < to->service_count; i++)
		if (to->services[i]->table->network_changed)
			to->services[i]->table->network_changed(to->services[i]);
	mail_free(mail);
}

static void tell_all(struct process *process, mail_deliver_fn *deliver)
{
	for (uint32_t i = 0; i < process->worker_count; i++) {
		struct mail *mail = mail_create(sizeof *mail);
		check(mail);
		mail->deliver = deliver;
		mail->to = i;
		process_post(process, mail);
	}
}

void process_drain(struct process *process) { tell_all(process, drain_worker); }
void process_network_changed(struct process *process) { tell_all(process, tell_services); }
void process_stop(struct process *process) { tell_all(process, stop_worker); }

bool process_is_idle(const struct process *process)
{
	for (uint32_t i = 0; i < process->worker_count; i++)
		if (atomic_load_explicit(&process->workers[i].busy, memory_order_relaxed))
			return false;
	return true;
}

uint32_t process_least_loaded(const struct process *process)
{
	uint32_t best = 0, best_load = UINT32_MAX;
	for (uint32_t i = 0; i < process->worker_count; i++) {
		const struct worker *worker = &process->workers[i];
		uint32_t load = atomic_load_explicit(&worker->load, memory_order_relaxed) +
				atomic_load_explicit(&worker->arriving, memory_order_relaxed);
		if (load < best_load) {
			best = i;
			best_load = load;
		}
	}
	return best;
}

uint64_t process_counter(const struct process *process, enum counter counter)
{
	uint64_t sum = 0;
	for (uint32_t i = 0; i < process->worker_count; i++)
		sum += __atomic_load_n(&process->workers[i].hub.counters[counter], __ATOMIC_RELAXED);
	return sum;
}
