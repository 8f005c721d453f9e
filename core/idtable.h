/* core/idtable.h - from a peer's name of a channel to the channel: a hash table that grows and shrinks.
 *
 * Owner: the session. Intrusive: the entry's link is inside the channel. Ids up to 16 bytes lie in the link
 * itself, longer ones are borrowed from the entry's owner for as long as it is in the table.
 */
#ifndef CORE_IDTABLE_H
#define CORE_IDTABLE_H

#include "core/base.h"

enum { IDTABLE_INLINE = 16 };

struct idtable_link {
	struct idtable_link *next;
	const uint8_t *id;           /* NULL: in no table */
	uint16_t size;
	uint32_t hash;
	uint8_t bytes[IDTABLE_INLINE];
};

struct idtable {
	struct idtable_link **buckets;
	struct idtable_link *only;   /* the one bucket of a table that has no memory yet */
	uint32_t bucket_count;       /* a power of two, or 0 */
	uint32_t count;
	uint32_t seed;               /* so that a peer cannot aim at one bucket */
};

/* Never fails: without memory the table only gets slower. The id must be in it no more than once. */
void idtable_insert(struct idtable *table, struct idtable_link *link, const void *id, size_t size);
struct idtable_link *idtable_find(const struct idtable *table, const void *id, size_t size);
void idtable_remove(struct idtable *table, struct idtable_link *link);   /* nothing when it is in no table */
void idtable_fini(struct idtable *table);

#endif
