/* core/secret.c - see secret.h. */
#include "core/secret.h"

#include <stdlib.h>
#include <string.h>

#include "core/constant.h"

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
	return secret_equal(secret_slice(secret), bytes);
}

void secret_wipe(void *bytes, size_t size) { explicit_bzero(bytes, size); }
