/* tools/tunnel/load.c - from options to a configuration, and the complaints on the way; see commands.h. */
#include "tools/tunnel/commands.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "tools/tunnel/file.h"

static int64_t read_named(const struct config_files *files, const char *path, uint8_t *bytes, size_t size,
			  char why[CONFIG_WHY_SIZE])
{
	char reason[FILE_WHY_SIZE];
	size_t length;
	uint8_t *text = file_read(path, FILE_SECRET, size, &length, reason);
	snprintf(why, CONFIG_WHY_SIZE, "%.*s", CONFIG_WHY_SIZE - 1, reason);
	if (!text)
		return -1;
	memcpy(bytes, text, length);
	secret_wipe(text, length);
	free(text);
	return (int64_t)length;
}

static const char *variable(const struct config_files *files, const char *name) { return getenv(name); }

static const struct config_files process_files = {.read = read_named, .variable = variable};

/* Complaints about a file begin with its name, those about the command line with the program's. */
static void print_errors(const struct options *options, const struct problems *errors)
{
	const char *file = options->config_file;
	const char *program = options->command == COMMAND_LINKSOCKS ? "linksocks: " : "tunnel: ";
	for (size_t i = 0; i < errors->count; i++) {
		const char *text = errors->items[i].text;
		bool in_file = file && strncmp(text, file, strlen(file)) == 0;
		fprintf(stderr, "%s%s%s\n", in_file ? "" : program, text,
			errors->items[i].warning ? " (warning)" : "");
	}
	if (errors->count == PROBLEMS_MAX)
		fprintf(stderr, "tunnel: %zu errors in all\n", errors->error_count);
}

bool options_config(const struct options *options, struct config *config)
{
	char why[FILE_WHY_SIZE];
	struct config_source source = {
		.file_name = options->config_file,
		.settings = options->settings,
		.setting_count = options->setting_count,
		.files = &process_files,
	};
	struct problems errors;
	uint8_t *text = NULL;
	*config = (struct config){0};
	if (options->config_file) {
		size_t size;
		text = file_read(options->config_file, FILE_OPEN, CONFIG_FILE_MAX, &size, why);
		if (!text) {
			fprintf(stderr, "tunnel: %s\n", why);
			return false;
		}
		source.text = (struct slice){text, size};
	}
	bool good = config_build(config, &source, &errors);
	print_errors(options, &errors);
	problems_fini(&errors);
	if (text)
		secret_wipe(text, source.text.size);
	free(text);
	return good;
}

void output_begin(void)
{
	sigset_t pipe;
	sigemptyset(&pipe);
	sigaddset(&pipe, SIGPIPE);
	signal(SIGPIPE, SIG_DFL);
	sigprocmask(SIG_UNBLOCK, &pipe, NULL);
}

int output_end(int status)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return status;
	fprintf(stderr, "tunnel: standard output cannot be written\n");
	return status ? status : 1;
}
