/* bench/lib/visit.h - short connections: open, 100 bytes there, 1,000 back, the end, the next one.
 *
 * Owner: the program. Threads: `concurrency` users and as many origins, made and joined inside visit_run();
 * blocking sockets, TCP_NODELAY. The origin closes first, the user sees that end and nothing before it that
 * was not sent. Every byte is compared, in both directions.
 */
#ifndef BENCH_LIB_VISIT_H
#define BENCH_LIB_VISIT_H

#include "bench/lib/fault.h"
#include "core/base.h"

enum { VISIT_QUESTION_SIZE = 100, VISIT_ANSWER_SIZE = 1000 };

struct visits {
	uint16_t port;           /* where users connect to */
	int listener;            /* the origin's */
	uint32_t concurrency;
	uint32_t run;            /* in every message */
	struct fault *fault;
	atomic_bool stopping;    /* users begin no other */
	atomic_bool finished;    /* all users are gone */
};

struct visit_result {
	uint64_t count;
	double seconds;
};

/* For so long; then the last ones end. May be repeated. False: a fault, or an interrupt. */
bool visit_run(struct visits *visits, double seconds, struct visit_result *result);

#endif
