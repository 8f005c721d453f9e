/* protocols/linksocks/wire.h - LinkSocks as a wire: binary messages over WebSocket <-> events, both roles.
 *
 * carrier_websocket below, a role above. A link has no windows and no half-close unless both ends are this
 * program (features below); a message is said whole and heard in pieces.
 *
 * Server: HEAD -> 101 at once (400 when it is no upgrade) -> AUTH{secret, form, direction, features, source},
 *         from the query or, where it has no token, from the first message -> AUTHED is AuthResponse.
 * Client: announce AUTH; fill gives host and path (with the query), and a secret where an Auth message is
 * to be
 *         sent. AUTHED{reason, text} is the answer: an HTTP refusal is REASON_REFUSED with the status line as
 *         text, AuthResponse a REASON_AUTH with the server's text. A redirection is GOAWAY{text = Location}.
 * Both:   OPEN/OPENED/DATA/DATAGRAM; CLOSE is Disconnect without a text or with "EOF", RESET with one. NOTE
 * is
 *         Log or Partners. REQUEST/RESPONSE{token} are Connector and ConnectorResponse. Types that nobody
 *         knows are passed over, as are messages about channels that nobody knows.
 * Limits: 32 MiB a message; unpacked data LINKSOCKS_UNPACKED_MAX; channel ids are random (hub_secret_bytes).
 * Never:  sends what the peer's version does not know; lets a channel of another link be named.
 */
#ifndef PROTOCOLS_LINKSOCKS_WIRE_H
#define PROTOCOLS_LINKSOCKS_WIRE_H

#include "core/session.h"

enum {
	LINKSOCKS_MESSAGE_MAX = 32 * 1024 * 1024,
	LINKSOCKS_UNPACKED_MAX = 64 * 1024 * 1024,
	LINKSOCKS_HOLD_MS = 20,         /* ConnectResponse to first Data: a race in stock servers */
	LINKSOCKS_PING_S = 30,
	LINKSOCKS_SILENT_S = 75,
};

/* Everything that this program can do. */
#define LINKSOCKS_FEATURES (FEATURE_OURS | FEATURE_CREDIT | FEATURE_LZ4 | FEATURE_HALF_CLOSE)

extern const struct wire wire_linksocks;

struct linksocks_options {
	uint32_t features;              /* that we are ready for: FEATURE_OURS, _CREDIT, _LZ4 ... */
	size_t compression_threshold;   /* bytes of payload; 0: never compress */
	bool provider;                  /* client: unsolicited Pongs, held first data */
};

/* By role.start, before anything is said. */
void linksocks_configure(struct session *session, const struct linksocks_options *options);
/* Bits of enum feature that both ends have shown; known from AUTH (server) or AUTHED (client) on. */
uint32_t linksocks_features(const struct session *session);
/* "credit,lz4,half-close", or "stock"; for logs. */
const char *linksocks_features_text(uint32_t features, char text[64]);
/* By the opener's role, after channel_open: it counts as opened at once, the answer only confirms or ends it.
 * `hold`: its data waits for the answer, because a relay on the way would lose it. */
void linksocks_open_fast(struct channel *channel, bool hold);

#endif
