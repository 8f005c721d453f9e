/* bench/lib/primitive.h - one small operation of the program, alone and in memory, timed many times over.
 *
 * Owner: bench/primitives.c. Thread: main; a primitive may start one of its own.
 * Life:  open -> batch, any number of times -> close, for every reading anew. A batch is as many operations
 *        as fit together (a send buffer full of records, a loop of a thousand); only what belongs to them is
 *        in its time, which is CPU time of this thread but where sleeping is the matter. The clock is read
 *        twice a batch.
 */
#ifndef BENCH_LIB_PRIMITIVE_H
#define BENCH_LIB_PRIMITIVE_H

#include <time.h>

#include "core/base.h"

enum { PRIMITIVE_TEXT_SIZE = 256, PRIMITIVE_LOOP = 1000 };

struct primitive {
	const char *name;
	uint32_t size; /* payload bytes of one operation; 0: it has none */
	bool touched;  /* that payload is read and written: GB/s means something */
	bool library;  /* tls: records through wolfSSL */
	const struct ring_table *engine;
	const struct carrier *carrier; /* of a relay's link */
	/* False: it cannot be had here, `why` says what is missing. */
	bool (*open)(const struct primitive *primitive, char why[PRIMITIVE_TEXT_SIZE]);
	/* Returns how long it took, in ns, and how many operations that were. */
	int64_t (*batch)(const struct primitive *primitive, uint32_t *count);
	void (*close)(const struct primitive *primitive);
};

struct primitive_set {
	const struct primitive *first;
	uint32_t count;
};

extern const struct primitive_set primitives_tls, primitives_core, primitives_codec, primitives_ring;

static inline int64_t primitive_clock_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static inline int64_t primitive_now_ns(void) { return primitive_clock_ns(CLOCK_MONOTONIC); }
/* CPU time of this thread: neighbours on a busy machine disturb it least. */
static inline int64_t primitive_cpu_ns(void) { return primitive_clock_ns(CLOCK_THREAD_CPUTIME_ID); }
/* Keeps the compiler from dropping what made it. */
static inline void primitive_keep(const void *result) { __asm__ volatile("" : : "r"(result) : "memory"); }

#endif
