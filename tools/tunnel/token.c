/* tools/tunnel/token.c - see token.h; and `tunnel token`. */
#include "tools/tunnel/token.h"

#include <stdio.h>

#include "core/secret.h"
#include "tls/tls.h"
#include "tools/tunnel/commands.h"

void token_make(char text[TOKEN_SIZE])
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	uint8_t bytes[TOKEN_BYTES + 1] = {0};
	tls_random(bytes, TOKEN_BYTES);
	for (size_t i = 0; i < TOKEN_SIZE - 1; i++) {
		size_t byte = i * 6 / 8, shift = i * 6 % 8;
		text[i] = letters[get16(bytes + byte) >> (10 - shift) & 63];
	}
	text[TOKEN_SIZE - 1] = 0;
	secret_wipe(bytes, sizeof bytes);
}

int token_command(const struct options *options)
{
	char text[TOKEN_SIZE];
	token_make(text);
	puts(text);
	secret_wipe(text, sizeof text);
	return output_end(0);
}
