/* tests/sim/socks.h - LinkSocks in the world: the gateway serves it too, one node provides, another one has
 * the users' SOCKS5 ports. Also the proof that wires meet: visitors of TLS Tunnel that a provider serves.
 *
 * Owner: world.c. Ways: a reverse token's port at the gateway; a forward client's port (the gateway is the
 * exit); a connector's port; and a visitor of TLS Tunnel who asks for BRIDGE_NAME (tests/lib/bridge.h).
 * In half of these worlds the links are under TLS, to the gateway's port; else in clear, to an own one.
 */
#ifndef TESTS_SIM_SOCKS_H
#define TESTS_SIM_SOCKS_H

#include "protocols/detect.h"
#include "protocols/linksocks/client.h"
#include "protocols/linksocks/server.h"

enum {
	SOCKS_CLIENTS_MAX = 2,       /* of one node */
	SOCKS_THREADS_MAX = 3,       /* links of each */
	SOCKS_PORT = 8765,           /* the server's own listener */
	SOCKS_USERS_PORT = 9870,     /* where users come in; a forward client's is one more */
	BRIDGE_PORT = 4000,          /* what a visitor of TLS Tunnel asks for */
};

#define BRIDGE_NAME "bridge"

struct node;
struct talk;

/* What a node has of it. */
struct socks {
	bool serves;
	uint32_t client_count;
	struct gateway_detector own_detector;
	struct config_linksocks server_config;
	struct config_token tokens[2];
	struct linksocks_server_settings server;
	struct config_endpoint endpoint;
	struct config_client configs[SOCKS_CLIENTS_MAX];
	struct linksocks_client_settings clients[SOCKS_CLIENTS_MAX];
};

/* The world has it: draws and adds nodes and ports. */
void socks_build(void);
/* A node's services of this kind, on one worker. */
void socks_populate(struct node *node, struct hub *hub);
void socks_start(struct node *node);
void socks_finish(struct node *node);
void socks_free(struct node *node);
/* What a user says first to reach that target, as an address or by its host's name, and what must come back.
 */
void socks_greet(struct talk *talk, struct address target, bool by_name);

#endif
