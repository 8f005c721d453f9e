/* protocols/frontends/plain.h - the wire without a dialogue: a published port's user, or a target.
 *
 * Server side (accepted): delivers OPEN{session->target} at start. Client side (dialled): counts as opened
 * when connected. A refusal can only be told by an abort.
 */
#ifndef PROTOCOLS_FRONTENDS_PLAIN_H
#define PROTOCOLS_FRONTENDS_PLAIN_H

#include "core/session.h"

extern const struct wire wire_plain;

#endif
