/* tools/tunnel/crypto.c - see crypto.h. */
#include "tools/tunnel/crypto.h"

#include <stdio.h>
#include <stdlib.h>

static bool parse_crypto(const char *text, enum tls_crypto *crypto)
{
	*crypto = text && strcmp(text, "library") == 0 ? TLS_CRYPTO_LIBRARY : TLS_CRYPTO_AUTO;
	return !text || *crypto == TLS_CRYPTO_LIBRARY || strcmp(text, "auto") == 0;
}

static bool parse_records(const char *text, uint32_t *records)
{
	char *rest;
	unsigned long long value = text ? strtoull(text, &rest, 10) : 0;
	*records = (uint32_t)value;
	return !text || (text[0] >= '1' && text[0] <= '9' && !*rest && value <= TLS_KEY_UPDATE_MAX);
}

enum status crypto_start(char why[TLS_TEXT_SIZE])
{
	struct tls_library_options options = {.crypto = TLS_CRYPTO_AUTO};
	if (!parse_crypto(getenv("TUNNEL_CRYPTO"), &options.crypto)) {
		snprintf(why, TLS_TEXT_SIZE, "TUNNEL_CRYPTO is auto or library");
		return STATUS_IO;
	}
	if (!parse_records(getenv("TUNNEL_KEY_UPDATE"), &options.key_update_records)) {
		snprintf(why, TLS_TEXT_SIZE, "TUNNEL_KEY_UPDATE is a number of records, 1 to %d",
			 TLS_KEY_UPDATE_MAX);
		return STATUS_IO;
	}
	return tls_library_start(&options, why);
}
