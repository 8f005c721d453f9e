/* bench/lib/memory.h - the memory of processes and their descendants, as the kernel accounts it to them.
 *
 * Owner: nobody, values only. Thread: main. From /proc/PID/smaps_rollup: what is in user space only. Buffers
 * of sockets, rings and the rest of the kernel's own memory are not in it.
 */
#ifndef BENCH_LIB_MEMORY_H
#define BENCH_LIB_MEMORY_H

#include <sys/types.h>

#include "core/base.h"

struct memory {
	double private_kib;   /* written by it and shared with nobody, and what of it was swapped out */
	double pss_kib;       /* its share of everything that is resident */
};

/* Reads until nothing has changed for so long, at most for ten seconds. False: it cannot be read. */
bool memory_settled(const pid_t *roots, uint32_t root_count, double seconds, struct memory *memory);

#endif
