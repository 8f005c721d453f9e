/* protocols/codecs/utf8.c - UTF-8, judged while it arrives; see utf8.h. */
#include "protocols/codecs/utf8.h"

/* The end of what is ASCII at the front, as far as whole words tell. */
static const uint8_t *skip_ascii(const uint8_t *at, const uint8_t *end)
{
	uint64_t words[2];
	for (; (size_t)(end - at) >= sizeof words; at += sizeof words) {
		memcpy(words, at, sizeof words);
		if ((words[0] | words[1]) & 0x8080808080808080)
			break;
	}
	return at;
}

/* The first byte of a character. Overlong forms, surrogates and what is too large show in the second one. */
static bool begin(struct utf8 *utf8, uint8_t byte)
{
	if (byte < 0x80)
		return true;
	if (byte < 0xc2 || byte > 0xf4)
		return false;
	utf8->left = byte < 0xe0 ? 1 : byte < 0xf0 ? 2 : 3;
	utf8->low = byte == 0xe0 ? 0xa0 : byte == 0xf0 ? 0x90 : 0x80;
	utf8->high = byte == 0xed ? 0x9f : byte == 0xf4 ? 0x8f : 0xbf;
	return true;
}

bool utf8_take(struct utf8 *utf8, struct slice bytes)
{
	if (!bytes.size)
		return true;
	const uint8_t *at = bytes.at, *end = at + bytes.size;
	while (at < end) {
		if (!utf8->left) {
			if ((at = skip_ascii(at, end)) < end && !begin(utf8, *at++))
				return false;
			continue;
		}
		if (*at < utf8->low || *at > utf8->high)
			return false;
		utf8->left--;
		utf8->low = 0x80;
		utf8->high = 0xbf;
		at++;
	}
	return true;
}
