/* tools/tunnel/toml_value.c - strings, numbers, arrays, inline tables; see toml_tree.h. */
#include "tools/tunnel/toml_tree.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/secret.h"

uint8_t toml_peek(const struct toml_cursor *cursor) { return cursor->at < cursor->end ? *cursor->at : 0; }

bool toml_skip(struct toml_cursor *cursor, uint8_t letter)
{
	if (toml_peek(cursor) != letter || cursor->at == cursor->end)
		return false;
	cursor->at++;
	return true;
}

static bool starts(const struct toml_cursor *cursor, const char *text)
{
	size_t size = strlen(text);
	return (size_t)(cursor->end - cursor->at) >= size && memcmp(cursor->at, text, size) == 0;
}

void toml_skip_blanks(struct toml_cursor *cursor)
{
	while (toml_peek(cursor) == ' ' || toml_peek(cursor) == '\t')
		cursor->at++;
}

static bool skip_newline(struct toml_cursor *cursor)
{
	if (!starts(cursor, "\n") && !starts(cursor, "\r\n"))
		return false;
	cursor->at += *cursor->at == '\r' ? 2 : 1;
	cursor->line++;
	cursor->line_start = cursor->at;
	return true;
}

static void skip_comment(struct toml_cursor *cursor)
{
	if (toml_peek(cursor) != '#')
		return;
	while (cursor->at < cursor->end && *cursor->at != '\n' && *cursor->at != '\r')
		cursor->at++;
}

bool toml_skip_space(struct toml_cursor *cursor)
{
	do {
		toml_skip_blanks(cursor);
		skip_comment(cursor);
	} while (skip_newline(cursor));
	return cursor->at < cursor->end;
}

bool toml_end_line(struct toml_cursor *cursor)
{
	toml_skip_blanks(cursor);
	skip_comment(cursor);
	if (cursor->at == cursor->end || skip_newline(cursor))
		return true;
	toml_fail_here(cursor, "the line should end here");
	return false;
}

/* ---- strings ---- */

struct string {
	char *bytes;
	size_t size, room;
	bool failed;
};

/* What is left behind may be a key. */
static bool grow(struct string *string)
{
	size_t room = string->room ? 2 * string->room : 64;
	char *bytes = malloc(room);
	if (bytes && string->size)
		memcpy(bytes, string->bytes, string->size);
	if (string->bytes)
		secret_wipe(string->bytes, string->size);
	free(string->bytes);
	string->bytes = bytes;
	string->room = bytes ? room : 0;
	string->failed = !bytes;
	return bytes;
}

static void put(struct string *string, uint32_t byte)
{
	if (string->failed || (string->size == string->room && !grow(string)))
		return;
	string->bytes[string->size++] = (char)byte;
}

static void put_character(struct string *string, uint32_t code)
{
	if (code < 0x80) {
		put(string, code);
	} else if (code < 0x800) {
		put(string, 0xc0 | code >> 6);
	} else if (code < 0x10000) {
		put(string, 0xe0 | code >> 12);
		put(string, 0x80 | (code >> 6 & 0x3f));
	} else {
		put(string, 0xf0 | code >> 18);
		put(string, 0x80 | (code >> 12 & 0x3f));
		put(string, 0x80 | (code >> 6 & 0x3f));
	}
	if (code >= 0x80)
		put(string, 0x80 | (code & 0x3f));
}

/* \uXXXX, \UXXXXXXXX: what follows the letter. */
static bool read_code(struct toml_cursor *cursor, struct string *string, unsigned digits)
{
	uint32_t code = 0;
	for (unsigned i = 0; i < digits; i++) {
		int value = hex_digit(toml_peek(cursor));
		if (value < 0) {
			toml_fail_here(cursor, "the escape needs %u hex digits", digits);
			return false;
		}
		code = code << 4 | (uint32_t)value;
		cursor->at++;
	}
	if (code == 0 || code > 0x10ffff || (code >= 0xd800 && code < 0xe000)) {
		toml_fail_here(cursor, "the escape is no character that a text may have");
		return false;
	}
	put_character(string, code);
	return true;
}

