/* protocols/management/table.h - what is published, visited and forwarded: rows of all workers as one table.
 *
 * Owner:  who collects; the rows stay the workers'. Thread: its own.
 * Order:  what clients hold at this gateway by name and port, then each client of this process in the order
 *         of its configuration.
 */
#ifndef PROTOCOLS_MANAGEMENT_TABLE_H
#define PROTOCOLS_MANAGEMENT_TABLE_H

#include "core/published.h"
#include "protocols/codecs/json.h"

struct table {
	struct published_row **rows;     /* one for each key, with the sums of all workers */
	size_t count, omitted;
};

/* Adds up `rows` (changed) and sorts. */
void table_make(struct table *table, struct published_row **rows, size_t count, size_t max);
/* As the original writes it, with its names first. */
void table_put(const struct table *table, struct json_text *text, int64_t wall_offset_ns);
/* "Tcp", as the original's client calls "tcp". */
const char *type_text(const struct published_row *row);
const char *kind_text(const struct published_row *row);

#endif
