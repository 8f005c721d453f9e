/* ring/ferry.h - what joins two links on two workers: a session on each whose wire puts events into ring
 * slots.
 *
 * Owner:  both workers, one end each. Two single-producer rings carry events; a buffer crosses as a loan: its
 * home keeps one reference per slot, the borrower counts its own, and the loan comes back over a stack of its
 * own. A reference count is never touched abroad. One wake per turn. Limits: FERRY_SLOTS events in each
 * direction; a channel's window as on any wire with credit. Never:  serialises; lends a receive buffer that a
 * queue may not keep (it is copied first).
 */
#ifndef RING_FERRY_H
#define RING_FERRY_H

#include <stdatomic.h>

#include "core/hub.h"

enum { FERRY_SLOTS = 128 };

struct ferry_slot {
	enum event_kind kind;
	uint32_t id;
	enum reason reason;
	uint64_t amount;
	struct piece piece;
	struct target target;
	char text[CHANNEL_TEXT_SIZE];
};

struct ferry_ring {
	_Alignas(64) _Atomic uint32_t head;        /* written by the producer */
	_Alignas(64) _Atomic uint32_t tail;        /* written by the consumer */
	_Atomic bool starved; /* the producer found it full: wake it when there is room */
	struct ferry_slot slots[FERRY_SLOTS];
};

struct ferry_end {
	struct ferry_ring *in, *out;
	_Atomic(struct buf *) *home;               /* loans of ours that come home */
	_Atomic(struct buf *) *away;               /* where we give borrowed ones back */
	struct session *session;
	uint32_t peer;                             /* worker index */
	bool said;                                 /* slots were filled since the last wake */
	bool made_room;                            /* the producer must hear that there is room */
	struct ferry_slot now;                     /* being decoded */
};

/* Both directions between two workers. */
struct ferry {
	struct ferry_ring rings[2];
	_Atomic(struct buf *) loans[2];
	struct ferry_end ends[2];
};

/* NULL: no memory. Ends are joined to hubs by ferry_board, each on its own worker. */
struct ferry *ferry_create(uint32_t first_worker, uint32_t second_worker);
/* After both workers have stopped. */
void ferry_destroy(struct ferry *ferry);
/* Makes this end's session. False: no memory. */
bool ferry_board(struct ferry_end *end, struct hub *hub, bool client);
/* Takes home what came back, feeds the session. */
void ferry_feed(struct ferry_end *end);
/* Has something arrived? */
bool ferry_has_input(const struct ferry_end *end);
/* Gives back borrowed buffers that nobody holds any more (a loan on bufpool->returns). */
void ferry_return(struct ferry_end *end, struct buf *loan);

#endif
