/* tests/sim/refusals.h - a look into the wire of links, in a file apart: its names meet those of ring/. */
#ifndef TESTS_SIM_REFUSALS_H
#define TESTS_SIM_REFUSALS_H

#include "core/session.h"

/* Is it a link with refusals that are not said yet? */
bool refusals_wait(const struct session *session);

#endif
