/* core/datagram.h - a datagram that waits in a flow: whom it is for (or from), and its payload.
 *
 * Owner:  the flow, as any message. A flow of an association (target.network is NETWORK_UDP) holds nothing
 *         else; each is said by one EVENT_DATAGRAM, with no credit and no batching.
 * Limits: CHANNEL_QUEUE_MAX datagrams and DATAGRAM_FLOW_BYTES per flow, the oldest is dropped first, counted
 *         (datagrams_dropped); limits.session_bytes as for streams, which leave a small flow alone;
 *         DATAGRAM_MAX bytes of payload.
 */
#ifndef CORE_DATAGRAM_H
#define CORE_DATAGRAM_H

#include "core/pair.h"

enum {
	DATAGRAM_MAX = 65507,
	DATAGRAM_FLOW_BYTES = 256 * 1024,
	DATAGRAM_HEAD_MAX = 2 + 1 + HOST_SIZE, /* port, length of the host, host */
	DATAGRAMS_SENDING_MAX = 64,            /* of one session, handed over and not sent yet */
};

/* A datagram has come from `side`: it waits, or the oldest makes room for it. */
void flow_push_datagram(struct pair *pair, int side, const struct target *peer, struct slice payload);
/* The first one that waits. `peer` is filled in; the payload is a piece of its buffer. */
struct piece datagram_first(const struct flow *flow, struct target *peer);
/* It was said. */
void flow_pull_datagram(struct pair *pair, int side);

/* One that was handed over to be sent: `head`, then `payload`. */
struct sending {
	struct sending *next;
	struct piece payload;
	uint16_t port, head_size, host_size; /* host_size: with its end */
	char text[];                    /* the host, then the bytes of `head` */
};

/* A session's socket for datagrams, as far as core knows it; the worker's object is around it. */
struct dgram {
	struct link sending_link;       /* on hub->sending: there is something for the worker to take */
	struct session *session;        /* NULL: it has ended */
	struct sending *first, *last;
	uint32_t count;                 /* handed over and not done with, the worker's included */
};

/* Hands a datagram to the session's socket, with the bytes of `head` in front of it. The host is a literal or
 * a name, which the worker resolves. FULL: too many wait already; the session is pumped again when there is
 * room. Without a socket, or without memory, it is dropped and counted. */
enum status session_send_datagram(struct session *session, const struct target *to, struct slice head,
				  struct piece payload);

/* ---- by the worker ---- */
/* The next one that was handed over, or NULL. */
struct sending *dgram_take(struct dgram *dgram);
/* It was sent, or (`dropped`) never will be. Frees it. */
void dgram_done(struct dgram *dgram, struct hub *hub, struct sending *sending, bool dropped);

#endif
