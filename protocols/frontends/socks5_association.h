/* protocols/frontends/socks5_association.h - the datagrams of a UDP ASSOCIATE: who may send, who hears.
 *
 * Owner: the SOCKS5 conn, from OPENED on. Datagrams are taken from the address of the control connection
 * alone, and from one port alone where its user has told which; answers go to where the newest one came from.
 * What is not taken is dropped and counted.
 */
#ifndef PROTOCOLS_FRONTENDS_SOCKS5_ASSOCIATION_H
#define PROTOCOLS_FRONTENDS_SOCKS5_ASSOCIATION_H

#include "core/session.h"

struct association {
	bool bound;
	uint16_t expected_port;         /* 0: any */
	uint16_t source_port;           /* of the newest datagram that was taken; 0: none yet */
	struct address local;           /* the datagram socket's, once it is bound */
	struct address peer;            /* of the control connection, without its port */
};

/* The port that this user's datagrams must come from, by what its request says of itself; 0: any. It is held
 * to that unless it knows itself by another address than we do. */
uint16_t association_port(const struct session *session, const char *host, uint16_t port);
void association_init(struct association *association, const struct session *session, uint16_t expected_port);
/* From the socket to the channel. */
void association_hear(struct association *association, struct session *session, const struct address *from,
		      struct piece piece);
/* EVENT_DATAGRAM to the socket. FULL: not now. */
enum status association_say(const struct association *association, struct session *session,
			    const struct event *event);

#endif
