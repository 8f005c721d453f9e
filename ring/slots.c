/* ring/slots.c - see slots.h. */
#include "ring/slots.h"

#include <stdlib.h>

void *slots_cover(void *slots, uint32_t *count, uint32_t fd, size_t size)
{
	uint32_t wanted = *count ? *count : SLOTS_MIN;
	while (wanted <= fd)
		wanted *= 2;
	uint8_t *table = realloc(slots, wanted * size);
	check(table);
	memset(table + *count * size, 0, (wanted - *count) * size);
	*count = wanted;
	return table;
}

void *slots_shrink(void *slots, uint32_t *count, uint32_t used, size_t size)
{
	uint32_t wanted = *count;
	while (wanted > SLOTS_MIN && wanted / 4 >= used)
		wanted /= 2;
	void *table = wanted < *count ? realloc(slots, wanted * size) : NULL;
	if (!table)
		return slots;
	*count = wanted;
	return table;
}
