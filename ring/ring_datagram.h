/* ring/ring_datagram.h - datagrams on a ring: the operations of ring.h that are theirs, and what engines
 * share.
 *
 * Owner:  the worker; a struct ring_datagram and its bytes belong to the engine until the send's completion.
 * Receive: multishot; each datagram is a completion without `final` whose result.received is borrowed for the
 *         call. An error that a socket gets over (ICMP) is told without `final` too, and receiving goes on.
 * Send:   a batch; one final completion, res = how many of them the kernel took. One that it refuses does
 *         not keep back the others.
 * Limits: RING_DATAGRAMS a batch; the buffers of all sockets of a ring are the engine's (dgram_room), there
 *         while anybody receives, and never the pool's receive buffers.
 */
#ifndef RING_RING_DATAGRAM_H
#define RING_RING_DATAGRAM_H

#include "ring/ring.h"

enum {
	RING_DATAGRAMS = 16,
	DATAGRAM_BUF_SIZE = 65664,      /* the largest datagram, its sender, the kernel's own head */
	DATAGRAM_BUFS_MAX = 32,
};

/* One that is to be sent. */
struct ring_datagram {
	struct address to;
	struct iovec parts[2];
	unsigned count;                 /* of parts; 0: it is empty */
	/* private to the engine from here on */
	struct msghdr message;
	struct sockaddr_storage name;
};

/* One that has come. */
struct received {
	struct address from;
	struct slice payload;
};

static inline int ring_bind(struct ring *ring, const struct address *address)
{
	return ring->table->bind(ring, address);
}
static inline void ring_recv_from(struct ring *ring, struct op *op, int fd)
{
	ring->table->recv_from(ring, op, fd);
}
static inline void ring_send_to(struct ring *ring, struct op *op, int fd, struct ring_datagram *datagrams,
				unsigned count)
{
	ring->table->send_to(ring, op, fd, datagrams, count);
}

static inline uint32_t ring_overruns(struct ring *ring, int fd)
{
	return ring->table->overruns ? ring->table->overruns(ring, fd) : 0;
}

/* ---- for the engines ---- */

uint32_t socket_overruns(struct ring *ring, int fd);
int socket_bind(struct ring *ring, const struct address *address);
/* It concerns one datagram, perhaps one that was sent long ago, not the socket. */
bool datagram_error_passes(int error);
/* Fills in `message`; false when that address cannot be sent to. */
bool datagram_prepare(struct ring_datagram *datagram);

/* Where datagrams are received into, for all sockets of one engine. */
struct dgram_room {
	struct buf *bufs[DATAGRAM_BUFS_MAX];
	uint32_t count, users;
};
/* One more socket receives, until dgram_room_leave. False: there is no memory for it. */
bool dgram_room_enter(struct dgram_room *room, struct bufpool *pool, uint32_t count);
static inline void dgram_room_leave(struct dgram_room *room)
{
	check(room->users > 0);
	room->users--;
}
/* When nobody receives. */
void dgram_room_free(struct dgram_room *room);

#endif
