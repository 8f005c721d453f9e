/* ring/resolve_queue.c - see resolve_queue.h. */
#include "ring/resolve_queue.h"

void resolve_queue_init(struct resolve_queue *queue)
{
	pthread_mutex_init(&queue->mutex, NULL);
	queue->first = NULL;
	queue->last = &queue->first;
	queue->jobs = 0;
	queue->stopping = false;
}

void resolve_queue_fini(struct resolve_queue *queue)
{
	check(queue->jobs == 0 && !queue->first);
	pthread_mutex_destroy(&queue->mutex);
}

enum reason resolve_queue_push(struct resolve_queue *queue, struct resolve_job *job, bool *idle)
{
	enum reason reason = REASON_OK;
	job->next = NULL;
	pthread_mutex_lock(&queue->mutex);
	*idle = !queue->first;
	if (queue->stopping) {
		reason = REASON_STOPPING;
	} else if (queue->jobs >= RESOLVE_JOBS_MAX) {
		reason = REASON_LIMIT;
	} else {
		*queue->last = job;
		queue->last = &job->next;
		queue->jobs++;
	}
	pthread_mutex_unlock(&queue->mutex);
	return reason;
}

struct resolve_job *resolve_queue_pull(struct resolve_queue *queue, uint32_t max)
{
	pthread_mutex_lock(&queue->mutex);
	struct resolve_job *jobs = queue->first, **end = &jobs;
	for (uint32_t i = 0; i < max && *end; i++)
		end = &(*end)->next;
	queue->first = *end;
	if (!queue->first)
		queue->last = &queue->first;
	*end = NULL;
	pthread_mutex_unlock(&queue->mutex);
	return jobs;
}

void resolve_queue_done(struct resolve_queue *queue)
{
	pthread_mutex_lock(&queue->mutex);
	check(queue->jobs > 0);
	queue->jobs--;
	pthread_mutex_unlock(&queue->mutex);
}

void resolve_queue_stop(struct resolve_queue *queue)
{
	pthread_mutex_lock(&queue->mutex);
	queue->stopping = true;
	pthread_mutex_unlock(&queue->mutex);
}

bool resolve_queue_is_stopping(struct resolve_queue *queue)
{
	pthread_mutex_lock(&queue->mutex);
	bool stopping = queue->stopping;
	pthread_mutex_unlock(&queue->mutex);
	return stopping;
}

bool resolve_queue_is_empty(struct resolve_queue *queue)
{
	pthread_mutex_lock(&queue->mutex);
	bool empty = !queue->first;
	pthread_mutex_unlock(&queue->mutex);
	return empty;
}
