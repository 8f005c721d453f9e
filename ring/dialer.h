/* ring/dialer.h - connects a session that is STARTING: name, addresses one after the other, a proxy that has
 * to agree, tls.
 *
 * Owner:  the worker. Made for a role's dial (core/request.h). One deadline over all steps. Of several
 * addresses each but the last gets a share of what is left, so that a dead one does not eat the time of the
 * others.
 */
#ifndef RING_DIALER_H
#define RING_DIALER_H

#include "ring/resolver.h"
#include "ring/worker.h"

void dialer_start(struct worker *worker, struct dial *dial);
/* Its session has ended: nothing more is tried. */
void dialer_cancel(struct worker *worker, struct dial *dial);
void dialer_cancel_all(struct worker *worker);

#endif
