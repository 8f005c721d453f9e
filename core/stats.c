/* core/stats.c - names of counters; see stats.h. */
#include "core/stats.h"

static const char *const names[COUNTER_COUNT] = {
#define X(name) [COUNTER_##name] = #name,
	COUNTERS(X)
#undef X
};

const char *counter_name(enum counter counter) { return names[counter]; }
