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

static struct idtable_link **bucket_of(const struct idtable *table, uint32_t hash)
{
	struct idtable_link *const *only = &table->only;
	return table->bucket_count ? &table->buckets[hash & (table->bucket_count - 1)]
				   : (struct idtable_link **)(uintptr_t)only;
}

static void resize(struct idtable *table, uint32_t bucket_count)
{
	struct idtable_link **buckets = calloc(bucket_count, sizeof *buckets);
	if (!buckets)
		return;
	for (uint32_t i = 0; i < (table->bucket_count ? table->bucket_count : 1); i++) {
		struct idtable_link *link = table->bucket_count ? table->buckets[i] : table->only;
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
	table->only = NULL;
}

void idtable_insert(struct idtable *table, struct idtable_link *link, const void *id, size_t size)
{
	check(!link->id && size > 0 && size <= UINT16_MAX);
	if (table->count >= table->bucket_count)
		resize(table, table->bucket_count ? table->bucket_count * 2 : BUCKETS_MIN);
	if (size <= IDTABLE_INLINE)
		memcpy(link->bytes, id, size);
	link->id = size <= IDTABLE_INLINE ? link->bytes : id;
	link->size = (uint16_t)size;
	link->hash = hash_of(table, link->id, size);
	struct idtable_link **at = bucket_of(table, link->hash);
	link->next = *at;
	*at = link;
	table->count++;
}

struct idtable_link *idtable_find(const struct idtable *table, const void *id, size_t size)
{
	if (!table->count)
		return NULL;
	uint32_t hash = hash_of(table, id, size);
	struct idtable_link *link = *bucket_of(table, hash);
	while (link && (link->hash != hash || link->size != size || memcmp(link->id, id, size) != 0))
		link = link->next;
	return link;
}

void idtable_remove(struct idtable *table, struct idtable_link *link)
{
	if (!link->id)
		return;
	struct idtable_link **at = bucket_of(table, link->hash);
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
