/* tests/sim/net_pipe.c - bytes, ends and resets on their way; see net.h. */
#include "tests/sim/net_pipe.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/sim/tally.h"

enum { TINY_MAX = 14, PIPE_SMALL = 700 };

void net_pipe_init(struct net_pipe *pipe)
{
	bool small = sim_chance(net.faults.pipe_small);
	pipe->size =
	    small ? 64 + (uint32_t)sim_below(PIPE_SMALL) : (uint32_t)sim_log_uniform(4096, NET_PIPE_MAX);
	pipe->bytes = malloc(pipe->size);
	check(pipe->bytes);
}

void net_pipe_skip(struct net_pipe *pipe)
{
	pipe->head = (pipe->head + pipe->ready) % pipe->size;
	pipe->used -= pipe->ready;
	pipe->ready = 0;
}

static void changed(struct net_socket *socket)
{
	sim.moved++;
	if (socket->changed)
		socket->changed(socket);
}

static int64_t arrival(const struct net_socket *from)
{
	return sim.now_ns + from->latency_ns + (int64_t)sim_below((uint64_t)from->jitter_ns + 1);
}

/* ---- arriving ---- */

static void arrive_later(void *object)
{
	struct net_socket *socket = object;
	if (socket->in.wanted_ns > sim.now_ns || !socket->in.wanted_ns)
		return;                      /* an earlier one was asked for meanwhile, and came */
	socket->in.wanted_ns = 0;
	net_pipe_arrive(socket);
}

static void arrive_at(struct net_socket *socket, int64_t at_ns)
{
	struct net_pipe *pipe = &socket->in;
	if (pipe->wanted_ns && pipe->wanted_ns <= at_ns)
		return;
	pipe->wanted_ns = at_ns;
	sim_at(at_ns, arrive_later, socket);
}

static void take_flights(struct net_pipe *pipe)
{
	while (pipe->flight_count) {
		struct net_flight *flight = &pipe->flights[pipe->flight_first];
		if (flight->at_ns > sim.now_ns)
			return;
		pipe->ready += flight->size;
		pipe->flight_first = (pipe->flight_first + 1) % NET_FLIGHTS_MAX;
		pipe->flight_count--;
	}
}

static void take_reset(struct net_socket *socket)
{
	struct net_pipe *pipe = &socket->in;
	pipe->reset = false;
	if (!pipe->end_ready && sim_below(2))
		pipe->ready = 0;             /* some kernels drop what was not read */
	if (!pipe->end_ready)
		pipe->ended = false;         /* it was overtaken */
	pipe->flight_count = 0;
	pipe->used = pipe->ready;
	if (!socket->gone)
		socket->error = pipe->reset_error;
}

/* Bytes for a socket that is not there any more: nobody answers from a host that is down, a reset comes from
 * others. */
static void bounce(struct net_socket *socket)
{
	struct net_pipe *pipe = &socket->in;
	bool silent = socket->dead && socket->host->down;
	if (silent) {
		arrive_at(socket, sim.now_ns + DURATION_S(1).ns);
		return;
	}
	pipe->ready = pipe->used = pipe->flight_count = 0;
	net_pipe_reset(socket->other, -ECONNRESET);
}

void net_pipe_arrive(struct net_socket *socket)
{
	struct net_pipe *pipe = &socket->in;
	if (socket->cut)
		return;
	bool end_before = pipe->end_ready, error_before = socket->error != 0;
	uint32_t ready = pipe->ready;
	take_flights(pipe);
	bool lost = socket->dead || socket->state == NET_CLOSED;
	if (lost && pipe->ready)
		bounce(socket);
	if (lost)
		pipe->ended = pipe->reset = false;
	if (pipe->reset && pipe->reset_ns <= sim.now_ns)
		take_reset(socket);
	if (pipe->ended && !pipe->flight_count && pipe->end_ns <= sim.now_ns) {
		pipe->ended = false;
		pipe->end_ready = true;
	}
	if (pipe->flight_count)
		arrive_at(socket, pipe->flights[pipe->flight_first].at_ns);
	if (pipe->reset)
		arrive_at(socket, pipe->reset_ns);
	else if (pipe->ended && !pipe->flight_count)
		arrive_at(socket, pipe->end_ns);
	if (!lost &&
	    (pipe->ready != ready || end_before != pipe->end_ready || error_before != (socket->error != 0)))
		changed(socket);
}

/* ---- reading and writing ---- */

static size_t piece_size(size_t size)
{
	if (size < 2 || !sim_chance(net.faults.partial))
		return size;
	tally(TALLY_pieces_cut);
	if (sim_chance(net.faults.tiny))
		size = size_min(size, TINY_MAX);
	return 1 + sim_below(size);
}

bool net_can_read(const struct net_socket *socket)
{
	return socket->dead || socket->in.ready || socket->error || socket->gone || socket->in.end_ready;
}

/* The error goes to whoever asks first. */
static long error_tell(struct net_socket *socket)
{
	int error = socket->error;
	socket->error = 0;
	socket->gone = true;
	return error;
}

