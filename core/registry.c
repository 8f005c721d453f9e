/* core/registry.c - see registry.h. */
#include "core/registry.h"

#include <stdlib.h>

void registry_init(struct registry *registry)
{
	*registry = (struct registry){0};
	list_init(&registry->all);
}

static void entry_remove(struct registry *registry, struct registry_entry *entry)
{
	idtable_remove(&registry->table, &entry->id_link);
	link_remove(&entry->all_link);
	free(entry);
}

void registry_fini(struct registry *registry)
{
	while (!list_is_empty(&registry->all))
		entry_remove(registry, OWNER(registry->all.next, struct registry_entry, all_link));
	idtable_fini(&registry->table);
}

static size_t make_key(uint8_t key[2 + HOST_SIZE], const char *name, uint16_t port)
{
	size_t size = size_min(strlen(name), HOST_SIZE - 1);
	put16(key, port);
	memcpy(key + 2, name, size);
	return size + 2;
}

struct registry_entry *registry_find(const struct registry *registry, const char *name, uint16_t port)
{
	uint8_t key[2 + HOST_SIZE];
	size_t size = make_key(key, name, port);
	struct idtable_link *link = idtable_find(&registry->table, key, size);
	return link ? OWNER(link, struct registry_entry, id_link) : NULL;
}

struct registry_entry *registry_add(struct registry *registry, const char *name, uint16_t port,
				    uint32_t worker, uint64_t link_id)
{
	struct registry_entry *entry = calloc(1, sizeof *entry);
	if (!entry)
		return NULL;
	entry->worker = worker;
	entry->link_id = link_id;
	entry->port = port;
	entry->key_size = (uint16_t)make_key(entry->key, name, port);
	idtable_insert(&registry->table, &entry->id_link, entry->key, entry->key_size);
	list_push(&registry->all, &entry->all_link);
	return entry;
}

void registry_remove_link(struct registry *registry, uint64_t link_id)
{
	for (struct link *link = registry->all.next, *next; link != &registry->all; link = next) {
		struct registry_entry *entry = OWNER(link, struct registry_entry, all_link);
		next = link->next;
		if (entry->link_id == link_id)
			entry_remove(registry, entry);
	}
}

void registry_set_session(struct registry *registry, uint64_t link_id, struct session *session)
{
	for (struct link *link = registry->all.next; link != &registry->all; link = link->next) {
		struct registry_entry *entry = OWNER(link, struct registry_entry, all_link);
		if (entry->link_id == link_id)
			entry->session = session;
	}
}
