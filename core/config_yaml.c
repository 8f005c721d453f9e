/* core/config_yaml.c - YAML to a tree of nodes, by libyaml's events; see config_reader.h. */
#include "core/config_reader.h"

#include <yaml.h>

struct loader {
	struct config_reader *reader;
	yaml_parser_t parser;
	struct config_node *stack[CONFIG_DEPTH_MAX];
	size_t depth;
	struct config_node *root;
	struct config_node *pending;     /* the entry whose key was read and whose value comes next */
	unsigned documents;
};

enum step { STEP_NEXT, STEP_END, STEP_STOP };

static uint32_t line_of(yaml_mark_t mark) { return (uint32_t)mark.line + 1; }
static uint32_t column_of(yaml_mark_t mark) { return (uint32_t)mark.column + 1; }

static void fail(struct loader *loader, const yaml_event_t *event, const char *message)
{
	config_fail_at(loader->reader, line_of(event->start_mark), column_of(event->start_mark), "%s",
		       message);
}

static void fail_parse(struct loader *loader)
{
	const yaml_parser_t *parser = &loader->parser;
	const char *problem = parser->problem ? parser->problem : "it cannot be read";
	if (parser->error == YAML_MEMORY_ERROR)
		loader->reader->no_memory = true;
	/* A broken encoding is told as a byte offset only, by an error that has no mark. */
	if (parser->error == YAML_READER_ERROR)
		config_fail_at(loader->reader, line_of(parser->mark), column_of(parser->mark),
			       "not YAML: %s at byte %zu", problem, parser->problem_offset);
	else
		config_fail_at(loader->reader, line_of(parser->problem_mark), column_of(parser->problem_mark),
			       "not YAML: %s%s%s", problem, parser->context ? ", " : "",
			       parser->context ? parser->context : "");
}

static struct config_node *top(struct loader *loader)
{
	return loader->depth ? loader->stack[loader->depth - 1] : NULL;
}

/* The node for a value: the pending entry of a mapping, a new element of a list, or the root. */
static struct config_node *place(struct loader *loader, const yaml_event_t *event, enum config_kind kind)
{
	struct config_node *node = loader->pending;
	if (!node)
		node = config_node_create(loader->reader, top(loader), kind);
	loader->pending = NULL;
	if (!node)
		return NULL;
	node->kind = kind;
	node->line = line_of(event->start_mark);
	node->column = column_of(event->start_mark);
	if (!loader->root)
		loader->root = node;
	return node;
}

static bool awaits_key(struct loader *loader)
{
	return top(loader) && top(loader)->kind == CONFIG_MAPPING && !loader->pending;
}

/* Makes the entry of a key; a key that stands there twice is reported and its value is read as nothing. */
static enum step key(struct loader *loader, const yaml_event_t *event)
{
	struct config_node *mapping = top(loader);
	struct slice name = {event->data.scalar.value, event->data.scalar.length};
	if (mapping->count == CONFIG_KEYS_MAX) {
		fail(loader, event, "too many keys in one mapping");
		return STEP_STOP;
	}
	struct config_node *node = config_node_create(loader->reader, NULL, CONFIG_SCALAR);
	if (!node || !config_node_set_text(loader->reader, node, name))
		return STEP_STOP;
	node->key = node->text;
	node->text = node->none;
	node->size = 0;
	node->key_line = line_of(event->start_mark);
	node->key_column = column_of(event->start_mark);
	loader->pending = node;
	if (strlen(node->key) != name.size) {
		fail(loader, event, "a key holds a zero byte");
	} else if (config_node_find(mapping, node->key)) {
		config_fail_key(loader->reader, node, "key %.100s is given twice", node->key);
	} else {
		config_node_append(mapping, node);
	}
	return STEP_NEXT;
}

