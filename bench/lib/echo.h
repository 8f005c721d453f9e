/* bench/lib/echo.h - 64 bytes there, 64 other bytes back, the next one after the answer: how long that takes.
 *
 * Owner: the program. Threads: one for each circuit's user and one for its origin, made and joined inside
 * echo_run(); blocking sockets, TCP_NODELAY. A single echo's two threads take real-time priority where that
 * is allowed, so that a load on the same cores delays the peer and not the clock. Every byte is compared, in
 * both directions.
 */
#ifndef BENCH_LIB_ECHO_H
#define BENCH_LIB_ECHO_H

#include "bench/lib/circuit.h"
#include "bench/lib/fault.h"
#include "bench/lib/histogram.h"

enum { ECHO_SIZE = 64 };

struct echo_stream;

struct echo {
	struct echo_stream *streams;
	uint32_t stream_count;
	uint32_t run;               /* in every message */
	struct fault *fault;        /* the program's */
	atomic_bool stopping;
};

struct echo_result {
	struct histogram times;     /* of each round trip */
	double seconds;
};

/* Opens the streams. False: nothing is left open, fault says why. */
bool echo_open(struct echo *echo, uint32_t stream_count, uint16_t port, int listener);
/* Echoes on all streams for so long; afterwards nothing is on its way. May be repeated. False: a fault, or an
 * interrupt. */
bool echo_run(struct echo *echo, double seconds, struct echo_result *result);
/* One echo on each stream after the other, by the calling thread. */
bool echo_once(struct echo *echo);
/* Ends every stream from the user's side; its origin must see the end and nothing before it. Closes all. */
bool echo_close(struct echo *echo);
/* Whether a thread of this process may have real-time priority. */
bool echo_is_urgent(void);

#endif
