/* core/config.h - everything that a file or the command line can say, checked, as values.
 *
 * Owner:  the process; made before workers start, read-only afterwards. Thread: any, once made.
 * Memory: strings, lists and files live in the config's own memory, wiped and freed by config_fini.
 * Made:   by core/config_read.h from YAML, from options, or from both: one path and one set of rules. PEM
 *         files are loaded later (tools/tunnel/state.h) into the fields ..._pem.
 * Never:  opens, resolves, or promises that a value which parsed also works.
 */
#ifndef CORE_CONFIG_H
#define CORE_CONFIG_H

#include "core/acl.h"
#include "core/batcher.h"
#include "core/config_linksocks.h"
#include "core/config_tls_tunnel.h"
#include "core/limits.h"
#include "core/log.h"
#include "core/pin.h"

enum {
	CONFIG_CORES_MAX = 256,
	CONFIG_LIST_MAX = 4096,          /* entries of any list */
	CONFIG_CLIENTS_MAX = 16,         /* entries of `client` */
	CONFIG_NAME_MAX = 255,           /* bytes of a proxy's or visitor's name */
	CONFIG_KEY_MIN = 16,             /* bytes of an auth_key */
	CONFIG_KEY_MAX = 1024,
	CONFIG_LINKS_MAX = 64,           /* of one client */
	CONFIG_THREADS_MAX = 1024,       /* the same of LinkSocks */
	CONFIG_TOKEN_MAX = 255,          /* bytes of a LinkSocks token */
	CONFIG_PASSWORD_MAX = 255,       /* bytes of a user's name, and of a password */
	CONFIG_PATH_MAX = 1024,          /* bytes of a WebSocket's path with its query */
};

/* Own credentials of one client of the gateway; the name is its identity in logs. */
struct config_identity {
	const char *name;
	struct secret auth_key;
	struct port_range *ports;        /* what it may publish; none: as its protocol allows */
	size_t port_count;
};

struct config_gateway {
	bool enabled;                    /* false: no gateway runs and the rest is not set */
	struct address listen_addr;
	const char *tls_cert, *tls_key;  /* file names; NULL: self-signed, kept in the state directory */
	const char *tls_client_ca;       /* file name; set: client certificates are required */
	bool tls12;                      /* tls_min_version "1.2" */
	const char **server_names;       /* tls_server_names: that a ClientHello may ask for; none: any */
	size_t server_name_count;
	bool behind_proxy;               /* the port is in clear: a proxy in front has done TLS */
	bool proxy_protocol;             /* connections of trusted_proxies begin with a PROXY header */
	struct cidr *trusted_proxies;    /* whose PROXY header or X-Forwarded-For is believed */
	size_t trusted_proxy_count;
	struct cidr *sources_allow;      /* none: all that is not denied */
	size_t sources_allow_count;
	struct cidr *sources_deny;       /* wins over allow */
	size_t sources_deny_count;
	const char **allow_origins;      /* that a WebSocket request may name; "*": any */
	size_t allow_origin_count;
	bool tls_tunnel;                 /* spoken on the TLS port */
	uint32_t transports;             /* TLS Tunnel: bits 1 << enum config_transport */
	bool legacy;                     /* TLS Tunnel: generations before 1.5 too */
	bool allow_forward;              /* TLS Tunnel: clients' forwarders may dial from here */
	struct config_rate rate_limit;   /* TLS Tunnel: new links */
	struct secret auth_key;          /* shared by all clients; empty: only `identities` may log in */
	struct config_identity *identities;
	size_t identity_count;
	bool public;                     /* false: no TLS port; only listeners of single protocols */
	struct config_linksocks linksocks;
	/* filled in by state_load */
	struct slice certificate_pem;
	struct secret key_pem;
	struct slice client_ca_pem;      /* empty without tls_client_ca */
};

struct config_reconnect {
	bool enabled;
	struct duration min, max;        /* equal: a fixed delay */
	bool retry_auth;                 /* same pace after a refused login; else 30 s doubling to 300 s */
};

enum config_protocol { PROTOCOL_TLS_TUNNEL, PROTOCOL_LINKSOCKS };

struct config_client {
	enum config_protocol protocol;
	bool plaintext;                  /* ws:// */
	struct config_via upstream_proxy;/* how the gateway is reached */
	struct config_linksocks_client linksocks;
	struct config_endpoint *gateways; /* tried in order; at least one */
	size_t gateway_count;
	const char *gateway_tls_cert;    /* file name; NULL: the system's roots */
	bool has_pin;
	uint8_t pin[PIN_SIZE];
	const char *client_cert, *client_key; /* file names, both or neither */
	struct config_reconnect reconnect;
	struct secret auth_key;
	enum config_generation generation;
	enum config_transport transport;
	const char *path;                /* of transport wss; begins with '/' */
	uint32_t links;                  /* to a gateway that takes several; else one is made */
	uint32_t local_retries;          /* connects to the local service in all, at least 1 */
	struct duration local_retry_delay;
	struct config_proxy *proxies;
	size_t proxy_count;
	struct config_visitor *visitors;
	size_t visitor_count;
	struct config_forwarder *forwarders;
	size_t forwarder_count;
	/* filled in by state_load */
	struct slice anchors_pem;        /* empty where the pin alone decides */
	struct slice certificate_pem;
	struct secret key_pem;
};

/* The management listener. */
struct config_stats {
	bool enabled;
	struct address listen_addr;
	struct secret token;             /* empty: none; required unless it is loopback or unix */
	const char *tls_cert, *tls_key;  /* file names, both or neither */
	/* filled in by state_load */
	struct slice certificate_pem;
	struct secret key_pem;
};

struct config_block;                     /* private: the config's memory */

struct config {
	uint32_t cores;                  /* 0: as many as CPUs may be used */
	const char *engine;              /* "auto", "io_uring" or "epoll" */
	const char *state_dir;           /* NULL: by the environment */
	enum log_level log_level;
	enum log_format log_format;
	struct duration drain_stop, drain_upgrade;
	struct limits limits;
	struct batching batching;
	struct acl access;               /* targets that peers and users may name */
	bool access_given;               /* by the file; else forwards are denied private ranges as well */
	struct config_stats stats;
	struct config_gateway gateway;
	struct config_client *clients;
	size_t client_count;
	struct config_block *blocks;
};

/* Wipes and frees everything, also of a config that was never finished; then it is all zero. */
void config_fini(struct config *config);
/* A copy of bytes, and a zero behind them, wiped and freed with the config. NULL: no memory. */
uint8_t *config_keep(struct config *config, struct slice bytes);

#endif
