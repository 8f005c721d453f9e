/* bench/lib/load.h - moves patterned bytes through circuits as fast as they go, and checks what arrives.
 *
 * Owner: the program. Threads: `threads` sources and as many sinks, made and joined inside load_run();
 * a stream belongs to one of each. They are plain epoll loops with reads and writes of 256 KiB.
 * A run ends when every byte that was sent has arrived. The first fault sticks and ends it early.
 * Checked: every length, the stamp of every 4 KiB, and per read one window of 64 bytes at a random place;
 * with `thorough` every byte.
 */
#ifndef BENCH_LIB_LOAD_H
#define BENCH_LIB_LOAD_H

#include <stdatomic.h>

#include "bench/lib/circuit.h"
#include "bench/lib/fault.h"
#include "bench/lib/pattern.h"

enum direction { DIRECTION_UP, DIRECTION_DOWN, DIRECTION_COUNT }; /* user to origin, origin to user */

struct load_stream {
	struct circuit circuit;
	uint64_t sent;              /* the source's until it is joined */
	_Atomic uint64_t received;  /* the sink's; read by anyone */
	uint64_t received_before;   /* when this run began */
};

struct load {
	struct load_stream *streams;
	uint32_t stream_count;
	uint32_t thread_count;
	uint32_t run;                  /* stamped into the bytes */
	enum direction direction;
	bool thorough;
	atomic_bool stopping, sent_known;
	struct fault *fault;           /* the program's */
};

struct load_result {
	uint64_t bytes;
	double seconds;   /* from the first write to the last byte's arrival */
	double share;     /* the slowest stream against the mean, when the sources stop */
};

/* Opens the streams, once threads, run, direction and fault are set. False: nothing is left open. */
bool load_open(struct load *load, uint32_t stream_count, uint16_t port, int listener);
/* Sends for so long and waits for the rest. May be repeated. False: fault says why, or an interrupt. */
bool load_run(struct load *load, double seconds, struct load_result *result);
/* Ends every stream from its source: its sink must see the end and nothing before it. Closes all. */
bool load_close(struct load *load);

#endif
