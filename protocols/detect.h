/* protocols/detect.h - the gateway's ports: what is served behind them, told from the first bytes.
 *
 * The TLS port has all protocols: a first byte of TLS Tunnel, or a whole HTTP/1 head and its path. The own
 * listener of LinkSocks, in clear, has HTTP alone. What nobody serves is answered over HTTP where it was
 * asked over HTTP: 404, 403 for a foreign Origin, and by the HTTP wire itself for a head that is none.
 */
#ifndef PROTOCOLS_DETECT_H
#define PROTOCOLS_DETECT_H

#include "core/detect.h"

struct linksocks_server_settings;

/* Immutable after start. */
struct gateway_detector {
	struct detector detector;      /* .detect = gateway_detect */
	bool own;                      /* the listener of LinkSocks alone */
	const struct wire *tls_tunnel_wire; /* NULL: TLS Tunnel is not spoken */
	const struct role *tls_tunnel_role;
	uint32_t tls_tunnel_service;   /* index in hub->services */
	const struct wire *http_wire;
	const struct role *not_found_role, *forbidden_role;
	const struct linksocks_server_settings *linksocks; /* NULL: LinkSocks is not spoken */
	const struct wire *linksocks_wire;
	const struct role *linksocks_role; /* of links; other roles speak HTTP */
	const struct role *(*linksocks_route)(const struct linksocks_server_settings *settings,
					      struct slice path, bool upgrade, bool own);
	const uint32_t *linksocks_service;
	const char *const *allow_origins; /* of a WebSocket request that carries one; "*": any */
	size_t allow_origin_count;
};

enum status gateway_detect(const struct detector *detector, const char *alpn, struct slice first,
			   struct detect_answer *answer);

#endif
