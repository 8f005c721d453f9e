/* tools/tunnel/amount.h - numbers and names as people read them in a terminal.
 *
 * Owner: nobody, functions only. Thread: any.
 * Names come from strangers: what would move the cursor, or turn the direction of writing, becomes '?'.
 */
#ifndef TOOLS_TUNNEL_AMOUNT_H
#define TOOLS_TUNNEL_AMOUNT_H

#include "core/base.h"

enum { AMOUNT_SIZE = 32 };

/* "512 B", "1.50 KB" ... "TB", by 1024. Not a number: "-". */
const char *amount_bytes(double bytes, char text[AMOUNT_SIZE]);
/* The same a second. */
const char *amount_rate(double bytes, char text[AMOUNT_SIZE]);
/* "2d 03h", "3h 04m", "4m 05s", "5s". */
const char *amount_span(double seconds, char text[AMOUNT_SIZE]);

/* Columns that the text takes. */
size_t text_width(const char *text);
/* Appends at most `width` columns of it, and then blanks up to `width`; a text that is cut ends with '~'.
 * `right`: the blanks stand in front. Returns where `line` ends now, always terminated within `size`. */
size_t text_put(char *line, size_t size, size_t used, const char *text, size_t width, bool right);

#endif
