/* tools/tunnel/toml_tree.c - nodes and problems of a TOML file; see toml.h. */
#include "tools/tunnel/toml_tree.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/secret.h"

enum { MESSAGE_SIZE = 400 };

static void report(struct toml *toml, struct problem problem, const char *format, va_list arguments)
{
	char text[MESSAGE_SIZE];
	vsnprintf(text, sizeof text, format, arguments);
	problem.text = text;
	if (!problems_add(&toml->problems, problem))
		toml->no_memory = true;
}

void toml_fail(struct toml *toml, const struct toml_node *node, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	report(toml, (struct problem){.line = node->line, .column = node->column}, format, arguments);
	va_end(arguments);
}

void toml_warn(struct toml *toml, const struct toml_node *node, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	report(toml, (struct problem){.line = node->line, .column = node->column, .warning = true},
	       format, arguments);
	va_end(arguments);
}

void toml_fail_here(struct toml_cursor *cursor, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	report(cursor->toml,
	       (struct problem){.line = cursor->line,
				.column = (uint32_t)(cursor->at - cursor->line_start) + 1},
	       format, arguments);
	va_end(arguments);
}

struct toml_node *toml_node_create(struct toml_cursor *cursor, struct toml_node *parent, enum toml_kind kind)
{
	struct toml *toml = cursor->toml;
	struct toml_node *node = toml->node_count < TOML_NODES_MAX ? calloc(1, sizeof *node) : NULL;
	if (!node) {
		if (toml->node_count == TOML_NODES_MAX)
			toml_fail_here(cursor, "more than %d keys and values", TOML_NODES_MAX);
		else
			toml->no_memory = true;
		return NULL;
	}
	toml->node_count++;
	*node = (struct toml_node){
		.kind = kind,
		.line = cursor->line,
		.column = (uint32_t)(cursor->at - cursor->line_start) + 1,
		.all = toml->all,
	};
	toml->all = node;
	if (!parent)
		return node;
	if (parent->last)
		parent->last->next = node;
	else
		parent->first = node;
	parent->last = node;
	parent->count++;
	return node;
}

struct toml_node *toml_find(const struct toml_node *table, const char *key)
{
	for (struct toml_node *node = table->first; node; node = node->next)
		if (node->key && strcmp(node->key, key) == 0)
			return node;
	return NULL;
}

static void wipe(char *text)
{
	if (text)
		secret_wipe(text, strlen(text));
	free(text);
}

void toml_fini(struct toml *toml)
{
	for (struct toml_node *node = toml->all, *next; node; node = next) {
		next = node->all;
		wipe(node->key);
		wipe(node->text);
		free(node);
	}
	problems_fini(&toml->problems);
	memset(toml, 0, sizeof *toml);
}
