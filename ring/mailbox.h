/* ring/mailbox.h - mails to one worker from any thread: control only, never data.
 *
 * Owner:  the receiving worker. A lock-free stack that the receiver takes whole and turns around, so order is
 * kept between any two threads.
 */
#ifndef RING_MAILBOX_H
#define RING_MAILBOX_H

#include <stdatomic.h>

#include "core/request.h"

struct mailbox {
	_Atomic(struct mail *) top;
};

/* True when it was empty: the receiver must be woken. */
bool mailbox_push(struct mailbox *mailbox, struct mail *mail);
/* Everything, oldest first, linked by next; NULL when empty. */
struct mail *mailbox_take(struct mailbox *mailbox);

#endif
