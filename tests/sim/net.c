/* tests/sim/net.c - see net.h. Connections once they are there: net_pipe.c. */
#include "tests/sim/net.h"

#include <errno.h>
#include <stdlib.h>

#include "tests/sim/net_pipe.h"
#include "tests/sim/tally.h"

enum { BACKLOG_MAX = 1024, SYN_RETRY_S = 1 };

struct net net;

void net_start(void)
{
	net = (struct net){.port = 32768};
	list_init(&net.sockets);
	list_init(&net.datagrams);
	for (uint32_t i = 0; i < NET_HOSTS_MAX; i++)
		net.hosts[i].index = i;
	net.hosts[NET_HOSTS_MAX - 1].down = true;   /* a machine that is not there; its neighbour refuses */
}

void net_end(void)
{
	struct link *link;
	net_datagrams_drop(&net.datagrams);
	while ((link = list_pull(&net.sockets)) != NULL) {
		struct net_socket *socket = OWNER(link, struct net_socket, all_link);
		net_datagrams_drop(&socket->datagrams);
		free(socket->in.bytes);
		free(socket);
	}
}

void net_calm(void)
{
	uint32_t partial = net.faults.partial, tiny = net.faults.tiny;
	net.faults = (struct net_faults){.partial = partial,
					 .tiny = tiny,
					 .latency_ns = 1000000,
					 .jitter_ns = 1000000,
					 .kernel_notices = true};
	for (struct link *link = net.sockets.next; link != &net.sockets; link = link->next) {
		struct net_socket *socket = OWNER(link, struct net_socket, all_link);
		socket->break_after = 0;
		if (socket->cut)
			net_cut(socket, false);
		/* a peer of a machine that vanished: its keep-alive finds out */
		if (socket->fd < 0 && socket->state == NET_OPEN && socket->other && socket->other->dead)
			net_pipe_reset(socket, -ETIMEDOUT);
	}
}

struct address net_address(uint32_t host, uint16_t port)
{
	return (struct address){.family = ADDRESS_IPV4, .port = port, .bytes = {10, 0, (uint8_t)host, 1}};
}

struct net_host *net_host_of(struct net_host *from, const struct address *address)
{
	if (address->family == ADDRESS_ANY)
		return from;
	if (address->family != ADDRESS_IPV4)
		return NULL;
	if (address->bytes[0] == 127 || address->bytes[0] == 0)
		return from;
	bool known = address->bytes[0] == 10 && address->bytes[1] == 0 && address->bytes[2] < NET_HOSTS_MAX &&
		     address->bytes[3] == 1;
	return known ? &net.hosts[address->bytes[2]] : NULL;
}

struct net_socket *net_socket_of(struct net_host *host, int fd)
{
	check(fd >= 0 && fd < NET_FDS_MAX && host->fds[fd]);
	return host->fds[fd];
}

/* The lowest free descriptor, as a kernel gives them, so that numbers are used again at once. */
static bool fd_acquire(struct net_socket *socket)
{
	struct net_host *host = socket->host;
	while (host->fd_low < NET_FDS_MAX && host->fds[host->fd_low])
		host->fd_low++;
	if (host->fd_low == NET_FDS_MAX)
		return false;
	socket->fd = (int)host->fd_low;
	host->fds[socket->fd] = socket;
	host->fd_count++;
	return true;
}

static void fd_release(struct net_socket *socket)
{
	if (socket->fd < 0)
		return;
	struct net_host *host = socket->host;
	host->fds[socket->fd] = NULL;
	host->fd_count--;
	if ((uint32_t)socket->fd < host->fd_low)
		host->fd_low = (uint32_t)socket->fd;
	socket->fd = -1;
}

static void changed(struct net_socket *socket)
{
	sim.moved++;
	if (socket->changed)
		socket->changed(socket);
}

