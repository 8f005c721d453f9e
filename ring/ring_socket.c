/* ring/ring_socket.c - what both kernel engines do by direct system calls; see ring_socket.h. */
#include "ring/ring_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

_Static_assert(ADDRESS_PATH_SIZE == sizeof((struct sockaddr_un *)0)->sun_path, "paths are copied whole");

socklen_t sockaddr_of_address(struct sockaddr_storage *to, const struct address *address)
{
	struct sockaddr_in *ipv4 = (struct sockaddr_in *)to;
	struct sockaddr_in6 *ipv6 = (struct sockaddr_in6 *)to;
	struct sockaddr_un *local = (struct sockaddr_un *)to;
	memset(to, 0, sizeof *to);
	switch (address->family) {
	case ADDRESS_IPV4:
		ipv4->sin_family = AF_INET;
		ipv4->sin_port = htons(address->port);
		memcpy(&ipv4->sin_addr, address->bytes, 4);
		return sizeof *ipv4;
	case ADDRESS_ANY:
	case ADDRESS_IPV6:
		ipv6->sin6_family = AF_INET6;
		ipv6->sin6_port = htons(address->port);
		if (address->family == ADDRESS_ANY)
			return sizeof *ipv6;
		ipv6->sin6_scope_id = address->scope;
		memcpy(&ipv6->sin6_addr, address->bytes, 16);
		return sizeof *ipv6;
	case ADDRESS_UNIX:
		local->sun_family = AF_UNIX;
		memcpy(local->sun_path, address->path, sizeof local->sun_path);
		local->sun_path[sizeof local->sun_path - 1] = 0;
		return sizeof *local;
	default:
		return 0;
	}
}

static void address_of_ipv6(struct address *address, const struct sockaddr_in6 *from)
{
	address->port = ntohs(from->sin6_port);
	if (IN6_IS_ADDR_V4MAPPED(&from->sin6_addr)) {
		address->family = ADDRESS_IPV4;
		memcpy(address->bytes, from->sin6_addr.s6_addr + 12, 4);
		return;
	}
	address->family = ADDRESS_IPV6;
	address->scope = from->sin6_scope_id;
	memcpy(address->bytes, &from->sin6_addr, 16);
}

void address_of_sockaddr(struct address *address, const struct sockaddr_storage *from, socklen_t size)
{
	const struct sockaddr_in *ipv4 = (const struct sockaddr_in *)from;
	const struct sockaddr_un *local = (const struct sockaddr_un *)from;
	*address = (struct address){0};
	if (size >= sizeof *ipv4 && from->ss_family == AF_INET) {
		address->family = ADDRESS_IPV4;
		address->port = ntohs(ipv4->sin_port);
		memcpy(address->bytes, &ipv4->sin_addr, 4);
	} else if (size >= sizeof(struct sockaddr_in6) && from->ss_family == AF_INET6) {
		address_of_ipv6(address, (const struct sockaddr_in6 *)from);
	} else if (size >= sizeof from->ss_family && from->ss_family == AF_UNIX) {
		size_t path = offsetof(struct sockaddr_un, sun_path);
		address->family = ADDRESS_UNIX;
		if (size > path)
			memcpy(address->path, local->sun_path, size_min(size - path, ADDRESS_PATH_SIZE - 1));
	}
}

static int domain_of(const struct address *address)
{
	if (address->family == ADDRESS_UNIX)
		return AF_UNIX;
	return address->family == ADDRESS_IPV4 ? AF_INET : AF_INET6;
}

int socket_open(const struct address *address)
{
	int fd = socket(domain_of(address), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	return fd < 0 ? -errno : fd;
}

/* Is this the socket file of a process that is gone? Nobody answers there, so it may be removed. */
static bool is_stale(const struct address *address)
{
	struct sockaddr_storage name;
	struct stat found;
	if (lstat(address->path, &found) != 0 || !S_ISSOCK(found.st_mode))
		return false;
	int fd = socket_open(address);
	if (fd < 0)
		return false;
	socklen_t size = sockaddr_of_address(&name, address);
	bool refused = connect(fd, (struct sockaddr *)&name, size) != 0 && errno == ECONNREFUSED;
	close(fd);
	return refused;
}

static int bind_to(int fd, const struct address *address)
{
	struct sockaddr_storage name;
	socklen_t size = sockaddr_of_address(&name, address);
	if (bind(fd, (struct sockaddr *)&name, size) == 0)
		return 0;
	int error = errno;
	if (error != EADDRINUSE || address->family != ADDRESS_UNIX || !is_stale(address))
		return -error;
	unlink(address->path);
	return bind(fd, (struct sockaddr *)&name, size) == 0 ? 0 : -errno;
}

static int listen_on(const struct address *address, int backlog)
{
	static const int on = 1;
	int only = address->family != ADDRESS_ANY, error = 0, domain = domain_of(address);
	int fd = socket_open(address);
	if (fd < 0)
		return fd;
	if (domain != AF_UNIX && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0)
		error = -errno;
	if (domain == AF_INET6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof only) != 0)
		error = -errno;
	if (!error)
		error = bind_to(fd, address);
	if (!error && listen(fd, backlog) != 0)
		error = -errno;
	if (!error)
		return fd;
	close(fd);
	return error;
}

