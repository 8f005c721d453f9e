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
	const struct problems *problems = &import.toml.problems;
	for (size_t i = 0; i < problems->count; i++) {
		const struct problem *problem = &problems->items[i];
		fprintf(stderr, "%s:%u:%u: %s%s\n", import.file, problem->line, problem->column,
			problem->text, problem->warning ? " (warning)" : "");
	}
	if (problems->count == PROBLEMS_MAX)
		fprintf(stderr, "tunnel: %zu errors in all\n", problems->error_count);
	if (good)
		fwrite(import.result.bytes, 1, import.result.size, stdout);
	secret_wipe(text, size);
	free(text);
	import_fini(&import);
	return output_end(good ? 0 : 1);
}
