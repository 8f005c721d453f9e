/* tools/tunnel/look_take.c - asks a running program for what look.h shows. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "tools/tunnel/look.h"

static double seconds_of(clockid_t clock)
{
	struct timespec time;
	clock_gettime(clock, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* False: reported. */
static bool is_good(const struct ask *ask, const struct answer *answer, const char *path,
		    char why[ASK_WHY_SIZE])
{
	if (answer->status == 200)
		return true;
	if (answer->status == 401)
		snprintf(why, ASK_WHY_SIZE, "%s wants a token: --token-file FILE", ask->url);
	else
		snprintf(why, ASK_WHY_SIZE, "%s%s: status %u, %.*s", ask->url, path, answer->status,
			 (int)size_min(answer->size, 80), answer->body);
	for (char *at = why; *at; at++)
		if ((unsigned char)*at < 0x20 || *at == 0x7f)
			*at = ' ';
	return false;
}

static void drop(struct answer *answer)
{
	free(answer->body);
	answer->body = NULL;
}

bool look_ask(struct look *look, const struct ask *ask, enum look_table table, struct answer *answer,
	      char why[ASK_WHY_SIZE])
{
	static const char *const paths[LOOK_COUNT] = {"/stats", "/api/v1/sessions", "/api/v1/channels"};
	const char *fault = "";
	if (!ask_get(ask, paths[table], answer, why))
		return false;
	/* TLS Tunnel's own has the first of them. */
	if (table != LOOK_PUBLISHED && answer->status == 404) {
		drop(answer);
		return true;
	}
	bool done = false;
	if (is_good(ask, answer, paths[table], why)) {
		struct slice json = {(const uint8_t *)answer->body, answer->size};
		done = look_read(look, table, json, seconds_of(CLOCK_REALTIME), &fault);
		if (!done)
			snprintf(why, ASK_WHY_SIZE, "%s%s is not what was expected: %s", ask->url,
				 paths[table], fault);
	}
	if (!done)
		drop(answer);
	return done;
}

bool look_take(struct look *look, const struct ask *ask, char why[ASK_WHY_SIZE])
{
	look_init(look);
	look->at = seconds_of(CLOCK_MONOTONIC);
	bool told = true;
	for (int i = 0; told && i < LOOK_COUNT; i++) {
		struct answer answer;
		told = look_ask(look, ask, (enum look_table)i, &answer, why);
		if (told)
			drop(&answer);
		if (told && look->views[i].no_memory) {
			snprintf(why, ASK_WHY_SIZE, "out of memory, or more rows than can be shown");
			told = false;
		}
	}
	return told;
}
