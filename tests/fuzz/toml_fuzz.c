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
	struct problems errors;
	bool good = import_convert(&import, (struct slice){bytes, size});
	const struct problems *problems = &import.toml.problems;
	check(good == (problems->error_count == 0));
	for (size_t i = 0; i < problems->count; i++)
		check(problems->items[i].line && !strchr(problems->items[i].text, '\n'));
	if (good) {
		struct slice text = {(const uint8_t *)import.result.bytes, import.result.size};
		check(config_parse(&config, "y", text, NULL, &errors));
		problems_fini(&errors);
		config_fini(&config);
	}
	import_fini(&import);
	return 0;
}
