/* ring/dgram.h - a session's datagram socket: beside its stream, or instead of one.
 *
 * Owner:  the worker; made for a binding (core/request.h), released with its session.
 * States: OPEN -> CLOSING (the session is gone; what has an address still leaves) -> gone. Closed only when
 *         neither op is submitted.
 * Limits: DATAGRAMS_SENDING_MAX handed over and not sent, NAME_WAITS_MAX of them wait for a name (names.h).
 *         What cannot be sent, and what ICMP tells of, is dropped and counted.
 * Never:  ends a session because a datagram was lost; sends to an address that the binding's acl denies.
 */
#ifndef RING_DGRAM_H
#define RING_DGRAM_H

#include "core/request.h"
#include "ring/worker.h"

enum { NAME_WAITS_MAX = 24 };

/* Carries the binding out and frees it: wire.bound follows at once. */
void dgram_bind(struct worker *worker, struct binding *binding);
/* What was handed over, as far as it can be sent: a dgram of hub->sending. */
void dgram_flush(struct dgram *dgram);
/* The session is about to be destroyed. */
void dgram_release(struct session *session);
/* Everything is let go: closing ones do not wait for room to send. */
void dgram_cancel_all(struct worker *worker);

#endif
