/* tests/sim/net_pipe.h - one direction of a connection, for net.c alone. */
#ifndef TESTS_SIM_NET_PIPE_H
#define TESTS_SIM_NET_PIPE_H

#include "tests/sim/net.h"

void net_pipe_init(struct net_pipe *pipe);
/* Before anything else comes there: a proxy in front says whose the connection is. */
void net_pipe_introduce(struct net_socket *to);
/* Drops what has arrived; what has not will find nobody. */
void net_pipe_skip(struct net_pipe *pipe);
/* What has come as far as this socket; asks for an event for what has not. */
void net_pipe_arrive(struct net_socket *socket);
/* The peer's end, behind all it has said, and its reset, which may overtake. `socket` is the one that hears
 * of it. */
void net_pipe_finish(struct net_socket *socket);
void net_pipe_reset(struct net_socket *socket, int error);

#endif
