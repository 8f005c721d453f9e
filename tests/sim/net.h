/* tests/sim/net.h - a network in memory: hosts, listeners, connections of two pipes with capacity and
 * latency.
 *
 * Owner:  the run. Sockets live until net_end, so that events and peers may look at dead ones. Thread: one.
 * TCP:    bytes arrive in order and later; a reset may overtake them; a socket that is closed with unread
 *         bytes, or that gets more, resets its peer; an error is told once, to whoever asks first, and
 *         afterwards there is a clean end; what is written to a socket whose peer is gone is taken and lost.
 * UDP:    each datagram goes its own way, takes its own time, and may be lost or come twice; a socket holds
 *         NET_DATAGRAMS_MAX.
 * Hosts:  10.0.N.1 is host N; 127.0.0.0/8 and 0.0.0.0 are the host that asks. A host that is down answers
 *         nothing at all.
 */
#ifndef TESTS_SIM_NET_H
#define TESTS_SIM_NET_H

#include "core/address.h"
#include "core/list.h"
#include "tests/sim/sim.h"

enum { NET_HOSTS_MAX = 12, NET_FDS_MAX = 1024, NET_FLIGHTS_MAX = 64, NET_PIPE_MAX = 262144,
	NET_DATAGRAMS_MAX = 24,
	NET_PORT_LINK = 8443,
	NET_PORT_SAFE = 25000 /* ports from here on are never found in use by somebody else */ };

/* What goes wrong, drawn per run; net_calm() takes it all back. */
struct net_faults {
	uint32_t partial;            /* permille of reads and writes that are cut short */
	uint32_t tiny;               /* permille of those that are cut to a few bytes */
	int64_t latency_ns, jitter_ns; /* at most, each way; drawn per connection */
	uint32_t connect_refused, connect_lost, connect_unreachable;   /* permille */
	uint32_t accept_emfile, connect_emfile, listen_in_use;         /* permille */
	uint32_t pipe_small;         /* permille of connections with room for a few bytes only */
	bool kernel_notices;         /* keep-alive and user timeout work */
	/* permille of datagrams: lost, doubled; of sends that find no room; of errors told for one that found
	 * nobody */
	uint32_t datagrams_lost, datagrams_twice, datagrams_stuck, datagrams_icmp;
	uint32_t breaks; /* permille of connections to NET_PORT_LINK that break after so many bytes */
};

struct net_host {
	uint32_t index;
	bool down;
	struct net_socket *fds[NET_FDS_MAX];
	uint32_t fd_low;             /* none is free below */
	uint32_t fd_count;
};

struct net_flight { uint32_t size; int64_t at_ns; };

/* What comes towards one socket. */
struct net_pipe {
	uint8_t *bytes;
	uint32_t size, head, used;   /* `used` bytes from head on, of them */
	uint32_t ready;              /* have arrived */
	struct net_flight flights[NET_FLIGHTS_MAX];
	uint32_t flight_first, flight_count;
	int64_t last_ns;             /* the last arrival */
	bool ended, end_ready;
	int64_t end_ns;
	bool reset;
	int64_t reset_ns;
	int reset_error;
	int64_t wanted_ns;           /* an event is asked for then; 0: none */
};

enum net_state { NET_LISTENING, NET_CONNECTING, NET_OPEN, NET_CLOSED, NET_BOUND /* for datagrams */ };

struct net_datagram {
	struct link link;
	struct net_host *host, *from_host;
	uint16_t port;
	struct address from;
	uint32_t size;
	uint8_t bytes[];
};


