/* bench/lib/circuit.h - one TCP connection through a peer: the user's socket here, the origin's socket there.
 *
 * Owner: the program that opened it. Thread: the one that opens and closes; in between the sockets are
 * non-blocking and may be used by one source and one sink.
 * The user speaks first: 16 bytes that name the circuit, and the origin answers with the same, so it is
 * known which two sockets belong together. A connection without the right name is dropped.
 */
#ifndef BENCH_LIB_CIRCUIT_H
#define BENCH_LIB_CIRCUIT_H

#include "core/base.h"

enum { CIRCUIT_TEXT_SIZE = 160 };

struct circuit {
	int user, origin;
};

/* Listens on a free port of 127.0.0.1. Returns the socket, or -1. */
int circuit_listen(uint16_t *port);
/* A port of 127.0.0.1 that was free a moment ago. 0: none. */
uint16_t circuit_port_free(void);
/* A blocking socket as the load's are, connected. -1 with errno. Reads end after 5 s with EAGAIN. */
int circuit_connect(uint16_t port);
/* The same, accepted. */
int circuit_accept(int listener);
/* Users of this port say by SOCKS5 that they want `origin` of 127.0.0.1, before anything else. */
void circuit_is_socks(uint16_t port, uint16_t origin);
/* Is somebody listening there? */
bool circuit_port_answers(uint16_t port);
/* Connects to `port` and waits until the origin has it. False: `why` says what happened. */
bool circuit_open(struct circuit *circuit, uint16_t port, int listener, uint64_t name,
		  char why[CIRCUIT_TEXT_SIZE]);
/* Makes both sockets blocking; a read then ends after 5 s with EAGAIN. */
void circuit_block(const struct circuit *circuit);
void circuit_close(struct circuit *circuit);
/* The congestion control of the load's own sockets: the first of cubic and reno that is allowed. */
const char *circuit_congestion(void);

#endif
