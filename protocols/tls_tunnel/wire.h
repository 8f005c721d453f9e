/* protocols/tls_tunnel/wire.h - TLS Tunnel as a wire: yamux, in generation 1.5 with a JSON-RPC control
 * stream, before that with a handshake in front (legacy.h), which gives the same events.
 *
 * session->client: the yamux client (odd ids, 1 = control), opens visitor streams; else the yamux server
 * (even ids), opens proxy streams. Sources: RFC-less; the byte facts are of TLS Tunnel 1.5.1 and of both
 * yamux implementations.
 * Normalisation: OPENED{refused} on a proxy stream is RST (reason other), on a visitor stream NOT_FOUND where
 * the text says so, else REFUSED. AUTHED{refused} is heard as AUTH, PUBLISHED{refused} as FORBIDDEN. GOAWAY
 * is said to our own ends only, with the reason GOAWAY. Towards a peer that has not shown FEATURE_OURS CLOSE
 * is FIN and a RST from it is CLOSE; between our own ends CLOSE is FIN|RST in one frame and RST is RESET.
 */
#ifndef PROTOCOLS_TLS_TUNNEL_WIRE_H
#define PROTOCOLS_TLS_TUNNEL_WIRE_H

#include "core/session.h"

extern const struct wire wire_tls_tunnel;

/* How a session speaks, and what its peer turned out to be. */
enum tunnel_generation {
	TUNNEL_UNKNOWN,  /* server: nothing was heard yet */
	TUNNEL_15,       /* JSON-RPC on the first yamux stream: 1.5 */
	TUNNEL_14,       /* raw key, JSON configuration, then yamux: 1.1 to 1.4.1 */
	TUNNEL_14Y,      /* JSON messages, then yamux: the branch 1.4.y */
	TUNNEL_10,       /* raw key, binary configuration, then yamux: 1.0 */
};
const char *tls_tunnel_transport_name(const struct session *session); /* "tls", "wss", "http2" */
const char *tls_tunnel_generation_name(enum tunnel_generation generation); /* "1.5"; UNKNOWN: "" */
/* Server, by role.start: clients before 1.5 are closed without an answer. */
void tls_tunnel_refuse_legacy(struct session *session);
/* Client, before session_open: how it begins. Without a call: 1.5. */
void tls_tunnel_speak(struct session *session, enum tunnel_generation generation);
/* Client, with 1.4.y: that is a guess, since the gateway closed without a word; one of ours says that it
 * speaks 1.5, and the session ends with that. */
void tls_tunnel_guess(struct session *session);
/* Server: what the client speaks. Client: what the gateway has shown to be; UNKNOWN: it has said nothing; 14:
 * it took our Ping for a key. */
enum tunnel_generation tls_tunnel_generation(const struct session *session);

/* What the peer has shown, once it is known: enum feature bits. */
uint32_t tls_tunnel_features(const struct session *session);
/* Asks the peer for a sign of life now; it is heard from when session->heard_at moves. */
void tls_tunnel_probe(struct session *session);

#endif
