/* ring/ring_datagram.c - what both kernel engines do with datagram sockets; see ring_datagram.h. */
#include "ring/ring_datagram.h"

#include <errno.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <unistd.h>

#include "ring/ring_socket.h"

enum { KERNEL_ROOM = 1 << 20 }; /* the kernel gives what the machine allows */

static int bind_datagram(const struct address *address)
{
	struct sockaddr_storage name;
	socklen_t size = sockaddr_of_address(&name, address);
	int only = address->family != ADDRESS_ANY, error = 0;
	int fd = socket(name.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	static const int room = KERNEL_ROOM;
	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
	if (name.ss_family == AF_INET6 &&
	    setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof only) != 0)
		error = -errno;
	if (!error && bind(fd, (struct sockaddr *)&name, size) != 0)
		error = -errno;
	if (!error)
		return fd;
	close(fd);
	return error;
}

int socket_bind(struct ring *ring, const struct address *address)
{
	if (address->family == ADDRESS_NONE || address->family == ADDRESS_UNIX)
		return -EAFNOSUPPORT;
	int fd = bind_datagram(address);
	/* Without IPv6, every address means every IPv4 address, as for listeners. */
	if (address->family == ADDRESS_ANY && (fd == -EAFNOSUPPORT || fd == -EADDRNOTAVAIL)) {
		struct address ipv4 = {.family = ADDRESS_IPV4, .port = address->port};
		fd = bind_datagram(&ipv4);
	}
	return fd;
}

uint32_t socket_overruns(struct ring *ring, int fd)
{
	uint32_t facts[SK_MEMINFO_VARS] = {0};
	socklen_t size = sizeof facts;
	return getsockopt(fd, SOL_SOCKET, SO_MEMINFO, facts, &size) == 0 ? facts[SK_MEMINFO_DROPS] : 0;
}

bool datagram_error_passes(int error)
{
	switch (error) {
	case -ECONNREFUSED:
	case -ECONNRESET:
	case -EHOSTUNREACH:
	case -ENETUNREACH:
	case -EHOSTDOWN:
	case -ENETDOWN:
	case -ENONET:
	case -ENOPROTOOPT:
	case -EMSGSIZE:
	case -EPROTO:
	case -EACCES:
	case -EPERM:
	case -EOPNOTSUPP:
	case -ETIMEDOUT:
	case -EINTR:
		return true;
	default:
		return false;
	}
}

bool datagram_prepare(struct ring_datagram *datagram)
{
	bool is_ip = datagram->to.family == ADDRESS_IPV4 || datagram->to.family == ADDRESS_IPV6;
	check(datagram->count <= COUNT_OF(datagram->parts));
	socklen_t size = is_ip ? sockaddr_of_address(&datagram->name, &datagram->to) : 0;
	datagram->message = (struct msghdr){.msg_name = &datagram->name, .msg_namelen = size,
					    .msg_iov = datagram->parts, .msg_iovlen = datagram->count};
	return is_ip;
}

bool dgram_room_enter(struct dgram_room *room, struct bufpool *pool, uint32_t count)
{
	check(count <= DATAGRAM_BUFS_MAX);
	room->users++;
	while (room->count < count) {
		struct buf *buf = buf_acquire(pool, DATAGRAM_BUF_SIZE);
		if (!buf)
			return false;
		room->bufs[room->count++] = buf;
	}
	return true;
}

void dgram_room_free(struct dgram_room *room)
{
	check(room->users == 0);
	while (room->count)
		buf_unref(room->bufs[--room->count]);
}
