/* protocols/tls_tunnel/client_gateway.c - what is known of a gateway's generation; see client_gateway.h. */
#include "protocols/tls_tunnel/client_gateway.h"

void client_gateway_init(struct client_gateway *gateway)
{
	*gateway = (struct client_gateway){.next = TUNNEL_15};
}

enum tunnel_generation client_gateway_speaks(const struct client_gateway *gateway,
					     enum config_generation configured)
{
	switch (configured) {
	case GENERATION_15: return TUNNEL_15;
	case GENERATION_14: return TUNNEL_14;
	case GENERATION_14Y: return TUNNEL_14Y;
	case GENERATION_10: return TUNNEL_10;
	default: return gateway->next;
	}
}

void client_gateway_up(struct client_gateway *gateway, enum tunnel_generation spoken)
{
	gateway->speaks_15 |= spoken == TUNNEL_15;
}

bool client_gateway_failed(struct client_gateway *gateway, const struct client_attempt *attempt)
{
	if (attempt->spoken != TUNNEL_15)
		gateway->next = TUNNEL_15;
	else if (attempt->shown == TUNNEL_14)
		gateway->next = TUNNEL_14;
	else if (attempt->shown == TUNNEL_UNKNOWN && attempt->closed_at_login && !gateway->speaks_15)
		gateway->next = TUNNEL_14Y; /* which ends without a byte when it hears a Ping */
	return gateway->next == TUNNEL_14;
}
