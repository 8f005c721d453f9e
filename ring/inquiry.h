/* ring/inquiry.h - a role's question where a name leads (core/request.h), put to the process' resolver.
 *
 * Owner:  the question is the resolver's until it is answered, the inquiry the role's. Thread: the worker's.
 *         An answer that nobody waits for any more is dropped.
 */
#ifndef RING_INQUIRY_H
#define RING_INQUIRY_H

#include "ring/worker.h"

struct inquiry;

void inquiry_start(struct worker *worker, struct inquiry *inquiry);

#endif
