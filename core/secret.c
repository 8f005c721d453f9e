/* core/secret.c - see secret.h. */
#include "core/secret.h"

#include <stdlib.h>
#include <string.h>

bool secret_set(struct secret *secret, struct slice bytes)
{
	secret_fini(secret);
	if (!bytes.size)
		return true;
	secret->bytes = malloc(bytes.size);
	if (!secret->bytes)
		return false;
	memcpy(secret->bytes, bytes.at, bytes.size);
	secret->size = bytes.size;
	return true;
}

void secret_fini(struct secret *secret)
{
	if (secret->bytes)
		explicit_bzero(secret->bytes, secret->size);
	free(secret->bytes);
	*secret = (struct secret){0};
}

bool secret_is_equal(const struct secret *secret, struct slice bytes)
{
	/* The loop is as long as what was offered, so its time tells nothing about the secret. */
	uint8_t difference = secret->size != bytes.size;
	for (size_t i = 0; i < bytes.size; i++) {
		uint8_t own = secret->size ? secret->bytes[i % secret->size] : 0;
		difference = (uint8_t)(difference | (own ^ bytes.at[i]));
	}
	return difference == 0;
}

void secret_wipe(void *bytes, size_t size) { explicit_bzero(bytes, size); }
