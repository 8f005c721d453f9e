/* tools/tunnel/toml.h - a TOML 1.0 file as a tree, and complaints about it with their places.
 *
 * Owner:  the caller. Thread: main. Texts are the tree's own, and wiped: a key is among them.
 * Takes:  tables, arrays of tables, inline tables, dotted keys, all four kinds of strings, integers in four
 *         bases, booleans, arrays. Dates and floats, which no such file has, are errors.
 * Errors: a broken line is reported and the next one read; inside of what spans lines reading ends.
 * Limits: TOML_DEPTH_MAX, TOML_NODES_MAX.
 */
#ifndef TOOLS_TUNNEL_TOML_H
#define TOOLS_TUNNEL_TOML_H

#include "core/problems.h"

enum { TOML_DEPTH_MAX = 16, TOML_NODES_MAX = 40000 };

enum toml_kind {
	TOML_TABLE,
	TOML_ARRAY,
	TOML_STRING,
	TOML_INTEGER,
	TOML_BOOLEAN,
	TOML_BROKEN,        /* could not be read, and was reported */
};

/* How a table or an array came to be: what else may be said of it. */
enum toml_origin {
	TOML_PATH,          /* on the way to another header: may still get its own */
	TOML_HEADER,        /* [x], or an element of [[x]] */
	TOML_DOTTED,        /* x.y = 1 */
	TOML_CLOSED,        /* {...}, or [...] as a value */
	TOML_ELEMENTS,      /* an array that [[x]] makes */
};

struct toml_node {
	enum toml_kind kind;
	enum toml_origin origin;
	char *key;                           /* NULL: an element, or the root */
	uint32_t line, column;               /* where it is named; of an element: where it begins */
	char *text;                          /* TOML_STRING, terminated, without zero bytes */
	int64_t integer;
	bool boolean;
	struct toml_node *first, *last, *next;
	size_t count;
	struct toml_node *all;               /* every node of the tree, for toml_fini */
};

struct toml {
	struct toml_node *root, *all;
	size_t node_count;
	struct problems problems;
	bool no_memory;
};

/* False: there are errors, and the tree has only what could be read. */
bool toml_parse(struct toml *toml, struct slice text);
void toml_fini(struct toml *toml);

/* NULL: there is none. */
struct toml_node *toml_find(const struct toml_node *table, const char *key);
void toml_fail(struct toml *toml, const struct toml_node *node, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
void toml_warn(struct toml *toml, const struct toml_node *node, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#endif
