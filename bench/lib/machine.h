/* bench/lib/machine.h - what it runs on, in words, and a network of its own.
 *
 * Owner: the program; filled once at start, read-only afterwards. Thread: main, before any other.
 */
#ifndef BENCH_LIB_MACHINE_H
#define BENCH_LIB_MACHINE_H

#include <jansson.h>

#include "core/base.h"

enum { MACHINE_TEXT_SIZE = 160 };

struct machine {
	char cpu[MACHINE_TEXT_SIZE];
	char kernel[224];
	char congestion[32];            /* what peers' sockets get */
	const char *load_congestion;    /* what the load's own sockets get */
	bool private_network;
	uint32_t cores;                 /* that this process may use */
};

/* Moves this process into a network namespace with nothing but loopback and reno, when the system allows. */
bool machine_isolate(void);
void machine_describe(struct machine *machine, bool private_network);
/* Raises the limit of open files to what is allowed. */
void machine_raise_files(void);
json_t *machine_json(const struct machine *machine);

#endif
