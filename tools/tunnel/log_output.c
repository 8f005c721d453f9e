/* tools/tunnel/log_output.c - see log_output.h. */
#include "tools/tunnel/log_output.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { TIME_SIZE = 40, OUTPUT_SIZE = LOG_LINE_SIZE + 64 };
_Static_assert(OUTPUT_SIZE <= PIPE_BUF, "a line is written whole");

static atomic_ulong lost_count, told_count;
static bool to_journal;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static bool stuck;               /* under the mutex: the line before was lost, so this one does not wait */

/* systemd names the journal's socket by device and inode. */
static bool is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long long device, inode;
	struct stat file;
	if (!stream || sscanf(stream, "%llu:%llu", &device, &inode) != 2 || fstat(STDERR_FILENO, &file) != 0)
		return false;
	return file.st_dev == device && file.st_ino == inode;
}

void log_output_start(void)
{
	signal(SIGPIPE, SIG_IGN);
	to_journal = is_journal();
}

uint64_t log_output_lost(void) { return atomic_load(&lost_count); }

static size_t format_time(char text[TIME_SIZE])
{
	struct timespec now;
	struct tm parts;
	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &parts);
	size_t size = strftime(text, TIME_SIZE, "%Y-%m-%dT%H:%M:%S", &parts);
	return size + (size_t)snprintf(text + size, TIME_SIZE - size, ".%03ldZ", now.tv_nsec / 1000000);
}

/* A pipe that polls as writable has room for PIPE_BUF bytes, so that a whole line goes in without waiting. */
static bool write_line(const char *line, size_t size, int wait_ms)
{
	struct pollfd output = {.fd = STDERR_FILENO, .events = POLLOUT};
	if (poll(&output, 1, wait_ms) <= 0 || !(output.revents & POLLOUT))
		return false;
	ssize_t written;
	do
		written = write(STDERR_FILENO, line, size);
	while (written < 0 && errno == EINTR);
	return written == (ssize_t)size;
}

static bool send_line(const char *line, size_t size)
{
	pthread_mutex_lock(&mutex);
	stuck = !write_line(line, size, stuck ? 0 : LOG_OUTPUT_WAIT_MS);
	bool sent = !stuck;
	pthread_mutex_unlock(&mutex);
	return sent;
}

static size_t frame(char out[OUTPUT_SIZE], enum log_level level, enum log_format format, const char *line,
		    size_t size)
{
	static const char priorities[LOG_LEVEL_COUNT][4] = {"<3>", "<4>", "<6>", "<7>", "<7>"};
	char now[TIME_SIZE];
	int head;
	format_time(now);
	if (format == LOG_JSON)
		head = snprintf(out, OUTPUT_SIZE, "{\"time\":\"%s\",", now);
	else if (to_journal)
		head = snprintf(out, OUTPUT_SIZE, "%s", priorities[level]);
	else
		head = snprintf(out, OUTPUT_SIZE, "%s ", now);
	size = size_min(size, OUTPUT_SIZE - 1 - (size_t)head);
	memcpy(out + head, line, size);
	out[(size_t)head + size] = '\n';
	return (size_t)head + size + 1;
}

static void tell_lost(enum log_format format)
{
	unsigned long lost = atomic_load(&lost_count);
	unsigned long told = atomic_load(&told_count);
	char line[128], out[OUTPUT_SIZE];
	/* One thread tells; the others find it told. */
	if (lost == told || !atomic_compare_exchange_strong(&told_count, &told, lost))
		return;
	int size = snprintf(line, sizeof line, format == LOG_JSON ?
			    "\"level\":\"warn\",\"msg\":\"log lines were lost\",\"count\":%lu}" :
			    "warn: log lines were lost count=%lu", lost - told);
	if (!send_line(out, frame(out, LOG_WARN, format, line, (size_t)size)))
		atomic_fetch_add(&lost_count, 1);
}

void log_output(enum log_level level, enum log_format format, const char *line, size_t size)
{
	char out[OUTPUT_SIZE];
	int error = errno;
	if (send_line(out, frame(out, level, format, line, size)))
		tell_lost(format);
	else
		atomic_fetch_add(&lost_count, 1);
	errno = error;
}
