/* tests/sim/world.h - the world of a seed: a gateway, clients, services behind them, who wants to reach what.
 *
 * Owner:  course.c, one at a time.
 * Hosts:  1 the gateway, 2.. the clients, 7 strangers, 8 the users, 9 a remote service, 10 a LinkSocks
 *         provider, 11 the client where its users are.
 */
#ifndef TESTS_SIM_WORLD_H
#define TESTS_SIM_WORLD_H

#include "tests/sim/node.h"
#include "tests/sim/peer.h"

enum {
	HOST_GATEWAY = 1,
	HOST_CLIENTS = 2,
	HOST_PROVIDER = 10,
	HOST_SOCKS = 11,
	HOST_STRANGERS = 7,
	HOST_USERS = 8,
	HOST_REMOTE = 9,
	CLIENTS_MAX = 3,
	NODES_MAX = 4 + CLIENTS_MAX,
	SERVICES_COUNT_MAX = 16,
	PORTS_MAX = 96,
	GATEWAY_PORT = 8443,
};

/* What a proxy leads to. */
struct local_service {
	struct net_host *host;
	struct address address;
	struct net_socket *listener; /* NULL: it is down */
};

/* Where users connect. */
struct port {
	struct net_host *host;       /* theirs */
	struct address address;
	uint32_t client;             /* whose proxy it is */
	uint32_t visitor;            /* whose visitor it is; 0: the gateway's port */
	struct local_service *service;
	bool greets;
	bool socks;                  /* its users name their target: `target` */
	bool http;                   /* the same, by HTTP */
	bool by_name;                /* and name it by its host's name */
	struct address target;
};

/* What the seed has drawn. */
struct knobs {
	bool tls, rude, contest, strict, stock;
	bool links;                  /* clients may ask for several */
	bool socks;                  /* LinkSocks is there as well: socks.h */
	bool socks_public;           /* its links come to the gateway's port, which is under TLS then */
	bool forwards;               /* a client has forwarders: forwards.h */
	bool exchanges;              /* most users come to forwarders, and say little */
	bool crowd;                  /* all users come at once */
	bool epoll;                  /* the engine is ring_epoll.c: kernel.h */
	bool associations;           /* some send datagrams: associations.h */
	uint32_t users;
	uint32_t pause;              /* permille of turns after which a worker sleeps for a while */
	int64_t pause_ns;
	int64_t span_ns;             /* of the faults */
};

struct world {
	struct knobs knobs;
	struct node nodes[NODES_MAX];
	uint32_t node_count;
	struct local_service services[SERVICES_COUNT_MAX];
	uint32_t service_count;
	struct port ports[PORTS_MAX];
	uint32_t port_count;
	char bridge_host[NAME_SIZE]; /* what visitors of BRIDGE_NAME reach */
	uint16_t bridge_port;
	struct local_service *bridge_service;
	int64_t slept_ns;            /* programs did, at last */
	bool over;                   /* faults are */
	bool stopping;
};

extern struct world world;

/* Once for the program: library, certificate. */
void world_prepare(void);
/* Draws and builds; nothing runs yet. */
void world_build(void);
void world_free(void);

/* What a client needs to know the gateway by. */
void world_trust(struct tls_settings *tls);
struct local_service *service_create(struct net_host *host, struct address address);
struct port *port_add(uint32_t host, struct address address, uint32_t client, uint32_t visitor,
		      struct local_service *service);
void service_up(struct local_service *service);
void service_down(struct local_service *service);

/* A talk to that port, by the seed. NULL: there are too many. */
struct talk *world_talk(const struct port *port, bool rude, int64_t at_ns);
/* Steps until `is_so()` or, after `limit`, false. */
bool world_run(bool (*is_so)(void), struct duration limit);
bool world_is_ready(void);
/* A client that may be sent away for good: its key is wrong, or all that it offers is another's. */
bool world_may_be_refused(const struct node *node);
bool world_talks_are_over(void);
bool world_has_stopped(void);

/* ---- services.c ---- */
void services_try(void);

/* ---- faults.c ---- */
/* Draws classes of faults and when they strike, from now on for knobs.span_ns. At `busy_ns` there is most to
 * do. */
void faults_plan(int64_t busy_ns);
/* What the gateway tells its program. */
void gateway_listens(const struct address *address, int error);
void node_gives_up(struct node *node);
/* Everything works again. */
void faults_end(void);

#endif
