/* core/memory.h - small objects of one worker: free lists by size, so that the data path does not allocate.
 *
 * Owner: the hub. Thread: its worker. Objects come zeroed. What is free beyond MEMORY_KEEP per size is freed
 * at once, and what stays free by memory_rest, so that a burst leaves no trace. Limit: the budget.
 */
#ifndef CORE_MEMORY_H
#define CORE_MEMORY_H

#include "core/budget.h"

enum { MEMORY_STEP = 64, MEMORY_CLASSES = 64, MEMORY_KEEP = 256,
       MEMORY_HEADER = 16 /* of the allocator, each */ };

struct memory {
	struct memory_free { struct memory_free *next; } *free[MEMORY_CLASSES];
	uint32_t free_count[MEMORY_CLASSES];
	uint32_t free_low[MEMORY_CLASSES];  /* the fewest since the last memory_rest */
	struct budget *budget;              /* NULL: none */
	uint64_t used;                      /* objects given out */
	size_t bytes;                       /* of them */
	uint32_t (*fail)(void *state);      /* the simulator's failing allocations; NULL otherwise */
	void *fail_state;
};

/* Zeroed; NULL when there is none. */
void *memory_acquire(struct memory *memory, size_t size);
/* `size` as it was acquired. NULL is allowed. */
void memory_release(struct memory *memory, void *object, size_t size);
/* Frees what nobody has needed since the last call. */
void memory_rest(struct memory *memory);
/* Checks that everything came home. */
void memory_fini(struct memory *memory);

#endif
