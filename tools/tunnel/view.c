/* tools/tunnel/view.c - see view.h. */
#include "tools/tunnel/view.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "tools/tunnel/amount.h"

enum { TEXT_WIDTH_MAX = 40, CELL_SIZE = 64, GAP = 2 };

static const char *const causes[VIEW_CAUSES] = {"peer", "socket", "link", "memory"};

/* ---- rows ---- */

void view_init(struct view *view, const char *title, const struct view_column *columns, int column_count)
{
	check(column_count <= VIEW_COLUMNS_MAX);
	*view = (struct view){.title = title, .columns = columns, .column_count = column_count};
}

void view_fini(struct view *view)
{
	for (size_t i = 0; i < view->count; i++) {
		free(view->rows[i].key);
		free(view->rows[i].alias);
		for (int j = 0; j < view->column_count; j++)
			free(view->rows[i].texts[j]);
	}
	free(view->rows);
	*view = (struct view){0};
}

static bool make_room(struct view *view)
{
	if (view->count < view->room)
		return true;
	size_t room = size_min(view->room ? 2 * view->room : 32, VIEW_ROWS_MAX);
	struct view_row *rows = room > view->room ? realloc(view->rows, room * sizeof *rows) : NULL;
	if (!rows)
		return false;
	view->rows = rows;
	view->room = room;
	return true;
}

struct view_row *view_add(struct view *view, const char *key)
{
	char *copy = make_room(view) ? strdup(key) : NULL;
	view->no_memory |= !copy;
	if (!copy)
		return NULL;
	struct view_row *row = &view->rows[view->count++];
	*row = (struct view_row){.key = copy};
	for (int i = 0; i < VIEW_COLUMNS_MAX; i++)
		row->numbers[i] = (double)NAN;
	return row;
}

static void set(struct view *view, char **field, const char *text)
{
	free(*field);
	*field = strdup(text ? text : "");
	view->no_memory |= !*field;
}

void view_set_alias(struct view *view, struct view_row *row, const char *alias)
{
	set(view, &row->alias, alias);
}

void view_set_text(struct view *view, struct view_row *row, int column, const char *text)
{
	set(view, &row->texts[column], text);
}

/* ---- two looks ---- */

static int by_key(const void *a, const void *b)
{
	return strcmp(((const struct view_row *)a)->key, ((const struct view_row *)b)->key);
}

/* A counter that went back was begun anew: nothing is known of the time between. */
static double rate_of(const struct view_column *column, const struct view_row *row,
		      const struct view_row *before, double seconds)
{
	double sum = 0;
	for (int i = 0; i < 2; i++) {
		int of = column->of[i];
		double change = row->numbers[of] - before->numbers[of];
		if (i && column->of[0] == of)
			break;
		sum += change >= 0 ? change : (double)NAN;
	}
	return sum / seconds;
}

static void take_stall(struct view_row *row, int column, const struct view_row *before, double seconds)
{
	double parts = row->stalled_parts ? row->stalled_parts : 1;
	row->numbers[column] = 0;
	for (unsigned i = 0; i < VIEW_CAUSES; i++) {
		double share = (row->stalls[i] - before->stalls[i]) / seconds / parts;
		if (share > 1)
			share = 1;       /* the two looks are not as far apart there as they are here */
		if (share > row->numbers[column]) {
			row->numbers[column] = share;
			row->cause = i;
		}
	}
}

static void compare_row(const struct view *view, struct view_row *row, const struct view_row *before,
			double seconds)
{
	for (int i = 0; i < view->column_count; i++) {
		if (view->columns[i].kind == VIEW_RATE)
			row->numbers[i] = rate_of(&view->columns[i], row, before, seconds);
		else if (view->columns[i].kind == VIEW_STALL)
			take_stall(row, i, before, seconds);
	}
}

void view_compare(struct view *view, struct view *before, double seconds)
{
	if (!before->count || seconds <= 0)
		return;
	qsort(before->rows, before->count, sizeof *before->rows, by_key);
	for (size_t i = 0; i < view->count; i++) {
		const struct view_row *found =
		    bsearch(&view->rows[i], before->rows, before->count, sizeof *before->rows, by_key);
		if (found)
			compare_row(view, &view->rows[i], found, seconds);
	}
}

/* ---- order ---- */

struct order {
	int column;
	bool text, reverse;
};

static int by_column(const void *left, const void *right, void *argument)
{
	const struct order *order = argument;
	const struct view_row *a = left, *b = right;
	int result = 0;
	if (order->text) {
		const char *x = a->texts[order->column], *y = b->texts[order->column];
		result = strcmp(x ? x : "", y ? y : "");
	} else {
		double x = a->numbers[order->column], y = b->numbers[order->column];
		if (isnan(x) || isnan(y))
			return isnan(x) && isnan(y) ? strcmp(a->key, b->key) : isnan(x) ? 1 : -1;
		result = x < y ? 1 : x > y ? -1 : 0;
	}
	if (result == 0)
		return strcmp(a->key, b->key);
	return order->reverse ? -result : result;
}

