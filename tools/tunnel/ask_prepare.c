/* tools/tunnel/ask_prepare.c - what a question needs beside a URL: a token, TLS; see ask.h. */
#include <stdio.h>
#include <stdlib.h>

#include "core/config_read.h"
#include "protocols/codecs/http1.h"
#include "tools/tunnel/ask_inside.h"
#include "tools/tunnel/file.h"

static bool take_token(struct ask *ask, const char *token_file, char why[ASK_WHY_SIZE])
{
	char reason[FILE_WHY_SIZE];
	size_t size;
	uint8_t *text = file_read(token_file, FILE_SECRET, CONFIG_SECRET_FILE_MAX, &size, reason);
	if (!text) {
		snprintf(why, ASK_WHY_SIZE, "%s", reason);
		return false;
	}
	struct slice token = {text, size};
	while (token.size && (token.at[token.size - 1] == '\n' || token.at[token.size - 1] == '\r'))
		token.size--;
	bool good = token.size && token.size <= CONFIG_KEY_MAX && http1_is_value(token);
	if (!good)
		snprintf(why, ASK_WHY_SIZE, "%.200s holds no token", token_file);
	else if (!secret_set(&ask->token, token))
		snprintf(why, ASK_WHY_SIZE, "out of memory");
	secret_wipe(text, size);
	free(text);
	return good && secret_is_set(&ask->token);
}

bool ask_prepare(struct ask *ask, const struct options *options, char why[ASK_WHY_SIZE])
{
	bool parsed = ask_parse(ask, options->url, why);
	ask->plaintext = options->plaintext;
	return parsed && (!options->token_file || take_token(ask, options->token_file, why)) &&
	       (!ask->https || ask_tls_create(ask, why));
}

void ask_fini(struct ask *ask)
{
	secret_fini(&ask->token);
	ask_tls_destroy(ask);
}