static enum step scalar(struct loader *loader, const yaml_event_t *event)
{
	if (awaits_key(loader))
		return key(loader, event);
	struct config_node *node = place(loader, event, CONFIG_SCALAR);
	struct slice text = {event->data.scalar.value, event->data.scalar.length};
	if (!node || !config_node_set_text(loader->reader, node, text))
		return STEP_STOP;
	node->plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
	if (event->data.scalar.tag) {
		fail(loader, event, "tags are not taken here");
		node->kind = CONFIG_REFUSED;
	} else if (strlen(node->text) != node->size) {
		fail(loader, event, "the value holds a zero byte");
		node->kind = CONFIG_REFUSED;
	}
	return STEP_NEXT;
}

static enum step alias(struct loader *loader, const yaml_event_t *event)
{
	fail(loader, event, "aliases are not taken here: write the value out");
	if (!awaits_key(loader))
		return place(loader, event, CONFIG_REFUSED) ? STEP_NEXT : STEP_STOP;
	/* An alias as a key: its value is read into an entry that belongs to no mapping. */
	loader->pending = config_node_create(loader->reader, NULL, CONFIG_REFUSED);
	return loader->pending ? STEP_NEXT : STEP_STOP;
}

static enum step collection(struct loader *loader, const yaml_event_t *event, enum config_kind kind)
{
	if (loader->depth == CONFIG_DEPTH_MAX) {
		fail(loader, event, "nested too deep");
		return STEP_STOP;
	}
	if (awaits_key(loader)) {
		fail(loader, event, "a key must be a word");
		return STEP_STOP;
	}
	struct config_node *node = place(loader, event, kind);
	if (!node)
		return STEP_STOP;
	loader->stack[loader->depth++] = node;
	return STEP_NEXT;
}

static enum step take(struct loader *loader, const yaml_event_t *event)
{
	switch (event->type) {
	case YAML_STREAM_END_EVENT:
		return STEP_END;
	case YAML_DOCUMENT_START_EVENT:
		if (loader->documents++ == 0)
			return STEP_NEXT;
		fail(loader, event, "a second document begins here; one is read");
		return STEP_STOP;
	case YAML_SCALAR_EVENT:
		return scalar(loader, event);
	case YAML_ALIAS_EVENT:
		return alias(loader, event);
	case YAML_SEQUENCE_START_EVENT:
		return collection(loader, event, CONFIG_LIST);
	case YAML_MAPPING_START_EVENT:
		return collection(loader, event, CONFIG_MAPPING);
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		loader->depth--;
		return STEP_NEXT;
	default:
		return STEP_NEXT;
	}
}

/* libyaml frees its buffers as they are, and secrets went through them. */
static void wipe(yaml_parser_t *parser)
{
	if (parser->raw_buffer.start)
		secret_wipe(parser->raw_buffer.start,
			    (size_t)(parser->raw_buffer.end - parser->raw_buffer.start));
	if (parser->buffer.start)
		secret_wipe(parser->buffer.start, (size_t)(parser->buffer.end - parser->buffer.start));
}

struct config_node *config_yaml_load(struct config_reader *reader, struct slice text)
{
	struct loader loader = {.reader = reader};
	enum step step = STEP_NEXT;
	if (!yaml_parser_initialize(&loader.parser)) {
		reader->no_memory = true;
		return NULL;
	}
	yaml_parser_set_encoding(&loader.parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&loader.parser, text.at ? text.at : (const uint8_t *)"", text.size);
	while (step == STEP_NEXT) {
		yaml_event_t event;
		if (!yaml_parser_parse(&loader.parser, &event)) {
			fail_parse(&loader);
			break;
		}
		step = take(&loader, &event);
		if (event.type == YAML_SCALAR_EVENT)
			secret_wipe(event.data.scalar.value, event.data.scalar.length);
		yaml_event_delete(&event);
	}
	wipe(&loader.parser);
	yaml_parser_delete(&loader.parser);
	return step == STEP_END ? loader.root : NULL;
}

const char *config_library_version(void) { return yaml_get_version_string(); }
