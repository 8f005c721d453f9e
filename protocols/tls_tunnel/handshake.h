/* protocols/tls_tunnel/handshake.h - the wire before yamux: which generation its client speaks, and the
 * handshake of those before 1.5; part of tunnel.h.
 *
 * The phase goes from FIRST (server) to YAMUX or LEGACY, from there to YAMUX once the configuration is
 * accepted; there is no way back. While it is not YAMUX nothing else of the wire hears or says anything.
 */
#ifndef PROTOCOLS_TLS_TUNNEL_HANDSHAKE_H
#define PROTOCOLS_TLS_TUNNEL_HANDSHAKE_H

#include "protocols/tls_tunnel/tunnel.h"

/* Takes from the front of *bytes. */
enum status handshake_decode(struct session *session, struct tunnel *tunnel, struct slice *bytes);
enum status handshake_encode(struct session *session, struct tunnel *tunnel, const struct event *event,
			     struct writer *writer);
void handshake_fini(struct tunnel *tunnel);

/* Server, from then on: by what port the client knows what is published there. */
uint16_t handshake_port(const struct tunnel *tunnel, uint16_t publish_port);

#endif
