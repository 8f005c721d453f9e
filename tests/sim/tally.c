/* tests/sim/tally.c - see tally.h. */
#include "tests/sim/tally.h"

#include <stdio.h>

uint64_t tallies[TALLY_COUNT];
static uint64_t program[COUNTER_COUNT];

static const char *const names[] = {
#define X(name) #name,
	TALLIES_OF_WORLD(X) TALLIES_OF_PROGRAM(X)
#undef X
};

static const enum counter required[] = {
#define X(name) COUNTER_##name,
	TALLIES_OF_COUNTERS(X)
#undef X
};

void tally_counters(const uint64_t counters[COUNTER_COUNT])
{
	for (int i = 0; i < COUNTER_COUNT; i++)
		program[i] += counters[i];
}

void tally_log(const char *line, size_t size)
{
	static const struct { const char *words; enum tally_kind what; } lines[] = {
		{"the gateway is going away", TALLY_goaways},
		{"replaced by a newer connection", TALLY_takeovers},
		{"a newer link wants its ports", TALLY_silent_links_ended},
		{"transport=wss", TALLY_links_over_wss},
		{"transport=http2", TALLY_links_over_http2},
		{"generation=1.4", TALLY_links_of_old},
		{"generation=1.0", TALLY_links_of_oldest},
		{" link=2/", TALLY_further_links},
		{"takes one link of a client", TALLY_single_links},
		{"proxies refused: another client holds them", TALLY_ports_refused},
		{"cannot publish, will try again", TALLY_binds_retried},
	};
	for (size_t i = 0; i < COUNT_OF(lines); i++)
		if (memmem(line, size, lines[i].words, strlen(lines[i].words)))
			tally(lines[i].what);
}

static uint32_t print(const char *name, uint64_t value)
{
	printf("  %-28s %llu%s\n", name, (unsigned long long)value, value ? "" : "   <- never");
	return value == 0;
}

uint32_t tallies_print(void)
{
	uint32_t zeros = 0;
	for (int i = 0; i < TALLY_COUNT; i++)
		zeros += print(names[i], tallies[i]);
	for (size_t i = 0; i < COUNT_OF(required); i++)
		zeros += print(counter_name(required[i]), program[required[i]]);
	return zeros;
}
