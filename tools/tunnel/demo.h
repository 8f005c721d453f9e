/* tools/tunnel/demo.h - `tunnel demo`: a gateway, a client, an origin and a user in one process, on loopback.
 */
#ifndef TOOLS_TUNNEL_DEMO_H
#define TOOLS_TUNNEL_DEMO_H

#include "tools/tunnel/options.h"

/* Shows a greeting and then a larger transfer going through, with checked content, and how fast. */
int demo_command(const struct options *options);

#endif