static struct net_socket *socket_create(struct net_host *host, enum net_state state)
{
	struct net_socket *socket = calloc(1, sizeof *socket);
	check(socket);
	socket->host = host;
	socket->state = state;
	socket->fd = -1;
	socket->serial = ++net.serial;
	list_init(&socket->backlog);
	list_init(&socket->datagrams);
	list_push(&net.sockets, &socket->all_link);
	return socket;
}

struct net_socket *net_socket_create(struct net_host *host, enum net_state state, bool fd, int *error)
{
	struct net_socket *socket = socket_create(host, state);
	if (fd && (sim_chance(net.faults.connect_emfile) || !fd_acquire(socket))) {
		socket->state = NET_CLOSED;
		*error = -EMFILE;
		return NULL;
	}
	return socket;
}

uint16_t net_port_draw(void)
{
	uint16_t port = net.port++;
	if (net.port < 32768)
		net.port = 32768;
	return port;
}

static void path_draw(struct net_socket *socket, bool is_local)
{
	socket->latency_ns = is_local ? 20000 : (int64_t)sim_below((uint64_t)net.faults.latency_ns + 1);
	socket->jitter_ns = is_local ? 20000 : (int64_t)sim_below((uint64_t)net.faults.jitter_ns + 1);
}

/* ---- listening ---- */

static struct net_socket *listener_find(const struct net_host *host, uint16_t port)
{
	for (struct link *link = net.sockets.next; link != &net.sockets; link = link->next) {
		struct net_socket *socket = OWNER(link, struct net_socket, all_link);
		if (socket->state == NET_LISTENING && socket->host == host && socket->local.port == port &&
		    !socket->dead)
			return socket;
	}
	return NULL;
}

struct net_socket *net_listen(struct net_host *host, const struct address *address, int backlog, bool fd,
			      int *error)
{
	struct net_host *at = net_host_of(host, address);
	*error = 0;
	if (at != host)
		*error = -EADDRNOTAVAIL;
	else if (listener_find(host, address->port) ||
		 (fd && address->port < NET_PORT_SAFE && sim_chance(net.faults.listen_in_use)))
		*error = -EADDRINUSE;
	if (*error == -EADDRINUSE)
		tally(TALLY_ports_in_use);
	if (*error)
		return NULL;
	struct net_socket *socket = socket_create(host, NET_LISTENING);
	socket->local = *address;
	if (!socket->local.port)
		socket->local.port = net.port++;
	socket->backlog_max = (uint32_t)backlog < BACKLOG_MAX ? (uint32_t)backlog : BACKLOG_MAX;
	if (fd && !fd_acquire(socket)) {
		socket->state = NET_CLOSED;
		*error = -EMFILE;
		return NULL;
	}
	return socket;
}

struct net_socket *net_accept(struct net_socket *listener, bool fd, int *error)
{
	struct link *link = listener->backlog.next;
	*error = -EAGAIN;
	if (link == &listener->backlog)
		return NULL;
	struct net_socket *socket = OWNER(link, struct net_socket, backlog_link);
	if (fd && (sim_chance(net.faults.accept_emfile) || !fd_acquire(socket))) {
		tally(TALLY_accepts_emfile);
		*error = -EMFILE;
		return NULL;
	}
	*error = 0;
	link_remove(link);
	listener->backlog_count--;
	sim.moved++;
	return socket;
}

/* ---- connecting ---- */

static void connect_failed(struct net_socket *socket, int error)
{
	if (socket->state != NET_CONNECTING)
		return;
	socket->error = error;
	changed(socket);
}

static void connect_refused(void *object)
{
	tally(TALLY_connects_refused);
	connect_failed(object, -ECONNREFUSED);
}

static void connect_unreachable(void *object)
{
	tally(TALLY_connects_unreachable);
	connect_failed(object, -EHOSTUNREACH);
}

static void connect_timed_out(void *object) { connect_failed(object, -ETIMEDOUT); }

/* No answer ever. Whoever dials is seldom so patient as the kernel. */
static void connect_lost(struct net_socket *socket)
{
	tally(TALLY_connects_lost);
	sim_after(DURATION_S(5 + sim_below(125)), connect_timed_out, socket);
}

