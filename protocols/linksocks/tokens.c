/* protocols/linksocks/tokens.c - see tokens.h. */
#include "protocols/linksocks/tokens.h"

#include <stdlib.h>

void tokens_init(struct tokens *tokens, uint32_t seed)
{
	*tokens = (struct tokens){.digests = {.seed = seed}, .serials = {.seed = seed}};
	list_init(&tokens->all);
}

void tokens_fini(struct tokens *tokens)
{
	while (!list_is_empty(&tokens->all))
		tokens_remove(tokens, OWNER(tokens->all.next, struct token, all_link));
	idtable_fini(&tokens->digests);
	idtable_fini(&tokens->serials);
}

static struct token *find_digest(const struct tokens *tokens, const uint8_t digest[SHA256_SIZE])
{
	struct idtable_link *link = idtable_find(&tokens->digests, digest, SHA256_SIZE);
	return link ? OWNER(link, struct token, digest_link) : NULL;
}

struct token *tokens_find(const struct tokens *tokens, struct slice text)
{
	uint8_t digest[SHA256_SIZE];
	digest_sha256(text, digest);
	return find_digest(tokens, digest);
}

static int digit_of(uint8_t character)
{
	if (character >= '0' && character <= '9')
		return character - '0';
	return character >= 'a' && character <= 'f' ? character - 'a' + 10 : -1;
}

struct token *tokens_find_hex(const struct tokens *tokens, struct slice hex)
{
	uint8_t digest[SHA256_SIZE];
	if (hex.size != 2 * sizeof digest)
		return NULL;
	for (size_t i = 0; i < sizeof digest; i++) {
		int high = digit_of(hex.at[2 * i]), low = digit_of(hex.at[2 * i + 1]);
		if (high < 0 || low < 0)
			return NULL;
		digest[i] = (uint8_t)(high << 4 | low);
	}
	return find_digest(tokens, digest);
}

struct token *tokens_find_serial(const struct tokens *tokens, uint64_t serial)
{
	struct idtable_link *link = idtable_find(&tokens->serials, &serial, sizeof serial);
	return link ? OWNER(link, struct token, serial_link) : NULL;
}

struct token *token_create(enum token_kind kind, struct slice text)
{
	if (!text.size || text.size > TOKEN_TEXT_MAX || memchr(text.at, 0, text.size))
		return NULL;
	struct token *token = calloc(1, sizeof *token + text.size + 1);
	if (!token)
		return NULL;
	token->kind = kind;
	list_init(&token->connectors);
	text_copy(token->text, text.size + 1, text);
	digest_sha256(text, token->digest);
	return token;
}

struct token *token_copy(const struct token *token)
{
	struct token *copy = token_create(token->kind, slice_of(token->text));
	if (!copy)
		return NULL;
	copy->serial = token->serial;
	copy->socks_addr = token->socks_addr;
	copy->any_port = token->any_port;
	copy->reverse_serial = token->reverse_serial;
	copy->owner = token->owner;
	memcpy(copy->instance, token->instance, sizeof copy->instance);
	if (secret_set(&copy->username, secret_slice(&token->username)) &&
	    secret_set(&copy->password, secret_slice(&token->password)))
		return copy;
	token_free(copy);
	return NULL;
}

void token_free(struct token *token)
{
	secret_fini(&token->username);
	secret_fini(&token->password);
	secret_wipe(token->text, strlen(token->text));
	free(token);
}

bool tokens_add(struct tokens *tokens, struct token *token)
{
	if (tokens->count >= TOKENS_MAX)
		return false;
	check(!find_digest(tokens, token->digest));
	if (!token->serial)
		token->serial = tokens->serial + 1;
	check(token->serial > tokens->serial);
	tokens->serial = token->serial;
	idtable_insert(&tokens->digests, &token->digest_link, token->digest, sizeof token->digest);
	idtable_insert(&tokens->serials, &token->serial_link, &token->serial, sizeof token->serial);
	list_push(&tokens->all, &token->all_link);
	tokens->count++;
	struct token *reverse = token->kind == TOKEN_IS_CONNECTOR
				    ? tokens_find_serial(tokens, token->reverse_serial)
				    : NULL;
	if (reverse)
		list_push(&reverse->connectors, &token->reverse_link);
	return true;
}

void tokens_remove(struct tokens *tokens, struct token *token)
{
	while (list_pull(&token->connectors))
		;
	idtable_remove(&tokens->digests, &token->digest_link);
	idtable_remove(&tokens->serials, &token->serial_link);
	link_remove(&token->all_link);
	link_remove(&token->reverse_link);
	tokens->count--;
	token_free(token);
}
