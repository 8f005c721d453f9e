/* core/tally.c - see tally.h. */
#include "core/tally.h"

#include <stdlib.h>

#include "core/hub.h"

struct tally *tally_create(void)
{
	struct tally *tally = calloc(1, sizeof *tally);
	if (tally)
		tally->refs = 1;
	return tally;
}

void tally_unref(struct tally *tally)
{
	if (tally && --tally->refs == 0)
		free(tally);
}

void tally_add(struct tally *tally, struct pair *pair)
{
	if (!tally || pair->tally)
		return;
	pair->tally = tally;
	tally->refs++;
	tally->active++;
	tally->total++;
}

void tally_remove(struct pair *pair)
{
	struct tally *tally = pair->tally;
	if (!tally)
		return;
	tally->active--;
	for (int side = 0; side < 2; side++) {
		tally->ended[side] += pair->flow[side].pulled;
		tally->running[side] = 0;        /* until the next look */
	}
	pair->tally = NULL;
	tally_unref(tally);
}

void tallies_look(struct hub *hub)
{
	struct link *link;
	for (link = hub->pairs.next; link != &hub->pairs; link = link->next) {
		struct tally *tally = OWNER(link, struct pair, hub_link)->tally;
		if (tally)
			tally->running[0] = tally->running[1] = 0;
	}
	for (link = hub->pairs.next; link != &hub->pairs; link = link->next) {
		const struct pair *pair = OWNER(link, struct pair, hub_link);
		for (int side = 0; pair->tally && side < 2; side++)
			pair->tally->running[side] += pair->flow[side].pulled;
	}
}
