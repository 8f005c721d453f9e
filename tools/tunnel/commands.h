/* tools/tunnel/commands.h - the subcommands that print something and end, and the way to a configuration.
 *
 * Owner:  main. Thread: main. Each command gives the exit status: 0 success, 1 failure, 2 usage. Results go
 * to stdout, complaints to stderr as one line each.
 */
#ifndef TOOLS_TUNNEL_COMMANDS_H
#define TOOLS_TUNNEL_COMMANDS_H

#include "tools/tunnel/options.h"

/* The configuration that the options ask for, from their file or from themselves. Prints every error and
 * warning on stderr. False: the exit status is 1. config_fini in any case. */
bool options_config(const struct options *options, struct config *config);

int check_command(const struct options *options);
int status_command(const struct options *options);
int health_command(const struct options *options);
int top_command(const struct options *options);
int import_command(const struct options *options);
int cert_command(const struct options *options);
int token_command(const struct options *options);
int doctor_command(const struct options *options);
int help_command(const struct options *options);   /* also `--version` */

/* Before output that may be cut, as by `| head`: the process then ends without a word, as SIGPIPE does. */
void output_begin(void);
/* After output on stdout: 0, or 1 when it could not all be written. */
int output_end(int status);

#endif
