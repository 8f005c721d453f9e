/* protocols/tls_tunnel/client_gateway.h - what a client has learnt of one gateway's generation, for
 * `generation: auto`.
 *
 * Owner:  the client's service, one for each gateway of the configuration. Thread: the service's worker.
 * States: 1.5 is tried first. An older generation is spoken only to a gateway that has answered, or ended, as
 *         only those do, and as long as it works: gateways get upgraded.
 * Never:  tries anything itself; guesses at a gateway that has spoken 1.5.
 */
#ifndef PROTOCOLS_TLS_TUNNEL_CLIENT_GATEWAY_H
#define PROTOCOLS_TLS_TUNNEL_CLIENT_GATEWAY_H

#include "core/config.h"
#include "protocols/tls_tunnel/wire.h"

struct client_gateway {
	enum tunnel_generation next;         /* how the next try begins */
	bool speaks_15;                      /* a link has been up */
};

/* A try that came to nothing. */
struct client_attempt {
	enum tunnel_generation spoken, shown;
	bool closed_at_login;                /* without a word, on a transport that was there */
};

void client_gateway_init(struct client_gateway *gateway);
enum tunnel_generation client_gateway_speaks(const struct client_gateway *gateway,
					     enum config_generation configured);
void client_gateway_up(struct client_gateway *gateway, enum tunnel_generation spoken);
/* True: the gateway itself has said what it speaks, and that can be tried at once. */
bool client_gateway_failed(struct client_gateway *gateway, const struct client_attempt *attempt);

#endif
