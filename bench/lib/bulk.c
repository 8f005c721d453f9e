/* bench/lib/bulk.c - see bulk.h. */
#include "bench/lib/bulk.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/lib/child.h"

enum { NICE = 19 };

struct bulk_report {
	struct load_result result;
	uint64_t sent, received;
	struct fault fault;
	bool complete;
};

bool bulk_open(struct bulk_load *bulk, enum bulk kind, const struct load *model, uint16_t port, int listener)
{
	for (int direction = 0; direction < DIRECTION_COUNT; direction++) {
		struct load *load = &bulk->streams[direction].load;
		bool wanted = kind == BULK_BOTH || (int)kind == BULK_UP + direction;
		if (!wanted)
			continue;
		*load = *model;
		load->direction = (enum direction)direction;
		if (!load_open(load, 1, port, listener))
			return false;
	}
	return true;
}

/* Where sessions are scheduled as groups, a thread's priority says little beside that of its group. */
static void yield_to_others(void)
{
	int fd = open("/proc/self/autogroup", O_WRONLY | O_CLOEXEC);

	if (fd >= 0) {
		dprintf(fd, "%d", NICE);
		close(fd);
	}
	setpriority(PRIO_PROCESS, 0, NICE);
}

static _Noreturn void run(struct bulk_stream *stream, pid_t parent)
{
	struct bulk_report *report = stream->report;
	struct load *load = &stream->load;

	setsid();
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	yield_to_others();
	load->fault = &report->fault;
	report->complete = load_run(load, stream->seconds, &report->result);
	report->sent = load->streams[0].sent;
	report->received = atomic_load(&load->streams[0].received);
	_exit(0);
}

static void start(struct bulk_stream *stream, double seconds)
{
	pid_t parent = getpid();

	stream->seconds = seconds;
	stream->report =
	    mmap(NULL, sizeof(*stream->report), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	check(stream->report != MAP_FAILED);
	stream->pid = fork();
	if (stream->pid == 0)
		run(stream, parent);
	if (stream->pid < 0)
		fault_set(stream->load.fault, "cannot start a process for the load");
}

void bulk_start(struct bulk_load *bulk, double seconds)
{
	for (int direction = 0; direction < DIRECTION_COUNT; direction++)
		if (bulk->streams[direction].load.streams != NULL)
			start(&bulk->streams[direction], seconds);
}

/* An interrupt or a fault ends it early. Returns its bytes a second. */
static double join(struct bulk_stream *stream)
{
	struct bulk_report *report = stream->report;
	struct load *load = &stream->load;
	double rate = 0;

	while (stream->pid > 0) {
		if (child_is_interrupted() || fault_is_set(load->fault))
			kill(stream->pid, SIGTERM);
		if (waitpid(stream->pid, NULL, 0) == stream->pid)
			stream->pid = 0;
	}
	if (report->complete && report->result.seconds > 0)
		rate = (double)report->result.bytes / report->result.seconds;
	else if (!child_is_interrupted())
		fault_set(load->fault, "the load beside: %s",
			  fault_is_set(&report->fault) ? report->fault.text : "nothing arrived");
	load->streams[0].sent = report->sent;
	atomic_store(&load->streams[0].received, report->received);
	munmap(report, sizeof(*report));
	stream->report = NULL;
	return rate;
}

double bulk_stop(struct bulk_load *bulk)
{
	double rate = 0;

	for (int direction = 0; direction < DIRECTION_COUNT; direction++)
		if (bulk->streams[direction].report != NULL)
			rate += join(&bulk->streams[direction]);
	return rate;
}

bool bulk_close(struct bulk_load *bulk)
{
	bool good = true;

	for (int direction = 0; direction < DIRECTION_COUNT; direction++)
		if (bulk->streams[direction].load.streams != NULL)
			good = load_close(&bulk->streams[direction].load) && good;
	return good;
}
