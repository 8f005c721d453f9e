/* core/secret.h - bytes that must not be shown: keys, passwords, private keys.
 *
 * Owner:  whoever holds the struct; the bytes are its own and are wiped by secret_fini. Thread: the owner's.
 * Never:  formatted, logged (core/log.h has no fact for it), compared in a time that depends on the bytes.
 */
#ifndef CORE_SECRET_H
#define CORE_SECRET_H

#include "core/base.h"

struct secret {
	uint8_t *bytes;
	size_t size;
};

/* Takes a copy; what was held before is wiped. False, holding nothing, when there is no memory. */
bool secret_set(struct secret *secret, struct slice bytes);
/* Wipes and frees; the secret is then empty and may be set again. */
void secret_fini(struct secret *secret);
/* In a time that depends on the sizes only. */
bool secret_is_equal(const struct secret *secret, struct slice bytes);
/* Overwrites bytes in a way that the compiler keeps. */
void secret_wipe(void *bytes, size_t size);

static inline bool secret_is_set(const struct secret *secret) { return secret->size != 0; }
/* Borrowed, for a wire or a library that needs the bytes themselves. */
static inline struct slice secret_slice(const struct secret *secret)
{
	return (struct slice){secret->bytes, secret->size};
}

#endif
