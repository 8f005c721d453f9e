/* protocols/codecs/json.h - JSON of control messages: checked before the library sees it, read by getters,
 * written.
 *
 * Reading: size, depth and number of values are counted by a loop without recursion first; then jansson
 * parses, refusing duplicate keys, \u0000, invalid UTF-8, lone surrogates and numbers that do not fit.
 * Writing: into a buffer that grows, byte for byte as asked, so that the order of keys is the caller's. What
 * is not UTF-8 becomes U+FFFD. Its buffers are wiped when they are given back: there may be a key in them.
 * Never:   recurses over input before the depth is known, allocates by a number in the text.
 */
#ifndef PROTOCOLS_CODECS_JSON_H
#define PROTOCOLS_CODECS_JSON_H

#include <jansson.h>

#include "core/buf.h"

enum { JSON_DEPTH_MAX = 32, JSON_VALUES_MAX = 256 * 1024 };

/* What forbids to parse it, in plain words; NULL: nothing. Not a parser: it sees brackets, commas and strings
 * only. */
const char *json_survey(struct slice text, size_t size_max, unsigned depth_max);

/* A new reference, or NULL with *fault. `size_max` in bytes; the other limits are those above. */
json_t *json_parse(struct slice text, size_t size_max, const char **fault);

/* "2.14": of the library that parses. */
const char *json_library_version(void);

/* ---- getters: NULL or false when the member is missing, null or of another type ---- */
json_t *json_member_object(const json_t *object, const char *name);
json_t *json_member_array(const json_t *object, const char *name);
const char *json_member_text(const json_t *object, const char *name);
bool json_member_integer(const json_t *object, const char *name, int64_t min, int64_t max, int64_t *value);
/* With or without a fraction. */
bool json_member_number(const json_t *object, const char *name, double *value);
/* There, and not null. */
bool json_has(const json_t *object, const char *name);
/* Overwrites the characters of a string that the library holds. */
void json_wipe_text(json_t *string);

/* ---- writing ---- */
struct json_text {
	struct bufpool *pool;
	struct buf *buf; /* the text: bytes[0..used] */
	bool failed;	 /* no memory; the rest is ignored */
};

void json_text_init(struct json_text *text, struct bufpool *pool);
void json_text_fini(struct json_text *text);
void json_put(struct json_text *text, const char *raw);
void json_put_bytes(struct json_text *text, struct slice raw); /* any, also what is no JSON */
void json_put_text(struct json_text *text, struct slice utf8); /* with quotes and escapes */
/* The same without the quotes: a part of a string. */
void json_put_inside(struct json_text *text, struct slice utf8);
void json_put_number(struct json_text *text, int64_t number);
void json_put_value(struct json_text *text, const json_t *value); /* NULL: null */

#endif
