/* tools/tunnel/import.h - a file of TLS Tunnel's server or client, as our YAML: text in, text out.
 *
 * Owner:  the caller; what is made holds the key and is wiped by import_fini. Thread: main.
 * Rules:  those of the original decide what is wrong with a file, except that an unknown key is an error:
 *         it is a mistake that nobody was told of. All errors are found, each with its place. What does not
 *         carry over is a warning, and stands as a comment at the head of the result.
 * Never:  gives a result that `tunnel check` would refuse, or any result where there is an error.
 */
#ifndef TOOLS_TUNNEL_IMPORT_H
#define TOOLS_TUNNEL_IMPORT_H

#include "core/address.h"
#include "tools/tunnel/toml.h"

enum { IMPORT_FILE_MAX = 1024 * 1024, IMPORT_KEYS_MAX = 12 };

struct import_text {
	char *bytes;
	size_t size, room;
};

/* What must not be there twice. */
struct import_seen;

struct import {
	struct toml toml;
	const char *file;                    /* its name, for messages */
	const char *(*variable)(const char *name); /* of the environment; NULL: not set */
	bool broken;                         /* lines could not be read: what seems missing may be in them */
	bool gateway;                        /* it is a server's file */
	struct import_text body, result;
	struct import_seen *seen;
	bool no_memory;
};

/* `import` has its `file` and `variable`, else zero. True: `result` is the YAML. The problems, warnings too,
 * are in toml.problems, in the order of the file. */
bool import_convert(struct import *import, struct slice text);
void import_fini(struct import *import);

/* ---- private to tools/tunnel/import*.c ---- */

struct import_key {
	const char *name;
	enum toml_kind kind;
	bool required;
};

/* Looks at every key of the table; `found` gets the nodes in the order of `keys`, NULL for what is not there
 * or of the wrong type. */
void import_read(struct import *import, const struct toml_node *table, const char *name,
		 const struct import_key *keys, size_t count, const struct toml_node **found);
void import_put(struct import *import, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* In double quotes, with nothing in it that YAML or the configuration would take for more than text. */
void import_put_text(struct import *import, const char *text);
/* "  NAME: " and a text, where there is one; `remark` stands behind it. */
void import_put_line(struct import *import, const char *name, const char *text, const char *remark);
/* A file's name; ~ is expanded. */
void import_put_path(struct import *import, const char *name, const struct toml_node *node);
/* "stats:" and all of it. */
void import_put_stats(struct import *import, const struct toml_node *port, const struct toml_node *addr,
		      const char *host);
/* The text, or NULL, reported, when it is blank or not there. */
const char *import_text_of(struct import *import, const struct toml_node *node);
/* 0, reported where the node is there, when it is no port. */
uint16_t import_port(struct import *import, const struct toml_node *node);
bool import_is_true(const struct toml_node *node);
/* A host to listen on, as an address; NULL node: `host`. False: reported. */
bool import_address(struct import *import, const struct toml_node *node, const char *host, uint16_t port,
		    struct address *address);
/* Index in a NULL-ended list; -1, reported, when it is not there; 0 for a NULL node. */
int import_choice(struct import *import, const struct toml_node *node, const char *const *choices);
void import_key_of(struct import *import, const struct toml_node *node);   /* checks an auth_key */
/* Reports what was there before; `what` is one and the same pointer. */
void import_once(struct import *import, const struct toml_node *node, const char *what, const char *text);

void import_forget(struct import *import);

void import_server(struct import *import, const struct toml_node *server);
void import_client(struct import *import, const struct toml_node *client);
void import_put_forwarder(struct import *import, const struct toml_node *table);
/* ", bind_addr: ..., bind_port: ..." of a visitor or forwarder. */
void import_put_bind(struct import *import, const struct toml_node *addr, const struct toml_node *port_node,
		     uint16_t port);

extern const char *const import_transports[];

#endif
