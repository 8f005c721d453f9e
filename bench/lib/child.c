/* bench/lib/child.c - see child.h. */
#include "bench/lib/child.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { GROUPS_MAX = 256, PROCESSES_MAX = 65536, FAMILY_MAX = 4096, STOP_SECONDS = 2 };

static volatile sig_atomic_t interrupted;
static int warden_pipe = -1;
static pid_t warden;

static void note_signal(int number)
{
	(void)number;
	interrupted = 1;
}

bool child_is_interrupted(void) { return interrupted != 0; }

static int remove_entry(const char *path, const struct stat *status, int kind, struct FTW *place)
{
	(void)status, (void)kind, (void)place;
	return remove(path);
}

/* Learns of groups by the pipe, as pids; a negative one is a group that has ended. */
static _Noreturn void guard(int input, const char *directory)
{
	pid_t groups[GROUPS_MAX];
	pid_t pid;
	size_t count = 0;

	while (read(input, &pid, sizeof(pid)) == (ssize_t)sizeof(pid)) {
		for (size_t i = 0; pid < 0 && i < count; i++)
			if (groups[i] == -pid)
				groups[i] = groups[--count];
		if (pid > 0 && count < GROUPS_MAX)
			groups[count++] = pid;
	}
	for (size_t i = 0; i < count; i++)
		kill(-groups[i], SIGKILL);
	nftw(directory, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
	_exit(0);
}

void child_init(const char *directory)
{
	int ends[2];
	struct sigaction action = {.sa_handler = note_signal};

	check(pipe2(ends, O_CLOEXEC) == 0);
	warden = fork();
	check(warden >= 0);
	if (warden == 0) {
		setsid();
		signal(SIGTERM, SIG_IGN);
		close(ends[1]);
		guard(ends[0], directory);
	}
	close(ends[0]);
	warden_pipe = ends[1];
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	signal(SIGPIPE, SIG_IGN);
}

void child_fini(void)
{
	close(warden_pipe);
	warden_pipe = -1;
	waitpid(warden, NULL, 0);
}

static void tell_warden(pid_t pid) { check(write(warden_pipe, &pid, sizeof(pid)) == (ssize_t)sizeof(pid)); }

double child_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

void child_sleep(double seconds, const atomic_bool *until)
{
	double end = child_now() + seconds;

	while (!interrupted && (until == NULL || !atomic_load(until))) {
		double left = end - child_now();
		struct timespec slice = {.tv_nsec = left < 0.05 ? (long)(left * 1e9) : 50000000};
		if (left <= 0)
			return;
		nanosleep(&slice, NULL);
	}
}

bool child_find(const char *name, char path[CHILD_PATH_SIZE])
{
	char places[4096];
	const char *given = getenv("PATH");
	char *rest = NULL;

	if (strchr(name, '/') != NULL) {
		snprintf(path, CHILD_PATH_SIZE, "%s", name);
		return access(path, X_OK) == 0;
	}
	snprintf(places, sizeof(places), "%s:/usr/local/sbin:/usr/sbin:/sbin",
		 given != NULL ? given : "/usr/bin:/bin");
	for (char *place = strtok_r(places, ":", &rest); place != NULL; place = strtok_r(NULL, ":", &rest)) {
		snprintf(path, CHILD_PATH_SIZE, "%s/%s", place, name);
		if (access(path, X_OK) == 0)
			return true;
	}
	return false;
}

/* In the child: its own group, our death is its death, no input, output to fd. */
static _Noreturn void become(char *const arguments[], int output, pid_t parent)
{
	int input = open("/dev/null", O_RDONLY);

	setsid();
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(255);
	signal(SIGPIPE, SIG_DFL);
	dup2(input, STDIN_FILENO);
	dup2(output, STDOUT_FILENO);
	dup2(output, STDERR_FILENO);
	execv(arguments[0], arguments);
	dprintf(STDERR_FILENO, "%s: %s\n", arguments[0], strerror(errno));
	_exit(255);
}

pid_t child_start(char *const arguments[], const char *log)
{
	int output = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	pid_t parent = getpid();

	if (output < 0)
		return -1;
	pid_t pid = fork();
	if (pid == 0)
		become(arguments, output, parent);
	close(output);
	if (pid > 0)
		tell_warden(pid);
	return pid;
}

bool child_is_gone(pid_t pid)
{
	siginfo_t info = {0};

	return waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid == pid;
}

void child_stop(pid_t pid)
{
	double end = child_now() + STOP_SECONDS;

	kill(pid, SIGTERM);
	while (!child_is_gone(pid) && child_now() < end) {
		struct timespec slice = {.tv_nsec = 5000000};
		nanosleep(&slice, NULL);
	}
	kill(-pid, SIGKILL);
	waitpid(pid, NULL, 0);
	tell_warden(-pid);
}

int child_run(char *const arguments[], char *text, size_t size)
{
	int ends[2], status = 0;
	pid_t parent = getpid();
	size_t used = 0;
	char spare[4096];

	if (pipe2(ends, O_CLOEXEC) != 0)
		return 255;
	pid_t pid = fork();
	if (pid == 0)
		become(arguments, ends[1], parent);
	close(ends[1]);
	for (;;) {
		bool full = used + 1 >= size;
		ssize_t got =
		    read(ends[0], full ? spare : text + used, full ? sizeof(spare) : size - used - 1);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			break;
		used += full ? 0 : (size_t)got;
	}
	close(ends[0]);
	text[used] = 0;
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		continue;
	return pid > 0 && WIFEXITED(status) ? WEXITSTATUS(status) : 255;
}

struct kin {
	pid_t pid, parent;
	bool counted;
};

/* The parent is the second number after the name, which ends with the last bracket. */
static pid_t parent_of(pid_t pid)
{
	char path[64], text[512];
	int parent = 0;
	ssize_t size;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	size = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (size <= 0)
		return 0;
	text[size] = 0;
	const char *end = strrchr(text, ')');
	return end != NULL && sscanf(end, ") %*c %d", &parent) == 1 ? parent : 0;
}

static uint32_t list_processes(struct kin *all)
{
	DIR *directory = opendir("/proc");
	uint32_t count = 0;

	if (directory == NULL)
		return 0;
	for (struct dirent *entry = readdir(directory); entry != NULL; entry = readdir(directory)) {
		pid_t pid = (pid_t)atoi(entry->d_name);
		if (pid > 0 && count < PROCESSES_MAX)
			all[count++] = (struct kin){.pid = pid, .parent = parent_of(pid)};
	}
	closedir(directory);
	return count;
}

static double clock_seconds(pid_t pid)
{
	clockid_t clock;
	struct timespec used;

	if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &used) != 0)
		return 0;
	return (double)used.tv_sec + (double)used.tv_nsec / 1e9;
}

