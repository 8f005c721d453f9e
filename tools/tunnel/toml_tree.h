/* tools/tunnel/toml_tree.h - private to tools/tunnel/toml*.c: nodes, problems, and the cursor of the reader.
 *
 * Owner: toml_parse. A function that gives false or NULL has said why, except where memory has run out.
 */
#ifndef TOOLS_TUNNEL_TOML_TREE_H
#define TOOLS_TUNNEL_TOML_TREE_H

#include "tools/tunnel/toml.h"

struct toml_cursor {
	struct toml *toml;
	const uint8_t *at, *end, *line_start;
	uint32_t line;
	unsigned depth;                      /* brackets that are open */
};

/* ---- toml_tree.c ---- */
/* Appended to its parent, at the cursor's place. */
struct toml_node *toml_node_create(struct toml_cursor *cursor, struct toml_node *parent, enum toml_kind kind);
void toml_fail_here(struct toml_cursor *cursor, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* ---- toml_value.c ---- */
/* 0 at the end. */
uint8_t toml_peek(const struct toml_cursor *cursor);
bool toml_skip(struct toml_cursor *cursor, uint8_t letter);   /* it, if it is there */
void toml_skip_blanks(struct toml_cursor *cursor);
/* Blanks, comments and ends of lines. */
bool toml_skip_space(struct toml_cursor *cursor);
/* A comment if there is one, then the end of the line or of the text. */
bool toml_end_line(struct toml_cursor *cursor);
/* A single-line string, basic or literal; to be freed. */
char *toml_read_string(struct toml_cursor *cursor);
/* Makes the node what its value is. */
bool toml_read_value(struct toml_cursor *cursor, struct toml_node *node);

/* ---- toml.c ---- */
/* KEY = VALUE into the table. */
bool toml_read_pair(struct toml_cursor *cursor, struct toml_node *table);

#endif
