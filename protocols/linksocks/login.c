/* protocols/linksocks/login.c - see login.h. */
#include "protocols/linksocks/login.h"

const char *party_name(enum party party)
{
	static const char *const names[] = {[PARTY_NOBODY] = "nobody",
					    [PARTY_FORWARD] = "forward client",
					    [PARTY_PROVIDER] = "provider",
					    [PARTY_CONNECTOR] = "connector"};
	return names[party];
}

enum party login_party(enum token_kind kind, enum direction direction)
{
	if (kind == TOKEN_IS_REVERSE || kind == TOKEN_IS_AUTONOMY)
		return direction == DIRECTION_FORWARD ? PARTY_NOBODY : PARTY_PROVIDER;
	if (direction == DIRECTION_REVERSE)
		return PARTY_NOBODY;
	return kind == TOKEN_IS_FORWARD ? PARTY_FORWARD : PARTY_CONNECTOR;
}

struct login login_decide(const struct tokens *tokens, const struct credentials *shown)
{
	bool hashed = shown->form == CREDENTIAL_SHA256;
	if (hashed && shown->secret.size != 2 * SHA256_SIZE)
		return (struct login){.refusal = "invalid token format"};
	struct token *token =
	    hashed ? tokens_find_hex(tokens, shown->secret) : tokens_find(tokens, shown->secret);
	enum party party = token ? login_party(token->kind, shown->direction) : PARTY_NOBODY;
	if (party == PARTY_NOBODY)
		return (struct login){.refusal = "invalid token"};
	return (struct login){.party = party, .token = token};
}

/* ---- failures ---- */

/* "HOST:PORT", "[V6]:PORT", or a host alone. */
static bool parse_host(struct slice text, struct address *address)
{
	char host[HOST_SIZE];
	text_copy(host, sizeof host, text);
	if (address_of_literal(address, host, 0))
		return true;
	char *colon = strrchr(host, ':');
	if (colon)
		*colon = 0;
	size_t size = strlen(host);
	if (size > 2 && host[0] == '[' && host[size - 1] == ']') {
		memmove(host, host + 1, size - 2);
		host[size - 2] = 0;
	}
	return address_of_literal(address, host, 0);
}

struct login_key login_key_of(const char *peer)
{
	struct login_key key = {0};
	struct address address = {0};
	parse_host(slice_of(peer), &address);
	memcpy(key.bytes, address.bytes, address.family == ADDRESS_IPV6 ? 8 : 4);
	key.bytes[15] = (uint8_t)address.family;
	return key;
}

static uint32_t slot_of(const struct logins *logins, const struct login_key *key)
{
	uint32_t hash = 2166136261u ^ logins->seed;
	for (size_t i = 0; i < sizeof key->bytes; i++)
		hash = (hash ^ key->bytes[i]) * 16777619u;
	return (hash ^ hash >> 15) % (LOGIN_SOURCES / LOGIN_WAYS) * LOGIN_WAYS;
}

/* The one of that source, or the one that is missed least: unused, then the oldest. */
static struct login_source *source_find(struct logins *logins, const struct login_key *key)
{
	struct login_source *set = &logins->sources[slot_of(logins, key)], *worst = set;
	for (uint32_t i = 0; i < LOGIN_WAYS; i++) {
		struct login_source *source = &set[i];
		if (source->failures && memcmp(source->key, key->bytes, sizeof source->key) == 0)
			return source;
		bool worse = source->failures ? worst->failures && instant_before(source->since, worst->since)
					      : worst->failures != 0;
		if (worse)
			worst = source;
	}
	*worst = (struct login_source){0};
	memcpy(worst->key, key->bytes, sizeof worst->key);
	return worst;
}

bool logins_failed(struct logins *logins, const struct login_key *key, struct instant now)
{
	struct login_source *source = source_find(logins, key);
	struct instant until = instant_after(source->since, DURATION_S(LOGIN_WINDOW_S));
	if (!source->failures || !instant_before(now, until)) {
		source->failures = 0;
		source->since = now;
	}
	if (source->failures < UINT32_MAX)
		source->failures++;
	return source->failures > LOGIN_FAILURES_MAX;
}
