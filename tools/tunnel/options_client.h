/* tools/tunnel/options_client.h - private to tools/tunnel/options*.c: what both files need of each other.
 *
 * Owner: options_parse. A function that gives false has said why.
 */
#ifndef TOOLS_TUNNEL_OPTIONS_CLIENT_H
#define TOOLS_TUNNEL_OPTIONS_CLIENT_H

#include "tools/tunnel/options.h"

/* options.c. All but the first give false (NULL) for what cannot be. */
void options_begin(struct options *options, char why[OPTIONS_WHY_SIZE]);
bool options_fail(struct options *options, const char *format, ...) __attribute__((format(printf, 2, 3)));
char *options_copy(struct options *options, struct slice text);
bool options_set(struct options *options, const char *key, const char *value, const char *origin);

/* options_client.c: SCHEME://KEY@HOST:PORT?pin=...&ca=..., NAME=PORT:HOST:PORT, NAME:PORT=HOST:PORT. */
bool options_url(struct options *options, const char *url);
bool options_publish(struct options *options, const char *origin, const char *value);
/* What --socks and --http set at first: a setting of LinkSocks, and one that is no key of any file. */
extern const char options_socks_key[], options_http_key[];
/* `tls-tunnel://`: forwarders, where those stand. */
bool options_forward(struct options *options);
bool options_visit(struct options *options, const char *origin, const char *value);

/* linksocks_settings.c: what ws://HOST[:PORT][/PATH][?QUERY] says of the gateway, by the original's rules. */
bool linksocks_set_url(struct options *options, const char *url, const char *origin);

#endif
