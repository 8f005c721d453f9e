/* tools/tunnel/toml.c - keys, headers and lines of a TOML file; see toml.h. */
#include "tools/tunnel/toml_tree.h"

#include <stdlib.h>

#include "core/secret.h"
#include "protocols/codecs/utf8.h"

/* The names of a dotted key, or of a header. */
struct path {
	char *parts[TOML_DEPTH_MAX];
	uint32_t columns[TOML_DEPTH_MAX];
	size_t count;
};

static void path_free(struct path *path)
{
	for (size_t i = 0; i < path->count; i++)
		free(path->parts[i]);
	path->count = 0;
}

static bool is_bare(uint8_t letter)
{
	return (letter >= 'a' && letter <= 'z') || (letter >= 'A' && letter <= 'Z') ||
	       (letter >= '0' && letter <= '9') || letter == '-' || letter == '_';
}

static char *read_part(struct toml_cursor *cursor)
{
	const uint8_t *start = cursor->at;
	if (toml_peek(cursor) == '"' || toml_peek(cursor) == '\'')
		return toml_read_string(cursor);
	while (is_bare(toml_peek(cursor)))
		cursor->at++;
	if (cursor->at == start) {
		toml_fail_here(cursor, "a key should stand here");
		return NULL;
	}
	char *part = strndup((const char *)start, (size_t)(cursor->at - start));
	cursor->toml->no_memory |= !part;
	return part;
}

static bool read_path(struct toml_cursor *cursor, struct path *path)
{
	*path = (struct path){0};
	do {
		toml_skip_blanks(cursor);
		if (path->count == TOML_DEPTH_MAX) {
			toml_fail_here(cursor, "the key has more than %d parts", TOML_DEPTH_MAX);
			path_free(path);
			return false;
		}
		path->columns[path->count] = (uint32_t)(cursor->at - cursor->line_start) + 1;
		char *part = read_part(cursor);
		if (!part) {
			path_free(path);
			return false;
		}
		path->parts[path->count++] = part;
		toml_skip_blanks(cursor);
	} while (toml_skip(cursor, '.'));
	return true;
}

/* A new node under the name of the path's part, which it takes over. */
static struct toml_node *add(struct toml_cursor *cursor, struct toml_node *table, struct path *path,
			     size_t index, enum toml_kind kind)
{
	struct toml_node *node = toml_node_create(cursor, table, kind);
	if (!node)
		return NULL;
	node->column = path->columns[index];
	node->key = path->parts[index];
	path->parts[index] = NULL;
	return node;
}

static struct toml_node *fail_part(struct toml_cursor *cursor, const struct path *path, size_t index,
				   const struct toml_node *before, const char *what)
{
	struct toml_node place = {.line = cursor->line, .column = path->columns[index]};
	toml_fail(cursor->toml, &place, "%.100s %s line %u", path->parts[index], what, before->line);
	return NULL;
}

/* ---- KEY = VALUE ---- */

static struct toml_node *walk_dotted(struct toml_cursor *cursor, struct toml_node *table, struct path *path)
{
	for (size_t i = 0; table && i + 1 < path->count; i++) {
		struct toml_node *child = toml_find(table, path->parts[i]);
		if (child && (child->kind != TOML_TABLE || child->origin != TOML_DOTTED))
			return fail_part(cursor, path, i, child, "cannot be added to: it is whole since");
		table = child ? child : add(cursor, table, path, i, TOML_TABLE);
		if (table && !child)
			table->origin = TOML_DOTTED;
	}
	return table;
}

bool toml_read_pair(struct toml_cursor *cursor, struct toml_node *table)
{
	struct path path;
	if (!read_path(cursor, &path))
		return false;
	if (!toml_skip(cursor, '=')) {
		toml_fail_here(cursor, "= should stand here");
		path_free(&path);
		return false;
	}
	toml_skip_blanks(cursor);
	size_t last = path.count - 1;
	table = walk_dotted(cursor, table, &path);
	struct toml_node *before = table ? toml_find(table, path.parts[last]) : NULL;
	if (before)
		fail_part(cursor, &path, last, before, "is given twice: also on");
	/* What has no place is read all the same, for its own faults. */
	struct toml_node *node = add(cursor, before ? NULL : table, &path, last, TOML_BROKEN);
	path_free(&path);
	return node && toml_read_value(cursor, node);
}

/* ---- [x.y] and [[x.y]] ---- */

static struct toml_node *walk_header(struct toml_cursor *cursor, struct path *path)
{
	struct toml_node *table = cursor->toml->root;
	for (size_t i = 0; table && i + 1 < path->count; i++) {
		struct toml_node *child = toml_find(table, path->parts[i]);
		if (!child)
			child = add(cursor, table, path, i, TOML_TABLE);
		else if (child->kind == TOML_ARRAY && child->origin == TOML_ELEMENTS)
			child = child->last;
		else if (child->kind != TOML_TABLE || child->origin == TOML_CLOSED)
			return fail_part(cursor, path, i, child, "cannot be added to: it is whole since");
		table = child;
	}
	return table;
}

