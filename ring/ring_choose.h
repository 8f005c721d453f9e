/* ring/ring_choose.h - why an engine cannot be had, as one line with its cause and what would help.
 *
 * Owner: nobody, functions only. Thread: any. For ring_uring's own use; others ask ring_choose().
 */
#ifndef RING_RING_CHOOSE_H
#define RING_RING_CHOOSE_H

#include "ring/ring.h"

/* `error` is -errno of `step`, a system call or what else was tried. */
void ring_why(char why[RING_WHY_SIZE], int error, const char *step);

#endif
