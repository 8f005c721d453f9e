/* protocols/linksocks/tokens.h - the tokens of one server: made, found by text or by digest, removed.
 *
 * Owner:  a service, one replica per worker, kept alike by mails from worker 0. Thread: its worker's; a token
 *         that is in no replica belongs to whoever holds it and may cross to another worker.
 * Rules:  forward, reverse and connector tokens share one name space; "anonymous" is none. A connector token
 *         leads to a reverse token or, in autonomy, to one provider's link. Looking up takes as long for a
 *         guess as for a hit: by SHA-256, in a hash table seeded at random.
 * Limits: TOKENS_MAX tokens; each 1-255 bytes.
 */
#ifndef PROTOCOLS_LINKSOCKS_TOKENS_H
#define PROTOCOLS_LINKSOCKS_TOKENS_H

#include "core/config.h"
#include "core/digest.h"
#include "core/event.h"
#include "core/idtable.h"
#include "core/list.h"

enum { TOKENS_MAX = 100000, TOKEN_TEXT_MAX = 255 };

enum token_kind { TOKEN_IS_FORWARD, TOKEN_IS_REVERSE, TOKEN_IS_AUTONOMY, TOKEN_IS_CONNECTOR };

struct token {
	struct link all_link;
	struct idtable_link digest_link;       /* by SHA-256 of the text */
	struct idtable_link serial_link;
	uint64_t serial;                       /* never used again: session->tag, registry names */
	enum token_kind kind;
	uint8_t digest[SHA256_SIZE];
	uint32_t clients;                      /* replica: links that have logged in with it */
	/* reverse and autonomy */
	struct link connectors;                /* tokens that lead to it */
	struct secret username, password;      /* both or none: users need no credentials */
	struct address socks_addr;             /* where it listens, or is to; ADDRESS_NONE: nowhere */
	bool any_port;                         /* socks_addr.port is worker 0's choice, and may change */
	uint32_t connector_clients;            /* replica: links of connectors */
	uint32_t turn;                         /* replica: of the round robin over its providers */
	/* connector */
	struct link reverse_link;
	uint64_t reverse_serial;               /* of the reverse token that it leads to */
	uint64_t owner;                        /* autonomy: session->id of the provider's link; 0: nobody's */
	uint8_t instance[INSTANCE_SIZE];       /* autonomy: of the owner; zero: not shown */
	struct instant orphan_since;           /* worker 0: the owner was found gone */
	char text[];
};

struct tokens {
	struct idtable digests, serials;
	struct link all;                       /* the oldest first */
	uint32_t count;
	uint64_t serial;
};

void tokens_init(struct tokens *tokens, uint32_t seed);
void tokens_fini(struct tokens *tokens);
struct token *tokens_find(const struct tokens *tokens, struct slice text);
/* 64 lower-case hex digits, else NULL. */
struct token *tokens_find_hex(const struct tokens *tokens, struct slice hex);
struct token *tokens_find_serial(const struct tokens *tokens, uint64_t serial);
void tokens_remove(struct tokens *tokens, struct token *token);

/* A token that is in no replica yet. NULL: no memory, or no text that a token may have. */
struct token *token_create(enum token_kind kind, struct slice text);
/* The same without what belongs to a replica. NULL: no memory. */
struct token *token_copy(const struct token *token);
/* Of one that is in no replica. */
void token_free(struct token *token);
/* Takes it over. False, and it stays the caller's: TOKENS_MAX. The text must be new; serial 0: the next. */
bool tokens_add(struct tokens *tokens, struct token *token);

static inline bool token_is_reverse(const struct token *token)
{
	return token->kind == TOKEN_IS_REVERSE || token->kind == TOKEN_IS_AUTONOMY;
}

#endif
