/* tests/sim/refusals.c - see refusals.h. */
#include "tests/sim/refusals.h"

#include "protocols/tls_tunnel/tunnel.h"
#include "protocols/tls_tunnel/wire.h"

bool refusals_wait(const struct session *session)
{
	if (session->wire != &wire_tls_tunnel)
		return false;
	const struct tunnel *tunnel = session->wire_state;
	return tunnel->refusals_said != tunnel->refusals_added;
}
