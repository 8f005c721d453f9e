/* tools/tunnel/look.h - what a running gateway or client tells at one moment: three tables.
 *
 * Owner:  the caller. Thread: main. Reading is pure: JSON in, tables out; look_take asks for it.
 * From:   ours, gateway or client; also TLS Tunnel's own, whose /stats has fewer keys and which has no links
 *         and channels to tell. What is missing is shown as unknown, never an error.
 */
#ifndef TOOLS_TUNNEL_LOOK_H
#define TOOLS_TUNNEL_LOOK_H

#include "tools/tunnel/ask.h"
#include "tools/tunnel/view.h"

/* The tables, in the order in which they are shown. */
enum look_table { LOOK_PUBLISHED, LOOK_LINKS, LOOK_CHANNELS, LOOK_COUNT };

enum look_published { PUBLISHED_NAME, PUBLISHED_KIND, PUBLISHED_AT, PUBLISHED_LOCAL, PUBLISHED_CLIENT,
		      PUBLISHED_ACTIVE, PUBLISHED_TOTAL, PUBLISHED_SENT, PUBLISHED_RECEIVED, PUBLISHED_RATE,
		      PUBLISHED_STALLED, PUBLISHED_UPTIME, PUBLISHED_COLUMNS };

struct look {
	struct view views[LOOK_COUNT];
	bool told[LOOK_COUNT];               /* false: the other end has no such table */
	double at;                           /* seconds, of a clock that never goes back */
};

void look_init(struct look *look);
void look_fini(struct look *look);

/* Fills in one table; published first, then links, then channels, whose stalls are added to what they belong
 * to. `now` is the time of day in seconds. False: *fault. */
bool look_read(struct look *look, enum look_table table, struct slice json, double now, const char **fault);
/* Rates and causes of stalls since `before`. */
void look_compare(struct look *look, struct look *before);

/* Asks for one table and reads it. The answer is to be freed; no body: the other end has no such table.
 * False: one line in `why`, nothing to free. */
bool look_ask(struct look *look, const struct ask *ask, enum look_table table, struct answer *answer,
	      char why[ASK_WHY_SIZE]);
/* Asks for all of it. False: one line in `why`. */
bool look_take(struct look *look, const struct ask *ask, char why[ASK_WHY_SIZE]);

#endif