struct net_socket {
	struct link all_link, backlog_link;
	struct net_host *host;
	enum net_state state;
	int fd;                      /* -1: a peer's */
	uint64_t serial;
	struct address local, remote;
	struct link backlog;         /* listening */
	uint32_t backlog_count, backlog_max;
	struct link datagrams;       /* bound: they have come */
	uint32_t datagram_count;
	struct net_socket *other;    /* NULL until connected */
	struct net_pipe in;
	int64_t latency_ns, jitter_ns;
	int error;                   /* to be told once */
	bool gone;                   /* an error was told */
	bool shut;                   /* our end was said */
	bool dead;                   /* its process was killed */
	bool cut;                    /* nothing gets through, either way */
	bool wants_room;             /* it found its peer's pipe full */
	bool is_link;                /* the kernel watches over it: RING_USER_TIMEOUT was set */
	uint64_t written, read;
	uint64_t break_after;        /* bytes written here: the path breaks behind them; 0: it does not */
	void (*changed)(struct net_socket *socket);   /* something may be possible now */
	void *owner;
};

struct net {
	struct net_faults faults;
	struct net_host hosts[NET_HOSTS_MAX];
	struct link sockets;         /* all of the run */
	struct link datagrams;       /* on their way */
	uint64_t datagrams_sent, datagrams_lost;
	bool introduces;             /* a proxy is in front of NET_PORT_LINK, for programs */
	bool whole_reads;            /* a short one has emptied the socket */
	uint64_t serial;
	uint16_t port;               /* the next ephemeral one */
	const struct net_host *watched_host; /* counts in `refused` what comes there and finds no listener */
	uint16_t watched_port;
	uint64_t refused;
};

extern struct net net;

void net_start(void);
void net_end(void);
void net_calm(void);

/* A socket or, with a negative errno, NULL. `fd`: it gets a descriptor of the host. */
struct net_socket *net_listen(struct net_host *host, const struct address *address, int backlog, bool fd,
			      int *error);
/* `changed` is called when it is OPEN, or CLOSED with `error`. Never fails at once but for descriptors. */
struct net_socket *net_connect(struct net_host *host, const struct address *address, bool fd, int *error);
/* NULL: -EAGAIN, -EMFILE. */
struct net_socket *net_accept(struct net_socket *listener, bool fd, int *error);
/* Bytes, 0 at the end (read only), or -errno: -EAGAIN and `changed` will be called. */
long net_read(struct net_socket *socket, void *bytes, size_t size);
long net_write(struct net_socket *socket, const void *bytes, size_t size);
bool net_can_read(const struct net_socket *socket);
void net_shutdown(struct net_socket *socket);
void net_close(struct net_socket *socket, bool abort);
/* The path breaks: both sides get a reset. */
void net_reset(struct net_socket *socket);
void net_cut(struct net_socket *socket, bool cut);
/* The path breaks, and only this side hears of it. */
void net_half_dead(struct net_socket *socket);

/* A datagram socket, or NULL with a negative errno. */
struct net_socket *net_bind(struct net_host *host, const struct address *address, bool fd, int *error);
/* Bytes or -errno: -EAGAIN and `changed` will be called. */
long net_send_to(struct net_socket *socket, const struct address *to, const void *bytes, size_t size);
/* NULL: -EAGAIN and `changed` will be called, or an error that is told once. */
struct net_datagram *net_recv_from(struct net_socket *socket, int *error);
void net_datagram_free(struct net_datagram *datagram);
void net_datagrams_drop(struct link *list);

/* ---- between the files of net ---- */
/* NULL: there is no such host. */
struct net_host *net_host_of(struct net_host *from, const struct address *address);
struct net_socket *net_socket_create(struct net_host *host, enum net_state state, bool fd, int *error);
uint16_t net_port_draw(void);

enum net_death { NET_DEATH_KERNEL, NET_DEATH_RESET, NET_DEATH_SILENT };
/* The host's process is gone: its sockets are dead, what leaves them is lost, and their peers see what `how`
 * says. */
void net_kill(struct net_host *host, enum net_death how);

struct net_socket *net_socket_of(struct net_host *host, int fd);
struct address net_address(uint32_t host, uint16_t port);

#endif
