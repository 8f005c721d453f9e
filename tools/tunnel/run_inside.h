/* tools/tunnel/run_inside.h - what the files of a run share. Not for others.
 *
 * run.c starts, waits and ends; run_settings.c makes settings of the configuration and services of those;
 * run_news.c is what services call, on their workers: it keeps the news where the main thread finds them.
 */
#ifndef TOOLS_TUNNEL_RUN_INSIDE_H
#define TOOLS_TUNNEL_RUN_INSIDE_H

#include <time.h>

#include "tools/tunnel/run.h"

/* ---- run_settings.c ---- */
/* All settings of `run`. False: one line in `why`. */
bool run_settings_fill(struct run *run, char why[RUN_WHY_SIZE]);
/* For struct process: the services of one worker. */
void run_populate(struct process *process, struct hub *hub);
int64_t run_clock_ns(clockid_t clock);

/* ---- run_news.c ---- */
/* Before workers start, and NULL after they have stopped. */
void run_news_to(struct run *run);
void run_gateway_listens(const struct address *address, int error);
void run_linksocks_listens(const struct address *address, int error);
void run_stats_listen(const struct address *address, int error);
/* Why the program is not ready; NULL: it is. Any worker. */
const char *run_unready(void);
void run_client_ready(const struct client_settings *settings);
void run_linksocks_client_ready(const struct linksocks_client_settings *settings);
void run_linksocks_client_listens(const struct linksocks_client_settings *settings,
				  const struct address *address);
/* The first one that gives up ends the program. */
void run_linksocks_client_failed(const struct linksocks_client_settings *settings, const char *why);

#endif
