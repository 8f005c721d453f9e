/* tools/tunnel/run.h - from a checked configuration to running workers, and back.
 *
 * Owner:  main. Thread: main; what workers have to say to it comes over an eventfd.
 * Order:  tls library, files, engine, services, workers; ends in the opposite order.
 */
#ifndef TOOLS_TUNNEL_RUN_H
#define TOOLS_TUNNEL_RUN_H

#include <stdatomic.h>

#include "core/config.h"
#include "core/detect.h"
#include "protocols/linksocks/client.h"
#include "protocols/linksocks/server.h"
#include "protocols/management/management.h"
#include "protocols/tls_tunnel/client.h"
#include "protocols/tls_tunnel/gateway.h"
#include "ring/process.h"
#include "tls/tls.h"

enum { RUN_CLIENTS_MAX = CONFIG_CLIENTS_MAX, RUN_WHY_SIZE = 512 };

/* A listener of the gateway, as worker 0 tells it. */
struct run_port {
	_Atomic int state;               /* -errno; 1: it listens; 0: not known yet */
	struct address address;
	bool told;
};

struct run {
	struct config *config;
	struct process process;
	struct tls_settings gateway_tls, stats_tls, client_tls[RUN_CLIENTS_MAX];
	struct voucher voucher;
	struct gateway_settings gateway;
	struct linksocks_server_settings linksocks;
	struct management_settings management;
	_Atomic size_t stats_held;       /* bytes of its answers */
	struct gateway_detector own_detector;
	/* By index of config->clients, of which each has one protocol. */
	struct client_settings clients[RUN_CLIENTS_MAX];
	struct linksocks_client_settings linksocks_clients[RUN_CLIENTS_MAX];
	int network;                     /* tells of changed addresses and routes; -1: nothing to tell */
	int news;                        /* eventfd: one of the following has changed */
	struct run_port public, own, stats; /* the TLS port; LinkSocks' own listener; the management's */
	_Atomic bool draining;
	_Atomic uint32_t clients_ready;
	_Atomic bool failing, failed;    /* a client gives up; `failure` says why from `failed` on */
	char failure[RUN_WHY_SIZE];
	_Atomic bool users_listen;       /* a LinkSocks client's SOCKS5 port */
	bool clients_told, users_told;   /* that one is ready, that it listens */
	bool original; /* called as the original LinkSocks program, which says some things on stdout */
	bool print_line; /* on stdout, once the gateway listens: what to paste on the other machine */
	const char *host;                /* this machine's name in that line; NULL: found out */
};

/* Starts everything. Fields from `original` on are the caller's, set before; the rest is overwritten.
 * `config` is loaded (state_load) and stays the caller's. False: one line in `why`. */
bool run_start(struct run *run, struct config *config, char why[RUN_WHY_SIZE]);
/* Waits for a signal that ends the program, drains and stops. Returns the exit status. */
int run_until_signal(struct run *run);
/* Stops at once and frees. */
void run_stop(struct run *run);

/* What the calling thread has used, and where it runs. */
void machine_usage(struct hub_usage *usage);
/* CPUs that this process may use: affinity and the cgroup's quota. */
uint32_t machine_cores(void);
/* Bytes that this process may use: the cgroup's limit or the machine's memory. */
size_t machine_memory(void);
/* Is it one of this machine's, now? */
bool machine_has_address(const struct address *address);
/* Bytes that it takes at most beside limits.process_memory. The sum of both is what a container needs. */
size_t machine_memory_beside(const struct config *config, uint32_t cores);

#endif
