/* core/memory.c - free lists by size; see memory.h. */
#include "core/memory.h"

#include <stdlib.h>

/* Index of the free list, MEMORY_CLASSES for what is too large for one. */
static size_t class_of(size_t size)
{
	size_t class = (size + MEMORY_STEP - 1) / MEMORY_STEP;
	return class < MEMORY_CLASSES ? class : MEMORY_CLASSES;
}

/* What an object of that size takes from the system. */
static size_t cost_of(size_t size)
{
	return (size + MEMORY_STEP - 1) / MEMORY_STEP * MEMORY_STEP + MEMORY_HEADER;
}

static void free_put(struct memory *memory, void *object, size_t class)
{
	struct memory_free *first = object;
	first->next = memory->free[class];
	memory->free[class] = first;
	memory->free_count[class]++;
	if (memory->budget)
		memory->budget->kept += class * MEMORY_STEP + MEMORY_HEADER;
}

static void *free_take(struct memory *memory, size_t class)
{
	struct memory_free *first = class < MEMORY_CLASSES ? memory->free[class] : NULL;
	if (!first)
		return NULL;
	memory->free[class] = first->next;
	if (--memory->free_count[class] < memory->free_low[class])
		memory->free_low[class] = memory->free_count[class];
	if (memory->budget)
		memory->budget->kept -= class * MEMORY_STEP + MEMORY_HEADER;
	return first;
}

void *memory_acquire(struct memory *memory, size_t size)
{
	struct budget *budget = memory->budget;
	if ((budget && !budget_has(budget, cost_of(size))) ||
	    (memory->fail && memory->fail(memory->fail_state)))
		return NULL;
	size_t class = class_of(size);
	void *object = free_take(memory, class);
	if (object)
		memset(object, 0, size);
	else
		object = calloc(1, class < MEMORY_CLASSES ? class * MEMORY_STEP : size);
	if (!object)
		return NULL;
	if (budget)
		budget_take(budget, cost_of(size));
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
	if (memory->budget)
		budget_give(memory->budget, cost_of(size));
	size_t class = class_of(size);
	if (class >= MEMORY_CLASSES || memory->free_count[class] >= MEMORY_KEEP) {
		free(object);
		return;
	}
	free_put(memory, object, class);
}

void memory_rest(struct memory *memory)
{
	for (size_t class = 0; class < MEMORY_CLASSES; class++) {
		for (uint32_t count = memory->free_low[class]; count > 0; count--)
			free(free_take(memory, class));
		memory->free_low[class] = memory->free_count[class];
	}
}

void memory_fini(struct memory *memory)
{
	check(memory->used == 0);
	memory_rest(memory);
	memory_rest(memory);
}
