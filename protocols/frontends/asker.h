/* protocols/frontends/asker.h - a conn that asks for its target by a dialogue: what all such have in common.
 *
 * Owner: a wire with TRAIT_CONN, server side. The conn is held from OPEN on, until its role has placed it.
 */
#ifndef PROTOCOLS_FRONTENDS_ASKER_H
#define PROTOCOLS_FRONTENDS_ASKER_H

#include "core/session.h"

/* Delivers OPEN. FULL: it gets no channel, nothing was delivered, and the session has ended but for its last
 * word. */
enum status asker_open(struct session *session, const struct target *target);
/* Its end was heard: who has said nothing to its target, which is not reached yet, and says no more has hung
 * up. Nobody half-closes a stream that was not used, and the far end need not go on. */
bool asker_hangs_up(struct session *session);

#endif
