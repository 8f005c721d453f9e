/* tests/sim/kernel_calls.c - the C library's calls that an epoll engine makes; see kernel.h. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "ring/ring_socket.h"
#include "tests/sim/kernel_inside.h"
#include "tests/sim/tally.h"

enum { INTERRUPTED = 5, SEND_MAX = 1 << 20 };

static struct address bound;         /* by the last bind, for the listen that follows */
static bool aborts[NET_HOSTS_MAX][NET_FDS_MAX];

ssize_t __recv_chk(int fd, void *bytes, size_t size, size_t room, int flags);

/* ---- descriptors ---- */

static bool is_ours(int fd) { return fd >= KERNEL_FD && fd < KERNEL_FD + NET_FDS_MAX && kernel_host; }

static struct net_socket *socket_of(int fd) { return kernel_host->fds[fd - KERNEL_FD]; }

static long answer(long result)
{
	if (result >= 0)
		return result;
	errno = (int)-result;
	return -1;
}

static bool interrupts(void)
{
	if (!sim_chance(INTERRUPTED))
		return false;
	errno = EINTR;
	return true;
}

int close(int fd)
{
	if (fd >= KERNEL_EPOLL)
		return 0;
	if (!is_ours(fd))
		return (int)syscall(SYS_close, fd);
	struct net_socket *socket = socket_of(fd);
	if (!socket)
		return 0;                    /* its connect or listen has failed, and took it along */
	bool *abort = &aborts[kernel_host->index][fd - KERNEL_FD];
	kernel_unwatch(socket);
	net_close(socket, *abort || socket->state == NET_CONNECTING);
	*abort = false;
	return 0;
}

ssize_t write(int fd, const void *bytes, size_t size)
{
	if (fd < KERNEL_WAKE)
		return syscall(SYS_write, fd, bytes, size);
	kernel_wake(fd);
	return (ssize_t)size;
}

int eventfd(unsigned count, int flags)
{
	return kernel_wake_create();
}

/* ---- epoll ---- */

int epoll_create1(int flags) { return kernel_epoll_create(); }

int epoll_ctl(int epoll, int op, int fd, struct epoll_event *event)
{
	if (fd >= KERNEL_WAKE)
		return 0;
	if (op == EPOLL_CTL_ADD)
		kernel_watch(kernel_epoll_of(epoll), socket_of(fd), fd);
	else
		kernel_unwatch(socket_of(fd));
	return 0;
}

int epoll_wait(int epoll, struct epoll_event *events, int max, int timeout)
{
	if (interrupts())
		return -1;
	return kernel_wait(kernel_epoll_of(epoll), events, max);
}

/* ---- sockets ---- */

int socket(int domain, int type, int protocol)
{
	int error;
	uint32_t fails = net.faults.connect_emfile;
	net.faults.connect_emfile = 0;           /* connect draws it; who only listens is spared */
	struct net_socket *made = net_socket_create(kernel_host, NET_BOUND, true, &error);
	net.faults.connect_emfile = fails;
	return made ? KERNEL_FD + made->fd : (int)answer(error);
}

int bind(int fd, const struct sockaddr *name, socklen_t size)
{
	address_of_sockaddr(&bound, (const struct sockaddr_storage *)(const void *)name, size);
	return 0;
}

/* The number is free again for what comes next, as is its reservation. */
static void give_back(int fd) { net_close(socket_of(fd), false); }

int listen(int fd, int backlog)
{
	static const uint8_t any[16];
	int error;
	bool all = bound.family == ADDRESS_IPV6 && memcmp(bound.bytes, any, sizeof any) == 0;
	if (all)
		bound = (struct address){.family = ADDRESS_ANY, .port = bound.port};
	give_back(fd);
	struct net_socket *made = net_listen(kernel_host, &bound, backlog, true, &error);
	check(!made || made->fd == fd - KERNEL_FD);
	return made ? 0 : (int)answer(error);
}

int connect(int fd, const struct sockaddr *name, socklen_t size)
{
	struct address address;
	int error;
	address_of_sockaddr(&address, (const struct sockaddr_storage *)(const void *)name, size);
	give_back(fd);
	struct net_socket *made = net_connect(kernel_host, &address, true, &error);
	check(!made || made->fd == fd - KERNEL_FD);
	return (int)answer(made ? -EINPROGRESS : error);
}

int accept4(int fd, struct sockaddr *restrict name, socklen_t *restrict size, int flags)
{
	int error;
	if (interrupts())
		return -1;
	struct net_socket *made = net_accept(socket_of(fd), true, &error);
	return made ? KERNEL_FD + made->fd : (int)answer(error);
}

ssize_t recv(int fd, void *bytes, size_t size, int flags)
{
	return interrupts() ? -1 : answer(net_read(socket_of(fd), bytes, size));
}

ssize_t __recv_chk(int fd, void *bytes, size_t size, size_t room, int flags)
{
	check(size <= room);
	return recv(fd, bytes, size, flags);
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
	static uint8_t bytes[SEND_MAX];
	size_t size = 0;
	if (interrupts())
		return -1;
	for (size_t i = 0; i < message->msg_iovlen && size < SEND_MAX; i++) {
		size_t part = size_min(message->msg_iov[i].iov_len, SEND_MAX - size);
		memcpy(bytes + size, message->msg_iov[i].iov_base, part);
		size += part;
	}
	return answer(net_write(socket_of(fd), bytes, size));
}

int shutdown(int fd, int how)
{
	net_shutdown(socket_of(fd));
	return 0;
}

/* ---- what is known of them ---- */

int getsockopt(int fd, int level, int name, void *restrict value, socklen_t *restrict size)
{
	struct net_socket *socket = socket_of(fd);
	int error = socket->dead ? ECONNRESET : -socket->error;
	if (socket->error) {
		socket->error = 0;
		socket->gone = true;
	}
	memcpy(value, &error, sizeof error);
	return 0;
}

int setsockopt(int fd, int level, int name, const void *value, socklen_t size)
{
	struct net_socket *socket = socket_of(fd);
	if (level == SOL_SOCKET && name == SO_LINGER)
		aborts[kernel_host->index][fd - KERNEL_FD] = true;
	if (level == IPPROTO_TCP && name == TCP_USER_TIMEOUT)
		socket->is_link = true;
	return 0;
}

static int tell(const struct address *address, struct sockaddr *name, socklen_t *size)
{
	struct sockaddr_storage all;
	*size = sockaddr_of_address(&all, address);
	memcpy(name, &all, *size);
	return 0;
}

int getpeername(int fd, struct sockaddr *restrict name, socklen_t *restrict size)
{
	const struct net_socket *socket = socket_of(fd);
	if (socket->state == NET_CONNECTING)
		return (int)answer(-ENOTCONN);
	return tell(&socket->remote, name, size);
}

int getsockname(int fd, struct sockaddr *restrict name, socklen_t *restrict size)
{
	return tell(&socket_of(fd)->local, name, size);
}
