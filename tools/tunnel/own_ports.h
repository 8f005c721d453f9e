/* tools/tunnel/own_ports.h - nobody reaches a listener of this process through this process.
 *
 * Owner: main, before workers start; the rules become part of the configuration. What is published later, and
 * addresses that the machine gets later, are not covered: there the deny list of `access` is the guard.
 */
#ifndef TOOLS_TUNNEL_OWN_PORTS_H
#define TOOLS_TUNNEL_OWN_PORTS_H

#include "core/config.h"

/* Puts every address of every listener that the configuration names behind access.deny. False: no memory. */
bool own_ports_deny(struct config *config);

#endif
