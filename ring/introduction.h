/* ring/introduction.h - what is said to a proxy on a connection that was just made, until it has agreed.
 *
 * Owner:  the dialer, for the time between connect and stream. Thread: the worker's.
 * States: speaking and hearing -> over (agreed, refused or called off; its ops come home) -> `done`, once.
 * Limits: none of its own: the dialer's deadline calls it off.
 * Never:  closes the descriptor; loses what came behind the proxy's agreement (`ahead`).
 */
#ifndef RING_INTRODUCTION_H
#define RING_INTRODUCTION_H

#include "core/request.h"
#include "ring/worker.h"

struct introduction {
	struct worker *worker;
	const struct dial *dial;        /* until it is over */
	int fd;
	struct op send, recv;
	struct iovec vector;
	bool over;
	enum reason reason;             /* OK: agreed */
	struct bufqueue ahead;          /* what the target has said already */
	/* Its ops are home. It may destroy the introduction. */
	void (*done)(struct introduction *introduction, void *state);
	void *done_state;
	char text[DIALOGUE_TEXT_SIZE];
	_Alignas(16) uint8_t state[DIALOGUE_STATE_MAX];
	uint8_t bytes[DIALOGUE_SAY_MAX];
};

/* Begins at once; `done` is never called inside. NULL: no memory. */
struct introduction *introduction_create(struct worker *worker, const struct dial *dial, int fd,
					 void (*done)(struct introduction *introduction, void *state),
					 void *done_state);
/* Ends it with that reason, unless it is over. `done` follows, perhaps inside. */
void introduction_cancel(struct introduction *introduction, enum reason reason);
void introduction_destroy(struct introduction *introduction);

#endif
