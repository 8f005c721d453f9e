/* tools/tunnel/import_command.c - `tunnel import FILE.toml`; see commands.h. */
#include "tools/tunnel/commands.h"

#include <stdio.h>
#include <stdlib.h>

#include "tools/tunnel/file.h"
#include "tools/tunnel/import.h"

static const char *variable(const char *name) { return getenv(name); }

int import_command(const struct options *options)
{
	struct import import = {.file = options->config_file, .variable = variable};
	char why[FILE_WHY_SIZE];
	size_t size;
	uint8_t *text = file_read(options->config_file, FILE_OPEN, IMPORT_FILE_MAX, &size, why);
	if (!text) {
		fprintf(stderr, "tunnel: %s\n", why);
		return 1;
	}
	bool good = import_convert(&import, (struct slice){text, size});
	for (size_t i = 0; i < import.toml.problem_count; i++) {
		const struct toml_problem *problem = &import.toml.problems[i];
		fprintf(stderr, "%s:%u:%u: %s%s\n", import.file, problem->line, problem->column,
			problem->text, problem->warning ? " (warning)" : "");
	}
	if (import.toml.problem_count == TOML_PROBLEMS_MAX)
		fprintf(stderr, "tunnel: %zu errors in all\n", import.toml.error_count);
	if (good)
		fwrite(import.result.bytes, 1, import.result.size, stdout);
	secret_wipe(text, size);
	free(text);
	import_fini(&import);
	return output_end(good ? 0 : 1);
}
