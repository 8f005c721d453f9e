/* core/memory.h - small objects of one worker: free lists by size, so that the data path does not allocate.
 *
 * Owner: the hub. Thread: its worker. Objects come zeroed. What is free beyond MEMORY_KEEP per size goes back
 * to the system at once, so that a burst leaves no trace.
 */
#ifndef CORE_MEMORY_H
#define CORE_MEMORY_H

#include "core/base.h"

enum { MEMORY_STEP = 64, MEMORY_CLASSES = 64, MEMORY_KEEP = 256 };

struct memory {
	struct memory_free { struct memory_free *next; } *free[MEMORY_CLASSES];
	uint32_t free_count[MEMORY_CLASSES];
	uint64_t used;                      /* objects given out */
	size_t bytes;                       /* of them */
	uint32_t (*fail)(void *state);      /* the simulator's failing allocations; NULL otherwise */
	void *fail_state;
};

/* Zeroed; NULL when there is none. */
void *memory_acquire(struct memory *memory, size_t size);
/* `size` as it was acquired. NULL is allowed. */
void memory_release(struct memory *memory, void *object, size_t size);
/* Checks that everything came home. */
void memory_fini(struct memory *memory);

#endif
