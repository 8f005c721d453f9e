/* protocols/codecs/json.c - JSON of control messages; see json.h. */
#include "protocols/codecs/json.h"

#include <stdio.h>

#include "core/secret.h"

/* The end of the string whose opening quote is at `at`: behind its closing one, or the end of the text. */
static size_t string_end(struct slice text, size_t at)
{
	for (at++; at < text.size; at++) {
		if (text.at[at] == '\\')
			at++;
		else if (text.at[at] == '"')
			return at + 1;
	}
	return text.size;
}

const char *json_survey(struct slice text, size_t size_max, unsigned depth_max)
{
	unsigned depth = 0;
	uint32_t values = 0;
	if (text.size > size_max)
		return "JSON larger than allowed";
	for (size_t at = 0; at < text.size;) {
		uint8_t byte = text.at[at];
		if (byte == '"') {
			at = string_end(text, at);
			continue;
		}
		if ((byte == '{' || byte == '[') && ++depth > depth_max)
			return "JSON nested too deeply";
		if ((byte == '}' || byte == ']') && depth-- == 0)
			return "JSON with a bracket too many";
		if ((byte == '{' || byte == '[' || byte == ',' || byte == ':') && ++values > JSON_VALUES_MAX)
			return "JSON with too many values";
		at++;
	}
	return NULL;
}

json_t *json_parse(struct slice text, size_t size_max, const char **fault)
{
	*fault = json_survey(text, size_max, JSON_DEPTH_MAX);
	if (*fault)
		return NULL;
	json_error_t error;
	json_t *value = json_loadb((const char *)text.at, text.size, JSON_REJECT_DUPLICATES, &error);
	if (!value)
		*fault = "text that is not JSON, or JSON that is refused";
	return value;
}

json_t *json_member_object(const json_t *object, const char *name)
{
	json_t *member = json_object_get(object, name);
	return json_is_object(member) ? member : NULL;
}

json_t *json_member_array(const json_t *object, const char *name)
{
	json_t *member = json_object_get(object, name);
	return json_is_array(member) ? member : NULL;
}

const char *json_member_text(const json_t *object, const char *name)
{
	return json_string_value(json_object_get(object, name));
}

bool json_member_integer(const json_t *object, const char *name, int64_t min, int64_t max, int64_t *value)
{
	const json_t *member = json_object_get(object, name);
	if (!json_is_integer(member) || json_integer_value(member) < min || json_integer_value(member) > max)
		return false;
	*value = json_integer_value(member);
	return true;
}

bool json_member_number(const json_t *object, const char *name, double *value)
{
	const json_t *member = json_object_get(object, name);
	if (!json_is_number(member))
		return false;
	*value = json_number_value(member);
	return true;
}

bool json_has(const json_t *object, const char *name)
{
	const json_t *member = json_object_get(object, name);
	return member && !json_is_null(member);
}

void json_wipe_text(json_t *string)
{
	if (json_is_string(string))
		secret_wipe((void *)(uintptr_t)json_string_value(string), json_string_length(string));
}

/* ---- writing ---- */

enum { TEXT_FIRST = 1024 };

void json_text_init(struct json_text *text, struct bufpool *pool)
{
	*text = (struct json_text){.pool = pool};
}

static void wipe(struct buf *buf)
{
	if (buf && buf->refs == 1)
		secret_wipe(buf->bytes, buf->used);
	buf_unref(buf);
}

void json_text_fini(struct json_text *text)
{
	wipe(text->buf);
	text->buf = NULL;
}

/* Room for `size` more bytes, or NULL. */
static uint8_t *room(struct json_text *text, size_t size)
{
	size_t used = text->buf ? text->buf->used : 0;
	if (text->failed)
		return NULL;
	if (!text->buf || text->buf->size - used < size) {
		struct buf *bigger = buf_acquire(text->pool, size_max(used * 2, used + size + TEXT_FIRST));
		if (!bigger) {
			text->failed = true;
			return NULL;
		}
		if (used)
			memcpy(bigger->bytes, text->buf->bytes, used);
		bigger->used = (uint32_t)used;
		wipe(text->buf);
		text->buf = bigger;
	}
	text->buf->used += (uint32_t)size;
	return text->buf->bytes + used;
}

static void put(struct json_text *text, const void *bytes, size_t size)
{
	uint8_t *at = size ? room(text, size) : NULL;
	if (at)
		memcpy(at, bytes, size);
}

void json_put(struct json_text *text, const char *raw) { put(text, raw, strlen(raw)); }

void json_put_bytes(struct json_text *text, struct slice raw) { put(text, raw.at, raw.size); }

/* Bytes of the UTF-8 sequence at the front; 0: there is none. */
static size_t sequence_size(struct slice text)
{
	uint8_t first = text.at[0];
	size_t size = first < 0x80   ? 1
		      : first < 0xc2 ? 0
		      : first < 0xe0 ? 2
		      : first < 0xf0 ? 3
		      : first < 0xf5 ? 4
				     : 0;
	if (size > text.size)
		return 0;
	for (size_t i = 1; i < size; i++)
		if ((text.at[i] & 0xc0) != 0x80)
			return 0;
	bool overlong = (first == 0xe0 && text.at[1] < 0xa0) || (first == 0xf0 && text.at[1] < 0x90);
	bool surrogate = first == 0xed && text.at[1] > 0x9f;
	bool beyond = first == 0xf4 && text.at[1] > 0x8f;
	return overlong || surrogate || beyond ? 0 : size;
}

static void put_character(struct json_text *text, uint8_t byte)
{
	static const char names[] = "\bb\ff\nn\rr\tt\"\"\\\\";
	for (size_t i = 0; i + 1 < sizeof names; i += 2) {
		if (byte == (uint8_t)names[i]) {
			put(text, (char[]){'\\', names[i + 1]}, 2);
			return;
		}
	}
	char escape[8];
	snprintf(escape, sizeof escape, "\\u%04x", byte);
	put(text, escape, 6);
}

void json_put_inside(struct json_text *text, struct slice utf8)
{
	while (utf8.size) {
		size_t plain = 0, size;
		while (plain < utf8.size && utf8.at[plain] >= 0x20 && utf8.at[plain] < 0x80 &&
		       utf8.at[plain] != '"' && utf8.at[plain] != '\\')
			plain++;
		put(text, utf8.at, plain);
		utf8.at += plain;
		utf8.size -= plain;
		if (!utf8.size)
			break;
		size = sequence_size(utf8);
		if (size > 1)
			put(text, utf8.at, size);
		else if (size == 1)
			put_character(text, utf8.at[0]);
		else
			put(text, "\xef\xbf\xbd", 3);
		utf8.at += size ? size : 1;
		utf8.size -= size ? size : 1;
	}
}

void json_put_text(struct json_text *text, struct slice utf8)
{
	put(text, "\"", 1);
	json_put_inside(text, utf8);
	put(text, "\"", 1);
}

void json_put_number(struct json_text *text, int64_t number)
{
	char digits[24];
	int size = snprintf(digits, sizeof digits, "%lld", (long long)number);
	put(text, digits, (size_t)size);
}

static int put_dumped(const char *bytes, size_t size, void *text)
{
	put(text, bytes, size);
	return 0;
}

void json_put_value(struct json_text *text, const json_t *value)
{
	if (!value || json_dump_callback(value, put_dumped, text, JSON_COMPACT | JSON_ENCODE_ANY) != 0)
		json_put(text, "null");
}

const char *json_library_version(void) { return jansson_version_str(); }