long net_read(struct net_socket *socket, void *bytes, size_t size)
{
	struct net_pipe *pipe = &socket->in;
	check(socket->state == NET_OPEN);
	if (socket->dead)
		return -ECONNRESET;
	if (pipe->ready) {
		size = size_min(size, pipe->ready);
		size = socket->fd >= 0 && net.whole_reads ? size : piece_size(size);
		size_t first = size_min(size, pipe->size - pipe->head);
		memcpy(bytes, pipe->bytes + pipe->head, first);
		memcpy((uint8_t *)bytes + first, pipe->bytes, size - first);
		pipe->head = (pipe->head + (uint32_t)size) % pipe->size;
		pipe->used -= (uint32_t)size;
		pipe->ready -= (uint32_t)size;
		socket->read += size;
		sim.moved++;
		if (socket->other->wants_room && !socket->cut) {
			socket->other->wants_room = false;
			changed(socket->other);
		}
		return (long)size;
	}
	if (pipe->end_ready)
		return 0;
	if (socket->error)
		return error_tell(socket);
	return socket->gone ? 0 : -EAGAIN;
}

/* It hears nothing more, whatever the other end says before it hears of the reset as well. */
static bool was_reset(const struct net_socket *socket) { return socket->error || socket->gone; }

static void fly(struct net_socket *from, struct net_socket *to, uint32_t size)
{
	struct net_pipe *pipe = &to->in;
	int64_t at = arrival(from);
	if (at < pipe->last_ns)
		at = pipe->last_ns;
	pipe->last_ns = at;
	if (pipe->flight_count == NET_FLIGHTS_MAX) {
		struct net_flight *last =
		    &pipe->flights[(pipe->flight_first + pipe->flight_count - 1) % NET_FLIGHTS_MAX];
		last->size += size;
		last->at_ns = at;
	} else {
		pipe->flights[(pipe->flight_first + pipe->flight_count++) % NET_FLIGHTS_MAX] =
		    (struct net_flight){size, at};
	}
	arrive_at(to, pipe->flights[pipe->flight_first].at_ns);
}

static void path_breaks(struct net_socket *socket)
{
	sim_trace("net: socket %llu breaks after %llu bytes", (unsigned long long)socket->serial,
		  (unsigned long long)socket->break_after);
	socket->break_after = 0;
	if (sim_below(2))
		net_cut(socket, true);
	else
		net_reset(socket);
}

long net_write(struct net_socket *socket, const void *bytes, size_t size)
{
	check(socket->state == NET_OPEN);
	if (socket->dead)
		return -ECONNRESET;
	if (socket->error)
		return error_tell(socket);
	if (socket->gone || socket->shut)
		return -EPIPE;
	struct net_socket *to = socket->other;
	struct net_pipe *pipe = &to->in;
	size_t room = pipe->size - pipe->used;
	if (was_reset(to))
		return (long)size;
	if (!room) {
		socket->wants_room = true;
		return -EAGAIN;
	}
	size = piece_size(size_min(size, room));
	bool breaks = socket->break_after && socket->written + size >= socket->break_after;
	if (breaks)
		size = (size_t)(socket->break_after - socket->written);
	uint32_t tail = (pipe->head + pipe->used) % pipe->size;
	size_t first = size_min(size, pipe->size - tail);
	memcpy(pipe->bytes + tail, bytes, first);
	memcpy(pipe->bytes, (const uint8_t *)bytes + first, size - first);
	pipe->used += (uint32_t)size;
	socket->written += size;
	sim.bytes += size;
	sim.moved++;
	sim_hash(bytes, size, socket->serial);
	fly(socket, to, (uint32_t)size);
	if (breaks)
		path_breaks(socket);
	return (long)size;
}

void net_pipe_introduce(struct net_socket *to)
{
	struct net_pipe *pipe = &to->in;
	char text[64];
	int size = snprintf(text, sizeof text, "PROXY TCP4 10.0.%u.1 10.0.%u.1 %u %u\r\n",
			    to->remote.bytes[2], to->local.bytes[2], to->remote.port, to->local.port);
	check(size > 0 && (uint32_t)size <= pipe->size);
	memcpy(pipe->bytes, text, (size_t)size);
	pipe->used = (uint32_t)size;
	for (size_t at = 0, piece; at < (size_t)size; at += piece)
		fly(to->other, to, (uint32_t)(piece = piece_size((size_t)size - at)));
}

/* ---- ends ---- */

void net_pipe_finish(struct net_socket *socket)
{
	struct net_pipe *pipe = &socket->in;
	if (was_reset(socket))
		return;
	int64_t at = arrival(socket->other);
	pipe->ended = true;
	pipe->end_ns = at < pipe->last_ns ? pipe->last_ns : at;
	pipe->last_ns = pipe->end_ns;
	arrive_at(socket, pipe->flight_count ? pipe->flights[pipe->flight_first].at_ns : pipe->end_ns);
}

void net_pipe_reset(struct net_socket *socket, int error)
{
	struct net_pipe *pipe = &socket->in;
	if (socket->state == NET_CLOSED || socket->dead || pipe->reset)
		return;
	int64_t at = arrival(socket->other);
	if (sim_below(2) && at < pipe->last_ns)
		at = pipe->last_ns;          /* behind all that was said; else it overtakes */
	if (at < pipe->last_ns)
		tally(TALLY_resets_overtaking);
	pipe->reset = true;
	pipe->reset_error = error;
	pipe->reset_ns = at;
	arrive_at(socket, at);
}
