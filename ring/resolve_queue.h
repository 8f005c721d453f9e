/* ring/resolve_queue.h - jobs on their way to the resolver's thread, and how many it has.
 *
 * Owner:  the resolver. Thread: any for push, the resolver's for the rest; a mutex, held for some
 *         instructions.
 * Limits: RESOLVE_JOBS_MAX jobs between push and done.
 */
#ifndef RING_RESOLVE_QUEUE_H
#define RING_RESOLVE_QUEUE_H

#include <pthread.h>

#include "ring/resolver.h"

struct resolve_queue {
	pthread_mutex_t mutex;
	struct resolve_job *first, **last;
	uint32_t jobs;          /* pushed and not done */
	bool stopping;
};

void resolve_queue_init(struct resolve_queue *queue);
/* Checks that every job is done. */
void resolve_queue_fini(struct resolve_queue *queue);
/* REASON_OK, and `*idle` when the queue was empty; else the job stays the caller's, with REASON_LIMIT or
 * _STOPPING. */
enum reason resolve_queue_push(struct resolve_queue *queue, struct resolve_job *job, bool *idle);
/* Up to `max` jobs, in order, as a chain. */
struct resolve_job *resolve_queue_pull(struct resolve_queue *queue, uint32_t max);
/* A job was answered. */
void resolve_queue_done(struct resolve_queue *queue);
/* No more is taken. */
void resolve_queue_stop(struct resolve_queue *queue);
bool resolve_queue_is_stopping(struct resolve_queue *queue);
bool resolve_queue_is_empty(struct resolve_queue *queue);

#endif
