/* core/pin.c - see pin.h. */
#include "core/pin.h"

enum { LETTERS = 43 };

static const char prefix[] = "sha256:";

void pin_format(const uint8_t pin[PIN_SIZE], char text[PIN_TEXT_SIZE])
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	uint32_t bits = 0;
	int waiting = 0;
	char *to = text + sizeof prefix - 1;
	memcpy(text, prefix, sizeof prefix - 1);
	for (int i = 0; i < PIN_SIZE; i++) {
		bits = bits << 8 | pin[i];
		for (waiting += 8; waiting >= 6; waiting -= 6)
			*to++ = letters[bits >> (waiting - 6) & 63];
	}
	*to++ = letters[bits << (6 - waiting) & 63];
	*to = 0;
}

static int sextet(char letter)
{
	if (letter >= 'A' && letter <= 'Z')
		return letter - 'A';
	if (letter >= 'a' && letter <= 'z')
		return letter - 'a' + 26;
	if (letter >= '0' && letter <= '9')
		return letter - '0' + 52;
	return letter == '+' || letter == '-' ? 62 : letter == '/' || letter == '_' ? 63 : -1;
}

static bool parse_hex(const char *text, uint8_t pin[PIN_SIZE])
{
	for (int i = 0; i < PIN_SIZE; i++) {
		int high = hex_digit((uint8_t)text[2 * i]), low = hex_digit((uint8_t)text[2 * i + 1]);
		if (high < 0 || low < 0)
			return false;
		pin[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}

/* The last letter's two spare bits are zero. */
static bool parse_base64(const char *text, uint8_t pin[PIN_SIZE])
{
	uint32_t bits = 0;
	int waiting = 0, used = 0;
	for (int i = 0; i < LETTERS; i++) {
		int value = sextet(text[i]);
		if (value < 0)
			return false;
		bits = bits << 6 | (uint32_t)value;
		waiting += 6;
		if (waiting >= 8) {
			waiting -= 8;
			pin[used++] = (uint8_t)(bits >> waiting);
		}
	}
	return (bits & 3) == 0;
}

bool pin_parse(const char *text, uint8_t pin[PIN_SIZE])
{
	uint8_t parsed[PIN_SIZE];
	if (strncmp(text, prefix, sizeof prefix - 1) != 0)
		return false;
	text += sizeof prefix - 1;
	size_t size = strlen(text);
	bool padded = size == LETTERS + 1 && text[LETTERS] == '=';
	bool good = size == 2 * PIN_SIZE	? parse_hex(text, parsed)
		    : size == LETTERS || padded ? parse_base64(text, parsed)
						: false;
	if (good)
		memcpy(pin, parsed, PIN_SIZE);
	return good;
}
