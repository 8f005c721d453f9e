/* tools/tunnel/top_screen.c - the terminal of `tunnel top`: its modes, its size, what it shows; see top.h. */
#include "tools/tunnel/top.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

/* The process has one terminal. */
static struct {
	bool open;
	struct termios before;
	struct frame shown;
} screen;

static void write_all(const char *text, size_t size)
{
	while (size) {
		ssize_t written = write(STDOUT_FILENO, text, size);
		if (written <= 0)
			return;
		text += written;
		size -= (size_t)written;
	}
}

bool screen_enter(void)
{
	static const char begin[] = "\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[2J";
	struct termios raw = screen.before;
	raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
	raw.c_cc[VMIN] = 0;
	raw.c_cc[VTIME] = 0;
	if (tcsetattr(STDIN_FILENO, TCSADRAIN, &raw) != 0)
		return false;
	screen.open = true;
	write_all(begin, sizeof begin - 1);
	return true;
}

bool screen_open(void)
{
	return isatty(STDIN_FILENO) && tcgetattr(STDIN_FILENO, &screen.before) == 0 && screen_enter();
}

void screen_leave(void)
{
	static const char end[] = "\x1b[0m\x1b[?7h\x1b[?25h\x1b[?1049l";
	if (!screen.open)
		return;
	screen.open = false;
	write_all(end, sizeof end - 1);
	tcsetattr(STDIN_FILENO, TCSADRAIN, &screen.before);
}

void screen_close(void)
{
	screen_leave();
	free(screen.shown.lines);
	screen.shown = (struct frame){0};
}

void screen_size(size_t *width, size_t *height)
{
	struct winsize size;
	*width = 80;
	*height = 24;
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col && size.ws_row) {
		*width = size.ws_col;
		*height = size.ws_row;
	}
}

/* What is on the screen, for the next comparison. */
static void keep(const struct frame *frame)
{
	if (screen.shown.count != frame->count) {
		free(screen.shown.lines);
		screen.shown.lines = malloc(frame->count * sizeof *screen.shown.lines);
		screen.shown.count = screen.shown.lines ? frame->count : 0;
	}
	if (screen.shown.lines)
		memcpy(screen.shown.lines, frame->lines, frame->count * sizeof *frame->lines);
}

void screen_show(const struct frame *frame, bool again)
{
	static const char clear[] = "\x1b[2J";
	size_t room = frame->count * (VIEW_LINE_SIZE + 32) + sizeof clear, used = 0;
	char *text = malloc(room);
	if (!text)
		return;
	again |= screen.shown.count != frame->count;
	if (again)
		used += (size_t)snprintf(text, room, "%s", clear);
	for (size_t i = 0; i < frame->count; i++)
		if (again || strcmp(frame->lines[i], screen.shown.lines[i]) != 0)
			used += (size_t)snprintf(text + used, room - used, "\x1b[%zu;1H%s\x1b[K", i + 1,
						 frame->lines[i]);
	write_all(text, used);
	free(text);
	keep(frame);
}
