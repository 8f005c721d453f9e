/* core/burden.c - see burden.h. */
#include "core/burden.h"

#include <stdlib.h>

struct burden *burden_create(void)
{
	struct burden *burden = aligned_alloc(_Alignof(struct burden), sizeof *burden);
	if (!burden)
		return NULL;
	memset(burden, 0, sizeof *burden);
	atomic_init(&burden->refs, 1);
	return burden;
}

struct burden *burdens_create(uint32_t count)
{
	struct burden *burdens = aligned_alloc(_Alignof(struct burden), count * sizeof *burdens);
	if (burdens)
		memset(burdens, 0, count * sizeof *burdens);
	return burdens;
}

struct burden *burden_ref(struct burden *burden)
{
	atomic_fetch_add_explicit(&burden->refs, 1, memory_order_relaxed);
	return burden;
}

void burden_unref(struct burden *burden)
{
	if (burden && atomic_fetch_sub_explicit(&burden->refs, 1, memory_order_acq_rel) == 1)
		free(burden);
}

void burden_open(struct burden *burden)
{
	atomic_store_explicit(&burden->open, true, memory_order_relaxed);
}

void burden_close(struct burden *burden)
{
	atomic_store_explicit(&burden->open, false, memory_order_relaxed);
}

void burden_show_channels(struct burden *burden, uint32_t channels)
{
	atomic_store_explicit(&burden->channels, channels, memory_order_relaxed);
}

void burden_show_bytes(struct burden *burden, uint64_t bytes)
{
	if (atomic_load_explicit(&burden->bytes, memory_order_relaxed) != bytes)
		atomic_store_explicit(&burden->bytes, bytes, memory_order_relaxed);
}

static bool is_late(const struct burden *burden, struct instant now)
{
	int64_t since = now.ns - atomic_load_explicit(&burden->announced_ns, memory_order_relaxed);
	return since > DURATION_MS(BURDEN_COMING_MS).ns;
}

uint64_t burden_weight(const struct burden *burden, struct instant now)
{
	uint64_t channels = atomic_load_explicit(&burden->channels, memory_order_relaxed);
	if (!is_late(burden, now))
		channels += atomic_load_explicit(&burden->coming, memory_order_relaxed);
	return channels * BURDEN_CHANNEL + atomic_load_explicit(&burden->bytes, memory_order_relaxed);
}

void burden_announce(struct burden *burden, struct instant now)
{
	if (is_late(burden, now))
		atomic_store_explicit(&burden->coming, 0, memory_order_relaxed);
	atomic_fetch_add_explicit(&burden->coming, 1, memory_order_relaxed);
	atomic_store_explicit(&burden->announced_ns, now.ns, memory_order_relaxed);
}

/* Not below zero: what came late is not counted any more. */
void burden_came(struct burden *burden)
{
	uint32_t coming = atomic_load_explicit(&burden->coming, memory_order_relaxed);
	while (coming && !atomic_compare_exchange_weak_explicit(&burden->coming, &coming, coming - 1,
								memory_order_relaxed, memory_order_relaxed))
		;
}
