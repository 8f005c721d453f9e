/* core/config_keys.c - mappings and lists, read by their tables of keys; see config_reader.h. */
#include "core/config_reader.h"

#include <stdio.h>

enum { WORD_MAX = 48 };

/* How many letters must be added, taken away or changed to make one word of the other. */
static unsigned distance(const char *a, const char *b)
{
	unsigned row[WORD_MAX + 1];
	size_t a_size = strlen(a), b_size = strlen(b);
	if (a_size > WORD_MAX || b_size > WORD_MAX)
		return WORD_MAX;
	for (size_t j = 0; j <= b_size; j++)
		row[j] = (unsigned)j;
	for (size_t i = 1; i <= a_size; i++) {
		unsigned diagonal = row[0];
		row[0] = (unsigned)i;
		for (size_t j = 1; j <= b_size; j++) {
			unsigned change = diagonal + (a[i - 1] != b[j - 1]);
			unsigned gap = (row[j] < row[j - 1] ? row[j] : row[j - 1]) + 1;
			diagonal = row[j];
			row[j] = change < gap ? change : gap;
		}
	}
	return row[b_size];
}

static const char *nearest(const struct config_table *table, const char *key)
{
	const char *best = NULL;
	size_t length = strlen(key);
	unsigned limit = length <= 4 ? 1 : length <= 8 ? 2 : 3;
	for (size_t i = 0; i < table->count; i++) {
		/* A key that would be refused as well is no advice. */
		unsigned away = table->keys[i].read ? distance(key, table->keys[i].name) : WORD_MAX;
		if (away <= limit) {
			limit = away - (away > 0);
			best = table->keys[i].name;
		}
	}
	return best;
}

static const struct config_key *lookup(const struct config_table *table, const char *name)
{
	for (size_t i = 0; i < table->count; i++)
		if (strcmp(table->keys[i].name, name) == 0)
			return &table->keys[i];
	return NULL;
}

static bool is_foreign(const struct config_table *table, const char *name)
{
	for (const char *const *key = table->foreign; key && *key; key++)
		if (strcmp(*key, name) == 0)
			return true;
	return false;
}

static void fail_unknown(struct config_reader *reader, const struct config_node *node,
			 const struct config_table *table)
{
	const char *hint = nearest(table, node->key);
	if (hint)
		config_fail_key(reader, node, "unknown key %.100s (did you mean %s?)", node->key, hint);
	else
		config_fail_key(reader, node, "unknown key %.100s in %s", node->key, table->name);
}

static bool is_mapping(struct config_reader *reader, const struct config_node *node,
		       const struct config_table *table)
{
	if (node->kind == CONFIG_MAPPING)
		return true;
	if (node->kind != CONFIG_REFUSED && !config_node_is_empty(node))
		config_fail(reader, node, "%s must be a mapping of keys to values", table->name);
	return false;
}

/* `x` and `x_file` say the same thing twice. */
static void check_file_twin(struct config_reader *reader, const struct config_node *mapping,
			    const struct config_node *node)
{
	char twin[WORD_MAX + 8];
	int size = snprintf(twin, sizeof twin, "%.48s_file", node->key);
	if (size < (int)sizeof twin && config_node_find(mapping, twin))
		config_fail_key(reader, node, "give %s or %s, not both", node->key, twin);
}

void config_read_mapping(struct config_reader *reader, const struct config_node *node,
			 const struct config_table *table, void *object)
{
	if (node->kind == CONFIG_REFUSED)
		return;
	bool mapping = is_mapping(reader, node, table);
	if (!mapping && !config_node_is_empty(node))
		return;
	for (const struct config_node *value = node->first; mapping && value; value = value->next) {
		const struct config_key *key = lookup(table, value->key);
		if (key && key->read) {
			check_file_twin(reader, node, value);
			key->read(reader, value, (char *)object + key->offset);
		} else if (key) {
			config_fail_key(reader, value, "%s is not in this version", key->name);
		} else if (is_foreign(table, value->key)) {
			config_fail_key(reader, value, "%s %s", value->key, table->foreign_text);
		} else {
			fail_unknown(reader, value, table);
		}
	}
	for (size_t i = 0; i < table->count; i++)
		if (table->keys[i].required && !config_node_find(node, table->keys[i].name))
			config_fail(reader, node, "%s is missing in %s", table->keys[i].name, table->name);
}

void config_check_keys(struct config_reader *reader, const struct config_node *node,
		       const struct config_table *table)
{
	if (node->kind != CONFIG_MAPPING)
		return;
	for (const struct config_node *value = node->first; value; value = value->next)
		if (!lookup(table, value->key) && !is_foreign(table, value->key))
			fail_unknown(reader, value, table);
}

void *config_read_list(struct config_reader *reader, const struct config_node *node, size_t element_size,
		       config_read_fn *read, bool single, size_t *count)
{
	*count = 0;
	if (node->kind == CONFIG_REFUSED || config_node_is_empty(node))
		return NULL;
	if (node->kind != CONFIG_LIST && !single) {
		config_fail(reader, node, "%s must be a list: [...]", node->key);
		return NULL;
	}
	size_t size = node->kind == CONFIG_LIST ? node->count : 1;
	if (size > CONFIG_LIST_MAX) {
		config_fail(reader, node, "%s has more than %d entries", node->key, CONFIG_LIST_MAX);
		return NULL;
	}
	char *elements = size ? config_alloc(&reader->config->blocks, size * element_size) : NULL;
	if (!elements) {
		reader->no_memory |= size > 0;
		return NULL;
	}
	*count = size;
	if (node->kind != CONFIG_LIST) {
		read(reader, node, elements);
		return elements;
	}
	size_t index = 0;
	for (const struct config_node *value = node->first; value; value = value->next)
		read(reader, value, elements + element_size * index++);
	return elements;
}
