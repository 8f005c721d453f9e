/* bench/lib/options.h - the command line that all measuring programs share.
 *
 * Owner: the program; filled once, read-only afterwards.
 */
#ifndef BENCH_LIB_OPTIONS_H
#define BENCH_LIB_OPTIONS_H

#include <getopt.h>

#include "bench/lib/peer.h"
#include "bench/lib/table.h"

enum { OPTIONS_STREAMS_MAX = 8, OPTIONS_STREAMS_LIMIT = 16384 };

/* What has a default for each program. */
struct options_numbers {
	uint32_t streams[OPTIONS_STREAMS_MAX], stream_count;
	uint32_t concurrency;          /* exchanges at a time */
	uint32_t idle_streams, idle_links;
};

/* What a program adds to the options in common. */
struct options_program {
	const char *summary;
	const struct option *own;      /* ends with an empty one */
	const char *own_help;          /* a line each */
	const char *quick_help;
	struct options_numbers usual, quick;
};

struct options {
	const char *program;
	const char *protocol;
	const char *engine;
	char tunnel[CHILD_PATH_SIZE];
	char self[CHILD_PATH_SIZE];
	uint32_t cores, rounds;
	uint32_t links;                /* of our client */
	uint32_t streams[OPTIONS_STREAMS_MAX], stream_count;
	uint32_t concurrency, idle_streams, idle_links;
	bool bulk;
	double seconds;
	const char *peers[PEER_COUNT];
	uint32_t peer_count;           /* 0: all that are installed */
	bool json, quick, host_network;
	bool count;                    /* a further round that counts system calls and copies */
};

/* Fills everything, defaults included. Negative: go on; else the status to exit with. */
int options_parse(struct options *options, const struct options_program *program, int count,
		  char **arguments);
/* Is this peer to be measured? Ours always is. */
bool options_wants(const struct options *options, const char *peer);

#endif
