/* tests/delay/delay.h - one direction of a connection through the delaying relay: a queue of bytes, each of
 * which leaves a fixed time after it came, in order.
 *
 * Owner:  the relay's connection. Thread: the only one.
 * Limits: LANE_BYTES wait at most, in LANE_STAMPS runs; the source is not read beyond that.
 * Never:  loses, copies apart or reorders bytes; a shorter delay does not let later bytes overtake.
 */
#ifndef TESTS_DELAY_DELAY_H
#define TESTS_DELAY_DELAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	LANE_BYTES = 64 * 1024 * 1024,
	LANE_STAMPS = 64 * 1024,
	LANE_READ = 256 * 1024,
};

/* How bytes travel in one direction; the lanes of all connections share it. */
struct way {
	int64_t delay_ns;
	uint64_t bytes_per_s;          /* 0: as they come */
	size_t queue_bytes;            /* of a lane that are on the way or before it; 0: LANE_BYTES */
	int64_t free_ns;               /* with a rate: when the last byte will have passed */
};

/* A run of bytes, or with a size of 0 the end, and when it leaves. */
struct stamp {
	int64_t due_ns;
	size_t size;
};

struct lane {
	int from, to;
	uint8_t *bytes;
	struct stamp *stamps;
	uint64_t in, out;              /* bytes that ever came and left */
	uint64_t stamped, left;        /* the same of stamps */
	bool ended;                    /* the end has come */
	bool done;                     /* the end has left */
	bool blocked;                  /* `to` takes no more now */
};

bool lane_init(struct lane *lane, int from, int to);
void lane_fini(struct lane *lane);
/* Reads what there is and fits. False: the connection has failed. */
bool lane_fill(struct lane *lane, struct way *way, int64_t now_ns);
/* Writes what is due. False: the connection has failed. */
bool lane_drain(struct lane *lane, int64_t now_ns);
/* When something leaves next, or INT64_MAX: nothing does without other news. */
int64_t lane_due_ns(const struct lane *lane);
bool lane_has_room(const struct lane *lane, const struct way *way);

#endif
