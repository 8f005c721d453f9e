/* bench/lib/options.h - the command line that all measuring programs share.
 *
 * Owner: the program; filled once, read-only afterwards.
 */
#ifndef BENCH_LIB_OPTIONS_H
#define BENCH_LIB_OPTIONS_H

#include "bench/lib/peer.h"
#include "bench/lib/table.h"

enum { OPTIONS_STREAMS_MAX = 8, OPTIONS_STREAMS_LIMIT = 16384 };

struct options {
	const char *program;
	const char *protocol;
	const char *engine;
	char tunnel[CHILD_PATH_SIZE];
	char self[CHILD_PATH_SIZE];
	uint32_t cores, rounds;
	uint32_t streams[OPTIONS_STREAMS_MAX], stream_count;
	double seconds;
	const char *peers[PEER_COUNT];
	uint32_t peer_count;           /* 0: all that are installed */
	bool json, quick, host_network;
};

/* Fills everything, defaults included. Negative: go on; else the status to exit with. */
int options_parse(struct options *options, int count, char **arguments, const char *summary);
/* Is this peer to be measured? Ours always is. */
bool options_wants(const struct options *options, const char *peer);

#endif
