/* tests/fuzz/config_fuzz.c - any bytes as a configuration: no crash, no leak, and errors that are lines. */
#include "core/config_read.h"

#include <stdlib.h>

static int64_t read_fake(const struct config_files *files, const char *path, uint8_t *bytes, size_t size,
			 char *why)
{
	*why = 0;
	size_t length = size_min(strlen(path), size);
	memcpy(bytes, path, length);
	return (int64_t)length;
}

static const char *variable_fake(const struct config_files *files, const char *name)
{
	return strlen(name) % 2 ? "0123456789abcdef" : NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	const struct config_files files = {.read = read_fake, .variable = variable_fake};
	struct config config;
	struct problems errors;
	bool good = config_parse(&config, "f", (struct slice){bytes, size}, &files, &errors);
	check(good == (errors.error_count == 0));
	for (size_t i = 0; i < errors.count; i++)
		check(!strchr(errors.items[i].text, '\n') && memcmp(errors.items[i].text, "f:", 2) == 0);
	if (good)
		check(config.gateway.enabled || config.client_count);
	for (size_t i = 0; good && i < config.client_count; i++)
		check(config.clients[i].gateway_count &&
		      secret_is_set(config.clients[i].protocol == PROTOCOL_LINKSOCKS
					? &config.clients[i].linksocks.token
					: &config.clients[i].auth_key));
	const struct config_linksocks *linksocks = &config.gateway.linksocks;
	for (size_t i = 0; good && i < linksocks->token_count; i++)
		check(secret_is_set(&linksocks->tokens[i].token));
	problems_fini(&errors);
	config_fini(&config);
	return 0;
}
