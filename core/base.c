/* core/base.c - checks, slices and small arithmetic; see base.h. */
#include "core/base.h"

#include <stdio.h>
#include <stdlib.h>

void check_failed(const char *condition, const char *file, int line, const char *function)
{
	fprintf(stderr, "tunnel: check failed: %s at %s:%d in %s; this is a bug, please report it\n",
		condition, file, line, function);
	abort();
}

struct slice slice_of(const char *text)
{
	return (struct slice){(const uint8_t *)text, strlen(text)};
}

bool slice_is(struct slice slice, const char *text)
{
	return slice.size == strlen(text) && (slice.size == 0 || memcmp(slice.at, text, slice.size) == 0);
}

int hex_digit(uint8_t letter)
{
	if (letter >= '0' && letter <= '9')
		return letter - '0';
	letter |= 0x20;
	return letter >= 'a' && letter <= 'f' ? letter - 'a' + 10 : -1;
}

bool percent_decode(char *text)
{
	char *out = text;
	for (const char *at = text; *at; at++) {
		char letter = *at;
		if (letter == '%') {
			int high = hex_digit((uint8_t)at[1]), low = high < 0 ? -1 : hex_digit((uint8_t)at[2]);
			if (low < 0 || high + low == 0)
				return false;
			letter = (char)(high << 4 | low);
			at += 2;
		}
		*out++ = letter;
	}
	*out = 0;
	return true;
}

uint64_t random_next(uint64_t *state)
{
	uint64_t z = (*state += 0x9e3779b97f4a7c15u);
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

void text_copy(char *field, size_t size, struct slice text)
{
	size_t length = size_min(text.size, size - 1);
	if (length)
		memcpy(field, text.at, length);
	field[length] = 0;
}

bool text_is_blank(const char *text) { return !text[strspn(text, " \t\n\v\f\r")]; }
