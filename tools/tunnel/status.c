/* tools/tunnel/status.c - `tunnel status` and `tunnel health`; see commands.h. */
#include "tools/tunnel/commands.h"

#include <stdio.h>
#include <stdlib.h>

#include "tools/tunnel/top.h"

static int fail(const char *why)
{
	fprintf(stderr, "tunnel: %s\n", why);
	return 1;
}

void look_print(const struct look *look, unsigned looks, unsigned tables)
{
	char line[VIEW_LINE_SIZE];
	bool first = true;
	for (int i = 0; i < LOOK_COUNT; i++) {
		const struct view *view = &look->views[i];
		struct view_layout layout;
		if (!look->told[i] || !(tables & 1u << i))
			continue;
		view_layout(view, 0, looks, &layout);
		view_head(view, &layout, -1, line);
		printf("%s%s\n", first ? "" : "\n", line);
		for (size_t row = 0; row < view->count; row++) {
			view_line(view, &layout, row, line);
			printf("%s\n", line);
		}
		if (!view->count)
			printf("no %s\n", view->title);
		first = false;
	}
}

/* The arrays as they came, but in one object; read first, so that it is JSON whatever answered. */
static bool print_json(struct look *look, const struct ask *ask, char why[ASK_WHY_SIZE])
{
	struct answer stats, sessions;
	look_init(look);
	if (!look_ask(look, ask, LOOK_PUBLISHED, &stats, why))
		return false;
	bool told = look_ask(look, ask, LOOK_LINKS, &sessions, why);
	if (told) {
		printf("{\"stats\": %s, \"sessions\": %s}\n", stats.body,
		       sessions.body ? sessions.body : "null");
		free(sessions.body);
	}
	free(stats.body);
	return told;
}

static bool print_tables(struct look *look, const struct ask *ask, char why[ASK_WHY_SIZE])
{
	if (!look_take(look, ask, why))
		return false;
	for (int i = 0; i < LOOK_COUNT; i++)
		view_sort(&look->views[i], 0, false);
	look_print(look, 1, 1u << LOOK_PUBLISHED | 1u << LOOK_LINKS);
	return true;
}

int status_command(const struct options *options)
{
	struct ask ask;
	struct look look = {0};
	char why[ASK_WHY_SIZE];
	output_begin();
	bool told = ask_prepare(&ask, options, why) &&
		    (options->json ? print_json(&look, &ask, why) : print_tables(&look, &ask, why));
	look_fini(&look);
	ask_fini(&ask);
	return told ? output_end(0) : fail(why);
}

/* What it says, as one line. */
static void print_reason(const struct answer *answer)
{
	size_t size = size_min(strcspn(answer->body, "\r\n"), 200);
	for (size_t i = 0; i < size; i++)
		if ((unsigned char)answer->body[i] < 0x20 || answer->body[i] == 0x7f)
			answer->body[i] = '?';
	printf("%.*s\n", (int)size, answer->body);
}

int health_command(const struct options *options)
{
	struct ask ask;
	struct answer answer = {0};
	char why[ASK_WHY_SIZE];
	bool asked = ask_prepare(&ask, options, why) &&
		     ask_get(&ask, "/readyz", &answer, why);
	bool known = asked && (answer.status == 200 || answer.status == 503);
	if (asked && !known)
		snprintf(why, sizeof why,
			 answer.status == 401 ? "%s wants a token: --token-file FILE"
					      : "%s has no /readyz: it is not this program",
			 ask.url);
	if (known)
		print_reason(&answer);
	bool ready = known && answer.status == 200;
	free(answer.body);
	ask_fini(&ask);
	return known ? output_end(ready ? 0 : 1) : fail(why);
}
