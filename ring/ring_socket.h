/* ring/ring_socket.h - what both kernel engines do with sockets by direct system calls.
 *
 * Owner: nobody, functions only. Thread: any. Nothing here blocks.
 * Those that take a ring ignore it: they are entries of the engines' tables as they are.
 */
#ifndef RING_RING_SOCKET_H
#define RING_RING_SOCKET_H

#include "ring/ring.h"

/* An address as the kernel wants it; ADDRESS_ANY becomes [::], and 0 is returned for ADDRESS_NONE. */
socklen_t sockaddr_of_address(struct sockaddr_storage *to, const struct address *address);
/* And back; an IPv4 address in IPv6 clothes becomes IPv4. */
void address_of_sockaddr(struct address *address, const struct sockaddr_storage *from, socklen_t size);

int socket_listen(struct ring *ring, const struct address *address, int backlog);
int socket_option(struct ring *ring, int fd, enum ring_option option, int value);
int socket_peer(struct ring *ring, int fd, struct address *address);
int socket_local(struct ring *ring, int fd, struct address *address);
void socket_shutdown(struct ring *ring, int fd);

/* A stream socket for that address, non-blocking, close-on-exec. The descriptor or -errno. */
int socket_open(const struct address *address);
void socket_close(int fd, bool abort);

/* A descriptor that is given up when there are no others. */
int reserve_open(void);
/* After EMFILE or ENFILE: accepts one connection in the reserve's place and closes it, so that the
 * listener does not stay readable forever and the client is not left waiting. */
void reserve_shed(int *reserve, int listener);
/* An error of one connection, not of the listener: accepting goes on. */
bool accept_error_passes(int error);

/* CLOCK_BOOTTIME. */
struct instant clock_read(void);

/* The start of an operation: `submitted` from here on. */
void op_start(struct op *op, enum op_kind kind, int fd);
/* The start of a send, and the bytes of it that went away. */
void op_parts(struct op *op, const struct iovec *parts, unsigned count);
void op_ate(struct op *op, size_t size);

#endif
