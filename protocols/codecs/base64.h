/* protocols/codecs/base64.h - base64 (RFC 4648), both ways.
 *
 * Owner: nobody, values only.
 */
#ifndef PROTOCOLS_CODECS_BASE64_H
#define PROTOCOLS_CODECS_BASE64_H

#include "core/base.h"

#define BASE64_SIZE(bytes) (((bytes) + 2) / 3 * 4)

/* With padding; `text` has BASE64_SIZE(bytes.size) + 1 bytes, and is terminated. */
void base64_encode(struct slice bytes, char *text);
/* Canonical only: padding where it belongs, no blanks, no spare bits. False: it is not, or has no room. */
bool base64_decode(struct slice text, uint8_t *bytes, size_t room, size_t *size);

#endif
