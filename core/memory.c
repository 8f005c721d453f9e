/* core/memory.c - free lists by size; see memory.h. */
#include "core/memory.h"

#include <stdlib.h>

/* Index of the free list, MEMORY_CLASSES for what is too large for one. */
static size_t class_of(size_t size)
{
	size_t class = (size + MEMORY_STEP - 1) / MEMORY_STEP;
	return class < MEMORY_CLASSES ? class : MEMORY_CLASSES;
}

void *memory_acquire(struct memory *memory, size_t size)
{
	if (memory->fail && memory->fail(memory->fail_state))
		return NULL;
	size_t class = class_of(size);
	void *object;
	if (class < MEMORY_CLASSES && memory->free[class]) {
		struct memory_free *first = memory->free[class];
		memory->free[class] = first->next;
		memory->free_count[class]--;
		object = first;
		memset(object, 0, size);
	} else {
		object = calloc(1, class < MEMORY_CLASSES ? class * MEMORY_STEP : size);
		if (!object)
			return NULL;
	}
	memory->used++;
	memory->bytes += size;
	return object;
}

void memory_release(struct memory *memory, void *object, size_t size)
{
	if (!object)
		return;
	check(memory->used > 0 && memory->bytes >= size);
	memory->used--;
	memory->bytes -= size;
	size_t class = class_of(size);
	if (class >= MEMORY_CLASSES || memory->free_count[class] >= MEMORY_KEEP) {
		free(object);
		return;
	}
	struct memory_free *first = object;
	first->next = memory->free[class];
	memory->free[class] = first;
	memory->free_count[class]++;
}

void memory_fini(struct memory *memory)
{
	check(memory->used == 0);
	for (size_t class = 0; class < MEMORY_CLASSES; class++) {
		while (memory->free[class]) {
			struct memory_free *first = memory->free[class];
			memory->free[class] = first->next;
			free(first);
		}
	}
}
