/* core/registry.h - who publishes what: (name, port) -> the links that serve it. A replica on every worker.
 *
 * Owner:  a service, one per worker; kept alike by mails from the one worker that decides. Thread: its
 * worker's. A name has one holder, or several links of one client. Never: locked or shared; a holder's
 * session is set only on the link's own worker.
 */
#ifndef CORE_REGISTRY_H
#define CORE_REGISTRY_H

#include "core/burden.h"
#include "core/idtable.h"
#include "core/list.h"
#include "core/session.h"
#include "core/tally.h"

struct registry_holder {
	struct link entry_link;     /* entry->holders, the oldest first */
	uint32_t worker;            /* of the link */
	uint64_t link_id;           /* session->id of the link */
	struct session *session;    /* on the link's own worker while it lives; else NULL */
	struct burden *burden;      /* a reference */
};

struct registry_entry {
	struct idtable_link id_link;
	struct link all_link;
	struct link holders;
	bool kept;                  /* stays when its last holder goes, until registry_drop */
	uint32_t listener;          /* where the port is listened on; known to the worker that decides */
	struct instant since;       /* the owner's: when it was first held */
	struct tally *users, *visitors; /* the owner's; NULL: nothing was counted */
	uint16_t port;
	uint16_t key_size;
	uint8_t key[2 + HOST_SIZE]; /* port, then the name */
};

struct registry {
	struct idtable table;
	struct link all;
};

void registry_init(struct registry *registry);
void registry_fini(struct registry *registry);
struct registry_entry *registry_find(const struct registry *registry, const char *name, uint16_t port);
/* One more holder, of a new entry if need be; the same one again when that link holds it already. Takes a
 * reference of the burden. NULL: no memory. */
struct registry_holder *registry_add(struct registry *registry, const char *name, uint16_t port,
				     uint32_t worker, uint64_t link_id, struct burden *burden);
/* The name ends in zero. */
static inline const char *registry_name(const struct registry_entry *entry)
{
	return (const char *)entry->key + 2;
}
/* NULL: that link does not hold it. */
struct registry_holder *registry_holder_of(const struct registry_entry *entry, uint64_t link_id);
/* False: that link did not hold it. The entry may be gone. */
bool registry_let_go(struct registry *registry, struct registry_entry *entry, uint64_t link_id);
/* Every entry of that link. */
void registry_remove_link(struct registry *registry, uint64_t link_id);
/* An entry without holders that was kept. */
void registry_drop(struct registry *registry, struct registry_entry *entry);
/* The link's session on its own worker; NULL when it has ended. */
void registry_set_session(struct registry *registry, uint64_t link_id, struct session *session);

/* Of the holders that take new channels the one that carries the least; of equals one on `worker`, where
 * nobody has to move, then the oldest. NULL: there is none. */
struct registry_holder *registry_choose(const struct registry_entry *entry, uint32_t worker,
					struct instant now);
/* The same among those on `worker`. */
struct registry_holder *registry_choose_on(const struct registry_entry *entry, uint32_t worker,
					   struct instant now);

#endif
