/* tests/fuzz/lines.h - several texts in one input: a line each. */
#ifndef TESTS_FUZZ_LINES_H
#define TESTS_FUZZ_LINES_H

#include "core/base.h"

/* Up to the next line feed, which is taken too. */
static struct slice line(struct slice *rest)
{
	const uint8_t *end = rest->size ? memchr(rest->at, '\n', rest->size) : NULL;
	struct slice first = {rest->at, end ? (size_t)(end - rest->at) : rest->size};
	size_t taken = first.size + (end ? 1 : 0);
	*rest = (struct slice){rest->at + taken, rest->size - taken};
	return first;
}

#endif
