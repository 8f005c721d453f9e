/* tools/tunnel/top.c - `tunnel top`: asks, waits for keys and the clock, draws; see top.h. */
#include "tools/tunnel/top.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "tools/tunnel/commands.h"

static volatile sig_atomic_t stopped, resized, suspended, resumed;

static void stop(int number) { stopped = number; }

static void note(int number)
{
	resized |= number == SIGWINCH;
	suspended |= number == SIGTSTP;
	resumed |= number == SIGCONT;
}

/* Signals come only while something waits; `open` is then the mask. */
static void catch_signals(sigset_t *open)
{
	static const int numbers[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGWINCH, SIGCONT};
	sigset_t held;
	sigemptyset(&held);
	for (size_t i = 0; i < COUNT_OF(numbers); i++) {
		struct sigaction action = {.sa_handler = i < 4 ? stop : note};
		sigaction(numbers[i], &action, NULL);
		sigaddset(&held, numbers[i]);
	}
	sigprocmask(SIG_BLOCK, &held, open);
	for (size_t i = 0; i < COUNT_OF(numbers); i++)
		sigdelset(open, numbers[i]);
}

/* Ctrl-Z is ours only while there is a screen to give back. */
static void catch_suspension(bool catches)
{
	struct sigaction action = {.sa_handler = catches ? note : SIG_DFL};
	sigset_t held;
	sigemptyset(&held);
	sigaddset(&held, SIGTSTP);
	sigaction(SIGTSTP, &action, NULL);
	sigprocmask(catches ? SIG_BLOCK : SIG_UNBLOCK, &held, NULL);
}

static double now(void)
{
	struct timespec time;
	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* A new look becomes the one that is shown, compared with the last. False: nothing was heard. */
static bool look_again(struct top *top, struct look *look, const struct ask *ask)
{
	struct look fresh = {0};
	if (!look_take(&fresh, ask, top->trouble)) {
		look_fini(&fresh);
		return false;
	}
	top->trouble[0] = 0;
	if (top->looks)
		look_compare(&fresh, look);
	top->looks += top->looks < 2;
	look_fini(look);
	*look = fresh;
	return true;
}

/* ---- with a terminal ---- */

/* Keys that have come, until `end`; a piece of a sequence waits for its rest. */
static void wait_for_keys(struct top *top, const struct look *look, double end, const sigset_t *mask)
{
	char bytes[128];
	int keys[TOP_KEYS_MAX];
	size_t size = 0, count = 0;
	do {
		double left = size ? 0.05 : end - now();
		left = left > 0 ? left : 0;
		struct timespec span = {(time_t)left, (long)((left - (double)(time_t)left) * 1e9)};
		struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
		int ready = ppoll(&input, 1, &span, mask);
		if (ready < 0)
			return; /* a signal */
		ssize_t more = ready ? read(STDIN_FILENO, bytes + size, sizeof bytes - size) : 0;
		if (ready && more <= 0) {
			stopped = SIGHUP;
			return;
		}
		size += (size_t)more;
		size_t used = top_read_keys(bytes, size, !ready, keys, &count);
		memmove(bytes, bytes + used, size - used);
		size -= used;
		for (size_t i = 0; i < count; i++)
			top_press(top, look, keys[i]);
	} while (size);
}

static bool fit(struct top *top, struct frame *frame)
{
	screen_size(&top->width, &top->height);
	if (frame->count == top->height)
		return true;
	void *lines = realloc(frame->lines, top->height * sizeof *frame->lines);
	if (!lines)
		return false;
	frame->lines = lines;
	frame->count = top->height;
	return true;
}

/* Stops as the shell wants it, with the terminal as it was, and comes back to a screen of its own. */
static void pause_if_told(void)
{
	if (suspended) {
		screen_leave();
		raise(SIGTSTP);
		catch_suspension(false); /* here it stops */
		catch_suspension(true);
	}
	/* Whoever stopped it, the shell had the terminal meanwhile. */
	if ((suspended || resumed) && !screen_enter())
		stopped = SIGHUP;
	resized |= suspended | resumed;
	suspended = resumed = 0;
}

static void run(struct top *top, struct look *look, const struct ask *ask)
{
	struct frame frame = {0};
	double next = look->at + top->interval_s;
	bool again = true;
	catch_suspension(true);
	while (!stopped && !top->quit && fit(top, &frame)) {
		top_draw(top, look, &frame);
		screen_show(&frame, again);
		wait_for_keys(top, look, next, ask->mask);
		pause_if_told();
		again = resized;
		resized = 0;
		if (stopped || top->quit || (!top->ask_now && now() < next))
			continue;
		top->ask_now = false;
		look_again(top, look, ask);
		next = now() + top->interval_s;
	}
	free(frame.lines);
}

static bool wants_color(void)
{
	const char *none = getenv("NO_COLOR"), *terminal = getenv("TERM");
	return !(none && *none) && !(terminal && strcmp(terminal, "dumb") == 0);
}

/* ---- without one ---- */

static void print_twice(struct top *top, struct look *look, const struct ask *ask)
{
	double end = look->at + top->interval_s;
	while (!stopped && now() < end) {
		double left = end - now();
		left = left > 0 ? left : 0;
		struct timespec span = {(time_t)left, (long)((left - (double)(time_t)left) * 1e9)};
		ppoll(NULL, 0, &span, ask->mask);
	}
	if (stopped || !look_again(top, look, ask))
		return;
	for (int i = 0; i < LOOK_COUNT; i++)
		view_sort(&look->views[i], 0, false);
	look_print(look, top->looks, (1u << LOOK_COUNT) - 1);
}

int top_command(const struct options *options)
{
	struct ask ask;
	struct top top;
	struct look look = {0};
	sigset_t open;
	output_begin();
	top_init(&top);
	top.interval_s = options->interval_s;
	bool good = ask_prepare(&ask, options, top.trouble);
	if (good) {
		catch_signals(&open);
		ask.mask = &open;
		ask.stop = &stopped;
		top.url = ask.url;
		top.color = wants_color();
		good = look_again(&top, &look, &ask);
	}
	if (good && isatty(STDOUT_FILENO) && screen_open()) {
		run(&top, &look, &ask);
		screen_close();
		top.trouble[0] = 0;
	} else if (good) {
		print_twice(&top, &look, &ask);
	}
	look_fini(&look);
	ask_fini(&ask);
	if (!top.trouble[0])
		return output_end(0);
	fprintf(stderr, "tunnel: %s\n", top.trouble);
	return 1;
}
