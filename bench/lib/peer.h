/* bench/lib/peer.h - the programs that are compared: found, configured, started, timed, stopped.
 *
 * A peer is a pair of processes on this machine: user -> near end -> TLS 1.3 -> far end -> origin, or, where
 * the gateway takes the users (tunnel, ssh -R), user -> gateway -> link -> client -> origin.
 * Owner: the program. Thread: main. States: found -> started -> stopped.
 * Adding a peer is adding an entry to the table in peer_kind.c.
 */
#ifndef BENCH_LIB_PEER_H
#define BENCH_LIB_PEER_H

#include <sys/types.h>

#include "bench/lib/child.h"
#include "bench/lib/memory.h"

enum { PEER_PROCESS_COUNT = 2, PEER_FILES_MAX = 3, PEER_TEXT_SIZE = 512 };

/* What is the same for all of them. */
struct peer_setup {
	const char *directory;       /* private; holds the certificate, configurations and logs */
	const char *tunnel;          /* path of the product */
	const char *engine;
	uint32_t cores;
	uint32_t links;              /* of our client */
	bool counts;                 /* ours logs its counters at its end */
	int listener;                /* the origin's */
	uint16_t origin;
	char self[CHILD_PATH_SIZE];
};

struct peer_kind;

struct peer {
	const struct peer_kind *kind;
	const char *name;
	const char *tls;             /* what is on the wire between the ends */
	char version[64];
	char why[PEER_TEXT_SIZE];    /* of a failure */
	uint16_t near, far;          /* ports: users connect to near */
	pid_t pids[PEER_PROCESS_COUNT];
};

enum { PEER_COUNT = 14 }; /* the first one is ours */

/* Makes the certificate that all of them use. False: nothing here can. */
bool peer_certify(const struct peer_setup *setup, char why[PEER_TEXT_SIZE]);
/* Entry `index` of the table. False: not installed, `why` says what is missing. */
bool peer_find(struct peer *peer, uint32_t index, const struct peer_setup *setup);
/* Whether its far port speaks TLS 1.3 to anybody who knows the certificate. */
bool peer_is_tls(const struct peer *peer);
/* Whether the table has that name. */
bool peer_is_known(const char *name);
/* Whether it is measured only when it was asked for: it takes long. */
bool peer_is_by_name(const char *name);
/* Writes the configuration, starts both ends and waits until a user reaches the origin. */
bool peer_start(struct peer *peer, const struct peer_setup *setup);
/* The same with what is configured already, in new processes on new ports. */
bool peer_restart(struct peer *peer, const struct peer_setup *setup);
void peer_stop(struct peer *peer);
/* CPU seconds of both ends so far. Negative: one of them is gone. */
double peer_cpu_seconds(const struct peer *peer);
/* Sum of one counter of ours over both ends, once they are stopped. False: they have not logged it. */
bool peer_counter(const struct peer *peer, const struct peer_setup *setup, const char *name, uint64_t *sum);
/* The end of its log, for messages about a failure. */
void peer_log_tail(const struct peer *peer, const struct peer_setup *setup, char *text, size_t size);

enum peer_part { PEER_BOTH_ENDS, PEER_LISTENING_END };
/* CPU seconds so far of that part. Negative: one of the ends is gone. */
double peer_part_cpu_seconds(const struct peer *peer, enum peer_part part);
/* Waits until it has not changed for so long. False: one of the ends is gone, or this cannot be read. */
bool peer_memory(const struct peer *peer, enum peer_part part, double seconds, struct memory *memory);

#endif
