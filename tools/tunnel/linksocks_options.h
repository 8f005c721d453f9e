/* tools/tunnel/linksocks_options.h - the command line and environment of the original LinkSocks program.
 *
 * `tunnel linksocks server|client|connector|provider|version|help ...`, or a call as `linksocks`: its flags
 * in its spelling (-p 1, -p1, --socks-port=1, bundled booleans, -dd), its variables, its defaults; a flag
 * wins over a variable, a variable over a default. The result is settings, as of any other command line.
 *
 * Owner: main. Thread: main. Limits: options.h.
 * Never: leaves a token, a password or a URL in argv; shows one in a message.
 */
#ifndef TOOLS_TUNNEL_LINKSOCKS_OPTIONS_H
#define TOOLS_TUNNEL_LINKSOCKS_OPTIONS_H

#include "tools/tunnel/options.h"

/* Is this such a call? */
bool linksocks_is_called(int argc, char **argv);
/* As options_parse; the exit status of a failure is 1. */
bool linksocks_options_parse(struct options *options, int argc, char **argv, char why[OPTIONS_WHY_SIZE]);
/* LINKSOCKS_MODE_HELP, _VERSION and --help. Gives the exit status. */
int linksocks_help_command(const struct options *options);
/* What the original prints at its start: mode and tokens. */
void linksocks_print_configuration(const struct config *config);

/* ---- between linksocks_options.c and linksocks_settings.c ---- */

enum flag_name {
	FLAG_TOKEN, FLAG_URL, FLAG_REVERSE, FLAG_CONNECTOR_TOKEN, FLAG_SOCKS_HOST, FLAG_SOCKS_PORT,
	FLAG_SOCKS_USERNAME, FLAG_SOCKS_PASSWORD, FLAG_SOCKS_NO_WAIT, FLAG_NO_RECONNECT, FLAG_RETRY_AUTH,
	FLAG_THREADS, FLAG_UPSTREAM_PROXY, FLAG_FAST_OPEN, FLAG_NO_ENV_PROXY, FLAG_DEBUG,
	FLAG_WS_HOST, FLAG_WS_PORT, FLAG_AUTONOMY, FLAG_BUFFER_SIZE, FLAG_API_KEY, FLAG_WAIT_PROVIDER,
	FLAG_DIRECT_MODE, FLAG_DIRECT, FLAG_HELP,
	FLAG_CORES, FLAG_ENGINE, FLAG_LOG_LEVEL, FLAG_LOG_FORMAT, FLAG_ACCESS_ALLOW, FLAG_ACCESS_DENY,
	FLAG_COUNT
};

struct flag_value {
	bool given;                          /* by a flag or a variable */
	const char *text;                    /* "" where there is none */
	int64_t number;                      /* of a number, a count, a boolean, or milliseconds */
};

/* Turns the values into settings. */
bool linksocks_settings(struct options *options, const struct flag_value values[FLAG_COUNT]);

#endif
