/* tools/tunnel/file.h - small files, read whole and written whole.
 *
 * Owner:  nobody, functions only. Thread: main.
 * Never:  follows a write with a torn file: a new file appears complete, or not at all; replaces one.
 */
#ifndef TOOLS_TUNNEL_FILE_H
#define TOOLS_TUNNEL_FILE_H

#include "core/base.h"

enum { FILE_WHY_SIZE = 512 };

enum file_guard {
	FILE_OPEN,          /* anybody may read and write it */
	FILE_SECRET,        /* refused when others may write it, remarked on when others may read it */
};

/* The whole file with a zero behind it, to be freed (a secret: wiped first); NULL with one line in `why`.
 * `why` is also set, else empty, when the file was read but deserves a remark. */
uint8_t *file_read(const char *path, enum file_guard guard, size_t size_max, size_t *size,
		   char why[FILE_WHY_SIZE]);

enum file_made { FILE_MADE, FILE_EXISTS, FILE_FAILED };

/* Makes a file with these bytes and mode, safe on disk before it gets its name. FILE_FAILED: one line in
 * `why`. */
enum file_made file_make(const char *path, struct slice bytes, unsigned mode, char why[FILE_WHY_SIZE]);
/* A directory and what is above it, with mode 0700 for what is new. */
bool file_make_directory(const char *path, char why[FILE_WHY_SIZE]);

#endif