int socket_listen(struct ring *ring, const struct address *address, int backlog)
{
	if (address->family == ADDRESS_NONE)
		return -EINVAL;
	int fd = listen_on(address, backlog);
	/* Without IPv6 in the kernel, or with it switched off, every address means every IPv4 address. */
	if (address->family == ADDRESS_ANY && (fd == -EAFNOSUPPORT || fd == -EADDRNOTAVAIL)) {
		struct address ipv4 = {.family = ADDRESS_IPV4, .port = address->port};
		fd = listen_on(&ipv4, backlog);
	}
	return fd;
}

static int set(int fd, int level, int name, int value)
{
	return setsockopt(fd, level, name, &value, sizeof value) == 0 ? 0 : -errno;
}

int socket_option(struct ring *ring, int fd, enum ring_option option, int value)
{
	static const int probes = 4;
	int error = 0;
	switch (option) {
	case RING_NODELAY:
		return set(fd, IPPROTO_TCP, TCP_NODELAY, value);
	case RING_USER_TIMEOUT:
		return set(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, value);
	case RING_KEEPALIVE:
		/* Silent for `value` seconds, then as long again for all probes together. */
		if ((error = set(fd, IPPROTO_TCP, TCP_KEEPIDLE, value)) == 0 &&
		    (error = set(fd, IPPROTO_TCP, TCP_KEEPINTVL, (value + probes - 1) / probes)) == 0 &&
		    (error = set(fd, IPPROTO_TCP, TCP_KEEPCNT, probes)) == 0)
			error = set(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
		return error;
	}
	return -EINVAL;
}

int socket_peer(struct ring *ring, int fd, struct address *address)
{
	struct sockaddr_storage name;
	socklen_t size = sizeof name;
	if (getpeername(fd, (struct sockaddr *)&name, &size) != 0)
		return -errno;
	address_of_sockaddr(address, &name, size);
	return 0;
}

int socket_local(struct ring *ring, int fd, struct address *address)
{
	struct sockaddr_storage name;
	socklen_t size = sizeof name;
	if (getsockname(fd, (struct sockaddr *)&name, &size) != 0)
		return -errno;
	address_of_sockaddr(address, &name, size);
	return 0;
}

/* Fails only when the peer has reset the connection, which the next completion will tell. */
void socket_shutdown(struct ring *ring, int fd) { shutdown(fd, SHUT_WR); }

void socket_close(int fd, bool abort)
{
	static const struct linger at_once = {.l_onoff = 1, .l_linger = 0};
	if (abort)
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
	check(close(fd) == 0 || errno != EBADF);
}

int reserve_open(void) { return open("/dev/null", O_RDONLY | O_CLOEXEC); }

void reserve_shed(int *reserve, int listener)
{
	if (*reserve >= 0)
		close(*reserve);
	int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd >= 0)
		socket_close(fd, true);
	*reserve = reserve_open();
}

bool accept_error_passes(int error)
{
	switch (error) {
	case -ECONNABORTED:
	case -EPROTO:
	case -EINTR:
	case -ENETDOWN:
	case -ENETUNREACH:
	case -EHOSTDOWN:
	case -EHOSTUNREACH:
	case -ENONET:
		return true;
	default:
		return false;
	}
}

struct instant clock_read(void)
{
	struct timespec time;
	clock_gettime(CLOCK_BOOTTIME, &time);
	return (struct instant){(int64_t)time.tv_sec * 1000000000 + time.tv_nsec};
}

void op_start(struct op *op, enum op_kind kind, int fd)
{
	check(op->done && !op->submitted && !link_is_linked(&op->link));
	op->submitted = true;
	op->cancelled = false;
	op->kind = kind;
	op->place = 0;
	op->fd = fd;
	op->res = 0;
}

void op_parts(struct op *op, const struct iovec *parts, unsigned count)
{
	size_t sum = 0;
	check(count > 0 && count <= RING_SEND_PARTS);
	for (unsigned i = 0; i < count; i++) {
		check(parts[i].iov_len > 0);
		sum += parts[i].iov_len;
	}
	check(sum <= INT32_MAX);
	op->res = (int32_t)sum;
	op->sent = 0;
	op->parts = parts;
	op->count = count;
	op->first = parts[0];
}

void op_ate(struct op *op, size_t size)
{
	op->sent += (uint32_t)size;
	while (size > 0) {
		size_t step = size_min(size, op->first.iov_len);
		op->first.iov_base = (char *)op->first.iov_base + step;
		op->first.iov_len -= step;
		size -= step;
		if (op->first.iov_len > 0)
			break;
		op->parts++;
		if (--op->count > 0)
			op->first = op->parts[0];
		else
			check(size == 0);
	}
}
