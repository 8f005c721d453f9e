/* protocols/codecs/utf8.h - UTF-8 (RFC 3629), judged while it arrives: the first byte that cannot be right is
 * told at once.
 *
 * Owner: whoever reads a text; a value, zero between characters.
 * Never: accepts overlong forms, surrogates, anything above U+10FFFF, or a text that ends inside a character
 * (utf8_is_whole).
 */
#ifndef PROTOCOLS_CODECS_UTF8_H
#define PROTOCOLS_CODECS_UTF8_H

#include "core/base.h"

struct utf8 {
	uint8_t left;	   /* bytes that the character still lacks */
	uint8_t low, high; /* what the next of them may be */
};

/* The next bytes of the text. False: one of them cannot be right. */
bool utf8_take(struct utf8 *utf8, struct slice bytes);
static inline bool utf8_is_whole(const struct utf8 *utf8) { return !utf8->left; }

#endif
