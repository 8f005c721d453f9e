/* core/reader.h - readers that take next to nothing from a link without flow control.
 *
 * Such a link cannot be told to stop sending for one channel: while a channel is full the link is not read,
 * and everybody else on it waits. A slow reader slows its link, as TCP would. One that took less than
 * READER_STALLED_BYTES in READER_STALLED_S is reset; so is the fullest one when a keep-alive falls due
 * meanwhile (session_reset_fullest), because a peer that is not heard looks dead, and we do to it.
 *
 * Owner: the pair; its timer asks. Thread: the worker's. Counted: channels_stalled, channels_fullest.
 * Never: judges conns, which are alone on their connection, or channels with credit, which are never full.
 */
#ifndef CORE_READER_H
#define CORE_READER_H

#include "core/pair.h"

enum { READER_STALLED_S = 2, READER_STALLED_BYTES = 64 * 1024 };

/* Is what came from that side full, and has its reader taken next to nothing? Sets the timer that asks
 * again. */
bool flow_is_stalled(struct pair *pair, int side);
/* It is: both sides are reset, and the log says who it was. */
void flow_reset_stalled(struct pair *pair, int side);

#endif