static void connect_done(void *object)
{
	struct net_socket *socket = object;
	if (socket->state != NET_CONNECTING)
		return;
	socket->state = NET_OPEN;
	changed(socket);
}

/* The SYN is there. */
static void connect_arrived(void *object)
{
	struct net_socket *socket = object;
	if (socket->state != NET_CONNECTING)
		return;
	struct net_host *host = net_host_of(socket->host, &socket->remote);
	struct net_socket *listener = host->down ? NULL : listener_find(host, socket->remote.port);
	if (host->down || (listener && listener->backlog_count >= listener->backlog_max)) {
		sim_after(DURATION_S(SYN_RETRY_S), connect_arrived, socket);
		return;
	}
	if (!listener) {
		if (host == net.watched_host && socket->remote.port == net.watched_port)
			net.refused++;
		sim_after((struct duration){socket->latency_ns}, connect_refused, socket);
		return;
	}
	struct net_socket *far = socket_create(host, NET_OPEN);
	far->local = socket->remote;
	far->remote = socket->local;
	far->latency_ns = socket->latency_ns;
	far->jitter_ns = socket->jitter_ns;
	far->other = socket;
	socket->other = far;
	net_pipe_init(&far->in);
	net_pipe_init(&socket->in);
	if (net.introduces && socket->fd >= 0 && socket->remote.port == NET_PORT_LINK)
		net_pipe_introduce(far);
	list_push(&listener->backlog, &far->backlog_link);
	listener->backlog_count++;
	sim_after((struct duration){socket->latency_ns}, connect_done, socket);
	if (socket->remote.port == NET_PORT_LINK && sim_chance(net.faults.breaks))
		(sim_below(2) ? far : socket)->break_after = sim_log_uniform(1, 16384);
	changed(listener);
}

struct net_socket *net_connect(struct net_host *host, const struct address *address, bool fd, int *error)
{
	struct net_host *to = net_host_of(host, address);
	struct net_socket *socket = socket_create(host, NET_CONNECTING);
	*error = 0;
	if (fd && (sim_chance(net.faults.connect_emfile) || !fd_acquire(socket))) {
		tally(TALLY_connects_emfile);
		socket->state = NET_CLOSED;
		*error = -EMFILE;
		return NULL;
	}
	socket->remote = *address;
	socket->local = net_address(host->index, net_port_draw());
	path_draw(socket, to == host);
	struct duration way = {socket->latency_ns};
	if (!to || (fd && sim_chance(net.faults.connect_unreachable)))
		sim_after(way, connect_unreachable, socket);
	else if (fd && sim_chance(net.faults.connect_refused))
		sim_after(way, connect_refused, socket);
	else if (fd && sim_chance(net.faults.connect_lost))
		connect_lost(socket);
	else
		sim_after(way, connect_arrived, socket);
	return socket;
}

/* ---- ends ---- */

/* Nobody can read or write any more. */
static void pipes_free(struct net_socket *socket)
{
	struct net_socket *other = socket->other;
	if (other->state != NET_CLOSED)
		return;
	free(socket->in.bytes);
	free(other->in.bytes);
	socket->in.bytes = other->in.bytes = NULL;
}

void net_close(struct net_socket *socket, bool abort)
{
	check(socket->state != NET_CLOSED);
	enum net_state was = socket->state;
	struct link *link;
	sim.moved++;
	fd_release(socket);
	socket->changed = NULL;
	net.datagrams_lost += socket->datagram_count;
	net_datagrams_drop(&socket->datagrams);
	while ((link = list_pull(&socket->backlog)) != NULL)
		net_close(OWNER(link, struct net_socket, backlog_link), true);
	socket->state = NET_CLOSED;
	if (was == NET_LISTENING || !socket->other)
		return;
	if (socket->dead) {
		pipes_free(socket);
		return;
	}
	bool unread = socket->in.ready > 0;
	net_pipe_skip(&socket->in);
	if (socket->gone || socket->error)
		;                            /* its kernel has forgotten it already */
	else if (abort || unread || was == NET_CONNECTING)
		net_pipe_reset(socket->other, -ECONNRESET);
	else if (!socket->shut)
		net_pipe_finish(socket->other);
	pipes_free(socket);
}

