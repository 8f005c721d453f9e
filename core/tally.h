/* core/tally.h - what was relayed for one thing that is published, visited or forwarded, on one worker.
 *
 * Owner:  counted by references: of whoever keeps it, and of each pair that counts there. Thread: its
 *         worker's.
 * Costs:  nothing per byte: the flows of a pair know what was taken from them. A pair that goes is added;
 *         those that run are looked at when somebody asks (tallies_look).
 */
#ifndef CORE_TALLY_H
#define CORE_TALLY_H

#include "core/base.h"

struct hub;
struct pair;

struct tally {
	uint32_t refs, active;
	uint64_t total;
	uint64_t ended[2];     /* bytes from side 0 and side 1, of pairs that are gone */
	uint64_t running[2];   /* the same of those that run, at the last look */
};

/* With one reference. NULL: no memory, and nothing is counted. */
struct tally *tally_create(void);
/* NULL is allowed. */
void tally_unref(struct tally *tally);
/* The pair counts there from now on, if it does not count already. NULL: nowhere. */
void tally_add(struct tally *tally, struct pair *pair);
/* Brings `running` of all that have pairs up to date. */
void tallies_look(struct hub *hub);
static inline uint64_t tally_bytes(const struct tally *tally, int side)
{
	return tally->ended[side] + tally->running[side];
}

/* ---- inside core ---- */
/* The pair goes. */
void tally_remove(struct pair *pair);

#endif
