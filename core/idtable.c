/* core/idtable.c - a chained hash table over borrowed ids; see idtable.h. */
#include "core/idtable.h"

#include <stdlib.h>

enum { BUCKETS_MIN = 16 };

static uint32_t hash_of(const struct idtable *table, const uint8_t *id, size_t size)
{
	uint32_t hash = 2166136261u ^ table->seed;
	for (size_t i = 0; i < size; i++)
		hash = (hash ^ id[i]) * 16777619u;
	return hash ^ hash >> 15;
}

static bool resize(struct idtable *table, uint32_t bucket_count)
{
	struct idtable_link **buckets = calloc(bucket_count, sizeof *buckets);
	if (!buckets)
		return false;
	for (uint32_t i = 0; i < table->bucket_count; i++) {
		struct idtable_link *link = table->buckets[i];
		while (link) {
			struct idtable_link *next = link->next;
			struct idtable_link **at = &buckets[link->hash & (bucket_count - 1)];
			link->next = *at;
			*at = link;
			link = next;
		}
	}
	free(table->buckets);
	table->buckets = buckets;
	table->bucket_count = bucket_count;
	return true;
}

bool idtable_insert(struct idtable *table, struct idtable_link *link, const void *id, size_t size)
{
	check(!link->id && size > 0 && size <= UINT16_MAX);
	/* a table that cannot grow only gets slower */
	if (table->count >= table->bucket_count &&
	    !resize(table, table->bucket_count ? table->bucket_count * 2 : BUCKETS_MIN) &&
	    !table->bucket_count)
		return false;
	if (size <= IDTABLE_INLINE)
		memcpy(link->bytes, id, size);
	link->id = size <= IDTABLE_INLINE ? link->bytes : id;
	link->size = (uint16_t)size;
	link->hash = hash_of(table, link->id, size);
	struct idtable_link **at = &table->buckets[link->hash & (table->bucket_count - 1)];
	link->next = *at;
	*at = link;
	table->count++;
	return true;
}

struct idtable_link *idtable_find(const struct idtable *table, const void *id, size_t size)
{
	if (!table->count)
		return NULL;
	uint32_t hash = hash_of(table, id, size);
	struct idtable_link *link = table->buckets[hash & (table->bucket_count - 1)];
	while (link && (link->hash != hash || link->size != size || memcmp(link->id, id, size) != 0))
		link = link->next;
	return link;
}

void idtable_remove(struct idtable *table, struct idtable_link *link)
{
	if (!link->id)
		return;
	struct idtable_link **at = &table->buckets[link->hash & (table->bucket_count - 1)];
	while (*at != link)
		at = &(*at)->next;
	*at = link->next;
	link->id = NULL;
	table->count--;
	if (table->bucket_count > BUCKETS_MIN && table->count < table->bucket_count / 8)
		resize(table, table->bucket_count / 4);
}

void idtable_fini(struct idtable *table)
{
	check(table->count == 0);
	free(table->buckets);
	*table = (struct idtable){.seed = table->seed};
}
