/* tools/tunnel/import.c - a file of TLS Tunnel as a whole; see import.h. */
#include "tools/tunnel/import.h"

#include <stdlib.h>

#include "core/config_read.h"

/* Which of the two it is; NULL: reported. */
static const struct toml_node *choose(struct import *import)
{
	const struct toml_node *root = import->toml.root;
	const struct toml_node *server = toml_find(root, "server"), *client = toml_find(root, "client");
	const struct toml_node *either = server ? server : client;
	if (server && client)
		toml_fail(&import->toml, client,
			  "[client] beside [server]: TLS Tunnel reads one of them; split the file");
	else if (!either && !import->broken)
		toml_fail(&import->toml, root, "neither [server] nor [client] is there");
	else if (either && either->kind == TOML_BROKEN)
		return NULL;
	else if (either && either->kind != TOML_TABLE)
		toml_fail(&import->toml, either, "%s must be a table: [%s]", either->key, either->key);
	else
		return either;
	return NULL;
}

/* Tables at the top. The lists of a client are nothing to a server, which some documents show in its file. */
static void check_root(struct import *import)
{
	static const char *const lists[] = {"proxies", "visitors", "forwarders"};
	for (const struct toml_node *node = import->toml.root->first; node; node = node->next) {
		bool list = false;
		for (size_t i = 0; i < COUNT_OF(lists); i++)
			list |= strcmp(node->key, lists[i]) == 0;
		if (list && node->kind != TOML_ARRAY && node->kind != TOML_BROKEN)
			toml_fail(&import->toml, node, "%s must be tables: [[%s]]", node->key, node->key);
		else if (list && import->gateway)
			toml_warn(&import->toml, node, "%s is left out: TLS Tunnel's server never read it",
				  node->key);
		else if (!list && strcmp(node->key, "server") != 0 && strcmp(node->key, "client") != 0)
			toml_fail(&import->toml, node, "unknown %s %.100s",
				  node->kind == TOML_TABLE || node->origin == TOML_ELEMENTS ? "table" : "key",
				  node->key);
	}
}

static void put_notes(struct import *import)
{
	const struct problems *problems = &import->toml.problems;
	import_put(import, "# Made by `tunnel import` of %.200s. Before it runs: `tunnel check FILE`.\n",
		   strpbrk(import->file, "\r\n") ? "a file" : import->file);
	for (size_t i = 0; i < problems->count; i++)
		import_put(import, "# line %u: %s\n", problems->items[i].line, problems->items[i].text);
}

/* A last look by who will read it; what is refused here has slipped through the rules above. */
static void check_result(struct import *import)
{
	struct config config;
	struct problems errors;
	struct slice text = {(const uint8_t *)import->result.bytes, import->result.size};
	bool good = config_parse(&config, "result", text, NULL, &errors);
	for (size_t i = 0; i < errors.count; i++)
		if (!errors.items[i].warning)
			toml_fail(&import->toml, import->toml.root, "%s", errors.items[i].text);
	if (!good && !errors.error_count)
		import->no_memory = true;
	problems_fini(&errors);
	config_fini(&config);
}

static void finish(struct import *import)
{
	struct import_text body = import->body;
	import->body = (struct import_text){0};
	put_notes(import);
	import_put(import, "%.*s", (int)body.size, body.bytes ? body.bytes : "");
	import->result = import->body;
	import->body = body;
	if (!import->no_memory)
		check_result(import);
}

/* Neither is chosen: each is read for its own faults. */
static void read_both(struct import *import)
{
	const struct toml_node *server = toml_find(import->toml.root, "server");
	const struct toml_node *client = toml_find(import->toml.root, "client");
	if (!server || !client)
		return;
	if (server->kind == TOML_TABLE)
		import_server(import, server);
	if (client->kind == TOML_TABLE)
		import_client(import, client);
}

bool import_convert(struct import *import, struct slice text)
{
	import->broken = !toml_parse(&import->toml, text);
	const struct toml_node *table = import->toml.root ? choose(import) : NULL;
	import->gateway = table && strcmp(table->key, "server") == 0;
	if (import->toml.root)
		check_root(import);
	if (table && import->gateway)
		import_server(import, table);
	else if (table)
		import_client(import, table);
	else if (import->toml.root)
		read_both(import);
	problems_sort(&import->toml.problems);
	if (!import->toml.problems.error_count)
		finish(import);
	if (import->no_memory && import->toml.root)
		toml_fail(&import->toml, import->toml.root, "out of memory");
	return import->toml.problems.error_count == 0;
}

static void wipe(struct import_text *text)
{
	if (text->bytes)
		secret_wipe(text->bytes, text->size);
	free(text->bytes);
}

void import_fini(struct import *import)
{
	toml_fini(&import->toml);
	import_forget(import);
	wipe(&import->body);
	wipe(&import->result);
	*import = (struct import){0};
}
