/* tools/tunnel/import_read.c - tables and values of TLS Tunnel's files, checked; see import.h. */
#include "tools/tunnel/import.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/config.h"

struct import_seen {
	struct import_seen *next;
	const char *what;
	uint32_t line;
	char text[];
};

const char *const import_transports[] = {"tls", "wss", "http2", NULL};

/* These stand in documents of the original, which never reads them. */
static bool is_ignored(const char *key, const char *table)
{
	return strcmp(key, "type") == 0 || strcmp(key, "server_name") == 0 ||
	       strcmp(key, "max_connections") == 0 ||
	       (strcmp(key, "name") == 0 && strcmp(table, "[client]") == 0);
}

static const char *kind_name(enum toml_kind kind)
{
	static const char *const names[] = {"a table", "a list", "a text in quotes", "a whole number",
					    "true or false"};
	return names[kind];
}

static size_t lookup(const struct import_key *keys, size_t count, const char *name)
{
	size_t i = 0;
	while (i < count && strcmp(keys[i].name, name) != 0)
		i++;
	return i;
}

void import_read(struct import *import, const struct toml_node *table, const char *name,
		 const struct import_key *keys, size_t count, const struct toml_node **found)
{
	check(count <= IMPORT_KEYS_MAX);
	bool seen[IMPORT_KEYS_MAX] = {0};
	memset(found, 0, count * sizeof *found);
	for (const struct toml_node *node = table->first; node; node = node->next) {
		size_t i = lookup(keys, count, node->key);
		if (i == count && is_ignored(node->key, name)) {
			toml_warn(&import->toml, node, "%s is left out: TLS Tunnel never read it", node->key);
		} else if (i == count) {
			toml_fail(&import->toml, node, "unknown key %.100s in %s", node->key, name);
		} else if (seen[i] = true, node->kind == keys[i].kind) {
			found[i] = node;
		} else if (node->kind != TOML_BROKEN) {
			toml_fail(&import->toml, node, "%s must be %s", node->key, kind_name(keys[i].kind));
		}
	}
	for (size_t i = 0; i < count; i++)
		if (keys[i].required && !seen[i] && !import->broken)
			toml_fail(&import->toml, table, "%s is missing in %s", keys[i].name, name);
}

const char *import_text_of(struct import *import, const struct toml_node *node)
{
	if (!node)
		return NULL;
	if (node->text[strspn(node->text, " \t\r\n")])
		return node->text;
	toml_fail(&import->toml, node, "%s is blank", node->key);
	return NULL;
}

uint16_t import_port(struct import *import, const struct toml_node *node)
{
	if (!node)
		return 0;
	if (node->integer >= 1 && node->integer <= UINT16_MAX)
		return (uint16_t)node->integer;
	toml_fail(&import->toml, node, "%s must be a port from 1 to 65535", node->key);
	return 0;
}

bool import_is_true(const struct toml_node *node) { return node && node->boolean; }

bool import_address(struct import *import, const struct toml_node *node, const char *host, uint16_t port,
		    struct address *address)
{
	const char *text = node ? node->text : host;
	if (strcmp(text, "localhost") == 0)
		text = "127.0.0.1";
	if (address_of_literal(address, text, port))
		return true;
	if (node)
		toml_fail(&import->toml, node, "%s must be an address of this machine, not a name: %.60s",
			  node->key, text);
	return false;
}

int import_choice(struct import *import, const struct toml_node *node, const char *const *choices)
{
	char list[128];
	size_t size = 0;
	if (!node)
		return 0;
	for (int i = 0; choices[i]; i++) {
		if (strcmp(choices[i], node->text) == 0)
			return i;
		int more = snprintf(list + size, sizeof list - size, "%s%s", i ? ", " : "", choices[i]);
		size = size_min(size + (size_t)more, sizeof list - 1);
	}
	toml_fail(&import->toml, node, "%s must be one of %s, not %.60s", node->key, list, node->text);
	return -1;
}

void import_key_of(struct import *import, const struct toml_node *node)
{
	size_t size = node ? strlen(node->text) : CONFIG_KEY_MIN;
	if (size < CONFIG_KEY_MIN || size > CONFIG_KEY_MAX)
		toml_fail(&import->toml, node, "auth_key must have %d to %d bytes, not %zu", CONFIG_KEY_MIN,
			  CONFIG_KEY_MAX, size);
}

void import_once(struct import *import, const struct toml_node *node, const char *what, const char *text)
{
	for (const struct import_seen *seen = import->seen; seen; seen = seen->next)
		if (seen->what == what && strcmp(seen->text, text) == 0) {
			toml_fail(&import->toml, node, "%s %.100s is given twice: also on line %u", what,
				  text, seen->line);
			return;
		}
	size_t size = strlen(text) + 1;
	struct import_seen *seen = malloc(sizeof *seen + size);
	import->no_memory |= !seen;
	if (!seen)
		return;
	*seen = (struct import_seen){.next = import->seen, .what = what, .line = node->line};
	text_copy(seen->text, size, slice_of(text));
	import->seen = seen;
}

void import_forget(struct import *import)
{
	for (struct import_seen *seen = import->seen, *next; seen; seen = next) {
		next = seen->next;
		free(seen);
	}
	import->seen = NULL;
}
