/* protocols/frontends/plain.h - the wire without a dialogue: a published port's user, or a target.
 *
 * Server side (accepted): delivers OPEN{session->target} at start. Client side (dialled): counts as opened
 * when connected. A refusal can only be told by an abort.
 * With a preface (a PROXY header) those bytes are said first, with OPEN itself: also when nobody says more.
 */
#ifndef PROTOCOLS_FRONTENDS_PLAIN_H
#define PROTOCOLS_FRONTENDS_PLAIN_H

#include "core/session.h"

enum { PLAIN_PREFACE_MAX = 108 };

extern const struct wire wire_plain;
extern const struct wire wire_plain_preface; /* dialled only */

/* Before the session opens; at most PLAIN_PREFACE_MAX bytes, which are copied. */
void plain_set_preface(struct session *session, struct slice bytes);

#endif
