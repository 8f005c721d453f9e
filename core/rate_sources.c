/* core/rate_sources.c - see rate_sources.h. */
#include "core/rate_sources.h"

#include <stdlib.h>

struct rate_sources {
	uint64_t seed;
	struct rate_shared cells[2][RATE_CELLS];
};

struct rate_sources *rate_sources_create(uint32_t per_second, uint32_t burst, uint64_t seed)
{
	struct rate_sources *sources = malloc(sizeof *sources);
	if (!sources)
		return NULL;
	sources->seed = seed;
	for (size_t i = 0; i < 2 * RATE_CELLS; i++)
		rate_shared_init(&sources->cells[i / RATE_CELLS][i % RATE_CELLS], per_second, burst);
	return sources;
}

void rate_sources_destroy(struct rate_sources *sources) { free(sources); }

/* The part of the address that counts. False: it is exempt. */
static bool key_of(const struct user_address *source, uint64_t *key)
{
	struct address address = user_address_to(source);
	if (!source->family || address_is_loopback(&address))
		return false;
	*key = source->family == 4 ? get32(source->bytes)
				   : (uint64_t)get32(source->bytes) << 32 | get32(source->bytes + 4);
	*key ^= source->family == 6 ? UINT64_C(0x6000000000000000) : 0;
	return true;
}

bool rate_sources_take(struct rate_sources *sources, const struct user_address *source, struct instant now)
{
	uint64_t key;
	if (!key_of(source, &key))
		return true;
	uint64_t mixed = key ^ sources->seed, hash = random_next(&mixed);
	bool first = rate_shared_take(&sources->cells[0][(uint32_t)hash % RATE_CELLS], now);
	bool second = rate_shared_take(&sources->cells[1][(hash >> 32) % RATE_CELLS], now);
	return first || second;
}
