/* tools/tunnel/file.c - see file.h. */
#include "tools/tunnel/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/secret.h"

static void explain(char why[FILE_WHY_SIZE], const char *path, const char *what)
{
	snprintf(why, FILE_WHY_SIZE, "%.300s: %s", path, what);
}

/* A private key that others can change is theirs. One that they can read is often how a mounted secret comes.
 */
static bool is_guarded(const char *path, const struct stat *file, char why[FILE_WHY_SIZE])
{
	if (file->st_mode & (S_IWGRP | S_IWOTH)) {
		snprintf(why, FILE_WHY_SIZE, "%.200s: others may write to it; run: chmod 600 %.200s", path,
			 path);
		return false;
	}
	if (file->st_mode & S_IROTH)
		snprintf(why, FILE_WHY_SIZE, "%.200s: others may read it; run: chmod 600 %.200s", path, path);
	return true;
}

static bool is_readable(int fd, const char *path, enum file_guard guard, size_t size_max,
			char why[FILE_WHY_SIZE])
{
	struct stat file;
	if (fstat(fd, &file) != 0) {
		explain(why, path, strerror(errno));
		return false;
	}
	if (S_ISDIR(file.st_mode)) {
		explain(why, path, strerror(EISDIR));
		return false;
	}
	if (S_ISREG(file.st_mode) && (uintmax_t)file.st_size > size_max) {
		snprintf(why, FILE_WHY_SIZE, "%.300s: larger than %zu bytes", path, size_max);
		return false;
	}
	return guard == FILE_OPEN || is_guarded(path, &file, why);
}

/* Up to `size` bytes; -1: see errno. */
static ssize_t read_all(int fd, uint8_t *bytes, size_t size)
{
	size_t done = 0;
	while (done < size) {
		ssize_t got = read(fd, bytes + done, size - done);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -1;
		if (got == 0)
			break;
		done += (size_t)got;
	}
	return (ssize_t)done;
}

static uint8_t *read_open(int fd, const char *path, size_t size_max, size_t *size, char why[FILE_WHY_SIZE])
{
	/* One byte more, so that a file that is too long is seen to be, a pipe's contents included. */
	uint8_t *bytes = malloc(size_max + 1);
	ssize_t got = bytes ? read_all(fd, bytes, size_max + 1) : -1;
	if (!bytes || got < 0) {
		explain(why, path, strerror(errno));
		free(bytes);
		return NULL;
	}
	if ((size_t)got > size_max) {
		snprintf(why, FILE_WHY_SIZE, "%.300s: larger than %zu bytes", path, size_max);
		secret_wipe(bytes, (size_t)got);
		free(bytes);
		return NULL;
	}
	bytes[got] = 0;
	*size = (size_t)got;
	return bytes;
}

uint8_t *file_read(const char *path, enum file_guard guard, size_t size_max, size_t *size,
		   char why[FILE_WHY_SIZE])
{
	why[0] = 0;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0) {
		explain(why, path, strerror(errno));
		return NULL;
	}
	uint8_t *bytes = NULL;
	if (is_readable(fd, path, guard, size_max, why))
		bytes = read_open(fd, path, size_max, size, why);
	close(fd);
	return bytes;
}

static bool write_all(int fd, struct slice bytes)
{
	while (bytes.size) {
		ssize_t put = write(fd, bytes.at, bytes.size);
		if (put < 0 && errno == EINTR)
			continue;
		if (put <= 0)
			return false;
		bytes.at += put;
		bytes.size -= (size_t)put;
	}
	return true;
}

/* The name itself must survive a power cut too. Some file systems cannot do this; then there is no more to
 * do. */
static void sync_directory(const char *path)
{
	char directory[PATH_MAX];
	const char *slash = strrchr(path, '/');
	if (!slash)
		text_copy(directory, sizeof directory, slice_of("."));
	else
		text_copy(directory, sizeof directory,
			  (struct slice){(const uint8_t *)path, size_max((size_t)(slash - path), 1)});
	int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return;
	fsync(fd);
	close(fd);
}

/* link() gives the finished file its name only where there is none yet; rename() would replace. */
static enum file_made publish(const char *draft, const char *path, char why[FILE_WHY_SIZE])
{
	int linked = link(draft, path);
	/* Where hard links are unknown, the kernel can rename without replacing. */
	if (linked != 0 && errno != EEXIST)
		linked = renameat2(AT_FDCWD, draft, AT_FDCWD, path, RENAME_NOREPLACE);
	if (linked == 0) {
		sync_directory(path);
		return FILE_MADE;
	}
	explain(why, path, strerror(errno));
	return errno == EEXIST ? FILE_EXISTS : FILE_FAILED;
}

enum file_made file_make(const char *path, struct slice bytes, unsigned mode, char why[FILE_WHY_SIZE])
{
	char draft[PATH_MAX];
	why[0] = 0;
	if (access(path, F_OK) == 0) {
		explain(why, path, strerror(EEXIST));
		return FILE_EXISTS;
	}
	int size = snprintf(draft, sizeof draft, "%s.XXXXXX", path);
	int fd = size < (int)sizeof draft ? mkostemp(draft, O_CLOEXEC) : -1;
	if (fd < 0) {
		explain(why, path, strerror(size < (int)sizeof draft ? errno : ENAMETOOLONG));
		return FILE_FAILED;
	}
	enum file_made made = FILE_FAILED;
	bool written = fchmod(fd, mode) == 0 && write_all(fd, bytes) && fsync(fd) == 0;
	if (!written)
		explain(why, path, strerror(errno));
	close(fd);
	if (written)
		made = publish(draft, path, why);
	unlink(draft);
	return made;
}

bool file_make_directory(const char *path, char why[FILE_WHY_SIZE])
{
	char part[PATH_MAX];
	struct stat file;
	why[0] = 0;
	if (strlen(path) >= sizeof part) {
		explain(why, path, strerror(ENAMETOOLONG));
		return false;
	}
	for (size_t i = 1; path[i - 1]; i++) {
		if (path[i] != '/' && path[i] != 0)
			continue;
		text_copy(part, sizeof part, (struct slice){(const uint8_t *)path, i});
		if (mkdir(part, 0700) != 0 && errno != EEXIST) {
			explain(why, part, strerror(errno));
			return false;
		}
	}
	if (stat(path, &file) == 0 && S_ISDIR(file.st_mode))
		return true;
	explain(why, path, strerror(ENOTDIR));
	return false;
}
