/* core/config_read.h - from YAML and options to a struct config, with all errors at once.
 *
 * Owner:  the caller, of the config and of the errors. Thread: any. It reads from memory: what lies in files
 *         and in the environment is asked for through struct config_files.
 * Errors: each begins with its place, FILE:LINE:COLUMN or the option; only broken YAML ends the search for
 *         more. A key that this version lacks is an error, and so is one that belongs to another protocol.
 * Limits: the enum below. Secrets are never part of a message.
 */
#ifndef CORE_CONFIG_READ_H
#define CORE_CONFIG_READ_H

#include "core/config.h"
#include "core/problems.h"

enum {
	CONFIG_FILE_MAX = 1024 * 1024,   /* bytes of the file */
	CONFIG_SECRET_FILE_MAX = 8192,   /* bytes of a file that a key ..._file names */
	CONFIG_EXPANDED_MAX = 1024 * 1024, /* bytes that ${NAME} may add in all */
	CONFIG_DEPTH_MAX = 16,
	CONFIG_KEYS_MAX = 256,           /* of one mapping */
	CONFIG_NODES_MAX = 100000,       /* keys and values of one file */
	CONFIG_WHY_SIZE = 256,
};

/* What the parser asks the process for. Embed it in a struct of your own, which OWNER() finds again. */
struct config_files {
	/* Reads a file of at most `size` bytes into `bytes`; its size, or -1 with one line in `why`. When a
	 * file was read but should be looked at, `why` (else empty) becomes a warning. */
	int64_t (*read)(const struct config_files *files, const char *path, uint8_t *bytes, size_t size,
			char why[CONFIG_WHY_SIZE]);
	/* An environment variable; NULL when it is not set. */
	const char *(*variable)(const struct config_files *files, const char *name);
};

/* "0.2.5": of the library that reads YAML. */
const char *config_library_version(void);

/* One value given outside a file: wins over the file's. */
struct config_setting {
	const char *key;                 /* "cores", "gateway.listen_addr", "client.proxies.0.name" */
	const char *value;               /* literal: ${NAME} is not expanded. NULL: an empty mapping */
	const char *origin;              /* "--cores": stands before the message of an error */
};

struct config_source {
	const char *file_name;           /* NULL: no file */
	struct slice text;
	const struct config_setting *settings;
	size_t setting_count;
	const struct config_files *files;
};

/* Fills in the config and the errors (both need their fini, whatever the answer). False: there are errors. */
bool config_parse(struct config *config, const char *file_name, struct slice text,
		  const struct config_files *files, struct problems *errors);
/* The same from a file, settings, or both. */
bool config_build(struct config *config, const struct config_source *source, struct problems *errors);

#endif
