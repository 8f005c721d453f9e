/* tests/sim/resolve.c - names of the world, answered later, not at all, or wrongly; see node.h. */
#include "tests/sim/node.h"

#include <stdio.h>
#include <stdlib.h>

#include "tests/sim/tally.h"

enum { HOST_NOBODY = 10, QUESTIONS_MAX = 2048, LATE_MS = 40, SLOW_MS = 12000 };

struct question {
	struct process *process;
	struct resolve_job *job;     /* NULL: free, or answered because its process stopped */
	bool waits;
};

struct resolve_faults resolve_faults;
static struct question questions[QUESTIONS_MAX];

void resolve_start(void)
{
	memset(questions, 0, sizeof questions);
	resolve_faults = (struct resolve_faults){0};
}

/* "hostN.example": host N. Sometimes an address that nobody has comes first. */
static void fill(struct resolve_job *job)
{
	unsigned host;
	job->reason = REASON_NAME;
	if (sscanf(job->host, "host%u.example", &host) != 1 || sim_chance(resolve_faults.unknown)) {
		tally(TALLY_names_unknown);
		return;
	}
	job->reason = REASON_OK;
	if (sim_below(6) == 0)
		job->addresses[job->count++] = net_address(HOST_NOBODY + (uint32_t)sim_below(2), job->port);
	job->addresses[job->count++] = net_address(host, job->port);
}

static void answer(void *object)
{
	struct question *question = object;
	struct resolve_job *job = question->job;
	question->waits = false;
	question->job = NULL;
	if (!job)
		return;
	fill(job);
	process_post(question->process, &job->mail);
}

void resolve(struct process *process, struct resolve_job *job)
{
	for (uint32_t i = 0; i < QUESTIONS_MAX; i++) {
		if (questions[i].waits)
			continue;
		questions[i] = (struct question){.process = process, .job = job, .waits = true};
		bool slow = sim_chance(resolve_faults.slow);
		int64_t late_ms = slow ? SLOW_MS : LATE_MS;
		if (slow)
			tally(TALLY_names_late);
		sim_after(DURATION_MS(sim_below((uint64_t)late_ms)), answer, &questions[i]);
		return;
	}
	job->reason = REASON_LIMIT;
	process_post(process, &job->mail);
}

void resolve_stop(struct process *process)
{
	for (uint32_t i = 0; i < QUESTIONS_MAX; i++) {
		struct resolve_job *job = questions[i].job;
		if (!job || questions[i].process != process)
			continue;
		questions[i].job = NULL;
		job->reason = REASON_STOPPING;
		process_post(process, &job->mail);
	}
}
