/* protocols/linksocks/tokens.h - the tokens of one server: made, found by text or by digest, removed.
 *
 * Owner:  a service, one replica per worker, kept alike by mails from worker 0. Thread: its worker's.
 * Rules:  forward, reverse and connector tokens share one name space; "anonymous" is none. A connector token
 *         leads to a reverse token or, in autonomy, to one provider's link. Looking up takes as long for a
 *         guess as for a hit: by SHA-256, in a hash table seeded at random.
 * Limits: TOKENS_MAX tokens; each 1-255 bytes.
 */
#ifndef PROTOCOLS_LINKSOCKS_TOKENS_H
#define PROTOCOLS_LINKSOCKS_TOKENS_H

#include "core/config.h"
#include "core/digest.h"
#include "core/idtable.h"
#include "core/list.h"

enum { TOKENS_MAX = 100000, TOKEN_TEXT_MAX = 255 };

enum token_kind { TOKEN_IS_FORWARD, TOKEN_IS_REVERSE, TOKEN_IS_AUTONOMY, TOKEN_IS_CONNECTOR };

struct token {
	struct link all_link;
	struct idtable_link digest_link;       /* by SHA-256 of the text */
	uint64_t serial;                       /* never used again: session->tag, registry names */
	enum token_kind kind;
	uint8_t digest[SHA256_SIZE];
	char text[TOKEN_TEXT_MAX + 1];
	/* reverse */
	char username[256];                    /* "": users need no credentials */
	struct secret password;
	struct address socks_addr;             /* where it listens, or is to; port 0: none */
	bool allow_manage;                     /* the API's allow_manage_connector */
	/* connector */
	uint64_t reverse_serial;               /* of the reverse token that it leads to */
	uint64_t owner;                        /* autonomy: session->id of the provider's link; 0: none */
};

struct tokens {
	struct idtable table;
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
/* NULL: no memory or TOKENS_MAX. The text must be new. serial 0: the next one. */
struct token *tokens_add(struct tokens *tokens, enum token_kind kind, struct slice text, uint64_t serial);
void tokens_remove(struct tokens *tokens, struct token *token);

#endif