void view_sort(struct view *view, int column, bool reverse)
{
	struct order order = {column, view->columns[column].kind == VIEW_TEXT, reverse};
	if (view->count)
		qsort_r(view->rows, view->count, sizeof *view->rows, by_column, &order);
}

/* ---- lines ---- */

static const char *cell(const struct view *view, const struct view_row *row, int column, char text[CELL_SIZE])
{
	double number = row->numbers[column];
	enum view_kind kind = view->columns[column].kind;
	text[0] = 0;
	if (kind == VIEW_TEXT)
		return row->texts[column] && *row->texts[column] ? row->texts[column] : "-";
	if (kind == VIEW_STALL) {
		if (number >= 0.005)
			snprintf(text, CELL_SIZE, "%s %.0f%%", causes[row->cause], number * 100);
		return number >= 0.005 ? text : "-";
	}
	if (isnan(number))
		return "-";
	switch (kind) {
	case VIEW_BYTES:
		return amount_bytes(number, text);
	case VIEW_RATE:
		return amount_rate(number, text);
	case VIEW_SPAN:
		return amount_span(number, text);
	case VIEW_MS:
		snprintf(text, CELL_SIZE, number > 0 ? "%.1f ms" : "-", number);
		return text;
	default:
		snprintf(text, CELL_SIZE, "%.0f", number);
		return text;
	}
}

static size_t total(const struct view *view, const struct view_layout *layout)
{
	size_t sum = 0;
	for (int i = 0; i < view->column_count; i++)
		sum += layout->widths[i] ? layout->widths[i] + (sum ? GAP : 0) : 0;
	return sum;
}

/* Columns that are kept alike, such as the two directions, go together. */
static bool drop_least(const struct view *view, struct view_layout *layout)
{
	unsigned least = 0;
	for (int i = 0; i < view->column_count; i++) {
		unsigned keep = layout->widths[i] ? view->columns[i].keep : 0;
		if (keep && (!least || keep < least))
			least = keep;
	}
	for (int i = 0; least && i < view->column_count; i++)
		if (view->columns[i].keep == least)
			layout->widths[i] = 0;
	return least != 0;
}

/* So that numbers that grow do not move the columns. */
static const size_t widths[] = {
    [VIEW_BYTES] = 10, [VIEW_RATE] = 12, [VIEW_SPAN] = 7, [VIEW_MS] = 8, [VIEW_STALL] = 11};

void view_layout(const struct view *view, size_t width, unsigned looks, struct view_layout *layout)
{
	char text[CELL_SIZE];
	*layout = (struct view_layout){0};
	for (int i = 0; i < view->column_count; i++) {
		enum view_kind kind = view->columns[i].kind;
		if (looks < 2 && (kind == VIEW_RATE || kind == VIEW_STALL))
			continue;
		/* One more for the mark of what is sorted by. */
		layout->widths[i] = size_max(text_width(view->columns[i].title) + 1, widths[kind]);
		for (size_t j = 0; j < view->count; j++) {
			size_t wide = text_width(cell(view, &view->rows[j], i, text));
			layout->widths[i] = size_max(layout->widths[i], size_min(wide, TEXT_WIDTH_MAX));
		}
	}
	while (width && total(view, layout) > width && drop_least(view, layout))
		;
	size_t all = total(view, layout);
	if (width && all > width && layout->widths[0] > all - width)
		layout->widths[0] -= all - width;
}

static bool is_right(const struct view *view, int column)
{
	return view->columns[column].kind != VIEW_TEXT && view->columns[column].kind != VIEW_STALL;
}

static void cut_blanks(char *line, size_t used)
{
	while (used && line[used - 1] == ' ')
		line[--used] = 0;
}

void view_head(const struct view *view, const struct view_layout *layout, int sorted,
	       char line[VIEW_LINE_SIZE])
{
	size_t used = 0;
	line[0] = 0;
	for (int i = 0; i < view->column_count; i++) {
		char title[CELL_SIZE];
		if (!layout->widths[i])
			continue;
		snprintf(title, sizeof title, "%s%s", view->columns[i].title, i == sorted ? "*" : "");
		used = text_put(line, VIEW_LINE_SIZE, used, "", used ? GAP : 0, false);
		used = text_put(line, VIEW_LINE_SIZE, used, title, layout->widths[i], is_right(view, i));
	}
	cut_blanks(line, used);
}

void view_line(const struct view *view, const struct view_layout *layout, size_t row,
	       char line[VIEW_LINE_SIZE])
{
	size_t used = 0;
	char text[CELL_SIZE];
	line[0] = 0;
	for (int i = 0; i < view->column_count; i++) {
		if (!layout->widths[i])
			continue;
		const char *content = cell(view, &view->rows[row], i, text);
		used = text_put(line, VIEW_LINE_SIZE, used, "", used ? GAP : 0, false);
		used = text_put(line, VIEW_LINE_SIZE, used, content, layout->widths[i], is_right(view, i));
	}
	cut_blanks(line, used);
}
