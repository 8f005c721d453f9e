/* ring/listener.h - an armed multishot accept and its address.
 *
 * Owner:  the worker. Made for a role's listening (core/request.h), which it tells of its fate.
 * States: listening -> closing (the accept is being cancelled) -> gone. Out of descriptors it rests for a
 * while. Rule:   a connection of a `spread` listener goes to the least loaded worker as a bare descriptor,
 * before any byte is read.
 */
#ifndef RING_LISTENER_H
#define RING_LISTENER_H

#include "ring/stream.h"

struct listener {
	struct link worker_link;
	struct worker *worker;
	struct listening *listening;    /* NULL: its role has let go of it */
	struct welcome welcome;
	struct address address;         /* where it listens */
	bool spread, closing;
	int fd;
	struct op accept;
	struct timer rest;
	uint32_t shed;                  /* connections since the last line about it */
	struct instant shed_logged_at;
};

/* Answers listening->opened. */
void listener_open(struct worker *worker, struct listening *listening);
/* Answers listening->closed, at once or when the accept is home. */
void listener_close(struct worker *worker, struct listening *listening);
/* The worker stops: all of them. */
void listener_close_all(struct worker *worker);

#endif
