/* core/config_reader.h - private to core/config*.c: the tree of nodes, its errors, and tables of keys.
 *
 * Owner:  config_build; everything here lives as long as one call of it. Thread: the caller's.
 * Nodes:  one shape for YAML and for options, so that both are read by the same tables.
 * Memory: a failed allocation sets `no_memory`; readers then leave the field empty and go on, and the call
 *         fails in the end.
 * Never:  puts the text of a secret into a message.
 */
#ifndef CORE_CONFIG_READER_H
#define CORE_CONFIG_READER_H

#include "core/config_read.h"

enum config_kind {
	CONFIG_SCALAR,
	CONFIG_LIST,
	CONFIG_MAPPING,
	CONFIG_REFUSED,              /* an alias, a tag: reported already, read as nothing */
};

struct config_node {
	enum config_kind kind;
	bool plain;                  /* a scalar without quotes */
	const char *key;             /* its name in a mapping; an element of a list has its list's */
	uint32_t key_line, key_column;
	uint32_t line, column;
	const char *origin;          /* of a setting; NULL: of the file */
	char *text;                  /* a scalar's, terminated; empty: never NULL */
	size_t size;
	char none[1];                /* what an empty text points to */
	struct config_node *first, *last, *next;
	size_t count;
};

struct config_reader {
	struct config *config;
	struct config_block *blocks; /* the tree's memory */
	const char *file_name;
	const struct config_files *files;
	struct problems *errors;
	size_t node_count, expanded_size;
	bool no_memory;
};

typedef void config_read_fn(struct config_reader *reader, const struct config_node *node, void *field);

/* One key of a mapping: how its value is read into the field at `offset`. */
struct config_key {
	const char *name;
	config_read_fn *read;        /* NULL: known, but not in this version */
	size_t offset;
	bool required;
};

struct config_table {
	const char *name;            /* of the mapping, for messages */
	const struct config_key *keys;
	size_t count;
	const char *const *foreign;  /* keys of other protocols, NULL-ended; may be NULL */
	const char *foreign_text;    /* "does not belong to ..." */
};

/* ---- config_node.c: memory, nodes, errors ---- */

/* Zeroed and aligned; NULL: no memory. */
void *config_alloc(struct config_block **blocks, size_t size);
/* Wipes and frees all. */
void config_blocks_free(struct config_block **blocks);
/* Appended to its parent, which is a list or a mapping or NULL; NULL: no memory, or too many nodes. */
struct config_node *config_node_create(struct config_reader *reader, struct config_node *parent,
				       enum config_kind kind);
void config_node_append(struct config_node *parent, struct config_node *node);
/* The tree's own copy. False: no memory. */
bool config_node_set_text(struct config_reader *reader, struct config_node *node, struct slice text);
struct config_node *config_node_find(const struct config_node *mapping, const char *key);
/* A scalar that says nothing: `key:`, `key: ~`. */
bool config_node_is_empty(const struct config_node *node);

/* At the value, at the key, or at a place of the file. */
void config_fail(struct config_reader *reader, const struct config_node *node, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
void config_fail_key(struct config_reader *reader, const struct config_node *node, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
void config_fail_at(struct config_reader *reader, uint32_t line, uint32_t column, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
void config_warn(struct config_reader *reader, const struct config_node *node, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* ---- config_yaml.c, config_setting.c: where trees come from ---- */

/* NULL: empty, or broken (reported): half a tree would only give errors that are none. */
struct config_node *config_yaml_load(struct config_reader *reader, struct slice text);
/* Puts one setting into the tree, in place of what is there. */
void config_setting_apply(struct config_reader *reader, struct config_node *root,
			  const struct config_setting *setting);

/* ---- config_keys.c: mappings and lists by their tables ---- */

void config_read_mapping(struct config_reader *reader, const struct config_node *node,
			 const struct config_table *table, void *object);
/* Reports only what nobody knows: for a mapping that cannot be read anyway. */
void config_check_keys(struct config_reader *reader, const struct config_node *node,
		       const struct config_table *table);
/* The elements, read one by one into an array of the config's; a single value counts as a list of one where
 * `single` is set. NULL and 0 when there are none. */
void *config_read_list(struct config_reader *reader, const struct config_node *node, size_t element_size,
		       config_read_fn *read, bool single, size_t *count);

/* ---- config_value.c: scalars; the field's type stands behind the name ---- */

config_read_fn config_read_text;     /* const char *, not empty */
config_read_fn config_read_bool;     /* bool */
config_read_fn config_read_duration; /* struct duration, more than 0 */
config_read_fn config_read_span;     /* struct duration, 0 allowed */
config_read_fn config_read_size;     /* size_t */
config_read_fn config_read_port;     /* uint16_t, not 0 */
config_read_fn config_read_host;     /* const char *: a name or an address literal without brackets */
config_read_fn config_read_endpoint; /* struct config_endpoint */
config_read_fn config_read_cidr;     /* struct cidr */
config_read_fn config_read_ports;    /* struct port_range */
config_read_fn config_read_name;     /* const char *: of a proxy or visitor */

/* The scalar's text; NULL, reported, when the node is no scalar or says nothing. */
const char *config_scalar(struct config_reader *reader, const struct config_node *node);
bool config_number(struct config_reader *reader, const struct config_node *node, uint64_t min, uint64_t max,
		   uint64_t *number);
/* Index of the text in a NULL-ended list; -1, reported with the list, when it is not there. */
int config_choice(struct config_reader *reader, const struct config_node *node, const char *const *choices);
/* The config's own copy; "" when there is no memory. */
const char *config_text(struct config_reader *reader, const char *text);
/* No more than decoding needs: no overlong forms, no surrogates, nothing above U+10FFFF. */
bool config_is_utf8(struct slice text);
/* Replaces ${NAME} in every scalar below. */
void config_expand(struct config_reader *reader, struct config_node *node);

#endif
