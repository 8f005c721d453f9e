/* core/log.c - formats one line on the stack and gives it to the sink; see log.h. */
#include "core/log.h"

#include <stdatomic.h>
#include <stdio.h>

struct line {
	char text[LOG_LINE_SIZE];
	size_t size;
	bool cut;
};

/* Written by log_start before other threads exist; the level may change later, on a reload. */
static _Atomic int level_now = LOG_INFO;
static enum log_format format_now;
static log_sink_fn *sink_now;

static const char *const level_names[LOG_LEVEL_COUNT] = {"error", "warn", "info", "debug", "trace"};

void log_start(enum log_level level, enum log_format format, log_sink_fn *sink)
{
	check(level < LOG_LEVEL_COUNT);
	atomic_store_explicit(&level_now, (int)level, memory_order_relaxed);
	format_now = format;
	sink_now = sink;
}

bool log_enabled(enum log_level level)
{
	return sink_now && (int)level <= atomic_load_explicit(&level_now, memory_order_relaxed);
}

bool log_level_parse(const char *text, enum log_level *level)
{
	for (int i = 0; i < LOG_LEVEL_COUNT; i++) {
		if (strcmp(text, level_names[i]) == 0) {
			*level = (enum log_level)i;
			return true;
		}
	}
	return false;
}

const char *log_level_name(enum log_level level)
{
	check(level < LOG_LEVEL_COUNT);
	return level_names[level];
}

/* The end of a line is kept free for what closes it. */
enum { TAIL = 8 };

/* All of it or nothing, so that no escape and no character is cut in the middle. */
static void add(struct line *line, const char *bytes, size_t size)
{
	if (line->cut || size > sizeof line->text - TAIL - line->size) {
		line->cut = true;
		return;
	}
	memcpy(line->text + line->size, bytes, size);
	line->size += size;
}

static void add_text(struct line *line, const char *text) { add(line, text, strlen(text)); }

/* Bytes of the well-formed UTF-8 character at `at`; 0 when there is none. */
static size_t character(const uint8_t *at, size_t size)
{
	size_t count = at[0] < 0x80   ? 1
		       : at[0] < 0xc2 ? 0
		       : at[0] < 0xe0 ? 2
		       : at[0] < 0xf0 ? 3
		       : at[0] < 0xf5 ? 4
				      : 0;
	if (count > size)
		return 0;
	for (size_t i = 1; i < count; i++)
		if ((at[i] & 0xc0) != 0x80)
			return 0;
	if (count > 2) {
		uint8_t next = at[1];
		if ((at[0] == 0xe0 && next < 0xa0) || (at[0] == 0xed && next > 0x9f) ||
		    (at[0] == 0xf0 && next < 0x90) || (at[0] == 0xf4 && next > 0x8f))
			return 0;
	}
	return count;
}

/* Characters that move the cursor or turn the direction of writing do not reach a terminal. */
static bool is_control(const uint8_t *at, size_t size)
{
	if (size == 1)
		return at[0] < 0x20 || at[0] == 0x7f;
	if (size == 2)
		return at[0] == 0xc2 && at[1] < 0xa0;
	return size == 3 && at[0] == 0xe2 &&
	       ((at[1] == 0x80 && at[2] >= 0x8b && at[2] <= 0x8f) ||
		(at[1] == 0x80 && at[2] >= 0xa8 && at[2] <= 0xae) ||
		(at[1] == 0x81 && at[2] >= 0xa6 && at[2] <= 0xa9));
}

/* Text between quotes. A byte that is no text becomes \xNN in text lines and \u00NN in JSON. */
static void add_escaped(struct line *line, struct slice value)
{
	for (size_t i = 0; i < value.size && !line->cut;) {
		const uint8_t *at = value.at + i;
		size_t count = character(at, value.size - i);
		char escape[24];
		if (count == 1 && (*at == '"' || *at == '\\'))
			add(line, (char[]){'\\', (char)*at}, 2);
		else if (count && !is_control(at, count))
			add(line, (const char *)at, count);
		else
			for (size_t j = 0; j < size_max(count, 1); j++) {
				snprintf(escape, sizeof escape,
					 format_now == LOG_JSON ? "\\u%04x" : "\\x%02x", at[j]);
				add_text(line, escape);
			}
		i += size_max(count, 1);
	}
}

/* A word that reads well without quotes. */
static bool is_bare(struct slice value)
{
	for (size_t i = 0; i < value.size; i++)
		if (value.at[i] <= 0x20 || value.at[i] >= 0x7f || strchr("\"\\=", value.at[i]))
			return false;
	return value.size > 0;
}

static void add_value(struct line *line, struct slice value)
{
	bool bare = format_now == LOG_TEXT && is_bare(value);
	if (!bare)
		add_text(line, "\"");
	add_escaped(line, value);
	if (!bare && !line->cut)
		add_text(line, "\"");
}

static void add_fact(struct line *line, const struct log_fact *fact)
{
	char number[24];
	bool json = format_now == LOG_JSON;
	add_text(line, json ? ",\"" : " ");
	add_text(line, fact->name);
	add_text(line, json ? "\":" : "=");
	if (fact->text) {
		add_value(line, fact->bytes.at ? fact->bytes : slice_of(fact->text));
		return;
	}
	snprintf(number, sizeof number, "%lld", (long long)fact->number);
	add_text(line, number);
}

/* JSON stays well-formed: a fact that does not fit is left out whole. */
static void add_facts(struct line *line, const struct log_fact *facts, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		size_t before = line->size;
		if (facts[i].name)
			add_fact(line, &facts[i]);
		if (!line->cut)
			continue;
		if (format_now == LOG_JSON)
			line->size = before;
		return;
	}
}

/* The time goes in front: JSON lines begin behind its comma, `"level":...`, and end with the brace. */
void log_line(enum log_level level, const char *message, const struct log_fact *facts, size_t count)
{
	struct line line;
	line.size = 0;
	line.cut = false;
	check(level < LOG_LEVEL_COUNT);
	if (!sink_now)
		return;
	if (format_now == LOG_JSON) {
		add_text(&line, "\"level\":\"");
		add_text(&line, level_names[level]);
		add_text(&line, "\",\"msg\":\"");
		add_escaped(&line, slice_of(message));
		add_text(&line, "\"");
	} else {
		add_text(&line, level_names[level]);
		add_text(&line, ": ");
		add_text(&line, message);
	}
	add_facts(&line, facts, count);
	const char *tail = format_now == LOG_JSON ? "}" : line.cut ? " ..." : "";
	memcpy(line.text + line.size, tail, strlen(tail));
	line.size += strlen(tail);
	sink_now(level, format_now, line.text, line.size);
}
