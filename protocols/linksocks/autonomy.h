/* protocols/linksocks/autonomy.h - who may add and remove which connector token: rules, decided on worker 0.
 *
 * A provider of an autonomy token has connector tokens of its own. One whose owner has gone stays reserved
 * for providers of the same reverse token, so that a client that comes back has its tokens again; after
 * ORPHAN_S it is removed. Owner: the service. Thread: as told at each.
 */
#ifndef PROTOCOLS_LINKSOCKS_AUTONOMY_H
#define PROTOCOLS_LINKSOCKS_AUTONOMY_H

#include "protocols/linksocks/server_inside.h"

/* ---- worker 0 ---- */

enum wish_action {
	WISH_REFUSE,                     /* with `refusal` */
	WISH_NOTHING,                    /* it is as wanted already */
	WISH_ADD,                        /* a new token */
	WISH_TAKE,                       /* `token` gets another owner */
	WISH_REMOVE,                     /* `token` */
};

struct wish {
	/* ---- worker 0 ---- */

enum wish_action action;
	const char *refusal;
	struct token *token;
};

/* What is to be done about a request of that provider (a link of `reverse`, NULL: its token is gone). */
struct wish autonomy_decide(struct linksocks_server *server, const struct token *reverse, uint64_t link_id,
			    const uint8_t instance[INSTANCE_SIZE], const struct token_request *request);

/* Looks after orphans from now on. */
void autonomy_start(struct linksocks_server *server);

/* ---- the link's worker ---- */

/* A link wants a connector token, or to be rid of one. */
void autonomy_ask(struct server_link *link, const struct token_request *request);
/* The answer that is to be said. NULL: there is none. */
const struct token_request *autonomy_answer(struct server_link *link, enum reason *reason,
					    struct slice *text);
void autonomy_answered(struct server_link *link);
void autonomy_forget(struct server_link *link);

#endif
