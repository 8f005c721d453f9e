/* protocols/linksocks/ledger.h - the tokens of a server as worker 0 decides, and as every worker hears of it.
 *
 * Owner:  the service; what changes is called on worker 0 alone, which changes its own replica at once and
 *         tells the others by mail, in order. Every worker ends its links of a token that is removed.
 */
#ifndef PROTOCOLS_LINKSOCKS_LEDGER_H
#define PROTOCOLS_LINKSOCKS_LEDGER_H

#include "protocols/linksocks/server_inside.h"

/* Takes over the token. NULL: TOKENS_MAX; it was freed. */
struct token *ledger_add(struct linksocks_server *server, struct token *token);
/* And its connectors. */
void ledger_remove(struct linksocks_server *server, struct token *token);
void ledger_set_owner(struct linksocks_server *server, struct token *token, uint64_t owner,
		      const uint8_t instance[INSTANCE_SIZE]);
/* A port of 1024-10240 that no token has; 0: there is none. */
uint16_t ledger_free_port(struct linksocks_server *server);
bool ledger_has_port(const struct linksocks_server *server, uint16_t port);
/* 16 lower-case hex digits that are no token yet. */
void ledger_make_text(struct linksocks_server *server, char text[17]);
/* Said by a token's home: somebody else has the port. */
void ledger_port_taken(struct linksocks_server *server, const struct token *token);
/* Chooses those that the configuration leaves open. */
void ledger_choose_ports(struct linksocks_server *server);
/* From the configuration: the same ones on every worker. False: no memory. */
bool ledger_load(struct linksocks_server *server);

#endif
