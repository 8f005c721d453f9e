/* core/config_node.c - memory, nodes and errors of the configuration; see config_reader.h. */
#include "core/config_reader.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { BLOCK_SIZE = 16 * 1024, MESSAGE_SIZE = 512, ALIGNMENT = 16 };

struct config_block {
	struct config_block *next;
	size_t size, used;
	_Alignas(ALIGNMENT) uint8_t bytes[];
};

void *config_alloc(struct config_block **blocks, size_t size)
{
	struct config_block *block = *blocks;
	size = (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
	if (!block || block->size - block->used < size) {
		size_t room = size_max(size, BLOCK_SIZE);
		block = calloc(1, sizeof *block + room);
		if (!block)
			return NULL;
		*block = (struct config_block){.next = *blocks, .size = room};
		*blocks = block;
	}
	void *bytes = block->bytes + block->used;
	block->used += size;
	return bytes;
}

void config_blocks_free(struct config_block **blocks)
{
	for (struct config_block *block = *blocks, *next; block; block = next) {
		next = block->next;
		secret_wipe(block->bytes, block->used);
		free(block);
	}
	*blocks = NULL;
}

struct config_node *config_node_create(struct config_reader *reader, struct config_node *parent,
				       enum config_kind kind)
{
	struct config_node *node = NULL;
	if (++reader->node_count <= CONFIG_NODES_MAX)
		node = config_alloc(&reader->blocks, sizeof *node);
	else if (reader->node_count == CONFIG_NODES_MAX + 1)
		config_fail_at(reader, 1, 1, "more than %d keys and values", CONFIG_NODES_MAX);
	if (!node) {
		reader->no_memory = reader->node_count <= CONFIG_NODES_MAX;
		return NULL;
	}
	node->kind = kind;
	node->text = node->none;
	node->key = parent ? parent->key : "the file";
	if (parent)
		config_node_append(parent, node);
	return node;
}

void config_node_append(struct config_node *parent, struct config_node *node)
{
	if (parent->last)
		parent->last->next = node;
	else
		parent->first = node;
	parent->last = node;
	parent->count++;
}

bool config_node_set_text(struct config_reader *reader, struct config_node *node, struct slice text)
{
	char *copy = config_alloc(&reader->blocks, text.size + 1);
	if (!copy) {
		reader->no_memory = true;
		return false;
	}
	text_copy(copy, text.size + 1, text);
	node->text = copy;
	node->size = text.size;
	return true;
}

struct config_node *config_node_find(const struct config_node *mapping, const char *key)
{
	if (mapping->kind != CONFIG_MAPPING)
		return NULL;
	for (struct config_node *node = mapping->first; node; node = node->next)
		if (strcmp(node->key, key) == 0)
			return node;
	return NULL;
}

bool config_node_is_empty(const struct config_node *node)
{
	return node->kind == CONFIG_SCALAR && node->plain &&
	       (node->size == 0 || strcmp(node->text, "~") == 0);
}

struct place {
	const char *origin;
	uint32_t line, column;
	bool warning;
};

static void report(struct config_reader *reader, struct place place, const char *format, va_list arguments)
{
	char message[MESSAGE_SIZE], line[MESSAGE_SIZE + 320];
	struct problem problem = {.text = line, .warning = place.warning};
	if (!place.origin) {
		problem.line = place.line;
		problem.column = place.column;
	}
	vsnprintf(message, sizeof message, format, arguments);
	if (place.origin)
		snprintf(line, sizeof line, "%.255s: %s", place.origin, message);
	else if (reader->file_name)
		snprintf(line, sizeof line, "%.255s:%u:%u: %s", reader->file_name, place.line, place.column,
			 message);
	else
		snprintf(line, sizeof line, "%s", message);
	if (!problems_add(reader->errors, problem))
		reader->no_memory = true;
}

void config_fail(struct config_reader *reader, const struct config_node *node, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	report(reader, (struct place){node->origin, node->line, node->column, false}, format, arguments);
	va_end(arguments);
}

void config_fail_key(struct config_reader *reader, const struct config_node *node, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	report(reader, (struct place){node->origin, node->key_line, node->key_column, false}, format,
	       arguments);
	va_end(arguments);
}

void config_fail_at(struct config_reader *reader, uint32_t line, uint32_t column, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	report(reader, (struct place){NULL, line, column, false}, format, arguments);
	va_end(arguments);
}

void config_warn(struct config_reader *reader, const struct config_node *node, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	report(reader, (struct place){node->origin, node->line, node->column, true}, format, arguments);
	va_end(arguments);
}
