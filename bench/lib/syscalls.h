/* bench/lib/syscalls.h - how many system calls processes make, counted by the kernel.
 *
 * A counter of the tracepoint raw_syscalls:sys_enter for each thread of the processes and their descendants;
 * threads that are made later are counted with the one that made them. What io_uring does without being
 * called is no system call.
 * Owner: the program. Thread: main. It costs each call some 100 ns: not for rounds that measure CPU.
 */
#ifndef BENCH_LIB_SYSCALLS_H
#define BENCH_LIB_SYSCALLS_H

#include <sys/types.h>

#include "core/base.h"

enum { SYSCALLS_THREADS_MAX = 4096, SYSCALLS_TEXT_SIZE = 256 };

struct syscalls {
	int tracepoint;
	uint32_t count;
	int fds[SYSCALLS_THREADS_MAX];
};

/* Can it be done here? False: one line in `why`. */
bool syscalls_find(struct syscalls *syscalls, char why[SYSCALLS_TEXT_SIZE]);
/* From now on. */
bool syscalls_start(struct syscalls *syscalls, const pid_t *roots, uint32_t root_count);
/* How many since then. Negative: a counter could not be read. */
int64_t syscalls_stop(struct syscalls *syscalls);

#endif
