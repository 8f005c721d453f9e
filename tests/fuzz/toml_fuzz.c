/* tests/fuzz/toml_fuzz.c - any bytes as a file of TLS Tunnel: what comes out is a configuration. */
#include <stdlib.h>

#include "core/config_read.h"
#include "tools/tunnel/import.h"

static const char *variable_fake(const char *name) { return strlen(name) % 2 ? "7" : NULL; }

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct import import = {.file = "f", .variable = variable_fake};
	struct config config;
	struct config_errors errors;
	bool good = import_convert(&import, (struct slice){bytes, size});
	check(good == (import.toml.error_count == 0));
	for (size_t i = 0; i < import.toml.problem_count; i++)
		check(import.toml.problems[i].line && !strchr(import.toml.problems[i].text, '\n'));
	if (good) {
		struct slice text = {(const uint8_t *)import.result.bytes, import.result.size};
		check(config_parse(&config, "y", text, NULL, &errors));
		config_errors_fini(&errors);
		config_fini(&config);
	}
	import_fini(&import);
	return 0;
}
