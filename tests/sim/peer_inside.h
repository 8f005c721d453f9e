/* tests/sim/peer_inside.h - what peer.c and talk.c call of each other. */
#ifndef TESTS_SIM_PEER_INSIDE_H
#define TESTS_SIM_PEER_INSIDE_H

#include "tests/sim/peer.h"

/* An origin has read its header: which talk is it, and what is to be said? */
struct talk *talk_meet(struct peer *origin);
/* It saw a clean end: is that the truth? */
void talk_ended(struct peer *peer);
void peer_begin(void *object);
void peer_done(struct peer *peer);

#endif
