/* core/registry.h - who publishes what: (name, port) -> the link that serves it. A replica on every worker.
 *
 * Owner:  a service, one per worker; kept alike by mails from the one worker that decides. Thread: its
 * worker's. Never:  locked or shared; an entry's session is set only on the link's own worker.
 */
#ifndef CORE_REGISTRY_H
#define CORE_REGISTRY_H

#include "core/idtable.h"
#include "core/list.h"
#include "core/session.h"

struct registry_entry {
	struct idtable_link id_link;
	struct link all_link;
	uint32_t worker;            /* of the link */
	uint64_t link_id;           /* session->id of the link */
	struct session *session;    /* on the link's own worker while it lives; else NULL */
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
/* NULL: no memory. The pair must not be there yet. */
struct registry_entry *registry_add(struct registry *registry, const char *name, uint16_t port,
				    uint32_t worker, uint64_t link_id);
/* Every entry of that link. */
void registry_remove_link(struct registry *registry, uint64_t link_id);
/* The link's session on its own worker; NULL when it has ended. */
void registry_set_session(struct registry *registry, uint64_t link_id, struct session *session);

#endif
