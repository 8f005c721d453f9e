/* tools/tunnel/top_draw.c - keys of `tunnel top` and its frames; see top.h. */
#include "tools/tunnel/top.h"

#include <math.h>
#include <stdio.h>

#include "tools/tunnel/amount.h"

enum { HEAD_LINES = 3, FOOT_LINES = 1 };

void top_init(struct top *top) { *top = (struct top){.width = 80, .height = 24, .interval_s = 2, .url = ""}; }

static size_t rows_shown(const struct top *top)
{
	return top->height > HEAD_LINES + FOOT_LINES ? top->height - HEAD_LINES - FOOT_LINES : 1;
}

/* ---- keys ---- */

static void sort_by(struct top *top, int column)
{
	enum look_table table = top->table;
	top->reverse[table] = top->sorted[table] == column && !top->reverse[table];
	top->sorted[table] = column;
	top->first[table] = 0;
}

static void sort_beside(struct top *top, const struct view *view, int step)
{
	int *sorted = &top->sorted[top->table];
	*sorted = (*sorted + view->column_count + step) % view->column_count;
	top->reverse[top->table] = false;
	top->first[top->table] = 0;
}

static void turn(struct top *top, const struct look *look, int step)
{
	do
		top->table = (enum look_table)(((int)top->table + LOOK_COUNT + step) % LOOK_COUNT);
	while (!look->told[top->table] && top->table != LOOK_PUBLISHED);
}

static void scroll(struct top *top, const struct view *view, long by)
{
	size_t shown = rows_shown(top), *first = &top->first[top->table];
	size_t most = view->count > shown ? view->count - shown : 0;
	if (by < 0)
		*first -= size_min(*first, (size_t)-by);
	else
		*first = size_min(*first + (size_t)by, most);
}

static bool press_letter(struct top *top, const struct view *view, int key)
{
	for (int i = 0; i < view->column_count; i++)
		if (key < 256 && view->columns[i].letter && view->columns[i].letter == (char)key) {
			sort_by(top, i);
			return true;
		}
	return false;
}

void top_press(struct top *top, const struct look *look, int key)
{
	const struct view *view = &look->views[top->table];
	long page = (long)rows_shown(top);
	if (press_letter(top, view, key))
		return;
	switch (key) {
	case 'q':
	case TOP_KEY_ESCAPE:
		top->quit = true;
		break;
	case 'r':
	case ' ':
		top->ask_now = true;
		break;
	case 'i':
		top->reverse[top->table] = !top->reverse[top->table];
		break;
	case '\t':
		turn(top, look, 1);
		break;
	case TOP_KEY_TAB_BACK:
		turn(top, look, -1);
		break;
	case '<':
	case TOP_KEY_LEFT:
		sort_beside(top, view, -1);
		break;
	case '>':
	case TOP_KEY_RIGHT:
		sort_beside(top, view, 1);
		break;
	case TOP_KEY_UP:
		scroll(top, view, -1);
		break;
	case TOP_KEY_DOWN:
		scroll(top, view, 1);
		break;
	case TOP_KEY_PAGE_UP:
		scroll(top, view, -page);
		break;
	case TOP_KEY_PAGE_DOWN:
		scroll(top, view, page);
		break;
	case TOP_KEY_HOME:
		top->first[top->table] = 0;
		break;
	case TOP_KEY_END:
		scroll(top, view, (long)view->count);
		break;
	default:
		break;
	}
}

/* ESC [ or ESC O, perhaps numbers, and a letter or '~'. */
static int read_sequence(const char *bytes, size_t size, size_t *used)
{
	static const struct {
		const char *text;
		int key;
	} sequences[] = {
	    {"A", TOP_KEY_UP},	       {"B", TOP_KEY_DOWN},  {"C", TOP_KEY_RIGHT},    {"D", TOP_KEY_LEFT},
	    {"H", TOP_KEY_HOME},       {"F", TOP_KEY_END},   {"Z", TOP_KEY_TAB_BACK}, {"5~", TOP_KEY_PAGE_UP},
	    {"6~", TOP_KEY_PAGE_DOWN}, {"1~", TOP_KEY_HOME}, {"4~", TOP_KEY_END},
	};
	size_t end = 2;
	while (end < size && ((bytes[end] >= '0' && bytes[end] <= '9') || bytes[end] == ';'))
		end++;
	if (end == size)
		return -1;
	*used = end + 1;
	for (size_t i = 0; i < COUNT_OF(sequences); i++)
		if (strlen(sequences[i].text) == end - 1 &&
		    memcmp(sequences[i].text, bytes + 2, end - 1) == 0)
			return sequences[i].key;
	return 0;
}

