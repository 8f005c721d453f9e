/* bench/lib/child.h - programs measured from outside: started, timed, and certain to be gone at the end.
 *
 * Owner: the program's main thread. Each process leads its own group and dies with us; a warden, forked
 * first, kills the groups that are left when this program ends in any way, SIGKILL included.
 * CPU time is that of the processes and all their descendants, from the kernel's CPU clocks, dead threads
 * included. SIGINT and SIGTERM only set a flag, so that the program can clean up.
 */
#ifndef BENCH_LIB_CHILD_H
#define BENCH_LIB_CHILD_H

#include <stdatomic.h>
#include <sys/types.h>

#include "core/base.h"

enum { CHILD_PATH_SIZE = 512, CHILD_ARGUMENTS_MAX = 64 };

/* Forks the warden and takes over SIGINT and SIGTERM. Before any thread. The directory goes at the end. */
void child_init(const char *directory);
/* Stops what is left and removes the directory. */
void child_fini(void);
bool child_is_interrupted(void);

/* Seconds of the monotonic clock. */
double child_now(void);
/* Returns early when interrupted, or when `until` (may be NULL) becomes true. */
void child_sleep(double seconds, const atomic_bool *until);

/* An executable by its name, from PATH and the sbin directories. False: not installed. */
bool child_find(const char *name, char path[CHILD_PATH_SIZE]);
/* Starts it with output appended to the log. Returns its pid, or -1. */
pid_t child_start(char *const arguments[], const char *log);
/* Has it ended? */
bool child_is_gone(pid_t pid);
/* SIGTERM, two seconds, SIGKILL; the group with it. */
void child_stop(pid_t pid);
/* Runs it to its end; output (both streams) into text. Returns the exit status, 255 when it cannot run. */
int child_run(char *const arguments[], char *text, size_t size);
/* These processes and their descendants, `max` at most. Returns how many. */
uint32_t child_family(const pid_t *roots, uint32_t root_count, pid_t *pids, uint32_t max);
/* CPU seconds used so far by these processes and their descendants; `count` is how many there are. */
double child_cpu_seconds(const pid_t *roots, uint32_t root_count, uint32_t *count);

#endif