static struct toml_node *open_table(struct toml_cursor *cursor, struct path *path)
{
	size_t last = path->count - 1;
	struct toml_node *parent = walk_header(cursor, path);
	struct toml_node *node = parent ? toml_find(parent, path->parts[last]) : NULL;
	if (node && (node->kind != TOML_TABLE || node->origin != TOML_PATH))
		return fail_part(cursor, path, last, node, "is given twice: also on");
	if (node) {
		node->line = cursor->line;
		node->column = path->columns[last];
	} else if (parent) {
		node = add(cursor, parent, path, last, TOML_TABLE);
	}
	if (node)
		node->origin = TOML_HEADER;
	return node;
}

static struct toml_node *open_element(struct toml_cursor *cursor, struct path *path)
{
	size_t last = path->count - 1;
	struct toml_node *parent = walk_header(cursor, path);
	struct toml_node *array = parent ? toml_find(parent, path->parts[last]) : NULL;
	uint32_t column = path->columns[last];
	if (array && array->origin != TOML_ELEMENTS)
		return fail_part(cursor, path, last, array, "is no list of tables: see");
	if (!array && parent) {
		array = add(cursor, parent, path, last, TOML_ARRAY);
		if (array)
			array->origin = TOML_ELEMENTS;
	}
	struct toml_node *element = array ? toml_node_create(cursor, array, TOML_TABLE) : NULL;
	if (element) {
		element->origin = TOML_HEADER;
		element->column = column;
	}
	return element;
}

/* The table that the lines below belong to. */
static bool read_header(struct toml_cursor *cursor, struct toml_node **table)
{
	struct path path;
	cursor->at++;
	bool element = toml_skip(cursor, '[');
	*table = NULL;
	if (!read_path(cursor, &path))
		return false;
	bool closed = toml_skip(cursor, ']') && (!element || toml_skip(cursor, ']'));
	if (closed)
		*table = element ? open_element(cursor, &path) : open_table(cursor, &path);
	else
		toml_fail_here(cursor, element ? "]] should stand here" : "] should stand here");
	path_free(&path);
	return closed && toml_end_line(cursor);
}

/* ---- all of it ---- */

/* Once for the whole text, so that nobody else has to look. */
static bool is_text(struct toml_cursor cursor)
{
	struct utf8 utf8 = {0};
	for (; cursor.at < cursor.end; cursor.at++) {
		uint8_t byte = *cursor.at;
		bool end = byte == '\r' && cursor.at + 1 < cursor.end && cursor.at[1] == '\n';
		if (!utf8_take(&utf8, (struct slice){cursor.at, 1})) {
			toml_fail_here(&cursor, "not UTF-8");
			return false;
		}
		if ((byte < 0x20 && byte != '\t' && byte != '\n' && !end) || byte == 0x7f) {
			toml_fail_here(&cursor, "a control character");
			return false;
		}
		if (byte == '\n') {
			cursor.line++;
			cursor.line_start = cursor.at + 1;
		}
	}
	if (!utf8_is_whole(&utf8))
		toml_fail_here(&cursor, "not UTF-8");
	return utf8_is_whole(&utf8);
}

/* False: nothing more can be told from what follows. */
static bool skip_line(struct toml_cursor *cursor)
{
	while (cursor->at < cursor->end && *cursor->at != '\n')
		cursor->at++;
	return cursor->depth == 0 && !cursor->toml->no_memory && cursor->toml->node_count < TOML_NODES_MAX;
}

static void read_all(struct toml_cursor *cursor)
{
	struct toml_node *table = cursor->toml->root;
	while (table && toml_skip_space(cursor)) {
		bool header = toml_peek(cursor) == '[';
		bool good = header ? read_header(cursor, &table)
				   : toml_read_pair(cursor, table) && toml_end_line(cursor);
		/* Lines under a broken header are of no table, and read for their own faults. */
		if (header && !table)
			table = toml_node_create(cursor, NULL, TOML_TABLE);
		if (!good && !skip_line(cursor))
			return;
	}
}

bool toml_parse(struct toml *toml, struct slice text)
{
	struct toml_cursor cursor = {.toml = toml,
				     .at = text.at,
				     .end = text.at + text.size,
				     .line_start = text.at,
				     .line = 1};
	memset(toml, 0, sizeof *toml);
	toml->root = toml_node_create(&cursor, NULL, TOML_TABLE);
	if (toml->root && is_text(cursor)) {
		if (text.size >= 3 && memcmp(text.at, "\xef\xbb\xbf", 3) == 0)
			cursor.at = cursor.line_start = text.at + 3;
		read_all(&cursor);
	}
	if (toml->no_memory)
		toml_fail_here(&cursor, "out of memory");
	return toml->problems.error_count == 0;
}
