/* tools/tunnel/main.c - the program: options, then a subcommand. */
#include <stdio.h>
#include <sys/prctl.h>

#include "core/log.h"
#include "tools/tunnel/commands.h"
#include "tools/tunnel/crypto.h"
#include "tools/tunnel/demo.h"
#include "tools/tunnel/linksocks_options.h"
#include "tools/tunnel/log_output.h"
#include "tools/tunnel/run.h"
#include "tools/tunnel/state.h"

static int fail(const char *why)
{
	fprintf(stderr, "tunnel: %s\n", why);
	return 1;
}

/* Runs what the options or their file describe, until a signal. */
static int run_config(const struct options *options, struct config *config)
{
	static struct run run;
	char why[RUN_WHY_SIZE] = "";
	log_output_start();
	log_start(config->log_level, config->log_format, log_output);
	prctl(PR_SET_DUMPABLE, 0);
	if (crypto_start(why) != STATUS_OK)
		return fail(why);
	if (!state_load(config, why, sizeof why))
		return fail(why);
	run.print_line =
	    options->command == COMMAND_GATEWAY || (options->command == COMMAND_RUN && !options->config_file);
	run.original = options->command == COMMAND_LINKSOCKS;
	run.host = options->host_count ? options->hosts[0] : NULL;
	if (options->command == COMMAND_LINKSOCKS && options->linksocks == LINKSOCKS_MODE_SERVER)
		linksocks_print_configuration(config);
	if (!run_start(&run, config, why))
		return fail(why);
	int status = run_until_signal(&run);
	run_stop(&run);
	tls_library_stop();
	return status;
}

static int run_command(const struct options *options)
{
	struct config config = {0};
	/* A file's error is a failure, the command line's is usage; to the original all are failures. */
	int wrong = options->config_file || options->command == COMMAND_LINKSOCKS ? 1 : 2;
	int status = options_config(options, &config) ? run_config(options, &config) : wrong;
	config_fini(&config);
	return status;
}

static int linksocks_command(const struct options *options)
{
	if (options->linksocks < LINKSOCKS_MODE_SERVER || options->linksocks_help)
		return linksocks_help_command(options);
	for (size_t i = 0; i < options->remark_count; i++)
		fprintf(stderr, "linksocks: %s\n", options->remarks[i]);
	return run_command(options);
}

static int command(const struct options *options)
{
	switch (options->command) {
	case COMMAND_CHECK: return check_command(options);
	case COMMAND_STATUS: return status_command(options);
	case COMMAND_TOP: return top_command(options);
	case COMMAND_HEALTH: return health_command(options);
	case COMMAND_IMPORT: return import_command(options);
	case COMMAND_CERT: return cert_command(options);
	case COMMAND_TOKEN: return token_command(options);
	case COMMAND_DOCTOR: return doctor_command(options);
	case COMMAND_DEMO: return demo_command(options);
	case COMMAND_LINKSOCKS: return linksocks_command(options);
	case COMMAND_HELP:
	case COMMAND_VERSION: return help_command(options);
	default: return run_command(options);
	}
}

int main(int argc, char **argv)
{
	static struct options options;
	char why[OPTIONS_WHY_SIZE];
	bool original = linksocks_is_called(argc, argv);
	int status = original ? 1 : 2;
	if (original ? linksocks_options_parse(&options, argc, argv, why)
		     : options_parse(&options, argc, argv, why))
		status = command(&options);
	else
		fprintf(stderr, "%s: %s\n", original ? "linksocks" : "tunnel", why);
	options_fini(&options);
	return status;
}