void net_reset(struct net_socket *socket)
{
	if (socket->state != NET_OPEN || !socket->other)
		return;
	tally(TALLY_resets);
	net_pipe_reset(socket, -ECONNRESET);
	net_pipe_reset(socket->other, -ECONNRESET);
}

void net_shutdown(struct net_socket *socket)
{
	check(socket->state == NET_OPEN);
	if (socket->shut || socket->dead || socket->gone)
		return;
	socket->shut = true;
	net_pipe_finish(socket->other);
}

/* ---- a path that is dead, a process that is ---- */

static void path_noticed(void *object)
{
	struct net_socket *socket = object;
	bool quiet = !socket->other || (socket->other->in.used == 0 && sim_below(2));
	if (socket->state != NET_OPEN || !socket->cut || !socket->is_link || !net.faults.kernel_notices ||
	    quiet)
		return;
	socket->error = -ETIMEDOUT;
	tally(TALLY_paths_timed_out);
	sim_trace("net: socket %llu times out", (unsigned long long)socket->serial);
	changed(socket);
}

void net_cut(struct net_socket *socket, bool cut)
{
	struct net_socket *sides[] = {socket, socket->other};
	if (cut)
		tally(TALLY_paths_cut);
	for (size_t i = 0; i < 2; i++) {
		if (!sides[i])
			continue;
		sides[i]->cut = cut;
		if (cut)
			sim_after(DURATION_S(20 + sim_below(80)), path_noticed, sides[i]);
		else
			net_pipe_arrive(sides[i]);
		/* the other end has given up meanwhile: what is said to it now is answered with a reset */
		if (!cut && sides[i]->state == NET_OPEN && sides[i]->other && sides[i]->other->gone)
			net_pipe_reset(sides[i], -ECONNRESET);
		if (!cut && sides[i]->wants_room && sides[i]->state == NET_OPEN) {
			sides[i]->wants_room = false;
			changed(sides[i]);
		}
	}
}

void net_half_dead(struct net_socket *socket)
{
	if (socket->state != NET_OPEN || !socket->other || socket->error || socket->gone)
		return;
	tally(TALLY_paths_half_dead);
	net_cut(socket, true);
	socket->error = -ETIMEDOUT;
	changed(socket);
}

/* What the kernel does for a process that is killed: unread bytes make a reset of the end. */
static void socket_kill(struct net_socket *socket, enum net_death how)
{
	struct net_socket *other = socket->other;
	struct link *link;
	while ((link = list_pull(&socket->backlog)) != NULL) {
		socket->backlog_count--;
		socket_kill(OWNER(link, struct net_socket, backlog_link),
			    how == NET_DEATH_KERNEL ? NET_DEATH_RESET : how);
	}
	if (socket->dead || socket->state == NET_CLOSED)
		return;
	socket->dead = true;
	bool unread = socket->in.ready > 0;
	if (other)
		net_pipe_skip(&socket->in);
	if (other && how != NET_DEATH_SILENT) {
		if (how == NET_DEATH_KERNEL && !unread && socket->state == NET_OPEN)
			net_pipe_finish(other);
		else
			net_pipe_reset(other, -ECONNRESET);
	}
	changed(socket);
}

void net_kill(struct net_host *host, enum net_death how)
{
	for (struct link *link = net.sockets.next; link != &net.sockets; link = link->next) {
		struct net_socket *socket = OWNER(link, struct net_socket, all_link);
		if (socket->host != host || socket->fd < 0)
			continue;
		bool local = socket->other && socket->other->host == host;
		socket_kill(socket, local && how == NET_DEATH_SILENT ? NET_DEATH_KERNEL : how);
	}
}
