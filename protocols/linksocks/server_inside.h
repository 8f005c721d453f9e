/* protocols/linksocks/server_inside.h - what the files of the server role share. Not for others.
 *
 * A token says what its bearers may; a member is a link that has logged in, known to every worker; the
 * registry says which members provide for what; a change of tokens is decided on worker 0 (autonomy.h,
 * api.h) and written into every replica (ledger.h).
 */
#ifndef PROTOCOLS_LINKSOCKS_SERVER_INSIDE_H
#define PROTOCOLS_LINKSOCKS_SERVER_INSIDE_H

#include "core/registry.h"
#include "protocols/linksocks/exit.h"
#include "protocols/linksocks/login.h"
#include "protocols/linksocks/server.h"

enum {
	POLL_MS = 100,                  /* while nobody provides */
	USER_WAIT_S = 10,               /* a SOCKS user waits so long for a provider */
	ORPHAN_S = 3600,                /* a connector token without its owner is kept so long */
	OWNED_MAX = 1000,               /* connector tokens of one provider */
	ASKED_MAX = 64,                 /* its requests that wait for an answer */
	OWN_LISTENER_TAG = 1,           /* session->tag of conns of the own listener */
	PROVIDER_NAME_SIZE = 24,
};

struct linksocks_server {
	struct service service;
	struct linksocks_server_settings *settings;
	struct linksocks_exit exit;
	struct listening own;                  /* worker 0 */
	struct tokens tokens;                  /* replica */
	struct registry providers;             /* replica, by provider_name */
	uint32_t provider_count;               /* replica: links, over all tokens */
	struct link links;                     /* of this worker, that have shown a token */
	struct idtable links_by_id;
	struct idtable api_conns;              /* of this worker, by session->id */
	struct link ports;                     /* SOCKS ports whose home is here */
	struct logins logins;
	struct timer tell_connectors;          /* how many providers there are */
	struct idtable owners;                 /* worker 0: links that may own connector tokens */
	struct link owners_all;
	struct timer sweep;                    /* worker 0: of orphans */
};

static inline struct linksocks_server *server_of(struct service *service)
{
	return OWNER(service, struct linksocks_server, service);
}
/* For a mail: NULL when the worker has stopped. */
static inline struct linksocks_server *server_at(const struct hub *hub, uint32_t index)
{
	struct service *service = hub_service(hub, index);
	return service ? server_of(service) : NULL;
}

/* ---- members.c: links that have logged in, as every worker knows them ---- */

struct member {
	uint64_t link_id;
	uint32_t worker;
	enum party party;
	bool autonomy;                         /* of or for an autonomy token */
	uint64_t serial;                       /* of its token */
	uint64_t reverse_serial;               /* of the reverse token that it provides for or leads to */
	uint64_t owner;                        /* a connector in autonomy: the link of its provider */
	uint8_t instance[INSTANCE_SIZE];
	struct burden *burden;                 /* a provider's: a reference */
};

/* Tells all workers. */
void member_join(struct linksocks_server *server, const struct member *member);
void member_leave(struct linksocks_server *server, const struct member *member);
/* What a provider is registered under: its token or, in autonomy, itself. */
void provider_name(char name[PROVIDER_NAME_SIZE], bool autonomy, uint64_t serial_or_link_id);
/* Whose turn it is: the next one that lives and has room, round robin; `here`: of those on the hub's worker.
 * NULL: nobody's. */
struct registry_holder *provider_next(const struct registry_entry *entry, uint32_t *turn,
				      const struct hub *hub, bool here);
void members_init(struct linksocks_server *server);
void members_fini(struct linksocks_server *server);

/* On worker 0: a link that may own connector tokens. */
struct owner {
	struct link all_link;
	struct idtable_link id_link;
	uint32_t owned;
};
/* NULL: it has ended. */
struct owner *owner_find(struct linksocks_server *server, uint64_t link_id);

/* ---- server_link.c ---- */

struct server_link {                           /* role_state */
	struct link server_link;
	struct idtable_link id_link;
	struct session *session;
	struct member member;
	bool joined;                           /* the others know it */
	uint32_t features;
	const char *refusal;
	char source[64];                       /* for logs; "" when it is the peer */
	struct login_key key;
	struct timer delay;                    /* of a refusal */
	bool delayed;
	uint32_t connector_count;              /* autonomy: links of its own connectors */
	struct note note;                      /* what fill gave last */
	struct link answers;                   /* to its requests, that are to be said */
	uint32_t asked;
	struct token_request answer;
};

static inline struct server_link *server_link_of(const struct session *session)
{
	return session->role_state;
}
/* NULL: it has ended, or is another worker's. */
struct server_link *server_link_find(struct linksocks_server *server, uint64_t link_id);
bool server_link_is_alive(const struct server_link *link);
/* Their token was removed. */
void server_links_end(struct linksocks_server *server, uint64_t serial);

/* ---- relay.c: from a connector or a SOCKS user to a provider ---- */

/* NULL: nobody provides for it at the moment, or (`here`) nobody of this worker. `token`: reverse, autonomy
 * or connector. */
struct registry_holder *relay_choose(struct linksocks_server *server, struct token *token, bool here);
/* Was it the end of the provider's link that has refused the pair, and not the provider? */
bool relay_has_lost(const struct pair *pair, enum reason reason);
/* A connector's link has said OPEN. */
void relay_open(struct linksocks_server *server, const struct event *event);
/* The same at the other end of a ferry. */
void relay_ferried(struct linksocks_server *server, const struct event *event);
bool relay_refused(struct pair *pair, enum reason reason);
void relay_retry(struct pair *pair);

/* ---- reverse_port.c: where a reverse token's users come in ---- */

/* On the token's home worker: listens, unless it does already. On another: nothing. */
void reverse_port_open(struct linksocks_server *server, const struct token *token);
/* It has another port now. */
void reverse_port_move(struct linksocks_server *server, const struct token *token);
/* The token is gone: stops listening. */
void reverse_port_close(struct linksocks_server *server, uint64_t serial);
void reverse_ports_drain(struct linksocks_server *server);
void reverse_ports_fini(struct linksocks_server *server);

#endif