/* This one and, by a walk over the list, all below it. */
static void add_family(struct kin *all, uint32_t all_count, pid_t pid, pid_t *pids, uint32_t max,
		       uint32_t *count)
{
	if (*count < max)
		pids[(*count)++] = pid;
	for (uint32_t i = 0; i < all_count; i++) {
		if (all[i].parent != pid || all[i].counted)
			continue;
		all[i].counted = true;
		add_family(all, all_count, all[i].pid, pids, max, count);
	}
}

uint32_t child_family(const pid_t *roots, uint32_t root_count, pid_t *pids, uint32_t max)
{
	struct kin *all = calloc(PROCESSES_MAX, sizeof(*all));
	uint32_t count = 0;

	check(all != NULL);
	uint32_t all_count = list_processes(all);
	for (uint32_t i = 0; i < root_count; i++)
		add_family(all, all_count, roots[i], pids, max, &count);
	free(all);
	return count;
}

double child_cpu_seconds(const pid_t *roots, uint32_t root_count, uint32_t *count)
{
	pid_t pids[FAMILY_MAX];
	double seconds = 0;

	*count = child_family(roots, root_count, pids, FAMILY_MAX);
	for (uint32_t i = 0; i < *count; i++)
		seconds += clock_seconds(pids[i]);
	return seconds;
}
