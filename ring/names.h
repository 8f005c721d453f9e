/* ring/names.h - where the names lead that one datagram socket sends to.
 *
 * Owner:  the dgram; an answer that comes when it is gone finds nobody. Thread: the worker's.
 * Limits: NAMES_MAX names, the one that was used least recently goes first; an answer holds for NAME_KEEP_S,
 *         a failure for NAME_FAILED_S, so that a name on every datagram is not asked for each.
 */
#ifndef RING_NAMES_H
#define RING_NAMES_H

#include "ring/worker.h"

enum { NAMES_MAX = 16, NAME_ADDRESSES_MAX = 4, NAME_KEEP_S = 30, NAME_FAILED_S = 5, NAME_TIMEOUT_S = 5 };

struct name_question;

struct name {
	struct link names_link;
	struct names *names;
	struct name_question *question;  /* being resolved */
	struct instant until;            /* the answer holds */
	uint32_t count;                  /* of addresses; 0: it leads nowhere */
	struct address addresses[NAME_ADDRESSES_MAX];
	char host[HOST_SIZE];
};

struct names {
	struct worker *worker;
	struct link list;                /* used most recently: last */
	uint32_t count;
	void (*answered)(struct names *names);
};

void names_init(struct names *names, struct worker *worker, void (*answered)(struct names *names));
void names_fini(struct names *names);
/* OK: *name, which may lead nowhere; MORE: answered() will be called; FULL: too many names at a time. */
enum status names_find(struct names *names, const char *host, const struct name **name);

#endif
