/* tests/sim/net_datagram.c - datagrams: lost, doubled, late, out of order; see net.h. */
#include <errno.h>
#include <stdlib.h>

#include "tests/sim/net_pipe.h"
#include "tests/sim/tally.h"

enum { DATAGRAM_SIZE_MAX = 65507, ROOM_WAIT_NS = 3000000 };

static struct net_socket *bound_find(const struct net_host *host, uint16_t port)
{
	for (struct link *link = net.sockets.next; link != &net.sockets; link = link->next) {
		struct net_socket *socket = OWNER(link, struct net_socket, all_link);
		if (socket->state == NET_BOUND && socket->host == host && socket->local.port == port &&
		    !socket->dead)
			return socket;
	}
	return NULL;
}

struct net_socket *net_bind(struct net_host *host, const struct address *address, bool fd, int *error)
{
	*error = 0;
	if (net_host_of(host, address) != host)
		*error = -EADDRNOTAVAIL;
	else if (address->port && bound_find(host, address->port))
		*error = -EADDRINUSE;
	struct net_socket *socket = *error ? NULL : net_socket_create(host, NET_BOUND, fd, error);
	if (!socket)
		return NULL;
	socket->local = *address;
	while (!socket->local.port || (!address->port && bound_find(host, socket->local.port) != socket))
		socket->local.port = net_port_draw();
	return socket;
}

static void changed(struct net_socket *socket)
{
	sim.moved++;
	if (socket->changed)
		socket->changed(socket);
}

/* ---- on the way ---- */

static void arrive(void *object)
{
	struct net_datagram *datagram = object;
	link_remove(&datagram->link);
	struct net_socket *to = datagram->host->down ? NULL : bound_find(datagram->host, datagram->port);
	if (!to || to->datagram_count == NET_DATAGRAMS_MAX) {
		struct net_socket *from = bound_find(datagram->from_host, datagram->from.port);
		if (to)
			tally(TALLY_datagrams_crowded);
		else if (from && sim_chance(net.faults.datagrams_icmp) && !from->error) {
			from->error = -ECONNREFUSED;
			changed(from);
		}
		net.datagrams_lost++;
		free(datagram);
		return;
	}
	list_push(&to->datagrams, &datagram->link);
	to->datagram_count++;
	changed(to);
}

static void send_one(struct net_socket *socket, struct net_host *to, const struct address *address,
		     const void *bytes, size_t size)
{
	struct net_datagram *datagram = calloc(1, sizeof *datagram + size);
	check(datagram);
	bool local = to == socket->host;
	datagram->host = to;
	datagram->port = address->port;
	datagram->from_host = socket->host;
	datagram->from = net_address(socket->host->index, socket->local.port);
	if (address->bytes[0] == 127)
		memcpy(datagram->from.bytes, (uint8_t[]){127, 0, 0, 1}, 4);
	datagram->size = (uint32_t)size;
	if (size)
		memcpy(datagram->bytes, bytes, size);
	list_push(&net.datagrams, &datagram->link);
	int64_t latency_ns = local ? 20000 : net.faults.latency_ns;
	int64_t jitter_ns = local ? 0 : net.faults.jitter_ns;
	struct duration way = {latency_ns + (int64_t)sim_below((uint64_t)jitter_ns + 1)};
	sim_after(way, arrive, datagram);
}

/* ---- sockets ---- */

static void room_again(void *object)
{
	struct net_socket *socket = object;
	if (socket->state == NET_BOUND && socket->wants_room) {
		socket->wants_room = false;
		changed(socket);
	}
}

static int refuse(struct net_socket *socket, const struct address *to, size_t size)
{
	if (size > DATAGRAM_SIZE_MAX)
		return -EMSGSIZE;
	if (to->family != ADDRESS_IPV4)
		return -ENETUNREACH;
	if (!to->port)
		return -EINVAL;
	if (socket->error) {
		int error = socket->error;
		socket->error = 0;
		return error;
	}
	if (!sim_chance(net.faults.datagrams_stuck))
		return 0;
	socket->wants_room = true;
	tally(TALLY_datagrams_stuck);
	sim_after((struct duration){(int64_t)sim_below(ROOM_WAIT_NS)}, room_again, socket);
	return -EAGAIN;
}

long net_send_to(struct net_socket *socket, const struct address *to, const void *bytes, size_t size)
{
	check(socket->state == NET_BOUND);
	int error = socket->dead ? -EPIPE : refuse(socket, to, size);
	if (error)
		return error;
	struct net_host *host = net_host_of(socket->host, to);
	sim.moved++;
	sim.bytes += size;
	sim_hash(bytes, size, socket->serial);
	net.datagrams_sent++;
	bool lost = !host || (host != socket->host && sim_chance(net.faults.datagrams_lost));
	if (lost) {
		tally(TALLY_datagrams_lost);
		net.datagrams_lost++;
		return (long)size;
	}
	send_one(socket, host, to, bytes, size);
	if (sim_chance(net.faults.datagrams_twice)) {
		tally(TALLY_datagrams_twice);
		net.datagrams_sent++;
		send_one(socket, host, to, bytes, size);
	}
	return (long)size;
}

struct net_datagram *net_recv_from(struct net_socket *socket, int *error)
{
	*error = socket->error ? socket->error : -EAGAIN;
	if (socket->error) {
		socket->error = 0;
		net.datagrams_lost -= socket->fd >= 0;   /* the program counts what it hears of */
		return NULL;
	}
	struct link *link = list_pull(&socket->datagrams);
	if (!link)
		return NULL;
	*error = 0;
	socket->datagram_count--;
	sim.moved++;
	return OWNER(link, struct net_datagram, link);
}

void net_datagram_free(struct net_datagram *datagram) { free(datagram); }

void net_datagrams_drop(struct link *list)
{
	struct link *link;
	while ((link = list_pull(list)) != NULL)
		free(OWNER(link, struct net_datagram, link));
}
