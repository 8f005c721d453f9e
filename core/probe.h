/* core/probe.h - is the far end of a link still there? Asked when the path to it may have died unnoticed.
 *
 * Owner:  a role's link, for as long as it has the session. Thread: the session's worker.
 * States: disarmed -> armed for PROBE_S -> disarmed; a session that was not heard by then has ended with
 *         REASON_SILENT.
 * Never:  asks by itself: what a far end answers to is the wire's affair. Outlives the session: whoever
 *         loses that disarms the probe.
 */
#ifndef CORE_PROBE_H
#define CORE_PROBE_H

#include "core/wheel.h"

enum { PROBE_S = 5 };

struct session;

struct probe {
	struct timer timer;
	struct session *session;
	struct instant asked_at;
};

/* A sign of life is asked for in this turn. False: it has been asked before, and its time is not over. */
bool probe_arm(struct probe *probe, struct session *session);
void probe_disarm(struct probe *probe);

#endif
