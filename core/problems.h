/* core/problems.h - what is wrong with a file or a command line: a list of messages with their places.
 *
 * Owner:  whoever reads; zeroed it is empty. Thread: any. Memory: malloc'ed, for the command line alone.
 * Texts:  a message is one line of printable text, whatever the file says.
 * Limits: PROBLEMS_MAX; more are counted only.
 */
#ifndef CORE_PROBLEMS_H
#define CORE_PROBLEMS_H

#include "core/base.h"

enum { PROBLEMS_MAX = 100 };

struct problem {
	uint32_t line, column;           /* 0: not of a file */
	bool warning;                    /* else an error */
	char *text;
};

struct problems {
	struct problem *items;
	size_t count;
	size_t error_count;              /* without the warnings, with those that found no room */
};

/* A copy of its text is kept. False: no memory for it. */
bool problems_add(struct problems *problems, struct problem problem);
/* In the order of the file; what has the same place stays in the order in which it was added. */
void problems_sort(struct problems *problems);
void problems_fini(struct problems *problems);

#endif
