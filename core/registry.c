/* core/registry.c - see registry.h. */
#include "core/registry.h"

#include <stdlib.h>

static struct registry_entry *entry_of(struct link *link)
{
	return OWNER(link, struct registry_entry, all_link);
}

static struct registry_holder *holder_of(struct link *link)
{
	return OWNER(link, struct registry_holder, entry_link);
}

void registry_init(struct registry *registry)
{
	*registry = (struct registry){0};
	list_init(&registry->all);
}

static void holder_free(struct registry_holder *holder)
{
	link_remove(&holder->entry_link);
	burden_unref(holder->burden);
	free(holder);
}

static void entry_free(struct registry *registry, struct registry_entry *entry)
{
	while (!list_is_empty(&entry->holders))
		holder_free(holder_of(entry->holders.next));
	idtable_remove(&registry->table, &entry->id_link);
	link_remove(&entry->all_link);
	tally_unref(entry->users);
	tally_unref(entry->visitors);
	free(entry);
}

void registry_fini(struct registry *registry)
{
	while (!list_is_empty(&registry->all))
		entry_free(registry, entry_of(registry->all.next));
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

static struct registry_entry *entry_create(struct registry *registry, const char *name, uint16_t port)
{
	struct registry_entry *entry = calloc(1, sizeof *entry);
	if (!entry)
		return NULL;
	list_init(&entry->holders);
	entry->port = port;
	entry->key_size = (uint16_t)make_key(entry->key, name, port);
	idtable_insert(&registry->table, &entry->id_link, entry->key, entry->key_size);
	list_push(&registry->all, &entry->all_link);
	return entry;
}

struct registry_holder *registry_add(struct registry *registry, const char *name, uint16_t port,
				     uint32_t worker, uint64_t link_id, struct burden *burden)
{
	struct registry_entry *entry = registry_find(registry, name, port);
	struct registry_holder *holder = entry ? registry_holder_of(entry, link_id) : NULL;
	if (holder)
		return holder;
	holder = calloc(1, sizeof *holder);
	if (holder && !entry)
		entry = entry_create(registry, name, port);
	if (!holder || !entry) {
		free(holder);
		return NULL;
	}
	holder->worker = worker;
	holder->link_id = link_id;
	holder->burden = burden_ref(burden);
	list_push(&entry->holders, &holder->entry_link);
	return holder;
}

struct registry_holder *registry_holder_of(const struct registry_entry *entry, uint64_t link_id)
{
	for (struct link *link = entry->holders.next; link != &entry->holders; link = link->next)
		if (holder_of(link)->link_id == link_id)
			return holder_of(link);
	return NULL;
}

bool registry_let_go(struct registry *registry, struct registry_entry *entry, uint64_t link_id)
{
	struct registry_holder *holder = registry_holder_of(entry, link_id);
	if (!holder)
		return false;
	holder_free(holder);
	if (list_is_empty(&entry->holders) && !entry->kept)
		entry_free(registry, entry);
	return true;
}

void registry_remove_link(struct registry *registry, uint64_t link_id)
{
	for (struct link *link = registry->all.next, *next; link != &registry->all; link = next) {
		next = link->next;
		registry_let_go(registry, entry_of(link), link_id);
	}
}

void registry_drop(struct registry *registry, struct registry_entry *entry)
{
	check(list_is_empty(&entry->holders));
	entry_free(registry, entry);
}

void registry_set_session(struct registry *registry, uint64_t link_id, struct session *session)
{
	for (struct link *link = registry->all.next; link != &registry->all; link = link->next) {
		struct registry_holder *holder = registry_holder_of(entry_of(link), link_id);
		if (holder)
			holder->session = session;
	}
}

static bool is_better(const struct registry_holder *holder, uint64_t weight,
		      const struct registry_holder *best, uint64_t least, uint32_t worker)
{
	if (!best || weight != least)
		return !best || weight < least;
	return holder->worker == worker && best->worker != worker;
}

/* A holder on this worker without a session has just come, or is about to go. */
static struct registry_holder *choose(const struct registry_entry *entry, uint32_t worker, bool here_only,
				      struct instant now)
{
	struct registry_holder *best = NULL;
	uint64_t least = 0;
	for (struct link *link = entry->holders.next; link != &entry->holders; link = link->next) {
		struct registry_holder *holder = holder_of(link);
		bool is_here = holder->worker == worker;
		if (is_here ? !holder->session : here_only)
			continue;
		uint64_t weight = burden_weight(holder->burden, now);
		if (!burden_is_open(holder->burden) || !is_better(holder, weight, best, least, worker))
			continue;
		best = holder;
		least = weight;
	}
	return best;
}

struct registry_holder *registry_choose(const struct registry_entry *entry, uint32_t worker,
					struct instant now)
{
	return choose(entry, worker, false, now);
}

struct registry_holder *registry_choose_on(const struct registry_entry *entry, uint32_t worker,
					   struct instant now)
{
	return choose(entry, worker, true, now);
}
