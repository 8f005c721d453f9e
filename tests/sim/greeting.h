/* tests/sim/greeting.h - a front end with a dialogue: plain, behind a byte N and N bytes that mean nothing.
 *
 * What it opens is known only when the dialogue is over, and the rest of what was read then is left: so a
 * conn that is moved to another worker has bytes to take along, as one of SOCKS5 would.
 */
#ifndef TESTS_SIM_GREETING_H
#define TESTS_SIM_GREETING_H

#include "core/session.h"

extern const struct wire wire_greeting;

#endif
