/* protocols/frontends/dial.h - a plain conn towards a target, joined to a pair: what every exit does.
 */
#ifndef PROTOCOLS_FRONTENDS_DIAL_H
#define PROTOCOLS_FRONTENDS_DIAL_H

#include "core/pair.h"

/* Makes a session with wire_plain, joins it to the pair as side 1 and asks the worker to connect it. False:
 * no memory or a limit; nothing was joined. */
bool pair_dial(struct pair *pair, const char *host, uint16_t port, struct duration timeout);

#endif