size_t top_read_keys(const char *bytes, size_t size, bool alone, int keys[TOP_KEYS_MAX], size_t *count)
{
	size_t at = 0;
	*count = 0;
	while (at < size && *count < TOP_KEYS_MAX) {
		size_t used = 1;
		int key = (unsigned char)bytes[at];
		if (key == 27) {
			bool sequence = size - at >= 2 && (bytes[at + 1] == '[' || bytes[at + 1] == 'O');
			key = sequence ? read_sequence(bytes + at, size - at, &used) : TOP_KEY_ESCAPE;
			if (!alone && (key < 0 || size - at == 1))
				break;
			if (key < 0)
				used = size - at;
		}
		if (key > 0)
			keys[(*count)++] = key;
		at += used;
	}
	return at;
}

/* ---- frames ---- */

/* A line in colours; the blanks behind it make the bar whole. */
static void put_bar(const struct top *top, char *line, const char *text, const char *color, bool bar)
{
	size_t used = 0;
	bool colored = top->color && *color;
	line[0] = 0;
	if (colored)
		used = (size_t)snprintf(line, VIEW_LINE_SIZE, "\x1b[%sm", color);
	size_t width = size_min(top->width, VIEW_LINE_SIZE / 4);
	size_t room = bar ? width : size_min(width, text_width(text));
	used = text_put(line, VIEW_LINE_SIZE - 8, used, text, room, false);
	if (colored)
		snprintf(line + used, VIEW_LINE_SIZE - used, "\x1b[0m");
}

static double sum(const struct view *view, enum view_kind kind)
{
	double total = 0;
	for (int i = 0; i < view->column_count; i++)
		for (size_t row = 0; view->columns[i].kind == kind && row < view->count; row++)
			total += isnan(view->rows[row].numbers[i]) ? 0 : view->rows[row].numbers[i];
	return total;
}

static void draw_summary(const struct top *top, const struct look *look, char *line)
{
	char text[VIEW_LINE_SIZE], rate[AMOUNT_SIZE];
	const struct view *carrier = &look->views[look->told[LOOK_LINKS] ? LOOK_LINKS : LOOK_PUBLISHED];
	int size = snprintf(text, sizeof text, "tunnel top   %.100s   published %zu", top->url,
			    look->views[LOOK_PUBLISHED].count);
	if (look->told[LOOK_LINKS])
		size += snprintf(text + size, sizeof text - (size_t)size, "   links %zu   channels %zu",
				 look->views[LOOK_LINKS].count, look->views[LOOK_CHANNELS].count);
	snprintf(text + size, sizeof text - (size_t)size, "   %s",
		 amount_rate(top->looks > 1 ? sum(carrier, VIEW_RATE) : (double)NAN, rate));
	put_bar(top, line, text, "1", false);
}

static void draw_tabs(const struct top *top, const struct look *look, char *line)
{
	char text[256];
	size_t used = 0;
	for (int i = 0; i < LOOK_COUNT; i++) {
		bool here = i == (int)top->table;
		if (!look->told[i] && !here)
			continue;
		used += (size_t)snprintf(text + used, sizeof text - used, "%s%s%s  ", here ? "[" : " ",
					 look->views[i].title, here ? "]" : " ");
	}
	put_bar(top, line, text, "36", false);
}

static void draw_foot(const struct top *top, const struct view *view, const struct view_layout *layout,
		      char *line)
{
	char text[VIEW_LINE_SIZE];
	size_t used = 0;
	if (top->trouble[0]) {
		put_bar(top, line, top->trouble, "31", false);
		return;
	}
	used += (size_t)snprintf(text, sizeof text,
				 "q quit  r refresh  Tab table  <> sort  i turn ");
	for (int i = 0; i < view->column_count; i++)
		if (view->columns[i].letter && layout->widths[i])
			used += (size_t)snprintf(text + used, sizeof text - used, " %c %s",
						 view->columns[i].letter, view->columns[i].title);
	put_bar(top, line, text, "2", false);
}

void top_draw(struct top *top, struct look *look, struct frame *frame)
{
	struct view *view = &look->views[top->table];
	struct view_layout layout;
	char line[VIEW_LINE_SIZE];
	size_t shown = rows_shown(top), *first = &top->first[top->table];
	check(frame->count == top->height);
	for (size_t i = 0; i < frame->count; i++)
		frame->lines[i][0] = 0;
	view_sort(view, top->sorted[top->table], top->reverse[top->table]);
	view_layout(view, top->width, top->looks, &layout);
	scroll(top, view, 0);
	draw_foot(top, view, &layout, frame->lines[frame->count - 1]);
	if (top->height < HEAD_LINES + FOOT_LINES + 1)
		return;
	draw_summary(top, look, frame->lines[0]);
	draw_tabs(top, look, frame->lines[1]);
	view_head(view, &layout, top->sorted[top->table], line);
	put_bar(top, frame->lines[2], line, "7", true);
	for (size_t i = 0; i < shown && *first + i < view->count; i++) {
		view_line(view, &layout, *first + i, line);
		put_bar(top, frame->lines[HEAD_LINES + i], line, "", false);
	}
	if (!view->count) {
		snprintf(line, sizeof line, "no %s", view->title);
		put_bar(top, frame->lines[HEAD_LINES], line, "", false);
	}
}
