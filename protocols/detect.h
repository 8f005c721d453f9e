/* protocols/detect.h - the gateway's ports: what is served behind them, told from the first bytes.
 *
 * The public port has all protocols: ALPN, a first byte of TLS Tunnel, or a whole HTTP/1 head and its path.
 * An upgrade whose path nobody names may be LinkSocks or TLS Tunnel (wss): it is answered, and its first
 * message tells (detect_message.c). The own listener of LinkSocks, in clear, has HTTP alone. What nobody
 * serves is answered over HTTP where it was asked over HTTP: 404, 403 for a foreign Origin, and by the HTTP
 * wire itself for a head that is none. The whole table: docs/ports.md.
 */
#ifndef PROTOCOLS_DETECT_H
#define PROTOCOLS_DETECT_H

#include "core/cidr.h"
#include "core/config_tls_tunnel.h"
#include "core/detect.h"

struct linksocks_server_settings;

/* Immutable after start. */
struct gateway_detector {
	struct detector detector;      /* .detect = gateway_detect */
	bool own;                      /* the listener of LinkSocks alone */
	bool clear;                    /* the public port has no TLS: a proxy in front has done it */
	const struct wire *tls_tunnel_wire; /* NULL: TLS Tunnel is not spoken */
	const struct role *tls_tunnel_role;
	uint32_t tls_tunnel_service;   /* index in hub->services */
	uint32_t transports;           /* of TLS Tunnel: bits 1 << enum config_transport */
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
	/* Whose X-Forwarded-For is believed; where `clear`, loopback's too. */
	const struct cidr *trusted_proxies;
	size_t trusted_proxy_count;
};

enum status gateway_detect(const struct detector *detector, const struct detect_question *question,
			   struct detect_answer *answer);

/* ---- detect_message.c ---- */

enum first_message {
	MESSAGE_NONE,                  /* nothing of one has come */
	MESSAGE_PART,                  /* not enough of it */
	MESSAGE_TLS_TUNNEL,            /* binary, begins with 00 */
	MESSAGE_LINKSOCKS,             /* binary, begins with 01 01: its login by message */
	MESSAGE_STRANGE,
};

/* What the masked frames behind an upgrade begin with. Pings in front of it are passed over. */
enum first_message first_message_of(struct slice frames);

#endif
