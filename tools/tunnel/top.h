/* tools/tunnel/top.h - `tunnel top`: tables of what runs, drawn again and again.
 *
 * Owner:  top_command. Thread: main, with signals let in only while it waits.
 * Screen: the terminal's second page, given back on q, Escape, SIGINT, SIGTERM, SIGHUP and SIGQUIT, and from
 *         Ctrl-Z until it goes on. A frame is made in memory and written at once; only lines that have
 *         changed are written.
 * Keys:   top_key is pure: a key and what is shown in, what is to be shown and done out.
 */
#ifndef TOOLS_TUNNEL_TOP_H
#define TOOLS_TUNNEL_TOP_H

#include "tools/tunnel/look.h"

enum { TOP_KEYS_MAX = 32 };

/* Prints tables (bits 1 << enum look_table) on standard output. */
void look_print(const struct look *look, unsigned looks, unsigned tables);

/* ---- what is shown ---- */

enum top_key {                               /* beside the letters themselves */
	TOP_KEY_ESCAPE = 256,
	TOP_KEY_UP,
	TOP_KEY_DOWN,
	TOP_KEY_LEFT,
	TOP_KEY_RIGHT,
	TOP_KEY_PAGE_UP,
	TOP_KEY_PAGE_DOWN,
	TOP_KEY_HOME,
	TOP_KEY_END,
	TOP_KEY_TAB_BACK,
};

struct top {
	enum look_table table;
	int sorted[LOOK_COUNT];              /* columns */
	bool reverse[LOOK_COUNT];
	size_t first[LOOK_COUNT];            /* row at the top */
	unsigned looks;                      /* 1: there is nothing to compare with yet */
	bool quit, ask_now;
	bool color;
	size_t width, height;
	unsigned interval_s;
	const char *url;
	char trouble[ASK_WHY_SIZE];          /* of the last question; "": it was answered */
};

void top_init(struct top *top);
void top_press(struct top *top, const struct look *look, int key);
/* The keys in what a terminal has sent; `alone`: nothing follows, so that an ESC is the key itself. Returns
 * how many bytes were used. */
size_t top_read_keys(const char *bytes, size_t size, bool alone, int keys[TOP_KEYS_MAX], size_t *count);

/* A frame: `height` lines, each with its colours, none longer than `width`. */
struct frame {
	char (*lines)[VIEW_LINE_SIZE];
	size_t count;
};

/* Sorts what is shown, and draws it. */
void top_draw(struct top *top, struct look *look, struct frame *frame);

/* ---- top_screen.c: the terminal ---- */

bool screen_open(void);                      /* false: it is no terminal */
void screen_close(void);
void screen_leave(void);                     /* the terminal as it was, until screen_enter */
bool screen_enter(void);
void screen_size(size_t *width, size_t *height);
/* `frame` against what is on the screen; `again`: all of it. */
void screen_show(const struct frame *frame, bool again);

#endif
