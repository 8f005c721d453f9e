/* core/rate.c - see rate.h. */
#include "core/rate.h"

static const uint64_t TOKEN = 1000000000;

void rate_init(struct rate *rate, uint32_t per_second, uint32_t burst, struct instant now)
{
	*rate = (struct rate){
	    .per_second = per_second, .burst = burst, .tokens = burst * TOKEN, .filled_at = now};
}

/* A nanosecond is worth per_second billionths of a token. */
static void fill(struct rate *rate, struct instant now)
{
	if (!instant_before(rate->filled_at, now))
		return;
	uint64_t passed_ns = (uint64_t)instant_since(now, rate->filled_at).ns;
	uint64_t missing = rate->burst * TOKEN - rate->tokens;
	bool full = passed_ns > missing / rate->per_second;
	rate->tokens += full ? missing : passed_ns * rate->per_second;
	rate->filled_at = now;
}

bool rate_take(struct rate *rate, struct instant now)
{
	if (!rate->per_second)
		return true;
	fill(rate, now);
	if (rate->tokens < TOKEN)
		return false;
	rate->tokens -= TOKEN;
	return true;
}

void rate_shared_init(struct rate_shared *rate, uint32_t per_second, uint32_t burst)
{
	rate->token_ns = per_second ? (int64_t)(TOKEN / size_min(per_second, TOKEN)) : 0;
	rate->room_ns = rate->token_ns * burst;
	atomic_init(&rate->full_ns, 0);
}

bool rate_shared_take(struct rate_shared *rate, struct instant now)
{
	int64_t full_ns = atomic_load_explicit(&rate->full_ns, memory_order_relaxed), next_ns;
	if (!rate->token_ns)
		return true;
	do {
		next_ns = (full_ns > now.ns ? full_ns : now.ns) + rate->token_ns;
		if (next_ns - now.ns > rate->room_ns)
			return false;
	} while (!atomic_compare_exchange_weak_explicit(&rate->full_ns, &full_ns, next_ns,
							memory_order_relaxed, memory_order_relaxed));
	return true;
}
