/* ring/slots.h - a table by descriptor: what an engine knows of each.
 *
 * Owner: the engine, with its own kind of slot. Thread: its worker. New slots are zero. The table doubles
 * until it covers a descriptor, and goes by halves, to SLOTS_MIN, when no more than a quarter is in use.
 * Never: moves while somebody holds a pointer into it: both calls may move it.
 */
#ifndef RING_SLOTS_H
#define RING_SLOTS_H

#include "core/base.h"

enum { SLOTS_MIN = 64 };

/* So many slots of `size` bytes that there is one for `fd`. The table, at its new place. */
void *slots_cover(void *slots, uint32_t *count, uint32_t fd, size_t size);
/* Only the first `used` are in use. The table, at its new place. */
void *slots_shrink(void *slots, uint32_t *count, uint32_t used, size_t size);

#endif