static bool read_escape(struct toml_cursor *cursor, struct string *string)
{
	static const char letters[] = "btnfr\"\\", meanings[] = "\b\t\n\f\r\"\\";
	uint8_t letter = toml_peek(cursor);
	const char *at = letter ? strchr(letters, letter) : NULL;
	if (at) {
		cursor->at++;
		put(string, (uint8_t)meanings[at - letters]);
		return true;
	}
	if (letter == 'u' || letter == 'U') {
		cursor->at++;
		return read_code(cursor, string, letter == 'u' ? 4 : 8);
	}
	toml_fail_here(cursor, "there is no such escape; write \\\\ for a backslash, or use '...'");
	return false;
}

/* A backslash at the end of a line takes all space behind it. */
static bool skip_continuation(struct toml_cursor *cursor)
{
	struct toml_cursor ahead = *cursor;
	toml_skip_blanks(&ahead);
	if (!skip_newline(&ahead))
		return false;
	do
		toml_skip_blanks(&ahead);
	while (skip_newline(&ahead));
	*cursor = ahead;
	return true;
}

static bool read_line_of(struct toml_cursor *cursor, struct string *string, uint8_t quote)
{
	while (cursor->at < cursor->end && *cursor->at != '\n' && *cursor->at != '\r') {
		uint8_t byte = *cursor->at++;
		if (byte == quote)
			return true;
		if (byte == '\\' && quote == '"') {
			if (!read_escape(cursor, string))
				return false;
		} else {
			put(string, byte);
		}
	}
	toml_fail_here(cursor, "the string does not end on its line");
	return false;
}

/* Up to two quotes may stand before the three that end it. */
static bool ends_lines(struct toml_cursor *cursor, struct string *string, uint8_t quote)
{
	size_t run = 0;
	while (run < 5 && cursor->at + run < cursor->end && cursor->at[run] == quote)
		run++;
	if (run < 3)
		return false;
	for (size_t i = 3; i < run; i++)
		put(string, quote);
	cursor->at += run;
	return true;
}

static bool read_lines(struct toml_cursor *cursor, struct string *string, uint8_t quote)
{
	struct toml_cursor start = *cursor;
	skip_newline(cursor);
	while (cursor->at < cursor->end) {
		if (ends_lines(cursor, string, quote))
			return true;
		if (skip_newline(cursor)) {
			put(string, '\n');
			continue;
		}
		uint8_t byte = *cursor->at++;
		if (byte != '\\' || quote != '"')
			put(string, byte);
		else if (!skip_continuation(cursor) && !read_escape(cursor, string))
			return false;
	}
	toml_fail_here(&start, "the string does not end");
	return false;
}

static char *take(struct toml_cursor *cursor, struct string *string, bool good)
{
	put(string, 0);
	if (good && !string->failed)
		return string->bytes;
	cursor->toml->no_memory |= string->failed;
	if (string->bytes)
		secret_wipe(string->bytes, string->size);
	free(string->bytes);
	return NULL;
}

char *toml_read_string(struct toml_cursor *cursor)
{
	struct string string = {0};
	uint8_t quote = *cursor->at++;
	return take(cursor, &string, read_line_of(cursor, &string, quote));
}

static bool read_string(struct toml_cursor *cursor, struct toml_node *node)
{
	struct string string = {0};
	if (starts(cursor, "\"\"\"") || starts(cursor, "'''")) {
		uint8_t quote = *cursor->at;
		cursor->at += 3;
		cursor->depth++;
		node->text = take(cursor, &string, read_lines(cursor, &string, quote));
		cursor->depth -= node->text != NULL;
	} else {
		node->text = toml_read_string(cursor);
	}
	node->kind = node->text ? TOML_STRING : TOML_BROKEN;
	return node->text != NULL;
}

/* ---- words and numbers ---- */

static bool read_digits(const char *text, unsigned base, bool negative, int64_t *number)
{
	int64_t value = 0;
	for (const char *at = text; *at; at++) {
		int digit = hex_digit((uint8_t)*at);
		if (*at == '_' && at > text && at[-1] != '_' && at[1])
			continue;
		if (digit < 0 || digit >= (int)base ||
		    __builtin_mul_overflow(value, (int64_t)base, &value) ||
		    (negative ? __builtin_sub_overflow(value, digit, &value)
			      : __builtin_add_overflow(value, digit, &value)))
			return false;
	}
	*number = value;
	return *text != 0;
}

