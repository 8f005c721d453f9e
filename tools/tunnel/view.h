/* tools/tunnel/view.h - a table of what runs: rows of texts and numbers, compared, sorted, laid out as lines.
 *
 * Owner:  the caller; the rows' texts are the view's. Thread: main. Pure: numbers and texts in, lines out.
 * Rates:  view_compare gives them from two looks at the same things, by the rows' keys; before there were
 * two, and for what has just come, they are not known (NAN, shown as "-").
 */
#ifndef TOOLS_TUNNEL_VIEW_H
#define TOOLS_TUNNEL_VIEW_H

#include "core/base.h"

enum { VIEW_COLUMNS_MAX = 12, VIEW_LINE_SIZE = 1024, VIEW_CAUSES = 4, VIEW_ROWS_MAX = 20000 };

enum view_kind {
	VIEW_TEXT,
	VIEW_COUNT,
	VIEW_BYTES,
	VIEW_RATE, /* of the columns `of`, by two looks */
	VIEW_SPAN, /* seconds */
	VIEW_MS,
	VIEW_STALL, /* which cause held it back the most, by two looks: "socket 40%" */
};

struct view_column {
	const char *title;
	enum view_kind kind;
	char letter;   /* of the key that sorts by it; 0: none */
	unsigned keep; /* on a narrow screen the lowest go first, equals together; 0: never */
	int of[2];     /* VIEW_RATE */
};

struct view_row {
	char *key;		       /* who it is, over several looks */
	char *alias;		       /* how other tables call it; may be NULL */
	char *texts[VIEW_COLUMNS_MAX]; /* VIEW_TEXT */
	double numbers[VIEW_COLUMNS_MAX];
	double stalls[VIEW_CAUSES]; /* seconds: peer, socket, link, memory */
	unsigned stalled_parts;     /* the sum of so many; 0: its own */
	unsigned cause;		    /* VIEW_STALL: of the number there, a share of the time */
};

struct view {
	const char *title;
	const struct view_column *columns;
	int column_count;
	struct view_row *rows;
	size_t count, room;
	bool no_memory;
};

void view_init(struct view *view, const char *title, const struct view_column *columns, int column_count);
void view_fini(struct view *view);
/* A row whose numbers are unknown; NULL: no memory, or too many. */
struct view_row *view_add(struct view *view, const char *key);
void view_set_alias(struct view *view, struct view_row *row, const char *alias);
void view_set_text(struct view *view, struct view_row *row, int column, const char *text);

/* What has changed since `before` (its rows get sorted by their keys), `seconds` ago. */
void view_compare(struct view *view, struct view *before, double seconds);
/* Numbers from the largest, texts from A; `reverse`: the other way round. What is unknown stands last. */
void view_sort(struct view *view, int column, bool reverse);

struct view_layout {
	size_t widths[VIEW_COLUMNS_MAX]; /* 0: not shown */
};

/* As it fits into so many columns of a terminal; 0: all of it. `looks` is 1 when nothing was compared: what
 * would be unknown in every row is left out. */
void view_layout(const struct view *view, size_t width, unsigned looks, struct view_layout *layout);
/* The titles; `sorted` is marked (-1: none). */
void view_head(const struct view *view, const struct view_layout *layout, int sorted,
	       char line[VIEW_LINE_SIZE]);
void view_line(const struct view *view, const struct view_layout *layout, size_t row,
	       char line[VIEW_LINE_SIZE]);

#endif
