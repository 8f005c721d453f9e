/* core/problems.c - messages with their places; see problems.h. */
#include "core/problems.h"

#include <stdlib.h>

static void clean(char *text)
{
	for (; *text; text++)
		if ((uint8_t)*text < 0x20 || *text == 0x7f)
			*text = '?';
}

bool problems_add(struct problems *problems, struct problem problem)
{
	problems->error_count += !problem.warning;
	if (problems->count == PROBLEMS_MAX)
		return true;
	if (!problems->items)
		problems->items = calloc(PROBLEMS_MAX, sizeof *problems->items);
	problem.text = problems->items ? strdup(problem.text) : NULL;
	if (!problem.text)
		return false;
	clean(problem.text);
	problems->items[problems->count++] = problem;
	return true;
}

static bool is_behind(const struct problem *problem, const struct problem *other)
{
	return problem->line != other->line ? problem->line > other->line : problem->column > other->column;
}

/* Insertion sort: stable, and the list is short and nearly in order. */
void problems_sort(struct problems *problems)
{
	for (size_t i = 1; i < problems->count; i++) {
		struct problem problem = problems->items[i];
		size_t at = i;
		for (; at > 0 && is_behind(&problems->items[at - 1], &problem); at--)
			problems->items[at] = problems->items[at - 1];
		problems->items[at] = problem;
	}
}

void problems_fini(struct problems *problems)
{
	for (size_t i = 0; i < problems->count; i++)
		free(problems->items[i].text);
	free(problems->items);
	*problems = (struct problems){0};
}
