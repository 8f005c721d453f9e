/* protocols/frontends/udp.h - the exit of an association: a wire on a datagram socket and nothing else.
 *
 * A conn without a stream: DATAGRAM{to} leaves by the socket, what comes from anybody becomes DATAGRAM{from},
 * as text without brackets (IPv4 inside IPv6 as IPv4). It counts as opened when the socket is bound, and ends
 * after limits.udp_idle without a datagram either way, or with its pair. Made by pair_associate (dial.h).
 */
#ifndef PROTOCOLS_FRONTENDS_UDP_H
#define PROTOCOLS_FRONTENDS_UDP_H

#include "core/session.h"

extern const struct wire wire_udp;

#endif
