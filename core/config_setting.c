/* core/config_setting.c - values given outside a file, put into the same tree; see config_reader.h. */
#include "core/config_reader.h"

#include <stdlib.h>

static struct config_node *entry(struct config_reader *reader, struct config_node *mapping, struct slice name,
				 const char *origin)
{
	char key[64];
	check(name.size < sizeof key);
	text_copy(key, sizeof key, name);
	struct config_node *node = config_node_find(mapping, key);
	if (node)
		return node;
	node = config_node_create(reader, mapping, CONFIG_SCALAR);
	if (!node || !config_node_set_text(reader, node, name))
		return NULL;
	node->key = node->text;
	node->text = node->none;
	node->size = 0;
	node->plain = true;
	node->origin = origin;
	return node;
}

static struct config_node *element(struct config_reader *reader, struct config_node *list, size_t index,
				   const char *origin)
{
	struct config_node *node = list->first;
	for (size_t i = 0; node && i < index; i++)
		node = node->next;
	if (node)
		return node;
	node = config_node_create(reader, list, CONFIG_SCALAR);
	if (node) {
		node->plain = true;
		node->origin = origin;
	}
	return node;
}

static void become(struct config_node *node, enum config_kind kind)
{
	if (node->kind == kind)
		return;
	node->kind = kind;
	node->first = node->last = NULL;
	node->count = 0;
}

void config_setting_apply(struct config_reader *reader, struct config_node *root,
			  const struct config_setting *setting)
{
	struct config_node *node = root;
	const char *key = setting->key;
	while (node && *key) {
		size_t length = strcspn(key, ".");
		bool number = *key >= '0' && *key <= '9';
		become(node, number ? CONFIG_LIST : CONFIG_MAPPING);
		if (number)
			node = element(reader, node, strtoul(key, NULL, 10), setting->origin);
		else
			node = entry(reader, node, (struct slice){(const uint8_t *)key, length},
				     setting->origin);
		key += length + (key[length] == '.');
	}
	if (!node)
		return;
	node->origin = setting->origin;
	if (!setting->value)
		return;
	become(node, CONFIG_SCALAR);
	node->plain = false;
	config_node_set_text(reader, node, slice_of(setting->value));
}