static bool read_integer(const char *text, int64_t *number)
{
	unsigned base = strncmp(text, "0x", 2) == 0   ? 16
			: strncmp(text, "0o", 2) == 0 ? 8
			: strncmp(text, "0b", 2) == 0 ? 2
						      : 10;
	if (base != 10)
		return read_digits(text + 2, base, false, number);
	bool negative = *text == '-';
	text += *text == '-' || *text == '+';
	return (text[0] != '0' || !text[1]) && read_digits(text, 10, negative, number);
}

/* What a number, a date or a word is made of. The text stays out of the messages: it may be a key whose
 * quotes were forgotten. */
static bool read_word(struct toml_cursor *cursor, struct toml_node *node)
{
	char word[72];
	size_t size = 0;
	while (cursor->at + size < cursor->end && size < sizeof word - 1) {
		uint8_t letter = cursor->at[size];
		if (letter <= 0x20 || strchr(",]}#=[{\"'", letter))
			break;
		word[size++] = (char)letter;
	}
	word[size] = 0;
	bool good = true;
	if (strcmp(word, "true") == 0 || strcmp(word, "false") == 0) {
		node->kind = TOML_BOOLEAN;
		node->boolean = word[0] == 't';
	} else if (read_integer(word, &node->integer)) {
		node->kind = TOML_INTEGER;
	} else {
		bool number = size && strchr("+-0123456789.", word[0]);
		toml_fail_here(cursor,
			       !size    ? "a value is missing"
			       : number ? "this is no integer, and floats and dates have no place here"
					: "this is no value: a string needs quotes");
		good = false;
	}
	secret_wipe(word, sizeof word);
	cursor->at += good ? size : 0;
	return good;
}

/* ---- what holds others ---- */

static bool enter(struct toml_cursor *cursor, struct toml_node *node, enum toml_kind kind)
{
	node->kind = kind;
	node->origin = TOML_CLOSED;
	cursor->at++;
	if (++cursor->depth <= TOML_DEPTH_MAX)
		return true;
	toml_fail_here(cursor, "nested too deep");
	return false;
}

static bool read_array(struct toml_cursor *cursor, struct toml_node *node)
{
	if (!enter(cursor, node, TOML_ARRAY))
		return false;
	for (bool more = true;;) {
		if (!toml_skip_space(cursor)) {
			toml_fail(cursor->toml, node, "the array does not end");
			return false;
		}
		if (toml_skip(cursor, ']'))
			break;
		if (!more) {
			toml_fail_here(cursor, "a comma or ] should stand here");
			return false;
		}
		struct toml_node *element = toml_node_create(cursor, node, TOML_BROKEN);
		if (!element || !toml_read_value(cursor, element))
			return false;
		toml_skip_space(cursor);
		more = toml_skip(cursor, ',');
	}
	cursor->depth--;
	return true;
}

static bool read_inline(struct toml_cursor *cursor, struct toml_node *node)
{
	if (!enter(cursor, node, TOML_TABLE))
		return false;
	toml_skip_blanks(cursor);
	bool more = !toml_skip(cursor, '}');
	while (more) {
		toml_skip_blanks(cursor);
		if (!toml_read_pair(cursor, node))
			return false;
		toml_skip_blanks(cursor);
		more = !toml_skip(cursor, '}');
		if (more && !toml_skip(cursor, ',')) {
			toml_fail_here(cursor, "a comma or } should stand here, on the same line");
			return false;
		}
	}
	cursor->depth--;
	return true;
}

bool toml_read_value(struct toml_cursor *cursor, struct toml_node *node)
{
	switch (toml_peek(cursor)) {
	case '"':
	case '\'': return read_string(cursor, node);
	case '[': return read_array(cursor, node);
	case '{': return read_inline(cursor, node);
	default: return read_word(cursor, node);
	}
}
