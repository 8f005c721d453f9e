/* bench/lib/syscalls.c - see syscalls.h. */
#include "bench/lib/syscalls.h"

#include <dirent.h>
#include <errno.h>
#include <linux/perf_event.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/lib/child.h"

#define TRACING "/sys/kernel/tracing"
#define TRACEPOINT TRACING "/events/raw_syscalls/sys_enter/id"

static int read_id(void)
{
	FILE *file = fopen(TRACEPOINT, "re");
	int id = 0;

	if (file == NULL)
		return 0;
	if (fscanf(file, "%d", &id) != 1)
		id = 0;
	fclose(file);
	return id;
}

/* Where nobody has mounted tracefs, a process with a view of its own does, so that the machine stays as it
 * was. */
static int read_id_apart(void)
{
	int ends[2], id = 0;

	if (pipe2(ends, O_CLOEXEC) != 0)
		return 0;
	pid_t pid = fork();
	if (pid == 0) {
		bool mounted = unshare(CLONE_NEWNS) == 0 &&
			       mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
			       mount("none", TRACING, "tracefs", 0, NULL) == 0;
		id = mounted ? read_id() : 0;
		_exit(write(ends[1], &id, sizeof(id)) != (ssize_t)sizeof(id));
	}
	close(ends[1]);
	if (pid < 0 || read(ends[0], &id, sizeof(id)) != (ssize_t)sizeof(id))
		id = 0;
	close(ends[0]);
	if (pid > 0)
		waitpid(pid, NULL, 0);
	return id;
}

static int open_counter(int tracepoint, pid_t thread)
{
	struct perf_event_attr wanted = {
	    .type = PERF_TYPE_TRACEPOINT,
	    .size = sizeof(wanted),
	    .config = (uint64_t)tracepoint,
	    .inherit = 1,
	};

	return (int)syscall(SYS_perf_event_open, &wanted, thread, -1, -1, PERF_FLAG_FD_CLOEXEC);
}

bool syscalls_find(struct syscalls *syscalls, char why[SYSCALLS_TEXT_SIZE])
{
	syscalls->count = 0;
	syscalls->tracepoint = read_id();
	if (syscalls->tracepoint == 0)
		syscalls->tracepoint = read_id_apart();
	if (syscalls->tracepoint == 0) {
		snprintf(why, SYSCALLS_TEXT_SIZE, "cannot read %s: it takes root and a kernel with tracing",
			 TRACEPOINT);
		return false;
	}
	int counter = open_counter(syscalls->tracepoint, 0);
	if (counter >= 0) {
		close(counter);
		return true;
	}
	snprintf(why, SYSCALLS_TEXT_SIZE, "perf_event_open: %s; it takes root or CAP_PERFMON",
		 strerror(errno));
	return false;
}

/* A thread that has just ended is no fault. */
static bool watch(struct syscalls *syscalls, pid_t pid)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	DIR *directory = opendir(path);
	if (directory == NULL)
		return false;
	for (struct dirent *entry = readdir(directory); entry != NULL; entry = readdir(directory)) {
		pid_t thread = (pid_t)atoi(entry->d_name);
		if (thread == 0 || syscalls->count == SYSCALLS_THREADS_MAX)
			continue;
		int counter = open_counter(syscalls->tracepoint, thread);
		if (counter >= 0)
			syscalls->fds[syscalls->count++] = counter;
	}
	closedir(directory);
	return true;
}

bool syscalls_start(struct syscalls *syscalls, const pid_t *roots, uint32_t root_count)
{
	pid_t pids[SYSCALLS_THREADS_MAX];
	uint32_t count = child_family(roots, root_count, pids, COUNT_OF(pids));
	bool good = count > 0;

	for (uint32_t i = 0; i < count; i++)
		good = watch(syscalls, pids[i]) && good;
	if (!good)
		syscalls_stop(syscalls);
	return good;
}

int64_t syscalls_stop(struct syscalls *syscalls)
{
	int64_t sum = 0;

	for (; syscalls->count > 0; syscalls->count--) {
		uint64_t value;
		int counter = syscalls->fds[syscalls->count - 1];
		if (read(counter, &value, sizeof(value)) != (ssize_t)sizeof(value))
			sum = INT64_MIN / 2;
		else
			sum += (int64_t)value;
		close(counter);
	}
	return sum;
}
