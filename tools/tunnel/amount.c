/* tools/tunnel/amount.c - see amount.h. */
#include "tools/tunnel/amount.h"

#include <math.h>
#include <stdio.h>

#include "protocols/codecs/utf8.h"

const char *amount_bytes(double bytes, char text[AMOUNT_SIZE])
{
	static const char *const units[] = {"B", "KB", "MB", "GB", "TB"};
	size_t unit = 0;
	if (isnan(bytes)) {
		snprintf(text, AMOUNT_SIZE, "-");
		return text;
	}
	while (bytes >= 1024 && unit + 1 < COUNT_OF(units)) {
		bytes /= 1024;
		unit++;
	}
	snprintf(text, AMOUNT_SIZE, unit ? "%.2f %s" : "%.0f %s", bytes, units[unit]);
	return text;
}

const char *amount_rate(double bytes, char text[AMOUNT_SIZE])
{
	amount_bytes(bytes, text);
	size_t used = strlen(text);
	if (!isnan(bytes))
		snprintf(text + used, AMOUNT_SIZE - used, "/s");
	return text;
}

const char *amount_span(double seconds, char text[AMOUNT_SIZE])
{
	if (isnan(seconds) || seconds < 0 || seconds > 1e12) {
		snprintf(text, AMOUNT_SIZE, "-");
		return text;
	}
	unsigned long long s = (unsigned long long)seconds;
	if (s >= 86400)
		snprintf(text, AMOUNT_SIZE, "%llud %02lluh", s / 86400, s % 86400 / 3600);
	else if (s >= 3600)
		snprintf(text, AMOUNT_SIZE, "%lluh %02llum", s / 3600, s % 3600 / 60);
	else if (s >= 60)
		snprintf(text, AMOUNT_SIZE, "%llum %02llus", s / 60, s % 60);
	else
		snprintf(text, AMOUNT_SIZE, "%llus", s);
	return text;
}

/* ---- names ---- */

struct character {
	size_t size;	/* bytes */
	unsigned width; /* columns */
	bool shown;	/* as it is; else as one '?' */
};

static uint32_t code_of(const char *text, size_t *size)
{
	struct utf8 utf8 = {0};
	const uint8_t *at = (const uint8_t *)text;
	uint32_t code = at[0] < 0x80   ? at[0]
			: at[0] < 0xe0 ? at[0] & 0x1f
			: at[0] < 0xf0 ? at[0] & 0xf
				       : at[0] & 7;
	*size = 1;
	if (!utf8_take(&utf8, (struct slice){at, 1}))
		return 0;
	while (!utf8_is_whole(&utf8)) {
		if (!utf8_take(&utf8, (struct slice){at + *size, 1})) {
			*size = 1;
			return 0;
		}
		code = code << 6 | (at[(*size)++] & 0x3f);
	}
	return code;
}

static bool is_in(uint32_t code, const uint32_t (*ranges)[2], size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (code >= ranges[i][0] && code <= ranges[i][1])
			return true;
	return false;
}

static struct character next(const char *text)
{
	/* Controls, what turns the direction of writing, what cannot be seen or stands on what was before. */
	static const uint32_t hidden[][2] = {{0, 0x1f},	       {0x7f, 0x9f},	 {0xad, 0xad},
					     {0x300, 0x36f},   {0x61c, 0x61c},	 {0x180e, 0x180e},
					     {0x200b, 0x200f}, {0x2028, 0x202e}, {0x2060, 0x206f},
					     {0xfe00, 0xfe0f}, {0xfeff, 0xfeff}, {0xe0000, 0xe0fff}};
	static const uint32_t wide[][2] = {{0x1100, 0x115f}, {0x2e80, 0xa4cf},	 {0xac00, 0xd7a3},
					   {0xf900, 0xfaff}, {0xfe30, 0xfe6f},	 {0xff00, 0xff60},
					   {0xffe0, 0xffe6}, {0x1f300, 0x1faff}, {0x20000, 0x3fffd}};
	struct character character;
	uint32_t code = code_of(text, &character.size);
	character.shown = !is_in(code, hidden, COUNT_OF(hidden));
	character.width = character.shown && is_in(code, wide, COUNT_OF(wide)) ? 2 : 1;
	return character;
}

size_t text_width(const char *text)
{
	size_t width = 0;
	for (struct character one; *text; text += one.size) {
		one = next(text);
		width += one.width;
	}
	return width;
}

static size_t put(char *line, size_t size, size_t used, const char *text, size_t length)
{
	if (used + length >= size)
		return used;
	memcpy(line + used, text, length);
	line[used + length] = 0;
	return used + length;
}

static size_t put_blanks(char *line, size_t size, size_t used, size_t count)
{
	for (size_t i = 0; i < count; i++)
		used = put(line, size, used, " ", 1);
	return used;
}

size_t text_put(char *line, size_t size, size_t used, const char *text, size_t width, bool right)
{
	size_t whole = text_width(text), taken = 0;
	bool cut = whole > width;
	if (right && !cut)
		used = put_blanks(line, size, used, width - whole);
	while (*text) {
		struct character one = next(text);
		if (taken + one.width > width - (cut && width))
			break;
		used = one.shown ? put(line, size, used, text, one.size) : put(line, size, used, "?", 1);
		taken += one.width;
		text += one.size;
	}
	if (cut && width) {
		used = put(line, size, used, "~", 1);
		taken++;
	}
	return right && !cut ? used : put_blanks(line, size, used, width - taken);
}
