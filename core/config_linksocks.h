/* core/config_linksocks.h - what a file or the command line says of LinkSocks, of proxies and of endpoints.
 *
 * Part of struct config (core/config.h), and owned like everything in it.
 */
#ifndef CORE_CONFIG_LINKSOCKS_H
#define CORE_CONFIG_LINKSOCKS_H

#include "core/cidr.h"
#include "core/instant.h"
#include "core/secret.h"

/* A host name or address literal, and a port; resolved when it is used. */
struct config_endpoint {
	const char *host;                /* without brackets */
	uint16_t port;
};

/* A proxy on the way to something: socks5://[USER:PASSWORD@]HOST[:1080], http://...HOST[:8080]. */
enum config_via_kind { VIA_NOTHING, VIA_SOCKS5, VIA_HTTP };
struct config_via {
	enum config_via_kind kind;
	struct config_endpoint at;
	const char *user;                /* NULL: no credentials */
	struct secret password;
};

enum config_token_type { TOKEN_FORWARD, TOKEN_REVERSE };

/* One of gateway.linksocks.tokens. All tokens of a file, connector tokens included, differ. */
struct config_token {
	struct secret token;             /* 1-255 bytes, not "anonymous" */
	enum config_token_type type;
	bool autonomy;                   /* reverse: providers make connector tokens, no SOCKS port */
	bool socks;                      /* reverse: users come in at socks_addr */
	struct address socks_addr;       /* port 0: a free one of 1024-10240 */
	const char *username;            /* NULL: users need no credentials */
	struct secret password;
	struct secret *connector_tokens;
	size_t connector_count;
};

struct config_linksocks {
	bool enabled;                    /* false: the gateway serves no LinkSocks */
	bool listens;                    /* an own listener in clear at listen_addr */
	struct address listen_addr;
	struct secret api_key;           /* empty: no API */
	struct address socks_host;       /* of SOCKS ports of tokens that the API makes; ADDRESS_NONE:
					    127.0.0.1 */
	struct config_token *tokens;
	size_t token_count;
	struct duration connector_wait_provider;
	struct config_via target_proxy;  /* how forward clients' targets are reached */
	bool fast_open;                  /* reverse users hear success before the provider has answered */
};

/* What only a LinkSocks client has. */
struct config_linksocks_client {
	const char *path;                /* may have a query; exactly "/socket": authentication by URL */
	struct secret token;             /* "anonymous" when none was given */
	bool anonymous;                  /* none was given */
	bool reverse;                    /* a provider: targets are dialled here */
	struct secret connector_token;   /* reverse: registered with the server; empty: none */
	uint32_t threads;                /* links, at least 1 */
	bool socks_no_wait;              /* listen before the first link is up */
	struct address socks_addr;
	const char *socks_user;          /* NULL: users need no credentials */
	struct secret socks_password;
	bool fast_open;
	struct config_via target_proxy;  /* reverse: how targets are reached */
	size_t compression_threshold;    /* bytes of one message; 0: never */
	struct duration connect_timeout;
};

#endif
