/* protocols/codecs/base64.c - base64 (RFC 4648, 4), both ways; see base64.h. */
#include "protocols/codecs/base64.h"

static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

enum { BAD = 0xff };

/* The six bits of each letter; everything else is BAD, whose high bits no value has. */
static const uint8_t values[256] = {
#define BAD16 BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD
    BAD16, BAD16,
    BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, 62,  BAD, BAD, BAD, 63,
    52,  53,  54,  55,  56,  57,  58,  59,  60,  61,  BAD, BAD, BAD, BAD, BAD, BAD,
    BAD, 0,   1,   2,   3,   4,   5,   6,   7,   8,   9,   10,  11,  12,  13,  14,
    15,  16,  17,  18,  19,  20,  21,  22,  23,  24,  25,  BAD, BAD, BAD, BAD, BAD,
    BAD, 26,  27,  28,  29,  30,  31,  32,  33,  34,  35,  36,  37,  38,  39,  40,
    41,  42,  43,  44,  45,  46,  47,  48,  49,  50,  51,  BAD, BAD, BAD, BAD, BAD,
    BAD16, BAD16, BAD16, BAD16, BAD16, BAD16, BAD16, BAD16,
#undef BAD16
};

static void encode_group(const uint8_t *at, char *text)
{
	uint32_t bits = (uint32_t)at[0] << 16 | (uint32_t)at[1] << 8 | at[2];
	text[0] = letters[bits >> 18];
	text[1] = letters[bits >> 12 & 63];
	text[2] = letters[bits >> 6 & 63];
	text[3] = letters[bits & 63];
}

void base64_encode(struct slice bytes, char *text)
{
	const uint8_t *at = bytes.at;
	size_t left = bytes.size;
	for (; left >= 3; left -= 3, at += 3, text += 4)
		encode_group(at, text);
	if (left) {
		uint8_t last[3] = {at[0], left == 2 ? at[1] : 0, 0};
		encode_group(last, text);
		text[3] = '=';
		if (left == 1)
			text[2] = '=';
		text += 4;
	}
	*text = 0;
}

/* Four letters to three bytes. Returns what has a bit of BAD when one of them is no letter. */
static uint8_t decode_group(const uint8_t *at, uint8_t *bytes)
{
	uint8_t a = values[at[0]], b = values[at[1]], c = values[at[2]], d = values[at[3]];
	bytes[0] = (uint8_t)(a << 2 | b >> 4);
	bytes[1] = (uint8_t)(b << 4 | c >> 2);
	bytes[2] = (uint8_t)(c << 6 | d);
	return a | b | c | d;
}

/* The group that may be padded. The bits that padding makes spare must be zero. */
static bool decode_last(const uint8_t *at, uint8_t *bytes, size_t count)
{
	uint8_t group[4], three[3];
	memcpy(group, at, sizeof group);
	for (size_t i = count + 1; i < sizeof group; i++)
		group[i] = 'A';
	if (decode_group(group, three) & 0xc0)
		return false;
	for (size_t i = count; i < sizeof three; i++)
		if (three[i])
			return false;
	memcpy(bytes, three, count);
	return true;
}

bool base64_decode(struct slice text, uint8_t *bytes, size_t room, size_t *size)
{
	*size = 0;
	if (text.size % 4)
		return false;
	if (!text.size)
		return true;
	const uint8_t *end = text.at + text.size;
	size_t padding = end[-1] != '=' ? 0 : end[-2] != '=' ? 1 : 2;
	size_t whole = text.size / 4 - 1;
	if (whole * 3 + 3 - padding > room)
		return false;
	uint8_t seen = 0;
	for (size_t i = 0; i < whole; i++)
		seen |= decode_group(text.at + 4 * i, bytes + 3 * i);
	if (seen & 0xc0 || !decode_last(end - 4, bytes + 3 * whole, 3 - padding))
		return false;
	*size = whole * 3 + 3 - padding;
	return true;
}
