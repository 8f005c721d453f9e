/* bench/lib/fault.h - the first thing that went wrong in a load, in words.
 *
 * Owner: the load. Thread: any may set it, the first one wins; the text is read once all have been joined.
 */
#ifndef BENCH_LIB_FAULT_H
#define BENCH_LIB_FAULT_H

#include <stdatomic.h>
#include <stdbool.h>

enum { FAULT_TEXT_SIZE = 640 };

struct fault {
	atomic_bool is_set;
	char text[FAULT_TEXT_SIZE];
};

void fault_set(struct fault *fault, const char *format, ...) __attribute__((format(printf, 2, 3)));
bool fault_is_set(const struct fault *fault);

#endif
