/* core/log.h - one line per fact, as text or JSON.
 *
 * Owner: the process. Thread: any; a line is formatted on the caller's stack and given to the sink whole.
 * Shape: a message that is constant text, then named facts: log_info("link up", TEXT("peer", name)).
 *        No format strings, so nothing a peer sends is ever a format, and no type for a secret exists:
 *        a secret cannot be logged. Control characters in values are escaped.
 * Limits: LOG_LINE_SIZE bytes a line, longer ones are cut. A sink never blocks a worker for long.
 */
#ifndef CORE_LOG_H
#define CORE_LOG_H

#include "core/base.h"

enum { LOG_LINE_SIZE = 2048 };

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG, LOG_TRACE, LOG_LEVEL_COUNT };
enum log_format { LOG_TEXT, LOG_JSON };

struct log_fact {
	const char *name;  /* NULL: the fact is left out */
	const char *text;  /* NULL: a number */
	struct slice bytes;
	int64_t number;
};

#define TEXT(name_, text_) ((struct log_fact){.name = (name_), .text = (text_)})
#define BYTES(name_, slice_) ((struct log_fact){.name = (name_), .text = "", .bytes = (slice_)})
#define NUMBER(name_, number_) ((struct log_fact){.name = (name_), .number = (int64_t)(number_)})

/* Gets one finished line without time and newline. `format` tells how the time goes in front. */
typedef void log_sink_fn(enum log_level level, enum log_format format, const char *line, size_t size);

void log_start(enum log_level level, enum log_format format, log_sink_fn *sink);
bool log_enabled(enum log_level level);
bool log_level_parse(const char *text, enum log_level *level);
const char *log_level_name(enum log_level level);
void log_line(enum log_level level, const char *message, const struct log_fact *facts, size_t count);

#define log_at(level, message, ...)                                                                          \
	(log_enabled(level)                                                                                  \
	     ? log_line((level), (message), (const struct log_fact[]){{0}, ##__VA_ARGS__} + 1,               \
			sizeof((const struct log_fact[]){{0}, ##__VA_ARGS__}) / sizeof(struct log_fact) - 1) \
	     : (void)0)
#define log_error(...) log_at(LOG_ERROR, __VA_ARGS__)
#define log_warn(...) log_at(LOG_WARN, __VA_ARGS__)
#define log_info(...) log_at(LOG_INFO, __VA_ARGS__)
#define log_debug(...) log_at(LOG_DEBUG, __VA_ARGS__)
#define log_trace(...) log_at(LOG_TRACE, __VA_ARGS__)

#endif
