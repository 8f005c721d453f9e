/* tests/sim/peer_inside.h - what peer.c and talk.c call of each other. */
#ifndef TESTS_SIM_PEER_INSIDE_H
#define TESTS_SIM_PEER_INSIDE_H

#include "tests/sim/peer.h"

/* An origin has read its header: which talk is it, and what is to be said? */
struct talk *talk_meet(struct peer *origin);
/* It saw a clean end: is that the truth? */
void talk_ended(struct peer *peer);
/* A user was told no. */
void talk_refused(const struct talk *talk);
/* A user saw a clean end before it had been answered. */
void talk_unanswered(const struct talk *talk);
void peer_begin(void *object);
void peer_done(struct peer *peer);

#endif
